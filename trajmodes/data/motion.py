"""Blocks of frames: as a reader returns them, and as displacements from the reference."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Consecutive frames of a trajectory in internal units, atoms by id or in file order."""

    first_frame: int
    """Index of the first frame within the trajectory."""
    steps: Ints
    """(t,) simulation step of each frame."""
    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors, in the Cartesian axes of the file."""
    positions: Floats
    """(t, a, 3), unit: Å. The origin of the box is not subtracted; see `unwrapped`."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps; None where the file has none."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å; None where the file has none."""
    unwrapped: bool
    """Whether positions are continuous in time, rather than folded into the box."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, steps="t")
        freeze(self, sizes, float, cells="t 3 3", positions="t a 3")
        freeze(self, sizes, float, velocities="t a 3", forces="t a 3")

    @property
    def n_frames(self) -> int:
        """Number of frames in the block."""
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class MotionBlock:
    """Consecutive frames as displacements, in the user's axes and canonical atom order.

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
    frames: Ints | None = None
    """(t,) index of each frame within the trajectory; None where they are consecutive."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, displacements="t a 3", velocities="t a 3", forces="t a 3")
        freeze(self, sizes, np.int64, frames="t")

    @property
    def indices(self) -> Ints:
        """(t,) index of each frame within the trajectory."""
        if self.frames is not None:
            return self.frames
        return np.arange(self.first_frame, self.first_frame + self.n_frames)

    @property
    def n_frames(self) -> int:
        """Number of frames in the block."""
        return len(self.displacements)

    def part(self, frames: slice) -> "MotionBlock":
        """Select frames of the block, as views."""
        indices = self.indices[frames]
        return MotionBlock(
            int(indices[0]) if indices.size else self.first_frame,
            self.displacements[frames],
            None if self.velocities is None else self.velocities[frames],
            None if self.forces is None else self.forces[frames],
            None if self.frames is None else indices,
        )
