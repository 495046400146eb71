"""Quasiharmonic properties of force constants at several volumes: all parts, with errors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.quasiharmonic import (
    AxisEquilibrium,
    EquationComparison,
    Equilibrium,
    Quasiharmonic,
    VolumeFunctions,
)
from trajmodes.errors import DataError, UsageError
from trajmodes.symmetry.operations import space_group
from trajmodes.thermo.functions import checked_temperatures
from trajmodes.thermo.quasiharmonic.axis_equilibrium import axis_equilibrium, axis_errors
from trajmodes.thermo.quasiharmonic.axis_forms import AxisForm, axis_forms
from trajmodes.thermo.quasiharmonic.cells import (
    SAME_CELL,
    axes_in_a_plane,
    conventional_lengths,
    require_same_crystal,
)
from trajmodes.thermo.quasiharmonic.equations_of_state import (
    EQUATIONS,
    EquationName,
    Interpolation,
    interpolation,
)
from trajmodes.thermo.quasiharmonic.equilibrium import equilibrium, equilibrium_errors
from trajmodes.thermo.quasiharmonic.volume_functions import State, volume_functions
from trajmodes.thermo.zone_modes import ZonePoints, zone_points

Fields = TypeVar("Fields", Equilibrium, AxisEquilibrium)


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
        temperature. If the cells of a uniaxial crystal have different c/a at the same volume,
        F is a form in ln a and ln c, which is minimised over both.
    divisions
        Number of mesh points along each reciprocal lattice vector.
    temperatures
        (t,) in K.
    pressures
        (p,) in eV/Å³.
    equation
        Equation of state of the results, with which the others are compared. It is a function
        of the volume alone, and is not used for a form in ln a and ln c.
    classical
        Whether oscillators are classical, as in molecular dynamics.

    Raises
    ------
    UsageError
        If a temperature is below 0 K, or far outside those of several states of one volume.
    DataError
        If the states are of different crystals, of layers, or of fewer than three volumes (six
        cells of different a and c), if modes are imaginary, or if a minimum of F + pV is not
        between the volumes or cells.
    """
    kelvin = checked_temperatures(temperatures)
    forces = np.atleast_1d(np.asarray(pressures, dtype=float))
    groups, axes = _by_cell(states)
    crystals = [group[0].constants.crystal for group in groups]
    parts = [
        volume_functions(group, points, kelvin, classical=classical)
        for group, points in zip(groups, _zone_points(crystals, divisions), strict=True)
    ]
    data = _Data(
        crystals,
        np.array([part.volume for part in parts]),
        np.stack([part.values for part in parts], axis=-1),
        _independent(parts),
        _weights(parts),
        kelvin,
        forces,
    )
    free_sem = np.array([part.free_energy_sem for part in parts])
    found = _along_volume(data, equation) if axes is None else _in_plane(data, axes)
    return Quasiharmonic(
        temperatures=kelvin,
        pressures=forces,
        volumes=data.volumes,
        free_energies=data.values[0].T,
        free_energies_sem=free_sem if free_sem.any() else None,
        mesh=divisions,
        is_classical=classical,
        **found,
    )


class _Data(NamedTuple):
    """Values (3, t, v) of F, S and C_V at cells (v), at temperatures and pressures."""

    crystals: list[Crystal]
    volumes: Floats
    values: Floats
    deviations: Floats
    weights: Floats
    kelvin: Floats
    pressures: Floats


def _along_volume(data: _Data, equation: EquationName) -> dict[str, Any]:
    """Fields of `Quasiharmonic` from an equation of state."""
    _, volumes, values, deviations, weights, kelvin, forces = data
    fits, found = _fits(equation, volumes, values, weights, kelvin, forces)
    own = found[equation]
    lengths = conventional_lengths(data.crystals)
    sem, lengths_sem = None, None
    if len(deviations):
        sem = equilibrium_errors(fits[equation], values, deviations, kelvin, forces, own)
        ends = (_lengths(volumes, lengths, own.volume + s * sem.volume) for s in (0.5, -0.5))
        lengths_sem = np.abs(np.subtract(*ends))
    nearest = int(np.abs(volumes - own.volume[0, 0]).argmin())
    return {
        "crystal": data.crystals[nearest],
        "run_lengths": lengths,
        "equilibrium": own,
        "sem": sem,
        "spread": _spread(list(found.values()), Equilibrium),
        "comparison": _comparison(fits, list(found.values()), values[0]),
        "lengths": _lengths(volumes, lengths, own.volume),
        "lengths_sem": lengths_sem,
    }


