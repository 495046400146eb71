"""Byte ranges of the frames of an XYZ file, and the contents of their comment lines.

XYZ has no mark between frames, so frames are found by counting lines, in one compiled pass. In
the same pass each row is compared with the species of the first frame, so that exchanged atoms
are found before anything is computed.
"""

from collections.abc import Mapping
from math import isnan, nan
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, with_location
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.text.floats import DECIDED, PADDING
from trajmodes.readers.text.floats import parse_integer as integer_at
from trajmodes.readers.text.index_cache import Index
from trajmodes.readers.text.parse import padded
from trajmodes.readers.text.scan import Bytes, line_end
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.xyz.comment import (
    PLAIN_PROPERTIES,
    choose_fields,
    parse_comment,
    parse_integer,
    parse_lattice,
    parse_properties,
    parse_real,
)
from trajmodes.readers.xyz.first_frame import NOT_XYZ, FirstFrame

_CHUNK = 1 << 22
_CAPACITY = 1024
_LARGEST_STEP = float(1 << 53)

_MORE, _PAUSED, _BAD_COUNT, _OTHER_COUNT, _ALIEN_ROW, _OTHER_SPECIES = 0, 1, 2, 3, 4, 5
_COUNT, _COMMENT, _ROWS = 0, 1, 2


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
    """Output arrays of `_walk_lines`."""

    comments: Ints
    """(n, 2) start and stop of each comment line."""
    ends: Ints
    """(n,) offset after the last row of each frame."""


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
        number, _, verdict = integer_at(text.ctypes.data, _token(text, at, expected.id_column))
        if verdict != DECIDED:
            return _ALIEN_ROW
        place = int(np.searchsorted(expected.ids, number))
        if place == len(expected.ids) or expected.ids[place] != number:
            return _ALIEN_ROW
    at = _token(text, at, expected.species_column)
    for name in range(expected.starts[place], expected.starts[place + 1]):
        if text[at] != expected.names[name]:
            return _OTHER_SPECIES
        at += 1
    return _OTHER_SPECIES if text[at] > 32 else _MORE


@inner_kernel()
def _read_count(text: Bytes, at: int, expected: Expected) -> tuple[int, int]:
    """Read the number of atoms, and check it; −1 for a blank line."""
    first = at
    while text[first] != 10 and (text[first] == 32 or 9 <= text[first] <= 13):
        first += 1
    if text[first] == 10:
        return -1, _MORE
    count, after, verdict = integer_at(text.ctypes.data, first)
    if verdict != DECIDED or text[_token(text, after, 0)] > 32:
        return 0, _BAD_COUNT
    return count, _MORE if count == expected.n_atoms else _OTHER_COUNT


@kernel()
def _walk_lines(text: Bytes, stop: int, state: Ints, expected: Expected, found: Found) -> int:
    """Parse the complete lines of a piece of a file.

    A newline and `floats.PADDING` readable bytes follow the ``stop`` bytes of the piece. The
    state (5,) is changed in place, so that the next piece continues where this one ends:
    offset, kind of the next line, rows left in the frame, number of comments and ends in
    ``found``. Returns _MORE at the end of the piece, _PAUSED if ``found`` is full, or the error
    of the current line.
    """
    at, kind, left, n_comments, n_ends = state[0], state[1], state[2], state[3], state[4]
    status = _MORE
    while status == _MORE:
        if kind == _ROWS and left == 0:
            found.ends[n_ends] = at
            n_ends += 1
            kind = _COUNT
        if max(n_comments, n_ends) == len(found.ends):
            status = _PAUSED
            break
        end = line_end(text, at, stop)
        if end == stop:
            break
        if kind == _ROWS:
            if expected.species_column >= 0:
                status = _check_row(text, at, expected.n_atoms - left, expected)
            left -= status == _MORE
        elif kind == _COMMENT:
            found.comments[n_comments, 0], found.comments[n_comments, 1] = at, end
            n_comments += 1
            kind = _ROWS
        else:
            left, status = _read_count(text, at, expected)
            kind = _COUNT if left < 0 else _COMMENT
        if status == _MORE:
            at = end + 1
    state[0], state[1], state[2], state[3], state[4] = at, kind, left, n_comments, n_ends
    return status


