"""Find where the frames of an XYZ file begin and end, line by line in one compiled pass.

XYZ has no mark between frames, so frames are found by counting lines. As every line is visited
anyway, each row is also compared with the species of the first frame, so that atoms that
exchange places are found before anything is computed.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.text.floats import DECIDED, parse_integer
from trajmodes.readers.text.intrinsics import load_word
from trajmodes.readers.text.lines import Bytes

MORE, PAUSED, BAD_COUNT, OTHER_COUNT, ALIEN_ROW, OTHER_SPECIES = 0, 1, 2, 3, 4, 5
COUNT, COMMENT, ROWS = 0, 1, 2

_NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)
_NONE = np.uint64(0)


class Expected(NamedTuple):
    """Required contents of the rows of all frames, from the first frame."""

    n_atoms: int
    names: Bytes
    """The species of all atoms, concatenated, in the order of the ids if there are any."""
    starts: Ints
    """(a + 1) offset of each species in `names`."""
    ids: Ints
    """(a,) sorted ids; empty if there are none."""
    species_column: int
    """Column of the species; −1 if there is none."""
    id_column: int
    """Column of the ids; −1 if there is none."""


class Found(NamedTuple):
    """Output arrays of `walk_lines`."""

    comments: Ints
    """(n, 2) start and stop of each comment line."""
    ends: Ints
    """(n,) offset after the last row of each frame."""


@inner_kernel()
def _next_newline(text: Bytes, at: int, stop: int) -> int:
    """Offset of the next newline, or stop; eight bytes at a time."""
    address = np.int64(text.ctypes.data)
    while at < stop:
        # Only newlines become zero bytes, and only zero bytes have no top bit in the sum below.
        other = load_word(address + at) ^ _NEWLINES
        if ~(((other & _LOW_BITS) + _LOW_BITS) | other | _LOW_BITS) != _NONE:
            break
        at += 8
    while at < stop and text[at] != 10:
        at += 1
    return min(at, stop)


@inner_kernel()
def _token(text: Bytes, at: int, column: int) -> int:
    """Offset where the token of a column begins, or where the line ends."""
    while text[at] == 32 or text[at] == 9:
        at += 1
    for _ in range(column):
        while text[at] > 32:
            at += 1
        while text[at] == 32 or text[at] == 9:
            at += 1
    return at


@inner_kernel()
def _check_row(text: Bytes, at: int, row: int, expected: Expected) -> int:
    """Whether a row is of the same atom (by place or id) as in the first frame."""
    place = row
    if expected.id_column >= 0:
        number, _, verdict = parse_integer(
            text.ctypes.data, _token(text, at, expected.id_column)
        )
        if verdict != DECIDED:
            return ALIEN_ROW
        place = int(np.searchsorted(expected.ids, number))
        if place == len(expected.ids) or expected.ids[place] != number:
            return ALIEN_ROW
    at = _token(text, at, expected.species_column)
    for name in range(expected.starts[place], expected.starts[place + 1]):
        if text[at] != expected.names[name]:
            return OTHER_SPECIES
        at += 1
    return OTHER_SPECIES if text[at] > 32 else MORE


@inner_kernel()
def _read_count(text: Bytes, at: int, expected: Expected) -> tuple[int, int]:
    """Read the number of atoms, and check it; −1 for a blank line."""
    first = at
    while text[first] != 10 and (text[first] == 32 or 9 <= text[first] <= 13):
        first += 1
    if text[first] == 10:
        return -1, MORE
    count, after, verdict = parse_integer(text.ctypes.data, first)
    if verdict != DECIDED or text[_token(text, after, 0)] > 32:
        return 0, BAD_COUNT
    return count, MORE if count == expected.n_atoms else OTHER_COUNT


@kernel()
def walk_lines(text: Bytes, stop: int, state: Ints, expected: Expected, found: Found) -> int:
    """Parse the complete lines of a piece of a file.

    Parameters
    ----------
    text
        The piece, followed by a newline and `floats.PADDING` readable bytes.
    stop
        Bytes of the piece.
    state
        (5,) changed in place, so that the next piece continues where this one ends: offset,
        kind of the next line, rows left in the frame, number of comments and ends in `found`.

    Returns
    -------
    MORE at the end of the piece, PAUSED if `found` is full, or the error of the current line.
    """
    at, kind, left, n_comments, n_ends = state[0], state[1], state[2], state[3], state[4]
    status = MORE
    while status == MORE:
        if kind == ROWS and left == 0:
            found.ends[n_ends] = at
            n_ends += 1
            kind = COUNT
        if max(n_comments, n_ends) == len(found.ends):
            status = PAUSED
            break
        end = _next_newline(text, at, stop)
        if end == stop:
            break
        if kind == ROWS:
            if expected.species_column >= 0:
                status = _check_row(text, at, expected.n_atoms - left, expected)
            left -= status == MORE
        elif kind == COMMENT:
            found.comments[n_comments, 0], found.comments[n_comments, 1] = at, end
            n_comments += 1
            kind = ROWS
        else:
            left, status = _read_count(text, at, expected)
            kind = COUNT if left < 0 else COMMENT
        if status == MORE:
            at = end + 1
    state[0], state[1], state[2], state[3], state[4] = at, kind, left, n_comments, n_ends
    return status
