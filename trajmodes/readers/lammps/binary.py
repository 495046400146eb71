"""LAMMPS binary dumps (``.bin``): frames by their headers, and rows of doubles to fields.

The layout is that of ``DumpCustom::write_header`` of LAMMPS since 2020, revision 2: a magic
string with its length, the byte order, step, atoms, box, units, time, names of the columns;
then for each processor that wrote a part, a count of doubles and the doubles. Nothing is
aligned. Older files have neither the magic string nor names of their columns.

The bytes are read in pieces that fit the cache of the processor, not mapped: a file that
shrinks while it is mapped ends the program.
"""

import struct
import sys
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.lammps.header import N_REALS, Entry
from trajmodes.readers.lammps.index import DumpIndex
from trajmodes.readers.lammps.recognise import BINARY_NAMES
from trajmodes.readers.text.parse import FrameRows
from trajmodes.readers.text.rows import ID, TYPE, index_of_id
from trajmodes.readers.text.scan import Bytes, load_integer, load_real
from trajmodes.readers.text.source import TextSource

_REVISION = 2
_HEAD = 1024
_LONGEST_HEAD = 1 << 20
_BOX_WIDTH = {0: 2, 1: 3, 2: 4}
"""Numbers in a row of the box, by LAMMPS's flag: orthogonal, restricted, general triclinic."""
_SIDES = "pfsm"
_LONGEST_STYLE = 16
_EXACT = float(1 << 53)

_DONE, _BAD_ROWS, _NOT_FINITE, _UNKNOWN_ID, _SECOND_ID, _OTHER_TYPE = range(6)


class _Header(NamedTuple):
    """Contents of a header; places are relative to its first byte."""

    order: str
    """Order of bytes, < or >."""
    step: int
    n_atoms: int
    box: int
    numbers: Floats
    """Rows of the box as in a text dump."""
    sides: tuple[int, ...]
    width: int
    """Numbers in a row of an atom."""
    units: tuple[int, int]
    """Place and size of the name of the unit style."""
    time: float
    columns: tuple[int, int]
    """Place and size of the names of the columns."""
    n_chunks: int
    size: int
    layout: int
    """Hash of the kind of the box, the boundaries, the units and the names of the columns."""

    def entry(self, start: int, stop: int) -> list[int]:
        """Row of the table of frames for the frame between two bytes."""
        known = {
            Entry.START: start,
            Entry.BODY: start + self.size,
            Entry.STOP: stop,
            Entry.STEP: self.step,
            Entry.ATOMS: self.n_atoms,
            Entry.BOX: self.box,
            Entry.COLUMNS_AT: start + self.columns[0],
            Entry.COLUMNS_SIZE: self.columns[1],
            Entry.UNITS_AT: start + self.units[0],
            Entry.UNITS_SIZE: self.units[1],
            Entry.LAYOUT: self.layout,
        }
        return [known.get(name, 0) for name in Entry]


def index_binary(source: TextSource) -> DumpIndex:
    """Find all frames of a binary dump.

    Raises
    ------
    DataError
        If a header is not valid, or of another revision.
    """
    entries: list[list[int]] = []
    reals: list[Floats] = []
    at, step = 0, -1
    with source.reading() as descriptor:
        while at < source.size:
            where = f"{source.stamp.path}, frame {len(entries)}, byte {at}"
            found = _read_header(source, descriptor, at, where)
            step = -1 if found is None else found.step
            if found is None:
                break
            stop = _end_of_parts(source, descriptor, at + found.size, found, where)
            if stop > source.size:
                break
            entries.append(found.entry(at, stop))
            real = np.full(N_REALS, np.nan)
            real[0], real[1 : 1 + len(found.numbers)] = found.time, found.numbers
            reals.append(real)
            at = stop
    return DumpIndex(
        np.array(entries, dtype=np.int64).reshape(-1, len(Entry)),
        np.array(reals).reshape(-1, N_REALS),
        np.array([at, step] if at < source.size else [-1, -1]),
    )


def binary_boundaries(header: bytes) -> list[str]:
    """Boundaries in a header as a text dump writes them, such as pp."""
    words = "".join(_SIDES[side] for side in _parse(header, "").sides)
    return [words[k : k + 2] for k in (0, 2, 4)]


def _read_header(source: TextSource, descriptor: int, at: int, where: str) -> _Header | None:
    """Read the header at a byte; None if the file ends within it."""
    for size in (_HEAD, _LONGEST_HEAD):
        data = np.empty(min(size, source.size - at), dtype=np.uint8)
        source.fill(descriptor, data, at)
        try:
            return _parse(data.tobytes(), where)
        except struct.error:
            if len(data) < size:
                return None
    raise damaged(f"a header is longer than {_LONGEST_HEAD} bytes", where)


