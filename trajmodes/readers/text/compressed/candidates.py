"""Places where the decompression of a file may start, other than its beginning.

- gzip: between two blocks of Deflate (RFC 1951), which begin at any bit, with the 32 KiB of
  text before them. The library rapidgzip finds them, in one decompression.
- bzip2: each block, which begins with a mark of 48 bits at any bit. It needs a header.
- xz: each block. The index at the end of a stream has their sizes (The .xz File Format, 1.1.0,
  sections 2–4). It needs the header of the stream.
- zstd: each frame; the sizes of its blocks are in their headers (RFC 8878).

Candidates are not trusted: the text between two of them is confirmed by decompressing the whole
file once.
"""

import io
import struct
from collections.abc import Callable
from itertools import accumulate
from typing import IO, NamedTuple

_POINTS = 4096
"""Restart points of a .gz file; each takes some 15 kB."""
_CHUNK = 1 << 20
"""Compressed bytes between them at least."""
_WINDOW = 1 << 15
_PIECE = 1 << 22
_GZIP_INDEX = struct.Struct("<5sBBQQIII")
_GZIP_POINT = struct.Struct("<QQBB")
_BZIP2_BLOCK, _BZIP2_END = 0x314159265359, 0x177245385090
_XZ_HEADER, _XZ_MAGIC, _XZ_END = 12, b"\xfd7zXZ\x00", b"YZ"
_LONGEST_INDEX = 1 << 24
_ZSTD_FRAME, _ZSTD_SKIPPABLE = 0xFD2FB528, 0x184D2A50
_ZSTD_SIZES, _ZSTD_DICTIONARIES = (0, 2, 4, 8), (0, 1, 2, 4)


class Candidate(NamedTuple):
    """A place where decompression may start."""

    bit: int
    """Offset in the compressed file, in bits."""
    before: bytes = b""
    """Bytes that the decompressor needs before the data: a header, or the text before."""
    is_edge: bool = False
    """Whether a stream begins or ends here: nothing is decompressed across it."""


def candidates(method: str, file: IO[bytes], size: int) -> list[Candidate]:
    """Find where decompression may start, in the order of the file.

    Empty where the format has no such place, the file is damaged, or a library is missing.
    """
    finders: dict[str, Callable[[IO[bytes], int], list[Candidate]]] = {
        "gzip": _of_gzip,
        "bzip2": _of_bzip2,
        "xz": _of_xz,
        "zstd": _of_zstd,
    }
    return finders[method](file, size)


