"""Quasiharmonic properties of force constants at several volumes: all parts, with errors."""

from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import SAME_CRYSTAL, crystal_difference, layer_of
from trajmodes.data.quasiharmonic import (
    EquationComparison,
    Equilibrium,
    Quasiharmonic,
    VolumeFunctions,
)
from trajmodes.errors import DataError, UsageError
from trajmodes.symmetry.operations import conventional_cell, space_group
from trajmodes.thermo.functions import checked_temperatures
from trajmodes.thermo.quasiharmonic.equations_of_state import (
    EQUATIONS,
    EquationName,
    Interpolation,
    interpolation,
)
from trajmodes.thermo.quasiharmonic.equilibrium import equilibrium, equilibrium_changes
from trajmodes.thermo.quasiharmonic.volume_functions import State, volume_functions
from trajmodes.thermo.zone_modes import ZonePoints, zone_points

_SAME_VOLUME = 1e-5
"""Relative difference of volumes that are the same."""


def quasiharmonic(
    states: Sequence[State],
    divisions: tuple[int, int, int],
    temperatures: npt.ArrayLike,
    pressures: npt.ArrayLike = 0.0,
    *,
    equation: EquationName = "birch-murnaghan",
    classical: bool = False,
) -> Quasiharmonic:
    """Volume, expansion, elasticity and heat capacities from states at several volumes.

    Parameters
    ----------
    states
        Force constants and energies, in any order; several of one volume differ in their
        temperature.
    divisions
        Number of mesh points along each reciprocal lattice vector.
    temperatures
        (t,) in K.
    pressures
        (p,) in eV/Å³.
    equation
        Equation of state of the results; the others are compared with it.
    classical
        Whether oscillators are classical, as in molecular dynamics.

    Raises
    ------
    UsageError
        If a temperature is below 0 K, or far outside those of several states of one volume.
    DataError
        If the states are of different crystals, of layers, or of less than three volumes, if
        modes are imaginary, or if a minimum of F + pV is not between the volumes.
    """
    kelvin = checked_temperatures(temperatures)
    forces = np.atleast_1d(np.asarray(pressures, dtype=float))
    groups = _by_volume(states)
    crystals = [group[0].constants.crystal for group in groups]
    parts = [
        volume_functions(group, points, kelvin, classical=classical)
        for group, points in zip(groups, _zone_points(crystals, divisions), strict=True)
    ]
    volumes = np.array([part.volume for part in parts])
    values = np.stack([part.values for part in parts], axis=-1)
    deviations = _independent(parts)
    weights = _weights(parts)
    fits, found = _fits(equation, volumes, values, weights, kelvin, forces)
    own = found[equation]
    vectors = [conventional_cell(crystals[0]) @ one.cell for one in crystals]
    lengths = np.linalg.norm(vectors, axis=2)
    sem, lengths_sem = None, None
    if len(deviations):
        changes = equilibrium_changes(fits[equation], values, deviations, kelvin, forces, own)
        errors = np.sqrt((changes**2).sum(axis=0))
        sem = Equilibrium(*errors)
        ends = (_lengths(volumes, lengths, own.volume + s * errors[0]) for s in (0.5, -0.5))
        lengths_sem = np.abs(np.subtract(*ends))
    nearest = int(np.abs(volumes - own.volume[0, 0]).argmin())
    free_sem = np.array([part.free_energy_sem for part in parts])
    return Quasiharmonic(
        crystal=crystals[nearest],
        temperatures=kelvin,
        pressures=forces,
        volumes=volumes,
        free_energies=values[0].T,
        free_energies_sem=free_sem if free_sem.any() else None,
        equilibrium=own,
        sem=sem,
        spread=_spread(list(found.values())),
        comparison=_comparison(fits, found, values[0]),
        mesh=divisions,
        is_classical=classical,
        lengths=_lengths(volumes, lengths, own.volume),
        lengths_sem=lengths_sem,
    )