def _parse(data: bytes, where: str) -> _Header:
    """Read the fields of a header; struct.error if the data end before it does."""
    order, at = _byte_order(data, where)
    step, n_atoms, kind, *sides = struct.unpack_from(order + "2q7i", data, at)
    at += 44
    width = n_units = 0
    if kind not in _BOX_WIDTH or not all(0 <= side < len(_SIDES) for side in sides):
        raise damaged(f"the box is of kind {kind} with the boundaries {sides}", where)
    box = _BOX_WIDTH[kind]
    raw = np.array(struct.unpack_from(f"{order}{3 * box}d", data, at))
    at += 24 * box
    width, n_units = struct.unpack_from(order + "2i", data, at)
    if not 0 <= n_units <= _LONGEST_STYLE:
        raise damaged(f"the name of the units has {n_units} bytes", where)
    units = (at + 8, n_units)
    at += 8 + n_units
    timed = struct.unpack_from("b", data, at)[0]
    if timed not in (0, 1):
        raise damaged(f"the mark of the time is {timed}", where)
    time = struct.unpack_from(order + "d", data, at + 1)[0] if timed else np.nan
    at += 9 if timed else 1
    (n_names,) = struct.unpack_from(order + "i", data, at)
    if not 0 < n_names < _LONGEST_HEAD:
        raise damaged(f"the names of the columns have {n_names} bytes", where)
    columns = (at + 4, n_names)
    at += 4 + n_names
    (n_chunks,) = struct.unpack_from(order + "i", data, at)
    names = data[columns[0] : columns[0] + n_names]
    if width != len(names.split()) or not names.isascii() or b"\0" in names:
        raise damaged(f"rows of {width} numbers have the columns {names[:80]!r}", where)
    if not np.isfinite(raw).all() or (timed and not np.isfinite(time)):
        raise damaged("a number of the box, or the time, is not finite", where)
    if step < 0 or n_atoms < 0 or n_chunks < 1:
        raise damaged(f"step {step} has {n_atoms} atoms in {n_chunks} parts", where)
    corner = {2: raw[:0], 3: raw[6:], 4: raw[9:]}[box]
    vectors = raw[: len(raw) - len(corner)].reshape(3, -1)
    numbers = np.column_stack([vectors, corner]) if len(corner) else vectors
    layout = zlib.crc32(b" ".join([bytes([box, *sides]), data[units[0] : sum(units)], names]))
    return _Header(
        order, step, n_atoms, box, numbers.ravel(), tuple(sides), width, units, time, columns,
        n_chunks, at + 4, layout,
    )  # fmt: skip


def _byte_order(data: bytes, where: str) -> tuple[str, int]:
    """Order of bytes (< or >) of a header, and the byte after its revision."""
    starts = {
        struct.pack(order + "q", -len(n)) + n: order for order in "<>" for n in BINARY_NAMES
    }
    found = next((start for start in starts if data.startswith(start)), None)
    if found is None and any(start.startswith(data) for start in starts):
        raise struct.error
    if found is None:
        raise DataError(
            "a frame does not begin as in a binary dump of LAMMPS",
            where=where,
            why="the file is damaged, or LAMMPS before 2020 wrote it, without column names",
            fix="write a text dump from a restart: dump ID all custom N FILE.lammpstrj …",
        )
    order, at = starts[found], len(found)
    mark, revision = struct.unpack_from(order + "2i", data, at)
    if (mark, revision) != (1, _REVISION):
        raise DataError(
            f"the byte order is {mark} and the revision {revision}; only 1 and {_REVISION} "
            "are read",
            where=where,
            why="the file is damaged, or another version of LAMMPS wrote it",
            fix="write a text dump: dump ID all custom N FILE.lammpstrj …",
        )
    return order, at + 8