class _Table:
    """Table of the frames found so far."""

    def __init__(self, source: TextSource, first: FirstFrame) -> None:
        self.source, self.first = source, first
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.cells: list[Floats] = []
        self.marks: list[tuple[float, float]] = []
        self.layouts = [first.properties]
        self.layout = 0
        self.layout_of: list[int] = []
        self.expected = self._expectation()
        self.lattice, self.cell = "", np.full((3, 3), nan)

    def add_comment(self, text: bytes, start: int, stop: int) -> bool:
        """Read the comment line between two bytes; return whether the columns change."""
        frame, before = len(self.starts), self.layout
        try:
            values = parse_comment(text.decode("utf-8", "replace").rstrip())
            self._choose_layout(values.get("properties", PLAIN_PROPERTIES))
            lattice = values.get("lattice", "")
            if lattice != self.lattice:
                self.cell = parse_lattice(lattice) if lattice else np.full((3, 3), nan)
                self.lattice = lattice
            self.marks.append(_step_and_time(values))
        except DataError as error:
            where = f"frame {frame}, line {self.source.line_at(start)}"
            raise with_location(error, f"{self.source.stamp.path}, {where}") from error
        self.starts.append(stop + 1)
        self.cells.append(self.cell)
        self.layout_of.append(self.layout)
        return self.layout != before

    def _choose_layout(self, properties: str) -> None:
        if properties == self.layouts[self.layout]:
            return
        if properties not in self.layouts:
            if _common_columns(properties) != _common_columns(self.first.properties):
                raise DataError(
                    f"the columns change from {self.first.properties} to {properties}",
                    fix="write all frames with the same columns",
                )
            self.layouts.append(properties)
        self.layout = self.layouts.index(properties)
        self.expected = self._expectation()

    def _expectation(self) -> Expected:
        """Make the required contents of the rows after the last comment."""
        fields = choose_fields(parse_properties(self.layouts[self.layout]))
        column = self.first.fields.species
        names = () if column is None else self.first.column(column)
        words = [name.encode("utf-8", "surrogateescape") for name in names]
        ends = np.cumsum([0, *map(len, words)])
        return Expected(
            n_atoms=len(self.first.rows),
            names=np.frombuffer(b"".join(words) or b" ", dtype=np.uint8),
            starts=ends.astype(np.int64),
            ids=self.first.ids,
            species_column=-1 if fields.species is None else fields.species,
            id_column=-1 if fields.ids is None else fields.ids,
        )

    def arrays(self) -> Index:
        """Arrays of the complete frames, for the cache."""
        n = len(self.stops)
        marks = np.array(self.marks[:n]).reshape(n, 2)
        return {
            "starts": np.array(self.starts[:n], dtype=np.int64),
            "stops": np.array(self.stops, dtype=np.int64),
            "cells": np.array(self.cells[:n]).reshape(n, 3, 3),
            "steps": marks[:, 0],
            "times": marks[:, 1],
            "layout": np.array(self.layout_of[:n], dtype=np.int64),
            "layouts": np.array(self.layouts),
        }


def _step_and_time(values: Mapping[str, str]) -> tuple[float, float]:
    text = values.get("timestep", values.get("step", ""))
    time = parse_real(values["time"], "time") if "time" in values else nan
    step = float(parse_integer(text, "the step")) if text.isdecimal() else nan
    if step >= _LARGEST_STEP:
        raise DataError(f"the step is absurdly large: {text}")
    return step, time


def _common_columns(properties: str) -> tuple[bool | str, ...]:
    """Make the key of columns that must be the same in all frames, in any order."""
    fields = choose_fields(parse_properties(properties))
    columns = (fields.species, fields.numbers, fields.ids, fields.types, fields.force)
    there = tuple(column is not None for column in columns)
    return (*there, fields.velocity_name, fields.force_name, fields.unwrapped)


