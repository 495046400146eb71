"""Tables of a results folder in the terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group
from rich.text import Text

from trajmodes.errors import UsageError, instead_of
from trajmodes.report.numbers import compact
from trajmodes.report.text.fitted_table import FittedTable
from trajmodes.results.tables import Table


def chosen(table: Table, columns: Sequence[str], sort: str) -> Table:
    """Table with some of its columns, by default all, and with its rows sorted by one.

    Standard errors are kept with their columns; texts without a number are sorted last.

    Raises
    ------
    UsageError
        If there is no such column.
    """
    for name in (*columns, *([sort] if sort else [])):
        if name not in table.columns:
            known = [one for one in table.columns if not one.endswith("_sem")]
            raise UsageError(f'the table has no column "{name}"', fix=instead_of(name, known))
    with_errors = [one for name in columns for one in (name, f"{name}_sem")]
    names = [one for one in with_errors if one in table.columns] or list(table.columns)
    n_rows = len(next(iter(table.columns.values())))
    order = np.argsort(table.columns[sort], kind="stable") if sort else np.arange(n_rows)
    kept = {name: table.columns[name][order] for name in names}
    return Table(table.title, kept, table.meanings)


def render_table(table: Table) -> Group:
    """Make a table in which each number has its error."""
    shown = FittedTable(gap=1, more="--columns chooses")
    columns = cells_of(table)
    for name in columns:
        shown.add_column(name, justify="right")
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*map(Text, row))
    return Group(Text(table.title), Text(), shown)


def cells_of(table: Table) -> dict[str, list[str]]:
    """Heading → cells, in which each number has its error."""
    return {
        name: _cells(name, values, table.columns.get(f"{name}_sem"))
        for name, values in table.columns.items()
        if not (name.endswith("_sem") and name.removesuffix("_sem") in table.columns)
    }


_ROUND_OFF = 1e-6
"""Frequencies below this part of the highest one are rounding errors of zero, as of acoustic
modes at Γ, which are square roots of rounding errors."""


def _cells(name: str, values: npt.NDArray[Any], sems: npt.NDArray[Any] | None) -> list[str]:
    if values.dtype.kind != "f":
        return [str(one) for one in values.tolist()]
    if "freq" in name and np.isfinite(values).any():
        values = np.where(np.abs(values) < _ROUND_OFF * np.nanmax(np.abs(values)), 0.0, values)
    errors = [None] * len(values) if sems is None else sems.tolist()
    return [compact(x, sem) for x, sem in zip(values.tolist(), errors, strict=True)]
