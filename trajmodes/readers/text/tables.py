"""Small text files of numbers, read whole: tables of rows, and numbers line by line.

`read_rows` reads plain rows of numbers with comment lines between them, the form of TDEP,
ALAMODE and phonopy. `Numbers` reads a file from the top as Fortran's list-directed input does.
Both name the line of an error, and both refuse a file that may end inside its last number.
"""

import re
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TypeVar

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.readers.text.parse import TextFault, fill_rows, padded
from trajmodes.readers.text.rows import Target
from trajmodes.readers.text.source import open_source

Number = TypeVar("Number", int, float)

_TAIL = 1 << 10
_COMPARED = 12
_DIGIT = re.compile(rb"[0-9+-]")


def read_rows(path: Path, n_vectors: int) -> Floats:
    """Vectors (v, r, 3) of a file, compressed or not, whose rows are as in `parse_rows`.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        As `parse_rows`, or if the file may end inside its last number.
    """
    source = open_source(path)
    text = source.data(0, source.size)
    vectors = parse_rows(text.splitlines(), n_vectors, f"{path}, line")
    require_line_end(text, str(path))
    return vectors


def require_line_end(text: bytes, where: str) -> None:
    """Raise DataError for text that may end inside its last number.

    A truncated number is still a number. A line break shows that the last one is complete. So
    does the number of its decimals, if all numbers before it have the same number (phonopy
    writes no line break after the last row of FORCE_CONSTANTS). The last kilobyte of the text
    is enough.
    """
    if not text or text[-1:].isspace():
        return
    *before, last = (word.upper().replace(b"D", b"E") for word in text[-_TAIL:].split())
    if not is_number(last):
        return
    pointed = [word for word in before if b"." in word and is_number(word)]
    forms = {_form(word) for word in pointed[-_COMPARED:]}
    if b"." in last and forms == {_form(last)}:
        return
    raise DataError(
        f"the file ends without a line break, after “{last[-40:].decode(errors='replace')}”",
        where=where,
        why="it was truncated, perhaps inside its last number",
        fix="write it again; if the number is complete, end the last line: echo >> FILE",
    )


def _form(word: bytes) -> bytes:
    """Format of the decimals of a number, without their values."""
    return _DIGIT.sub(b"0", word.partition(b".")[2])


def is_number(word: bytes) -> bool:
    """Whether a word is a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def parse_rows(rows: list[bytes], n_vectors: int, where: str) -> Floats:
    """Vectors (v, r, 3) of lines that contain ``n_vectors`` vectors each.

    Empty lines, and text behind a ``#``, are ignored. ``where`` names the source and its lines,
    for messages.

    Raises
    ------
    DataError
        If there is no row, a row of another length, or a token that is not a finite number.
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
        # A row that is too short may be noticed at the end of all rows.
        short = (n for n in kept if len(lines[n - 1].split()) < 3 * n_vectors)
        row = body.count(b"\n", 0, fault.at)
        line = kept[row] if row < len(kept) else next(short, kept[-1])
        what = fault.what if row < len(kept) else "the row is too short"
        raise DataError(what, where=f"{where} {line}") from None
    return fields[:, 0]


def frames_of_rows(rows: Floats, n_atoms: int, path: Path) -> Floats:
    """Divide vectors (v, r, 3), atom after atom, into frames (v, t, a, 3).

    Raises
    ------
    DataError
        If the number of rows is not a multiple of the number of atoms.
    """
    n_vectors, n_rows = rows.shape[:2]
    if n_rows % n_atoms:
        raise DataError(
            f"{n_rows} rows are not a whole number of frames of {n_atoms} atoms",
            where=str(path),
            why="the file is truncated, or the supercell is another one",
            fix="give the supercell that the file belongs to",
        )
    return rows.reshape(n_vectors, -1, n_atoms, 3)


def _fortran_float(word: str) -> float:
    """One number; Fortran writes exponents with D as well."""
    try:
        return float(word)
    except ValueError:
        return float(word.upper().replace("D", "E"))


class Numbers:
    """A text file of numbers, read from the top as Fortran's list-directed input does.

    Empty lines are skipped, and text behind the requested numbers of a line is a remark.
    ``what`` names the expected numbers in errors, which are all DataError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            text = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"the file cannot be read: {error.strerror}", where=str(path)
            ) from error
        self._end = text[-_TAIL:]
        self._lines = text.decode("utf-8", errors="replace").splitlines()
        self._next = 0

    def words(self, what: str) -> list[str]:
        """Read the words of the next line."""
        self._words(1, what)
        return self._lines[self._next - 1].split()

    def integers(self, n_numbers: int, what: str) -> list[int]:
        """Read ``n_numbers`` integers from the next line."""
        return self._converted(self._words(n_numbers, what), int, what)

    def all_integers(self, what: str) -> list[int]:
        """Read a line of integers only."""
        return self._converted(self.words(what), int, what)

    def count(self, what: str) -> int:
        """Read one integer that is not negative."""
        number = self.integers(1, what)[0]
        if number < 0:
            raise self.error(f"{what} expected, found {number}")
        return number

    def index(self, size: int, what: str) -> int:
        """Read a number from 1 to ``size`` and return it counted from 0."""
        number = self.integers(1, what)[0]
        if not 1 <= number <= size:
            raise self.error(f"{what}, from 1 to {size}, expected, found {number}")
        return number - 1

    def floats(self, n_numbers: int, what: str) -> list[float]:
        """Read ``n_numbers`` numbers from the next line."""
        return self._converted(self._words(n_numbers, what), _fortran_float, what)

    def rows(self, n_rows: int, n_numbers: int, what: str) -> Floats:
        """Read a table, one row a line, of finite numbers."""
        self.require_lines(n_rows, what)
        table = np.empty((n_rows, n_numbers))
        for row in range(n_rows):
            numbers = self.floats(n_numbers, what)
            if not all(map(isfinite, numbers)):
                raise self.error(f"{what} expected, found a number that is not finite")
            table[row] = numbers
        return table

    def require_lines(self, n_lines: int, what: str) -> None:
        """Refuse a count that exceeds the length of the file, before memory is reserved."""
        if n_lines > len(self._lines) - self._next:
            self._next = len(self._lines)
            raise self.error(f"the file ends where {what} is expected")

    def finish(self, *, whole: bool = True) -> None:
        """Refuse a file that may end inside its last number.

        With ``whole``, only empty lines may follow the last line read.
        """
        if whole and any(line.strip() for line in self._lines[self._next :]):
            raise self.error("the file continues where it should end")
        require_line_end(self._end, str(self.path))

    def error(self, what: str) -> DataError:
        """Make an error at the last line read."""
        return DataError(
            what,
            where=f"{self.path}:{self._next}",
            why="the file was truncated or changed, or is of another kind",
            fix="write the file again with the program that made it",
        )

    def _converted(
        self, words: list[str], kind: Callable[[str], Number], what: str
    ) -> list[Number]:
        try:
            return [kind(word) for word in words]
        except ValueError as error:
            raise self.error(f"{what} expected, found “{' '.join(words)[:60]}”") from error

    def _words(self, n_numbers: int, what: str) -> list[str]:
        while self._next < len(self._lines):
            words = self._lines[self._next].split(None, n_numbers)
            self._next += 1
            if not words:
                continue
            if len(words) < n_numbers:
                raise self.error(f"{what} expected: {n_numbers} numbers, found {len(words)}")
            return words[:n_numbers]
        raise self.error(f"the file ends where {what} is expected")
