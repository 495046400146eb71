"""Decompression of .gz, .bz2, .xz and .zst files, in pieces of bounded size.

A file consists of members, one after the other; most programs write a single one. A checksum at
the end of a member confirms its text. Data that cannot be decoded show that the member is
damaged, but the damage may lie before them: none of the text of that member is used. If data
only end too early, the text before their end is valid.

A few kilobytes can stand for gigabytes of zeros. Memory is bounded by the size of a piece, and
text that is a thousand times as long as its file is refused.
"""

import bz2
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from isal import igzip_lib

from trajmodes.errors import DataError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_MAGIC = {
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_SKIPPABLE = b"\x2aM\x18"
"""Second to fourth byte of a frame of zstd without text, as pzstd writes it first."""
_READ = 1 << 18
_PIECE = 1 << 20
"""Bytes of text that a decompressor may return at once."""
_MEMORY = 1 << 29
"""Bytes that the decompressor of xz may use."""
DAMAGE: tuple[type[Exception], ...] = (  # type: ignore[assignment]
    *(igzip_lib.IsalError, lzma.LZMAError, zstd.ZstdError),
    *(EOFError, ValueError, OSError, MemoryError),
)
"""Errors that damaged data raise. The types of isal give its error as an instance."""
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


class Readable(Protocol):
    """A file that is read from its beginning."""

    def read(self, size: int, /) -> bytes | None:
        """Read at most `size` bytes; none at the end."""
        ...


class Decoder(Protocol):
    """Common interface of the decompressors, that of the standard library for bz2 and xz."""

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether there is no more text without more data."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Data behind the end of the member."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress data to at most ``max_length`` bytes of text."""
        ...


def compression_of(head: bytes) -> str | None:
    """Name of the compression of a file, by its first bytes; None if there is none."""
    if head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F:
        return "zstd"
    return next((name for name, magic in _MAGIC.items() if head.startswith(magic)), None)


def decompressed(file: Readable, method: str, path: Path) -> Iterator[bytes]:
    """Text of an open file, piece by piece.

    Raises
    ------
    CompressionError
        If the data are damaged or end too early, after all text before.
    DataError
        If the text is absurdly long.
    """
    decoder, data = new_decoder(method), file.read(_READ) or b""
    n_read, n_text, confirmed = len(data), 0, 0
    while data or not (decoder.eof or decoder.needs_input):
        if decoder.eof:
            decoder, confirmed = new_decoder(method), n_text
        try:
            text = decoder.decompress(data, _PIECE)
        except DAMAGE as error:
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
        while not data and (decoder.eof or decoder.needs_input) and (more := file.read(_READ)):
            n_read += len(more)
            data = more.lstrip(b"\0") if decoder.eof else more
    if not decoder.eof:
        raise CompressionError(
            f"{method} data end too early, at byte {n_text} of the text", n_text
        )


def new_decoder(method: str) -> Decoder:
    """Decompressor of one member of a file."""
    if method == "gzip":
        gzip: Decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        return gzip
    if method == "bzip2":
        return bz2.BZ2Decompressor()
    if method == "xz":
        return lzma.LZMADecompressor(memlimit=_MEMORY)
    frame: Decoder = zstd.ZstdDecompressor()
    return frame
