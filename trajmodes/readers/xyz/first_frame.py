"""The first frame of an XYZ file, read as text: it fixes atoms and columns for all frames."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.errors import DataError, TrajmodesError
from trajmodes.readers.atom_table import order_by_id
from trajmodes.readers.text.source import TextSource
from trajmodes.readers.xyz.columns import Fields, choose_fields
from trajmodes.readers.xyz.comment import (
    PLAIN_PROPERTIES,
    parse_comment,
    parse_integer,
    parse_properties,
)

_BOM = b"\xef\xbb\xbf"
_NEWLINE = b"\n"
_HEAD = 1 << 16
_LONGEST_LINE = 1 << 22
_SHORTEST_ROW = 2
"""Bytes of the shortest thinkable row: bounds the number of atoms a file can hold."""


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The first frame of a file, as text."""

    start: int
    """Byte that its count line begins at."""
    values: Mapping[str, str]
    """Pairs of its comment line, keys in lower case."""
    properties: str
    fields: Fields
    rows: tuple[tuple[str, ...], ...]
    """(a, c) tokens."""
    ids: Ints
    """(a,) sorted ids, or empty."""
    order: Ints
    """(a,) row of each atom."""

    def column(self, column: int) -> tuple[str, ...]:
        """Tokens of one column, in the order of the atoms."""
        return tuple(self.rows[row][column] for row in self.order.tolist())


def read_first_frame(source: TextSource) -> FirstFrame:
    """Read the first frame of a file.

    Parameters
    ----------
    source
        The text of the file.

    Raises
    ------
    DataError
        If it does not begin with a complete XYZ frame.
    """
    path, size = source.stamp.path, min(source.size, _HEAD)
    while True:
        text = _piece(source, size)
        lines = _first_lines(source, text)
        if lines is None and len(text) - text.rfind(_NEWLINE) > _LONGEST_LINE:
            raise DataError(
                f"a line is longer than {_LONGEST_LINE} bytes",
                where=f"{path}, byte {text.rfind(_NEWLINE) + 1}",
                why="this is not an XYZ file, or it is damaged",
            )
        if lines is not None or size == source.size:
            break
        size = min(source.size, size * 8)
    if lines is None:
        raise DataError(
            "the first frame is not complete",
            where=f"{path}, byte {source.size}",
            why="the file is cut off, or its first line gives too many atoms",
        )
    start, comment, rows = lines
    above = text[:start].count(b"\n")
    try:
        values = parse_comment(comment)
        properties = values.get("properties", PLAIN_PROPERTIES)
        fields = choose_fields(parse_properties(properties))
    except DataError as error:
        raise placed(error, f"{path}, frame 0, line {above + 2}") from error
    tokens = tuple(tuple(row.split()) for row in rows)
    for number, row in enumerate(tokens):
        if len(row) < fields.n_columns:
            raise DataError(
                f"the row {rows[number].strip()[:40]!r} has {len(row)} columns, not the "
                f"{fields.n_columns} of {properties}",
                where=f"{path}, frame 0, line {above + number + 3}",
            )
    ids, order = _ids_and_order(source, tokens, fields)
    return FirstFrame(start, values, properties, fields, tokens, ids, order)


def placed(error: TrajmodesError, where: str) -> DataError:
    """Put the file and line before the place that the parser of a line gives."""
    place = f"{where}, {error.where}" if error.where else where
    return DataError(error.what, where=place, why=error.why, fix=error.fix)


def _piece(source: TextSource, size: int) -> bytes:
    buffer = np.empty(size, dtype=np.uint8)
    with source.reading() as descriptor:
        source.fill(descriptor, buffer, 0)
    return buffer.tobytes()


def _first_lines(source: TextSource, text: bytes) -> tuple[int, str, list[str]] | None:
    """Start, comment and rows of the first frame; None if the text ends before it does."""
    start = len(_BOM) if text.startswith(_BOM) else 0
    start += len(text[start:]) - len(text[start:].lstrip())
    end = text.find(b"\n", start)
    if end < 0:
        return None
    count_line = text[start:end].decode("utf-8", "replace").strip()
    line = 1 + text[:start].count(b"\n")
    where = f"{source.stamp.path}, line {line}"
    try:
        n_atoms = parse_integer(count_line, "the number of atoms")
    except DataError as error:
        why = "this is not an XYZ file, or it is damaged"
        raise DataError(error.what, where=where, why=why) from error
    if not 0 < n_atoms <= (source.size - end) // _SHORTEST_ROW:
        raise DataError(
            f"the first frame should have {n_atoms} atoms, but only "
            f"{source.size - end - 1} bytes follow",
            where=where,
        )
    body = text[end + 1 :].split(b"\n", n_atoms + 1)
    if len(body) < n_atoms + 2:
        return None
    lines = [line.decode("utf-8", "surrogateescape") for line in body[: n_atoms + 1]]
    return start, lines[0], lines[1:]


def _ids_and_order(
    source: TextSource, rows: tuple[tuple[str, ...], ...], fields: Fields
) -> tuple[Ints, Ints]:
    if fields.ids is None:
        return np.empty(0, dtype=np.int64), np.arange(len(rows))
    try:
        ids = np.array([parse_integer(row[fields.ids], "an atom id") for row in rows])
    except DataError as error:
        raise placed(error, f"{source.stamp.path}, frame 0") from error
    order = order_by_id(ids, f"{source.stamp.path}, frame 0")
    return ids[order].astype(np.int64), order
