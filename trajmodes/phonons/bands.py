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
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Complexes, Floats, freeze
from trajmodes.data.bands import BandPath, Bands, SpectralMap
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    checked_qpoints,
    dynamical_matrices,
    lattice_sum,
    matrix_slopes,
)
from trajmodes.phonons.modes import branch_starts, frequencies_at, signed_root
from trajmodes.phonons.qpoints import PathHits, on_path

# |ω²| below this, relative to the mean ω² of the stiffest site, is zero: a uniform shift.
_ZERO = 1e-10
_DIRECTION = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 32 * 2**20


def dispersion(constants: ForceConstants, path: BandPath) -> Bands:
    """Bands of the force constants along a path; their replicates give error bars.

    At Γ longitudinal and transverse modes of a polar crystal split as along each section.

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
    v_xqmn = [
        columns_qkm.conj().swapaxes(1, 2) @ slope @ columns_qkm
        for slope in matrix_slopes(total, q_qx)
    ]
    slope_qmx = np.stack([np.einsum("qmm->qm", v_qmn).real for v_qmn in v_xqmn], axis=-1)
    _split_degenerate(np.stack(v_xqmn), branch_starts(total, square_qm), slope_qmx)
    uniform = np.abs(square_qm) < _ZERO * total.scale
    omega = np.where(uniform, 0.0, signed_root(square_qm))
    velocity = slope_qmx / np.where(uniform, np.nan, 2.0 * np.abs(omega))[:, :, None]
    return Branches(omega, velocity)


def _split_degenerate(v_xqmn: Complexes, starts_qm: Bools, slope_qmx: Floats) -> None:
    """Set ∂ω²/∂k of degenerate branches to that of the branches that leave along n."""
    lowest = np.flatnonzero(starts_qm)
    sizes = np.diff(lowest, append=starts_qm.size)
    for size in np.unique(sizes[sizes > 1]):
        place, first = np.divmod(lowest[sizes == size], starts_qm.shape[1])
        rows = first[:, None] + np.arange(size)
        # (x, group of branches, size, size)
        v_xgmn = v_xqmn[:, place[:, None, None], rows[:, :, None], rows[:, None, :]]
        _, basis_gmn = np.linalg.eigh(np.tensordot(_DIRECTION, v_xgmn, axes=1))
        split_xgm = np.einsum("gam,xgab,gbm->xgm", basis_gmn.conj(), v_xgmn, basis_gmn)
        slope_qmx[place[:, None], rows] = np.moveaxis(split_xgm.real, 0, -1)
