"""Headers of LAMMPS text dumps, read item by item from their keywords, compiled."""

from enum import IntEnum
from typing import Any

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.text.floats import UNDECIDED, WRONG, parse_decimal, parse_integer
from trajmodes.readers.text.scan import (
    Bytes,
    line_end,
    skip_blanks,
    skip_lines,
    skip_spaces,
    starts_with,
)


class Entry(IntEnum):
    """Columns of the table of integers; positions are byte offsets into the text."""

    START = 0
    """Where the header starts."""
    BODY = 1
    """Where the rows start."""
    STOP = 2
    """Where the rows stop."""
    STEP = 3
    ATOMS = 4
    BOX = 5
    """Numbers in a row of the box: 2 orthogonal, 3 restricted triclinic, 4 general."""
    COLUMNS_AT = 6
    COLUMNS_SIZE = 7
    UNITS_AT = 8
    UNITS_SIZE = 9
    LAYOUT = 10
    """Hash of the kind of box, the column names and the units."""
    UNCERTAIN = 11
    """1 where Python's float has to round a number of the header."""


_START, _BODY, _STOP, _STEP, _ATOMS, _BOX = (int(entry) for entry in list(Entry)[:6])
_COLUMNS_AT, _COLUMNS_SIZE, _UNITS_AT, _UNITS_SIZE = (int(entry) for entry in list(Entry)[6:10])
_LAYOUT, _UNCERTAIN = int(Entry.LAYOUT), int(Entry.UNCERTAIN)
N_REALS = 13
_UNSET = np.iinfo(np.int64).min

_HASH_START, _HASH_PRIME = 0x4BF29CE484222325, 0x100000001B3

ANY_COUNT = -1
"""Stands for the number of atoms where it may be another one in each frame, and zero."""

FOUND, MORE, FULL = 0, 1, 2
NO_ITEM, BAD_NUMBER, NO_STEP, NO_COUNT, NO_BOX = 3, 4, 5, 6, 7
COUNT_CHANGED, COUNT_ABSURD, NO_ROWS = 8, 9, 10

_WORDS = {
    name: np.frombuffer(name.encode(), dtype=np.uint8)
    for name in ("ITEM:", "ATOMS", "TIMESTEP", "TIME", "NUMBER OF ATOMS", "BOX BOUNDS", "UNITS")
}
_ITEM, _ROWS, _TIMESTEP, _TIME, _NUMBER, _BOUNDS, _UNITS = _WORDS.values()


@kernel(error_model="numpy")
def find_frames(
    text: Bytes, window: tuple[int, int, int, int], state: Ints, table: Ints, reals: Floats
) -> tuple[int, int, int]:
    """Find frames in a window of text: (status, offset to continue from, complete frames).

    The window is (start, stop, its offset in the file, size of the file). The state is (rows
    still to count in the frame in row 0 of the table, atoms of a frame or `ANY_COUNT`).
    """
    at, n, position, size = window
    count = 0
    while True:
        if state[0] > 0:
            at, state[0] = skip_lines(text, at, n, state[0])
            if state[0] > 0:
                return MORE, at, count
            table[count, _STOP] = position + at
            count += 1
            if count == len(table) - 1:
                return FULL, at, count
        at = skip_blanks(text, at, n)
        if at == n:
            return MORE, at, count
        entry = table[count]
        status, place = _read_header(text, at, n, entry, reals[count])
        if status == FOUND:
            entry[_START] = at
            entry[_BODY] = place
            status = _check_count(text, entry, state[1], size - position - place)
        if status != FOUND:
            return status, at if status == MORE else place, count
        _begin_frame(entry, position, state)
        at = place
        if state[0] == 0:
            count += 1
            if count == len(table) - 1:
                return FULL, at, count


@inner_kernel(error_model="numpy", inline="always")
def _begin_frame(entry: Ints, position: int, state: Ints) -> None:
    """Convert offsets to those in the file, and store the number of rows that follow."""
    entry[_START] += position
    entry[_BODY] += position
    entry[_COLUMNS_AT] += position
    entry[_UNITS_AT] += position if entry[_UNITS_SIZE] else 0
    entry[_STOP] = entry[_BODY]
    state[0] = entry[_ATOMS]
    if state[1] != ANY_COUNT:
        state[1] = entry[_ATOMS]


@inner_kernel(error_model="numpy", inline="always")
def _check_count(text: Bytes, entry: Ints, first: int, left: int) -> int:
    """Whether the number of atoms is that of the first frame, or possible at all."""
    if first > 0:
        return FOUND if entry[_ATOMS] == first else COUNT_CHANGED
    # A row has at least one digit and one blank for each column.
    least = 2 * _count_words(text, entry[_COLUMNS_AT], entry[_BODY])
    fewest = 0 if first == ANY_COUNT else 1
    return FOUND if fewest <= entry[_ATOMS] <= left // least else COUNT_ABSURD


@inner_kernel(error_model="numpy", inline="always")
def _read_header(text: Bytes, at: int, n: int, entry: Ints, real: Floats) -> tuple[int, int]:
    """One header: (status, offset of the first row, or of the error)."""
    entry[:] = 0
    entry[_STEP] = entry[_ATOMS] = _UNSET
    entry[_LAYOUT] = _HASH_START
    real[:] = np.nan
    while True:
        stop = line_end(text, at, n)
        if stop == n:
            # A first line that cannot become an item is refused before it is complete.
            return (MORE if at == n or text[at] == _ITEM[0] else NO_ITEM), at
        # Names end with their line.
        if not starts_with(text, at, stop, _ITEM):
            return NO_ITEM, at
        if starts_with(text, at + 6, stop, _ROWS):
            break
        status, at = _read_item(text, (at + 6, stop, n), entry, real)
        if status != FOUND:
            return status, at
    entry[_COLUMNS_AT], entry[_COLUMNS_SIZE] = at + 11, stop - at - 11
    units = entry[_UNITS_AT]
    entry[_LAYOUT] = _hashed(text, units, units + entry[_UNITS_SIZE], entry[_LAYOUT])
    entry[_LAYOUT] = _hashed(text, at + 11, stop, entry[_LAYOUT])
    if entry[_STEP] == _UNSET:
        return NO_STEP, at
    if entry[_ATOMS] == _UNSET:
        return NO_COUNT, at
    return FOUND if entry[_BOX] else NO_BOX, stop + 1