def _of_gzip(file: IO[bytes], size: int) -> list[Candidate]:
    try:
        from rapidgzip import _RapidgzipFile  # noqa: PLC0415 - absent on some platforms
    except ImportError:
        return []
    index = io.BytesIO()
    # Without threads of its own it needs no second decompression of each block.
    found = _RapidgzipFile(file, parallelization=1, chunk_size=max(_CHUNK, size // _POINTS))
    text = bytearray(_PIECE)
    try:
        # In pieces, between which a signal may end it.
        while found.readinto(text):
            pass
        found.export_index(index)
    except (RuntimeError, ValueError):
        return []
    finally:
        found.close()
    return _read_gzip_index(index.getvalue())


def _read_gzip_index(data: bytes) -> list[Candidate]:
    """Points of an index in the format of indexed_gzip."""
    *_, n_points = _GZIP_INDEX.unpack_from(data)
    at, found = _GZIP_INDEX.size, []
    windows = at + n_points * _GZIP_POINT.size
    for _ in range(n_points):
        byte, _, bits, has_window = _GZIP_POINT.unpack_from(data, at)
        at += _GZIP_POINT.size
        window = data[windows : windows + _WINDOW] if has_window else b""
        windows += len(window)
        found.append(Candidate(8 * byte - bits, window))
    # The last point is the end of the file.
    return found[:-1]


def _of_bzip2(file: IO[bytes], size: int) -> list[Candidate]:
    found: list[Candidate] = []
    for at in range(0, size, _PIECE):
        file.seek(at)
        data = file.read(_PIECE + 8)
        blocks = [8 * at + bit for bit in _marks(data, _BZIP2_BLOCK)]
        found += [Candidate(bit, b"BZh9", _begins_stream(file, bit)) for bit in blocks]
        ends = _marks(data, _BZIP2_END)
        found += [Candidate(8 * at + bit, is_edge=True) for bit in ends]
    return sorted(found)


def _marks(data: bytes, mark: int) -> list[int]:
    """Bits of the first `_PIECE` bytes at which a mark of 48 bits begins."""
    found = []
    for shift in range(8):
        # Five whole bytes of the mark stand behind the byte in which it begins.
        middle = (mark >> shift & (1 << 40) - 1).to_bytes(5, "big")
        at = data.find(middle, 1)
        while 0 < at <= _PIECE:
            bit = 8 * (at - 1) + shift
            if _bits(data, bit, 48) == mark:
                found.append(bit)
            at = data.find(middle, at + 1)
    return found


def _bits(data: bytes, bit: int, n_bits: int) -> int:
    """Read bits, the highest one of a byte first."""
    first, stop = bit // 8, (bit + n_bits + 7) // 8
    return (
        int.from_bytes(data[first:stop], "big") >> (8 * stop - bit - n_bits) & (1 << n_bits) - 1
    )


def _begins_stream(file: IO[bytes], bit: int) -> bool:
    if bit % 8 or bit < 32:
        return False
    file.seek(bit // 8 - 4)
    return file.read(3) == b"BZh"


def _of_xz(file: IO[bytes], size: int) -> list[Candidate]:
    """Read the indices of the streams, from the last one to the first one."""
    found: list[list[Candidate]] = []
    while size:
        file.seek(size - 4)
        if file.read(4) == bytes(4):
            # Streams may be padded with zeros.
            size -= 4
            continue
        blocks = _xz_stream(file, size)
        if not blocks:
            return []
        found.insert(0, blocks)
        size = blocks[0].bit // 8 - _XZ_HEADER
    return [one for blocks in found for one in blocks]


def _xz_stream(file: IO[bytes], end: int) -> list[Candidate]:
    """Blocks of the stream that ends there, and their end; empty if it is damaged."""
    file.seek(max(0, end - _XZ_HEADER))
    footer = file.read(_XZ_HEADER)
    if len(footer) < _XZ_HEADER or not footer.endswith(_XZ_END):
        return []
    index_size = 4 * (int.from_bytes(footer[4:8], "little") + 1)
    if index_size > min(end, _LONGEST_INDEX):
        return []
    file.seek(end - _XZ_HEADER - index_size)
    sizes = _xz_sizes(file.read(index_size))
    first = end - _XZ_HEADER - index_size - sum(sizes)
    if not sizes or first < _XZ_HEADER:
        return []
    file.seek(first - _XZ_HEADER)
    header = file.read(_XZ_HEADER)
    if not header.startswith(_XZ_MAGIC):
        return []
    ends = list(accumulate(sizes, initial=first))
    blocks = [Candidate(8 * at, header, at == first) for at in ends[:-1]]
    return [*blocks, Candidate(8 * ends[-1], is_edge=True)]


def _xz_sizes(index: bytes) -> list[int]:
    """Sizes of the blocks of a stream in the file; empty for a damaged index."""
    at, numbers = 1, list[int]()
    while at < len(index) - 4 and len(numbers) < 1 + 2 * (numbers[0] if numbers else 1):
        number = shift = 0
        while index[at] & 0x80 and at < len(index) - 5:
            number |= (index[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
        numbers.append(number | index[at] << shift)
        at += 1
    if not numbers or len(numbers) != 1 + 2 * numbers[0]:
        return []
    return [(one + 3) // 4 * 4 for one in numbers[1::2]]


def _of_zstd(file: IO[bytes], size: int) -> list[Candidate]:
    at, found = 0, []
    while at < size:
        stop = _zstd_end(file, at)
        if not at < stop <= size:
            return []
        found.append(Candidate(8 * at))
        at = stop
    return found


def _zstd_end(file: IO[bytes], at: int) -> int:
    """Where the frame that begins at a byte ends; −1 if none begins there."""
    file.seek(at)
    head = file.read(18)
    magic = int.from_bytes(head[:4], "little")
    if magic & ~0xF == _ZSTD_SKIPPABLE and len(head) >= 8:
        return at + 8 + int.from_bytes(head[4:8], "little")
    if magic != _ZSTD_FRAME or len(head) < 6:
        return -1
    flags = head[4]
    is_single, has_checksum = flags >> 5 & 1, flags >> 2 & 1
    size_bytes = _ZSTD_SIZES[flags >> 6] or is_single
    at += 5 + (not is_single) + _ZSTD_DICTIONARIES[flags & 3] + size_bytes
    while True:
        file.seek(at)
        header = file.read(3)
        if len(header) < 3:
            return -1
        block = int.from_bytes(header, "little")
        is_last, kind, length = block & 1, block >> 1 & 3, block >> 3
        # A block of one repeated byte has one byte.
        at += 3 + (1 if kind == 1 else length)
        if is_last:
            return at + 4 * has_checksum
