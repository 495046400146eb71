"""Tables of a results folder in the terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from trajmodes.errors import UsageError
from trajmodes.report.numbers import compact
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
            raise UsageError(
                f'the table has no column "{name}"', fix=f"take one of {', '.join(known)}"
            )
    with_errors = [one for name in columns for one in (name, f"{name}_sem")]
    names = [one for one in with_errors if one in table.columns] or list(table.columns)
    n_rows = len(next(iter(table.columns.values())))
    order = np.argsort(table.columns[sort], kind="stable") if sort else np.arange(n_rows)
    kept = {name: table.columns[name][order] for name in names}
    return Table(table.title, kept, table.meanings)


class TableText:
    """A table in which each number has its error; the last columns need room."""

    def __init__(self, table: Table, *, is_whole: bool) -> None:
        """Format the cells; ``is_whole``: no column is left out."""
        self._title, self._is_whole = table.title, is_whole
        self._columns = {
            name: _cells(name, values, table.columns.get(f"{name}_sem"))
            for name, values in table.columns.items()
            if not (name.endswith("_sem") and name.removesuffix("_sem") in table.columns)
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = RichTable(box=None, padding=(0, 1, 0, 0), header_style="bold")
        left_out, room = [], 0
        for name, cells in self._columns.items():
            room += 1 + max(map(cell_len, (name, *cells)))
            if room > options.max_width + 1 and not self._is_whole:
                left_out.append(name)
            else:
                shown.add_column(name, justify="right", no_wrap=True)
        kept = (cells for name, cells in self._columns.items() if name not in left_out)
        for row in zip(*kept, strict=True):
            shown.add_row(*map(Text, row))
        yield from (Text(self._title), Text(), shown)
        if left_out:
            names = ", ".join(left_out)
            yield Text(f"columns left out for lack of space: {names}; --columns chooses")


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
