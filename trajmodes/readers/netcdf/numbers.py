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
_ROUND = 360
"""Words of a checksum that are added before the sums are reduced."""


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
    """Fletcher's checksum of HDF5, of words of two bytes, the first one high."""
    even = len(data) - len(data) % 2
    words = np.ascontiguousarray(data[:even]).view(np.uint16)
    last = int(data[-1]) << 8 if len(data) % 2 else -1
    return int(_fletcher(words, sys.byteorder == "little", last))


@kernel()
def _fletcher(words: Any, swap: bool, last: int) -> Any:  # noqa: FBT001 - compiled
    one, two = np.uint64(0), np.uint64(0)
    low = np.uint64(0xFFFF)
    for start in range(0, len(words), _ROUND):
        n = min(_ROUND, len(words) - start)
        # These sums of 360 words fit 32 bits.
        plain, weighted = np.uint32(0), np.uint32(0)
        for j in range(n):
            word = words[start + j]
            if swap:
                word = (word >> np.uint16(8)) | ((word & np.uint16(0xFF)) << np.uint16(8))
            plain = np.uint32(plain + np.uint32(word))
            weighted = np.uint32(weighted + np.uint32(word) * np.uint32(n - j))
        two += np.uint64(n) * one + np.uint64(weighted)
        one += np.uint64(plain)
        one = (one & low) + (one >> np.uint64(16))
        two = (two & low) + (two >> np.uint64(16))
    if last >= 0:
        one += np.uint64(last)
        two += one
        one = (one & low) + (one >> np.uint64(16))
        two = (two & low) + (two >> np.uint64(16))
    one = (one & low) + (one >> np.uint64(16))
    two = (two & low) + (two >> np.uint64(16))
    return (two << np.uint64(16)) | one
