"""Byte ranges of the frames of an XYZ file, and the contents of their comment lines."""

from collections.abc import Mapping
from math import isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.readers.text.floats import PADDING
from trajmodes.readers.text.lines import Bytes
from trajmodes.readers.text.parse import padded
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.xyz.columns import choose_fields
from trajmodes.readers.xyz.comment import (
    PLAIN_PROPERTIES,
    parse_comment,
    parse_integer,
    parse_lattice,
    parse_properties,
    parse_real,
)
from trajmodes.readers.xyz.first_frame import FirstFrame, with_location
from trajmodes.readers.xyz.walk import (
    ALIEN_ROW,
    BAD_COUNT,
    COUNT,
    MORE,
    OTHER_COUNT,
    PAUSED,
    ROWS,
    Expected,
    Found,
    walk_lines,
)

Index = dict[str, npt.NDArray[Any]]

_CHUNK = 1 << 22
_CAPACITY = 1024
_LARGEST_STEP = float(1 << 53)


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
            line = self.source.line_at(start)
            raise with_location(
                error, f"{self.source.stamp.path}, frame {frame}, line {line}"
            ) from error
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

    Returns
    -------
    Arrays with one entry for each frame: ``starts`` and ``stops``, byte offsets of its rows;
    ``cells`` (t, 3, 3) in the units of the file, nan without a cell; ``steps`` and ``times`` as
    written, nan if they are not; ``layout``, its index into ``layouts`` (the different texts of
    Properties). In addition ``incomplete``, byte and step of an incomplete frame at the end of
    the file; −1, −1 if there is none, and step −1 if it is unknown.

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
                raise DataError(
                    f"a line is longer than {size} bytes",
                    where=f"{source.stamp.path}, byte {position}",
                    why="this is not an XYZ file, or it is damaged",
                )
    arrays = table.arrays()
    rest = state[1] != COUNT or buffer[at:size].tobytes().strip()
    end = table.stops[-1] if table.stops else first.start
    step = table.marks[len(table.stops)][0] if len(table.marks) > len(table.stops) else nan
    arrays["incomplete"] = np.array(
        [end, -1 if isnan(step) else int(step)] if rest else [-1, -1]
    )
    return arrays


def _walk_piece(table: _Table, text: Bytes, position: int, state: Ints, found: Found) -> None:
    """Parse the lines of a piece of the file that starts at a byte offset."""
    size, status = len(text) - PADDING, PAUSED
    while status == PAUSED:
        state[3:] = 0
        status = walk_lines(text, size, state, table.expected, found)
        ends = found.ends[: state[4]]
        for start, stop in found.comments[: state[3]].tolist():
            line = text[start:stop].tobytes()
            if table.add_comment(line, position + start, position + stop):
                # The rows after this comment were checked against the wrong columns: go back.
                state[:3] = stop + 1, ROWS, len(table.first.rows)
                ends, status = ends[ends <= start], PAUSED
                break
        table.stops += (ends + position).tolist()
    if status != MORE:
        at = int(state[0])
        raise _line_error(table, status, position + at, text[at:size])


def _line_error(table: _Table, status: int, at: int, rest: Bytes) -> DataError:
    """Error of the line at a byte offset of the file."""
    line_text = rest[:200].tobytes().split(b"\n")[0].decode("utf-8", "replace").strip()
    frame = len(table.stops)
    where = f"{table.source.stamp.path}, frame {frame}, line {table.source.line_at(at)}"
    n_atoms = len(table.first.rows)
    begins = f"the line begins with {line_text[:40]!r}"
    if status == BAD_COUNT:
        return DataError(
            f"{begins} where the number of atoms is expected",
            where=where,
            why="the frame before has a row too many or too few",
        )
    if status == OTHER_COUNT:
        return DataError(
            f"the frame has {line_text.split()[0]} atoms, but the first one has {n_atoms}",
            where=where,
            why="the file contains several systems, or atoms were lost",
        )
    if status == ALIEN_ROW:
        return DataError(f"{begins}, an atom id that the first frame lacks", where=where)
    missing = line_text.split() == [str(n_atoms)]
    return DataError(
        f"{begins} where another atom is expected",
        where=where,
        why="the frame has a row too few"
        if missing
        else "the species or their order are not those of the first frame",
        fix="" if missing else "write all frames in one order, or write an id column",
    )