def _in_plane(data: _Data, axes: Floats) -> dict[str, Any]:
    """Fields of `Quasiharmonic` from a form in ln a and ln c, of highest degree first."""
    _, volumes, values, deviations, weights, kelvin, forces = data
    first, *others = axis_forms(axes, volumes, weights)
    own = axis_equilibrium(first, values, kelvin, forces)
    fits, found = {first.name: first}, [own]
    for other in others:
        try:
            found.append(axis_equilibrium(other, values, kelvin, forces))
        except DataError:
            continue
        fits[other.name] = other
    sem = None
    if len(deviations):
        sem = axis_errors(first, values, deviations, kelvin, forces, own)
    start = np.log([own.axes.a[0, 0], own.axes.c[0, 0]])
    nearest = int(np.linalg.norm(np.log(axes) - start, axis=1).argmin())
    return {
        "crystal": data.crystals[nearest],
        "run_lengths": axes[:, [0, 0, 1]],
        "equilibrium": own.equilibrium,
        "sem": sem and sem.equilibrium,
        "spread": _spread([one.equilibrium for one in found], Equilibrium),
        "comparison": _comparison(fits, [one.equilibrium for one in found], values[0]),
        "lengths": _of_vectors(own.axes),
        "lengths_sem": sem and _of_vectors(sem.axes),
        "axes": own.axes,
        "axes_sem": sem and sem.axes,
        "axes_spread": _spread([one.axes for one in found], AxisEquilibrium),
    }


def _of_vectors(axes: AxisEquilibrium) -> Floats:
    return np.stack([axes.a, axes.a, axes.c], axis=-1)


def _by_cell(states: Sequence[State]) -> tuple[list[list[State]], Floats | None]:
    """States in groups of one volume, ascending, or of one cell if a and c are free.

    The second result is a and c (v, 2) of the groups, or None.
    """
    if not states:
        raise UsageError("no force constants are given")
    ordered = sorted(states, key=lambda state: state.constants.crystal.volume)
    first = ordered[len(ordered) // 2].constants.crystal
    for state in ordered:
        require_same_crystal(first, state.constants.crystal)
    axes = axes_in_a_plane([state.constants for state in ordered])
    if axes is None:
        measures = np.array([[state.constants.crystal.volume] for state in ordered])
    else:
        measures = axes
    groups: list[list[State]] = []
    places: list[int] = []
    for place, state in enumerate(ordered):
        apart = np.abs(np.log(measures[places] / measures[place])).max(axis=1)
        if (apart < SAME_CELL).any():
            groups[int(apart.argmin())].append(state)
        else:
            groups.append([state])
            places.append(place)
    return groups, None if axes is None else axes[places]


def _zone_points(
    crystals: Sequence[Crystal], divisions: tuple[int, int, int]
) -> Iterator[ZonePoints]:
    """Points of the zone of each crystal, computed once for crystals of the same rotations."""
    known: dict[bytes, ZonePoints] = {}
    for crystal in crystals:
        rotations = np.unique(space_group(crystal).rotations.reshape(-1, 9), axis=0)
        key = rotations.tobytes()
        if key not in known:
            known[key] = zone_points(crystal, divisions)
        yield known[key]


def _independent(parts: Sequence[VolumeFunctions]) -> Floats:
    """Deviations (m, 3, t, v) by each source of error of each volume."""
    found = []
    for place, part in enumerate(parts):
        own = np.zeros((*part.deviations.shape, len(parts)))
        own[..., place] = part.deviations
        found.append(own)
    return np.concatenate(found)


def _weights(parts: Sequence[VolumeFunctions]) -> Floats:
    """(v,) weights of the volumes by the errors of F; equal if an error is unknown.

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
    """Equations of state and their equilibria, the requested one first; others if possible."""
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


def _spread(found: Sequence[Fields], kind: type[Fields]) -> Fields | None:
    """Half the range over the forms of F."""
    if len(found) < 2:
        return None
    half = (
        0.5 * np.ptp([getattr(one, field.name) for one in found], axis=0)
        for field in fields(kind)
    )
    return kind(*half)


def _comparison(
    fits: Mapping[Any, Interpolation | AxisForm],
    found: Sequence[Equilibrium],
    free_energies: Floats,
) -> EquationComparison:
    return EquationComparison(
        names=tuple(fits),
        rms_residual=np.array([_rms(fit.residuals(free_energies)) for fit in fits.values()]),
        rms_left_out=np.array([_rms(fit.left_out(free_energies)) for fit in fits.values()]),
        volume=np.array([one.volume for one in found]),
    )


def _rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean()))


def _lengths(volumes: Floats, lengths: Floats, wanted: Floats) -> Floats:
    """Lengths (p, t, 3) at volumes (p, t); ln a is a polynomial in ln V, linear if cubic."""
    middle = np.log(volumes).mean()
    x, degree = np.log(volumes) - middle, min(len(volumes) - 1, 2)
    polynomials = np.polynomial.polynomial.polyfit(x, np.log(lengths), degree)
    found: Floats = np.exp(
        np.polynomial.polynomial.polyval(np.log(wanted) - middle, polynomials)
    )
    return np.moveaxis(found, 0, -1)
