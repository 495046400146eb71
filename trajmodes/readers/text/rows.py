"""Rows of numbers to arrays: one pass over the text of many frames, compiled.

Rows of the usual form, plain numbers separated by single blanks, are parsed in groups of about
a hundred and column by column, so that tokens are independent of each other. If one of them is
unusual (numbers that need Python's float, irregular blanks, errors), these rows are parsed
again row by row and token by token; this slower path also locates errors.
"""

from typing import Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.readers.text.floats import (
    DECIDED,
    UNDECIDED,
    WRONG,
    parse_decimal,
    parse_integer,
    plain_decimal,
    plain_integer,
)
from trajmodes.readers.text.scan import BLOCK, Bytes, find_edges, is_space, load_byte

SKIP, ID, TYPE = -1, -2, -3
"""Codes of a plan; a code from zero on is component ``code % 3`` of field ``code // 3``."""

DONE, PAUSED = 0, 1
SHORT_ROW, LONG_ROW, NOT_A_NUMBER, NOT_FINITE = 2, 3, 4, 5
UNKNOWN_ID, SECOND_ID, OTHER_TYPE, EXTRA_ROWS, MISSING_ROWS = 6, 7, 8, 9, 10


class Target(NamedTuple):
    """Destination of the numbers of consecutive frames."""

    plan: Ints
    """(c,) code of each column."""
    ids: Ints
    """(a,) sorted ids; empty if rows are taken in the order of the file."""
    types: Ints
    """(a,) types that the rows must have; used only if the plan contains TYPE."""
    fields: Floats
    """(f, t, a, 3) arrays to fill."""


FRAME, ROW, COLUMN, AT, N_PENDING = range(5)


class Work(NamedTuple):
    """Working memory of one pass over text."""

    state: Ints
    """(5,) current frame, row, column and offset, and number of pending tokens."""
    seen: Ints
    """(a,) last frame in which the atom was read."""
    edges: Ints
    """Offsets where tokens begin and end, a few kilobytes ahead."""
    rows: Ints
    """Index of the atom of each row that is parsed with others."""
    values: Floats
    """(c,) numbers of the current row."""
    tokens: Ints
    """(c, 3) column, start and stop of the tokens of the row that Python has to round."""
    pending: Ints
    """(k, 3) index into the fields, start and stop of all tokens that Python has to round."""


@inner_kernel(error_model="numpy")
def index_of_id(ids: Ints, wanted: Any) -> Any:
    """Index of an id among sorted ids, −1 if absent; immediate where ids have no gaps."""
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


@inner_kernel(error_model="numpy")
def _skip_blanks(address: int, at: int) -> int:
    byte = load_byte(address + at)
    while is_space(byte) and byte != 10:
        at += 1
        byte = load_byte(address + at)
    return at


@inner_kernel(error_model="numpy")
def _keep_token(work: Work, n_tokens: int, column: int, start: int, stop: int) -> int:
    """Store a token of this row that Python has to round."""
    token = work.tokens[n_tokens]
    token[0], token[1], token[2] = column, start, stop
    return n_tokens + 1


@inner_kernel(error_model="numpy")
def _parse_row(address: int, plan: Ints, work: Work) -> tuple[int, int, int, int]:
    """Parse any row, token after token: (status, id, type, undecided tokens)."""
    state, at = work.state, work.state[AT]
    atom, kind, n_tokens = -1, -1, 0
    for column in range(len(plan)):
        at = _skip_blanks(address, at)
        state[COLUMN], state[AT] = column, at
        if load_byte(address + at) == 10:
            return SHORT_ROW, atom, kind, n_tokens
        code, verdict = plan[column], DECIDED
        if code >= 0:
            work.values[column], at, verdict = parse_decimal(address, at)
            if verdict == UNDECIDED:
                n_tokens = _keep_token(work, n_tokens, column, state[AT], at)
            elif not np.isfinite(work.values[column]):
                return NOT_FINITE, atom, kind, n_tokens
        elif code != SKIP:
            value, at, verdict = parse_integer(address, at)
            atom = value if code == ID else atom
            kind = value if code == TYPE else kind
        while code == SKIP and not is_space(load_byte(address + at)):
            at += 1
        if verdict == WRONG or not is_space(load_byte(address + at)):
            return NOT_A_NUMBER, atom, kind, n_tokens
    at = _skip_blanks(address, at)
    state[COLUMN], state[AT] = len(plan), at
    if load_byte(address + at) != 10:
        return LONG_ROW, atom, kind, n_tokens
    state[AT] = at + 1
    return DONE, atom, kind, n_tokens


