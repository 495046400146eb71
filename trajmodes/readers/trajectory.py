"""The interface of all readers: a trajectory, its frames, its atoms and its rounding."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.lattice import minimum_image
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.time_axis import TimeAxis

_SYMBOL = re.compile(r"[A-Z][a-z]?")
_LISTED_IDS = 10
_NAMED_FILES = 3
_COARSE = 1e-4
"""Rounding in Å that deserves a note: atoms of a crystal move by a few hundredths of Å."""
_SAME, _SAME_POSITION = 1e-3, 1e-9
"""Differences of the velocities of one frame written twice, relative to their root mean square,
and of its positions in Å beyond rounding."""
_LITERAL = re.compile(r"[+-]?0*(\d*)(?:\.(\d*))?(?:[eEdD]([+-]?\d{1,3}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class AtomTable:
    """The atoms, the same in every frame; sorted by id where they have ids."""

    ids: Ints | None = None
    """(a,) sorted ids; None where the file has none."""
    types: Ints | None = None
    """(a,) types; None where the file has none."""
    species: tuple[str, ...] | None
    """(a,) chemical symbols; None where the file has none that can be trusted."""
    masses: Floats | None
    """(a,), unit: eV ps²/Å²; None where the file has none."""

    def __post_init__(self) -> None:
        sizes = {} if self.species is None else {"a": len(self.species)}
        freeze(self, sizes, np.int64, ids="a", types="a")
        freeze(self, sizes, float, masses="a")


def is_symbol(text: str) -> bool:
    """Whether a text has the form of a chemical symbol."""
    return _SYMBOL.fullmatch(text) is not None


def order_by_id(ids: Ints, where: str) -> Ints:
    """Permutation that sorts rows by their ids (a,); raises DataError if one appears twice."""
    order = np.argsort(ids, kind="stable").astype(np.int64)
    repeated = np.unique(ids[order][1:][np.diff(ids[order]) == 0])
    if len(repeated):
        listed = ", ".join(map(str, repeated[:_LISTED_IDS].tolist()))
        ids_appear = "id {} appears" if len(repeated) == 1 else "ids {} appear"
        raise DataError(f"atom {ids_appear.format(listed)} twice in one frame", where=where)
    return order


Needs = Literal["positions", "motion", "anything"]
"""Least content of frames: positions, or else velocities (motion), or any field."""


class FrameFields(NamedTuple):
    """Arrays of a range of frames, in internal units."""

    cells: Floats
    """(t, 3, 3), unit: Å. Rows are the box vectors; nan where there is no box."""
    positions: Floats | None
    """(t, a, 3), unit: Å."""
    velocities: Floats | None
    """(t, a, 3), unit: Å/ps."""
    forces: Floats | None
    """(t, a, 3), unit: eV/Å."""


class FrameReader(Protocol):
    """Frames of files of one format, or in memory.

    Implementations are frozen and picklable (a worker reopens the files by their paths), keep
    no file position, and may be read by several threads at once.
    """

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop); DataError if one is invalid, or the file has changed."""
        ...

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame; empty where they are unknown."""
        ...


class ForeignFrame(NamedTuple):
    """One frame of a `ForeignFile`, in internal units; a field that is missing is None."""

    positions: Floats | None
    """(a, 3), unit: Å."""
    cell: Floats | None
    """(3, 3), unit: Å. Rows are the box vectors."""
    step: int | None = None
    time_ps: float | None = None
    velocities: Floats | None = None
    """(a, 3), unit: Å/ps."""
    forces: Floats | None = None
    """(a, 3), unit: eV/Å."""
    species: tuple[str, ...] | None = None
    """(a,) chemical symbols."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForeignFile:
    """One file that is read frame by frame."""

    n_frames: int
    n_atoms: int
    frames: Callable[[int, int], Iterator[ForeignFrame]]
    """Reads frames [start, stop); picklable and thread-safe."""
    unit_style: str
    """Name of the units of the file."""
    precision_digits: int
    """Significant digits of a position."""
    species: tuple[str, ...] | None = None
    types: Ints | None = None
    """(a,)."""
    masses: Floats | None = None
    """(a,), unit: eV ps²/Å²."""
    ids: Ints | None = None
    """(a,) sorted ids."""
    notes: tuple[Note, ...] = ()
    rounding: float | None = None
    """Half a unit in the last place of a position, unit: Å; None if the digits determine it."""
    companions: tuple[Path, ...] = ()
    """Files that are read with it."""
    time: TimeAxis | None = None
    """When the frames were taken, if it is known without reading them."""
    unwrapped: bool = False
    """Whether positions are continuous in time rather than wrapped into the box."""
    fill: Callable[[int, int, Mapping[str, Floats]], None] | None = None
    """Fills arrays ``positions``, ``velocities``, ``forces`` (t, a, 3) and ``cells`` (t, 3, 3)
    with frames [start, stop), faster than `frames`; a cell is left as it is where a frame has
    none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """Frames of one or several files in the order of time, and their description."""

    paths: tuple[Path, ...]
    """The files in the order of time; empty for frames in memory."""
    n_atoms: int
    time: TimeAxis = field(repr=False)
    """When the frames were taken."""
    atoms: AtomTable = field(repr=False)
    unit_style: str
    """Name of the unit style of the file."""
    columns: tuple[str, ...]
    """Names of the per-atom columns of the first frame."""
    has_velocities: bool
    """Whether every frame has velocities."""
    has_forces: bool
    """Whether every frame has forces."""
    unwrapped: bool
    """Whether positions are continuous in time rather than wrapped into the box."""
    n_bytes: int
    """Total size of the files on disk."""
    precision_digits: int
    """Largest number of significant digits in a coordinate."""
    rounding: float
    """Largest rounding error of a coordinate, unit: Å; 0 if there is none."""
    notes: tuple[Note, ...]
    """Notes on the files for the user."""
    ideal: Floats | None = field(default=None, repr=False)
    """(a, 3), unit: Å. Positions of the known structure that the frames are displaced from. The
    frames are then snapshots about that structure, not dynamics about an average.
    """
    has_positions: bool = True
    """Whether the frames have positions."""
    frames: FrameReader = field(repr=False)

    def __post_init__(self) -> None:
        freeze(self, {"a": self.n_atoms}, float, ideal="a 3")

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.time.n_frames

    @property
    def file_names(self) -> str:
        """Names of the first files, for errors."""
        return ", ".join(map(str, self.paths[:_NAMED_FILES]))

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
        """(a,) chemical symbols; None where the file has none that can be trusted."""
        return self.atoms.species

    @property
    def masses(self) -> Floats | None:
        """(a,), unit: eV ps²/Å²; None where the file has none."""
        return self.atoms.masses

    def read(self, start: int, stop: int) -> FrameBlock:
        """Read frames [start, stop).

        Raises
        ------
        UsageError
            If the range lies outside the trajectory.
        DataError
            If a frame is invalid, or the file has changed.
        """
        if not 0 <= start <= stop <= self.n_frames:
            raise UsageError(f"frames {start} to {stop} are requested of {self.n_frames}")
        fields = self.frames.read(start, stop)
        return FrameBlock(start, self.steps[start:stop], *fields, unwrapped=self.unwrapped)

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame, for messages; only the files if that is unknown.

        ``atom`` is the index in the order of `read`.
        """
        files = " … ".join(dict.fromkeys(map(str, (*self.paths[:1], *self.paths[-1:]))))
        return self.frames.place(frame, atom) or files or "frames in memory"


