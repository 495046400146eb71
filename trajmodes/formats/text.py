"""Numbers in text files, read line by line, with errors that name the line."""

from math import isfinite
from pathlib import Path

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.readers.text.tables import require_line_end

_TAIL = 1 << 10


class Numbers:
    """A text file of numbers, read from the top as Fortran's list-directed input does.

    Empty lines are passed over, and what follows the numbers asked for on a line is a remark.

    Raises
    ------
    DataError
        If the file cannot be read.
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
        """Read the words of the next line.

        Parameters
        ----------
        what
            What they mean, for the message of an error.
        """
        self._words(1, what)
        return self._lines[self._next - 1].split()

    def integers(self, n_numbers: int, what: str) -> list[int]:
        """Read whole numbers from the next line.

        Parameters
        ----------
        n_numbers
            How many are needed.
        what
            What they mean, for the message of an error.
        """
        words = self._words(n_numbers, what)
        try:
            return [int(word) for word in words]
        except ValueError as error:
            raise self.error(f"{what} expected, found “{' '.join(words)[:60]}”") from error

    def all_integers(self, what: str) -> list[int]:
        """Read a line of nothing but whole numbers."""
        words = self.words(what)
        try:
            return [int(word) for word in words]
        except ValueError as error:
            raise self.error(f"{what} expected, found “{' '.join(words)[:60]}”") from error

    def count(self, what: str) -> int:
        """Read one whole number that is not negative."""
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
        """Read numbers from the next line; see `integers`."""
        words = self._words(n_numbers, what)
        try:
            return [float(word) for word in words]
        except ValueError:
            pass
        try:
            # Fortran writes exponents with D as well.
            return [float(word.upper().replace("D", "E")) for word in words]
        except ValueError as error:
            raise self.error(f"{what} expected, found “{' '.join(words)[:60]}”") from error

    def rows(self, n_rows: int, n_numbers: int, what: str) -> Floats:
        """Read a table, one row a line, and check that its numbers are finite."""
        self.require_lines(n_rows, what)
        table = np.empty((n_rows, n_numbers))
        for row in range(n_rows):
            numbers = self.floats(n_numbers, what)
            if not all(map(isfinite, numbers)):
                raise self.error(f"{what} expected, found a number that is not finite")
            table[row] = numbers
        return table

    def require_lines(self, n_lines: int, what: str) -> None:
        """Refuse a count that the file is too short for, before memory is reserved for it."""
        if n_lines > len(self._lines) - self._next:
            self._next = len(self._lines)
            raise self.error(f"the file ends where {what} is expected")

    def finish(self, *, whole: bool = True) -> None:
        """Refuse a file that may end inside its last number.

        Parameters
        ----------
        whole
            Whether nothing but empty lines may follow what was read.
        """
        if whole and any(line.strip() for line in self._lines[self._next :]):
            raise self.error("the file goes on where it ought to end")
        require_line_end(self._end, str(self.path))

    def error(self, what: str) -> DataError:
        """Make an error at the line read last."""
        return DataError(
            what,
            where=f"{self.path}:{self._next}",
            why="the file was cut off or changed, or is of another kind",
            fix="write the file again with the program that made it",
        )

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
