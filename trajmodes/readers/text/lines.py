"""Lines and tokens of text, compiled: find their ends, count lines, compare first words.

The edges of tokens are found from bit masks of 64 bytes, so that tokens can be parsed
independently of each other. Parsing one number after the other is a chain of dependences: the
position of the next is known only when the last has been read. Between known edges a processor
works on several tokens at once (idea: Langdale and Lemire, VLDB J. 28, 941 (2019)).

``text[at:n]`` is searched throughout: ``at`` is where to start and ``n`` where the text stops.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints
from trajmodes.kernels import inner_kernel
from trajmodes.readers.text.intrinsics import load_word, newlines, solids, trailing_zeros

Bytes = npt.NDArray[np.uint8]

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_LOW_SEVEN = np.uint64(0x7F7F7F7F7F7F7F7F)
_LOW_BITS = np.uint64(0x0101010101010101)
_U7, _U56 = np.uint64(7), np.uint64(56)


BLOCK = 64
"""Bytes examined together; as many must be readable after the last character."""
_U0, _U1, _U63 = np.uint64(0), np.uint64(1), np.uint64(63)


@inner_kernel(error_model="numpy")
def skip_lines(text: Bytes, at: int, n: int, wanted: int) -> tuple[int, int]:
    """Offset after ``wanted`` line ends, at most n, and how many of them are missing."""
    address: Any = np.int64(text.ctypes.data)
    while wanted > 0 and at + 64 <= n:
        # Each byte of `ends` counts the newlines of one column of eight words.
        ends = np.uint64(0)
        for k in range(8):
            word = load_word(address + at + 8 * k) ^ _NEWLINES
            ends += (~(((word & _LOW_SEVEN) + _LOW_SEVEN) | word) >> _U7) & _LOW_BITS
        count = int((ends * _LOW_BITS) >> _U56)
        if count >= wanted:
            break
        wanted -= count
        at += 64
    while wanted > 0 and at < n:
        wanted -= text[at] == 10
        at += 1
    return at, wanted


@inner_kernel(error_model="numpy")
def line_end(text: Bytes, at: int, n: int) -> int:
    """Offset of the next newline, or n."""
    while at < n and text[at] != 10:
        at += 1
    return at


@inner_kernel(error_model="numpy")
def skip_blanks(text: Bytes, at: int, n: int) -> int:
    """Offset of the next character that is not a blank, a line end or a zero, or n.

    File systems leave zeros where a crash prevented the text from being written.
    """
    while at < n and text[at] <= 32:
        at += 1
    return at


@inner_kernel(error_model="numpy")
def skip_spaces(text: Bytes, at: int, n: int) -> int:
    """Offset of the next character that is not a space in the sense of C, or n."""
    while at < n and (text[at] == 32 or 9 <= text[at] <= 13):
        at += 1
    return at


@inner_kernel(error_model="numpy")
def starts_with(text: Bytes, at: int, n: int, word: Bytes) -> bool:
    """Whether a word is at an offset, followed by a blank or a line end."""
    size = len(word)
    if at + size > n:
        return False
    for k in range(size):
        if text[at + k] != word[k]:
            return False
    return at + size == n or text[at + size] <= 32


@inner_kernel(error_model="numpy")
def find_edges(address: int, at: int, stop: int, edges: Ints) -> int:
    """Find where tokens begin and end, and newlines that do not end one; return their number.

    A row of c tokens whose newline directly follows the last one has exactly 2c edges, and the
    last edge is the newline. Any other arrangement of spaces has more. The search starts at
    ``at``, as if a space stood before it, stops within a block of ``stop``, and before
    ``edges`` overflows.
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
