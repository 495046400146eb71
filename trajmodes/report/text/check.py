"""The report of `trajmodes check`, brief and whole."""

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from trajmodes.data.results import Finding
from trajmodes.notes import Note
from trajmodes.report.numbers import counted
from trajmodes.report.text.brief import STYLES, Brief, counts

_ROUND_OFF = 1e-12
"""Values below this, in any of the units here, are rounding errors of zero."""

CheckRow = tuple[str, str, str, str]
"""Name, value, unit and meaning of a quantity."""

_BRIEF = (
    *("atoms", "primitive cells", "frames", "interval", "kinetic temperature"),
    *("virial temperature", "highest frequency", "largest residual", "time of a run"),
    "memory of a run",
)
"""Quantities of the brief report, the most important first."""


def check_rows(diagnosis: Mapping[str, Finding]) -> list[CheckRow]:
    """Name, value, unit and meaning of each quantity of a check, for `render_check`."""
    return [(name, _number(finding.value), *finding[1:]) for name, finding in diagnosis.items()]


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124 - nan
        return ""
    if value == round(value):
        return f"{value:.0f}"
    return "0" if abs(value) < _ROUND_OFF else f"{value:.4g}"


def brief_of_check(rows: Sequence[CheckRow], notes: Sequence[Note]) -> Brief:
    """Make the brief report of a check: for which results the run is suited, and why not."""
    cells = {name: (value, unit, text) for name, value, unit, text in rows}
    return Brief(
        _suited(notes),
        tuple(notes),
        tuple((name, _sentence(*cells[name])) for name in _BRIEF if name in cells),
        (("More", _rest(notes)),),
    )


def _suited(notes: Sequence[Note]) -> str:
    """State for which results the run is suited, and for which in part (a warning)."""
    partly = any(note.severity == "warning" and note.concerns == "spectra" for note in notes)
    errors = {note.concerns for note in notes if note.severity == "error"}
    if "all" in errors:
        return "The run cannot be used as it is"
    unfit = {"fit": "force constants", "spectra": "spectra and lifetimes"}
    no = [text for concern, text in unfit.items() if concern in errors]
    yes = [text for concern, text in unfit.items() if concern not in errors]
    if not yes:
        return f"The run is suited neither for {' nor for '.join(no)}"
    if partly and unfit["spectra"] in yes:
        yes[-1] = f"some {yes[-1]}"
    end = f", not for {no[0]}" if no else ""
    return f"The run is suited for {' and for '.join(yes)}{end}"


def _sentence(value: str, unit: str, text: str) -> str:
    if text.startswith("±"):
        # The error belongs before the unit.
        error, _, text = text.partition(", ")
        value = f"{value} {error}"
    number = " ".join(part for part in (value, unit) if part)
    return ", ".join(part for part in (number, text) if part)


def _rest(notes: Sequence[Note]) -> str:
    passed = sum(note.severity == "ok" for note in notes)
    text = counts(notes)
    said = [text] if text else []
    said += [f"{counted(passed, 'check')} passed"] if passed else []
    return f"with -v: all quantities, {', '.join([*said, 'q points'])}"


def render_check(rows: Iterable[CheckRow], notes: Iterable[Note]) -> Group:
    """Make the report of a check: a row for each quantity, then notes, the worst first."""
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("quantity", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("meaning")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    order = list(STYLES)
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    for note in sorted(notes, key=lambda note: order.index(note.severity)):
        grid.add_row(Text(note.severity, style=STYLES[note.severity]), Text(note.text))
        for name, text in (("why", note.why), ("fix", note.fix)):
            if text:
                grid.add_row(Text(name, style="bold"), Text(text))
    return Group(table, Text(), grid)