def _by_volume(states: Sequence[State]) -> list[list[State]]:
    """States in groups of one volume, ascending."""
    if not states:
        raise UsageError("no force constants are given")
    ordered = sorted(states, key=lambda state: state.constants.crystal.volume)
    first = ordered[len(ordered) // 2].constants.crystal
    groups: list[list[State]] = []
    for state in ordered:
        crystal = state.constants.crystal
        _require_same(first, crystal)
        last = groups[-1][0].constants.crystal.volume if groups else 0.0
        if crystal.volume - last > _SAME_VOLUME * crystal.volume:
            groups.append([])
        groups[-1].append(state)
    return groups


def _zone_points(
    crystals: Sequence[Crystal], divisions: tuple[int, int, int]
) -> Iterator[ZonePoints]:
    """Points of the zone of each crystal, found once for crystals of the same rotations."""
    known: dict[bytes, ZonePoints] = {}
    for crystal in crystals:
        rotations = np.unique(space_group(crystal).rotations.reshape(-1, 9), axis=0)
        key = rotations.tobytes()
        if key not in known:
            known[key] = zone_points(crystal, divisions)
        yield known[key]


def _require_same(one: Crystal, other: Crystal) -> None:
    if one.species != other.species:
        raise DataError(
            f"the force constants are of different crystals: {one.formula} and "
            f"{other.formula}, or their sites are in different order",
            fix="give those of one crystal, with the same primitive cell",
        )
    apart = crystal_difference(one, other)
    shift, strain = float(apart.shift.max()), abs(apart.largest_strain)
    if shift > SAME_CRYSTAL.site or strain > 2.0 * SAME_CRYSTAL.strain:
        raise DataError(
            f"the force constants at {one.volume:.4f} and {other.volume:.4f} Å³ are of "
            f"different structures: sites are {shift:.2g} Å apart, cells are strained by "
            f"{100.0 * strain:.2g} %",
            fix="give those of one crystal, with the same primitive cell",
        )
    if layer_of(one.cell, one.sites) is not None:
        raise DataError(
            "the crystal is a layer, whose volume depends on the vacuum of its cell",
            fix="give the force constants of a crystal that is periodic in three directions",
        )


def _independent(parts: Sequence[VolumeFunctions]) -> Floats:
    """Deviations (m, 3, t, v) by each source of error of each volume."""
    found = []
    for place, part in enumerate(parts):
        own = np.zeros((*part.deviations.shape, len(parts)))
        own[..., place] = part.deviations
        found.append(own)
    return np.concatenate(found)


def _weights(parts: Sequence[VolumeFunctions]) -> Floats:
    """(v,) weights of the volumes by the errors of F, equal where one has none.

    They are the same at all temperatures, so that the fitted S is −∂F/∂T of the fitted F.
    """
    variances = np.array([(part.free_energy_sem**2).mean() for part in parts])
    return 1.0 / variances if (variances > 0.0).all() else np.ones(len(parts))


def _fits(
    wanted: EquationName,
    volumes: Floats,
    values: Floats,
    weights: Floats,
    kelvin: Floats,
    pressures: Floats,
) -> tuple[dict[EquationName, Interpolation], dict[EquationName, Equilibrium]]:
    """Equations of state and their equilibria, the wanted one first; others where they fit."""
    fits: dict[EquationName, Interpolation] = {}
    found: dict[EquationName, Equilibrium] = {}
    for name in (wanted, *(one for one in EQUATIONS if one != wanted)):
        try:
            fit = interpolation(name, volumes, values[0], weights)
            found[name] = equilibrium(fit, values, kelvin, pressures)
            fits[name] = fit
        except DataError:
            if name == wanted:
                raise
    return fits, found


def _spread(found: Sequence[Equilibrium]) -> Equilibrium | None:
    """Half the range over the equations of state."""
    if len(found) < 2:
        return None
    half = (
        0.5 * np.ptp([getattr(one, field.name) for one in found], axis=0)
        for field in fields(Equilibrium)
    )
    return Equilibrium(*half)


def _comparison(
    fits: dict[EquationName, Interpolation],
    found: dict[EquationName, Equilibrium],
    free_energies: Floats,
) -> EquationComparison:
    return EquationComparison(
        names=tuple(fits),
        rms_residual=np.array([_rms(fit.residuals(free_energies)) for fit in fits.values()]),
        rms_left_out=np.array([_rms(fit.left_out(free_energies)) for fit in fits.values()]),
        volume=np.array([one.volume for one in found.values()]),
    )


def _rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean()))


def _lengths(volumes: Floats, lengths: Floats, wanted: Floats) -> Floats:
    """Lengths (p, t, 3) at volumes (p, t): ln a is a polynomial in ln V, a line if cubic."""
    middle = np.log(volumes).mean()
    x, degree = np.log(volumes) - middle, min(len(volumes) - 1, 2)
    polynomials = np.polynomial.polynomial.polyfit(x, np.log(lengths), degree)
    found: Floats = np.exp(
        np.polynomial.polynomial.polyval(np.log(wanted) - middle, polynomials)
    )
    return np.moveaxis(found, 0, -1)
