"""Bands along a path, spectra on them, and group velocities.

Group velocities v = ∂ω/∂k come from the analytic derivative of the dynamical matrix. By
first-order perturbation theory (Hellmann and Feynman) ∂(ω²)/∂k = e† (∂D/∂k) e. Hence
v = e† (∂D/∂k) e / 2|ω|, where ω is negative for imaginary modes. Only the phases e^{ik·R} of
the cells are differentiated. The site phases add i[D, τ] to ∂D/∂k, whose matrix elements
between eigenvectors of equal ω² vanish.

For degenerate branches V_x = e† (∂D/∂k_x) e / 2ω is a matrix, and the matrices of different x
need not commute. The branches that leave the point along n are the eigenvectors of n·V. A
direction without symmetry is used, n = (1, 2, 3)/√14. Sums of v⊗v over a star of such points
then equal the average over neighbouring points without degeneracy. The trace of V_x V_y would
also count the coherence between the branches.

The velocity operator V_x = ∂√D/∂k_x also has elements between branches of different frequency,
e_m† (∂D/∂k_x) e_m'/(ω_m + ω_m'). These carry the heat of tunnelling between branches
(Simoncelli, Marzari, Mauri, Nat. Phys. 15, 809 (2019)). They depend on the phases of the sites,
which are those at the positions of the atoms.

Bands are connected through crossings by the overlap of their polarisation vectors at
neighbouring points; steps are refined where necessary. In a degenerate set a band continues as
the projection of its last vector onto the set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from trajmodes.arrays import Bools, Complexes, Floats, Ints, freeze
from trajmodes.data.bands import BandPath, Bands, SpectralMap
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    checked_qpoints,
    dynamical_matrices,
    lattice_sum,
    lattice_sums,
    matrix_gradient,
    matrix_slopes,
    q_chunks,
)
from trajmodes.phonons.frequency_errors import require_replicates
from trajmodes.phonons.modes import branch_starts, frequencies_at, signed_root
from trajmodes.phonons.qpoints import PathHits, on_path

# |ω²| below this, relative to the mean ω² of the stiffest site, is zero: a uniform shift.
_ZERO = 1e-10
_DIRECTION = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
# Part of a vector that must lie in the set which it continues in, and most halvings of a step.
_CLEAR, _FINEST = 0.8, 8
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 32 * 2**20


def dispersion(constants: ForceConstants, path: BandPath) -> Bands:
    """Bands of the force constants along a path; their replicates give error bars.

    At Γ the longitudinal and transverse modes of a polar crystal split for the direction of
    each section.

    Raises
    ------
    DataError
        If the path was made for another cell, or the force constants are not symmetric under
        exchange of their indices.
    """
    if not np.allclose(path.crystal.cell, constants.crystal.cell, rtol=0.0, atol=1e-6):
        raise DataError(
            "the band path was made for another cell than the force constants",
            fix="make it with band_path(constants.crystal, spacing)",
        )
    omega, omega_sem = frequencies_at(constants, path.qpoints, path.directions())
    return Bands(path, omega, omega_sem)


def spectral_map(path: BandPath, modes: Modes, spectra: PowerSpectra) -> SpectralMap | None:
    """Velocity spectra of each branch at the commensurate points of the path, and their sum.

    ``spectra`` are those of the sets of ``modes``, which are at the commensurate points. The
    result is None if no commensurate point with a spectrum lies on the path.
    """
    hits = on_path(path, modes.qpoints)
    shown = (modes.sets[hits.index] >= 0).any(axis=1)
    if not shown.any():
        return None
    return map_at(PathHits(hits.index[shown], hits.distance[shown]), modes, spectra)


def map_at(hits: PathHits, modes: Modes, spectra: PowerSpectra) -> SpectralMap:
    """Velocity spectra of each branch at some points of the path, and their sum."""
    sets_km = modes.sets[hits.index]
    branches_kmw = np.where((sets_km >= 0)[..., None], spectra.power[sets_km], 0.0)
    return SpectralMap(
        distance=hits.distance,
        qpoints=modes.qpoints[hits.index],
        omega=spectra.omega,
        power=branches_kmw.sum(axis=1),
        branches=branches_kmw,
    )


@dataclass(frozen=True, slots=True)
class Branches:
    """Frequencies and group velocities at a list of q points."""

    omega: Floats
    """(q, m), unit: rad/ps, ascending. Negative if imaginary, 0 for a uniform shift."""
    velocity: Floats
    """(q, m, 3), unit: Å/ps, Cartesian. nan for a uniform shift."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, omega="q m", velocity="q m 3")


