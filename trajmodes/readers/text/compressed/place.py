"""The text of a compressed file at any offset, through its restart points.

The text between two points is decompressed as a whole, and kept while there is room. Threads
that read a file together need the same piece at nearly the same time: one of them decompresses
it, and another one decompresses a later piece before it waits. For a thread that reads a file
from its beginning to its end, a second one decompresses the next piece.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from trajmodes.errors import DataError
from trajmodes.readers.text.compressed.points import RestartPoints
from trajmodes.readers.text.compressed.stream import CompressionError
from trajmodes.readers.text.kept import KEPT_BYTES, kept_bytes, state_of
from trajmodes.readers.text.places import Place
from trajmodes.readers.text.stamp import FileStamp

_SERIES = 3
"""Pieces that are read one after the other before the next one is expected to be read."""


class _Opened:
    """An open compressed file, and how many pieces were read from it one after the other."""

    def __init__(self, file: Any, second: ThreadPoolExecutor) -> None:
        self.file, self._second = file, second
        self._last, self._n_series = -1, 0
        self._work: Future[None] | None = None

    def make_next(self, k: int, make: Callable[[Any, int, int], None]) -> None:
        """Make the next two pieces by another thread if piece ``k`` continues a series."""
        if k == self._last:
            return
        self._n_series = self._n_series + 1 if k == self._last + 1 else 1
        self._last = k
        # A thread that is late must not make pieces that were read meanwhile.
        if self._n_series >= _SERIES and (self._work is None or self._work.done()):
            self._work = self._second.submit(make, self.file, k, 2)


@dataclass(frozen=True, slots=True)
class CompressedFile:
    """Text of a compressed file."""

    stamp: FileStamp
    place: Place
    """The compressed bytes."""
    points: RestartPoints

    @contextmanager
    def opened(self) -> Iterator[_Opened]:
        """Open the compressed file."""
        # It starts a thread only when there is work.
        with self.place.opened() as file, ThreadPoolExecutor(1) as second:
            yield _Opened(file, second)

    def read(self, opened: _Opened, view: memoryview, offset: int) -> int:
        """Read text into a buffer, up to the next restart point.

        Raises
        ------
        DataError
            If the text has changed.
        """
        starts = self.points.starts
        if offset >= starts[-1]:
            return 0
        k = int(np.searchsorted(starts, offset, side="right")) - 1
        opened.make_next(k, self._make_ahead)
        if state_of((self.stamp, k)) is False:
            self._make_ahead(opened.file, k, len(starts))
        text = self._kept(opened.file, k)
        part = memoryview(text)[offset - int(starts[k]) :][: len(view)]
        view[: len(part)] = part
        return len(part)

    def _make_ahead(self, file: Any, k: int, n_pieces: int) -> None:
        """Decompress the first missing piece of those after ``k``, if there is room."""
        starts = self.points.starts
        ahead = range(k + 1, min(k + 1 + n_pieces, len(starts) - 1))
        free = next((j for j in ahead if state_of((self.stamp, j)) is None), None)
        if free is None or starts[free + 1] - starts[k] > KEPT_BYTES:
            return
        # Who reads that piece meets the error again.
        with suppress(DataError):
            self._kept(file, free)

    def _kept(self, file: Any, k: int) -> bytes:
        size = int(self.points.starts[k + 1] - self.points.starts[k])
        return kept_bytes((self.stamp, k), size, partial(self._text, file, k))

    def _text(self, file: Any, k: int) -> bytes:
        """Text from restart point ``k`` to the next one."""
        start, stop = self.points.compressed_range(k)
        data = bytearray(stop - start)
        found = 0
        while found < len(data):
            count = self.place.read(file, memoryview(data)[found:], start + found)
            if not count:
                break
            found += count
        try:
            return self.points.text(k, bytes(data[:found]))
        except CompressionError as fault:
            raise DataError(
                fault.what,
                where=str(self.stamp.path),
                why="the file was changed since it was first read, or the disk is damaged",
                fix="copy it again",
            ) from None
