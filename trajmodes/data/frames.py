"""What a reader hands on: frames as the file has them, in internal units."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, Ints, freeze

__all__ = ["FrameBlock"]


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Consecutive frames of a trajectory, atoms sorted by id, or in file order."""

    first_frame: int
    """Index of the first frame within the trajectory."""
    steps: Ints
    """(t,) simulation step of each frame."""
    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors, in the Cartesian frame of the file."""
    positions: Floats
    """(t, a, 3), unit: Å. Origin of the box subtracted nowhere; see `unwrapped`."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps; None where the file has none."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å; None where the file has none."""
    unwrapped: bool
    """Whether positions are continuous in time, or folded into the box."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, steps="t")
        freeze(self, sizes, float, cells="t 3 3", positions="t a 3")
        freeze(self, sizes, float, velocities="t a 3", forces="t a 3")

    @property
    def n_frames(self) -> int:
        """Number of frames in the block."""
        return len(self.steps)
