"""Frames of a LAMMPS text dump: their byte ranges, headers and boxes.

The file is read once, in pieces. Headers are parsed item by item and rows are only counted; the
rows of large frames are skipped if the next header is near its expected place. The result
consists of two tables of numbers with one row for each complete frame, which can be cached.
"""

import re
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.readers.lammps import header
from trajmodes.readers.lammps.header import Entry
from trajmodes.readers.text.floats import PADDING
from trajmodes.readers.text.parse import padded
from trajmodes.readers.text.source import BYTE_ORDER_MARK, TextSource

_CHUNK = 1 << 22
_CAPACITY = 4096
# Rows of frames of at least this size are skipped; a smaller window is read between them.
_SKIPPED_SIZE = 1 << 18
_PEEK = 1 << 16
_HEADER = re.compile(
    rb"\n(?:ITEM: UNITS\s*\n\S+\s*\n)?(?:ITEM: TIME\s*\n\S+\s*\n)?"
    rb"ITEM: TIMESTEP\s*\n\s*(-?\d{1,18})\s*\n"
)
# A match later than this cannot be one that lacks its first items.
_LONGEST_ITEMS = 1024
_MOST_BYTES_PER_NUMBER = 256
_LONGEST_WORD = 40
_FIXED_ATOMS = (
    "dump all atoms in every frame: no dynamic group, no 'dump_modify ID thresh', no lost atoms"
)
_BOUNDS = re.compile(rb"ITEM:\sBOX BOUNDS\b(.*)")
_SIDE = re.compile(r"[pfsm]{2}")
_KINDS = {"f": "fixed", "s": "shrink-wrapped", "m": "shrink-wrapped"}


class DumpIndex(NamedTuple):
    """Complete frames of one file, in its order."""

    entries: Ints
    """(t, 12) columns of `Entry`."""
    reals: Floats
    """(t, 13) time in the unit of the file (nan if not given), then the rows of the box."""
    incomplete: Ints
    """(2,) byte and step of an incomplete frame at the end of the file; −1, −1 if there is
    none, and step −1 if its header is incomplete.
    """


def index_dump(source: TextSource) -> DumpIndex:
    """Find all frames of a dump.

    Raises
    ------
    DataError
        If a header is not valid, the number of atoms is absurd or changes, or a frame has more
        or fewer rows than it announces.
    """
    return _index(source, same_count=True)


def index_piece(source: TextSource) -> DumpIndex:
    """Find all frames of a file that one processor wrote; it has other atoms in each frame."""
    return _index(source, same_count=False)


def _index(source: TextSource, *, same_count: bool) -> DumpIndex:
    scan = _Scan(source, same_count=same_count)
    with source.reading() as descriptor:
        while not scan.done:
            scan.advance(descriptor)
    entries = np.concatenate(scan.entries)
    scan.entries.clear()
    index = DumpIndex(entries, np.concatenate(scan.reals), scan.incomplete())
    _round_uncertain(source, index)
    _check_row_lengths(source, index)
    return index


