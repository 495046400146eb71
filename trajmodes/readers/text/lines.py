"""Lines of text, compiled: find their ends, count them, compare their first words."""

from typing import Any

import numpy as np
from numba import njit

from trajmodes.readers.text.intrinsics import load_word
from trajmodes.readers.text.rows import Bytes

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_LOW_SEVEN = np.uint64(0x7F7F7F7F7F7F7F7F)
_LOW_BITS = np.uint64(0x0101010101010101)
_U7, _U56 = np.uint64(7), np.uint64(56)


@njit(nogil=True, cache=True, error_model="numpy")
def skip_lines(text: Bytes, at: int, n: int, wanted: int) -> tuple[int, int]:
    """Place behind a number of lines, and how many of them are not in the text.

    Parameters
    ----------
    text
        The text.
    at
        Where to start.
    n
        Where the text stops; the place is at most this.
    wanted
        Number of line ends to pass.
    """
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


@njit(nogil=True, cache=True, error_model="numpy")
def line_end(text: Bytes, at: int, n: int) -> int:
    """Place of the next newline, or n.

    Parameters
    ----------
    text
        The text.
    at
        Where to start.
    n
        Where the text stops.
    """
    while at < n and text[at] != 10:
        at += 1
    return at


@njit(nogil=True, cache=True, error_model="numpy")
def skip_blanks(text: Bytes, at: int, n: int) -> int:
    """Place of the next character that is not a blank, a line end or a zero, or n.

    File systems leave zeros where a crash kept the text from being written.

    Parameters
    ----------
    text
        The text.
    at
        Where to start.
    n
        Where the text stops.
    """
    while at < n and text[at] <= 32:
        at += 1
    return at


@njit(nogil=True, cache=True, error_model="numpy")
def skip_spaces(text: Bytes, at: int, n: int) -> int:
    """Place of the next character that is not a space as C has them, or n.

    Parameters
    ----------
    text
        The text.
    at
        Where to start.
    n
        Where the text stops.
    """
    while at < n and (text[at] == 32 or 9 <= text[at] <= 13):
        at += 1
    return at


@njit(nogil=True, cache=True, error_model="numpy")
def starts_with(text: Bytes, at: int, n: int, word: Bytes) -> bool:
    """Whether a word stands at a place, with a blank or a line end behind it.

    Parameters
    ----------
    text
        The text.
    at
        Where to look.
    n
        Where the text stops.
    word
        The word, as bytes.
    """
    size = len(word)
    if at + size > n:
        return False
    for k in range(size):
        if text[at + k] != word[k]:
            return False
    return at + size == n or text[at + size] <= 32
