"""Scattering amplitudes of the species.

Coherent neutron scattering lengths (Sears, Neutron News 3, 26 (1992), and later corrections)
and X-ray form factors f0(Q) (Waasmaier, Kirfel, Acta Cryst. A 51, 416 (1995)) are those of the
library periodictable. The imaginary part of the scattering length of strong absorbers is
left out.
"""

import re
from collections.abc import Mapping

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.spectra import Wavevectors, Weights
from trajmodes.errors import DataError, UsageError

EQUAL, NEUTRON, XRAY = "equal", "neutron", "xray"
_ENTRY = re.compile(r"([A-Za-z]+)[:=]([-+]?[0-9.]+(?:[eE][-+]?\d+)?)")


def weights(choice: str, waves: Wavevectors) -> Weights:
    """Find the scattering amplitudes at each Q.

    Parameters
    ----------
    choice
        ``equal``, ``neutron``, ``xray``, or the amplitude of every species, such as
        ``Na:3.63 Cl:9.577``.

    Raises
    ------
    UsageError
        If the text is not one of these, a species has no amplitude, or the library for
        tabulated amplitudes is missing.
    DataError
        If all amplitudes are zero.
    """
    species = tuple(dict.fromkeys(waves.crystal.species))
    unit = {EQUAL: "1", NEUTRON: "fm", XRAY: "electrons"}.get(choice, "1")
    if choice == EQUAL:
        values = np.ones((1, len(species)))
    elif choice == NEUTRON:
        values = np.array([[_neutron_length(name) for name in species]])
    elif choice == XRAY:
        values = np.stack([_form_factor(name, waves.lengths) for name in species], axis=1)
    else:
        given = split_weights(choice)
        if missing := [name for name in species if name not in given]:
            raise UsageError(
                f"no scattering amplitude of {', '.join(missing)} is given",
                fix="give one for every species: " + " ".join(f"{name}:1" for name in species),
            )
        values = np.array([[given[name] for name in species]])
    square = values**2 @ _shares(waves.crystal, species)
    if not (square > 0.0).all():
        raise DataError("all scattering amplitudes are zero")
    n_waves = len(waves.hkl)
    return Weights(
        species,
        np.broadcast_to(values, (n_waves, len(species))),
        np.broadcast_to(square, n_waves),
        unit,
    )


def split_weights(text: str) -> Mapping[str, float]:
    """Read amplitudes by species from a text such as ``Na:3.63 Cl:9.577``.

    Raises
    ------
    UsageError
        If it is not of this form.
    """
    found = [_ENTRY.fullmatch(word) for word in text.replace(",", " ").split()]
    try:
        entries = {one[1]: float(one[2]) for one in found if one is not None}
    except ValueError:
        entries = {}
    if not entries or None in found:
        raise UsageError(
            f'"{text}" names no scattering amplitudes',
            fix='give equal, neutron, xray, or numbers such as "Na:3.63 Cl:9.577"',
        )
    return entries


def _shares(crystal: Crystal, species: tuple[str, ...]) -> Floats:
    counts = np.array([crystal.species.count(name) for name in species], dtype=float)
    return counts / crystal.n_sites


def _neutron_length(name: str) -> float:
    """Coherent scattering length b in fm."""
    length = _element(name).neutron.b_c
    if length is None:
        raise UsageError(
            f"the scattering length of {name} is not tabulated",
            fix="give those of all species, such as Na:3.63,Cl:9.577",
        )
    return float(length)


def _form_factor(name: str, lengths: Floats) -> Floats:
    """Form factor f0 (k,) in electrons at |Q| in 1/Å."""
    found: Floats = np.asarray(_element(name).xray.f0(lengths), dtype=float)
    return found


def _element(name: str) -> "periodictable.core.Element":  # type: ignore[name-defined] # noqa: F821
    try:
        import periodictable  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise UsageError(
            "tables of scattering lengths need the library periodictable",
            fix='install it (pip install "trajmodes[scattering]"), or give the amplitudes, '
            "such as Na:3.63,Cl:9.577",
        ) from None
    try:
        return periodictable.elements.symbol(name)
    except ValueError:
        raise UsageError(
            f"{name} is not an element with tabulated scattering lengths",
            fix="give those of all species, such as Na:3.63,Cl:9.577",
        ) from None
