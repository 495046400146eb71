"""Lattice thermal conductivity in the relaxation-time approximation, with lifetimes of the run.

    κ_xy = (V N_q)⁻¹ Σ_qm C_qm v_x v_y τ_qm

over a mesh of N_q points (`trajmodes.phonons.zone`), with V the volume of the cell, v the group
velocity, τ the energy lifetime and C the heat capacity of one mode: k_B for classical nuclei,
as in the run, or k_B x² eˣ/(eˣ − 1)² with x = ħω/k_BT. V of a layer is its area times the given
thickness. Both use the lifetimes of the classical run. Lifetimes of single modes count every
scattering event as resistive. κ is too small where normal processes dominate (R. Peierls, Ann.
Phys. 395, 1055 (1929)).

The error bar has three independent parts. The error of the lifetimes is propagated linearly: κ
depends through the interpolation on x = ln(γ/ω²) of the sets, and its derivatives are summed
with it. The error of the force constants follows from their replicates, at fixed lifetimes and
on a coarser mesh, that of the interpolation is the difference from κ with x by frequency alone.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.anharmonic import Conductivity, HeatFlow, isotropic
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.labels import point
from trajmodes.data.lattice import layer_of
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.anharmonic.lifetime_mesh import (
    LifetimeGrid,
    ModeLifetimes,
    Strengths,
    all_strengths,
    lifetime_grid,
)
from trajmodes.phonons.bands import Branches, branches_by_chunk, group_velocities
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import shared_mesh, spaced_mesh
from trajmodes.phonons.zone import Zone, zone_of
from trajmodes.symmetry.stars import point_group, set_mean
from trajmodes.units import BOLTZMANN, HBAR, THZ

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
# Entries of the matrix of interpolation weights in memory at one time.
_ENTRIES = 1 << 20
# Mean free paths in Å from 0.1 Å to 1 cm, 20 per decade.
_LENGTHS = 10.0 * np.geomspace(1e-2, 1e7, 181)


def conductivity(
    constants: ForceConstants,
    supercell: Supercell,
    lifetimes: ModeLifetimes,
    temperature: float,
    divisions: tuple[int, int, int] | None = None,
    thickness: float | None = None,
) -> Conductivity:
    """Thermal conductivity from lifetimes at the q points of a supercell.

    The lifetimes are those of the modes of the force constants; ``temperature`` in K is that of
    the run. ``divisions`` are numbers of mesh points along each reciprocal lattice vector, by
    default those of `dense_mesh`. κ of a layer refers to its ``thickness`` in Å.

    Raises
    ------
    UsageError
        If the temperature or a number of points is not positive, or as `conducting_layer`.
    DataError
        If a mode is imaginary, or more than two thirds of κ would come from lifetimes that are
        not resolved.
    """
    if not temperature > 0.0:
        raise UsageError(f"the temperature must be positive, got {temperature} K")
    divisions = dense_mesh(supercell) if divisions is None else divisions
    layer = conducting_layer(constants.crystal, thickness)
    strengths = all_strengths(lifetimes)
    grid = lifetime_grid(lifetimes.modes, supercell)
    edges = _edges(lifetimes)
    zone = zone_of(constants.crystal, divisions)
    sums = flow_sums(constants, zone, grid, strengths, temperature, edges)
    _check(sums, edges, lifetimes, layer)
    of_lifetimes = strengths.deviations(grid.contracted(sums.slopes))
    of_constants = _replicate_deviations(
        constants, divisions, grid, lifetimes, temperature, sums.kappa
    )
    of_interpolation = (sums.by_frequency - sums.kappa)[None]
    deviations = np.concatenate([of_lifetimes, of_constants, of_interpolation])
    columns = constants.crystal.cell.T
    rotations = columns @ point_group(constants.crystal) @ np.linalg.inv(columns)
    classical, quantum = (
        _symmetrised_flow(rotations, sums, deviations, edges, kind, layer) for kind in (0, 1)
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
        thickness=thickness,
    )


class ConductingLayer(NamedTuple):
    """Relation of κ to the volume of a layer without the vacuum; none for a bulk crystal."""

    factor: float
    """Volume of the cell over that of the layer."""
    dimensions: int
    """Number of directions in which heat can flow."""


def conducting_layer(crystal: Crystal, thickness: float | None) -> ConductingLayer:
    """Volume of a layer of some thickness in Å.

    Raises
    ------
    UsageError
        If a layer has no thickness, or another crystal has one.
    """
    layer = layer_of(crystal.cell, crystal.sites)
    if layer is None and thickness is None:
        return ConductingLayer(1.0, 3)
    if layer is None:
        raise UsageError(
            "a thickness is given, but the crystal is not a layer",
            why="no lattice vector leads through 6 Å of empty space",
            fix="leave out --thickness",
        )
    if thickness is None:
        raise UsageError(
            "the thermal conductivity of a layer needs its thickness",
            why="it is heat per area of cross-section, and that of the cell is mostly vacuum",
            fix="give --thickness, such as the distance of layers in the bulk crystal: 3.35 Å "
            "in graphite",
        )
    return ConductingLayer(layer.period / (layer.gaps * thickness), 2)


def dense_mesh(supercell: Supercell) -> tuple[int, int, int]:
    """Default mesh for integrals over the zone; it contains all q points of the supercell."""
    return shared_mesh(supercell, spaced_mesh(supercell.crystal, _SPACING))


def _edges(lifetimes: ModeLifetimes) -> Floats:
    """(w,) edges in frequency at which the cumulative κ is evaluated, in rad/ps."""
    return np.linspace(0.0, 1.05 * float(lifetimes.modes.omega.max()), _BINS + 1)


def heat_capacities(omega: Floats, temperature: float) -> Floats:
    """Heat capacity (2, …) in eV/K of modes of frequency ω ≥ 0 (…) in rad/ps.

    The classical one is k_B, the quantum one k_B (x/2)²/sinh²(x/2) with x = ħω/k_BT.
    """
    half = np.clip(0.5 * HBAR * omega / (BOLTZMANN * temperature), 1e-9, 300.0)
    return BOLTZMANN * np.stack([np.ones_like(half), (half / np.sinh(half)) ** 2])


def heat_flow(
    branches: Branches, lifetime_ps: Floats, temperature: float, volume: float
) -> Floats:
    """C v⊗v τ/V (2, q, m, 3, 3) in eV/(K Å ps) of single modes, classical and quantum.

    ``lifetime_ps`` (q, m) are energy lifetimes, ``volume`` in Å³ that of the primitive cell.
    The mean over all q of the zone, summed over m, is κ. Modes whose frequency is not positive
    have zero.
    """
    counted = branches.omega > 0.0
    v_qmx = np.where(counted[:, :, None], branches.velocity, 0.0)
    capacity_kqm = heat_capacities(branches.omega, temperature)
    scale_kqm = capacity_kqm * np.where(counted, lifetime_ps, 0.0) / volume
    v_qmxy = v_qmx[..., :, None] * v_qmx[..., None, :]
    flow: Floats = scale_kqm[..., None, None] * v_qmxy
    return flow


@dataclass(slots=True)
class FlowSums:
    """Sums over the modes of a zone; k is the kind of heat capacity, classical or quantum.

    All are in eV/(K Å ps), and not symmetrised: they run over irreducible points only.
    """

    kappa: Floats
    """(k, 3, 3)."""
    by_frequency: Floats
    """(k, 3, 3), the same with x interpolated by frequency instead of wave vector."""
    filled: Floats
    """(k, 3, 3), part of κ from sets without a measured lifetime."""
    long_waves: Floats
    """(k, 3, 3), part of κ from acoustic linewidths extrapolated to Γ."""
    slopes: Floats
    """(g + 3, k, 3, 3), derivatives of κ by `LifetimeGrid.extended` values of ln(γ/ω²)."""
    below_frequency: Floats
    """(w, k, 3, 3), part of κ below each edge in frequency."""
    at_length: Floats
    """(l + 1, k, 3, 3), part of κ between neighbouring mean free paths of the sum."""
    lowest: float
    """Lowest frequency in rad/ps, negative if imaginary."""
    lowest_qpoint: Floats
    """(3,) its q."""


def flow_sums(
    constants: ForceConstants,
    zone: Zone,
    grid: LifetimeGrid,
    strengths: Strengths,
    temperature: float,
    edges: Floats,
) -> FlowSums:
    """Sum the heat flow over the zone, in chunks of q points.

    ``edges`` (w,) in rad/ps are equally spaced from 0 to above the highest frequency.
    """
    n_modes = zone.weights.shape[1]
    values = grid.extended(strengths.log_strength)
    filled = np.clip(grid.extended(strengths.filled.astype(float)), 0.0, 1.0)
    sums = FlowSums(
        kappa=np.zeros((2, 3, 3)),
        by_frequency=np.zeros((2, 3, 3)),
        filled=np.zeros((2, 3, 3)),
        long_waves=np.zeros((2, 3, 3)),
        slopes=np.zeros((len(values), 2, 3, 3)),
        below_frequency=np.zeros((len(edges), 2, 3, 3)),
        at_length=np.zeros((len(_LENGTHS) + 1, 2, 3, 3)),
        lowest=np.inf,
        lowest_qpoint=np.zeros(3),
    )
    longest = max(1, _ENTRIES // grid.entries_per_q)
    for part, branches in branches_by_chunk(constants, zone.qpoints, longest):
        matrix = grid.weights(zone.qpoints[part])
        rate_qm = np.exp(matrix @ values).reshape(-1, n_modes) * branches.omega**2
        lifetime_qm = 1.0 / np.where(branches.omega > 0.0, rate_qm, np.inf)
        flow = heat_flow(branches, lifetime_qm, temperature, constants.crystal.volume)
        # (q m, k, 3, 3)
        rows = np.moveaxis(flow * zone.weights[part][:, :, None, None], 0, 2)
        rows = rows.reshape(-1, 2, 3, 3)
        sums.kappa += rows.sum(axis=0)
        smooth = grid.by_frequency(strengths.log_strength, branches.omega.ravel())
        sums.by_frequency += np.tensordot(np.exp(matrix @ values - smooth), rows, axes=1)
        sums.filled += np.tensordot(matrix @ filled, rows, axes=1)
        # The last three columns are the acoustic branches at Γ, which have no linewidth.
        sums.long_waves += np.tensordot(matrix[:, -3:].sum(axis=1).A1, rows, axes=1)
        sums.slopes -= (matrix.T @ rows.reshape(len(rows), -1)).reshape(sums.slopes.shape)
        speed = np.nan_to_num(np.linalg.norm(branches.velocity, axis=2))
        below = _part_below(branches.omega, speed * zone.spacing, edges)
        sums.below_frequency += np.tensordot(below, rows, axes=1)
        bins = np.searchsorted(_LENGTHS, (speed * lifetime_qm).ravel())
        np.add.at(sums.at_length, bins, rows)
        lowest_q = branches.omega.min(axis=1)
        if lowest_q.min() < sums.lowest:
            sums.lowest = float(lowest_q.min())
            sums.lowest_qpoint = zone.qpoints[part][lowest_q.argmin()]
    return sums


def _part_below(omega: Floats, width: Floats, edges: Floats) -> Floats:
    """Part (w, q m) of each mode below each edge; ω is spread over its range in a mesh cell."""
    step = edges[1]
    half = 0.5 * np.maximum(width, step).ravel()
    low = np.clip(omega.ravel() - half, 0.0, edges[-1] - step)
    high = np.clip(omega.ravel() + half, low + step, edges[-1])
    part: Floats = np.clip((edges[:, None] - low) / (high - low), 0.0, 1.0)
    return part


def _check(
    sums: FlowSums, edges: Floats, lifetimes: ModeLifetimes, layer: ConductingLayer
) -> None:
    """Raise a `DataError` if a mode is imaginary, or too few lifetimes were measured."""
    if sums.lowest < -_ROUNDING * edges[-1]:
        raise DataError(
            f"a mode at q = {point(sums.lowest_qpoint)} is imaginary, "
            f"{sums.lowest / THZ:.3g} THz: its heat flow is not defined",
            why="the crystal is unstable, or the force constants are inaccurate between the q "
            "points of the supercell",
            fix="use a larger supercell, a cutoff, or constants fitted to a longer run"
            if layer.dimensions == 3
            else "bending waves of a layer without stress are quadratic: impose it by "
            "--constraint born-huang --constraint huang, with --cutoff2; or use a larger "
            "supercell",
        )
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
    rotations: Floats,
    sums: FlowSums,
    deviations: Floats,
    edges: Floats,
    kind: int,
    layer: ConductingLayer,
) -> HeatFlow:
    """Heat flow for one kind of heat capacity, averaged over rotations (g, 3, 3)."""
    kappa, filled, errors, below_frequency, at_length = (
        np.einsum("gxi,...ij,gyj->...xy", rotations, part, rotations, optimize=True)
        * (layer.factor / len(rotations))
        for part in (
            sums.kappa[kind],
            sums.filled[kind],
            deviations[:, kind],
            sums.below_frequency[:, kind],
            sums.at_length[:, kind],
        )
    )
    directions = 3.0 / layer.dimensions
    below_length = np.cumsum(at_length, axis=0)[:-1]
    span = _length_range(sums)
    return HeatFlow(
        kappa=kappa,
        kappa_sem=np.sqrt((errors**2).sum(axis=0)),
        by_frequency=kappa + errors[-1],
        isotropic=float(directions * isotropic(kappa)),
        isotropic_sem=float(directions * np.sqrt((isotropic(errors) ** 2).sum())),
        long_wave_share=float(isotropic(sums.long_waves[kind]) / isotropic(sums.kappa[kind])),
        filled_share=float(isotropic(filled) / isotropic(kappa)),
        edges=edges,
        below_frequency=below_frequency,
        length=_LENGTHS[span],
        below_length=below_length[span],
        dimensions=layer.dimensions,
    )


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
