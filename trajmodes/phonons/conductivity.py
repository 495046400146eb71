"""Lattice thermal conductivity in the relaxation-time approximation, with lifetimes of the run.

    κ_xy = (V N_q)⁻¹ Σ_qm C_qm v_x v_y τ_qm

over a mesh of N_q points, with V the volume of the cell, v the group velocity, τ the energy
lifetime and C the heat capacity of one mode: k_B for classical nuclei, as in the run, or
k_B x² eˣ/(eˣ − 1)² with x = ħω/k_BT. Both use the lifetimes of the classical run. Lifetimes of
single modes count every scattering event as resistive. Where normal processes dominate, κ is
therefore too small (R. Peierls, Ann. Phys. 395, 1055 (1929)).

The error bar has two independent parts. The error of the lifetimes is propagated linearly: κ
depends through the interpolation on the logarithms of γ/ω² of the sets, and its derivatives are
summed with it. The error of the force constants comes from their replicates, at fixed lifetimes
and on a coarser mesh.
"""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.anharmonic import Conductivity, HeatFlow, isotropic
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.bands import group_velocities
from trajmodes.phonons.heat_flow import LENGTHS, FlowSums, flow_sums, zone_of
from trajmodes.phonons.lifetime_mesh import (
    LifetimeGrid,
    ModeLifetimes,
    all_strengths,
    lifetime_grid,
)
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import shared_mesh
from trajmodes.symmetry.stars import point_group, set_mean
from trajmodes.units import THZ

# Largest distance in 1/Å, 2π included, of neighbours on the default mesh.
_SPACING = 0.08
# Largest part of κ that may come from lifetimes that were not measured.
_MOST_FILLED = 2.0 / 3.0
# Replicates of the force constants use a mesh coarser by this factor.
_COARSER = 3
# Speed, relative to the highest, below which it is zero.
_RESTING = 1e-6
# Rounding of ω and of sums, relative to the largest value.
_ROUNDING = 1e-5
_BINS = 200


def conductivity(
    constants: ForceConstants,
    supercell: Supercell,
    lifetimes: ModeLifetimes,
    temperature: float,
    divisions: tuple[int, int, int] | None = None,
) -> Conductivity:
    """Thermal conductivity from lifetimes at the q points of a supercell.

    The lifetimes are those of the modes of the force constants; ``temperature`` in K is that of
    the run. ``divisions`` are numbers of mesh points along each reciprocal lattice vector, by
    default those of `dense_mesh`.

    Raises
    ------
    UsageError
        If the temperature or a number of points is not positive.
    DataError
        If a mode is imaginary, or more than two thirds of κ would come from lifetimes that are
        not resolved.
    """
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be positive, got {temperature} K")
    divisions = dense_mesh(supercell) if divisions is None else divisions
    strengths = all_strengths(lifetimes)
    grid = lifetime_grid(lifetimes.modes, supercell)
    edges = _edges(lifetimes)
    zone = zone_of(constants.crystal, divisions)
    sums = flow_sums(constants, zone, grid, strengths, temperature, edges)
    _check_stable(sums, edges)
    _check_resolved(sums, lifetimes)
    of_lifetimes = strengths.deviations(grid.contracted(sums.slopes))
    of_constants = _replicate_deviations(
        constants, divisions, grid, lifetimes, temperature, sums.kappa
    )
    deviations = np.concatenate([of_lifetimes, of_constants])
    rotations = _rotations(constants.crystal)
    classical, quantum = (
        _symmetrised_flow(rotations, sums, deviations, edges, kind) for kind in (0, 1)
    )
    speed, path, path_sem = _free_paths(constants, lifetimes)
    return Conductivity(
        temperature=temperature,
        mesh=divisions,
        classical=classical,
        quantum=quantum,
        filled=strengths.filled,
        speed=speed,
        free_path=path,
        free_path_sem=path_sem,
    )


def dense_mesh(supercell: Supercell) -> tuple[int, int, int]:
    """Default mesh for integrals over the zone; it contains all q points of the supercell."""
    reciprocal = 2.0 * np.pi * np.linalg.inv(supercell.crystal.cell)
    wanted = np.ceil(np.linalg.norm(reciprocal, axis=0) / _SPACING).astype(int)
    return shared_mesh(supercell, (int(wanted[0]), int(wanted[1]), int(wanted[2])))


def _edges(lifetimes: ModeLifetimes) -> Floats:
    """(w,) edges in frequency at which the cumulative κ is evaluated, in rad/ps."""
    return np.linspace(0.0, 1.05 * float(lifetimes.modes.omega.max()), _BINS + 1)


def _check_stable(sums: FlowSums, edges: Floats) -> None:
    """Raise a `DataError` if a mode of the mesh is imaginary."""
    if sums.lowest < -_ROUNDING * edges[-1]:
        raise DataError(
            f"a mode at q = {point(sums.lowest_qpoint)} is imaginary, "
            f"{sums.lowest / THZ:.3g} THz: its heat flow is not defined",
            why="the crystal is unstable, or the force constants are inaccurate between the q "
            "points of the supercell",
            fix="use a larger supercell, a cutoff, or constants fitted to a longer run",
        )


