"""Rows of numbers to arrays: one pass over the text of many frames, compiled.

A *plan* tells for each column what to do with its token: skip it, take it as the atom's id or
type, or write it to component ``code % 3`` of field ``code // 3``. Rows land in the place of
their id, so nothing has to be sorted afterwards.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from trajmodes.arrays import Floats, Ints
from trajmodes.readers.decimals import (
    DECIDED,
    PADDING,
    UNDECIDED,
    WRONG,
    parse_decimal,
    parse_integer,
)

__all__ = ["ID", "SKIP", "TYPE", "Bytes", "Target", "TextFault", "fill_rows", "padded", "token_at"]

Bytes = npt.NDArray[np.uint8]

SKIP, ID, TYPE = -1, -2, -3
"""Codes of a plan; any number from zero on is a place among the fields."""

_DONE, _PAUSED = 0, 1
_SHORT_ROW, _LONG_ROW, _NOT_A_NUMBER, _NOT_FINITE = 2, 3, 4, 5
_UNKNOWN_ID, _SECOND_ID, _OTHER_TYPE, _EXTRA_ROWS = 6, 7, 8, 9
_PENDING = 256


class Target(NamedTuple):
    """Where the numbers of a run of frames go."""

    plan: Ints
    """(c,) code of each column."""
    ids: Ints
    """(a,) sorted ids, or empty: rows are then taken in the order of the file."""
    types: Ints
    """(a,) types that the rows must have; read only where the plan has TYPE."""
    fields: Floats
    """(f, t, a, 3) what is filled."""


class TextFault(Exception):  # noqa: N818 - not an error to the user yet: the reader adds the file
    """Text that is not what it should be, with its place; a reader turns it into a DataError."""

    def __init__(self, what: str, *, frame: int, row: int, column: int, at: int) -> None:
        super().__init__(what)
        self.what, self.frame, self.row, self.column, self.at = what, frame, row, column, at


def padded(size: int) -> Bytes:
    """Buffer for a text of some bytes, with the newlines behind it that the kernels rely on."""
    buffer = np.empty(size + PADDING, dtype=np.uint8)
    buffer[size:] = 10
    return buffer


def fill_rows(text: Bytes, places: Ints, first: int, target: Target) -> None:
    """Parse the rows of consecutive frames into ``target.fields``.

    Parameters
    ----------
    text
        The bytes, with `PADDING` newlines behind the last frame.
    places
        (n, 2) where the rows of each frame start and stop in the text.
    first
        Place of the first of these frames on the t axis of the fields.
    target
        What to do with the columns, and where the numbers go.

    Raises
    ------
    TextFault
        If a token is not a number, a number not finite, a row too short or too long, an id
        unknown or used twice, a type another one, or if rows follow that were not announced.
        Its frame is counted from the first of these frames.
    """
    pending = np.empty((_PENDING + len(target.plan), 3), dtype=np.int64)
    seen = np.full(target.fields.shape[2], -1, dtype=np.int64)
    at = int(places[0, 0]) if len(places) else 0
    state = (_PAUSED, 0, 0, 0, at, 0)
    while state[0] == _PAUSED:
        state = _parse_rows(text, places, first, target, (seen, pending), state[1:])
        _settle(text, target, pending[: state[5]], places)
    if state[0] != _DONE:
        status, frame, row, column, at, _ = state
        what = _describe(status, text, at, target)
        raise TextFault(what, frame=frame, row=row, column=column, at=at)


def _settle(text: Bytes, target: Target, pending: Ints, places: Ints) -> None:
    """Let Python's float round what the kernel could not decide."""
    flat = target.fields.reshape(-1)
    for place, start, stop in pending.tolist():
        flat[place] = float(text[start:stop].tobytes())
        if not np.isfinite(flat[place]):
            frame = int(np.searchsorted(places[:, 0], start, side="right")) - 1
            what = f"'{token_at(text, start)}' is not a finite number"
            raise TextFault(what, frame=frame, row=-1, column=-1, at=start)


def token_at(text: Bytes, at: int) -> str:
    """The token around a place in the text, cut at 40 characters, for messages."""
    start = at
    while start > 0 and text[start - 1] > 32 and at - start < 40:
        start -= 1
    line = text[start : start + 40].tobytes().decode("utf-8", "replace").split()
    return line[0] if line else ""


