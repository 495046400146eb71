"""Frames kept in memory between the passes of a job, if all of them fit.

Reading text takes most of the time of a pass. A run whose frames fit into memory is read once;
a larger run is read by every pass, and no frames are kept. On a cluster each worker keeps the
frames that it reads, within its share of the memory of its computer.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf
from operator import itemgetter
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from trajmodes.machine import memory_bytes
from trajmodes.readers.trajectory import FrameFields, FrameReader, Trajectory
from trajmodes.streaming.kept import memory_share, note_kept

_MOST_BYTES = 2e9
_SHARE = 8
"""Frames take at most this part of the memory of the process, as one in so many."""


def bytes_in_memory(trajectory: Trajectory) -> float:
    """Memory of all frames, if they come from files and it is small enough; else 0."""
    if not trajectory.paths:
        return 0.0
    n_fields = 1 + trajectory.has_velocities + trajectory.has_forces
    needed = 24.0 * n_fields * trajectory.n_atoms * trajectory.n_frames
    return needed if needed <= _most_bytes() else 0.0


def _most_bytes() -> float:
    """Memory that one process may fill with frames."""
    return min(_MOST_BYTES, memory_bytes() / _SHARE)


class _Kept:
    """Blocks of frames in the memory of one process."""

    def __init__(self, name: str, room: float) -> None:
        """Begin without blocks; `most_bytes` limits their memory."""
        self.name, self.room = name, room
        self.blocks: dict[tuple[int, int], FrameFields] = {}

    def add(self, block: tuple[int, int], found: FrameFields) -> None:
        """Keep a block if there is room for it."""
        needed = sum(one.nbytes for one in found if one is not None)
        if needed <= self.room:
            self.room -= needed
            self.blocks[block] = found
            note_kept()


_KEPT: "WeakValueDictionary[str, _Kept]" = WeakValueDictionary()
"""Blocks in this process, by a name that is the same in all processes of a job."""


@contextmanager
def frames_in_memory(
    trajectory: Trajectory, blocks: Sequence[tuple[int, int]]
) -> Iterator[Trajectory]:
    """Keep the frames of blocks when they are first read, until the end of the context.

    ``blocks`` are the ranges [start, stop) that passes read, in order of time. This process
    keeps all frames, or none if they do not fit into memory. Workers of a cluster keep the
    frames that they read, as far as these fit into their memory.
    """
    if not trajectory.paths:
        yield trajectory
        return
    kept = _Kept(uuid4().hex, inf if bytes_in_memory(trajectory) else 0.0)
    _KEPT[kept.name] = kept
    try:
        frames = FramesInMemory(trajectory.frames, tuple(blocks), kept)
        yield replace(trajectory, frames=frames)
    finally:
        kept.blocks.clear()


@dataclass(frozen=True, slots=True, eq=False)
class FramesInMemory:
    """Reader that keeps blocks of frames, each process those that it reads."""

    whole: FrameReader
    blocks: tuple[tuple[int, int], ...]
    """Ranges [start, stop) of frames that are kept, in order of time."""
    kept: _Kept = field(repr=False)

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop), from memory if they lie in a block that is kept."""
        place = bisect_right(self.blocks, start, key=itemgetter(0)) - 1
        block = self.blocks[place] if place >= 0 else (0, 0)
        found = self.kept.blocks.get(block)
        if found is not None and stop <= block[1]:
            note_kept()
            part = slice(start - block[0], stop - block[0])
            return FrameFields(
                found.cells[part],
                None if found.positions is None else found.positions[part],
                None if found.velocities is None else found.velocities[part],
                None if found.forces is None else found.forces[part],
            )
        found = self.whole.read(start, stop)
        if (start, stop) == block:
            self.kept.add(block, found)
        return found

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        return self.whole.place(frame, atom)

    def __reduce__(self) -> tuple[Any, ...]:
        return _in_this_process, (self.whole, self.blocks, self.kept.name)


def _in_this_process(
    whole: FrameReader, blocks: tuple[tuple[int, int], ...], name: str
) -> FramesInMemory:
    """Return the reader of another process, with the blocks that this one keeps."""
    kept = _KEPT.get(name)
    if kept is None:
        kept = _KEPT.setdefault(name, _Kept(name, memory_share() * _most_bytes()))
    return FramesInMemory(whole, blocks, kept)
