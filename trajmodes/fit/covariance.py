"""Covariances of displacements and forces: all that a harmonic fit needs of a trajectory.

With the lattice transforms u(q) and f(q) of a frame (see `symmetry.translations`) a harmonic
crystal obeys f(q) = −D(q) u(q), D without masses. The squared residual of all frames,

    Σ_t Σ_q |f + D u|² = Σ|f|² + Σ_q tr[D C_uu D†] + 2 Re tr[D† C_fu],

depends on the data only through C_uu(q) = Σ_t u u†, C_fu(q) = Σ_t f u† and Σ|f|². Neither the
symmetry of the crystal nor a cutoff is needed while the trajectory is read. The sums are kept
for contiguous blocks of time, from which the error bars follow.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceSums, forces_of, site_sums
from trajmodes.streaming.reduction import BlockReduction, BlockSums
from trajmodes.symmetry.translations import HalfSpace, lattice_transform

_BATCH_BYTES = 1 << 19
"""Size of the displacements transformed at once: with their transforms they fit in L2 cache."""


@dataclass(frozen=True, slots=True)
class ForceCovariances:
    """Sums over the frames of each block of time (b); blocks without frames are left out."""

    space: HalfSpace
    frames: Ints
    """(b,) number of frames."""
    displacement: Complexes
    """(b, q, 3s, 3s), unit: Å². Σ_t u(q) u(q)†."""
    force: Complexes
    """(b, q, 3s, 3s), unit: eV. Σ_t f(q) u(q)†."""
    force_square: Floats
    """(b,), unit: eV²/Å². Σ_t Σ_a |f|²."""
    displacement_sum: Floats
    """(b, s, 3), unit: Å. Σ_t of the mean displacement of each site over the cells."""
    force_sum: Floats
    """(b, s, 3), unit: eV/Å. Σ_t of the mean force on each site over the cells."""

    def __post_init__(self) -> None:
        n_sites = self.space.supercell.crystal.n_sites
        sizes = {"q": self.space.n_qpoints, "s": n_sites, "x": 3 * n_sites}
        freeze(self, sizes, np.int64, frames="b")
        freeze(self, sizes, complex, displacement="b q x x", force="b q x x")
        freeze(self, sizes, float, force_square="b")
        freeze(self, sizes, float, displacement_sum="b s 3", force_sum="b s 3")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.frames.sum())


@dataclass(frozen=True, slots=True)
class CovarianceSums(ForceSums):
    """Sums over some frames of one block of time."""

    displacement: Floats
    """(q, 3s·2, 3s·2), unit: Å². Σ_t v vᵀ, v the interleaved real and imaginary parts of u."""
    force: Floats
    """(q, 3s·2, 3s·2), unit: eV. Σ_t g vᵀ, g the same of f(q)."""
    force_square: float


@dataclass(frozen=True, slots=True)
class ForceCovariance(BlockReduction[MotionBlock, CovarianceSums]):
    """A `Reduction` of motion to `ForceCovariances`."""

    space: HalfSpace
    n_frames: int
    n_blocks: int = 32

    def finalize(self, state: BlockSums[CovarianceSums]) -> ForceCovariances:
        """Stack the blocks in order of time.

        Raises
        ------
        DataError
            If there was no frame.
        """
        sums = state.in_time_order()
        return ForceCovariances(
            self.space,
            state.stack("frames"),
            np.array([_complex_products(part.displacement) for part in sums]),
            np.array([_complex_products(part.force) for part in sums]),
            state.stack("force_square"),
            state.stack("displacement_sum"),
            state.stack("force_sum"),
        )

    def sums(self, block: MotionBlock) -> CovarianceSums:
        """Sum over frames of one block of time.

        Raises
        ------
        DataError
            If the trajectory has no forces.
        """
        displacements, forces = block.displacements, forces_of(block)
        n_frames, n_atoms, _ = displacements.shape
        supercell = self.space.supercell
        width = 6 * supercell.crystal.n_sites
        uu_qxy = np.zeros((self.space.n_qpoints, width, width))
        fu_qxy = np.zeros_like(uu_qxy)
        size = max(8, _BATCH_BYTES // (24 * n_atoms))
        for start in range(0, n_frames, size):
            u_qtx = _interleaved(
                lattice_transform(self.space, displacements[start : start + size])
            )
            uu_qxy += u_qtx.swapaxes(1, 2) @ u_qtx
            f_qtx = _interleaved(lattice_transform(self.space, forces[start : start + size]))
            fu_qxy += f_qtx.swapaxes(1, 2) @ u_qtx
        return CovarianceSums(
            n_frames,
            site_sums(supercell, displacements),
            site_sums(supercell, forces),
            uu_qxy,
            fu_qxy,
            float(np.vdot(forces, forces)),
        )


def _interleaved(waves: Complexes) -> Floats:
    """View (q, t, 3s) complex numbers as (q, t, 3s·2) interleaved real and imaginary parts."""
    view: Floats = waves.view(np.float64)
    return view


def _complex_products(products: Floats) -> Complexes:
    """Σ a b† from the sums of the products of real and imaginary parts."""
    n_qpoints, width, _ = products.shape
    parts = products.reshape(n_qpoints, width // 2, 2, width // 2, 2)
    real = parts[:, :, 0, :, 0] + parts[:, :, 1, :, 1]
    imaginary = parts[:, :, 1, :, 0] - parts[:, :, 0, :, 1]
    result: Complexes = real + 1j * imaginary
    return result
