"""Test of the units and elements of a run by its temperatures.

Velocities give the kinetic temperature, forces and displacements the virial temperature. Both
agree in a solid if units and masses are correct. Equipartition gives every species the same
kinetic temperature, Σ M|v|² = k_BT for each degree of freedom. If two elements are
interchanged, one temperature is too high by the ratio of the masses and the other too low,
while the temperature of all atoms hardly changes.
"""

from collections.abc import Mapping
from itertools import permutations
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.matching.sample import ENOUGH, RunSample, mean_and_error
from trajmodes.matching.species import ALIKE, temperature_difference
from trajmodes.notes import Note
from trajmodes.readers.trajectory import Trajectory
from trajmodes.readers.units import unit_factors
from trajmodes.units import DALTON

PROVABLE_UNITS: tuple[
    Literal["metal", "real", "si", "cgs", "electron", "micro", "nano"], ...
] = ("metal", "real", "si", "cgs", "electron", "micro", "nano")
"""Unit styles with fixed factors; the factors of lj are known only to the user."""
_PROOF = 1.8
"""Kinetic and virial temperature within this factor of each other prove the units of a file."""
_RATIO = 3.0
"""Largest ratio of kinetic and virial temperature in a solid."""
_AGREE, _DISAGREE = 1.3, 1.8
"""Ratios of two temperatures. In an anharmonic crystal kinetic and virial temperature differ by
a few per cent; a wrong element changes the kinetic temperature by the ratio of the masses."""
_UNLIKE = 4.5
"""Standard errors beyond which temperatures of species differ."""
_MOST_SPECIES = 6
"""Largest number of species for which all assignments to types are tried."""


class UnitsProof(NamedTuple):
    """Whether a run proves that its units are correct."""

    holds: bool
    text: str
    """The evidence, or what is missing."""
    mismatch: float = np.inf
    """Absolute value of the logarithm of the ratio of two quantities that should be equal."""


def prove_units(trajectory: Trajectory, sample: RunSample) -> UnitsProof:
    """Judge the units of a run whose box fits its crystal.

    Velocities and forces must give one temperature. Without forces, displacements and
    velocities must give the time between frames. Positions alone need only the unit of length.
    """
    if sample.kinetic is not None and sample.virial is not None:
        kinetic, virial = float(sample.kinetic.mean()), float(sample.virial.mean())
        both = f"velocities ({kinetic:.0f} K) and forces ({virial:.0f} K)"
        mismatch = abs(np.log(kinetic / virial)) if min(kinetic, virial) > 0.0 else np.inf
        if mismatch < np.log(_PROOF):
            text = f"{both} give one temperature"
            return UnitsProof(holds=True, text=text, mismatch=mismatch)
        text = f"{both} disagree; elements of the cell file or of the atoms may be wrong"
        return UnitsProof(holds=False, text=text, mismatch=mismatch)
    if sample.kinetic is not None and trajectory.interval_ps is None:
        text = "velocities and displacements determine the units only with a time step"
        return UnitsProof(holds=False, text=text)
    if sample.kinetic is not None and sample.interval is not None:
        assert trajectory.interval_ps is not None
        mismatch = abs(np.log(sample.interval.ps / trajectory.interval_ps))
        both = (
            f"displacements and velocities (frames {1e3 * sample.interval.ps:.3g} fs apart) "
            f"and the time step ({1e3 * trajectory.interval_ps:.3g} fs)"
        )
        agree = bool(mismatch < np.log(_PROOF))
        text = f"{both} {'agree' if agree else 'disagree'}"
        return UnitsProof(holds=agree, text=text, mismatch=mismatch)
    if sample.kinetic is None and not trajectory.has_forces:
        return UnitsProof(holds=True, text="the file contains lengths only, in Å")
    text = (
        "neither forces without velocities nor velocities of distant frames determine units"
        if trajectory.has_positions
        else "velocities alone do not determine their unit"
    )
    return UnitsProof(holds=False, text=text)


def require_units(trajectory: Trajectory, sample: RunSample) -> None:
    """Raise a `DataError` if the two temperatures of a run cannot be those of a solid."""
    (kinetic, _), (virial, _) = mean_and_error(sample.kinetic), mean_and_error(sample.virial)
    if not np.isfinite([kinetic, virial]).all() or len(sample.frames) < ENOUGH:
        return
    if virial > 0.0 and 1.0 / _RATIO < kinetic / virial < _RATIO:
        return
    likely = _likely_units(trajectory.unit_style, kinetic, virial)
    raise DataError(
        f"velocities give {kinetic:.4g} K, forces and displacements {virial:.4g} K",
        where=f"{len(sample.frames)} frames, read with units {trajectory.unit_style}",
        why=f"the file is likely in {likely}"
        if likely
        else "velocities or forces are in another unit, of other atoms, or of opposite sign",
        fix=f"give units {likely.split()[-1]}"
        if likely.startswith("units")
        else "check the elements and masses, the units, and that positions, velocities and "
        "forces belong to the same step; --accept temperature uses the run as it is",
    )


