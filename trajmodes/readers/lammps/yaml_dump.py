"""LAMMPS dumps in YAML: frames by their marks, and rows by the parser of text dumps.

A frame begins with a line ``---`` and ends with a line ``...``; its rows are lists of numbers
(LAMMPS src/EXTRA-DUMP/dump_yaml.cpp). Brackets and commas are removed from the rows, which are
then parsed like those of a text dump. No YAML library is used.
"""

import re
import zlib
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import kernel
from trajmodes.readers.binary.frames import damaged
from trajmodes.readers.lammps.header import N_REALS, Entry
from trajmodes.readers.lammps.index import DumpIndex
from trajmodes.readers.text.parse import FrameRows, padded
from trajmodes.readers.text.scan import Bytes
from trajmodes.readers.text.source import TextSource

_HEAD = 1 << 14
_PIECE = 1 << 20
_END = b"\n...\n"
_LEAST_ROW = 8
"""Bytes of a row."""
_ROWS = re.compile(rb"^data:\s*\n", re.MULTILINE)
_BOX = re.compile(rb"^box:\s*\n((?:  - \[[^\]\n]*\]\s*\n){3,4})", re.MULTILINE)
_ITEMS = {
    name: re.compile(
        rb"^" + name.encode() + rb": (?:\[([^\n]*)\]|([^\s\[]+))\s*$", re.MULTILINE
    )
    for name in ("timestep", "units", "time", "natoms", "boundary", "keywords")
}
_MARKS = (44, 91, 93)
_NO_MARKS = bytes.maketrans(b"[],", b"   ")


def index_yaml(source: TextSource) -> DumpIndex:
    """Find all frames of a dump in YAML.

    Raises
    ------
    DataError
        If a header is not valid.
    """
    entries: list[list[int]] = []
    reals: list[Floats] = []
    at, step, size = 0, -1, _HEAD
    while at < source.size:
        head = source.data(at, min(_HEAD, source.size - at))
        where = f"{source.stamp.path}, frame {len(entries)}, byte {at}"
        if not b"---\n".startswith(head[:4]):
            raise damaged("a frame does not begin with ---", where)
        rows, step = _ROWS.search(head), -1
        if rows is None and len(head) == _HEAD:
            raise damaged(f"no line 'data:' follows within {_HEAD} bytes", where)
        if rows is None:
            break
        entry, real = _read_header(head[: rows.start()], at, where)
        step, body = entry[Entry.STEP], at + rows.end()
        stop = _find_end(source, body, size)
        if stop < 0:
            break
        if not 0 < entry[Entry.ATOMS] <= (stop - body) // _LEAST_ROW + 1:
            what = f"{entry[Entry.ATOMS]} atoms are announced, but {stop - body} bytes follow"
            raise damaged(what, where)
        size = stop + len(_END) - at
        entry |= {Entry.START: at, Entry.BODY: body, Entry.STOP: stop + 1}
        entries.append([entry.get(name, 0) for name in Entry])
        reals.append(real)
        at = stop + len(_END)
    return DumpIndex(
        np.array(entries, dtype=np.int64).reshape(-1, len(Entry)),
        np.array(reals).reshape(-1, N_REALS),
        np.array([at, step] if at < source.size else [-1, -1]),
    )


def yaml_boundaries(header: bytes) -> list[str]:
    """Boundaries in a header as a text dump writes them, such as pp."""
    found = _ITEMS["boundary"].search(header)
    text = (found[1] or b"").decode("ascii", "replace") if found else ""
    sides = "".join(text.replace(",", " ").split())
    return [sides[k : k + 2] for k in range(0, len(sides), 2)]


def _find_end(source: TextSource, at: int, size: int) -> int:
    """Byte of the line break before the end of a frame; −1 if the file ends before.

    ``size`` is that of the frame before.
    """
    tail = b""
    while at < source.size:
        text = tail + source.data(at, min(min(size, _PIECE) + _HEAD, source.size - at))
        found = text.find(_END)
        if found >= 0:
            return at - len(tail) + found
        at, tail = at + len(text) - len(tail), text[1 - len(_END) :]
    return -1