def index_frames(source: TextSource, first: FirstFrame) -> Index:
    """Find all complete frames of a file.

    The arrays have one entry for each frame: ``starts`` and ``stops``, byte offsets of its
    rows; ``cells`` (t, 3, 3) in the units of the file, nan without a cell; ``steps`` and
    ``times`` as written, nan if they are not; ``layout``, its index into ``layouts`` (the
    different texts of Properties). In addition ``incomplete``, byte and step of an incomplete
    frame at the end of the file; −1, −1 if there is none, and step −1 if it is unknown.

    Raises
    ------
    DataError
        If a line is invalid at its position in the file, or the atoms change.
    """
    table = _Table(source, first)
    found = Found(np.empty((_CAPACITY, 2), np.int64), np.empty(_CAPACITY, np.int64))
    buffer = padded(_CHUNK)
    state = np.zeros(5, dtype=np.int64)
    position, size, at = first.start, 0, 0
    with source.reading() as descriptor:
        while position + size < source.size:
            position += at
            size = min(_CHUNK, source.size - position)
            source.fill(descriptor, buffer[:size], position)
            buffer[size:] = 10
            state[0] = 0
            _walk_piece(table, buffer[: size + PADDING], position, state, found)
            at = int(state[0])
            if at == 0 and position + size < source.size:
                where = f"{source.stamp.path}, byte {position}"
                raise DataError(f"a line is longer than {size} bytes", where=where, why=NOT_XYZ)
    arrays = table.arrays()
    rest = state[1] != _COUNT or buffer[at:size].tobytes().strip()
    end = table.stops[-1] if table.stops else first.start
    step = table.marks[len(table.stops)][0] if len(table.marks) > len(table.stops) else nan
    broken = [end, -1 if isnan(step) else int(step)]
    return arrays | {"incomplete": np.array(broken if rest else [-1, -1])}


def _walk_piece(table: _Table, text: Bytes, position: int, state: Ints, found: Found) -> None:
    """Parse the lines of a piece of the file that starts at a byte offset."""
    size, status = len(text) - PADDING, _PAUSED
    while status == _PAUSED:
        state[3:] = 0
        status = _walk_lines(text, size, state, table.expected, found)
        ends = found.ends[: state[4]]
        for start, stop in found.comments[: state[3]].tolist():
            line = text[start:stop].tobytes()
            if table.add_comment(line, position + start, position + stop):
                # The rows after this comment were checked against the wrong columns: go back.
                state[:3] = stop + 1, _ROWS, len(table.first.rows)
                ends, status = ends[ends <= start], _PAUSED
                break
        table.stops += (ends + position).tolist()
    if status != _MORE:
        at = int(state[0])
        raise _line_error(table, status, position + at, text[at:size])


def _line_error(table: _Table, status: int, at: int, rest: Bytes) -> DataError:
    """Error of the line at a byte offset of the file."""
    line_text = rest[:200].tobytes().split(b"\n")[0].decode("utf-8", "replace").strip()
    frame = len(table.stops)
    where = f"{table.source.stamp.path}, frame {frame}, line {table.source.line_at(at)}"
    n_atoms = len(table.first.rows)
    begins = f"the line begins with {line_text[:40]!r}"
    if status == _BAD_COUNT:
        return DataError(
            f"{begins} where the number of atoms is expected",
            where=where,
            why="the frame before has a row too many or too few",
        )
    if status == _OTHER_COUNT:
        return DataError(
            f"the frame has {line_text.split()[0]} atoms, but the first one has {n_atoms}",
            where=where,
            why="the file contains several systems, or atoms were lost",
        )
    if status == _ALIEN_ROW:
        return DataError(f"{begins}, an atom id that the first frame lacks", where=where)
    begins += " where another atom is expected"
    if line_text.split() == [str(n_atoms)]:
        return DataError(begins, where=where, why="the frame has a row too few")
    return DataError(
        begins,
        where=where,
        why="the species or their order are not those of the first frame",
        fix="write all frames in one order, or write an id column",
    )
