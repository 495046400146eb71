"""What every reader gives: frames by number, and what the files say about them."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import UsageError
from trajmodes.notes import Note
from trajmodes.readers.atom_table import AtomTable
from trajmodes.readers.time_axis import TimeAxis


class FrameFields(NamedTuple):
    """What a range of frames holds, in internal units."""

    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors; nan where there is no box."""
    positions: Floats
    """(t, a, 3), unit: Å."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å."""


class FrameReader(Protocol):
    """Frames of files of one format, or in memory.

    Implementations are frozen and picklable (a worker reopens the files by their paths), hold
    no open position, and may be read by several threads at once.
    """

    def read(self, start: int, stop: int) -> FrameFields:
        """Frames [start, stop), which is a range within the trajectory.

        Raises
        ------
        DataError
            If a frame holds what it must not hold, or the file has changed.
        """
        ...

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame; empty where they are not known."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """Frames of one or several files in the order of time, and what is known about them."""

    paths: tuple[Path, ...]
    """The files, in order of time; none if the frames were handed over in memory."""
    n_atoms: int
    """Number of atoms, the same in every frame."""
    time: TimeAxis = field(repr=False)
    """When the frames were taken."""
    atoms: AtomTable = field(repr=False)
    """What the files say about the atoms."""
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
    ideal: Floats | None = field(default=None, repr=False)
    """(a, 3), unit: Å. The positions that every frame was displaced from, where they are known:
    the frames are then snapshots about a known structure, not dynamics about an average."""
    frames: FrameReader = field(repr=False)
    """Reads the frames."""

    def __post_init__(self) -> None:
        freeze(self, {"a": self.n_atoms}, float, ideal="a 3")

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.time.n_frames

    @property
    def steps(self) -> Ints:
        """(t,) simulation step of each frame."""
        return self.time.steps

    @property
    def times_ps(self) -> Floats | None:
        """(t,) time in ps; None where neither the file nor the user gives it."""
        return self.time.times_ps

    @property
    def interval_ps(self) -> float | None:
        """Time between frames within a segment, in ps."""
        return self.time.interval_ps

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Frame ranges [start, stop) of uniform spacing."""
        return self.time.segments

    @property
    def ids(self) -> Ints | None:
        """(a,) sorted atom ids; None where the file has none."""
        return self.atoms.ids

    @property
    def types(self) -> Ints | None:
        """(a,) atom types; None where the file has none."""
        return self.atoms.types

    @property
    def species(self) -> tuple[str, ...] | None:
        """(a,) chemical symbols, where the file names them credibly."""
        return self.atoms.species

    @property
    def masses(self) -> Floats | None:
        """(a,), unit: eV ps²/Å²; None where the file has none."""
        return self.atoms.masses

    def read(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop).

        Raises
        ------
        UsageError
            If the range lies outside the trajectory.
        DataError
            If a frame holds what it must not hold, or the file has changed.
        """
        if not 0 <= start <= stop <= self.n_frames:
            raise UsageError(f"frames {start} to {stop} are asked for, out of {self.n_frames}")
        found = self.frames.read(start, stop)
        return FrameBlock(start, self.steps[start:stop], *found, unwrapped=self.unwrapped)

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame, for messages; the files where that is unknown.

        Parameters
        ----------
        frame
            The frame.
        atom
            Index of the atom, as `read` orders them.
        """
        files = " … ".join(dict.fromkeys(map(str, (*self.paths[:1], *self.paths[-1:]))))
        return self.frames.place(frame, atom) or files or "frames in memory"


@dataclass(frozen=True, slots=True)
class _LaterFrames:
    """Frames counted from a later one."""

    whole: FrameReader
    first: int

    def read(self, start: int, stop: int) -> FrameFields:
        return self.whole.read(self.first + start, self.first + stop)

    def place(self, frame: int, atom: int) -> str:
        return self.whole.place(self.first + frame, atom)


def select_frames(trajectory: Trajectory, start: int, stop: int | None) -> Trajectory:
    """Trajectory of the frames [start, stop) alone.

    Parameters
    ----------
    trajectory
        The whole trajectory.
    start
        First frame wanted.
    stop
        The one after the last, which may lie beyond the end; None for the end.

    Raises
    ------
    UsageError
        If there is no such frame.
    """
    n_frames = trajectory.n_frames
    end = n_frames if stop is None else min(stop, n_frames)
    if not 0 <= start < end:
        raise UsageError(
            f"frames {start}:{'' if stop is None else stop} are asked for, but there are "
            f"{n_frames}",
            fix=f"choose frames between 0 and {n_frames}",
        )
    if (start, end) == (0, n_frames):
        return trajectory
    return replace(
        trajectory,
        time=trajectory.time.part(start, end),
        n_bytes=trajectory.n_bytes * (end - start) // n_frames,
        frames=_LaterFrames(trajectory.frames, start),
    )
