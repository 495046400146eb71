"""Numbers as files store them to doubles: their type and scale, and the filters of HDF5."""

import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.kernels import kernel
from trajmodes.readers.binary.frames import damaged

Bytes = npt.NDArray[np.uint8]
_CHECKSUM = 4
_LANES, _ROWS = 64, 360
"""Words of a checksum that are added side by side, and one after the other: sums that are
weighted by the number of words that follow fit 32 bits."""


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
        np.multiply(found, factor, out=out)


def without_filters(data: Bytes, filters: tuple[str, ...], item: int, size: int) -> Bytes:
    """Undo the filters of HDF5 of one chunk, which are listed in the order of writing.

    Parameters
    ----------
    item
        Bytes of a number.
    size
        Bytes of the chunk without filters.

    Raises
    ------
    DataError
        If the chunk is damaged.
    """
    for name in reversed(filters):
        if name == "fletcher32":
            data = _checked(data)
        elif name == "deflate":
            data = _inflated(data, size + _CHECKSUM)
        elif name == "shuffle":
            n = len(data) // item
            shuffled = np.ascontiguousarray(data[: n * item].reshape(item, n).T).ravel()
            data = np.concatenate([shuffled, data[n * item :]])
    return data


def _inflated(data: Bytes, most: int) -> Bytes:
    """Decompress a chunk of at most some bytes; the lock of Python is released."""
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data.data, most)
    except zlib.error as error:
        raise damaged(f"a compressed chunk cannot be read: {error}") from None
    if not stream.eof:
        raise damaged("a compressed chunk is longer or shorter than its numbers")
    return np.frombuffer(text, dtype=np.uint8)


def _checked(data: Bytes) -> Bytes:
    """Return the data of a chunk without their checksum; DataError if it is not theirs."""
    content = data[:-_CHECKSUM]
    if len(data) <= _CHECKSUM or checksum(content) != int.from_bytes(
        data[-_CHECKSUM:].tobytes(), "little"
    ):
        raise damaged("the checksum of a chunk is not that of its numbers")
    return content


def checksum(data: Bytes) -> int:
    """Fletcher's checksum of HDF5, of words of two bytes, the first one high.

    Its sums are those of ones' complement: words in the other order of bytes give the same sums
    in the other order of bytes (RFC 1071).
    """
    even = len(data) - len(data) % 2
    words = np.ascontiguousarray(data[:even]).view(np.uint16)
    is_little = sys.byteorder == "little"
    last = 0 if even == len(data) else int(data[-1]) << (0 if is_little else 8)
    sums = _fletcher(words, even != len(data), last)
    low, high = (int(one).to_bytes(2, sys.byteorder) for one in sums)
    return int.from_bytes(high + low, "big")


@kernel()
def _fletcher(words: Any, is_odd: bool, last: int) -> Any:  # noqa: FBT001 - compiled
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
    return one, two
