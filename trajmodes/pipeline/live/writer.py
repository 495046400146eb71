"""A thread that writes received frames to a file, so that a slow disk does not delay them."""

from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from typing import IO

from trajmodes.errors import StorageError
from trajmodes.readers.imd.protocol import START_SIZE
from trajmodes.results.storage import storage_error

MOST_BYTES = 64 << 20
"""Memory of frames that wait for the disk."""
_PAUSE_AT, _RESUME_AT = MOST_BYTES // 2, MOST_BYTES // 8
"""Bytes that wait when the simulation is to be paused, and when it may continue."""


class Writer(Thread):
    """Writes frames in the order in which they were given.

    After an error the file still consists of whole frames.
    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """Prepare to write to a file that holds the start of a session."""
        super().__init__(name="writer", daemon=True)
        self._path, self._file = path, file
        self._changed = Condition()
        self._parts: deque[bytes] = deque()
        self._n_waiting = self._frame_size = 0
        self._is_closed = False
        self._error: StorageError | None = None
        self.n_frames = 0
        """Frames in the file."""
        self.is_behind = False
        """Whether so many frames wait for the disk that no more should come."""

    def put(self, frames: bytes, frame_size: int) -> None:
        """Queue frames for writing; wait while the queue is full.

        Raises
        ------
        StorageError
            If earlier frames could not be written.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._n_waiting < MOST_BYTES or self._error)
            if self._error is not None:
                raise self._error
            self._frame_size = frame_size
            self._parts.append(frames)
            self._count(len(frames))

    def close(self) -> None:
        """Write the queued frames, and close the file.

        Raises
        ------
        StorageError
            If frames could not be written.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.join()
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        """Write frames until `close`."""
        try:
            with self._file:
                while data := self._next():
                    self._write(data)
        except OSError as error:
            with self._changed:
                self._error = storage_error(self._path, error)
                self._changed.notify_all()

    def _next(self) -> bytes:
        """Return all queued frames; none after the last ones."""
        with self._changed:
            self._changed.wait_for(lambda: self._parts or self._is_closed)
            data = b"".join(self._parts)
            self._parts.clear()
        return data

    def _write(self, data: bytes) -> None:
        before, view = self.n_frames, memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
                self.n_frames = before + (len(data) - len(view)) // self._frame_size
        except OSError:
            with suppress(OSError):
                self._file.truncate(START_SIZE + self.n_frames * self._frame_size)
            raise
        with self._changed:
            self._count(-len(data))

    def _count(self, n_bytes: int) -> None:
        """Add to, or subtract from, the number of queued bytes."""
        self._n_waiting += n_bytes
        self.is_behind = self._n_waiting > (_RESUME_AT if self.is_behind else _PAUSE_AT)
        self._changed.notify_all()
