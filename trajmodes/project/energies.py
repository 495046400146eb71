"""Mean energies of every mode in one pass: kinetic, harmonic potential, virial, travelling.

Kept are the sums of |Q̇|², |Q|², Im Q*Q̇ and Re Q*𝓕 of each mode for each block of time, and
those of the squared energy of each set: the totals tell energies and heat capacities, the
blocks tell the error bars. Nothing else of the run is remembered.
"""

from dataclasses import dataclass

from trajmodes.data import ModeEnergies, MotionBlock
from trajmodes.project.coordinates import Amplitudes, Projector
from trajmodes.project.energy_means import pool_energies
from trajmodes.project.energy_sums import (
    EnergyMeans,
    EnergySums,
    combine_sums,
    groups_of,
    sum_frames,
)
from trajmodes.project.time_blocks import block_numbers, require_all_frames

__all__ = ["EnergyReduction", "EnergySums"]


@dataclass(frozen=True, slots=True)
class EnergyReduction:
    """Reduction from motion to `ModeEnergies`.

    Parameters
    ----------
    projector
        Projection on the modes.
    n_frames
        Number of frames of the whole run.
    n_blocks
        Number of time blocks kept for the error bars; a power of two, at least 8.
    """

    projector: Projector
    n_frames: int
    n_blocks: int = 64

    def chunk(self, block: MotionBlock) -> EnergySums:
        """Return the sums over one block of frames."""
        return self.sums(self.projector.project(block))

    def sums(self, amplitudes: Amplitudes) -> EnergySums:
        """Return the sums over amplitudes that are already there.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        velocity = amplitudes.velocity_or_raise("mode energies need velocities")
        first, n_here = amplitudes.first_frame, velocity.shape[-1]
        block_t = block_numbers(first, n_here, self.n_blocks, self.n_frames)
        return sum_frames(amplitudes, velocity, groups_of(self.projector.modes), block_t)

    def combine(self, earlier: EnergySums, later: EnergySums) -> EnergySums:
        """Return the sums over two neighbouring stretches of time."""
        return combine_sums(earlier, later)

    def finalize(self, state: EnergySums) -> ModeEnergies:
        """Return the energies of each set of symmetry-equal modes.

        Raises
        ------
        DataError
            If frames are missing.
        """
        require_all_frames(int(state.counts.sum()), self.n_frames)
        filled = state.counts > 0
        means = EnergyMeans(
            shares=state.counts[filled] / self.n_frames,
            halves=0.5 * state.products[filled] / state.counts[filled, None, None, None],
            squares=state.squares / self.n_frames,
            wholes=state.wholes / self.n_frames,
            waves=state.waves / self.n_frames,
        )
        return pool_energies(self.projector.modes, means)
