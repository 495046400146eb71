"""The form of a brief summary: at most 20 lines, the verdict first, then what supports it."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import wrap

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from trajmodes.notes import Note, Severity
from trajmodes.report.numbers import counted

MOST_LINES = 20
STYLES: Mapping[Severity, str] = {
    "error": "bold red",
    "warning": "bold yellow",
    "note": "",
    "ok": "green",
}
"""How the word for a severity is printed on a terminal with colours."""
_MOST_OF_A_ROW, _MOST_OF_A_NOTE = 3, 3
"""Most lines of a row, and of each part of the note that is shown."""

Row = tuple[str, str]
"""Name and text."""


@dataclass(frozen=True, slots=True)
class Brief:
    """A verdict, rows that support it, warnings, and the files to read.

    Of the 20 lines, the verdict, the first warning and the names of the files take precedence.
    Rows and further warnings follow as far as there is room.
    """

    verdict: str
    notes: tuple[Note, ...]
    """All notes, of each severity the most important first."""
    rows: tuple[Row, ...]
    """In order of importance; those without text are left out."""
    where: tuple[Row, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        warnings = _with_each_fix_once(loud(self.notes))
        said = [_parts(note) for note in warnings]
        rows, where = ([row for row in part if row[1]] for part in (self.rows, self.where))
        margin = 2 + max(
            len(name) for name, _ in [*rows, *where, *(r for s in said for r in s)]
        )
        width = options.max_width

        def lines(part: Iterable[Row], most: int) -> list[Text]:
            return [line for row in part for line in _columns(row, margin, width, most)]

        worst = warnings[0].severity if warnings else "ok"
        head = [Text(line, style=STYLES[worst]) for line in _wrapped(self.verdict, width, 2)]
        tail = [Text(), *lines(where, _MOST_OF_A_ROW)] if where else []
        warned = [lines(one, _MOST_OF_A_NOTE) for one in said]
        room = MOST_LINES - len(head) - len(tail) - sum(1 + len(one) for one in warned[:1])
        body: list[Text] = []
        for row in rows:
            added = lines([row], _MOST_OF_A_ROW)
            if len(body) + len(added) > room:
                break
            body += added
        for k, one in enumerate(warned):
            room -= len(one) if k else 0
            if room < len(body):
                warned = warned[:k]
                break
        between = [Text()] if warned else []
        yield from [*head, *body, *between, *(line for one in warned for line in one), *tail]


def loud(notes: Iterable[Note]) -> list[Note]:
    """Errors and warnings, errors first."""
    known = list(notes)
    return [note for word in ("error", "warning") for note in known if note.severity == word]


def _with_each_fix_once(notes: list[Note]) -> list[Note]:
    """Leave a fix to the first of several notes that have the same."""
    seen = [note.fix in {one.fix for one in notes[:k]} for k, note in enumerate(notes)]
    return [replace(note, fix="") if s else note for note, s in zip(notes, seen, strict=True)]


def counts(notes: Iterable[Note]) -> str:
    """Count the notes by severity, without passed checks: ``2 warnings, 1 note``."""
    known = Counter(note.severity for note in notes)
    return ", ".join(
        counted(known[word], word) for word in STYLES if known[word] and word != "ok"
    )


def file_rows(files: Mapping[str, str]) -> list[Row]:
    """State in two rows which files hold the results, and which commands show them."""
    if not files:
        return []
    folder = next((Path(one).parent for one in files if Path(one).name == "results.nc"), None)
    if folder is None:
        return [("Files", ", ".join(files))]
    of = Counter(Path(one).parent.name for one in files if Path(one).parent != folder)
    names = {"tables": "table", "figures": "figure"}
    parts = [counted(n, names.get(kind, f"file in {kind}")) for kind, n in of.items()]
    inside = ", ".join(["results.nc", *parts])
    shown = shlex.quote(str(folder))
    return [
        ("Results", f"{shown}: {inside}; {counted(len(files), 'file')} in all"),
        ("Summary", f"trajmodes show {shown}"),
    ]


def file_lines(files: Mapping[str, str]) -> list[Text]:
    """Render the rows of `file_rows`."""
    rows = file_rows(files)
    return [Text.assemble((f"{name:<9}", "bold"), text) for name, text in rows]


def _parts(note: Note) -> list[Row]:
    named = ((note.severity, note.text), ("why", note.why), ("fix", note.fix))
    return [row for row in named if row[1]]


def _columns(row: Row, margin: int, width: int, most: int) -> list[Text]:
    """Name and text in two columns."""
    name, text = row
    style = next((style for word, style in STYLES.items() if word == name), "bold")
    lines = _wrapped(text, width - margin, most)
    heads = [name, *[""] * len(lines)]
    pairs = zip(heads, lines, strict=False)
    return [Text.assemble((head.ljust(margin), style), line) for head, line in pairs]


def _wrapped(text: str, width: int, most: int) -> list[str]:
    """Lines of a text; the last one ends in … if there are more."""
    lines = [
        line
        for one in text.splitlines()
        for line in wrap(one, width, break_on_hyphens=False) or [""]
    ]
    if len(lines) > most:
        # Cut between words.
        last = wrap(lines[most - 1], width - 2, break_on_hyphens=False)[0]
        lines = [*lines[: most - 1], f"{last} …"]
    return lines
