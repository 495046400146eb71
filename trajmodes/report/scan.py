"""What a scan of a ledger gives: one row for each fit, told to people and to programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.console import Group
from rich.table import Table as Grid
from rich.text import Text

from trajmodes.report.wording import compact, order_name
from trajmodes.results.tables import Table

__all__ = [
    "TOLERANCE",
    "ScanKind",
    "ScanRow",
    "best_row",
    "enough_row",
    "groups_of",
    "render_scan",
    "scan_table",
]

TOLERANCE = 0.01
"""Fits that predict worse by no more than this part of the residual are as good."""

ScanKind = Literal["cutoff", "order", "constraints", "ridge", "time"]


@dataclass(frozen=True, slots=True)
class ScanRow:
    """One fit of a scan: what was varied, and what came out."""

    kind: ScanKind
    """What was varied."""
    label: str
    """Its value in words, such as ``pairs 6 Å`` or ``Huang``."""
    cutoffs: str
    """Cutoffs of all orders in Å, in words, such as ``6 | 4.5``."""
    n_parameters: int
    r_squared: float
    rms_residual: float
    """In eV/Å."""
    rms_predicted: float = np.nan
    """In eV/Å, for blocks of time that were left out of the fit; nan if there are too few."""
    condition: float = np.nan
    scheme_distance: float = np.nan
    """|Φ' − Φ|/|Φ| of the pair constants, joint and sequential; nan where one is unknown."""
    error: float = np.nan
    """Mean relative standard error of the constants; nan if unknown."""
    lowest_squared_thz: float = np.nan
    """Lowest signed (ω/2π)² in THz²; nan if it was not looked at."""
    lowest_squared_thz_sem: float = np.nan
    """Its standard error in THz²."""
    order: int = 2
    """Order whose cutoff was varied; else the highest."""
    value: float = np.nan
    """What was varied as a number: cutoff in Å, highest order, strength of the ridge or frames
    fitted; nan for constraints."""


def scan_table(rows: Sequence[ScanRow]) -> Table:
    """All rows of a scan as a table for scan.csv.

    Parameters
    ----------
    rows
        The rows.
    """
    columns = {name: np.array([getattr(row, name) for row in rows]) for name in _MEANINGS}
    return Table("Fits of one ledger: what was varied, and what came out", columns, _MEANINGS)


_MEANINGS = {
    "kind": "what was varied",
    "label": "its value in words",
    "value": "its value: cutoff in Å, highest order, strength of the ridge, frames fitted",
    "order": "order whose cutoff was varied, else the highest",
    "cutoffs": "cutoffs of all orders, in Å",
    "n_parameters": "free parameters",
    "r_squared": "coefficient of determination of the forces",
    "rms_residual": "root mean square residual force component, in eV/Å",
    "rms_predicted": "the same for blocks of time left out of the fit, in eV/Å",
    "condition": "condition number of the equilibrated normal matrix",
    "scheme_distance": "distance of the joint and the sequential pair constants, |Φ' − Φ|/|Φ|",
    "error": "mean relative standard error of the constants",
    "lowest_squared_thz": "lowest square of a frequency, in THz² (negative: unstable)",
    "lowest_squared_thz_sem": "its standard error, in THz²",
}
"""Heading → meaning."""


def best_row(rows: Sequence[ScanRow]) -> ScanRow | None:
    """Row that predicts frames left out of the fit best; None if that is not known.

    Parameters
    ----------
    rows
        Rows of one kind.
    """
    known = [row for row in rows if np.isfinite(row.rms_predicted)]
    return min(known, key=lambda row: row.rms_predicted) if known else None


def enough_row(rows: Sequence[ScanRow]) -> ScanRow | None:
    """Row of fewest parameters that predicts within one percent as well as the best.

    Parameters
    ----------
    rows
        Rows of one kind.
    """
    best = best_row(rows)
    if best is None:
        return None
    good = [row for row in rows if row.rms_predicted <= (1.0 + TOLERANCE) * best.rms_predicted]
    return min(good, key=lambda row: (row.n_parameters, row.rms_predicted))


def groups_of(rows: Sequence[ScanRow]) -> list[tuple[str, list[ScanRow]]]:
    """Title and rows of each thing that was varied; cutoffs of each order by themselves.

    Parameters
    ----------
    rows
        All rows of a scan.
    """
    groups: dict[str, list[ScanRow]] = {}
    for row in rows:
        title = _TITLES[row.kind]
        if row.kind == "cutoff":
            title += f" of {order_name(row.order)}"
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
"""Choices that prediction may decide; constraints are a matter of physics."""


def render_scan(rows: Sequence[ScanRow]) -> Group:
    """Tell what a scan found, readable without colour and in 80 columns.

    Parameters
    ----------
    rows
        The rows.
    """
    columns = [column for column in _COLUMNS if any(column[1](row) for row in rows)]
    table = Grid(box=None, padding=(0, 1, 0, 0), header_style="bold")
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
    told = (
        "best: predicts frames left out of the fit best; enough: the fewest parameters within "
        f"{100.0 * TOLERANCE:g} % of that"
    )
    return Group(table, Text(), Text(told))


def _marks(group: Sequence[ScanRow]) -> dict[int, str]:
    """Place in the group → what it is good for."""
    best, enough = best_row(group), enough_row(group)
    marks = {}
    for k, row in enumerate(group):
        words = [word for word, one in (("best", best), ("enough", enough)) if row is one]
        marks[k] = ", ".join(words)
    return marks


def _shown(form: str, name: str) -> Callable[[ScanRow], str]:
    """How to write a number; nothing where there is none."""

    def cell(row: ScanRow) -> str:
        value = getattr(row, name)
        return format(value, form) if np.isfinite(value) else ""

    return cell


def _percent(name: str) -> Callable[[ScanRow], str]:
    """How to write a fraction of |Φ|."""

    def cell(row: ScanRow) -> str:
        value = 100.0 * getattr(row, name)
        return f"{value:.2g}" if np.isfinite(value) else ""

    return cell


def _square(row: ScanRow) -> str:
    if not np.isfinite(row.lowest_squared_thz):
        return ""
    return compact(row.lowest_squared_thz, row.lowest_squared_thz_sem)


_COLUMNS: tuple[tuple[str, Callable[[ScanRow], str]], ...] = (
    ("param.\n", _shown("d", "n_parameters")),
    ("R²\n", _shown(".5f", "r_squared")),
    ("residual\neV/Å", _shown(".5f", "rms_residual")),
    ("left out\neV/Å", _shown(".5f", "rms_predicted")),
    ("cond.\n", _shown(".2g", "condition")),
    ("joint–\nseq. %", _percent("scheme_distance")),
    ("error\n%", _percent("error")),
    ("lowest f²\nTHz²", _square),
)