def _end_of_parts(
    source: TextSource, descriptor: int, at: int, found: _Header, where: str
) -> int:
    """Byte at which the numbers of a frame end; beyond the file if it ends before."""
    left = found.n_atoms * found.width
    count = np.empty(4, dtype=np.uint8)
    for _ in range(found.n_chunks):
        if at + 4 > source.size:
            return source.size + 1
        source.fill(descriptor, count, at)
        (size,) = struct.unpack(found.order + "i", count.tobytes())
        if not 0 <= size <= left or size % found.width:
            what = f"a part of {size} numbers begins where {left} of the frame are left"
            raise damaged(what, f"{where}, part at byte {at}")
        at, left = at + 4 + 8 * size, left - size
    if left:
        raise damaged(f"{left} numbers of step {found.step} are missing", where)
    return at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BinaryRows(FrameRows):
    """Byte ranges of the rows of frames in binary dumps, and how they are read."""

    exact: ClassVar[bool] = True

    def place(self, frame: int, atom: int) -> str:
        """File, frame and id of an atom; a binary dump has no lines."""
        return f"{self.name_of(frame)}, atom {self.ids[atom] if len(self.ids) else atom}"

    def _fill_piece(self, low: int, high: int, first: int, fields: Floats) -> None:
        """Read frames [low, high) of one piece into the fields from frame ``first`` on."""
        source, plan = self.source_of(low), self.plans[self.order[low]]
        offset = int(self.spans[low, 0])
        spans = self.spans[low:high] - offset
        data = np.empty(int(spans[-1, 1]), dtype=np.uint8)
        with source.reading() as descriptor:
            source.fill(descriptor, data, offset)
            order, _ = _byte_order(source.data(0, min(source.size, _HEAD)), self.name_of(low))
        if (order == "<") != (sys.byteorder == "little"):
            _swap(data, spans)
        ids, types = (np.require(part, np.int64, ["C", "W"]) for part in (self.ids, self.types))
        codes = plan.tolist()
        id_column = codes.index(ID) if ID in codes and len(ids) else -1
        type_column = codes.index(TYPE) if TYPE in codes and len(types) else -1
        step = fields[0].size
        target = _Target(
            ids=ids,
            types=types,
            fields=fields.reshape(-1),
            seen=np.full(fields.shape[2], -1, dtype=np.int64),
            columns=(len(codes), id_column, type_column),
            moves=np.array(
                [
                    (8 * column, (code // 3) * step + code % 3)
                    for column, code in enumerate(codes)
                    if code >= 0
                ]
            ).reshape(-1, 2),
        )
        status, t, row, column = _scatter(data, spans, first, target)
        if status == _DONE:
            return
        names = self.columns[self.order[low]]
        what = {
            _BAD_ROWS: "the parts of the frame do not contain one row for each atom",
            _NOT_FINITE: "a number is not finite",
            _UNKNOWN_ID: "an atom id does not occur in the first frame",
            _SECOND_ID: "an atom id appears twice in one frame",
            _OTHER_TYPE: "an atom has another type than in the first frame",
        }[status]
        where = f"{self.name_of(low + t)}, row {row}"
        raise DataError(
            what, where=where + (f", column {names[column]}" if column >= 0 else "")
        )


def _swap(data: Bytes, spans: Ints) -> None:
    """Change the order of bytes of all parts in place."""
    for start, stop in spans.tolist():
        at = start
        while at + 4 <= stop:
            data[at : at + 4] = data[at : at + 4][::-1].copy()
            end = at + 4 + 8 * int(data[at : at + 4].view(np.int32)[0])
            words = data[at + 4 : end].reshape(-1, 8)
            words[:] = words[:, ::-1].copy()
            at = end


class _Target(NamedTuple):
    """Destination of the numbers of frames."""

    ids: Ints
    types: Ints
    fields: Floats
    """All fields (f, t, a, 3) as one row of numbers."""
    seen: Ints
    """(a,) last frame in which the atom was read."""
    columns: tuple[int, int, int]
    """Number of columns, and those of ids and types; −1 where they are not read."""
    moves: Ints
    """(n, 2) byte of a number in its row, and its place in the fields for the first atom of the
    first frame."""


@inner_kernel(error_model="numpy")
def _read_part(
    place: int, rows: tuple[int, int], frames: tuple[int, int], target: _Target
) -> tuple[int, int, int]:
    """Write rows [low, high) of a frame from an address on: (status, row, column).

    ``frames`` are the number of the frame, and its index in the fields.
    """
    width, id_column, type_column = target.columns
    moves, fields, seen = target.moves, target.fields, target.seen
    ids, types = target.ids, target.types
    base = 3 * frames[1] * len(seen)
    for row in range(rows[0], rows[1]):
        atom, known = row, True
        if id_column >= 0:
            value = load_real(place + 8 * id_column)
            atom = index_of_id(ids, np.int64(value)) if abs(value) < _EXACT else -1
            known = atom >= 0 and ids[atom] == value
        if not known:
            return _UNKNOWN_ID, row, id_column
        if seen[atom] == frames[0]:
            return _SECOND_ID, row, id_column
        seen[atom] = frames[0]
        if type_column >= 0 and load_real(place + 8 * type_column) != types[atom]:
            return _OTHER_TYPE, row, type_column
        to = base + 3 * atom
        zero = 0.0
        for k in range(len(moves)):
            value = load_real(place + moves[k, 0])
            fields[np.uint64(to + moves[k, 1])] = value
            # A number that is not finite makes the sum nan.
            zero += value - value
        if zero != 0.0:
            for k in range(len(moves)):
                if not np.isfinite(load_real(place + moves[k, 0])):
                    return _NOT_FINITE, row, moves[k, 0] // 8
        place += 8 * width
    return _DONE, 0, -1


@kernel(error_model="numpy")
def _scatter(
    data: Bytes, spans: Ints, first: int, target: _Target
) -> tuple[int, int, int, int]:
    """Write the rows of frames to their atoms: (status, frame, row, column)."""
    address: Any = np.int64(data.ctypes.data)
    width, n_atoms = target.columns[0], len(target.seen)
    for t in range(len(spans)):
        at, stop, row = spans[t, 0], spans[t, 1], 0
        while at + 4 <= stop:
            n_rows = load_integer(address + at) // width
            at += 4
            if n_rows < 0 or at + 8 * width * n_rows > stop or row + n_rows > n_atoms:
                return _BAD_ROWS, t, row, -1
            rows = (row, row + n_rows)
            status, row, column = _read_part(address + at, rows, (t, first + t), target)
            if status != _DONE:
                return status, t, row, column
            at, row = at + 8 * width * n_rows, rows[1]
        if row != n_atoms or at != stop:
            return _BAD_ROWS, t, row, -1
    return _DONE, 0, 0, 0
