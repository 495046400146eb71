"""Blocks of frames: as a reader returns them, and as displacements from the reference."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.errors import DataError

LEAST_KEPT = 0.7
"""Smallest attenuation of the amplitude that is corrected. There an error of 1 % in the
frequency is one of 1.5 % in the kinetic energy; at ωΔ = π/2 the differences of fast and slow
motion become indistinguishable."""
LARGEST_PHASE = 1.410185376648158
"""ωΔ at which sin(ωΔ)/(ωΔ) is `LEAST_KEPT`."""
HEADROOM = 1.1
"""Highest frequency in the run, relative to the harmonic one, to allow for anharmonicity."""
_NO_POSITIONS = DataError(
    "the run has no positions",
    why="displacements of the atoms are needed, and velocities alone do not give them",
    fix="write positions too (LAMMPS: dump ID all custom N FILE id type xu yu zu vx vy vz)",
)


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Consecutive frames of a trajectory in internal units, atoms by id or in file order."""

    first_frame: int
    """Index of the first frame within the trajectory."""
    steps: Ints
    """(t,) simulation step of each frame."""
    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors, in the Cartesian axes of the file."""
    positions: Floats | None
    """(t, a, 3), unit: Å. The origin of the box is not subtracted; see `unwrapped`. None where
    the file has none."""
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

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        fields = (self.positions, self.velocities, self.forces)
        return int(next(one.shape[1] for one in fields if one is not None))

    def positions_or_raise(self) -> Floats:
        """Return the positions (t, a, 3); DataError if the file has none."""
        if self.positions is None:
            raise _NO_POSITIONS
        return self.positions


@dataclass(frozen=True, slots=True)
class MotionBlock:
    """Consecutive frames as displacements, in the user's axes and canonical atom order.

    The centre of mass is at rest: the mass-weighted mean displacement and velocity of every
    frame are zero, and so is the net force.
    """

    first_frame: int
    """Index of the first frame within the trajectory."""
    displacements: Floats | None
    """(t, a, 3), unit: Å; None where the trajectory has no positions."""
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
        fields = (self.displacements, self.velocities, self.forces)
        return next(len(one) for one in fields if one is not None)

    def displacements_or_raise(self) -> Floats:
        """Return the displacements (t, a, 3); DataError if the trajectory has no positions."""
        if self.displacements is None:
            raise _NO_POSITIONS
        return self.displacements

    def part(self, frames: slice) -> "MotionBlock":
        """Select frames of the block; the arrays are views."""
        indices = self.indices[frames]
        return MotionBlock(
            int(indices[0]) if indices.size else self.first_frame,
            None if self.displacements is None else self.displacements[frames],
            None if self.velocities is None else self.velocities[frames],
            None if self.forces is None else self.forces[frames],
            None if self.frames is None else indices,
        )


@dataclass(frozen=True, slots=True)
class BoxMotion:
    """The mean box of some frames, and the strain of the frames from it."""

    mean: Floats
    """(3, 3), unit: Å. Mean box vectors, as rows, in the Cartesian axes of the file."""
    means: Floats
    """(b, 3, 3), unit: Å. The same with one part of the frames left out each."""
    strain_rms: Floats
    """(3, 3) root mean square of each component of the strain from the mean box."""
    strain_rms_parts: Floats
    """(b, 3, 3) the same with one part of the frames left out each."""
    n_frames: int
    largest: float
    """Largest component of the strain of a frame."""
    drift: float
    """Largest component of the strain from the mean box of the first half of the frames to that
    of the second half."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, mean="3 3", means="b 3 3")
        freeze(self, sizes, float, strain_rms="3 3", strain_rms_parts="b 3 3")

    @property
    def mean_sem(self) -> Floats | None:
        """(3, 3), unit: Å. Jackknife standard error; None with too few frames."""
        return jackknife_sem(self.means) if len(self.means) else None

    @property
    def strain_rms_sem(self) -> Floats | None:
        """(3, 3) jackknife standard error; None with too few frames."""
        return jackknife_sem(self.strain_rms_parts) if len(self.strain_rms_parts) else None

    @property
    def rms(self) -> float:
        """Root mean square over the frames of the norm √Σε² of their strain."""
        return float(np.linalg.norm(self.strain_rms))

    @property
    def summary(self) -> str:
        """Fluctuation and drift in words."""
        return (
            f"rms strain {self.rms:.2e}, from the first half to the second {self.drift:.2e}, "
            f"in {self.n_frames} frames"
        )
