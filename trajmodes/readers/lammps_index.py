"""Frames of a LAMMPS text dump: where they are, and what their headers say.

The file is walked once, in pieces: headers are read item by item, rows are only counted. What
comes out is two tables of numbers, one row for each complete frame, fit for the cache.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.readers.compressed import TextSource
from trajmodes.readers.decimals import PADDING
from trajmodes.readers.lammps_header import (
    BAD_NUMBER,
    COUNT_ABSURD,
    COUNT_CHANGED,
    FULL,
    MORE,
    N_REALS,
    NO_BOX,
    NO_COUNT,
    NO_ITEM,
    NO_STEP,
    Entry,
    find_frames,
    skip_mark,
)
from trajmodes.readers.scan import padded

__all__ = ["DumpIndex", "index_dump"]

_CHUNK = 1 << 22
_CAPACITY = 4096
_MOST_BYTES_PER_NUMBER = 256


@dataclass(frozen=True, slots=True)
class DumpIndex:
    """Complete frames of one file, in its order."""

    entries: Ints
    """(t, 12) see `Entry`."""
    reals: Floats
    """(t, 13) time in the units of the file (nan if not told), then the rows of the box."""
    lost: Ints
    """(2,) byte and step of a frame that the end of the file cuts off; −1, −1 if none is, and
    step −1 where the cut is within its header."""


def index_dump(source: TextSource) -> DumpIndex:
    """Find all frames of a dump.

    Parameters
    ----------
    source
        Text of the file.

    Raises
    ------
    DataError
        If a header is not what LAMMPS writes, the number of atoms is absurd or changes, or a
        frame has more or fewer rows than it announces.
    """
    walk = _Walk(source)
    with source.reading() as descriptor:
        while not walk.done:
            walk.advance(descriptor)
    index = DumpIndex(np.concatenate(walk.entries), np.concatenate(walk.reals), walk.lost())
    _settle_doubts(source, index)
    _check_row_lengths(source, index)
    return index


class _Walk:
    """The walk through one file: a window of text, and the frames found so far."""

    def __init__(self, source: TextSource) -> None:
        self.source = source
        self.entries: list[Ints] = []
        self.reals: list[Floats] = []
        self.position = 0
        self.done = False
        # One row more than is ever full: for the frame that is not complete yet.
        self._table = np.zeros((_CAPACITY + 1, len(Entry)), dtype=np.int64)
        self._real_table = np.zeros((_CAPACITY + 1, N_REALS))
        self._state = np.zeros(2, dtype=np.int64)
        self._buffer = padded(_CHUNK)

    def advance(self, descriptor: int) -> None:
        """Take in the next window."""
        n = min(_CHUNK, self.source.size - self.position)
        self.source.fill(descriptor, self._buffer[:n], self.position)
        self._buffer[n : n + PADDING] = 10
        at = skip_mark(self._buffer, n) if self.position == 0 else 0
        status, at, count = find_frames(
            self._buffer[: n + PADDING],
            (at, n, self.position, self.source.size),
            self._state,
            self._table,
            self._real_table,
        )
        self.entries.append(self._table[:count].copy())
        self.reals.append(self._real_table[:count].copy())
        if status > FULL:
            self._refuse(status, at, self._table[count])
        # A frame whose rows are still being counted keeps its row of the tables.
        self._table[0], self._real_table[0] = self._table[count], self._real_table[count]
        self.done = status == MORE and self.position + n == self.source.size
        if at == 0 and not self.done and status == MORE:
            raise DataError(
                f"a line is longer than {n} bytes",
                where=f"{self.source.stamp.path}, byte {self.position}",
                why="this is not a LAMMPS text dump, or it is damaged",
            )
        self.position += at

    def lost(self) -> Ints:
        """Byte and step of a frame that the end of the file cuts off."""
        if self._state[0] > 0:
            return self._table[0, [Entry.START, Entry.STEP]]
        return np.array([self.position if self.position < self.source.size else -1, -1])

    def _refuse(self, status: int, at: int, entry: Ints) -> None:
        """Say what is wrong with a header, and where."""
        found = sum(map(len, self.entries))
        place = self.position + at
        line = self.source.line_at(place)
        where = f"{self.source.stamp.path}, frame {found}, line {line}"
        if status == NO_ITEM and found:
            last = next(table[-1] for table in reversed(self.entries) if len(table))
            raise _wrong_row_count(self.source, last, found - 1)
        first, atoms = int(self._state[1]), int(entry[Entry.ATOMS])
        left = self.source.size - place
        what = {
            NO_ITEM: "a LAMMPS dump starts with a line 'ITEM: …', this file does not",
            BAD_NUMBER: "a header value is not the number that belongs there",
            NO_STEP: "a header has no ITEM: TIMESTEP",
            NO_COUNT: "a header has no ITEM: NUMBER OF ATOMS",
            NO_BOX: "a header has no ITEM: BOX BOUNDS",
            COUNT_CHANGED: f"the number of atoms changes from {first} to {atoms}",
            COUNT_ABSURD: f"a header announces {atoms} atoms, but {left} bytes follow",
        }[status]
        hint = _FIXED_ATOMS if status == COUNT_CHANGED else ""
        raise DataError(what, where=where, fix=hint)


_FIXED_ATOMS = (
    "dump all atoms in every frame: no dynamic group, no 'dump_modify ID thresh', no lost atoms"
)


def _wrong_row_count(source: TextSource, entry: Ints, frame: int) -> DataError:
    """Say how many rows follow where a frame does not end at the next header."""
    rows, at, tail = 0, int(entry[Entry.BODY]), b""
    piece = np.empty(1 << 20, dtype=np.uint8)
    with source.reading() as descriptor:
        while at < source.size:
            part = piece[: source.size - at]
            source.fill(descriptor, part, at)
            text = tail + part.tobytes()
            stop = text.find(b"ITEM:")
            rows += text[len(tail) : stop if stop >= 0 else None].count(b"\n")
            if stop >= 0:
                break
            at, tail = at + len(part), text[-4:]
    return DataError(
        f"the frame announces {entry[Entry.ATOMS]} atoms, but {rows} rows follow",
        where=f"{source.stamp.path}, frame {frame}, step {entry[Entry.STEP]}, "
        f"line {source.line_at(int(entry[Entry.BODY]))}",
        why="rows are missing or too many: a crash that a run was appended to, an edited file",
        fix=_FIXED_ATOMS,
    )


def _check_row_lengths(source: TextSource, index: DumpIndex) -> None:
    """Refuse rows of absurd length before any of them is loaded."""
    entries = index.entries
    rows = (entries[:, Entry.STOP] - entries[:, Entry.BODY]) / np.maximum(
        entries[:, Entry.ATOMS], 1
    )
    long = np.flatnonzero(
        rows > _MOST_BYTES_PER_NUMBER * (4 + entries[:, Entry.COLUMNS_SIZE] // 2)
    )
    if len(long):
        raise DataError(
            f"rows are {rows[long[0]]:.0f} bytes long on average",
            where=f"{source.stamp.path}, frame {long[0]}, step {entries[long[0], Entry.STEP]}",
            why="the file is damaged",
        )


def _settle_doubts(source: TextSource, index: DumpIndex) -> None:
    """Read headers again with Python's float where a number was too close to call."""
    for t in np.flatnonzero(index.entries[:, Entry.DOUBT]):
        start, body = index.entries[t, [Entry.START, Entry.BODY]].tolist()
        lines = source.text(start, body - start).splitlines()
        for number, line in enumerate(lines):
            if line.startswith("ITEM: BOX BOUNDS"):
                rows = [
                    float(token)
                    for row in lines[number + 1 : number + 4]
                    for token in row.split()
                ]
                index.reals[t, 1 : 1 + len(rows)] = rows
            elif line.split() == ["ITEM:", "TIME"]:
                index.reals[t, 0] = float(lines[number + 1])
