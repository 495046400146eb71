"""Where tokens begin and end: 64 bytes at a time, so that tokens can be parsed independently.

Parsing number after number has a chain of dependences in it: the place of the next one is
known only when the last one has been understood. Here the edges of tokens are found first,
from bit masks of 64 bytes, and each token is then parsed between two known edges; a processor
works on several of them at once (the idea is that of Langdale and Lemire, VLDB J. 28, 941
(2019)).
"""

import numpy as np
from numba import njit

from trajmodes.arrays import Ints
from trajmodes.readers.text.intrinsics import newlines, solids, trailing_zeros

BLOCK = 64
"""Bytes looked at together; as many must be readable behind the last character."""

_U0, _U1, _U63 = np.uint64(0), np.uint64(1), np.uint64(63)


@njit(nogil=True, cache=True, error_model="numpy")
def find_edges(address: int, at: int, stop: int, edges: Ints) -> int:
    """Places where tokens begin and end, and of newlines that do not end one.

    A row of c tokens, the last of them followed by its newline at once, has exactly 2c edges,
    of which the last is the newline. Any other arrangement of spaces has more.

    Parameters
    ----------
    address
        Address of the text in memory.
    at
        Where to start; the byte before it counts as a space.
    stop
        Where to stop, give or take a block.
    edges
        Filled with places; the search ends before it overflows.

    Returns
    -------
    Number of edges found.
    """
    count, carry = 0, _U0
    last = len(edges) - BLOCK
    while at < stop and count <= last:
        solid = solids(address + at)
        bits = (solid ^ (solid << _U1 | carry)) | newlines(address + at)
        carry = solid >> _U63
        while bits != _U0:
            edges[count] = at + trailing_zeros(bits)
            count += 1
            bits &= bits - _U1
        at += BLOCK
    return count
