"""Frames of a LAMMPS text dump: where they are, and what their headers say.

The file is walked once, in pieces: headers are read item by item, rows are only counted, and
those of large frames leapt over where the next header is found about where it should be. What
comes out is two tables of numbers, one row for each complete frame, fit for the cache.
"""

import re
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.readers.lammps.header import (
    BAD_NUMBER,
    COUNT_ABSURD,
    COUNT_CHANGED,
    FULL,
    MORE,
    N_REALS,
    NO_BOX,
    NO_COUNT,
    NO_ITEM,
    NO_ROWS,
    NO_STEP,
    Entry,
    find_frames,
    skip_mark,
)
from trajmodes.readers.text.floats import PADDING
from trajmodes.readers.text.parse import padded
from trajmodes.readers.text.source import TextSource

_CHUNK = 1 << 22
_CAPACITY = 4096
# Frames of this size and more are leapt over, with a smaller look at what is in between.
_LEAP = 1 << 18
_PEEK = 1 << 16
_HEADER = re.compile(
    rb"\n(?:ITEM: UNITS\s*\n\S+\s*\n)?(?:ITEM: TIME\s*\n\S+\s*\n)?"
    rb"ITEM: TIMESTEP\s*\n\s*(-?\d{1,18})\s*\n"
)
# A match later than this cannot be one that lacks its first items.
_LONGEST_ITEMS = 1024
_MOST_BYTES_PER_NUMBER = 256


@dataclass(frozen=True, slots=True)
class DumpIndex:
    """Complete frames of one file, in its order."""

    entries: Ints
    """(t, 12) see `Entry`."""
    reals: Floats
    """(t, 13) time in the units of the file (nan if not given), then the rows of the box."""
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
        self._recent = self._table[:0].copy()
        self._reach = _CHUNK

    def advance(self, descriptor: int) -> None:
        """Take in the next window."""
        n = min(self._reach, self.source.size - self.position)
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
        self._keep(count)
        if status > FULL:
            self._refuse(status, at, self._table[0])
        self.done = status == MORE and self.position + n == self.source.size
        if at == 0 and not self.done and n == _CHUNK:
            raise DataError(
                f"a line is longer than {n} bytes",
                where=f"{self.source.stamp.path}, byte {self.position}",
                why="this is not a LAMMPS text dump, or it is damaged",
            )
        leaps = self._state[0] > 0 and not self.done and self._leap(descriptor, n)
        self._reach = _PEEK if leaps else _CHUNK
        self.position = int(self._recent[-1, Entry.STOP]) if leaps else self.position + at

    def _keep(self, count: int) -> None:
        """Store complete frames; one whose rows are still being counted moves to row 0."""
        self.entries.append(self._table[:count].copy())
        self.reals.append(self._real_table[:count].copy())
        self._recent = np.concatenate([self._recent, self.entries[-1][-2:]])[-2:]
        self._table[0], self._real_table[0] = self._table[count], self._real_table[count]

    def _leap(self, descriptor: int, n: int) -> bool:
        """Leap over the rows of a large frame to where the next one should start.

        That it does start there is checked: a whole header must stand near the place, its step
        must go on as before, and the rows seen so far must be as long as those of the frame
        before, so that no two frames can be taken for one. If not, rows are counted.
        """
        if len(self._recent) < 2:
            return False
        here, (earlier, last) = self._table[0], self._recent
        size = int(last[Entry.STOP] - last[Entry.BODY])
        seen = self._buffer[max(0, int(here[Entry.BODY]) - self.position) : n]
        rows = np.count_nonzero(seen == 10)
        alike = abs(len(seen) * int(here[Entry.ATOMS]) - rows * size) < rows * size / 4
        margin = _PEEK // 4 + (size >> 7)
        start = int(here[Entry.BODY]) + size - margin
        if size < _LEAP or not alike or start + 2 * margin >= self.source.size:
            return False
        window = np.empty(2 * margin, dtype=np.uint8)
        self.source.fill(descriptor, window, start)
        found = _HEADER.search(window.tobytes(), _LONGEST_ITEMS)
        interval = last[Entry.STEP] - earlier[Entry.STEP]
        if (
            found is None
            or here[Entry.STEP] - last[Entry.STEP] != interval
            or int(found[1]) - here[Entry.STEP] != interval
        ):
            return False
        here[Entry.STOP] = start + found.start() + 1
        self._state[0] = 0
        self._keep(1)
        return True

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
            NO_ROWS: "another header follows before the ITEM: ATOMS of the last one",
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
    what = f"the frame announces {entry[Entry.ATOMS]} atoms, but {rows} rows follow"
    if rows == entry[Entry.ATOMS]:
        what = f"what follows on the {rows} rows of the frame is not the header of another"
    return DataError(
        what,
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
        lines = source.text(start, body - start).split("\n")
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
