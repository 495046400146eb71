"""Lines and sections of the library format of GULP.

`#` begins a comment, and `&` at the end of a line continues it. Keywords may be abbreviated to
four letters, and their case does not matter. Labels are case-sensitive: a symbol of an element,
a number, and anything after an underscore.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from trajmodes.errors import DataError
from trajmodes.potentials.shell_model.terms import LARGEST_CUTOFF

_KEYWORDS = (
    "species", "spring", "buckingham", "lennard_jones", "morse", "harmonic", "three", "cutp",
)  # fmt: skip
_SHORTEST = 4
"""Least number of letters of a keyword."""

LABEL = re.compile(r"([A-Z][a-z]?)[0-9]*(_\S+)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eEdD][+-]?[0-9]+)?")
LARGEST = 1e12
"""Absolute value that no parameter exceeds, so that its powers are finite numbers."""
_SMALLEST = 1e-6
_LARGEST_FILE = 2**20
"""Largest size of a file in bytes."""


@dataclass(frozen=True, slots=True)
class Line:
    """Words of a line without comment, including those of lines that continue it."""

    path: str
    number: int
    words: list[str]

    def fail(self, what: str, why: str = "", fix: str = "") -> NoReturn:
        """Refuse the line."""
        raise DataError(what, where=f"{self.path}, line {self.number}", why=why, fix=fix)

    def number_of(self, word: str) -> float:
        """Read a number."""
        if not _NUMBER.fullmatch(word):
            self.fail(f"{word} is not a number")
        value = float(re.sub("[dD]", "e", word))
        if abs(value) > LARGEST:
            self.fail(f"{word} is larger than {LARGEST:g}")
        return value

    def length(self, word: str, most: float = LARGEST_CUTOFF) -> float:
        """Read a cutoff or another positive number."""
        value = self.number_of(word)
        if not _SMALLEST < value <= most:
            self.fail(f"{word} is no length between {_SMALLEST:g} and {most:g} Å")
        return value


@dataclass(frozen=True, slots=True)
class Section:
    """A line with a keyword, and the lines that follow."""

    keyword: str
    head: Line
    rows: list[Line]


def read_sections(path: Path) -> list[Section]:
    """Read all sections of a file.

    Raises
    ------
    DataError
        If it is not a text file, or a line belongs to no section.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise DataError(f"cannot read the library: {error.strerror}", where=str(path)) from None
    except UnicodeDecodeError as error:
        what = f"the library is not a text file: byte {error.start} is not UTF-8"
        raise DataError(what, where=str(path)) from None
    if len(content) > _LARGEST_FILE:
        raise DataError("the library is larger than 1 MiB", where=str(path))
    return list(_sections(_lines(text, str(path))))


def _lines(text: str, path: str) -> Iterator[Line]:
    joined: list[str] = []
    start, continued = 0, False
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split("#")[0].split()
        if continued and not words:
            break
        start = start if continued else number
        continued = words[-1:] == ["&"]
        joined += words[:-1] if continued else words
        if joined and not continued:
            yield Line(path, start, joined)
            joined = []
    if continued:
        Line(path, start, joined).fail(
            "nothing follows the continued line", why="the file is not complete"
        )


def _keyword(word: str) -> str | None:
    """Find the keyword that begins with a word."""
    word = word.lower()
    if len(word) < _SHORTEST:
        return None
    return next((one for one in _KEYWORDS if one.startswith(word)), None)


def _sections(lines: Iterator[Line]) -> Iterator[Section]:
    section: Section | None = None
    for line in lines:
        keyword = _keyword(line.words[0])
        if keyword:
            yield from _complete(section)
            section = Section(keyword, line, [])
        elif section and section.keyword != "cutp" and LABEL.fullmatch(line.words[0]):
            section.rows.append(line)
        else:
            line.fail(
                f"{line.words[0]} is not understood",
                why="it is neither the label of an atom nor a keyword of "
                + ", ".join(_KEYWORDS),
                fix="remove it if the crystal does not need it, or write the model as TOML",
            )
    yield from _complete(section)


def _complete(section: Section | None) -> Iterator[Section]:
    if section is None:
        return
    if not section.rows and section.keyword != "cutp":
        section.head.fail(f"no line follows {section.keyword}", why="the file is not complete")
    yield section
