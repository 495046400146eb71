"""Restart points of a compressed file, and the text between two of them.

The file is decompressed once from its beginning, which checks it. The compressed data are given
to the decompressor up to one candidate at a time, so that it returns the text before the
candidate. The checksum of the text between two points is kept with them, and compared whenever
that text is decompressed again.

Frames of zstd are files of their own: threads decompress several runs of them at once.
"""

import bz2
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from isal import isal_zlib

from trajmodes.arrays import Ints
from trajmodes.machine import available_processors
from trajmodes.readers.text.compressed.candidates import Candidate, candidates
from trajmodes.readers.text.compressed.stream import (
    DAMAGE,
    CompressionError,
    decompressed,
    new_decoder,
)
from trajmodes.readers.text.threads import results

LONGEST = 1 << 26
"""Bytes of text between two restart points at most."""
_SHORTEST = 1 << 22
"""Bytes of text between them at least, where they can be chosen."""
_RUN = 1 << 23
"""Compressed bytes of a run of frames of zstd at least, which one thread decompresses."""
_MOST_THREADS = 4
_GZIP_END = 8
"""Bytes behind the data of a member of a .gz file."""
_FIXED, _N_FIXED = 0b010, 10
"""A block of fixed codes (RFC 1951, 3.2.6) with nothing but its end, and its bits."""
_DYNAMIC = 2 << 1 | 14 << 13 | 1 << 23 | 1 << 68
_DYNAMIC |= (1 | 127 << 1 | 1 << 8 | 106 << 9) << 71 | 1 << 90
_N_DYNAMIC = 91
"""A block of dynamic codes (3.2.7) with nothing but its end, and its bits: codes of one bit for
the literal 255, the end and one distance. Their lengths are written as 138 and 117 times 0, and
three times 1; of the 18 lengths of the codes for these, that for a repeated 0 and that for 1
are one bit.
"""


@dataclass(frozen=True, slots=True, eq=False)
class RestartPoints:
    """Places of a compressed file from which its text is decompressed."""

    method: str
    bits: Ints
    """(n + 1,) offset of each place in the file in bits, and the size of the file."""
    starts: Ints
    """(n + 1,) offset of each place in the text, and the size of the text."""
    checks: Ints
    """(n,) CRC-32 of the text from each place to the next one."""
    before: tuple[bytes, ...]
    """(n,) bytes that the decompressor needs before the data, compressed by zlib."""

    @property
    def longest(self) -> int:
        """Bytes of the longest text between two places."""
        return int(np.diff(self.starts).max())

    def arrays(self) -> dict[str, np.ndarray]:
        """Give the arrays of an index."""
        ends = np.cumsum([0, *map(len, self.before)])
        return {
            "bits": self.bits,
            "starts": self.starts,
            "checks": self.checks,
            "before": np.frombuffer(b"".join(self.before), dtype=np.uint8),
            "ends": ends,
        }

    @classmethod
    def of_arrays(cls, method: str, arrays: dict[str, np.ndarray]) -> "RestartPoints":
        """Make them from the arrays of an index."""
        whole, ends = arrays["before"].tobytes(), arrays["ends"].tolist()
        before = tuple(whole[a:b] for a, b in pairwise(ends))
        return cls(method, arrays["bits"], arrays["starts"], arrays["checks"], before)

    def compressed_range(self, k: int) -> tuple[int, int]:
        """Bytes [start, stop) of the file with the text from place ``k`` to the next one."""
        stop = _end_byte(self.method, int(self.bits[k + 1]))
        return int(self.bits[k]) // 8, min(stop, int(self.bits[-1]) // 8)

    def text(self, k: int, data: bytes) -> bytes:
        """Text from place ``k`` to the next one, from the bytes of its `compressed_range`.

        Raises
        ------
        CompressionError
            If the text is not the one from which the points were made.
        """
        size = int(self.starts[k + 1] - self.starts[k])
        before = zlib.decompress(self.before[k])
        shift = int(self.bits[k]) % 8
        try:
            text = _text(self.method, before, data, shift, size)
        except DAMAGE as error:
            raise self._changed(k, str(error)) from None
        if len(text) != size or isal_zlib.crc32(text) != self.checks[k]:
            raise self._changed(k, "the checksum is another one")
        return text

    def _changed(self, k: int, what: str) -> CompressionError:
        first, stop = self.compressed_range(k)
        text = f"{self.method} data are damaged between bytes {first} and {stop} of the file"
        return CompressionError(f"{text}: {what}", int(self.starts[k]))


def _end_byte(method: str, bit: int) -> int:
    """Bytes of the file with which a decompressor returns all text before a bit.

    The decompressor of bzip2 does so only when another byte follows; the data may end at any of
    its bits.
    """
    return (bit + 7) // 8 + (2 if method == "bzip2" else 0)


def _text(method: str, before: bytes, data: bytes, shift: int, size: int) -> bytes:
    """Decompress ``size`` bytes of text; fewer if the data end before.

    The first ``shift`` bits of the data belong to the text before.
    """
    if method == "bzip2":
        return bz2.BZ2Decompressor().decompress(before + _shifted(data, shift), size)
    parts, found, rest = [], 0, before + data
    if method == "gzip":
        inside = isal_zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=before)
        parts.append(inside.decompress(after_empty_blocks(data, shift), size))
        found = len(parts[0])
        rest = _padding_removed(inside.unused_data[_GZIP_END:]) if inside.eof else b""
    while found < size and rest:
        decoder = new_decoder(method)
        parts.append(decoder.decompress(rest, size - found))
        found += len(parts[-1])
        rest = _padding_removed(decoder.unused_data) if decoder.eof else b""
    return b"".join(parts)


def _padding_removed(data: bytes) -> bytes:
    return data.lstrip(b"\0")


