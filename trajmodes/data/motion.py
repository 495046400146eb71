"""Motion about the reference: what fitting and projecting live on."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, freeze

__all__ = ["MotionBlock"]


@dataclass(frozen=True, slots=True)
class MotionBlock:
    """Consecutive frames as displacements, in the user's frame and in canonical atom order.

    The centre of mass is at rest: the mass-weighted mean displacement and velocity of every
    frame are zero, and so is the net force.
    """

    first_frame: int
    """Index of the first frame within the trajectory."""
    displacements: Floats
    """(t, a, 3), unit: Å."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps; None where the trajectory has none."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å; None where the trajectory has none."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, displacements="t a 3", velocities="t a 3", forces="t a 3")

    @property
    def n_frames(self) -> int:
        """Number of frames in the block."""
        return len(self.displacements)
