"""Covariances of the mode coordinates at every q, block of time by block of time.

⟨Q Q†⟩ over all branches of one q, cross terms included, is what a Green's-function estimate of
the dynamical matrix inverts: k_BT ⟨Q Q†⟩⁻¹. ⟨Q̇ Q̇†⟩ stands beside it, for in a run that is not
much longer than the lifetimes every mode has a temperature of its own. In one pass, and in
memory that grows with the number of blocks but not with that of frames.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Ints, freeze
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.blocks import BlockReduction, BlockSums, Sums, require_all_frames


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
class CovarianceSums(Sums):
    """Sums over the frames of one block of time."""

    totals: Complexes
    """(q, m), sums of Q in √(eV) ps."""
    products: Complexes
    """(k, q, m, m'), sums of Q Q† in eV ps² and, where there are velocities, Q̇ Q̇† in eV (k)."""


@dataclass(frozen=True, slots=True)
class DisplacementCovarianceReduction(BlockReduction[Amplitudes, CovarianceSums]):
    """Reduction from amplitudes to `DisplacementCovariance`.

    Each block of time takes 32 bytes for every pair of branches of every q.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 16

    def sums(self, block: Amplitudes) -> CovarianceSums:
        """Sum over frames of one block of time."""
        q_qmt = block.coordinate
        series = [one for one in (q_qmt, block.velocity) if one is not None]
        # (q, m, t) @ (q, t, m')
        products = np.stack([one @ one.conj().swapaxes(1, 2) for one in series])
        return CovarianceSums(q_qmt.shape[-1], q_qmt.sum(axis=-1), products)

    def finalize(self, state: BlockSums[CovarianceSums]) -> DisplacementCovariance:
        """Return the covariances in each block.

        Raises
        ------
        DataError
            If frames are missing.
        """
        counts = state.stack("frames")
        require_all_frames(int(counts.sum()), self.n_frames)
        means_bkqmn = state.stack("products") / counts[:, None, None, None, None]
        covariance_bqmn = means_bkqmn[:, 0]
        at_zero = np.flatnonzero((self.projector.space.qpoints == 0.0).all(axis=1))
        total_bqm = state.stack("totals")[:, at_zero]
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
