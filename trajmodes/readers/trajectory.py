"""The contract that every reader meets: frames by number, and what the file says of itself."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from trajmodes.arrays import Floats, Ints
from trajmodes.data import FrameBlock
from trajmodes.notes import Note

__all__ = ["Trajectory"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory(ABC):
    """Frames of one or several files, in order of time, and what is known of them.

    Implementations are frozen and picklable (a worker reopens the files by their paths), hold
    no open position, and may be read by several threads at once.
    """

    paths: tuple[Path, ...]
    """The files, in order of time; none if the frames were handed over in memory."""
    n_frames: int
    """Number of frames."""
    n_atoms: int
    """Number of atoms, the same in every frame."""
    steps: Ints
    """(t,) simulation step of each frame."""
    times_ps: Floats | None
    """(t,) time in ps; None where neither the file nor the user gives it."""
    interval_ps: float | None
    """Time between frames within a segment, in ps."""
    segments: tuple[tuple[int, int], ...]
    """Frame ranges [start, stop) of uniform spacing; a gap or a restart ends one."""
    ids: Ints | None = None
    """(a,) sorted atom ids; None where the file has none."""
    types: Ints | None = None
    """(a,) atom types; None where the file has none."""
    species: tuple[str, ...] | None
    """(a,) chemical symbols, where the file names them credibly."""
    masses: Floats | None
    """(a,), unit: eV ps²/Å²; None where the file has none."""
    unit_style: str
    """Name of the unit style that the file is written in."""
    columns: tuple[str, ...]
    """Names of the per-atom columns of the first frame."""
    has_velocities: bool
    """Whether every frame has velocities."""
    has_forces: bool
    """Whether every frame has forces."""
    unwrapped: bool
    """Whether positions are continuous in time, or folded into the box."""
    n_bytes: int
    """Size of the files together, as they lie on disk."""
    precision_digits: int
    """Most significant digits seen in a coordinate."""
    rounding: float
    """By how much the largest coordinates may be rounded, unit: Å; 0 if not at all."""
    notes: tuple[Note, ...]
    """What the user should know about the files."""
    ideal: Floats | None = None
    """(a, 3), unit: Å. The positions that every frame was displaced from, where they are known:
    the frames are then snapshots about these, and not a course in time about an average that
    only the frames can tell."""

    @abstractmethod
    def read(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop).

        Raises
        ------
        UsageError
            If the range lies outside the trajectory.
        DataError
            If a frame holds what it must not hold, or the file has changed.
        """
