"""The text of a file by byte offset, compressed or not.

Frames are read in any order, by many threads, and more than once (a fit, then a projection),
but a .gz, .zst, .bz2 or .xz file can only be read from its beginning. It is therefore
decompressed once, in order and in small pieces, into an anonymous temporary file, which is then
read as plain text. Memory stays bounded, every pass runs at full speed, the system removes the
file even after a crash, and nothing is written to the user's folder. The cost is disk space for
the text in the folder ``TMPDIR``.
"""

import hashlib
import os
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError, StorageError, UsageError, system_errors
from trajmodes.machine import read_at
from trajmodes.readers.text.compressed import CompressionError, compression_of, decompressed

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""That of UTF-8."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16 and UTF-32."""
_BLANK = b" \t\r\n\f\v"


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identity of a file when it was opened."""

    path: Path
    """Absolute path."""
    size: int
    """Bytes."""
    modified_ns: int
    """Time of the last modification in ns."""
    changed_ns: int
    """Time of the last change of content, name or permissions in ns; that of creation on
    Windows.
    """
    inode: int
    ends: bytes
    """Digest of the first and the last bytes."""


_ENDS = 4096


def stamp_file(path: str | os.PathLike[str]) -> FileStamp:
    """Stamp of a file.

    Raises
    ------
    UsageError
        If there is no such file, or it is a folder, a pipe or not readable.
    DataError
        If it is empty.
    """
    file = Path(path).absolute()
    with system_errors(file):
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise UsageError(f"{file} is {kind}, not a trajectory file")
        ends = _digest_of_ends(file, status.st_size)
    if status.st_size == 0:
        raise DataError(f"{file} is empty")
    return FileStamp(
        *(file, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino), ends
    )


def _digest_of_ends(path: Path, size: int) -> bytes:
    """Digest of the ends of the first ``size`` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        digest.update(file.read(min(size, _ENDS)))
        file.seek(max(0, size - _ENDS))
        digest.update(file.read(min(size, _ENDS)))
    return digest.digest()


def check_unchanged(stamp: FileStamp) -> None:
    """Raise DataError if a file has another size, time or inode than before, or is gone.

    A simulation may append to it: it is then longer, and the ends of its earlier part are the
    same.
    """
    same = False
    with system_errors(stamp.path), suppress(FileNotFoundError, NotADirectoryError):
        status = stamp.path.stat()
        if status.st_ino == stamp.inode and status.st_size > stamp.size:
            same = _digest_of_ends(stamp.path, stamp.size) == stamp.ends
        else:
            now = (status.st_size, status.st_mtime_ns, status.st_ino)
            same = now == (stamp.size, stamp.modified_ns, stamp.inode)
    if not same:
        raise DataError(
            f"{stamp.path} has changed since it was opened",
            why="it was replaced, shortened or written again",
            fix="repeat the command",
        )


class _Spool:
    """A temporary file without a name, closed with the last reference to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.descriptor)


@dataclass(frozen=True, slots=True)
class TextSource:
    """Text of one file, read at byte offsets by any number of threads."""

    stamp: FileStamp
    size: int
    """Bytes of the text."""
    spool: _Spool | None = None
    """Temporary file with the decompressed text; None for a plain file."""
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
    def reading(self) -> Iterator[int]:
        """File descriptor for `fill`; the file is compared with its stamp before and after.

        Raises
        ------
        DataError
            If the file has changed since it was opened. This replaces any error raised within
            the context, which it then explains.
        """
        check_unchanged(self.stamp)
        try:
            if self.spool:
                yield self.spool.descriptor
            else:
                with (
                    system_errors(self.stamp.path),
                    self.stamp.path.open("rb", buffering=0) as file,
                ):
                    yield file.fileno()
        finally:
            check_unchanged(self.stamp)

    def fill(self, descriptor: int, buffer: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill a buffer with the text from an offset on; DataError if the file ends earlier."""
        view = memoryview(buffer.data)
        while view:
            count = read_at(descriptor, view, offset)
            if count == 0:
                raise DataError(f"{self.stamp.path} ends at byte {offset}, earlier than before")
            view, offset = view[count:], offset + count

    def data(self, offset: int, size: int) -> bytes:
        """Read ``size`` bytes at an offset."""
        buffer = np.empty(size, dtype=np.uint8)
        with self.reading() as descriptor:
            self.fill(descriptor, buffer, offset)
        return buffer.tobytes()

    def text(self, offset: int, size: int) -> str:
        """Read ``size`` bytes at an offset as text, for headers and messages."""
        return self.data(offset, size).decode("utf-8", "replace")

    def find(self, word: bytes) -> int:
        """Find the offset where a word first occurs; −1 if it does not."""
        at, tail = 0, b""
        piece = np.empty(1 << 20, dtype=np.uint8)
        with self.reading() as descriptor:
            while at < self.size:
                part = piece[: self.size - at]
                self.fill(descriptor, part, at)
                text = tail + part.tobytes()
                if (found := text.find(word)) >= 0:
                    return at - len(tail) + found
                at, tail = at + len(part), text[1 - len(word) :]
        return -1

    def line_at(self, offset: int) -> int:
        """Find the number, from 1, of the line that contains a byte offset."""
        line, at = 1, 0
        piece = np.empty(1 << 20, dtype=np.uint8)
        with self.reading() as descriptor:
            while at < offset:
                part = piece[: offset - at]
                self.fill(descriptor, part, at)
                line += int(np.count_nonzero(part == 10))
                at += len(part)
        return line

    def line_name(self, offset: int, below: int = 0) -> str:
        """Name the line that lies ``below`` lines under that at an offset, for messages."""
        return f"line {self.line_at(offset) + below}"


