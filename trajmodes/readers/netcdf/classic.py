"""Classic NetCDF files (CDF-1, CDF-2, CDF-5): their header, and the variables of their records.

The layout is that of the appendix "File Format Specifications" of the NetCDF manual: a header
with dimensions, attributes and variables, then arrays, then records, each of which has one part
of every variable with the unlimited dimension. All numbers are big-endian. The library returns
zeros where a file ends early; here every place is compared with the size of the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.netcdf.numbers import fill_rows
from trajmodes.readers.text.source import TextSource

_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_TYPES = {
    1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: "u1", 8: ">u2", 9: ">u4",
    10: ">i8", 11: ">u8",
}  # fmt: skip
_STREAMING = {4: (1 << 32) - 1, 8: (1 << 64) - 1}
"""Number of records that stands for as many as the file has."""
_LONGEST_HEADER = 1 << 22
_MOST = 4096
"""Dimensions, variables or attributes."""
_PIECE = 1 << 19
"""Bytes that are read at once, or one record."""

Attributes = dict[str, Any]
Arrays = dict[str, npt.NDArray[Any]]


class Rows(NamedTuple):
    """Destination of the numbers of a variable."""

    name: str
    factor: float
    out: Floats
    """(t, w) numbers of each frame."""


class Variable(NamedTuple):
    """One array of a file."""

    kind: np.dtype[Any]
    shape: tuple[int, ...]
    """Without the unlimited dimension."""
    is_record: bool
    begin: int
    """First byte in the file."""
    attributes: Attributes

    @property
    def size(self) -> int:
        """Size in bytes; that of one record for a record variable."""
        size = self.kind.itemsize
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True, slots=True, eq=False)
class ClassicFile:
    """Header of a classic NetCDF file, and access to its records."""

    source: TextSource
    attributes: Attributes
    variables: dict[str, Variable]
    n_records: int
    """Number that are complete."""
    n_announced: int
    """Number that the header states."""
    first: int
    """Byte at which the first record begins."""
    stride: int
    """Bytes of a record."""

    def fill(self, rows: Sequence[Rows], start: int, stop: int) -> None:
        """Fill rows of variables with records [start, stop)."""
        step = max(1, _PIECE // self.stride)
        buffer = np.empty(min(step, stop - start) * self.stride, dtype=np.uint8)
        with self.source.reading() as opened:
            for low in range(start, stop, step):
                high = min(low + step, stop)
                data = buffer[: (high - low) * self.stride]
                self.source.fill(opened, data, self.first + low * self.stride)
                for name, factor, out in rows:
                    one = self.variables[name]
                    place = (one.begin - self.first, self.stride)
                    part = out[low - start : high - start]
                    fill_rows(part, data, one.kind, place, factor)

    def read(self, names: tuple[str, ...], start: int, stop: int) -> Arrays:
        """Read variables in records [start, stop)."""
        data = self.source.data(self.first + start * self.stride, (stop - start) * self.stride)
        found: Arrays = {}
        for name in names:
            variable = self.variables[name]
            shape = (stop - start, *variable.shape)
            inner = np.ones(1, variable.kind)
            strides = [inner.itemsize]
            for length in variable.shape[:0:-1]:
                strides.insert(0, strides[0] * length)
            strides = strides if variable.shape else []
            place = variable.begin - self.first
            found[name] = np.ndarray(shape, variable.kind, data, place, (self.stride, *strides))
        return found


class _Cursor:
    """Reads a header from its beginning."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 4
        self.wide = 8 if data[3] == 5 else 4
        self.offset = 4 if data[3] == 1 else 8

    def number(self, size: int) -> int:
        """Unsigned integer of some bytes."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        """Return the next bytes; EOFError if there are fewer."""
        if not 0 <= size <= len(self.data) - self.at:
            raise EOFError
        self.at += size
        return self.data[self.at - size : self.at]

    def padded(self, size: int) -> bytes:
        """Return the next bytes, which are followed by zeros up to a multiple of four."""
        found = self.take(size)
        self.take(-size % 4)
        return found

    def name(self) -> str:
        """Return the next name."""
        return self.padded(self.number(self.wide)).decode("utf-8", "replace")

    def count(self, tag: int) -> int:
        """Return the length of a list that begins with a tag; zero if it is absent."""
        found, n = self.number(4), self.number(self.wide)
        if (found, n) != (0, 0) and (found != tag or n > _MOST):
            raise damaged(f"a list of the header begins with {found} and has {n} entries")
        return n

    def kind(self) -> np.dtype[Any]:
        """Return the next type of numbers."""
        code = self.number(4)
        if code not in _TYPES:
            raise damaged(f"the type of an array is {code}")
        return np.dtype(_TYPES[code])

    def attributes(self) -> Attributes:
        """Return the next list of attributes."""
        found: Attributes = {}
        for _ in range(self.count(_ATTRIBUTES)):
            name, kind = self.name(), self.kind()
            raw = self.padded(self.number(self.wide) * kind.itemsize)
            text = kind.kind == "S"
            found[name] = raw.decode("utf-8", "replace") if text else np.frombuffer(raw, kind)
        return found


def is_classic(head: bytes) -> bool:
    """Whether a file begins like the classic formats."""
    return head[:4] in {b"CDF\x01", b"CDF\x02", b"CDF\x05"}


def open_classic(source: TextSource) -> ClassicFile:
    """Read the header of a file.

    Raises
    ------
    DataError
        If it is damaged, or the file ends within it.
    """
    cursor = _Cursor(source.data(0, min(source.size, _LONGEST_HEADER)))
    try:
        return _header(source, cursor)
    except EOFError:
        raise damaged("the file ends within its header") from None


def _header(source: TextSource, cursor: _Cursor) -> ClassicFile:
    n_announced = cursor.number(cursor.wide)
    lengths = []
    for _ in range(cursor.count(_DIMENSIONS)):
        cursor.name()
        lengths.append(cursor.number(cursor.wide))
    attributes = cursor.attributes()
    variables: dict[str, Variable] = {}
    for _ in range(cursor.count(_VARIABLES)):
        name = cursor.name()
        variables[name] = _variable(cursor, lengths, source.size)
    records = [one for one in variables.values() if one.is_record]
    if not records:
        raise damaged("no array has a dimension of frames")
    # One variable alone is not padded.
    stride = records[0].size if len(records) == 1 else sum(-(-r.size // 4) * 4 for r in records)
    first = min(one.begin for one in records)
    if stride == 0 or any(one.begin + one.size > first + stride for one in records):
        raise damaged(f"records of {stride} bytes do not contain their arrays")
    within = max(source.size - first, 0) // stride
    if n_announced == _STREAMING[cursor.wide]:
        n_announced = within
    return ClassicFile(
        source, attributes, variables, min(within, n_announced), n_announced, first, stride
    )


def _variable(cursor: _Cursor, lengths: list[int], n_bytes: int) -> Variable:
    """Read the next variable; the unlimited dimension has length zero and comes first."""
    order = []
    for _ in range(min(cursor.number(cursor.wide), _MOST)):
        place = cursor.number(cursor.wide)
        if place >= len(lengths):
            raise damaged(f"an array has the dimension {place} of {len(lengths)}")
        order.append(lengths[place])
    attributes, kind = cursor.attributes(), cursor.kind()
    cursor.number(cursor.wide)
    begin = cursor.number(cursor.offset)
    is_record = order[:1] == [0]
    found = Variable(kind, tuple(order[is_record:]), is_record, begin, attributes)
    if begin < 4 or (is_record and 0 in found.shape) or (found.size > n_bytes and is_record):
        raise damaged(f"an array of {found.size} bytes from byte {begin} exceeds the file")
    return found
