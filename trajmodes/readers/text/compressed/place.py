"""The text of a compressed file at any offset, through its restart points.

The text between two points is decompressed as a whole, and kept while there is room. Threads
that read a file together need the same piece at nearly the same time: one of them decompresses
it, and another one decompresses a later piece before it waits.
"""

from contextlib import AbstractContextManager, suppress
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


@dataclass(frozen=True, slots=True)
class CompressedFile:
    """Text of a compressed file."""

    stamp: FileStamp
    place: Place
    """The compressed bytes."""
    points: RestartPoints

    def opened(self) -> AbstractContextManager[Any]:
        """Open the compressed file."""
        return self.place.opened()

    def read(self, opened: Any, view: memoryview, offset: int) -> int:
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
        if state_of((self.stamp, k)) is False:
            self._make_ahead(opened, k)
        text = self._kept(opened, k)
        part = memoryview(text)[offset - int(starts[k]) :][: len(view)]
        view[: len(part)] = part
        return len(part)

    def _make_ahead(self, opened: Any, k: int) -> None:
        """Decompress the first missing piece after piece ``k``, if there is room."""
        starts = self.points.starts
        ahead = range(k + 1, len(starts) - 1)
        free = next((j for j in ahead if state_of((self.stamp, j)) is None), None)
        if free is None or starts[free + 1] - starts[k] > KEPT_BYTES:
            return
        # Who reads that piece meets the error again.
        with suppress(DataError):
            self._kept(opened, free)

    def _kept(self, opened: Any, k: int) -> bytes:
        size = int(self.points.starts[k + 1] - self.points.starts[k])
        return kept_bytes((self.stamp, k), size, partial(self._text, opened, k))

    def _text(self, opened: Any, k: int) -> bytes:
        """Text from restart point ``k`` to the next one."""
        start, stop = self.points.compressed_range(k)
        data = bytearray(stop - start)
        found = 0
        while found < len(data):
            count = self.place.read(opened, memoryview(data)[found:], start + found)
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
