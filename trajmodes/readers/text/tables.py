"""Plain rows of numbers, with comment lines between: the form of TDEP, ALAMODE and phonopy."""

import re
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.readers.text.parse import TextFault, fill_rows, padded
from trajmodes.readers.text.rows import Target
from trajmodes.readers.text.source import open_source

_TAIL = 1 << 10
_COMPARED = 12
_DIGIT = re.compile(rb"[0-9+-]")


def read_rows(path: Path, n_vectors: int) -> Floats:
    """Vectors (v, r, 3) of a file whose rows hold several vectors one behind the other.

    Empty lines, and what stands behind a ``#``, are left out.

    Parameters
    ----------
    path
        The file, compressed or not.
    n_vectors
        Vectors in a row: a row has three times as many numbers.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If it holds no row, a row of another length, what is not a finite number, or if it
        may end inside its last number.
    """
    source = open_source(path)
    text = source.data(0, source.size)
    vectors = parse_rows(text.splitlines(), n_vectors, f"{path}, line")
    require_line_end(text, str(path))
    return vectors


def require_line_end(text: bytes, where: str) -> None:
    """Refuse text that may end inside its last number.

    Half of a number is a number. A line break shows that the last one is whole, and so do as
    many digits as those before it have where all have as many (phonopy writes no line break
    behind the last row of FORCE_CONSTANTS).

    Parameters
    ----------
    text
        The text, or its last kilobyte.
    where
        Its file, for messages.

    Raises
    ------
    DataError
        If it may end so.
    """
    if not text or text[-1:].isspace():
        return
    *before, last = (word.upper().replace(b"D", b"E") for word in text[-_TAIL:].split())
    if not _is_number(last):
        return
    pointed = [word for word in before if b"." in word and _is_number(word)]
    forms = {_form(word) for word in pointed[-_COMPARED:]}
    if b"." in last and forms == {_form(last)}:
        return
    raise DataError(
        f"the file ends without a line break, after “{last[-40:].decode(errors='replace')}”",
        where=where,
        why="it was cut off, perhaps inside its last number",
        fix="write it again; if the number is whole, end the last line: echo >> FILE",
    )


def _form(word: bytes) -> bytes:
    """Digits behind the point of a number, without their values."""
    return _DIGIT.sub(b"0", word.partition(b".")[2])


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def parse_rows(rows: list[bytes], n_vectors: int, where: str) -> Floats:
    """Vectors (v, r, 3) of rows that hold several vectors one behind the other.

    Parameters
    ----------
    rows
        The lines of the text; empty ones, and what stands behind a ``#``, are left out.
    n_vectors
        Vectors in a row.
    where
        What the lines are of and what they are called, for messages.

    Raises
    ------
    DataError
        If there is no row, a row of another length, or what is not a finite number.
    """
    lines = [line.partition(b"#")[0] for line in rows]
    kept = [number for number, line in enumerate(lines, start=1) if not line.isspace() and line]
    if not kept:
        raise DataError("there are no rows of numbers", where=where.rpartition(",")[0])
    body = b"\n".join(lines[number - 1] for number in kept) + b"\n"
    text = padded(len(body))
    text[: len(body)] = np.frombuffer(body, dtype=np.uint8)
    fields, none = np.empty((n_vectors, 1, len(kept), 3)), np.empty(0, dtype=np.int64)
    target = Target(np.arange(3 * n_vectors), none, none, fields)
    try:
        fill_rows(text, np.array([[0, len(body)]]), 0, target)
    except TextFault as fault:
        line = kept[body.count(b"\n", 0, fault.at)]
        raise DataError(fault.what, where=f"{where} {line}") from None
    return fields[:, 0]


def frames_of_rows(rows: Floats, n_atoms: int, path: Path) -> Floats:
    """Cut vectors (v, r, 3) into frames (v, t, a, 3).

    Parameters
    ----------
    rows
        The vectors, atom after atom, frame after frame.
    n_atoms
        Atoms in a frame.
    path
        File that they come from.

    Raises
    ------
    DataError
        If they are no whole number of frames.
    """
    n_vectors, n_rows = rows.shape[:2]
    if n_rows % n_atoms:
        raise DataError(
            f"{n_rows} rows are no whole number of frames of {n_atoms} atoms",
            where=str(path),
            why="the file is cut, or the supercell is another one",
            fix="give the supercell that the file was made with",
        )
    return rows.reshape(n_vectors, -1, n_atoms, 3)
