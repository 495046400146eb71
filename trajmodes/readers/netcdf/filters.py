"""Filters of HDF5 that are undone: deflate, shuffle, and the checksum of Fletcher.

ISA-L decompresses twice as fast as zlib. Python's lock is released in all of them.
"""

import numpy as np
from isal.igzip_lib import IsalError
from isal.isal_zlib import decompressobj

from trajmodes.arrays import Ints
from trajmodes.kernels import kernel
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.netcdf.numbers import Bytes, checksums

_CHECKSUM = 4
"""Bytes."""


def checked(data: Bytes, begins: Ints, ends: Ints) -> Ints:
    """Return the ends (c,) of chunks in a buffer without their checksums.

    Raises
    ------
    DataError
        If a checksum is not that of its chunk.
    """
    contents = ends - _CHECKSUM
    if (contents <= begins).any():
        raise damaged("a chunk has no numbers")
    places = contents[:, None] + np.arange(_CHECKSUM)
    if (data[places].view("<u4").ravel() != checksums(data, begins, contents)).any():
        raise damaged("the checksum of a chunk is not that of its numbers")
    return contents


def without_filters(data: Bytes, filters: tuple[str, ...], item: int, size: int) -> Bytes:
    """Undo the filters of one chunk, which are listed in the order of writing.

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
            (end,) = checked(data, np.zeros(1, np.int64), np.array([len(data)]))
            data = data[:end]
        elif name == "deflate":
            data = _inflated(data, size + _CHECKSUM)
        elif name == "shuffle":
            shuffled = np.empty_like(data)
            _unshuffle(data, item, shuffled)
            data = shuffled
    return data


def _inflated(data: Bytes, most: int) -> Bytes:
    """Decompress a chunk of at most some bytes."""
    stream = decompressobj()
    try:
        text = stream.decompress(data.data, most)
    except IsalError as error:  # type: ignore[misc] # its stub declares a value
        raise damaged(f"a compressed chunk cannot be read: {error}") from None
    if not stream.eof:
        raise damaged("a compressed chunk is longer or shorter than its numbers")
    return np.frombuffer(text, dtype=np.uint8)


@kernel()
def _unshuffle(data: Bytes, item: int, out: Bytes) -> None:
    """Put the bytes of each number together; those after the last whole number stay."""
    n = len(data) // item
    if item == 4:
        for k in range(n):
            for j in range(4):
                out[4 * k + j] = data[j * n + k]
    elif item == 8:
        for k in range(n):
            for j in range(8):
                out[8 * k + j] = data[j * n + k]
    else:
        for k in range(n):
            for j in range(item):
                out[item * k + j] = data[j * n + k]
    for k in range(n * item, len(data)):
        out[k] = data[k]