@inner_kernel(error_model="numpy")
def _read_item(
    text: Bytes, places: tuple[int, int, int], entry: Ints, real: Floats
) -> tuple[int, int]:
    """One item at (name, end of its line, end of the text): (status, offset after)."""
    key, stop, n = places
    at = stop + 1
    if starts_with(text, key, stop, _BOUNDS):
        entry[_LAYOUT] = _hashed(text, key, stop, entry[_LAYOUT])
        return _read_box(text, at, n, entry, real)
    if starts_with(text, key, stop, _TIME):
        status, at, entry[_UNCERTAIN] = _read_reals(text, at, n, real[:1], entry[_UNCERTAIN])
    elif starts_with(text, key, stop, _TIMESTEP):
        # A second TIMESTEP belongs to the next frame: an unknown item has skipped all rows.
        if entry[_STEP] != _UNSET:
            return NO_ROWS, key
        status, at, entry[_STEP] = _read_integer(text, at, n)
    elif starts_with(text, key, stop, _NUMBER):
        status, at, entry[_ATOMS] = _read_integer(text, at, n)
    elif starts_with(text, key, stop, _UNITS):
        status, at = _read_units(text, at, n, entry)
    else:
        status, at = _skip_item(text, at, n)
    return status, at


@inner_kernel(error_model="numpy")
def _count_words(text: Bytes, at: int, stop: int) -> int:
    """Count words between two offsets; at least one."""
    words = 0
    for k in range(at, stop):
        words += text[k] > 32 and text[k - 1] <= 32
    return max(words, 1)


@inner_kernel(error_model="numpy")
def _hashed(text: Bytes, at: int, stop: int, value: Any) -> Any:
    """FNV-1a hash of the text between two offsets, without trailing blanks."""
    while stop > at and text[stop - 1] <= 32:
        stop -= 1
    for k in range(at, stop):
        value = (value ^ np.int64(text[k])) * _HASH_PRIME
    return value


@inner_kernel(error_model="numpy")
def _read_integer(text: Bytes, at: int, n: int) -> tuple[int, int, int]:
    """Read a line of one integer: (status, next line or offset of the error, value)."""
    address: Any = np.int64(text.ctypes.data)
    stop = line_end(text, at, n)
    if stop == n:
        return MORE, at, 0
    at = skip_spaces(text, at, stop)
    value, end, verdict = parse_integer(address, at)
    if verdict == WRONG or skip_spaces(text, end, stop) != stop:
        return BAD_NUMBER, at, 0
    return FOUND, stop + 1, value


@inner_kernel(error_model="numpy")
def _read_reals(
    text: Bytes, at: int, n: int, out: Floats, uncertain: int
) -> tuple[int, int, int]:
    """Read a line of numbers: (status, next line or offset of the error, any undecided)."""
    address: Any = np.int64(text.ctypes.data)
    stop = line_end(text, at, n)
    if stop == n:
        return MORE, at, uncertain
    for k in range(len(out)):
        at = skip_spaces(text, at, stop)
        if at == stop:
            return BAD_NUMBER, at, uncertain
        out[k], end, verdict = parse_decimal(address, at)
        if verdict == WRONG or text[end] > 32 or not np.isfinite(out[k]):
            return BAD_NUMBER, at, uncertain
        uncertain |= verdict == UNDECIDED
        at = end
    if skip_spaces(text, at, stop) != stop:
        return BAD_NUMBER, at, uncertain
    return FOUND, stop + 1, uncertain


@kernel(error_model="numpy")
def _read_box(text: Bytes, at: int, n: int, entry: Ints, real: Floats) -> tuple[int, int]:
    """Three rows of two to four numbers: (status, offset after or of the error)."""
    stop = line_end(text, at, n)
    width = _count_words(text, at, stop)
    if stop < n and not 2 <= width <= 4:
        return BAD_NUMBER, at
    entry[_BOX] = width
    for row in range(3):
        out = real[1 + row * width : 1 + (row + 1) * width]
        status, at, entry[_UNCERTAIN] = _read_reals(text, at, n, out, entry[_UNCERTAIN])
        if status != FOUND:
            return status, at
    return FOUND, at


@inner_kernel(error_model="numpy", inline="always")
def _read_units(text: Bytes, at: int, n: int, entry: Ints) -> tuple[int, int]:
    """Store where the name of the unit style is."""
    stop = line_end(text, at, n)
    if stop == n:
        return MORE, at
    entry[_UNITS_AT], entry[_UNITS_SIZE] = at, stop - at
    return FOUND, stop + 1


@inner_kernel(error_model="numpy", inline="always")
def _skip_item(text: Bytes, at: int, n: int) -> tuple[int, int]:
    """Skip the lines of an unknown item."""
    while True:
        stop = line_end(text, at, n)
        if stop == n:
            return MORE, at
        if starts_with(text, at, n, _ITEM):
            return FOUND, at
        at = stop + 1