def _likely_units(style: str, kinetic: float, virial: float) -> str:
    """Name the unit for which both temperatures agree; empty if there is none."""
    if virial <= 0.0 or kinetic <= 0.0:
        return ""
    if style in PROVABLE_UNITS:
        taken = unit_factors(style)
        for other in PROVABLE_UNITS:
            factors = unit_factors(other)
            if factors.length != taken.length:
                continue
            t_kinetic = kinetic * (factors.velocity / taken.velocity) ** 2
            t_virial = virial * factors.force / taken.force
            if 1.0 / _RATIO < t_kinetic / t_virial < _RATIO and 0.01 < t_kinetic < 1e5:
                return f"units {other}"
    for factor, name in ((1e3, "Å/fs"), (1e-3, "Å/ps taken for Å/fs")):
        if 1.0 / _RATIO < kinetic * factor**2 / virial < _RATIO:
            return f"other units: velocities seem to be in {name}"
    return ""


def two_temperatures_note(crystal: Crystal, sample: RunSample) -> Note | None:
    """Compare the kinetic with the virial temperature; None if one of them is missing."""
    (kinetic, _), (virial, _) = mean_and_error(sample.kinetic), mean_and_error(sample.virial)
    if not np.isfinite([kinetic, virial]).all():
        return None
    if len(sample.frames) < ENOUGH:
        text = "too few frames to verify the units by the two temperatures"
        return Note("warning", text, fix="run longer")
    ratio = kinetic / virial if virial > 0.0 else np.inf
    both = f"velocities ({kinetic:.4g} K) and forces ({virial:.4g} K)"
    if 1.0 / _AGREE < ratio < _AGREE:
        return Note("ok", f"{both} give the same temperature")
    masses_da = np.unique(crystal.masses / DALTON)
    guess = ", ".join(f"{mass / ratio:.4g} Da instead of {mass:.4g}" for mass in masses_da)
    fix = (
        f"check elements and masses ({guess} would agree), and the units; --accept temperature "
        "uses the run as it is"
    )
    severe = not 1.0 / _DISAGREE < ratio < _DISAGREE
    return Note(
        "error" if severe else "warning", f"{both} disagree", fix=fix, subject="temperature"
    )


def species_note(
    trajectory: Trajectory, masses_of: Mapping[str, float], sample: RunSample
) -> Note | None:
    """Compare the kinetic temperatures of the species; None if they agree or are too few.

    ``masses_of`` are the mean masses of the species.

    The note is an error if elements are interchanged, that is if exactly one other assignment
    of the elements gives one temperature, or if the temperatures differ by a large factor.
    """
    names = tuple(sample.kinetic_by_species)
    if len(names) < 2 or len(sample.frames) < ENOUGH:
        return None
    means = np.array([sample.kinetic_by_species[name].mean() for name in names])
    errors = np.array([mean_and_error(sample.kinetic_by_species[name])[1] for name in names])
    if temperature_difference(means, errors) < _UNLIKE:
        return None
    masses = np.array([masses_of[name] for name in names])
    text = "kinetic temperatures of the species differ: " + ", ".join(
        f"{name} {mean:.4g} ± {error:.2g} K"
        for name, mean, error in zip(names, means, errors, strict=True)
    )
    ways = [] if len(names) > _MOST_SPECIES else list(permutations(range(len(names))))[1:]
    scales = [(masses[list(way)] / masses, way) for way in ways]
    fitting = [
        way for x, way in scales if temperature_difference(x * means, x * errors) < ALIKE
    ]
    if len(fitting) == 1:
        both = zip(names, (names[k] for k in fitting[0]), strict=True)
        changed = ", ".join(f"{new} for {old}" for old, new in both if new != old)
        return Note(
            "error",
            text,
            why=f"elements are interchanged: with {changed} the temperatures agree",
            fix=f"correct the elements of the atoms{_where_given(trajectory)}; "
            "--accept temperature uses the run as it is",
            subject="temperature",
        )
    return Note(
        "error" if means.max() > _DISAGREE * means.min() else "warning",
        text,
        why="an element or a mass is wrong, the run is not in equilibrium, or a thermostat "
        "gives the species different temperatures",
        fix="check the elements and masses; --accept temperature uses the run as it is",
        subject="temperature",
    )


def _where_given(trajectory: Trajectory) -> str:
    """Name the place where the user gave the elements."""
    if trajectory.types is None or trajectory.species is not None:
        return " in the file"
    return ", in the order of the types: --species"
