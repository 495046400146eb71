"""The text that `trajmodes show` and `trajmodes modes` print on a results folder."""

from pathlib import Path
from typing import Any

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import UsageError, instead_of
from trajmodes.report.summary import render, text_of
from trajmodes.report.text.mode_table import Choice, chosen_sets, render_modes, variables_of
from trajmodes.report.text.tables import chosen, render_table
from trajmodes.results.netcdf import read_arrays
from trajmodes.results.outputs import MODES, Output
from trajmodes.results.tables import Table, table_of

MODE_TABLE = "modes"
"""Name of the table of sets of modes."""


def show(path: str, table: str | None, values: dict[str, Any]) -> str:
    """Text of the results in a folder: the whole summary, or one table.

    Parameters
    ----------
    path
        ``results.nc`` or its folder.
    table
        Name of a table, such as ``modes``; None for the summary.
    values
        Options of the table: columns, sort, q, resolved, csv.

    Raises
    ------
    DataError
        If the file is not a results file, or lacks the data.
    UsageError
        If there is no such table, column or q.
    """
    dataset = read_arrays(path)
    columns, sort, is_csv = tuple(values["columns"]), values["sort"], values["csv"]
    if table is None:
        _require_no_choice(values)
        return text_of(render(dataset, rows=None))
    if table == MODE_TABLE:
        choice = Choice(columns, sort or "q", values["q"], values["resolved"])
        if is_csv:
            return _modes_as_csv(dataset, choice)
        return text_of(render_modes(dataset, choice))
    if values["q"] is not None or values["resolved"]:
        raise UsageError("--q and --resolved are for the table of modes")
    found = chosen(_named(dataset, table), columns, sort or "")
    return found.text if is_csv else text_of(render_table(found))


def _require_no_choice(values: dict[str, Any]) -> None:
    given = [name for name, value in values.items() if value not in (None, (), False)]
    if given:
        raise UsageError(
            f"--{given[0]} is for a table", fix="name one, as in: trajmodes show results/ modes"
        )


def _modes_as_csv(dataset: NamedArrays, choice: Choice) -> str:
    sets = chosen_sets(dataset, choice)
    rows = dataset.isel(set=sets)
    whole = MODES.make(rows)
    assert isinstance(whole, Table)
    if choice.columns:
        return table_of(rows, whole.title, variables_of(dataset, choice.columns)).text
    return whole.text


def _named(dataset: NamedArrays, name: str) -> Table:
    # The list of outputs loads slowly.
    from trajmodes.report.write import outputs_of  # noqa: PLC0415

    outputs: dict[str, Output] = {
        Path(one.name).stem: one
        for one in outputs_of(dataset)
        if one.name.endswith(".csv") and one.is_possible(dataset)
    }
    if name not in outputs:
        text = f'these results have no table "{name}"'
        raise UsageError(text, fix=instead_of(name, outputs))
    found = outputs[name].make(dataset)
    assert isinstance(found, Table)
    return found
