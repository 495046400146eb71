"""Frames kept in memory between the passes of a job, if all of them fit.

Reading text takes most of the time of a pass. A run whose frames fit into memory is read once;
a larger one is read by every pass, and keeps nothing.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from trajmodes.machine import memory_bytes
from trajmodes.readers.trajectory import FrameFields, FrameReader, Trajectory

_MOST_BYTES = 2e9
_SHARE = 8
"""Frames take at most this part of the memory of the process, as one in so many."""


def bytes_in_memory(trajectory: Trajectory) -> float:
    """Memory of all frames, if they come from files and it is small enough; else 0."""
    if not trajectory.paths:
        return 0.0
    n_fields = 1 + trajectory.has_velocities + trajectory.has_forces
    needed = 24.0 * n_fields * trajectory.n_atoms * trajectory.n_frames
    return needed if needed <= min(_MOST_BYTES, memory_bytes() / _SHARE) else 0.0


@contextmanager
def frames_in_memory(
    trajectory: Trajectory, blocks: Sequence[tuple[int, int]]
) -> Iterator[Trajectory]:
    """Keep the frames of blocks when they are first read, until the end of the context.

    ``blocks`` are the ranges [start, stop) that passes read, in order of time. The trajectory
    is returned as it is if its frames do not fit into memory.
    """
    if not bytes_in_memory(trajectory):
        yield trajectory
        return
    frames = FramesInMemory(trajectory.frames, tuple(blocks))
    try:
        yield replace(trajectory, frames=frames)
    finally:
        frames.kept.clear()


@dataclass(frozen=True, slots=True, eq=False)
class FramesInMemory:
    """Reader that keeps blocks of frames.

    Its copy in another process is the reader that keeps nothing.
    """

    whole: FrameReader
    blocks: tuple[tuple[int, int], ...]
    """Ranges [start, stop) of frames that are kept, in order of time."""
    kept: dict[tuple[int, int], FrameFields] = field(default_factory=dict, repr=False)

    def read(self, start: int, stop: int) -> FrameFields:
        """Read frames [start, stop), from memory if they lie in a block that is kept."""
        place = bisect_right(self.blocks, start, key=itemgetter(0)) - 1
        block = self.blocks[place] if place >= 0 else (0, 0)
        found = self.kept.get(block)
        if found is not None and stop <= block[1]:
            part = slice(start - block[0], stop - block[0])
            return FrameFields(
                found.cells[part],
                found.positions[part],
                None if found.velocities is None else found.velocities[part],
                None if found.forces is None else found.forces[part],
            )
        found = self.whole.read(start, stop)
        if (start, stop) == block:
            self.kept[block] = found
        return found

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        return self.whole.place(frame, atom)

    def __reduce__(self) -> tuple[Any, ...]:
        return _itself, (self.whole,)


def _itself(reader: FrameReader) -> FrameReader:
    return reader
