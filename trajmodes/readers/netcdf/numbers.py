"""Convert stored numbers to doubles: type, scale and checksum."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.text.scan import load_real, load_single

Bytes = npt.NDArray[np.uint8]
SPARE = 64
"""Bytes that may be read after the last number of a buffer."""
_LANES, _ROWS = 64, 360
"""Words of a checksum that are added side by side, and one after the other: sums that are
weighted by the number of words that follow fit 32 bits."""


class Pieces(NamedTuple):
    """Numbers that lie in pieces of a buffer, one piece after the other."""

    data: Bytes
    """Buffer, in which spare bytes follow the last piece."""
    begins: Ints
    """(c,) first byte of each piece."""
    counts: Ints
    """(c,) numbers in each piece."""


def fill_rows(
    out: Floats, data: Bytes, kind: np.dtype[Any], place: tuple[int, int], factor: float
) -> None:
    """Fill rows (t, w) with numbers of a type, times a factor.

    ``place`` is the first byte of the first row in the data, and the bytes between rows.
    """
    begin, stride = place
    found = np.ndarray(out.shape, kind, data, begin, (stride, kind.itemsize))
    # Damaged numbers may overflow here; they are found where all numbers are.
    with np.errstate(over="ignore", invalid="ignore"):
        np.multiply(found, factor, out=out, dtype=float)


def fill(out: Floats, pieces: Pieces, kind: np.dtype[Any], factor: float) -> None:
    """Fill doubles (n,) with numbers of a type in pieces, times a factor."""
    data, begins, counts = pieces
    if kind.kind == "f" and kind.itemsize in {4, 8} and kind.isnative:
        _widen(data.ctypes.data, begins, counts, kind.itemsize == 4, factor, out)
        return
    ends = np.cumsum(counts).tolist()
    for begin, n, end in zip(begins.tolist(), counts.tolist(), ends, strict=True):
        fill_rows(out[None, end - n : end], data, kind, (begin, 0), factor)


@kernel()
def _widen(
    address: int, begins: Ints, counts: Ints, is_single: Any, factor: float, out: Floats
) -> None:  # fmt: skip
    i = 0
    for piece in range(len(begins)):
        at = address + begins[piece]
        if is_single:
            for k in range(counts[piece]):
                out[i + k] = load_single(at + 4 * k) * factor
        else:
            for k in range(counts[piece]):
                out[i + k] = load_real(at + 8 * k) * factor
        i += counts[piece]


def checksum(data: Bytes) -> int:
    """Fletcher's checksum of HDF5, of words of two bytes, the first one high.

    Its sums are in ones' complement: with the bytes of all words swapped they are the same,
    with their bytes swapped (RFC 1071).
    """
    return int(checksums(data, np.zeros(1, np.int64), np.array([len(data)]))[0])


@kernel()
def checksums(data: Bytes, begins: Ints, ends: Ints) -> Any:
    """Return the checksum (c,) of each of some pieces of a buffer, see `checksum`."""
    sums = np.empty(len(begins), np.uint32)
    for k in range(len(begins)):
        begin, end = begins[k], ends[k]
        even = end - (end - begin) % 2
        # Words are loaded from even addresses.
        part = (
            data[begin:even] if (data.ctypes.data + begin) % 2 == 0 else data[begin:even].copy()
        )
        sums[k] = _fletcher(part.view(np.uint16), even != end, data[end - 1])
    return sums


@inner_kernel()
def _fletcher(words: Any, is_odd: bool, last: Any) -> Any:  # noqa: FBT001 - compiled
    one, two = np.uint64(0), np.uint64(0)
    low = np.uint64(0xFFFF)
    plain, weighted = np.empty(_LANES, np.uint32), np.empty(_LANES, np.uint32)
    for start in range(0, len(words), _LANES * _ROWS):
        n_rows = min(_ROWS, (len(words) - start) // _LANES)
        n = n_rows * _LANES
        plain[:], weighted[:] = 0, 0
        for row in range(n_rows):
            part = words[start + row * _LANES : start + (row + 1) * _LANES]
            for k in range(_LANES):
                plain[k] += part[k]
                weighted[k] += plain[k]
        two += np.uint64(n) * one
        for k in range(_LANES):
            one += np.uint64(plain[k])
            two += np.uint64(_LANES) * np.uint64(weighted[k]) - np.uint64(k) * np.uint64(
                plain[k]
            )
        one = (one & low) + (one >> np.uint64(16))
        two = (two & low) + (two >> np.uint64(16))
        if n_rows < _ROWS:
            for word in words[start + n :]:
                one += np.uint64(word)
                two += one
    if is_odd:
        one += np.uint64(last)
        two += one
    for _ in range(3):
        one = (one & low) + (one >> np.uint64(16))
        two = (two & low) + (two >> np.uint64(16))
    byte, second = np.uint64(0xFF), np.uint64(8)
    one = (one & byte) << second | one >> second
    two = (two & byte) << second | two >> second
    return two << np.uint64(16) | one
