"""Decompression of .gz, .bz2, .xz and .zst files, in pieces of bounded size.

A file consists of members, one after the other; most programs write a single one. A checksum at
the end of a member confirms its text. Data that cannot be decoded show that the member is
damaged, but the damage may lie before them: none of the text of that member is used. Where data
only end too early, the text before is as it was written.

A few kilobytes can stand for gigabytes of zeros. Memory is bounded by the size of a piece, and
text that is a thousand times as long as its file is refused.
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol

from trajmodes.errors import DataError, UsageError

_MAGIC = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_READ = 1 << 14
_PIECE = 1 << 18
"""Bytes of text that a decompressor may return at once."""
_SLICE = 1 << 10
"""Bytes given to the package zstandard, which cannot limit its output: they are at most a few
hundred blocks of 128 KiB."""
_MEMORY = 1 << 29
"""Bytes that the decompressor of xz may use."""
_MOST_EXPANSION, _SMALL = 1000, 1 << 26
"""Largest ratio of text to file, of texts above some bytes. Trajectories compress by three to
ten, and one in which nothing moves by some hundred."""


class CompressionError(Exception):
    """Compressed data that cannot be read to their end.

    Parameters
    ----------
    what
        What is wrong, with the position in the file or the text.
    n_usable
        Bytes of text before the damage that may be used.
    """

    def __init__(self, what: str, n_usable: int) -> None:
        super().__init__(what)
        self.what, self.n_usable = what, n_usable


class _Decoder(Protocol):
    """Common interface of the decompressors, that of the standard library for bz2 and xz."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def compression_of(head: bytes) -> str | None:
    """Name of the compression of a file, by its first bytes; None if there is none."""
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def decompressed(file: IO[bytes], method: str, path: Path) -> Iterator[bytes]:
    """Text of an open file, piece by piece.

    Raises
    ------
    CompressionError
        If the data are damaged or end too early, after all text before.
    DataError
        If the text is absurdly long.
    UsageError
        If no decompressor is installed, or the system cannot read the file.
    """
    decoder, data = _decoder(method, path), _read(file, path)
    n_read, n_text, confirmed = len(data), 0, 0
    while data or not (decoder.eof or decoder.needs_input):
        if decoder.eof:
            decoder, confirmed = _decoder(method, path), n_text
        try:
            text = decoder.decompress(data, _PIECE)
        except _decoding_errors() as error:
            raise CompressionError(
                f"{method} data are damaged near byte {n_read - len(data)} of the file or need "
                f"too much memory: {error}; no checksum confirms the text from byte "
                f"{confirmed} on",
                confirmed,
            ) from None
        n_text += len(text)
        if n_text > max(_SMALL, _MOST_EXPANSION * n_read):
            raise DataError(
                f"the text is more than {_MOST_EXPANSION} times as long as the file",
                where=str(path),
                why="the file is no trajectory, or it was made to fill memory and disk",
                fix="decompress it yourself if you know who made it",
            )
        if text:
            yield text
        # A file may be padded with zeros behind a member.
        data = decoder.unused_data.lstrip(b"\0") if decoder.eof else b""
        while not data and (decoder.eof or decoder.needs_input) and (more := _read(file, path)):
            n_read += len(more)
            data = more.lstrip(b"\0") if decoder.eof else more
    if not decoder.eof:
        raise CompressionError(
            f"{method} data end too early, at byte {n_text} of the text", n_text
        )


def _read(file: IO[bytes], path: Path) -> bytes:
    try:
        return file.read(_READ)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


class _Gzip:
    """Decompressor of one member of a .gz file."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._is_full = False

    @property
    def eof(self) -> bool:
        return self._member.eof

    @property
    def needs_input(self) -> bool:
        return not (self._is_full or self._member.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._member.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        text = self._member.decompress(self._member.unconsumed_tail + data, max_length)
        self._is_full = len(text) == max_length
        return text


class _Zstandard:
    """Decompressor of one frame of a .zst file, by the package zstandard."""

    def __init__(self, module: Any) -> None:
        self._frame = module.ZstdDecompressor().decompressobj()
        self._rest = b""

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def needs_input(self) -> bool:
        return not self._rest

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._rest

    def decompress(self, data: bytes, max_length: int) -> bytes:
        del max_length
        whole = self._rest + data
        self._rest = whole[_SLICE:]
        return bytes(self._frame.decompress(whole[:_SLICE]))


def _decoder(method: str, path: Path) -> _Decoder:
    if method == "gzip":
        return _Gzip()
    if method == "bzip2":
        return bz2.BZ2Decompressor()
    if method == "xz":
        return lzma.LZMADecompressor(memlimit=_MEMORY)
    for module in _zstd_modules():
        if module.__name__ == "zstandard":
            return _Zstandard(module)
        made: _Decoder = module.ZstdDecompressor()
        return made
    raise UsageError(
        f"{path} is compressed with zstd, which this Python cannot read",
        fix=f"pip install zstandard, use Python 3.14, or decompress it: zstd -d {path.name}",
    )


def _decoding_errors() -> tuple[type[Exception], ...]:
    """Errors that damaged data raise."""
    of_zstd = (module.ZstdError for module in _zstd_modules())
    return (zlib.error, lzma.LZMAError, EOFError, ValueError, OSError, MemoryError, *of_zstd)


def _zstd_modules() -> Iterator[Any]:
    """Import the module of the standard library (Python 3.14), and the package zstandard."""
    for name in ("compression.zstd", "zstandard"):
        with suppress(ImportError):
            yield import_module(name)
