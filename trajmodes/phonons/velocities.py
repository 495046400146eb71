"""Group velocities v = ∂ω/∂k from the analytic derivative of the dynamical matrix.

First-order perturbation theory (Hellmann and Feynman): ∂(ω²)/∂k = e† (∂D/∂k) e, so that
v = e† (∂D/∂k) e / 2|ω| with the sign of ω that marks imaginary modes. Only the phases e^{ik·R}
of the cells are differentiated: those of the sites add i[D, τ] to ∂D/∂k, the elements of which
between vectors of one ω² are zero.

In a degenerate set V_x = e† (∂D/∂k_x) e / 2ω is a matrix, and the matrices of different x need
not commute. The branches that leave the point along n are the eigenvectors of n·V; n is one
direction without symmetry, (1, 2, 3)/√14. Sums of v⊗v over a star of such points are then what
neighbouring points without degeneracy have on average. The trace of V_x V_y would also count
the coherence between the branches.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Complexes, Floats, freeze
from trajmodes.data.force_constants import ForceConstants
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    checked_qpoints,
    evaluate,
    lattice_sum,
)

# As for sets of modes: ω² closer than this, relative to the mean ω² of the stiffest site.
_DEGENERATE = 1e-6
# ω² below this, on the same scale, is that of a uniform shift: rounding and no more.
_ZERO = 1e-10
_SPLITTING = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Branches:
    """Frequencies and group velocities at a list of q points."""

    omega: Floats
    """(q, m), unit: rad/ps, ascending. Negative means imaginary, 0 a uniform shift."""
    velocity: Floats
    """(q, m, 3), unit: Å/ps, Cartesian. nan for a uniform shift, which has none."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, omega="q m", velocity="q m 3")


def group_velocities(constants: ForceConstants, qpoints: npt.ArrayLike) -> Branches:
    """Frequencies and group velocities at q points (q, 3) in reduced coordinates.

    Raises
    ------
    DataError
        If the constants are not symmetric under exchange of indices, or a q is not finite.
    """
    q_qx = checked_qpoints(qpoints)
    n_modes = 3 * constants.crystal.n_sites
    omega, velocity = np.empty((len(q_qx), n_modes)), np.empty((len(q_qx), n_modes, 3))
    for part, found in branches_in_parts(constants, q_qx, max(1, len(q_qx))):
        omega[part], velocity[part] = found.omega, found.velocity
    return Branches(omega, velocity)


def branches_in_parts(
    constants: ForceConstants, qpoints: Floats, most: int
) -> Iterator[tuple[slice, Branches]]:
    """Frequencies and velocities of one stretch of the q points (q, 3) after another.

    Memory stays bounded however long the list is; no stretch is longer than ``most``.
    """
    total = lattice_sum(constants, constants.values)
    bytes_per_q = 16 * (4 * len(total.lattice) + 10 * total.even.shape[1])
    step = min(most, max(1, _CHUNK_BYTES // bytes_per_q))
    for start in range(0, len(qpoints), step):
        part = slice(start, start + step)
        yield part, _branches(total, qpoints[part])


def _branches(total: LatticeSum, q_qx: Floats) -> Branches:
    square_qm, columns_qkm = np.linalg.eigh(evaluate(total, q_qx))
    # (q, m, m') of each direction
    v_xqmn = [
        columns_qkm.conj().swapaxes(1, 2) @ slope @ columns_qkm
        for slope in _slopes(total, q_qx)
    ]
    half_qmx = np.stack([np.einsum("qmm->qm", v_qmn).real for v_qmn in v_xqmn], axis=-1)
    _split(np.stack(v_xqmn), square_qm, total.scale, half_qmx)
    still = np.abs(square_qm) < _ZERO * total.scale
    omega = np.where(still, 0.0, np.copysign(np.sqrt(np.abs(square_qm)), square_qm))
    velocity = half_qmx / np.where(still, np.nan, 2.0 * np.abs(omega))[:, :, None]
    return Branches(omega, velocity)


def _slopes(total: LatticeSum, q_qx: Floats) -> Iterator[Complexes]:
    """∂D/∂k_x (q, 3s, 3s) in (rad/ps)² Å but for the sites, for x one after another."""
    n = 3 * total.crystal.n_sites
    angle_qr = 2.0 * np.pi * (q_qx @ total.lattice.T)
    sine, cosine = np.sin(angle_qr), np.cos(angle_qr)
    reach_rx = total.lattice @ total.crystal.cell
    phase_qk = np.repeat(np.exp(2j * np.pi * (q_qx @ total.crystal.sites.T)), 3, axis=1)
    for reach_r in reach_rx.T:
        slope = np.empty((len(q_qx), n, n), dtype=complex)
        slope.real = ((-reach_r * sine) @ total.even).reshape(-1, n, n)
        slope.imag = ((reach_r * cosine) @ total.odd).reshape(-1, n, n)
        slope *= phase_qk.conj()[:, :, None]
        slope *= phase_qk[:, None, :]
        yield slope


def _split(v_xqmn: Complexes, square_qm: Floats, scale: float, half_qmx: Floats) -> None:
    """Set the diagonals of degenerate branches to those of branches that leave along n."""
    starts_qm = np.diff(square_qm, axis=1, prepend=-np.inf) > _DEGENERATE * scale
    for place, first, size in _runs(starts_qm):
        rows = first[:, None] + np.arange(size)
        # (x, run, size, size)
        v_xgmn = v_xqmn[:, place[:, None, None], rows[:, :, None], rows[:, None, :]]
        _, turn_gmn = np.linalg.eigh(np.tensordot(_SPLITTING, v_xgmn, axes=1))
        split_xgm = np.einsum("gam,xgab,gbm->xgm", turn_gmn.conj(), v_xgmn, turn_gmn)
        half_qmx[place[:, None], rows] = np.moveaxis(split_xgm.real, 0, -1)


def _runs(starts_qm: Bools) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], int]]:
    """Degenerate sets by size above one: their q and their first branch."""
    n_modes = starts_qm.shape[1]
    opener = np.flatnonzero(starts_qm)
    sizes = np.diff(opener, append=starts_qm.size)
    for size in np.unique(sizes[sizes > 1]):
        place, first = np.divmod(opener[sizes == size], n_modes)
        yield place, first, int(size)