@dataclass(frozen=True, slots=True, eq=False)
class ChosenFrames:
    """Some frames of a reader."""

    whole: FrameReader
    frames: Ints
    """(t,) ascending."""

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop), each range of neighbours at once."""
        wanted = self.frames[start:stop]
        ends = [0, *(np.flatnonzero(np.diff(wanted) != 1) + 1).tolist(), len(wanted)]
        parts = [
            self.whole.read(int(wanted[low]), int(wanted[high - 1]) + 1)
            for low, high in pairwise(ends)
            if low < high
        ] or [self.whole.read(0, 0)]
        if len(parts) == 1:
            return parts[0]
        cells, *others = zip(*parts, strict=True)
        return FrameFields(
            np.concatenate(cells),
            *(None if one[0] is None else np.concatenate(one) for one in others),
        )

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        return self.whole.place(int(self.frames[frame]), atom)


def chosen_frames(whole: FrameReader, frames: Ints, n_frames: int) -> FrameReader:
    """Choose some frames (t,), ascending, of the first ``n_frames`` of a reader."""
    return whole if len(frames) == n_frames else ChosenFrames(whole, frames)


def same_frame(frames: FrameReader, one: int, other: int, rounding: float) -> bool:
    """Whether two frames have equal velocities, and positions if any; False without velocities.

    ``rounding`` is that of a coordinate in Å.
    """
    here, there = frames.read(one, one + 1), frames.read(other, other + 1)
    if here.velocities is None or there.velocities is None:
        return False
    slower = _SAME * float(np.sqrt((here.velocities**2).mean()))
    if not np.abs(there.velocities - here.velocities).max() <= slower:
        return False
    if here.positions is None or there.positions is None:
        return True
    change = there.positions[0] - here.positions[0]
    if np.isfinite(here.cells).all():
        change = minimum_image(change, here.cells[0])
    return bool(np.abs(change).max() <= 4.0 * rounding + _SAME_POSITION)


def select_frames(
    trajectory: Trajectory, start: int, stop: int | None, stride: int = 1
) -> Trajectory:
    """Select every ``stride``-th frame of [start, stop); raises UsageError if there are none.

    ``stop`` may lie beyond the last frame; None selects up to it.
    """
    n_frames = trajectory.n_frames
    end = n_frames if stop is None else min(stop, n_frames)
    if not 0 <= start < end:
        raise UsageError(
            f"frames {start}:{'' if stop is None else stop} are requested, but there are "
            f"{n_frames}",
            fix=f"choose frames between 0 and {n_frames}",
        )
    if (start, end, stride) == (0, n_frames, 1):
        return trajectory
    chosen = np.arange(start, end, stride)
    return replace(
        trajectory,
        time=trajectory.time.part(start, end, stride),
        n_bytes=trajectory.n_bytes * len(chosen) // n_frames,
        frames=ChosenFrames(trajectory.frames, chosen),
    )


class Rounding(NamedTuple):
    """Printed precision of a sample of numbers."""

    digits: int
    """Largest number of significant digits."""
    half_unit: float
    """Half a unit in the last place of the largest numbers; 0 where all are zero."""


def rounding_of(literals: Iterable[str]) -> Rounding:
    """Significant digits of some numbers, and the rounding error of the largest.

    Formats such as %g fix the number of significant digits but drop trailing zeros. Formats
    such as %.4f fix the decimals, so the largest numbers have most significant digits. In both
    cases the largest number is printed with as many significant digits as any other. Text that
    is not a decimal number is ignored.
    """
    digits, largest = 0, -400
    for literal in literals:
        found = _LITERAL.fullmatch(literal)
        if found is None:
            continue
        whole, fraction, exponent = found[1], found[2] or "", int(found[3] or 0)
        significant = len((whole + fraction).lstrip("0"))
        if significant:
            # The number is 0.d₁d₂… times ten to this power.
            power = len(whole) + exponent + significant - len(whole + fraction)
            digits, largest = max(digits, significant), max(largest, power)
    return Rounding(digits, 0.5 * 10.0 ** min(largest - digits, 300) if digits else 0.0)


def rounding_notes(rounding: float, digits: int, fix: str) -> tuple[Note, ...]:
    """Note that coordinates with this rounding error in Å are rounded too much.

    ``fix`` is the advice on how to write more digits.
    """
    if rounding <= _COARSE:
        return ()
    text = f"coordinates are rounded by up to {rounding:.0e} Å, to {digits} significant digits"
    return (Note("warning", text, fix=fix, subject="rounding"),)