def _shifted(data: bytes, shift: int) -> bytes:
    """Leave out the first, which are the highest, bits of the first byte."""
    numbers = np.frombuffer(data, dtype=np.uint8)
    return (numbers[:-1] << shift | numbers[1:] >> (8 - shift)).tobytes() if shift else data


def after_empty_blocks(data: bytes, shift: int) -> bytes:
    """Replace the lowest bits of the first byte by blocks of Deflate without text.

    All other bits stay where they are in their bytes, as blocks that are not compressed need. A
    block of fixed codes has ten bits, one of the dynamic codes below 91: together they end at
    any bit of a byte.
    """
    bits, n_bits = (_DYNAMIC, _N_DYNAMIC) if shift % 2 else (0, 0)
    while n_bits % 8 != shift:
        bits, n_bits = bits | _FIXED << n_bits, n_bits + _N_FIXED
    whole = (bits | data[0] >> shift << n_bits).to_bytes(n_bits // 8 + 1, "little")
    return whole + data[1:]


def find_points(file: IO[bytes], method: str, size: int, path: Path) -> RestartPoints | None:
    """Find the restart points of a file, and check all of it.

    None where there are none, they are too far apart, or the file is damaged.

    Raises
    ------
    DataError
        If the text is absurdly long.
    """
    found = candidates(method, file, size)
    if len(found) < 2:
        return None
    if method != "zstd":
        file.seek(0)
        return _joined([_checked(method, path, _Run(file, found, 0, size))])
    ends = [*(one.bit // 8 for one in found), size]
    longest = max(stop - start for start, stop in pairwise(ends))
    # The text of a longer frame is longer, too.
    if longest > LONGEST:
        return None
    n_threads = min(available_processors(), _MOST_THREADS, LONGEST // longest)
    runs = _runs_of_frames(file, found, size)
    return _joined(results(partial(_checked, method, path), runs, n_threads, n_threads + 1))


class _Run(NamedTuple):
    """A part of a file that is decompressed alone."""

    file: IO[bytes]
    found: Sequence[Candidate]
    """Places in the part."""
    start: int
    """Byte of the file where it begins."""
    size: int


def _runs_of_frames(file: IO[bytes], found: list[Candidate], size: int) -> Iterator[_Run]:
    first = 0
    for k, end in enumerate([*(one.bit // 8 for one in found[1:]), size], start=1):
        start = found[first].bit // 8
        if end - start < _RUN and end < size:
            continue
        file.seek(start)
        inside = [Candidate(one.bit - 8 * start) for one in found[first:k]]
        yield _Run(io.BytesIO(file.read(end - start)), inside, start, end - start)
        first = k


def _checked(method: str, path: Path, run: _Run) -> tuple[_Run, RestartPoints | None]:
    """Decompress a run; None in place of its points if there are none or it is damaged."""
    pass_ = _Pass(run.file, method, run.found, run.size)
    try:
        for text in decompressed(pass_, method, path):
            pass_.add(text)
    except CompressionError:
        return run, None
    return run, pass_.points()


def _joined(parts: Iterable[tuple[_Run, RestartPoints | None]]) -> RestartPoints | None:
    """Points of all runs of a file; None if one has none, or they are too far apart."""
    found, n_text = list[RestartPoints](), 0
    for run, points in parts:
        if points is None or points.longest > LONGEST:
            return None
        found.append(
            replace(points, bits=points.bits + 8 * run.start, starts=points.starts + n_text)
        )
        n_text = int(found[-1].starts[-1])
    return RestartPoints(
        found[0].method,
        np.concatenate([*(one.bits[:-1] for one in found), found[-1].bits[-1:]]),
        np.concatenate([*(one.starts[:-1] for one in found), found[-1].starts[-1:]]),
        np.concatenate([one.checks for one in found]),
        tuple(before for one in found for before in one.before),
    )


class _Pass(io.RawIOBase):
    """A file that is read up to one candidate at a time, with its text so far."""

    def __init__(
        self, file: IO[bytes], method: str, found: Sequence[Candidate], size: int
    ) -> None:
        super().__init__()
        self._file, self._method, self._found, self._size = file, method, found, size
        self._at, self._next = 0, 0
        self._n_text, self._check = 0, 0
        self._bits: list[int] = []
        self._starts: list[int] = []
        self._checks: list[int] = []
        self._before: list[bytes] = []

    def add(self, text: bytes) -> None:
        """Add text that was decompressed."""
        self._n_text += len(text)
        self._check = isal_zlib.crc32(text, self._check)

    def read(self, size: int = -1) -> bytes:
        """Read up to the next candidate; all text before it has been added."""
        while self._next < len(self._found) and self._at >= min(self._byte(), self._size):
            self._point(self._found[self._next])
            self._next += 1
        left = self._byte() - self._at if self._next < len(self._found) else size
        data = self._file.read(min(size, left))
        self._at += len(data)
        return data

    def _byte(self) -> int:
        """Whole bytes of the file with the data before the next candidate."""
        return _end_byte(self._method, self._found[self._next].bit)

    def _point(self, found: Candidate) -> None:
        if self._starts:
            since = self._n_text - self._starts[-1]
            if since < _SHORTEST and not found.is_edge:
                return
            self._checks.append(self._check)
        self._bits.append(found.bit)
        self._starts.append(self._n_text)
        self._before.append(zlib.compress(found.before, 1))
        self._check = 0

    def points(self) -> RestartPoints | None:
        """Return the points after the last text; None if there is none at its beginning."""
        if not self._starts or self._starts[0]:
            return None
        return RestartPoints(
            self._method,
            np.array([*self._bits, 8 * self._size]),
            np.array([*self._starts, self._n_text]),
            np.array([*self._checks, self._check]),
            tuple(self._before),
        )
