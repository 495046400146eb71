"""The text of a file by byte offset, compressed or not.

Frames are read in any order, by many threads and processes, and more than once (a fit, then a
projection). A compressed file is read through its restart points, which are found when it is
first decompressed and checked, and kept in the cache of indices. A file that has none, such as
one frame of zstd, can only be read from its beginning: it is decompressed once, in order and in
small pieces, into an anonymous temporary file, which is then read as plain text. Memory stays
bounded, the system removes the file even after a crash, and nothing is written to the user's
folder. The cost is disk space for the text in the folder ``TMPDIR``. Small files are read in
this way too.
"""

import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError
from trajmodes.readers.text.compressed.place import CompressedFile
from trajmodes.readers.text.compressed.points import RestartPoints, find_points
from trajmodes.readers.text.compressed.stream import (
    CompressionError,
    compression_of,
    decompressed,
)
from trajmodes.readers.text.index_cache import Index, cached_index
from trajmodes.readers.text.kept import KEPT_BYTES
from trajmodes.readers.text.places import (
    GrowingSpool,
    LocalFile,
    Place,
    PlaceFile,
    Spool,
    no_room,
    written,
)
from trajmodes.readers.text.remote import RemoteObject, RemotePath, named_path, remote_object
from trajmodes.readers.text.stamp import FileStamp, check_unchanged, stamp_file, unchanged

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""That of UTF-8."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16 and UTF-32."""
_SMALL, _BUFFER = 1 << 22, 1 << 20
"""Bytes of a compressed file that is not worth restart points, and of one read of others."""
_BLANK = b" \t\r\n\f\v"


