"""The text of a file by byte offset, whether it is compressed or not.

Frames are read in any order, by many threads, and more than once (a fit, then a projection),
but a .gz, .zst, .bz2 or .xz file can only be read from its beginning. So it is decompressed
once, in order and a small piece at a time, into an anonymous temporary file, and from there on
treated as plain text: memory stays bounded, every pass runs at full speed, the system removes
the file even after a crash, and the user's folder is never written to. The price is disk space
for the text, in the folder that ``TMPDIR`` names.
"""

import bz2
import lzma
import os
import tempfile
import warnings
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError, StorageError, TrajmodesWarning, UsageError
from trajmodes.notes import Note
from trajmodes.readers.text.index_cache import FileStamp, check_unchanged, stamp_file

_PIECE = 1 << 14
_WRONG_SUMS = ("incorrect data check", "incorrect length check")
"""What zlib says when all text has come, but is not that which was compressed."""
_MAGIC = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16 and UTF-32."""
_BLANK = b" \t\r\n\f\v"


class _Decompressor(Protocol):
    """What the decompressors of zlib, bz2, lzma and zstd have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Spool:
    """A temporary file without a name, closed when nobody holds it any more."""

    def __init__(self, file: IO[bytes]) -> None:
        self.descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self.descriptor)


@dataclass(frozen=True, slots=True)
class TextSource:
    """Text of one file, for reading at byte offsets by any number of threads."""

    stamp: FileStamp
    """The file."""
    size: int
    """Bytes of the text."""
    spool: _Spool | None = None
    """Temporary file with the decompressed text; None where the file itself is text."""
    damage: str = ""
    """Why the compressed data end before they should; empty where they do not."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as the path: another process decompresses for itself."""
        return _reopen, (self.stamp, bool(self.damage))

    @contextmanager
    def reading(self) -> Iterator[int]:
        """File descriptor for `fill`; the file is compared with its stamp before and after.

        Raises
        ------
        DataError
            If the file is not what it was when it was opened. This also takes the place of an
            error raised in between, which then has this as its reason.
        """
        check_unchanged(self.stamp)
        descriptor = (
            self.spool.descriptor if self.spool else os.open(self.stamp.path, os.O_RDONLY)
        )
        try:
            yield descriptor
        finally:
            if not self.spool:
                os.close(descriptor)
            check_unchanged(self.stamp)

    def fill(self, descriptor: int, buffer: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill a buffer with the text from an offset on.

        Raises
        ------
        DataError
            If the file ends before the buffer is full.
        """
        view = memoryview(buffer.data)
        while view:
            count = os.preadv(descriptor, [view], offset)
            if count == 0:
                raise DataError(f"{self.stamp.path} ends at byte {offset}, earlier than before")
            view, offset = view[count:], offset + count

    def data(self, offset: int, size: int) -> bytes:
        """Read some bytes at an offset."""
        buffer = np.empty(size, dtype=np.uint8)
        with self.reading() as descriptor:
            self.fill(descriptor, buffer, offset)
        return buffer.tobytes()

    def text(self, offset: int, size: int) -> str:
        """Read some bytes at an offset as text, for headers and messages."""
        return self.data(offset, size).decode("utf-8", "replace")

    def line_at(self, offset: int) -> int:
        """Count lines up to a byte offset: the number of the line, from 1, that it lies in."""
        line, at = 1, 0
        piece = np.empty(1 << 20, dtype=np.uint8)
        with self.reading() as descriptor:
            while at < offset:
                part = piece[: offset - at]
                self.fill(descriptor, part, at)
                line += int(np.count_nonzero(part == 10))
                at += len(part)
        return line


def _reopen(stamp: FileStamp, allow_partial: bool) -> TextSource:  # noqa: FBT001 - for pickle
    check_unchanged(stamp)
    return open_source(stamp.path, allow_partial=allow_partial)


def open_source(path: str | os.PathLike[str], *, allow_partial: bool = False) -> TextSource:
    """Open a file for reading at byte offsets, decompressing it if need be.

    Parameters
    ----------
    path
        The file; how it is compressed is seen from its first bytes.
    allow_partial
        Whether to keep what comes before the place where compressed data are damaged.

    Raises
    ------
    UsageError
        If there is no such file to be read, or nothing to decompress it with.
    DataError
        If it is empty, or its compressed data are damaged.
    StorageError
        If there is no space for the decompressed text.
    """
    stamp = stamp_file(path)
    method = _method_of(stamp.path)
    if method is None:
        return TextSource(stamp, stamp.size)
    return _spooled(stamp, method, allow_partial=allow_partial)


def incomplete_end(
    source: TextSource, byte: int, name: str, n_frames: int, *, strict: bool
) -> tuple[Note, ...]:
    """Note, and warn, that a file ends before its last frame does; nothing if it does not.

    Parameters
    ----------
    source
        The text of the file.
    byte
        Where the incomplete frame begins; negative if there is none.
    name
        The incomplete frame, for messages.
    n_frames
        Number of complete frames.
    strict
        Whether an incomplete frame is an error.

    Raises
    ------
    DataError
        If there is an incomplete frame and it is an error, or there is no frame.
    """
    what = f"the last frame ({name}, from byte {byte}) is not complete" if byte >= 0 else ""
    what = "; ".join(filter(None, [source.damage, what]))
    path = source.stamp.path
    if not what and not n_frames:
        raise DataError(f"{path} holds no frame")
    if not what:
        return ()
    if strict or not n_frames:
        raise DataError(
            what if n_frames else f"{what}, and there is no other",
            where=str(path),
            why="the run was stopped while it was writing, or is still going on",
            fix="leave out --strict to use the others" if n_frames else "",
        )
    message = f"{what} and is not used ({path})"
    warnings.warn(message, TrajmodesWarning, stacklevel=5)
    return (Note("warning", message),)


def read_head(path: str | os.PathLike[str], size: int = 4096) -> bytes:
    """First bytes of the text of a file, decompressed if need be; fewer if it is damaged.

    Parameters
    ----------
    path
        The file.
    size
        Number of bytes wanted.
    """
    method = _method_of(Path(path))
    head = b""
    with Path(path).open("rb") as file:
        if method is None:
            return file.read(size)
        decompressor = _decompressor(method, Path(path))
        while len(head) < size and not decompressor.eof and (data := file.read(_PIECE)):
            try:
                head += decompressor.decompress(data)
            except _faults():
                break
    return head[:size]


def require_text(path: Path, head: bytes) -> None:
    """Refuse files without text, of wide characters, or whose lines end in another way.

    Parameters
    ----------
    path
        The file.
    head
        Its first bytes, decompressed.

    Raises
    ------
    DataError
        If it is one of these.
    """
    if not head.strip(_BLANK):
        raise DataError(
            "the file holds no text" if not head else "the file holds nothing but blanks",
            where=str(path),
            why="the run has written nothing yet, or the file was cut at its very beginning",
        )
    if head.startswith(_WIDE):
        raise DataError(
            "the file is text of two-byte characters (UTF-16)",
            where=str(path),
            why="a program such as PowerShell or Excel wrote it anew",
            fix="iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8",
        )
    if b"\r" in head and b"\n" not in head and b"\0" not in head:
        raise DataError(
            "lines end with a carriage return alone",
            where=str(path),
            why="the file was converted for an old Macintosh",
            fix="tr '\\r' '\\n' < FILE > FILE.unix",
        )


def _method_of(path: Path) -> str | None:
    with path.open("rb") as file:
        head = file.read(8)
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def _spooled(stamp: FileStamp, method: str, *, allow_partial: bool) -> TextSource:
    try:
        with tempfile.TemporaryFile(prefix="trajmodes-") as file:
            damage = _decompress(stamp, method, file)
            size = file.tell()
            file.flush()
            spool = _Spool(file)
    except OSError as error:
        raise StorageError(
            f"no room to decompress {stamp.path}: {error.strerror}",
            fix="set TMPDIR to a folder with more space, or decompress the file yourself",
        ) from error
    check_unchanged(stamp)
    if (damage and not allow_partial) or size == 0:
        raise DataError(
            damage or f"{stamp.path} holds no text",
            where=str(stamp.path) if damage else "",
            why="the file is cut or damaged" if damage else "",
            fix="--allow-partial uses the frames before it" if size else "",
        )
    return TextSource(stamp, size, spool, damage)


def _decompress(stamp: FileStamp, method: str, spool: IO[bytes]) -> str:
    """Write all members of a file to the spool; what is wrong with them, or nothing."""
    with stamp.path.open("rb") as file:
        data = file.read(_PIECE)
        decompressor, start = _decompressor(method, stamp.path), 0
        while data:
            offset = file.tell() - len(data)
            if decompressor.eof:
                decompressor, start = _decompressor(method, stamp.path), spool.tell()
            try:
                spool.write(decompressor.decompress(data))
            except _faults() as error:
                if str(error).endswith(_WRONG_SUMS):
                    # The damage may be anywhere in this member; those before it are sound.
                    spool.truncate(spool.seek(start))
                    return (
                        f"{method} data from byte {start} of the text on are damaged: {error}"
                    )
                reason = f"{method} data are damaged near byte {offset} of the file"
                unproved = "no checksum proves what comes before"
                return f"{reason}, byte {spool.tell()} of the text: {error}; {unproved}"
            # Files may be several members one after the other, padded with zeros.
            data = decompressor.unused_data.lstrip(b"\0") if decompressor.eof else b""
            data = data or file.read(_PIECE)
    if not decompressor.eof:
        return f"{method} data end too early, at byte {spool.tell()} of the text"
    return ""


def _decompressor(method: str, path: Path) -> _Decompressor:
    if method == "gzip":
        return zlib.decompressobj(wbits=31)
    if method == "bzip2":
        return bz2.BZ2Decompressor()
    if method == "xz":
        return lzma.LZMADecompressor()
    decompressor: _Decompressor = _zstd(path)
    return decompressor


def _zstd(path: Path) -> Any:
    """Decompressor of the standard library (Python 3.14), or of the package zstandard."""
    for module, name in (("compression.zstd", "ZstdDecompressor"), ("zstandard", "")):
        try:
            found = import_module(module)
        except ImportError:
            continue
        return getattr(found, name)() if name else found.ZstdDecompressor().decompressobj()
    raise UsageError(
        f"{path} is compressed with zstd, which this Python cannot read",
        fix=f"pip install zstandard, use Python 3.14, or decompress it: zstd -d {path.name}",
    )


def _faults() -> tuple[type[Exception], ...]:
    """Errors that damaged data raise; those of zstd where it is loaded."""
    faults: list[type[Exception]] = [zlib.error, lzma.LZMAError, EOFError, ValueError, OSError]
    for module in ("compression.zstd", "zstandard"):
        try:
            faults.append(import_module(module).ZstdError)
        except ImportError:
            continue
    return tuple(faults)
