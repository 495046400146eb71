"""The kinetic temperature of a run, beside the fit: velocities are read anyway."""

from dataclasses import dataclass

import numpy as np

from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import MotionBlock
from trajmodes.units import BOLTZMANN

_State = tuple[int, float]
"""Number of frames and Σ_t Σ_a m v²."""


@dataclass(frozen=True, slots=True)
class KineticTemperature:
    """A `Reduction` of motion to Σ m v²/(3N − 3)k_B in K, the centre of mass left out.

    It is nan where there are no velocities.
    """

    supercell: Supercell

    def chunk(self, block: MotionBlock) -> _State:
        """Sum one stretch of frames."""
        if block.velocities is None:
            return 0, 0.0
        square_a = np.einsum("tax,tax->a", block.velocities, block.velocities)
        return block.n_frames, float(square_a @ self.supercell.masses)

    def combine(self, earlier: _State, later: _State) -> _State:
        """Add up two stretches of time."""
        return earlier[0] + later[0], earlier[1] + later[1]

    def finalize(self, state: _State) -> float:
        """Turn the sum into a temperature in K."""
        n_frames, total = state
        free = 3 * self.supercell.n_atoms - 3
        return total / (n_frames * free * BOLTZMANN) if n_frames and free else np.nan