@dataclass(frozen=True, slots=True)
class TextSource:
    """Text of one file, read at byte offsets by any number of threads."""

    stamp: FileStamp
    size: int
    """Bytes of the text."""
    place: Place
    """Where the text is read."""
    damage: str = ""
    """Why the compressed data end too early; empty if they do not."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file; all files if there are several."""
        return (self.stamp.path,)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the path: another process decompresses the file again."""
        return _reopen, (self.stamp, bool(self.damage))

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Open place for `fill`; the file is compared with its stamp before and after.

        An object is compared only afterwards, because each comparison is a request to its
        server.

        Raises
        ------
        DataError
            If the file has changed since it was opened. This replaces any error raised within
            the context, which it then explains.
        """
        with unchanged((self.stamp,)), self.place.opened() as opened:
            yield opened

    def fill(self, opened: Any, buffer: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill a buffer with the text from an offset on; DataError if the file ends earlier."""
        view = memoryview(buffer.data)
        while view:
            count = self.place.read(opened, view, offset)
            if count == 0:
                raise DataError(f"{self.stamp.path} ends at byte {offset}, earlier than before")
            view, offset = view[count:], offset + count

    def data(self, offset: int, size: int) -> bytes:
        """Read ``size`` bytes at an offset."""
        buffer = np.empty(size, dtype=np.uint8)
        with self.reading() as opened:
            self.fill(opened, buffer, offset)
        return buffer.tobytes()

    def sample(self, offset: int, size: int) -> bytes:
        """Read as `data` does, from the cache of indices if all text before it must be made."""
        if not isinstance(self.place, Spool):
            return self.data(offset, size)

        def found() -> Index:
            return {"text": np.frombuffer(self.data(offset, size), dtype=np.uint8)}

        return bytes(cached_index(self, f"{size} bytes at {offset}", found)["text"])

    def text(self, offset: int, size: int) -> str:
        """Read ``size`` bytes at an offset as text, for headers and messages."""
        return self.data(offset, size).decode("utf-8", "replace")

    def find(self, word: bytes) -> int:
        """Find the offset where a word first occurs; −1 if it does not."""
        at, tail = 0, b""
        piece = np.empty(1 << 20, dtype=np.uint8)
        with self.reading() as opened:
            while at < self.size:
                part = piece[: self.size - at]
                self.fill(opened, part, at)
                text = tail + part.tobytes()
                if (found := text.find(word)) >= 0:
                    return at - len(tail) + found
                at, tail = at + len(part), text[1 - len(word) :]
        return -1

    def line_at(self, offset: int) -> int:
        """Find the number, from 1, of the line that contains a byte offset."""
        line, at = 1, 0
        piece = np.empty(1 << 20, dtype=np.uint8)
        with self.reading() as opened:
            while at < offset:
                part = piece[: offset - at]
                self.fill(opened, part, at)
                line += int(np.count_nonzero(part == 10))
                at += len(part)
        return line

    def line_name(self, offset: int, below: int = 0) -> str:
        """Name the line ``below`` lines after that at an offset, for messages."""
        return f"line {self.line_at(offset) + below}"


def _reopen(stamp: FileStamp, allow_partial: bool) -> TextSource:  # noqa: FBT001 - for pickle
    check_unchanged(stamp)
    return _reopened(stamp, allow_partial)


@lru_cache(maxsize=16)
def _reopened(stamp: FileStamp, allow_partial: bool) -> TextSource:  # noqa: FBT001 - as above
    """Open a file once in a process, however many tasks the process gets."""
    return open_source(stamp.path, allow_partial=allow_partial)


def open_source(path: str | os.PathLike[str], *, allow_partial: bool = False) -> TextSource:
    """Open a file for reading at byte offsets, decompressing it if necessary.

    The first bytes show the kind of compression. ``allow_partial`` keeps the text before
    compressed data end too early, or before the member of the file that is damaged.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If it is empty, or its compressed data are damaged.
    StorageError
        If there is no space for the decompressed text.
    """
    stamp = stamp_file(path)
    raw = TextSource(stamp, stamp.size, _place_of(stamp))
    method = compression_of(raw.data(0, min(stamp.size, 8)))
    if method is None:
        return raw
    points = _restart_points(raw, method) if stamp.size >= _SMALL else None
    if points is not None:
        place = CompressedFile(stamp, raw.place, points)
        return TextSource(stamp, int(points.starts[-1]), place)
    return _decompressed_source(raw, method, allow_partial=allow_partial)


def _place_at(path: Path) -> Place:
    """Place of a file that need not be text, and may be empty."""
    return remote_object(path) if isinstance(path, RemotePath) else LocalFile(path)


def _place_of(stamp: FileStamp) -> Place:
    if isinstance(stamp.path, RemotePath):
        return RemoteObject(str(stamp.path), stamp.size, stamp.mark)
    return LocalFile(stamp.path)


class _NotKnownError(Exception):
    """A file has nothing to cache: no restart points, or damage."""


def _restart_points(raw: TextSource, method: str) -> RestartPoints | None:
    """Restart points of a compressed file from the cache; None if it has none."""

    def found() -> Index:
        with raw.reading() as opened:
            file = io.BufferedReader(PlaceFile(raw.place, opened, raw.size), _BUFFER)
            points = find_points(file, method, raw.size, raw.stamp.path)
        if points is None:
            raise _NotKnownError
        return points.arrays()

    try:
        arrays = cached_index(raw, f"restart points of {method}", found)
    except _NotKnownError:
        return None
    return RestartPoints.of_arrays(method, arrays)


def first_bytes(path: Path, size: int) -> bytes:
    """First bytes of a file, not decompressed."""
    place = _place_at(path)
    with place.opened() as opened:
        return PlaceFile(place, opened).read(size)


def bytes_kept(paths: Iterable[Path]) -> int:
    """Bytes of memory that a run takes for pieces of compressed files and objects."""

    def has_pieces(path: Path) -> bool:
        is_remote = isinstance(path, RemotePath)
        return is_remote or (
            path.is_file() and compression_of(first_bytes(path, 8)) is not None
        )

    return KEPT_BYTES if any(map(has_pieces, paths)) else 0


def read_head(path: str | os.PathLike[str], size: int = 4096) -> bytes:
    """First bytes of the text of a file, decompressed if necessary; fewer if it is damaged.

    Raises
    ------
    DataError
        If compressed data are damaged before their first text.
    """
    file_path, head = named_path(path), b""
    place = _place_at(file_path)
    with place.opened() as opened:
        file = PlaceFile(place, opened)
        method = compression_of(file.read(8))
        file.seek(0)
        if method is None:
            return file.read(size)
        try:
            for text in decompressed(file, method, file_path):
                head += text
                if len(head) >= size:
                    break
        except CompressionError as fault:
            if not head:
                raise _damaged(file_path, fault.what, 0) from None
    return head[:size]


def require_text(path: Path, head: bytes) -> None:
    """Raise DataError if the first bytes show no text, wide characters or old line ends.

    ``head`` is the decompressed head of the file.
    """
    what = why = fix = ""
    if not head.strip(_BLANK):
        what = "the file contains only blanks" if head else "the file contains no text"
        why = "the run has written nothing yet, or the file is truncated at its beginning"
    elif head.startswith(_WIDE):
        what = "the file is text in UTF-16"
        why = "it was rewritten by a program such as PowerShell or Excel"
        fix = "iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8"
    elif b"\r" in head and b"\n" not in head and b"\0" not in head:
        what = "lines end with a carriage return alone"
        why = "the file has the line ends of old Macintosh systems"
        fix = "tr '\\r' '\\n' < FILE > FILE.unix"
    if what:
        raise DataError(what, where=str(path), why=why, fix=fix)


def _decompressed_source(raw: TextSource, method: str, *, allow_partial: bool) -> TextSource:
    """Decompress a file into a temporary one, read while it grows if its size is known."""
    made: list[TextSource] = []

    def whole() -> Index:
        made.append(_spooled(raw, method, allow_partial=allow_partial))
        if made[0].damage:
            raise _NotKnownError
        return {"size": np.array(made[0].size)}

    try:
        found = cached_index(raw, f"size of the text of {method}", whole, smallest=_SMALL)
    except _NotKnownError:
        return made[0]
    return made[0] if made else _growing(raw, method, int(found["size"]))


def _growing(raw: TextSource, method: str, size: int) -> TextSource:
    """Source of a text that was complete, and of this size, when it was first read."""
    path = raw.stamp.path
    try:
        with tempfile.TemporaryFile(prefix="trajmodes-") as file:
            spool = GrowingSpool(file, _text_again(raw, method, size), size, path)
    except OSError as error:
        raise no_room(path, error) from error
    return TextSource(raw.stamp, size, spool)


def _text_again(raw: TextSource, method: str, size: int) -> Iterator[bytes]:
    """Text of a file; DataError if it is incomplete, or of another size."""
    found = 0
    with raw.reading() as opened:
        try:
            file = PlaceFile(raw.place, opened, raw.size)
            for text in decompressed(file, method, raw.stamp.path):
                found += len(text)
                yield text
        except CompressionError as fault:
            raise _damaged(raw.stamp.path, fault.what, 0) from None
    if found != size:
        raise _damaged(raw.stamp.path, f"{found} bytes of text are left of {size}", 0)


def _spooled(raw: TextSource, method: str, *, allow_partial: bool) -> TextSource:
    path = raw.stamp.path
    try:
        with tempfile.TemporaryFile(prefix="trajmodes-") as file:
            size, damage = _fill_spool(raw, method, file)
            file.flush()
            spool = Spool(file)
    # Errors of the decompressor and of the compressed file are none of the system.
    except OSError as error:
        raise no_room(path, error) from error
    if damage and not (allow_partial and size):
        raise _damaged(path, damage, size)
    if not size:
        raise DataError(f"{path} contains no text")
    return TextSource(raw.stamp, size, spool, damage)


def _fill_spool(raw: TextSource, method: str, spool: IO[bytes]) -> tuple[int, str]:
    """Write the text of a file to the spool; return its usable bytes and the damage."""
    with raw.reading() as opened:
        file = PlaceFile(raw.place, opened, raw.size)
        try:
            text = decompressed(file, method, raw.stamp.path)
            return sum(written(spool.write, text)), ""
        except CompressionError as fault:
            spool.truncate(spool.seek(fault.n_usable))
            return fault.n_usable, fault.what


def _damaged(path: Path, damage: str, n_usable: int) -> DataError:
    return DataError(
        damage,
        where=str(path),
        why="the file is truncated or damaged",
        fix="--allow-partial uses the frames before the damage" if n_usable else "",
    )
