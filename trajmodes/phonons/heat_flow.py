"""Heat flow of phonons, mode by mode and summed over the zone.

Near Γ the summand C v⊗v τ varies as 1/q², so the error of a sum over a mesh falls only as its
spacing h. For the three acoustic branches the cube of edge 3h about Γ (in the axes of the mesh)
is therefore sampled with spacing h/3, except for its innermost cube of edge h. The integral of
g(direction)/q² over a cube is proportional to its edge, so that over the innermost cube is half
of that over the shell around it.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.phonons.bands import Branches, branches_by_chunk
from trajmodes.phonons.lifetime_mesh import LifetimeGrid, Strengths
from trajmodes.phonons.qpoints import mesh
from trajmodes.symmetry.stars import star_labels
from trajmodes.units import BOLTZMANN, HBAR

# Entries of the matrix of interpolation weights in memory at one time.
_ENTRIES = 1 << 20
LENGTHS = 10.0 * np.geomspace(1e-2, 1e7, 181)
"""(l,), unit: Å. Mean free paths up to which κ is summed: 0.1 Å to 1 cm, 20 per decade."""


def heat_capacities(omega: Floats, temperature: float) -> Floats:
    """Heat capacity (2, …) in eV/K of modes of frequency ω ≥ 0 (…) in rad/ps.

    The classical one is k_B, the quantum one k_B (x/2)²/sinh²(x/2) with x = ħω/k_BT.
    """
    half = np.clip(0.5 * HBAR * omega / (BOLTZMANN * temperature), 1e-9, 300.0)
    capacity: Floats = BOLTZMANN * np.stack([np.ones_like(half), (half / np.sinh(half)) ** 2])
    return capacity


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
    scale_kqm = capacity_kqm * np.where(counted, lifetime_ps, 0.0)
    scale_kqm = scale_kqm / volume
    v_qmxy = v_qmx[..., :, None] * v_qmx[..., None, :]
    flow: Floats = scale_kqm[..., None, None] * v_qmxy
    return flow


@dataclass(frozen=True, slots=True)
class Zone:
    """q points of an integral over the zone."""

    qpoints: Floats
    """(q, 3), reduced coordinates."""
    weights: Floats
    """(q, m), part of the zone that each branch represents."""
    spacing: float
    """Mean distance of neighbours in 1/Å, 2π included."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", weights="q m")


def zone_of(crystal: Crystal, divisions: tuple[int, int, int]) -> Zone:
    """Irreducible points of a mesh, finer around Γ for the three acoustic branches.

    ``divisions`` are numbers of points along each reciprocal lattice vector; a `UsageError` is
    raised if one is not positive.
    """
    qpoints, members = mesh(crystal, divisions)
    n_modes, n_points = 3 * crystal.n_sites, float(np.prod(divisions))
    weights = np.repeat(members[:, None] / n_points, n_modes, axis=1)
    spacing = float(2.0 * np.pi / np.cbrt(crystal.volume * n_points))
    if min(divisions) < 3:
        return Zone(qpoints, weights, spacing)
    near = np.array(list(product((-1, 0, 1), repeat=3))) / divisions
    shell = np.array([n for n in product(range(-4, 5), repeat=3) if max(map(abs, n)) > 1])
    shell_qx = shell / (3.0 * np.array(divisions))
    # The cube may lack the symmetry of the crystal, so it can contain only a part of a star.
    place = star_labels(crystal, np.concatenate([qpoints, near]))[len(qpoints) :]
    np.subtract.at(weights[:, :3], place, 1.0 / n_points)
    head, count = np.unique(star_labels(crystal, shell_qx), return_counts=True)
    inner = np.zeros((len(head), n_modes))
    inner[:, :3] = 1.5 * count[:, None] / (27.0 * n_points)
    return Zone(
        np.concatenate([qpoints, shell_qx[head]]), np.concatenate([weights, inner]), spacing
    )


@dataclass(slots=True)
class FlowSums:
    """Sums over the modes of a zone; k is the kind of heat capacity, classical or quantum.

    All are in eV/(K Å ps), and not symmetrised: they run over irreducible points only.
    """

    kappa: Floats
    """(k, 3, 3)."""
    filled: Floats
    """(k, 3, 3), part of κ from sets without a measured lifetime."""
    long_waves: Floats
    """(k, 3, 3), part of κ from acoustic linewidths extrapolated to Γ."""
    slopes: Floats
    """(g + 3, k, 3, 3), derivatives of κ by `LifetimeGrid.extended` values of ln(γ/ω²)."""
    below_frequency: Floats
    """(w, k, 3, 3), part of κ below each edge in frequency."""
    at_length: Floats
    """(l + 1, k, 3, 3), part of κ between neighbouring `LENGTHS`."""
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
        filled=np.zeros((2, 3, 3)),
        long_waves=np.zeros((2, 3, 3)),
        slopes=np.zeros((len(values), 2, 3, 3)),
        below_frequency=np.zeros((len(edges), 2, 3, 3)),
        at_length=np.zeros((len(LENGTHS) + 1, 2, 3, 3)),
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
        sums.filled += np.tensordot(matrix @ filled, rows, axes=1)
        # The last three columns are the acoustic branches at Γ, which have no linewidth.
        sums.long_waves += np.tensordot(matrix[:, -3:].sum(axis=1).A1, rows, axes=1)
        sums.slopes -= (matrix.T @ rows.reshape(len(rows), -1)).reshape(sums.slopes.shape)
        speed = np.nan_to_num(np.linalg.norm(branches.velocity, axis=2))
        below = _part_below(branches.omega, speed * zone.spacing, edges)
        sums.below_frequency += np.tensordot(below, rows, axes=1)
        bins = np.searchsorted(LENGTHS, (speed * lifetime_qm).ravel())
        np.add.at(sums.at_length, bins, rows)
        _update_lowest(sums, branches, zone.qpoints[part])
    return sums


def _part_below(omega: Floats, width: Floats, edges: Floats) -> Floats:
    """Part (w, q m) of each mode below each edge; ω is spread over its range in a mesh cell."""
    step = edges[1]
    half = 0.5 * np.maximum(width, step).ravel()
    low = np.clip(omega.ravel() - half, 0.0, edges[-1] - step)
    high = np.clip(omega.ravel() + half, low + step, edges[-1])
    part: Floats = np.clip((edges[:, None] - low) / (high - low), 0.0, 1.0)
    return part


def _update_lowest(sums: FlowSums, branches: Branches, q_qx: Floats) -> None:
    lowest_q = branches.omega.min(axis=1)
    place = int(lowest_q.argmin())
    if lowest_q[place] < sums.lowest:
        sums.lowest, sums.lowest_qpoint = float(lowest_q[place]), q_qx[place]
