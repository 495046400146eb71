"""Frames of a text file: the lines at which they begin, and their bytes."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.errors import DataError, with_location
from trajmodes.notes import Note
from trajmodes.readers.text.index_cache import Index, cached_index, incomplete_end
from trajmodes.readers.text.source import TextSource, open_source
from trajmodes.readers.trajectory import ForeignFrame

_PIECE = 1 << 22
_LONGEST_MARK = 1 << 13


@dataclass(frozen=True, slots=True, eq=False)
class TextFrames:
    """Reads frames [start, stop) of a file when it is called."""

    source: TextSource
    spans: Ints
    """(t, 2) byte at which each frame begins, and the byte after its end."""
    parse: Callable[[bytes, int], ForeignFrame]
    """Makes a frame of its bytes and its number."""

    def __call__(self, start: int, stop: int) -> Iterator[ForeignFrame]:
        """Read frames [start, stop); errors name the line at which the frame begins."""
        for t in range(start, stop):
            first, last = self.spans[t].tolist()
            data = self.source.data(first, last - first)
            try:
                # Damaged numbers may overflow here; they are found where all numbers are.
                with np.errstate(over="ignore", invalid="ignore"):
                    frame = self.parse(data, t)
            except DataError as error:
                where = f"from line {self.source.line_at(first)}"
                raise with_location(error, where) from error
            yield frame


def indexed(
    path: Path, kind: str, index: Callable[[TextSource], Index], *, strict: bool
) -> tuple[TextSource, Index, tuple[Note, ...]]:
    """Open a file, find its frames, and note an incomplete last one.

    The index has at least ``spans`` (t, 2) of the complete frames, and ``broken``, the byte at
    which an incomplete frame begins, or −1. It is cached under its ``kind``.

    Raises
    ------
    DataError
        If there is no complete frame, or an incomplete one and ``strict`` is set.
    """
    source = open_source(path)
    found = cached_index(source, kind, lambda: index(source))
    broken, n_frames = int(found["broken"]), len(found["spans"])
    notes = incomplete_end(source, broken, f"number {n_frames}", n_frames, strict=strict)
    return source, found, notes


def marked_lines(
    source: TextSource, pattern: re.Pattern[bytes]
) -> Iterator[tuple[int, re.Match[bytes]]]:
    """Find all lines that a pattern matches, with the byte at which each match begins.

    The pattern is one of whole lines (``re.MULTILINE``) of at most 8 kB together.
    """
    at, text, first = 0, b"\n", 1
    piece = np.empty(_PIECE, dtype=np.uint8)
    with source.reading() as descriptor:
        while at < source.size:
            part = piece[: source.size - at]
            source.fill(descriptor, part, at)
            text += part.tobytes()
            at += len(part)
            # A match that begins near the end may go on in the next piece.
            stop = len(text) if at == source.size else len(text) - _LONGEST_MARK
            for match in pattern.finditer(text, first):
                if match.start() >= stop:
                    break
                yield at - len(text) + match.start(), match
                first = match.end()
            # One byte more shows whether a line begins there.
            kept = max(first, stop, 1) - 1
            text, first = text[kept:], 1