def _read_header(head: bytes, at: int, where: str) -> tuple[dict[Entry, int], Floats]:
    """Integers and reals of the tables of frames."""
    found = {name: item.search(head) for name, item in _ITEMS.items()}
    box, real = _BOX.search(head), np.full(N_REALS, np.nan)
    missing = [name for name in ("timestep", "natoms", "keywords") if found[name] is None]
    if missing or box is None:
        raise damaged(f"the header has no {', '.join([*missing, 'box'][:1])}", where)
    try:
        step, n_atoms = (int(found[name][2] or b"x") for name in ("timestep", "natoms"))  # type: ignore[index] # not missing
        real[0] = float(found["time"][2] or b"x") if found["time"] else np.nan
        lines = box[1].translate(_NO_MARKS).splitlines()
        rows = [[float(word) for word in line.split()[1:]] for line in lines]
    except ValueError as error:
        raise damaged(f"a number of the header is not valid: {error}", where) from None
    widths = [len(row) for row in rows]
    numbers = np.array([number for row in rows[:3] for number in row])
    if widths not in ([2, 2, 2], [2, 2, 2, 3]) or abs(step) >= 1 << 62 or n_atoms >= 1 << 62:
        raise damaged(f"the box has rows of {widths} numbers", where)
    if not np.isfinite(numbers).all() or (found["time"] and not np.isfinite(real[0])):
        raise damaged("a number of the box, or the time, is not finite", where)
    if len(rows) == 4:
        numbers = np.column_stack([numbers.reshape(3, 2), rows[3]]).ravel()
    real[1 : 1 + len(numbers)] = numbers
    entry = {Entry.STEP: step, Entry.ATOMS: n_atoms, Entry.BOX: len(numbers) // 3}
    texts = [bytes(str(widths), "ascii")]
    for name, place, size in (
        ("keywords", Entry.COLUMNS_AT, Entry.COLUMNS_SIZE),
        ("units", Entry.UNITS_AT, Entry.UNITS_SIZE),
        ("boundary", None, None),
    ):
        item = found[name]
        if item is None:
            continue
        group = 1 if item[1] is not None else 2
        texts.append(item[group])
        if place is not None and size is not None:
            entry |= {place: at + item.start(group), size: len(item[group])}
    return entry | {Entry.LAYOUT: zlib.crc32(b"\n".join(texts))}, real


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class YamlRows(FrameRows):
    """Byte ranges of the rows of frames in YAML, and how they are parsed."""

    def plain(self, text: bytes) -> bytes:
        """Rows without brackets and commas."""
        return text.replace(b"  - [", b"").translate(_NO_MARKS)

    def plain_frames(self, text: Bytes, spans: Ints) -> tuple[Bytes, Ints]:
        """Rows of frames without brackets and commas, and their byte ranges."""
        # Marks only go: the text becomes no longer.
        out, places = padded(int((spans[:, 1] - spans[:, 0]).sum())), np.empty_like(spans)
        _take_out(text, spans, out, places)
        out[int(places[-1, 1]) :] = 10
        return out, places


@kernel(error_model="numpy")
def _take_out(text: Bytes, spans: Ints, out: Bytes, places: Ints) -> None:
    """Copy rows with single blanks between their numbers, and nothing else."""
    to = 0
    for t in range(len(spans)):
        places[t, 0] = to
        gap, begins = False, True
        for at in range(spans[t, 0], spans[t, 1]):
            byte = text[at]
            if byte == 10:
                out[to] = 10
                to += 1
                gap, begins = False, True
            elif byte <= 32 or byte in _MARKS or (byte == 45 and begins and text[at + 1] == 32):
                gap = True
            else:
                if gap and not begins:
                    out[to] = 32
                    to += 1
                out[to] = byte
                to += 1
                gap, begins = False, False
        places[t, 1] = to
