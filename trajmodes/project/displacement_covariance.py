"""Covariances of the mode coordinates at every q, block of time by block of time.

⟨Q Q†⟩ over all branches of one q, cross terms included, is what a Green's-function estimate of
the dynamical matrix inverts: k_BT ⟨Q Q†⟩⁻¹. ⟨Q̇ Q̇†⟩ stands beside it, for in a run that is not
much longer than the lifetimes every mode has a temperature of its own. In one pass, and in
memory that grows with the number of blocks but not with that of frames.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Ints, freeze
from trajmodes.data import MotionBlock
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.time_blocks import block_numbers, join_blocks, require_all_frames

__all__ = ["CovarianceSums", "DisplacementCovariance", "DisplacementCovarianceReduction"]


@dataclass(frozen=True, slots=True)
class DisplacementCovariance:
    """⟨Q Q†⟩ and ⟨Q̇ Q̇†⟩ in blocks of time (b) of nearly equal length."""

    frames: Ints
    """(b,) number of frames in each block."""
    covariance: Complexes
    """(b, q, m, m'), unit: eV ps². ⟨Q_qm Q*_qm'⟩ in each block. At Γ about the mean of the
    whole run, for symmetry lets the mean structure differ from the reference there; about zero
    elsewhere."""
    kinetic: Complexes | None
    """(b, q, m, m'), unit: eV. ⟨Q̇_qm Q̇*_qm'⟩; None where the run has no velocities."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, frames="b")
        freeze(self, sizes, complex, covariance="b q m m", kinetic="b q m m")


@dataclass(frozen=True, slots=True)
class CovarianceSums:
    """Sums over frames for a stretch of consecutive time blocks (b)."""

    first_block: int
    """Number of the first time block."""
    counts: Ints
    """(b,) frames summed."""
    totals: Complexes
    """(b, q, m), sums of Q in √(eV) ps."""
    products: Complexes
    """(b, k, q, m, m'), sums of Q Q† in eV ps² and, where there are velocities, Q̇ Q̇† in eV
    (k)."""


@dataclass(frozen=True, slots=True)
class DisplacementCovarianceReduction:
    """Reduction from motion to `DisplacementCovariance`.

    Parameters
    ----------
    projector
        Projection on the modes.
    n_frames
        Number of frames of the whole run.
    n_blocks
        Number of time blocks kept for the error bars. Each takes 32 bytes for every pair of
        branches of every q.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 16

    def chunk(self, block: MotionBlock) -> CovarianceSums:
        """Return the sums over one block of frames."""
        velocities = block.velocities
        amplitudes = Amplitudes(
            block.first_frame,
            self.projector.coordinates(block.displacements),
            None if velocities is None else self.projector.velocities(velocities),
            None,
        )
        return self.sums(amplitudes)

    def sums(self, amplitudes: Amplitudes) -> CovarianceSums:
        """Return the sums over amplitudes that are already there."""
        q_qmt, v_qmt = amplitudes.coordinate, amplitudes.velocity
        first_frame, n_here = amplitudes.first_frame, q_qmt.shape[-1]
        block_t = block_numbers(first_frame, n_here, self.n_blocks, self.n_frames)
        first, counts = int(block_t[0]), np.bincount(block_t - block_t[0])
        stops = np.cumsum(counts)
        parts = [slice(*ends) for ends in zip(stops - counts, stops, strict=True)]
        totals = np.stack([q_qmt[..., part].sum(axis=-1) for part in parts])
        series = [one for one in (q_qmt, v_qmt) if one is not None]
        # (q, m, t) @ (q, t, m')
        products = np.stack(
            [
                [one[..., part] @ one[..., part].conj().swapaxes(1, 2) for one in series]
                for part in parts
            ]
        )
        return CovarianceSums(first, counts, totals, products)

    def combine(self, earlier: CovarianceSums, later: CovarianceSums) -> CovarianceSums:
        """Return the sums over two neighbouring stretches of time."""
        offset = later.first_block - earlier.first_block
        return CovarianceSums(
            earlier.first_block,
            join_blocks(offset, earlier.counts, later.counts),
            join_blocks(offset, earlier.totals, later.totals),
            join_blocks(offset, earlier.products, later.products),
        )

    def finalize(self, state: CovarianceSums) -> DisplacementCovariance:
        """Return the covariances in each block.

        Raises
        ------
        DataError
            If frames are missing.
        """
        require_all_frames(int(state.counts.sum()), self.n_frames)
        filled = state.counts > 0
        counts = state.counts[filled]
        means_bkqmn = state.products[filled] / counts[:, None, None, None, None]
        covariance_bqmn = means_bkqmn[:, 0]
        at_zero = np.flatnonzero((self.projector.space.qpoints == 0.0).all(axis=1))
        total_bqm = state.totals[filled][:, at_zero]
        mean_qm = total_bqm.sum(axis=0) / self.n_frames
        shift_bqm = total_bqm / counts[:, None, None] - mean_qm
        # ⟨(Q − μ)(Q − μ)†⟩ = ⟨QQ†⟩ − ⟨Q − μ⟩μ† − μ⟨Q − μ⟩† − μμ†
        cross_bqmn = shift_bqm[..., :, None] * mean_qm.conj()[..., None, :]
        covariance_bqmn[:, at_zero] -= cross_bqmn + cross_bqmn.conj().swapaxes(-1, -2)
        covariance_bqmn[:, at_zero] -= mean_qm[:, :, None] * mean_qm.conj()[:, None, :]
        # The acoustic modes at Γ carry only drift.
        moving_qm = self.projector.modes.sets >= 0
        means_bkqmn *= moving_qm[:, :, None] & moving_qm[:, None, :]
        kinetic_bqmn = means_bkqmn[:, 1] if means_bkqmn.shape[1] == 2 else None
        return DisplacementCovariance(counts, covariance_bqmn, kinetic_bqmn)
