"""Comparison of fits with their potential or each other: differences, and the limit T → 0.

A fit is compared with the potential in the crystal of the fit, so that fits of runs at constant
pressure can be compared as well. The differences of fits at two temperatures or more are
extrapolated to 0 K, where they vanish if they are due to anharmonicity alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.potentials.shell_constants import SharedModes, ShellConstants
from trajmodes.notes import Note
from trajmodes.phonons.born_von_karman.shells import selected
from trajmodes.phonons.born_von_karman.zero_temperature import (
    constants_at_zero,
    reduced_chi2,
    values_at_zero,
)
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.pipeline.potentials.neighbour_models import ShellModel, model_of_constants
from trajmodes.symmetry.stars import star_labels
from trajmodes.symmetry.translations import half_space
from trajmodes.units import NEWTON_PER_METRE

AT_ZERO = "T→0"
_FAR = 3.0
"""Difference in standard errors that is more than the error."""
_MEAN, _MOST = 2.5, 5.0
"""Differences in standard errors, as a root mean square and of any one, that are more than
chance. Modes share the errors of a few constants: a share of modes beyond 3 is no measure."""
_CURVED = 2.0
"""Reduced χ² beyond which values are not on a line in T."""
_SAME = 1e-9
"""Relative difference of cells, positions and masses of equal crystals."""
_SAME_VOLUME = 1e-6
_PART = 0.2
"""Part of a difference that makes something a likely cause of it."""
_LENGTH = 0.05
"""In Å: thermal expansion does not move a shell across the reach of a fit."""


class Comparison(NamedTuple):
    """Models, including that at T → 0, and their references."""

    models: list[ShellModel]
    label: str | None
    """Name of what they are compared with; None where they are not."""
    reference: Floats | None
    """As `ShellModels.reference`."""
    modes: SharedModes | None
    notes: list[Note]


@dataclass(frozen=True, slots=True)
class Static:
    """The potential of the runs that were fitted."""

    constants: Callable[[Crystal], ForceConstants]
    """Its force constants of second order in any crystal."""
    noise: float
    """Error of its force constants from the digits of tables, in eV/Å²."""


class _Fits(NamedTuple):
    """Fits with errors at several temperatures."""

    models: list[ShellModel]
    places: list[int]
    """Place of each among all models."""

    @property
    def kelvin(self) -> Floats:
        """(k,) temperatures."""
        return np.array([one.temperature for one in self.models], dtype=float)

    @property
    def make_a_line(self) -> bool:
        """Whether two temperatures differ."""
        return len(set(self.kelvin.tolist())) > 1

    @property
    def text(self) -> str:
        """Name them by their temperatures."""
        return f"fits at {', '.join(f'{one:.4g}' for one in sorted(self.kelvin))} K"

    def have_volume(self, volume: float) -> bool:
        """Whether the volume of all their crystals is known."""
        volumes = np.array([one.constants.crystal.volume for one in self.models])
        return bool((np.abs(volumes / volume - 1.0) < _SAME_VOLUME).all())

    def values(self, count: int) -> Floats:
        """(k, n) constants."""
        return np.array([one.constants.values[:count] for one in self.models])

    def errors(self, count: int) -> Floats:
        """(k, n) errors of the constants."""
        return np.array([np.asarray(one.constants.values_sem)[:count] for one in self.models])


def _fits_of(models: Sequence[ShellModel], start: int) -> _Fits:
    places = [
        k
        for k, one in enumerate(models)
        if k >= start
        and one.whole is not None
        and one.temperature is not None
        and one.constants.replicates is not None
        and (np.asarray(one.constants.values_sem) > 0.0).any()
    ]
    return _Fits([models[k] for k in places], places)


def among_each_other(models: list[ShellModel]) -> Comparison:
    """Extrapolate fits among the models to T → 0, and compare them with that limit."""
    fits = _fits_of(models, 0)
    if not fits.make_a_line:
        return Comparison(models, None, None, None, [])
    number = min(one.shells.n_shells for one in fits.models)
    shells = selected(fits.models[0].shells, number)
    count = len(shells.names)
    values = fits.values(count)
    found = constants_at_zero(
        fits.kelvin, [one.constants for one in fits.models], shells, np.zeros_like(values)
    )
    models = [*models, ShellModel(AT_ZERO, shells, found, temperature=0.0)]
    reference = np.full((len(models[0].constants.values), len(models)), np.nan)
    reference[:count, fits.places] = found.values[: len(reference), None]
    same = fits.have_volume(fits.models[0].constants.crystal.volume)
    where = "" if same else ", along the volumes of the runs"
    notes = [Note("note", f"{AT_ZERO} is the linear extrapolation of {fits.text}{where}")]
    chi2 = reduced_chi2(fits.kelvin, values, fits.errors(count))
    if chi2 is not None and chi2 > _CURVED:
        notes.append(
            Note(
                "warning",
                f"constants of {fits.text} are not on a line: reduced χ² {chi2:.2g}",
                why="force constants are linear in T at low temperatures alone, or the range "
                "of the fits differs",
                fix="leave out the highest temperatures",
            )
        )
    return Comparison(models, AT_ZERO, reference, _modes(models, fits, {}), notes)


def with_potential(
    own: ShellModel, parts: Sequence[ShellModel], others: Sequence[ShellModel], static: Static
) -> Comparison:
    """Compare models with a potential in the crystal of each, and extrapolate fits to T → 0."""
    models = [own, *parts, *others]
    if not others:
        return Comparison(models, None, None, None, [])
    alike = {
        k: _in_crystal(own, one, static) for k, one in enumerate(others, start=1 + len(parts))
    }
    notes = [_difference(own, models[k], one) for k, one in alike.items()]
    fits = _fits_of(models, 1 + len(parts))
    if fits.make_a_line:
        bases = [alike[k] for k in fits.places]
        number = min(one.shells.n_shells for one in (own, *bases, *fits.models))
        shells = selected(own.shells, number)
        count = len(shells.names)
        change = [own.constants.values[:count] - one.constants.values[:count] for one in bases]
        found = constants_at_zero(
            fits.kelvin, [one.constants for one in fits.models], shells, np.array(change)
        )
        alike[len(models)] = own
        models.append(ShellModel(AT_ZERO, shells, found, temperature=0.0))
    reference = np.full((len(own.constants.values), len(models)), np.nan)
    for k, one in alike.items():
        known = one.constants.values[: len(reference)]
        reference[: len(known), k] = known
    modes = _modes(models, fits, alike)
    if fits.make_a_line:
        notes.append(_verdict(own, fits, models[-1].constants, np.array(change), modes, static))
    return Comparison(models, own.label, reference, modes, notes)


def _in_crystal(own: ShellModel, other: ShellModel, static: Static) -> ShellModel:
    """Constants of the potential in the crystal of another model."""
    one, two = own.constants.crystal, other.constants.crystal
    same = all(
        np.allclose(getattr(one, name), getattr(two, name), rtol=_SAME, atol=_SAME)
        for name in ("cell", "sites", "masses")
    )
    if same:
        return own
    return model_of_constants(own.label, static.constants(two), own.shells.n_shells)


def _modes(
    models: Sequence[ShellModel], fits: _Fits, alike: Mapping[int, ShellModel]
) -> SharedModes | None:
    """Frequencies of fits at the q points of the first one's supercell, one of each star.

    `alike` is the potential in the crystal of each compared model.
    """
    compared = [k for k in alike or fits.places if models[k].whole is not None]
    if not compared:
        return None
    wholes = {k: models[k].whole for k in ([0, *compared] if alike else compared)}
    first = models[compared[0]]
    every = half_space(first.enclosing).qpoints
    qpoints = every[np.unique(star_labels(first.constants.crystal, every))]
    head = next(iter(wholes.values()))
    assert head is not None
    sets = modes_at(replace(head, replicates=None), qpoints).sets
    labels, place = np.unique(sets, return_index=True)
    row, branch = np.unravel_index(place[labels >= 0], sets.shape)
    if not len(row):
        return None
    omega, sem, reference = np.full((3, len(row), len(models)), np.nan)
    for k, whole in wholes.items():
        assert whole is not None
        found, errors = frequencies_at(whole, qpoints)
        omega[:, k] = found[row, branch]
        if errors is not None:
            sem[:, k] = errors[row, branch]
    for k, one in alike.items():
        assert one.whole is not None
        reference[:, k] = omega[:, 0]
        if one is not models[0]:
            reference[:, k] = frequencies_at(one.whole, qpoints)[0][row, branch]
    if fits.make_a_line:
        values = omega[:, fits.places]
        if alike:
            values = values - reference[:, fits.places] + omega[:, :1]
        limit, error = values_at_zero(fits.kelvin, values.T, sem[:, fits.places].T)
        omega[:, -1], sem[:, -1] = limit, error
        if not alike:
            reference[:, fits.places] = limit[:, None]
    return SharedModes(qpoints[row], branch + 1, omega, sem, reference)


def _difference(own: ShellModel, other: ShellModel, static: ShellModel) -> Note:
    """State by how much the constants of a model differ from those of the potential."""
    one, two = static.constants, other.constants
    count = min(len(one.values), len(two.values))
    change = two.values[:count] - one.values[:count]
    worst = int(np.abs(change).argmax())
    at = "" if static is own else f" at {one.crystal.volume / one.crystal.n_sites:.6g} Å³/atom"
    text = (
        f"{other.label} minus {own.label}{at}: {one.names[worst]} of shell "
        f"{one.shell[worst] + 1} differs most, by {change[worst] / NEWTON_PER_METRE:.3g} N/m"
    )
    if two.values_sem is not None and (known := two.values_sem[:count] > 0.0).any():
        ratio = np.abs(change[known]) / two.values_sem[:count][known]
        far = int((ratio > _FAR).sum())
        text += (
            f"; {np.sqrt(np.mean(ratio**2)):.2g} standard errors (rms), {far} of {len(ratio)} "
            f"constants differ by more than {_FAR:g}"
        )
    return Note("note", text)


def _verdict(
    own: ShellModel,
    fits: _Fits,
    zero: ShellConstants,
    change: Floats,
    modes: SharedModes | None,
    static: Static,
) -> Note:
    """State whether fits extrapolated to 0 K agree with the potential, and why perhaps not."""
    count = len(zero.values)
    rest, error = zero.values - own.constants.values[:count], np.asarray(zero.values_sem)
    # Constants without an error are zero in all models.
    known = np.flatnonzero(error > 0.0)
    z = rest[known] / error[known]
    own_volume = fits.have_volume(own.constants.crystal.volume)
    each = "" if own_volume else ", each at the lattice parameters of its run,"
    text = (
        f"constants of {fits.text} extrapolated to 0 K differ from those of the "
        f"potential{each} by {_rms(z):.2g} standard errors (rms); {_far(z)} of {len(z)} by "
        f"more than {_FAR:g}"
    )
    differs = _differs(z)
    if modes is not None and (modes.omega_sem[:, -1] > 0.0).any():
        sure = modes.omega_sem[:, -1] > 0.0
        y = (modes.omega - modes.reference)[sure, -1] / modes.omega_sem[sure, -1]
        differs |= _differs(y)
        text += f"; frequencies by {_rms(y):.2g} (rms), {_far(y)} of {len(y)} by more"
    if not differs:
        return Note("note", text)
    worst = int(known[np.abs(z).argmax()])
    text += (
        f"; {zero.names[worst]} of shell {zero.shell[worst] + 1} by "
        f"{rest[worst] / NEWTON_PER_METRE:.2g} N/m"
    )
    chi2 = reduced_chi2(fits.kelvin, fits.values(count) + change, fits.errors(count))
    causes = [
        *_of_range(own, fits, abs(float(rest[worst]))),
        *_of_thermostat(fits),
        *_of_table(static.noise, abs(float(rest[worst]))),
        *_of_curvature(chi2),
    ]
    return Note(
        "warning",
        text,
        why="; ".join(causes)
        or "the potential is another one, the forces contain those of a thermostat, or the "
        "constants are not linear in T",
        fix="fit with a cutoff that contains the range of the potential, forces of the "
        "potential alone, and lower temperatures",
    )


def _of_range(own: ShellModel, fits: _Fits, rest: float) -> list[str]:
    """Remark on constants of the potential beyond the pairs of the fits."""
    assert own.whole is not None
    reach = min(_lengths(one.whole).max() for one in fits.models if one.whole is not None)
    beyond = np.abs(own.whole.values[_lengths(own.whole) > reach + _LENGTH]).max(initial=0.0)
    if beyond < _PART * rest:
        return []
    return [
        f"the fits reach {reach:.3g} Å, and the potential has constants of up to "
        f"{beyond / NEWTON_PER_METRE:.2g} N/m beyond"
    ]


def _of_thermostat(fits: _Fits) -> list[str]:
    """Remark on random forces that fits found."""
    return [
        f"the forces of {one.label} contain random ones of {one.whole.quality.noise:.2g} eV/Å, "
        "as of a thermostat"
        for one in fits.models
        if one.whole is not None
        and one.whole.quality is not None
        and one.whole.quality.noise is not None
    ]


def _of_table(noise: float, rest: float) -> list[str]:
    """Remark on the digits of the tables of the potential."""
    if noise < _PART * rest:
        return []
    return [
        f"constants of the potential have errors of about {noise / NEWTON_PER_METRE:.2g} N/m "
        "from the digits of its tables"
    ]


def _of_curvature(chi2: float | None) -> list[str]:
    """Remark on constants that are not linear in T."""
    if chi2 is None or chi2 < _CURVED:
        return []
    return [f"the constants are not linear in T (reduced χ² {chi2:.2g})"]


def _lengths(constants: ForceConstants) -> Floats:
    """(p,) distances of the pairs in Å."""
    crystal = constants.crystal
    between = crystal.sites[constants.second] - crystal.sites[constants.first]
    lengths: Floats = np.linalg.norm((between + constants.lattice) @ crystal.cell, axis=1)
    return lengths


def _differs(z: Floats) -> bool:
    """Whether differences in standard errors are significant."""
    return len(z) > 0 and (_rms(z) > _MEAN or bool(np.abs(z).max() > _MOST))


def _rms(z: Floats) -> float:
    return float(np.sqrt(np.mean(z**2)))


def _far(z: Floats) -> int:
    return int((np.abs(z) > _FAR).sum())