def _check_resolved(sums: FlowSums, lifetimes: ModeLifetimes) -> None:
    """Raise a `DataError` if too much of κ comes from lifetimes that were not measured."""
    share = float(isotropic(sums.filled[0]) / isotropic(sums.kappa[0]))
    if share > _MOST_FILLED:
        known = lifetimes.resolved
        raise DataError(
            f"the conductivity is not resolved: {100.0 * share:.0f} % of it would come from "
            f"lifetimes that were not measured; {known.sum()} of {len(known)} sets have one",
            why="the modes that carry the heat live longer than the run, or their lines are "
            "narrower than the resolution of the spectra",
            fix="run longer; the advice for each mode says how long",
        )


def _replicate_deviations(
    constants: ForceConstants,
    divisions: tuple[int, int, int],
    grid: LifetimeGrid,
    lifetimes: ModeLifetimes,
    temperature: float,
    whole: Floats,
) -> Floats:
    """Deviations (b, k, 3, 3) due to the force constants; their sum of squares is a variance.

    They are scaled from κ on the coarser mesh to κ on the full mesh, ``whole`` (k, 3, 3).
    """
    if constants.replicates is None:
        return np.zeros((0, 2, 3, 3))
    n1, n2, n3 = (max(1, round(n / _COARSER)) for n in divisions)
    zone = zone_of(constants.crystal, (n1, n2, n3))
    modes, edges = lifetimes.modes, _edges(lifetimes)
    kappa = np.empty((len(constants.replicates), 2, 3, 3))
    for b, values in enumerate(constants.replicates):
        one = replace(constants, values=values, replicates=None)
        square = set_mean(frequencies_at(one, modes.qpoints)[0] ** 2, modes)
        strengths = all_strengths(lifetimes, square)
        kappa[b] = flow_sums(one, zone, grid, strengths, temperature, edges).kappa
    mean = kappa.mean(axis=0)
    scale = isotropic(whole) / isotropic(mean) * np.sqrt(1.0 - 1.0 / len(kappa))
    deviations: Floats = scale[:, None, None] * (kappa - mean)
    return deviations


def _length_range(sums: FlowSums) -> slice:
    """Range of mean free paths in which heat is carried, common to both heat capacities."""
    below_lk = np.cumsum(isotropic(sums.at_length), axis=0)[:-1]
    carried_lk = below_lk / isotropic(sums.kappa)
    first = int((carried_lk <= _ROUNDING).all(axis=1).sum())
    last = int((carried_lk < 1.0 - _ROUNDING).any(axis=1).sum())
    return slice(max(0, first - 1), last + 1)


def _symmetrised_flow(
    rotations: Floats, sums: FlowSums, deviations: Floats, edges: Floats, kind: int
) -> HeatFlow:
    """Heat flow for one kind of heat capacity, averaged over rotations (g, 3, 3)."""
    kappa, filled, errors, below_frequency, at_length = (
        np.einsum("gxi,...ij,gyj->...xy", rotations, part, rotations, optimize=True)
        / len(rotations)
        for part in (
            sums.kappa[kind],
            sums.filled[kind],
            deviations[:, kind],
            sums.below_frequency[:, kind],
            sums.at_length[:, kind],
        )
    )
    mean = isotropic(kappa)
    below_length = np.cumsum(at_length, axis=0)[:-1]
    span = _length_range(sums)
    return HeatFlow(
        kappa=kappa,
        kappa_sem=np.sqrt((errors**2).sum(axis=0)),
        isotropic=float(mean),
        isotropic_sem=float(np.sqrt((isotropic(errors) ** 2).sum())),
        long_wave_share=float(isotropic(sums.long_waves[kind]) / isotropic(sums.kappa[kind])),
        filled_share=float(isotropic(filled) / mean),
        edges=edges,
        below_frequency=below_frequency,
        length=LENGTHS[span],
        below_length=below_length[span],
    )


def _rotations(crystal: Crystal) -> Floats:
    """Point group (g, 3, 3), acting on columns of Cartesian components."""
    columns = crystal.cell.T
    rotations: Floats = columns @ point_group(crystal) @ np.linalg.inv(columns)
    return rotations


def _free_paths(
    constants: ForceConstants, lifetimes: ModeLifetimes
) -> tuple[Floats, Floats, Floats]:
    """Speed (g,) in Å/ps, mean free path and its error in Å, of each set."""
    modes = lifetimes.modes
    velocity = group_velocities(constants, modes.qpoints).velocity
    square = (np.nan_to_num(velocity) ** 2).sum(axis=2)
    speed = np.sqrt(set_mean(square, modes))
    # Rounding leaves a velocity where symmetry forbids one.
    speed = np.where(speed > _RESTING * speed.max(initial=0.0), speed, 0.0)
    known = lifetimes.resolved
    path = np.where(known, speed * lifetimes.lifetime_ps, np.nan)
    path_sem = np.where(known, speed * lifetimes.lifetime_ps_sem, np.nan)
    return speed, path, path_sem
