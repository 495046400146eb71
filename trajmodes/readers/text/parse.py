"""Rows of text to the fields of a trajectory, with errors that name their position.

A *plan* determines for each column the use of its token: skip it, use it as the id or type of
the atom, or write it to component ``code % 3`` of field ``code // 3``. Rows are written to the
index of their id, so that nothing is sorted afterwards. `rows` contains the compiled parser.

Frames are parsed from byte ranges: a read loads the text of a few frames at a time (about
`_PIECE` bytes, or one frame if that is larger), and parses it into the returned arrays. Every
read opens the files again, so that any number of threads and processes can read at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError
from trajmodes.readers.text import rows
from trajmodes.readers.text.floats import PADDING
from trajmodes.readers.text.rows import ID, Target, Work, parse_rows
from trajmodes.readers.text.scan import Bytes
from trajmodes.readers.text.source import TextSource

_PIECE = 1 << 21
_PENDING = 256
_EDGES = 2048
_SPACES = frozenset(b" \t\n\v\f\r")


class TextFault(Exception):  # noqa: N818 - becomes a DataError
    """Invalid text and its position; a DataError once the file is named."""

    def __init__(self, what: str, *, frame: int, row: int, column: int, at: int) -> None:
        super().__init__(what)
        self.what, self.frame, self.row, self.column, self.at = what, frame, row, column, at


def padded(size: int) -> Bytes:
    """Buffer for a text of ``size`` bytes, followed by the newlines that the kernels rely on.

    Nothing is needed before it: rows in its first `scan.BLOCK` bytes take the slower path.
    """
    buffer = np.empty(size + PADDING, dtype=np.uint8)
    buffer[size:] = 10
    return buffer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameRows:
    """Byte ranges of the rows of frames, and how they are parsed."""

    exact: ClassVar[bool] = False
    """Whether numbers are written as doubles rather than as text."""
    sources: tuple[TextSource, ...]
    columns: tuple[tuple[str, ...], ...]
    """Names of the columns for messages; one list for each order of the columns."""
    plans: tuple[Ints, ...]
    """(c,) plan for each order of the columns."""
    ids: Ints
    """(a,) sorted ids; empty if rows are taken in the order of the file."""
    types: Ints
    """(a,) types that the rows must have; empty if they have none."""
    file: Ints
    """(t,) index into ``sources``."""
    order: Ints
    """(t,) index into ``columns`` and ``plans``."""
    numbers: Ints
    """(t,) number of the frame, for messages."""
    steps: Ints
    """(t,) simulation step, for messages."""
    spans: Ints
    """(t, 2) bytes at which the rows start and stop."""

    def fill(self, start: int, stop: int, fields: Floats) -> None:
        """Parse frames [start, stop) into fields (f, t, a, 3).

        Raises
        ------
        DataError
            If the text is invalid, or the file has changed.
        """
        for low, high in self._pieces(start, stop):
            self._fill_piece(low, high, low - start, fields)

    def source_of(self, frame: int) -> TextSource:
        """Text that contains a frame."""
        return self.sources[int(self.file[frame])]

    def name_of(self, frame: int) -> str:
        """File, number and step of a frame, for messages."""
        path = self.source_of(frame).stamp.path
        return f"{path}, frame {self.numbers[frame]}, step {self.steps[frame]}"

    def place(self, frame: int, atom: int) -> str:
        """File and line of an atom in a frame."""
        source, (start, stop) = self.source_of(frame), self.spans[frame].tolist()
        row = atom
        if len(self.ids):
            column = int(np.flatnonzero(self.plans[self.order[frame]] == ID)[0])
            lines = self.plain(source.data(start, stop - start)).splitlines()
            ids = (int(line.split()[column]) for line in lines)
            row = next(number for number, one in enumerate(ids) if one == self.ids[atom])
        return f"{source.stamp.path}, {source.line_name(start, row)}"

    def plain(self, text: bytes) -> bytes:
        """Rows of numbers that are separated by blanks alone."""
        return text

    def plain_frames(self, text: Bytes, spans: Ints) -> tuple[Bytes, Ints]:
        """Rows of frames that are separated by blanks alone, and their byte ranges."""
        return text, spans

    def tokens(self, frame: int, most: int | None = None) -> list[list[str]]:
        """Tokens of the complete rows of a frame, or of those within its first bytes."""
        source = self.source_of(frame)
        start, stop = self.spans[frame].tolist()
        text = self.plain(source.sample(start, min(stop - start, most or stop - start)))
        lines = text.split(b"\n")
        # Split bytes, as the kernels do: str.split also splits at blanks of other alphabets.
        split = [line.split() for line in lines[:-1]]
        return [[token.decode("utf-8", "replace") for token in row] for row in split if row]

    def _pieces(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Divide frames [start, stop) into ranges that are read and parsed together."""
        arrays = (self.file, self.order, self.spans)
        files, orders, spans = (array[start:stop].tolist() for array in arrays)
        low = 0
        for t in range(1, stop - start + 1):
            if (
                t == stop - start
                or files[t] != files[low]
                or orders[t] != orders[low]
                or spans[t][0] < spans[t - 1][1]
                or spans[t][1] - spans[low][0] > _PIECE
            ):
                yield start + low, start + t
                low = t

    def _fill_piece(self, low: int, high: int, first: int, fields: Floats) -> None:
        """Parse frames [low, high) of one piece into the fields from frame ``first`` on."""
        source, order = self.source_of(low), self.order[low]
        offset = int(self.spans[low, 0])
        spans = self.spans[low:high] - offset
        size = int(spans[-1, 1])
        text = padded(size)
        target = Target(self.plans[order], self.ids, self.types, fields)
        try:
            with source.reading() as descriptor:
                source.fill(descriptor, text[:size], offset)
                text, spans = self.plain_frames(text, spans)
            fill_rows(text, spans, first, target)
        except TextFault as fault:
            names = self.columns[order]
            column = f", column {names[fault.column]}" if 0 <= fault.column < len(names) else ""
            # Lines are kept where other marks are taken out.
            above = text[int(spans[fault.frame, 0]) : fault.at]
            below = int(np.count_nonzero(above == 10))
            line = source.line_name(int(self.spans[low + fault.frame, 0]), below)
            where = f"{self.name_of(low + fault.frame)}, {line}{column}"
            raise DataError(fault.what, where=where) from None


