"""Moments of the difference of the potential energy from the harmonic one.

With the potential energy U of a frame and that of the force constants,

    U_h = ½ Σ_q Σ_s ω²(qs) |Q(qs)|²,

the differences ΔU = U − U_h give the free energy (see `trajmodes.thermo.free_energy`). The sums
of their powers are kept for blocks of time, about a baseline, because U is large.
"""

from dataclasses import dataclass, field

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.motion import MotionBlock
from trajmodes.data.thermo import EnergyDifferences
from trajmodes.errors import DataError
from trajmodes.project.projector import Projector
from trajmodes.streaming.reduction import BlockReduction, BlockSums, Sums

ORDERS = 4
"""Powers whose sums are kept."""


@dataclass(frozen=True, slots=True)
class DifferenceSums(Sums):
    """Sums over frames of one block of time."""

    powers: Floats
    """(k,), unit: eVᵏ. Σ_t (ΔU − baseline)ᵏ for k = 1 to 4."""


@dataclass(frozen=True)
class HarmonicEnergyReduction(BlockReduction[MotionBlock, DifferenceSums]):
    """Reduction from motion to `EnergyDifferences`."""

    projector: Projector
    energies: Floats
    """(t,), unit: eV. Potential energy of each frame of the run; nan if unknown."""
    n_frames: int
    n_blocks: int = 32
    baseline: float = field(init=False)

    def __post_init__(self) -> None:
        known = self.energies[np.isfinite(self.energies)]
        object.__setattr__(self, "baseline", float(known.mean()) if known.size else np.nan)

    def sums(self, block: MotionBlock) -> DifferenceSums:
        """Sum over the frames of one time block."""
        modes = self.projector.modes
        stiffness_qm = 0.5 * modes.weights[:, None] * modes.omega * np.abs(modes.omega)
        square_qmt = np.abs(self.projector.coordinates(block.displacements)) ** 2
        harmonic_t = np.einsum("qm,qmt->t", stiffness_qm, square_qmt)
        difference_t = self.energies[block.indices] - harmonic_t - self.baseline
        known_t = difference_t[np.isfinite(difference_t)]
        powers = np.array([(known_t**k).sum() for k in range(1, ORDERS + 1)])
        return DifferenceSums(known_t.size, powers)

    def finalize(self, state: BlockSums[DifferenceSums]) -> EnergyDifferences:
        """Stack the blocks that have energies, in order of time."""
        parts = [part for part in state.in_time_order() if part.frames]
        if not parts:
            raise DataError("no frame has a potential energy")
        return EnergyDifferences(
            frames=np.array([part.frames for part in parts]),
            powers=np.array([part.powers for part in parts]),
            baseline=self.baseline,
        )
