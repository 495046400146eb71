"""Covariances of mode energies, and of mode coordinates.

Energies: the products of the standing-wave energies E = K + U of all pairs of modes are summed
over blocks of frames. Mode energies fluctuate by about their mean, so the product of the means
can be subtracted at the end without loss of precision.

Coordinates: ⟨Q Q†⟩ over all branches of one q, cross terms included, is inverted in a
Green's-function estimate of the dynamical matrix, k_BT ⟨Q Q†⟩⁻¹. ⟨Q̇ Q̇†⟩ is also computed,
because the modes have different temperatures in a run that is not much longer than their
lifetimes. Memory grows with the number of time blocks but not with the number of frames.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints, freeze, square_modulus
from trajmodes.data.energies import EnergyCovariance
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums, require_all_frames

_MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class EnergyProducts(Sums):
    """Sums over the frames of a part of the run."""

    energies: Floats
    """(n,), unit: eV."""
    products: Floats
    """(n, n), unit: eV²."""


@dataclass(frozen=True, slots=True)
class EnergyCovarianceReduction:
    """Reduction from amplitudes to `EnergyCovariance`.

    A state takes 8n² bytes for n modes, and several states exist while they are combined.

    Raises
    ------
    DataError
        If one state would exceed 1 GiB.
    """

    projector: Projector
    n_frames: int

    def __post_init__(self) -> None:
        n = self.projector.n_series
        if 8 * n**2 > _MOST_BYTES:
            raise DataError(
                f"the covariance of the energies of {n} modes takes {8e-9 * n**2:.1f} GB",
                why=f"the limit is {_MOST_BYTES >> 30} GiB, or {int((_MOST_BYTES // 8) ** 0.5)}"
                " modes",
                fix="use a smaller supercell",
            )

    def chunk(self, amplitudes: Amplitudes, /) -> EnergyProducts:
        """Sum over one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = amplitudes.velocity_or_raise("energies of modes need velocities")
        n_t, modes = velocity.shape[-1], self.projector.modes
        squares = np.where(modes.oscillating, modes.omega**2, 0.0)
        coordinate = amplitudes.coordinate_or_raise("energies of modes need positions")
        energy_qmt = square_modulus(coordinate)
        energy_qmt *= squares[:, :, None]
        energy_qmt += square_modulus(velocity)
        energy_qmt *= 0.5
        x_nt = energy_qmt.reshape(-1, n_t)
        # BLAS computes X Xᵀ at half the cost of a general product.
        return EnergyProducts(n_t, x_nt.sum(axis=1), x_nt @ x_nt.T)

    def combine(self, earlier: EnergyProducts, later: EnergyProducts) -> EnergyProducts:
        """Add the sums of two parts of the run."""
        return earlier + later

    def finalize(self, state: EnergyProducts) -> EnergyCovariance:
        """Return covariances of single modes and correlations of sets.

        Raises
        ------
        DataError
            If frames are missing.
        """
        require_all_frames(state.frames, self.n_frames)
        mean = state.energies / self.n_frames
        covariance = state.products / self.n_frames
        covariance -= np.outer(mean, mean)
        modes = self.projector.modes
        correlation = _set_correlation(covariance, modes)
        left_out = ~modes.oscillating.ravel()
        covariance[left_out] = np.nan
        covariance[:, left_out] = np.nan
        return EnergyCovariance(covariance, correlation)


def _set_correlation(covariance: Floats, modes: Modes) -> Floats:
    """Mean correlation (g, g) of pairs of different modes; nan where there is no pair."""
    counted_n = modes.oscillating.ravel()
    of_set_gn = (modes.sets.ravel() == np.arange(modes.n_sets)[:, None]) & counted_n
    member_gn = of_set_gn.astype(float)
    own_n = np.diag(covariance)
    sums_gh = member_gn @ covariance @ member_gn.T - np.diag(member_gn @ own_n)
    count_g = member_gn.sum(axis=1)
    pairs_gh = np.outer(count_g, count_g) - np.diag(count_g)
    root_g = np.sqrt(member_gn @ own_n / np.where(count_g > 0, count_g, np.nan))
    known = pairs_gh > 0.0
    correlation: Floats = np.full(known.shape, np.nan)
    np.divide(sums_gh, pairs_gh * np.outer(root_g, root_g), where=known, out=correlation)
    return correlation


@dataclass(frozen=True, slots=True)
class DisplacementCovariance:
    """⟨Q Q†⟩ and ⟨Q̇ Q̇†⟩ in time blocks (b) of nearly equal length."""

    frames: Ints
    """(b,) number of frames in each block."""
    covariance: Complexes
    """(b, q, m, m'), unit: eV ps². ⟨Q_qm Q*_qm'⟩ in each block. At Γ about the mean of the
    whole run, because symmetry allows the mean structure to differ from the reference there;
    about zero elsewhere."""
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

    Each time block takes 32 bytes for every pair of branches of every q.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 16

    def sums(self, block: Amplitudes) -> CovarianceSums:
        """Sum over the frames of one time block."""
        q_qmt = block.coordinate_or_raise("covariances of displacements need positions")
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
        counts = state.counts(self.n_frames)
        products: Complexes = state.stack("products")
        means_bkqmn = products / counts[:, None, None, None, None]
        covariance_bqmn = means_bkqmn[:, 0]
        at_zero = np.flatnonzero((self.projector.space.qpoints == 0.0).all(axis=1))
        total_bqm = state.stack("totals")[:, at_zero]
        mean_qm = total_bqm.sum(axis=0) / self.n_frames
        shift_bqm = total_bqm / counts[:, None, None] - mean_qm
        # ⟨(Q − μ)(Q − μ)†⟩ = ⟨QQ†⟩ − ⟨Q − μ⟩μ† − μ⟨Q − μ⟩† − μμ†
        cross_bqmn = shift_bqm[..., :, None] * mean_qm.conj()[..., None, :]
        covariance_bqmn[:, at_zero] -= cross_bqmn + cross_bqmn.conj().swapaxes(-1, -2)
        covariance_bqmn[:, at_zero] -= mean_qm[:, :, None] * mean_qm.conj()[:, None, :]
        # The acoustic modes at Γ contain only drift.
        moving_qm = self.projector.modes.sets >= 0
        means_bkqmn *= moving_qm[:, :, None] & moving_qm[:, None, :]
        kinetic_bqmn = means_bkqmn[:, 1] if means_bkqmn.shape[1] == 2 else None
        return DisplacementCovariance(counts, covariance_bqmn, kinetic_bqmn)
