"""Frames of a binary file: where they begin, and their bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, with_location
from trajmodes.notes import Note
from trajmodes.readers.text.index_cache import incomplete_end
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.trajectory import ForeignFile, ForeignFrame

_RIGHT = 90.0


@dataclass(frozen=True, slots=True, eq=False)
class BinaryFrames:
    """Reads frames [start, stop) of a file when it is called."""

    source: TextSource
    edges: Ints
    """(t+1,) byte at which each frame begins, and the end of the last one."""
    parse: Callable[[bytes, int], ForeignFrame]
    """Makes a frame of its bytes and its number."""

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Read frames [start, stop)."""
        for t in range(start, stop):
            first, last = self.edges[t : t + 2].tolist()
            data = self.source.data(first, last - first)
            # Damaged numbers may overflow here; they are found where all numbers are.
            with np.errstate(over="ignore", invalid="ignore"):
                frame = self.parse(data, t)
            yield frame


def opened(frames: BinaryFrames, n_atoms: int, *notes: Note) -> ForeignFile:
    """Make a file of its frames, in single precision."""
    return ForeignFile(
        n_frames=len(frames.edges) - 1,
        n_atoms=n_atoms,
        frames=frames,
        unit_style="MDAnalysis",
        precision_digits=7,
        notes=notes,
    )


def damaged(what: str, where: str = "") -> DataError:
    """Error of a file that is damaged as described."""
    return DataError(
        what,
        where=where,
        why="the file is damaged, or is of another kind",
        fix="copy it again, or write it again with the program that made it",
    )


def find_frames(
    source: TextSource,
    head_size: int,
    size_of: Callable[[bytes], int | None],
    *,
    strict: bool,
) -> tuple[Ints, tuple[Note, ...]]:
    """Find the edges (t+1,) of frames that follow each other, with a note on an incomplete one.

    Parameters
    ----------
    head_size
        Number of bytes that contain the size of any frame.
    size_of
        Returns the size of a frame from its first bytes, or None where they are too few.
    strict
        Whether an incomplete last frame is an error.

    Raises
    ------
    DataError
        If the head of a frame is damaged, or there is no complete frame.
    """
    edges = [0]
    head = np.empty(head_size, dtype=np.uint8)
    with source.reading() as descriptor:
        while (at := edges[-1]) < source.size:
            part = head[: source.size - at]
            source.fill(descriptor, part, at)
            try:
                size = size_of(part.tobytes())
            except DataError as error:
                where = f"{source.stamp.path}, frame {len(edges) - 1}, byte {at}"
                raise with_location(error, where) from None
            if size is None or at + size > source.size:
                break
            edges.append(at + size)
    return np.array(edges), _note_on_end(source, edges[-1], len(edges) - 1, strict=strict)


def equal_frames(
    source: TextSource, start: int, size: int, *, strict: bool
) -> tuple[Ints, tuple[Note, ...]]:
    """Edges (t+1,) of frames of one size from a byte on; otherwise as `find_frames`."""
    edges = np.arange(start, source.size + 1, size)
    return edges, _note_on_end(source, int(edges[-1]), len(edges) - 1, strict=strict)


def _note_on_end(
    source: TextSource, end: int, n_frames: int, *, strict: bool
) -> tuple[Note, ...]:
    """Note if the last frame ends before the file does."""
    left = end if end < source.size else -1
    return incomplete_end(source, left, f"number {n_frames}", n_frames, strict=strict)


def frame_of(
    cell: Floats | None, positions: Any, step: int, time_ps: float | None = None, **others: Any
) -> ForeignFrame:
    """Make a frame; a box without volume means no box. DataError if the box is not finite."""
    if cell is not None and not np.isfinite(cell).all():
        raise damaged("the box is not finite")
    flat = cell is None or np.linalg.det(cell) == 0.0
    return ForeignFrame(positions, None if flat else cell, step, time_ps, **others)


def box_vectors(lengths: Floats, angles: Floats) -> Floats:
    """Box vectors from lengths and angles (3,), a along x and b in the xy plane.

    The angles α, β, γ are in degrees or given as cosines.

    Raises
    ------
    DataError
        If no such box exists.
    """
    if (np.abs(angles) <= 1.0).all():
        x, y, z = angles
    else:
        # The cosine of a right angle is not exactly zero in degrees.
        x, y, z = np.where(angles == _RIGHT, 0.0, np.cos(np.radians(angles)))
    # Squared height of c over the plane of a and b, in units of c, times that of b over a.
    height = 1.0 + 2.0 * x * y * z - x * x - y * y - z * z
    if not (lengths > 0.0).all() or not height > 0.0 or (angles >= 180.0).any():
        raise DataError(
            f"the box {[*lengths.tolist(), *angles.tolist()]} is not three lengths and three "
            "angles",
            why="the file is damaged, or contains another description of the box",
            fix="convert the file, or give the cell",
        )
    sine = np.sqrt(1.0 - z * z)
    unit = [[1.0, 0.0, 0.0], [z, sine, 0.0], [y, (x - y * z) / sine, np.sqrt(height) / sine]]
    return np.array(unit) * lengths[:, None]
