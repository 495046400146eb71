"""Rows of text to the fields of a trajectory, with errors that name their position.

A *plan* gives for each column what to do with its token: skip it, use it as the id or type of
the atom, or write it to component ``code % 3`` of field ``code // 3``. Rows are written to the
index of their id, so nothing is sorted afterwards. `rows` contains the compiled parser.
"""

import numpy as np

from trajmodes.arrays import Ints
from trajmodes.readers.text.floats import PADDING
from trajmodes.readers.text.lines import Bytes
from trajmodes.readers.text.rows import (
    DONE,
    EXTRA_ROWS,
    LONG_ROW,
    MISSING_ROWS,
    N_PENDING,
    NOT_A_NUMBER,
    NOT_FINITE,
    OTHER_TYPE,
    PAUSED,
    SECOND_ID,
    SHORT_ROW,
    UNKNOWN_ID,
    Target,
    Work,
    parse_rows,
)

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

    Nothing is needed before it: rows in its first `lines.BLOCK` bytes take the slower path.
    """
    buffer = np.empty(size + PADDING, dtype=np.uint8)
    buffer[size:] = 10
    return buffer


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
    status = PAUSED
    while status == PAUSED:
        status = parse_rows(text, places, first, target, work)
        _round_pending(text, target, work.pending[: work.state[N_PENDING]], places)
        work.state[N_PENDING] = 0
    if status != DONE:
        frame, row, column, at = work.state[:4].tolist()
        if status in {UNKNOWN_ID, SECOND_ID, OTHER_TYPE}:
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
            what = f"'{token_at(text, start)}' is not a finite number"
            raise TextFault(what, frame=frame, row=-1, column=-1, at=start)


def row_of(text: bytes, column: int | None, number: int) -> int:
    """Row of an atom among those of a frame, from 0.

    ``column`` is the column of the ids, None where atoms are in the order of the file;
    ``number`` is the id of the atom, or its index.
    """
    if column is None:
        return number
    ids = (int(row.split()[column]) for row in text.splitlines())
    return next(row for row, one in enumerate(ids) if one == number)


def token_at(text: Bytes, at: int) -> str:
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
    token = token_at(text, at)
    if status == NOT_A_NUMBER and token.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        status = NOT_FINITE
    comma = ": decimals must be written with a point" if "," in token else ""
    return {
        SHORT_ROW: f"the row ends before its {len(target.plan)} columns are complete",
        LONG_ROW: f"'{token}' follows the last of {len(target.plan)} columns",
        NOT_A_NUMBER: f"'{token}' is not a number{comma}",
        NOT_FINITE: f"'{token}' is not a finite number",
        UNKNOWN_ID: f"atom id {token} does not occur in the first frame",
        SECOND_ID: f"atom id {token} appears twice in one frame",
        OTHER_TYPE: f"the atom has type {token} here and another one in the first frame",
        MISSING_ROWS: "the frame has fewer rows than atoms",
        EXTRA_ROWS: f"'{token}' follows the last announced row of the frame",
    }[status]
