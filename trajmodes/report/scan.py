"""A scan of the fit as a table and in the terminal: one row for each fit."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from rich.console import Group
from rich.text import Text

from trajmodes.data.force_constants import ScanKind, ScanPoint
from trajmodes.report.numbers import compact, order_name
from trajmodes.report.text.fitted_table import FittedTable
from trajmodes.results.tables import Table
from trajmodes.units import THZ

TOLERANCE = 0.01
"""A fit is good enough if its predicted residual exceeds the best one by at most this part."""


def scan_table(rows: Sequence[ScanPoint]) -> Table:
    """Make the table of scan.csv, one row for each fit."""
    columns = {
        name: np.array([read(row) for row in rows]) for name, (_, read) in _FIELDS.items()
    }
    meanings = {name: meaning for name, (meaning, _) in _FIELDS.items()}
    return Table(
        "Fits of the same normal equations: what was varied, and the result", columns, meanings
    )


def lowest_squared_thz(row: ScanPoint) -> float:
    """Lowest signed (ω/2π)² of a fit in THz²; nan if it was not calculated."""
    return row.lowest_squared / THZ**2


_FIELDS: Mapping[str, tuple[str, Callable[[ScanPoint], Any]]] = {
    "kind": ("varied quantity", attrgetter("kind")),
    "label": ("its value as text", attrgetter("label")),
    "value": (
        "its value: cutoff in Å, highest order, strength of the ridge, frames fitted",
        attrgetter("value"),
    ),
    "order": ("order whose cutoff was varied, or the highest order", attrgetter("order")),
    "cutoffs": ("cutoffs of all orders, in Å", attrgetter("cutoffs")),
    "n_parameters": ("free parameters", attrgetter("quality.n_parameters")),
    "r_squared": (
        "coefficient of determination of the forces",
        attrgetter("quality.r_squared"),
    ),
    "rms_residual": (
        "root mean square residual force component, in eV/Å",
        attrgetter("quality.rms_residual"),
    ),
    "rms_predicted": (
        "root mean square residual in blocks of time left out of the fit, in eV/Å",
        attrgetter("rms_predicted"),
    ),
    "condition": (
        "condition number of the equilibrated normal matrix",
        attrgetter("quality.condition"),
    ),
    "scheme_distance": (
        "distance of second-order force constants, joint and sequential fit, |Φ' − Φ|/|Φ|",
        attrgetter("scheme_distance"),
    ),
    "lowest_squared_thz": (
        "lowest square of a frequency, in THz² (negative: unstable)",
        lowest_squared_thz,
    ),
}
"""Column → meaning, and the function that reads it from a fit."""


def best_row(rows: Sequence[ScanPoint]) -> ScanPoint | None:
    """Fit with the smallest residual in frames left out; None if no fit has one."""
    known = [row for row in rows if np.isfinite(row.rms_predicted)]
    return min(known, key=lambda row: row.rms_predicted) if known else None


def enough_row(rows: Sequence[ScanPoint]) -> ScanPoint | None:
    """Fit with the fewest parameters whose predicted residual is within 1 % of the best."""
    best = best_row(rows)
    if best is None:
        return None
    good = [row for row in rows if row.rms_predicted <= (1.0 + TOLERANCE) * best.rms_predicted]
    return min(good, key=lambda row: (row.quality.n_parameters, row.rms_predicted))


def groups_of(rows: Sequence[ScanPoint]) -> list[tuple[str, list[ScanPoint]]]:
    """Group the rows by the varied quantity, cutoffs by order: title and rows of each group."""
    groups: dict[str, list[ScanPoint]] = {}
    for row in rows:
        title = _TITLES[row.kind]
        if row.kind == "cutoff":
            title += f", {order_name(row.order)}"
        groups.setdefault(title, []).append(row)
    return list(groups.items())


_TITLES: Mapping[ScanKind, str] = {
    "cutoff": "Cutoff",
    "order": "Orders",
    "constraints": "Constraints",
    "ridge": "Ridge",
    "time": "Length of the run",
}


_RANKED = ("cutoff", "order", "ridge")
"""Quantities chosen by the predicted residual; constraints are a matter of physics."""


def render_scan(rows: Sequence[ScanPoint]) -> Group:
    """Make the table of a scan for the terminal, readable in 80 columns without colour."""
    columns = [column for column in _COLUMNS if any(column[1](row) for row in rows)]
    table = FittedTable(gap=1, optional=("cond.", "joint–", "lowest f²", "R²"), wrapped=("",))
    table.add_column("fit")
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for n, (title, group) in enumerate(groups_of(rows)):
        if n:
            table.add_row()
        table.add_row(Text(title, style="bold"))
        marks = _marks(group) if group[0].kind in _RANKED else {}
        for k, row in enumerate(group):
            cells = [row.label, *(cell(row) or "–" for _, cell in columns), marks.get(k, "")]
            table.add_row(*(Text(cell) for cell in cells))
    caption = (
        "best: smallest residual in frames left out of the fit; enough: fewest parameters "
        f"within {100.0 * TOLERANCE:g} % of it"
    )
    return Group(table, Text(), Text(caption))


def _marks(group: Sequence[ScanPoint]) -> dict[int, str]:
    """Index in the group → "best", "enough", both or neither."""
    best, enough = best_row(group), enough_row(group)
    marks = {}
    for k, row in enumerate(group):
        words = [word for word, one in (("best", best), ("enough", enough)) if row is one]
        marks[k] = ", ".join(words)
    return marks


def _formatted(form: str, name: str) -> Callable[[ScanPoint], str]:
    """Return a function that formats a number of a fit; nan becomes an empty text."""
    read = attrgetter(name)

    def cell(row: ScanPoint) -> str:
        value = read(row)
        return format(value, form) if np.isfinite(value) else ""

    return cell


def _distance(row: ScanPoint) -> str:
    """Distance of joint and sequential fit in percent."""
    return f"{100.0 * row.scheme_distance:.2g}" if np.isfinite(row.scheme_distance) else ""


def _square(row: ScanPoint) -> str:
    square = lowest_squared_thz(row)
    return compact(square, np.nan) if np.isfinite(square) else ""


_COLUMNS: tuple[tuple[str, Callable[[ScanPoint], str]], ...] = (
    ("param.\n", _formatted("d", "quality.n_parameters")),
    ("R²\n", _formatted(".5f", "quality.r_squared")),
    ("residual\neV/Å", _formatted(".5f", "quality.rms_residual")),
    ("left out\neV/Å", _formatted(".5f", "rms_predicted")),
    ("cond.\n", _formatted(".2g", "quality.condition")),
    ("joint–\nseq. %", _distance),
    ("lowest f²\nTHz²", _square),
)