def group_velocities(constants: ForceConstants, qpoints: npt.ArrayLike) -> Branches:
    """Frequencies and group velocities at q points (q, 3) in reduced coordinates."""
    q_qx = checked_qpoints(qpoints)
    n_modes = 3 * constants.crystal.n_sites
    omega, velocity = np.empty((len(q_qx), n_modes)), np.empty((len(q_qx), n_modes, 3))
    for part, found in branches_by_chunk(constants, q_qx, max(1, len(q_qx))):
        omega[part], velocity[part] = found.omega, found.velocity
    return Branches(omega, velocity)


def branches_by_chunk(
    constants: ForceConstants, qpoints: Floats, longest: int
) -> Iterator[tuple[slice, Branches]]:
    """Frequencies and velocities of chunks of q points (q, 3), in bounded memory.

    No chunk has more than ``longest`` q points.
    """
    total = lattice_sum(constants)
    bytes_per_q = 16 * (4 * len(total.lattice) + 10 * total.even.shape[1])
    step = min(longest, max(1, _CHUNK_BYTES // bytes_per_q))
    for start in range(0, len(qpoints), step):
        part = slice(start, start + step)
        yield part, _branches(total, qpoints[part])


def _branches(total: LatticeSum, q_qx: Floats) -> Branches:
    square_qm, columns_qkm = np.linalg.eigh(dynamical_matrices(total, q_qx))
    # (q, m, m') of each direction
    v_xqmn = [_in_basis(slope, columns_qkm) for slope in matrix_slopes(total, q_qx)]
    slope_qmx = np.stack([np.einsum("qmm->qm", v_qmn).real for v_qmn in v_xqmn], axis=-1)
    _split_degenerate(np.stack(v_xqmn), branch_starts(total, square_qm), slope_qmx)
    uniform = np.abs(square_qm) < _ZERO * total.scale
    omega = np.where(uniform, 0.0, signed_root(square_qm))
    velocity = slope_qmx / np.where(uniform, np.nan, 2.0 * np.abs(omega))[:, :, None]
    return Branches(omega, velocity)


def velocity_errors(constants: ForceConstants, qpoints: npt.ArrayLike) -> Floats:
    """Jackknife errors (q, m, 3) in Å/ps of the group velocities, to first order.

    A replicate changes D by δ and ∂D/∂k by δ'. The slope of ω_m² changes by e†δ'e and, as e
    turns towards the vectors of other sets, by Σ_m' 2 Re(P_mm' δ_m'm)/(ω_m² − ω_m'²) with
    P = e†(∂D/∂k)e. The gap is bounded as in `trajmodes.phonons.strain`.

    Raises
    ------
    DataError
        If the force constants have fewer than two replicates.
    """
    q_qx, replicates = checked_qpoints(qpoints), require_replicates(constants.replicates)
    total = lattice_sum(constants)
    (rest,) = lattice_sums(constants, constants.values[None])
    found = np.empty((len(q_qx), 3 * constants.crystal.n_sites, 3))
    for part in q_chunks(total, len(q_qx)):
        modes = _SlopedModes.of(total, q_qx[part])
        apart = modes.elements(rest)
        changes = [
            modes.change(modes.elements(one) - apart)
            for one in lattice_sums(constants, replicates)
        ]
        found[part] = jackknife_sem(changes)
    return found


class _SlopedModes(NamedTuple):
    """Modes at a few q points; in degenerate sets, those of branches along `_DIRECTION`."""

    qpoints: Floats
    square: Floats
    """(q, m)"""
    columns: Complexes
    """(q, 3s, m)"""
    slopes: Complexes
    """(x, q, m, m') e†(∂D/∂k_x)e, unit: (rad/ps)² Å."""
    same: Bools
    """(q, m, m') whether two branches are degenerate."""
    root: Floats
    """(q, m) 2|ω|; nan for uniform shifts."""

    @classmethod
    def of(cls, total: LatticeSum, q_qx: Floats) -> "_SlopedModes":
        square, columns = np.linalg.eigh(dynamical_matrices(total, q_qx))
        slopes = [_in_basis(one, columns) for one in matrix_slopes(total, q_qx)]
        starts = branch_starts(total, square)
        for place, rows, basis in _degenerate_bases(np.stack(slopes), starts):
            kets = columns[place[:, None], :, rows].swapaxes(1, 2) @ basis
            columns[place[:, None], :, rows] = kets.swapaxes(1, 2)
        rank = starts.cumsum(axis=1)
        uniform = np.abs(square) < _ZERO * total.scale
        return cls(
            q_qx,
            square,
            columns,
            np.stack([_in_basis(one, columns) for one in matrix_slopes(total, q_qx)]),
            rank[:, :, None] == rank[:, None, :],
            np.where(uniform, np.nan, 2.0 * np.sqrt(np.abs(square))),
        )

    def elements(self, total: LatticeSum) -> Complexes:
        """Elements (4, q, m, m') of D and of ∂D/∂k along x, y, z."""
        q_qx = self.qpoints
        matrices = (dynamical_matrices(total, q_qx), *matrix_slopes(total, q_qx))
        return np.stack([_in_basis(one, self.columns) for one in matrices])

    def change(self, changes: Complexes) -> Floats:
        """Change (q, m, 3) of the group velocities with those (4, q, m, m') of D and ∂D/∂k."""
        d_qmn, *slopes = changes
        gap = self.square[:, :, None] - self.square[:, None, :]
        size = np.where(self.same, np.inf, np.sqrt(gap**2 + 4.0 * np.abs(d_qmn) ** 2))
        mixing = (d_qmn * np.copysign(1.0, gap) / size).conj()
        turned = 2.0 * np.einsum("xqmn,qmn->qmx", self.slopes, mixing).real
        own = np.stack([np.einsum("qmm->qm", one).real for one in slopes], axis=-1)
        slope = np.einsum("xqmm->qmx", self.slopes).real
        stiffer = np.einsum("qmm->qm", d_qmn).real / (2.0 * self.square)
        found: Floats = (own + turned - slope * stiffer[..., None]) / self.root[..., None]
        return found


def _in_basis(d_qkl: Complexes, columns_qkm: Complexes) -> Complexes:
    """Elements (q, m, m') between modes."""
    found: Complexes = columns_qkm.conj().swapaxes(1, 2) @ d_qkl @ columns_qkm
    return found


@dataclass(frozen=True, slots=True)
class VelocityOperator:
    """Velocity operator at a list of q points, in the basis of the modes."""

    omega: Floats
    """(q, m), unit: rad/ps, ascending. Negative if imaginary."""
    elements: Complexes
    """(q, m, m', 3), unit: Å/ps. nan where one of the modes is a uniform shift or imaginary."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, omega="q m")
        freeze(self, sizes, complex, elements="q m m 3")


def velocity_operator(constants: ForceConstants, qpoints: npt.ArrayLike) -> VelocityOperator:
    """Velocity operator at q points (q, 3) in reduced coordinates.

    Between degenerate modes the choice of their vectors is arbitrary, and so are the elements.
    """
    q_qx = checked_qpoints(qpoints)
    total = lattice_sum(constants)
    n = 3 * constants.crystal.n_sites
    square_qm, elements = np.empty((len(q_qx), n)), np.empty((len(q_qx), n, n, 3), complex)
    for part in q_chunks(total, len(q_qx)):
        square_qm[part], e_qkm = np.linalg.eigh(dynamical_matrices(total, q_qx[part]))
        rows_qmk = e_qkm.conj().swapaxes(1, 2)[:, None]
        v_qxmn = rows_qmk @ matrix_gradient(total, q_qx[part]) @ e_qkm[:, None]
        elements[part] = np.moveaxis(v_qxmn, 1, 3)
    omega = signed_root(square_qm)
    steady = np.where(square_qm > _ZERO * total.scale, omega, np.nan)
    elements /= (steady[:, :, None] + steady[:, None, :])[..., None]
    return VelocityOperator(omega, elements)


def connected(constants: ForceConstants, path: BandPath) -> Ints:
    """Branch (q, m), from 0, of each connected band at each point of a path.

    After a jump of the path, bands begin anew in ascending order.
    """
    total = lattice_sum(constants)
    found = np.empty((len(path.qpoints), 3 * constants.crystal.n_sites), dtype=np.int64)
    towards = path.directions()
    points = [_Point(q, n) for q, n in zip(path.qpoints, towards, strict=True)]
    starts = [0, *path.jumps.tolist()]
    for start, stop in zip(starts, [*starts[1:], len(found)], strict=True):
        # From the middle of a section, where fewest branches are degenerate by symmetry.
        corner = int(path.offsets[np.searchsorted(path.offsets, start, side="right")])
        middle = (start + corner) // 2
        found[middle] = np.arange(found.shape[1])
        first, _ = _vectors(total, points[middle])
        for places in (range(middle + 1, stop), range(middle - 1, start - 1, -1)):
            last, band_mk = points[middle], first
            for q in places:
                found[q], band_mk = _continued(total, band_mk, last, points[q], _FINEST)
                last = points[q]
        found[start:stop] = found[start:stop, np.argsort(found[start])]
    return found


class _Point(NamedTuple):
    """A q point (3,), and the Cartesian direction (3,) of the path there."""

    q: Floats
    towards: Floats


def _vectors(total: LatticeSum, point: _Point) -> tuple[Complexes, Ints]:
    """Polarisation vectors in rows, and the degenerate set of each."""
    square, columns = np.linalg.eigh(
        dynamical_matrices(total, point.q[None], point.towards[None])
    )
    level_n: Ints = branch_starts(total, square)[0].cumsum()
    return columns[0].T, level_n


def _continued(
    total: LatticeSum, band_mk: Complexes, last: _Point, point: _Point, halvings: int
) -> tuple[Ints, Complexes]:
    """Branch of each band at the next point, and its vector there.

    A step is halved if the vectors change so much that the assignment of branches is ambiguous.
    """
    e_nk, level_n = _vectors(total, point)
    same_nn = level_n[:, None] == level_n
    overlap_mn = band_mk @ e_nk.conj().T
    inside_mn = np.abs(overlap_mn) ** 2 @ same_nn
    row, branch = linear_sum_assignment(inside_mn, maximize=True)
    if halvings and inside_mn[row, branch].min() < _CLEAR and not np.allclose(last.q, point.q):
        middle = _Point(0.5 * (last.q + point.q), point.towards)
        _, halfway_mk = _continued(total, band_mk, last, middle, halvings - 1)
        return _continued(total, halfway_mk, middle, point, halvings - 1)
    # Projection on the set, or the vector itself where a band meets a set at a right angle.
    parts_mn = overlap_mn * same_nn[branch]
    length = np.linalg.norm(parts_mn, axis=1, keepdims=True)
    next_mk = np.where(length > 0.5, parts_mn @ e_nk / np.maximum(length, 0.5), e_nk[branch])
    return branch.astype(np.int64), next_mk


def _split_degenerate(v_xqmn: Complexes, starts_qm: Bools, slope_qmx: Floats) -> None:
    """Set ∂ω²/∂k of degenerate branches to that of the branches that leave along n."""
    for place, rows, basis_gmn in _degenerate_bases(v_xqmn, starts_qm):
        v_xgmn = v_xqmn[:, place[:, None, None], rows[:, :, None], rows[:, None, :]]
        split_xgm = np.einsum("gam,xgab,gbm->xgm", basis_gmn.conj(), v_xgmn, basis_gmn)
        slope_qmx[place[:, None], rows] = np.moveaxis(split_xgm.real, 0, -1)


def _degenerate_bases(
    v_xqmn: Complexes, starts_qm: Bools
) -> Iterator[tuple[Ints, Ints, Complexes]]:
    """Yield q points (g,), branches (g, d), basis (g, d, d) of d-fold degenerate sets."""
    lowest = np.flatnonzero(starts_qm)
    sizes = np.diff(lowest, append=starts_qm.size)
    for size in np.unique(sizes[sizes > 1]):
        place, first = np.divmod(lowest[sizes == size], starts_qm.shape[1])
        rows = first[:, None] + np.arange(size)
        v_xgmn = v_xqmn[:, place[:, None, None], rows[:, :, None], rows[:, None, :]]
        _, basis_gmn = np.linalg.eigh(np.tensordot(_DIRECTION, v_xgmn, axes=1))
        yield place, rows, basis_gmn
