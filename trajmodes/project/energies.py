"""Mean energies of every mode in one pass: kinetic, harmonic potential, virial, travelling.

Kept are the sums of |Q̇|², |Q|², Im Q*Q̇ and Re Q*𝓕 of each mode for each block of time, and
those of the squared energy of each set: the totals tell energies and heat capacities, the
blocks tell the error bars. Nothing else of the run is remembered.
"""

from dataclasses import dataclass

from trajmodes.data import ModeEnergies
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.energy_means import pool_energies
from trajmodes.project.energy_sums import (
    EnergyMeans,
    EnergySums,
    groups_of,
    sum_frames,
)
from trajmodes.streaming.blocks import block_ranges, require_all_frames

__all__ = ["EnergyReduction", "EnergySums"]


@dataclass(frozen=True, slots=True)
class EnergyReduction:
    """Reduction from amplitudes to `ModeEnergies`.

    The number of blocks of time is a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 64

    def chunk(self, amplitudes: Amplitudes, /) -> EnergySums:
        """Sum over one block of frames.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = amplitudes.velocity_or_raise("mode energies need velocities")
        ranges = block_ranges(amplitudes.indices, self.n_blocks, self.n_frames)
        return sum_frames(amplitudes, velocity, groups_of(self.projector.modes), dict(ranges))

    def combine(self, earlier: EnergySums, later: EnergySums) -> EnergySums:
        """Add up two stretches of time."""
        return earlier + later

    def finalize(self, state: EnergySums) -> ModeEnergies:
        """Return the energies of each set of symmetry-equal modes.

        Raises
        ------
        DataError
            If frames are missing.
        """
        require_all_frames(state.frames, self.n_frames)
        counts_b = state.blocks.stack("frames")
        means = EnergyMeans(
            shares=counts_b / self.n_frames,
            halves=0.5 * state.blocks.stack("products") / counts_b[:, None, None, None],
            squares=state.squares / self.n_frames,
            wholes=state.wholes / self.n_frames,
            waves=state.waves / self.n_frames,
        )
        return pool_energies(self.projector.modes, means)