def _reopen(stamp: FileStamp, allow_partial: bool) -> TextSource:  # noqa: FBT001 - for pickle
    check_unchanged(stamp)
    return open_source(stamp.path, allow_partial=allow_partial)


def open_source(path: str | os.PathLike[str], *, allow_partial: bool = False) -> TextSource:
    """Open a file for reading at byte offsets, decompressing it if necessary.

    The first bytes show the kind of compression. ``allow_partial`` keeps the text before
    compressed data end too early, or before the member of the file that is damaged.

    Raises
    ------
    UsageError
        If the file cannot be read, or no decompressor is installed.
    DataError
        If it is empty, or its compressed data are damaged.
    StorageError
        If there is no space for the decompressed text.
    """
    stamp = stamp_file(path)
    method = _method_of(stamp.path)
    if method is None:
        return TextSource(stamp, stamp.size)
    return _decompressed_source(stamp, method, allow_partial=allow_partial)


def read_head(path: str | os.PathLike[str], size: int = 4096) -> bytes:
    """First bytes of the text of a file, decompressed if necessary; fewer if it is damaged.

    Raises
    ------
    DataError
        If compressed data are damaged before their first text.
    """
    file_path, head = Path(path), b""
    method = _method_of(file_path)
    with system_errors(file_path), file_path.open("rb") as file:
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


def _method_of(path: Path) -> str | None:
    with system_errors(path), path.open("rb") as file:
        return compression_of(file.read(8))


def _decompressed_source(stamp: FileStamp, method: str, *, allow_partial: bool) -> TextSource:
    try:
        with tempfile.TemporaryFile(prefix="trajmodes-") as file:
            size, damage = _fill_spool(stamp, method, file)
            file.flush()
            spool = _Spool(file)
    # Errors of the decompressor and of the compressed file are none of the system.
    except OSError as error:
        raise StorageError(
            f"the text of {stamp.path} cannot be decompressed to TMPDIR: {error.strerror}",
            fix="set TMPDIR to a folder with more space, or decompress the file yourself",
        ) from error
    check_unchanged(stamp)
    if damage and not (allow_partial and size):
        raise _damaged(stamp.path, damage, size)
    if not size:
        raise DataError(f"{stamp.path} contains no text")
    return TextSource(stamp, size, spool, damage)


def _fill_spool(stamp: FileStamp, method: str, spool: IO[bytes]) -> tuple[int, str]:
    """Write the text of a file to the spool; return its usable bytes and the damage."""
    size = 0
    with stamp.path.open("rb") as file:
        try:
            for text in decompressed(file, method, stamp.path):
                size += spool.write(text)
        except CompressionError as fault:
            spool.truncate(spool.seek(fault.n_usable))
            return fault.n_usable, fault.what
    return size, ""


def _damaged(path: Path, damage: str, n_usable: int) -> DataError:
    return DataError(
        damage,
        where=str(path),
        why="the file is truncated or damaged",
        fix="--allow-partial uses the frames before the damage" if n_usable else "",
    )
