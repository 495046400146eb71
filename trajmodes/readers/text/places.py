"""Locations of the bytes of a file: a local file, a temporary file, or a server.

A place can be opened by any thread or process, and then read at any offset.
"""

import io
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Condition, Thread
from typing import IO, Any, Protocol

from trajmodes.errors import StorageError, system_errors
from trajmodes.machine import read_at
from trajmodes.readers.text.threads import results

_BEHIND = 4
"""Pieces of text that wait to be written, at most."""


class Place(Protocol):
    """Bytes that are read at offsets, by several threads at once."""

    def opened(self) -> AbstractContextManager[Any]:
        """Open it for `read`."""
        ...

    def read(self, opened: Any, view: memoryview, offset: int) -> int:
        """Read at most as many bytes as a buffer takes; 0 at the end."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of this computer."""

    path: Path

    @contextmanager
    def opened(self) -> Iterator[int]:
        """Open the file; UsageError if the system cannot read it."""
        with system_errors(self.path):
            file = self.path.open("rb", buffering=0)
        with file:
            yield file.fileno()

    def read(self, opened: int, view: memoryview, offset: int) -> int:
        """Read into a buffer; UsageError if the system cannot."""
        with system_errors(self.path):
            return read_at(opened, view, offset)


class Spool:
    """A temporary file without a name, closed with the last reference to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def opened(self) -> AbstractContextManager[int]:
        """Return the descriptor of the open file."""
        return nullcontext(self._descriptor)

    def read(self, opened: int, view: memoryview, offset: int) -> int:
        """Read into a buffer."""
        return read_at(opened, view, offset)


def no_room(path: Path, error: OSError) -> StorageError:
    """Error if the text of a compressed file cannot be written to a temporary file."""
    return StorageError(
        f"the text of {path} cannot be decompressed to TMPDIR: {error.strerror}",
        fix="set TMPDIR to a folder with more space, or decompress the file yourself",
    )


def written(write: Callable[[bytes], int], text: Iterable[bytes]) -> Iterator[int]:
    """Write pieces of text by a thread, while the next pieces are made; give their sizes."""
    return results(write, text, 1, _BEHIND)


class GrowingSpool(Spool):
    """A temporary file that one thread fills while others read the available part.

    Parameters
    ----------
    text
        Text of the file at ``path``, piece by piece; an error that it raises is raised by those
        who read.
    size
        Bytes of the text. Its end can be read when the whole text was written without an error.
    """

    def __init__(self, file: IO[bytes], text: Iterator[bytes], size: int, path: Path) -> None:
        super().__init__(file)
        self._size, self._path, self._n_text = size, path, 0
        self._grown = Condition()
        self._is_done = False
        self._error: Exception | None = None
        Thread(target=self._fill, args=(text,), daemon=True).start()

    def read(self, opened: int, view: memoryview, offset: int) -> int:
        """Read into a buffer when its text is available."""
        stop = offset + len(view)
        with self._grown:
            self._grown.wait_for(lambda: self._is_done or stop <= self._n_text < self._size)
            if self._error is not None:
                raise self._error
        return super().read(opened, view, offset)

    def _write(self, text: bytes) -> int:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        return len(text)

    def _fill(self, text: Iterator[bytes]) -> None:
        try:
            for count in written(self._write, text):
                with self._grown:
                    self._n_text += count
                    self._grown.notify_all()
        except OSError as error:
            self._error = no_room(self._path, error)
        except Exception as error:  # noqa: BLE001 - raised by those who read
            self._error = error
        with self._grown:
            self._is_done = True
            self._grown.notify_all()


class PlaceFile(io.RawIOBase):
    """An open place as a file, for libraries that read files from their beginning."""

    def __init__(self, place: Place, opened: Any, size: int = sys.maxsize) -> None:
        super().__init__()
        self._place, self._opened, self._size, self._at = place, opened, size, 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Choose the offset of the next read."""
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}
        self._at = starts[whence] + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; 0 at the end."""
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._at)]
        count = self._place.read(self._opened, view, self._at) if view else 0
        self._at += count
        return count