class _Scan:
    """One pass through a file: a window of text, and the frames found so far."""

    def __init__(self, source: TextSource, *, same_count: bool) -> None:
        self.source = source
        self.entries: list[Ints] = []
        self.reals: list[Floats] = []
        self.position = 0
        self.done = False
        # One row more than is ever filled, for the incomplete frame.
        self._table = np.zeros((_CAPACITY + 1, len(Entry)), dtype=np.int64)
        self._real_table = np.zeros((_CAPACITY + 1, header.N_REALS))
        self._state = np.array([0, 0 if same_count else header.ANY_COUNT])
        self._buffer = padded(_CHUNK)
        self._recent = self._table[:0].copy()
        self._window_size = _CHUNK

    def advance(self, descriptor: int) -> None:
        """Read the next window."""
        n = min(self._window_size, self.source.size - self.position)
        self.source.fill(descriptor, self._buffer[:n], self.position)
        self._buffer[n : n + PADDING] = 10
        marked = self.position == 0 and self._buffer[:3].tobytes() == BYTE_ORDER_MARK
        status, at, count = header.find_frames(
            self._buffer[: n + PADDING],
            (3 if marked else 0, n, self.position, self.source.size),
            self._state,
            self._table,
            self._real_table,
        )
        self._keep(count)
        if status > header.FULL:
            self._raise(status, at, self._table[0])
        self.done = status == header.MORE and self.position + n == self.source.size
        if at == 0 and not self.done and n == _CHUNK:
            raise DataError(
                f"a line is longer than {n} bytes",
                where=f"{self.source.stamp.path}, byte {self.position}",
                why="this is not a LAMMPS text dump, or it is damaged",
            )
        skips = self._state[0] > 0 and not self.done and self._skip_rows(descriptor, n)
        self._window_size = _PEEK if skips else _CHUNK
        self.position = int(self._recent[-1, Entry.STOP]) if skips else self.position + at

    def _keep(self, count: int) -> None:
        """Store complete frames; one whose rows are still being counted moves to row 0."""
        self.entries.append(self._table[:count].copy())
        self.reals.append(self._real_table[:count].copy())
        self._recent = np.concatenate([self._recent, self.entries[-1][-2:]])[-2:]
        self._table[0], self._real_table[0] = self._table[count], self._real_table[count]

    def _skip_rows(self, descriptor: int, n: int) -> bool:
        """Skip the rows of a large frame up to the expected start of the next one.

        The start is checked: a complete header must be near it, the steps must continue at the
        same interval, and the rows so far must be as long as those of the previous frame, so
        that two frames are never taken for one. Otherwise rows are counted.
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
        if size < _SKIPPED_SIZE or not alike or start + 2 * margin >= self.source.size:
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

    def incomplete(self) -> Ints:
        """Byte and step of an incomplete frame at the end of the file."""
        if self._state[0] > 0:
            return self._table[0, [Entry.START, Entry.STEP]]
        return np.array([self.position if self.position < self.source.size else -1, -1])

    def _raise(self, status: int, at: int, entry: Ints) -> None:
        """Raise the error of a header, with its position."""
        found, place = sum(map(len, self.entries)), self.position + at
        if status == header.NO_ITEM and found:
            last = next(table[-1] for table in reversed(self.entries) if len(table))
            raise _wrong_row_count(self.source, last, found - 1)
        line, left = self.source.line_at(place), self.source.size - place
        first, atoms = int(self._state[1]), int(entry[Entry.ATOMS])
        word = (self.source.text(place, min(left, _LONGEST_WORD)).split() or [""])[0]
        what = {
            header.NO_ITEM: "a LAMMPS dump starts with a line 'ITEM: …', but this file does "
            "not",
            header.BAD_NUMBER: f"a header value is not a valid number: '{word}'"
            + (", decimals must be written with a point" if "," in word else ""),
            header.NO_STEP: "a header has no ITEM: TIMESTEP",
            header.NO_COUNT: "a header has no ITEM: NUMBER OF ATOMS",
            header.NO_BOX: "a header has no ITEM: BOX BOUNDS",
            header.NO_ROWS: "another header follows before the ITEM: ATOMS of the previous one",
            header.COUNT_CHANGED: f"the number of atoms changes from {first} to {atoms}",
            header.COUNT_ABSURD: f"a header announces {atoms} atoms, but {left} bytes follow",
        }[status]
        where = f"{self.source.stamp.path}, frame {found}, line {line}"
        fix = _FIXED_ATOMS if status == header.COUNT_CHANGED else ""
        raise DataError(what, where=where, fix=fix)


def _wrong_row_count(source: TextSource, entry: Ints, frame: int) -> DataError:
    """Error of a frame whose rows do not end at the next header; it gives their number."""
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
        what = f"the {rows} rows of the frame are not followed by another header"
    return DataError(
        what,
        where=f"{source.stamp.path}, frame {frame}, step {entry[Entry.STEP]}, "
        f"line {source.line_at(int(entry[Entry.BODY]))}",
        why="a run was appended after a crash, or the file was edited",
        fix=_FIXED_ATOMS,
    )


def _check_row_lengths(source: TextSource, index: DumpIndex) -> None:
    """Refuse rows of absurd length before any of them is loaded."""
    entries = index.entries
    sizes = entries[:, Entry.STOP] - entries[:, Entry.BODY]
    rows = sizes / np.maximum(entries[:, Entry.ATOMS], 1)
    most = _MOST_BYTES_PER_NUMBER * (4 + entries[:, Entry.COLUMNS_SIZE] // 2)
    long = np.flatnonzero(rows > most)
    if len(long):
        raise DataError(
            f"rows are {rows[long[0]]:.0f} bytes long on average",
            where=f"{source.stamp.path}, frame {long[0]}, step {entries[long[0], Entry.STEP]}",
            why="the file is damaged",
        )


def _round_uncertain(source: TextSource, index: DumpIndex) -> None:
    """Read headers again with Python's float where a number was left undecided."""
    for t in np.flatnonzero(index.entries[:, Entry.UNCERTAIN]):
        start, body = index.entries[t, [Entry.START, Entry.BODY]].tolist()
        lines = source.text(start, body - start).split("\n")
        for number, line in enumerate(lines):
            if line.startswith("ITEM: BOX BOUNDS"):
                tokens = " ".join(lines[number + 1 : number + 4]).split()
                index.reals[t, 1 : 1 + len(tokens)] = [float(token) for token in tokens]
            elif line.split() == ["ITEM:", "TIME"]:
                index.reals[t, 0] = float(lines[number + 1])