@inner_kernel(error_model="numpy")
def _row_width(address: int, n_columns: int, edges: Ints) -> int:
    """Count the edges in a row: one more if blanks precede its newline."""
    width = 2 * n_columns
    return width if load_byte(address + edges[width - 1]) == 10 else width + 1


@inner_kernel(error_model="numpy")
def _plain_rows(address: int, place: int, n_rows: int, target: Target, work: Work) -> bool:
    """Parse rows between known edges column by column; False if one of them is unusual.

    The tokens of a column are alike and independent of each other, which processors handle
    fastest. `_parse_row` parses unusual rows and locates their errors.
    """
    plan, edges, first = target.plan, work.edges, work.state[ROW]
    width = _row_width(address, len(plan), edges)
    for row in range(n_rows):
        work.rows[row] = first + row
        if load_byte(address + edges[(row + 1) * width - 1]) != 10:
            return False
    for column in range(len(plan)):
        view = (address, n_rows, 2 * column, width)
        if plan[column] == ID and not _plain_ids(view, target.ids, edges, work.rows):
            return False
    for column in range(len(plan)):
        view, code = (address, n_rows, 2 * column, width), plan[column]
        if code >= 0:
            out_ax = target.fields[code // 3, place]
            sound = _plain_column(view, edges, work.rows, (out_ax, code % 3))
        elif code == TYPE and len(target.types):
            sound = _plain_types(view, target.types, edges, work.rows)
        else:
            sound = _plain_skip(view, edges)
        if not sound:
            return False
    return _mark_seen(work, n_rows)


@inner_kernel(error_model="numpy")
def _plain_column(
    view: tuple[int, int, int, int], edges: Ints, rows: Ints, out: tuple[Floats, int]
) -> bool:
    """Parse one column of numbers into a component of some atoms, in the order of rows."""
    address, n_rows, edge, width = view
    out_ax, component = out
    for row in range(n_rows):
        start, stop = edges[row * width + edge], edges[row * width + edge + 1]
        value, plain = plain_decimal(address, start, stop)
        if not plain:
            # Zero, and numbers with an exponent.
            value, end, verdict = parse_decimal(address, start)
            if verdict != DECIDED or end != stop or not np.isfinite(value):
                return False
        out_ax[rows[row], component] = value
    return True


@inner_kernel(error_model="numpy")
def _plain_types(view: tuple[int, int, int, int], types: Ints, edges: Ints, rows: Ints) -> bool:
    """Whether a column contains the types that these rows must have."""
    address, n_rows, edge, width = view
    for row in range(n_rows):
        start, stop = edges[row * width + edge], edges[row * width + edge + 1]
        if plain_integer(address, start, stop) != types[rows[row]]:
            return False
    return True


@inner_kernel(error_model="numpy")
def _plain_skip(view: tuple[int, int, int, int], edges: Ints) -> bool:
    """Whether a column that is not read contains tokens."""
    address, n_rows, edge, width = view
    empty = 0
    for row in range(n_rows):
        empty += is_space(load_byte(address + edges[row * width + edge]))
    return empty == 0


@inner_kernel(error_model="numpy")
def _plain_ids(view: tuple[int, int, int, int], ids: Ints, edges: Ints, rows: Ints) -> bool:
    """Find the indices of the ids in a column; False if one of them is unknown."""
    address, n_rows, edge, width = view
    for row in range(n_rows):
        start, stop = edges[row * width + edge], edges[row * width + edge + 1]
        rows[row] = index_of_id(ids, plain_integer(address, start, stop))
        if rows[row] < 0:
            return False
    return True


@inner_kernel(error_model="numpy")
def _mark_seen(work: Work, n_rows: int) -> bool:
    """Mark the atoms of some rows as read; False, without marks, if one was read already."""
    frame = work.state[FRAME]
    for row in range(n_rows):
        if work.seen[work.rows[row]] == frame:
            for other in range(row):
                work.seen[work.rows[other]] = -1
            return False
        work.seen[work.rows[row]] = frame
    return True


@inner_kernel(error_model="numpy")
def _column_of(plan: Ints, code: Any) -> Any:
    """First column with this code, which must exist."""
    column = 0
    while plan[column] != code:
        column += 1
    return column


@inner_kernel(error_model="numpy")
def _index_of_row(atom: int, kind: int, target: Target, work: Work) -> tuple[int, int]:
    """Atom of a row: (status, index); it must not be read already, and must keep its type."""
    state, place = work.state, work.state[ROW]
    if len(target.ids):
        state[COLUMN] = _column_of(target.plan, ID)
        place = index_of_id(target.ids, atom)
        if place < 0:
            return UNKNOWN_ID, place
    if work.seen[place] == state[FRAME]:
        return SECOND_ID, place
    if len(target.types) and kind != target.types[place]:
        state[COLUMN] = _column_of(target.plan, TYPE)
        return OTHER_TYPE, place
    work.seen[place] = state[FRAME]
    return DONE, place


@inner_kernel(error_model="numpy")
def _any_row(address: int, place: int, target: Target, work: Work) -> int:
    """Parse and store one row of any form; return the status."""
    state, plan, start = work.state, target.plan, work.state[AT]
    status, atom, kind, n_tokens = _parse_row(address, plan, work)
    if status != DONE:
        return status
    status, row = _index_of_row(atom, kind, target, work)
    if status != DONE:
        state[AT] = start
        return status
    n_frames, n_atoms = target.fields.shape[1], target.fields.shape[2]
    for column in range(len(plan)):
        field, component = plan[column] // 3, plan[column] % 3
        if plan[column] >= 0:
            target.fields[field, place, row, component] = work.values[column]
            for token in range(n_tokens):
                if work.tokens[token, 0] == column:
                    pending = work.pending[state[N_PENDING]]
                    pending[0] = ((field * n_frames + place) * n_atoms + row) * 3 + component
                    pending[1] = work.tokens[token, 1]
                    pending[2] = work.tokens[token, 2]
                    state[N_PENDING] += 1
    state[ROW] += 1
    return DONE


@inner_kernel(error_model="numpy")
def _parse_frame(address: int, place: int, stop: int, target: Target, work: Work) -> int:
    """Parse rows of one frame from the state on, into frame ``place`` of the fields."""
    state, n_columns, n_atoms = work.state, len(target.plan), target.fields.shape[2]
    careful = 0
    while state[ROW] < n_atoms:
        if state[N_PENDING] > len(work.pending) - n_columns:
            return PAUSED
        # The fast path reads some bytes before the row, which must exist.
        if careful == 0 and state[AT] >= BLOCK:
            n_edges = find_edges(address, state[AT], stop, work.edges)
            careful = n_edges // (2 * n_columns + 1)
            if n_edges >= 2 * n_columns:
                width = _row_width(address, n_columns, work.edges)
                n_rows = min(n_edges // width, n_atoms - state[ROW])
                if n_rows > 0 and _plain_rows(address, place, n_rows, target, work):
                    state[ROW] += n_rows
                    state[AT] = work.edges[n_rows * width - 1] + 1
                    careful = 0
                    continue
        if state[AT] >= stop:
            state[COLUMN] = 0
            return MISSING_ROWS
        status = _any_row(address, place, target, work)
        if status != DONE:
            return status
        careful = max(careful - 1, 0)
    return DONE


@kernel(error_model="numpy")
def parse_rows(text: Bytes, places: Ints, first: int, target: Target, work: Work) -> int:
    """Parse frames from the state on; return the status, with its position in the state."""
    state = work.state
    address: Any = np.int64(text.ctypes.data)
    while state[FRAME] < len(places):
        start, stop = places[state[FRAME], 0], places[state[FRAME], 1]
        if state[ROW] == 0:
            state[AT] = start
        status = _parse_frame(address, first + state[FRAME], stop, target, work)
        if status != DONE:
            return status
        while state[AT] < stop and text[state[AT]] <= 32:
            state[AT] += 1
        if state[AT] < stop:
            state[COLUMN] = 0
            return EXTRA_ROWS
        state[FRAME] += 1
        state[ROW] = 0
    return DONE