def _describe(status: int, text: Bytes, at: int, target: Target) -> str:
    token = token_at(text, at)
    if status == _NOT_A_NUMBER and token.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        status = _NOT_FINITE
    comma = ": decimals must be written with a point" if "," in token else ""
    return {
        _SHORT_ROW: f"the row ends before its {len(target.plan)} columns are complete",
        _LONG_ROW: f"'{token}' stands behind the last of {len(target.plan)} columns",
        _NOT_A_NUMBER: f"'{token}' is not a number{comma}",
        _NOT_FINITE: f"'{token}' is not a finite number",
        _UNKNOWN_ID: f"atom id {token} is not among those of the first frame",
        _SECOND_ID: f"atom id {token} appears twice in one frame",
        _OTHER_TYPE: f"the atom has type {token} here and another one in the first frame",
        _EXTRA_ROWS: f"'{token}' follows where the last row of the frame was announced",
    }[status]


@njit(nogil=True, cache=True)
def _place_of(ids: Ints, wanted: int) -> int:
    """Index of an id among sorted ones, −1 if absent; at once where ids have no gaps."""
    guess = wanted - ids[0]
    if 0 <= guess < len(ids) and ids[guess] == wanted:
        return guess
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) >> 1
        if ids[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(ids) and ids[low] == wanted else -1


@njit(nogil=True, cache=True)
def _parse_row(
    text: Bytes, at: int, target: Target, offsets: Ints, values: Floats, tokens: Ints
) -> tuple[int, int, int, int, int, int]:
    """One row: numbers to values, and (status, at, column, id, type, undecided tokens)."""
    address = np.int64(text.ctypes.data)
    atom, kind, held = -1, -1, 0
    n_columns = len(target.plan)
    for column in range(n_columns):
        while text[at] == 32 or text[at] == 9:
            at += 1
        if text[at] < 32:
            return _SHORT_ROW, at, column, atom, kind, held
        code = target.plan[column]
        if code == SKIP:
            while text[at] > 32:
                at += 1
            continue
        if code >= 0:
            start = at
            value, at, verdict = parse_decimal(address, at)
            values[column] = value
            if verdict == UNDECIDED:
                tokens[held, 0], tokens[held, 1], tokens[held, 2] = column, start, at
                held += 1
            elif not np.isfinite(value):
                return _NOT_FINITE, start, column, atom, kind, held
        else:
            value, at, verdict = parse_integer(address, at)
            if code == ID:
                atom = value
            else:
                kind = value
        if verdict == WRONG or text[at] > 32:
            return _NOT_A_NUMBER, at - (text[at] <= 32), column, atom, kind, held
    while text[at] == 32 or text[at] == 9 or text[at] == 13:
        at += 1
    if text[at] != 10:
        return _LONG_ROW, at, n_columns, atom, kind, held
    return _DONE, at + 1, 0, atom, kind, held


@njit(nogil=True, cache=True)
def _parse_rows(
    text: Bytes,
    places: Ints,
    first: int,
    target: Target,
    work: tuple[Ints, Ints],
    resume: tuple[int, int, int, int, int],
) -> tuple[int, int, int, int, int, int]:
    """Rows from a resume point on: (status, frame, row, column, at, pending tokens)."""
    seen, pending = work
    frame, row, _, at, _ = resume
    n_frames, n_atoms = target.fields.shape[1], target.fields.shape[2]
    n_columns = len(target.plan)
    flat = target.fields.reshape(-1)
    offsets = (target.plan // 3) * (n_frames * n_atoms * 3) + target.plan % 3
    values, tokens = np.empty(n_columns), np.empty((n_columns, 3), dtype=np.int64)
    n_pending = 0
    while frame < len(places):
        if row == 0:
            at = places[frame, 0]
        while row < n_atoms:
            start = at
            status, at, column, atom, kind, held = _parse_row(
                text, at, target, offsets, values, tokens
            )
            if status != _DONE:
                return status, frame, row, column, at, n_pending
            place = row
            if len(target.ids):
                place = _place_of(target.ids, atom)
                if place < 0 or seen[place] == frame:
                    column = np.int64(np.argmax(target.plan == ID))
                    status = _UNKNOWN_ID if place < 0 else _SECOND_ID
                    return status, frame, row, column, start, n_pending
                seen[place] = frame
            base = ((first + frame) * n_atoms + place) * 3
            for column in range(n_columns):
                if target.plan[column] >= 0:
                    flat[offsets[column] + base] = values[column]
                elif target.plan[column] == TYPE and kind != target.types[place]:
                    return _OTHER_TYPE, frame, row, column, start, n_pending
            for token in range(held):
                pending[n_pending, 0] = offsets[tokens[token, 0]] + base
                pending[n_pending, 1], pending[n_pending, 2] = tokens[token, 1], tokens[token, 2]
                n_pending += 1
            row += 1
            if n_pending > len(pending) - n_columns:
                return _PAUSED, frame, row, 0, at, n_pending
        while at < places[frame, 1] and text[at] <= 32:
            at += 1
        if at < places[frame, 1]:
            return _EXTRA_ROWS, frame, row, 0, at, n_pending
        frame += 1
        row = 0
    return _DONE, frame, row, 0, at, n_pending