def fill_rows(text: Bytes, places: Ints, first: int, target: Target) -> None:
    """Parse the rows of consecutive frames into ``target.fields``.

    Parameters
    ----------
    text
        The bytes, with `PADDING` newlines after the last frame.
    places
        (n, 2) offsets where the rows of each frame start and stop.
    first
        Index of the first of these frames on the t axis of the fields.
    target
        Plan of the columns and arrays to fill.

    Raises
    ------
    TextFault
        If a token is not a finite number, a row is too short or too long, an id is unknown or
        occurs twice, a type changes, or more rows follow than were announced. Its frame is
        counted from the first of these frames.
    """
    # One signature only: the kernels are compiled for writable arrays.
    plan, ids, types = (np.require(part, np.int64, ["C", "W"]) for part in target[:3])
    target = Target(plan, ids, types, target.fields)
    n_columns, n_atoms = len(plan), target.fields.shape[2]
    work = Work(
        state=np.zeros(5, dtype=np.int64),
        seen=np.full(n_atoms, -1, dtype=np.int64),
        edges=np.empty(_EDGES + 2 * n_columns, dtype=np.int64),
        rows=np.empty(_EDGES // 2 + n_columns, dtype=np.int64),
        values=np.empty(n_columns),
        tokens=np.empty((n_columns, 3), dtype=np.int64),
        pending=np.empty((_PENDING + n_columns, 3), dtype=np.int64),
    )
    status = rows.PAUSED
    while status == rows.PAUSED:
        status = parse_rows(text, places, first, target, work)
        _round_pending(text, target, work.pending[: work.state[rows.N_PENDING]], places)
        work.state[rows.N_PENDING] = 0
    if status != rows.DONE:
        frame, row, column, at = work.state[:4].tolist()
        if status in {rows.UNKNOWN_ID, rows.SECOND_ID, rows.OTHER_TYPE}:
            at = _offset_of_token(text, at, column)
        what = _describe(status, text, at, target)
        raise TextFault(what, frame=frame, row=row, column=column, at=at)


def _round_pending(text: Bytes, target: Target, pending: Ints, places: Ints) -> None:
    """Round with Python's float the tokens that the kernel left undecided."""
    flat = target.fields.reshape(-1)
    for place, start, stop in pending.tolist():
        flat[place] = float(text[start:stop].tobytes())
        if not np.isfinite(flat[place]):
            frame = int(np.searchsorted(places[:, 0], start, side="right")) - 1
            what = f"'{_token_at(text, start)}' is not a finite number"
            raise TextFault(what, frame=frame, row=-1, column=-1, at=start)


def _token_at(text: Bytes, at: int) -> str:
    """Find the token around an offset, cut at 40 characters, for messages."""
    start = at
    while start > 0 and text[start - 1] > 32 and at - start < 40:
        start -= 1
    line = text[start : start + 40].tobytes().split()
    # Bytes that cannot be printed, such as zeros, are escaped.
    return repr(line[0].decode("utf-8", "replace"))[1:-1] if line else ""


def _offset_of_token(text: Bytes, at: int, column: int) -> int:
    """Offset of the token of a column in the row that starts at an offset."""
    for _ in range(column + 1):
        while text[at] in _SPACES:
            at += 1
        start = at
        while text[at] not in _SPACES:
            at += 1
    return start


def _describe(status: int, text: Bytes, at: int, target: Target) -> str:
    token = _token_at(text, at)
    if status == rows.NOT_A_NUMBER and token.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        status = rows.NOT_FINITE
    comma = ": decimals must be written with a point" if "," in token else ""
    return {
        rows.SHORT_ROW: f"the row ends before its {len(target.plan)} columns are complete",
        rows.LONG_ROW: f"'{token}' follows the last of {len(target.plan)} columns",
        rows.NOT_A_NUMBER: f"'{token}' is not a number{comma}",
        rows.NOT_FINITE: f"'{token}' is not a finite number",
        rows.UNKNOWN_ID: f"atom id {token} does not occur in the first frame",
        rows.SECOND_ID: f"atom id {token} appears twice in one frame",
        rows.OTHER_TYPE: f"the atom has type {token} here and another one in the first frame",
        rows.MISSING_ROWS: "the frame has fewer rows than atoms",
        rows.EXTRA_ROWS: f"'{token}' follows the last announced row of the frame",
    }[status]