def box_vectors(kinds: Ints, rows: Floats) -> tuple[Floats, Floats]:
    """Box vectors as rows (t, 3, 3) and corners (t, 3) of all frames.

    LAMMPS writes the bounding box of a restricted triclinic cell; its manual gives the inverse
    relations on the page "Triclinic simulation boxes". ``kinds`` are the `Entry.BOX` (t,), and
    ``rows`` (t, 12) the rows of the box, one after the other.
    """
    cells, origins = np.zeros((len(kinds), 3, 3)), np.zeros((len(kinds), 3))
    general = kinds == 4
    abc = rows[general].reshape(-1, 3, 4)
    cells[general], origins[general] = abc[:, :, :3], abc[:, :, 3]
    for width in (2, 3):
        some = kinds == width
        bounds = rows[some, : 3 * width].reshape(-1, 3, width)
        tilt = bounds[:, :, 2] if width == 3 else np.zeros((len(bounds), 3))
        xy, xz, yz = tilt.T
        low, high = bounds[:, :, 0].copy(), bounds[:, :, 1].copy()
        shifts = np.stack([np.zeros_like(xy), xy, xz, xy + xz])
        low[:, 0] -= shifts.min(axis=0)
        high[:, 0] -= shifts.max(axis=0)
        low[:, 1] -= np.minimum(0.0, yz)
        high[:, 1] -= np.maximum(0.0, yz)
        box = np.zeros((len(bounds), 3, 3))
        # Absurd numbers may overflow; `flat_box` finds them.
        with np.errstate(over="ignore"):
            box[:, [0, 1, 2], [0, 1, 2]] = high - low
        box[:, 1, 0], box[:, 2, 0], box[:, 2, 1] = xy, xz, yz
        cells[some], origins[some] = box, low
    return cells, origins


def flat_box(cells: Floats) -> int | None:
    """First frame whose box vectors (t, 3, 3) are not a right-handed cell of finite volume."""
    # Absurd numbers may overflow; the volume is then not finite.
    with np.errstate(all="ignore"):
        volumes = np.linalg.det(cells)
    wrong = np.flatnonzero(~((volumes > 0.0) & np.isfinite(volumes)))
    return int(wrong[0]) if len(wrong) else None


def boundary_words(header: bytes) -> list[str]:
    """Words that describe the box in a header: its boundaries, such as pp, and abc or xy."""
    found = _BOUNDS.search(header)
    return found[1].decode("ascii", "replace").split() if found else []


def boundary_notes(words: list[str]) -> list[Note]:
    """Note directions that are not periodic; old headers do not name the boundaries."""
    sides = [word for word in words if _SIDE.fullmatch(word)]
    names = "abc" if "abc" in words else "xyz"
    open_sides = {name: side for name, side in zip(names, sides, strict=False) if side != "pp"}
    if not open_sides:
        return []
    kinds = " and ".join(
        dict.fromkeys(_KINDS[k] for s in open_sides.values() for k in s if k != "p")
    )
    flags = ", ".join(f"{name} ({side})" for name, side in open_sides.items())
    what = f"the box is not periodic but {kinds} along {flags}"
    what += "; all directions are taken as periodic"
    return [Note("warning", what, fix="boundary p p p", subject="box")]
