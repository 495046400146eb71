"""The text of a compressed file at any offset, through its restart points.

The text between two points is decompressed whole, once for all threads that need it at the same
time, and kept while there is room. Memory is bounded by `KEPT_BYTES`, and by one such text for
each thread that is reading.
"""

from collections import OrderedDict
from collections.abc import Hashable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any

import numpy as np

from trajmodes.errors import DataError
from trajmodes.readers.text.compressed.points import RestartPoints
from trajmodes.readers.text.compressed.stream import CompressionError
from trajmodes.readers.text.places import Place
from trajmodes.readers.text.stamp import FileStamp

KEPT_BYTES = 1 << 26
"""Bytes of text that a process keeps of all compressed files."""


class _KeptTexts:
    """Texts that were used last, each of which one thread makes while others wait for it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._texts: OrderedDict[Hashable, Future[bytes]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}

    def get(self, key: Hashable, size: int, make: partial[bytes]) -> bytes:
        """Text under a key, of ``size`` bytes; it is made if it is not there."""
        with self._lock:
            text = self._texts.get(key)
            is_new = text is None
            if text is None:
                text = self._texts[key] = Future()
                self._sizes[key] = size
                self._make_room(key)
            self._texts.move_to_end(key)
        if is_new:
            try:
                text.set_result(make())
            except BaseException as error:
                with self._lock:
                    self._forget(key)
                text.set_exception(error)
                raise
        return text.result()

    def _make_room(self, newest: Hashable) -> None:
        while sum(self._sizes.values()) > KEPT_BYTES:
            oldest = next(iter(self._texts))
            if oldest == newest:
                break
            self._forget(oldest)

    def _forget(self, key: Hashable) -> None:
        self._texts.pop(key, None)
        self._sizes.pop(key, None)


_kept = _KeptTexts()


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
            If the text is not the one that was there before.
        """
        starts = self.points.starts
        if offset >= starts[-1]:
            return 0
        k = int(np.searchsorted(starts, offset, side="right")) - 1
        size = int(starts[k + 1] - starts[k])
        text = _kept.get((self.stamp, k), size, partial(self._text, opened, k))
        part = memoryview(text)[offset - int(starts[k]) :][: len(view)]
        view[: len(part)] = part
        return len(part)

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
