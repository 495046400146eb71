"""Tables of the sets of symmetry-equivalent modes in the terminal."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.force_constants import LOWER_BOUND
from trajmodes.data.labels import coordinates
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.spectra import DISAGREE, Verdict
from trajmodes.errors import DataError, UsageError
from trajmodes.report.numbers import counted, point_label
from trajmodes.report.text.columns import COLUMNS, SHORT, Column, of_variable
from trajmodes.report.text.fitted_table import FittedTable

_VERDICTS = ("verdict", "energy_verdict")
_METHODS = {
    "lifetime_ps": "the spectral line",
    "lifetime_energy_ps": "the energy autocorrelation",
    "lifetime_phi3_classical_ps": "third-order force constants Φ3 (classical; modes.csv has "
    "the quantum one)",
}
_OF_A_SET = (("set",), ("set", "reciprocal"))
_ALL = (
    *("set", "q", "branch", "harmonic", "displacement", "ratio", "line", "linewidth"),
    *("lifetime", "energy-lifetime", "phi3-lifetime", "temperature", "heat-capacity"),
    "verdict",
)
OPTIONAL = ("displacement", "heat-capacity", "ratio", "temperature", "phi3-lifetime", "line")
"""Columns that are left out on a narrow terminal, in this order, the noisiest first."""
_WRAPPED = ("q", "verdict")
"""Titles of columns that are wrapped as the last resort: a truncated number would be wrong."""


class Choice(NamedTuple):
    """Which rows and columns of a table are printed, and in which order."""

    columns: tuple[str, ...] = ()
    """Empty: those that have data and room."""
    sort: str = "q"
    q: str | None = None
    """A point, as ``1/2 0 0`` or ``X``."""
    only_resolved: bool = False
    """Only sets with a lifetime from the line or the energy autocorrelation."""


def render_modes(dataset: NamedArrays, choice: Choice = Choice()) -> Group:  # noqa: B008 - frozen
    """List sets of symmetry-equivalent modes of a run.

    Raises
    ------
    DataError
        If the results contain no projection.
    UsageError
        If there is no such column or q.
    """
    sets = chosen_sets(dataset, choice)
    hidden = dataset.sizes["set"] - len(sets)
    names = choice.columns or _ALL
    optional = () if choice.columns else OPTIONAL
    table, titles = list_sets(dataset, sets.tolist(), names, optional=optional)
    return Group(table, Text(), _legend(dataset, titles, hidden))


def chosen_sets(dataset: NamedArrays, choice: Choice) -> Ints:
    """Labels of the sets that are printed, in their order.

    Lifetimes and linewidths are sorted in descending order; sets without one come last. The
    lifetime of a set is that of the line if it is resolved, otherwise that of the energy
    autocorrelation.
    """
    _require_projection(dataset)
    sets = np.argsort(_key(dataset, choice.sort), kind="stable")
    if choice.only_resolved:
        flags = [dataset[n].values for n in ("resolved", "energy_resolved") if n in dataset]
        sets = sets[np.any(flags, axis=0)[sets]]
    return sets if choice.q is None else sets[_is_at(dataset, choice.q)[sets]]


def _require_projection(dataset: NamedArrays) -> None:
    if "potential_mev" not in dataset and "kinetic_mev" not in dataset:
        is_map = "map_power" in dataset and "set" not in dataset.dims
        sed = "they are a spectral energy density, written by `trajmodes sed`"
        raise DataError(
            "the results contain no projection on the modes",
            why=sed if is_map else "only force constants were fitted",
            fix="run `trajmodes project` or `trajmodes run`",
        )


def _key(dataset: NamedArrays, sort: str) -> Floats:
    """Numbers by which sets are sorted, ascending."""
    if sort == "q":
        return np.arange(dataset.sizes["set"], dtype=float)
    if sort == "lifetime":
        key = np.full(dataset.sizes["set"], np.nan)
        for name in ("lifetime_ps", "lifetime_energy_ps"):
            if name in dataset:
                key = np.where(np.isfinite(key), key, dataset[name].values)
        return -key
    column = _column(dataset, "harmonic" if sort == "frequency" else sort)
    values: Floats = np.asarray(dataset[column.variables[0]].values)
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise UsageError(f"sets cannot be sorted by {sort}", fix="sort by a number")
    return -values if sort == "linewidth" else values


def _is_at(dataset: NamedArrays, text: str) -> Bools:
    """Whether each set has a mode at a point, given by its name or its coordinates."""
    points = dataset["set_point"].values if "set_point" in dataset else np.array([])
    name = point_label(text)
    if name in points:
        return np.asarray(points == name)
    q = coordinates(text)
    is_point = len(q) == 3
    found = np.zeros(dataset.sizes["set"], dtype=bool)
    if is_point:
        every = dataset["q"].values
        apart = np.stack([every - q, every + q])
        same = (np.abs(apart - np.round(apart)) < _SAME_Q).all(axis=-1).any(axis=0)
        sets = dataset["mode_set"].values[same].ravel()
        found[sets[sets >= 0]] = True
    if not found.any():
        names = ", ".join(dict.fromkeys(points[points != ""].tolist()))
        raise UsageError(
            f"no mode of the results is at q = {text}",
            why="the supercell has no such q" if is_point else "it is no point of the path",
            fix='give three coordinates, such as "1/2 0 0"'
            + f", or one of {names}" * bool(names),
        )
    return found


_SAME_Q = 1e-5


def _column(dataset: NamedArrays, name: str) -> Column:
    """Column of a name: a declared one, or any numerical variable of the sets."""
    column = COLUMNS.get(name)
    if column is None and name in dataset and dataset[name].dims == ("set",):
        column = of_variable(name)
    if column is None or column.variables[0] not in dataset:
        known = [one for one, column in COLUMNS.items() if column.variables[0] in dataset]
        raise UsageError(
            f'these results have no column "{name}"',
            fix=f"take {', '.join(known)}, or a column of tables/modes.csv",
        )
    return column


def variables_of(dataset: NamedArrays, columns: Iterable[str]) -> list[str]:
    """Variables that some columns show."""
    return [name for column in columns for name in _column(dataset, column).variables]


def lower_bounds(dataset: NamedArrays) -> list[str]:
    """Explain the sign in front of errors that are lower bounds, if there are any."""
    factors = dataset.get("freq_harmonic_error_factor")
    if factors is None or not (factors.values > LOWER_BOUND).any():
        return []
    return ["(≥5): the error is a lower bound"]


def verdict_lines(dataset: NamedArrays) -> list[str]:
    """Explain the words for the verdicts that occur."""
    given = {text for name in _VERDICTS if name in dataset for text in dataset[name].values}
    reasons = [
        f"{SHORT[verdict]}: {verdict.partition(': ')[2]}"
        for verdict in Verdict
        if verdict in given and verdict is not Verdict.RESOLVED
    ]
    if not reasons:
        return []
    return [f"verdict on line and energy autocorrelation: {'; '.join(reasons)}"]


def _legend(dataset: NamedArrays, titles: Sequence[str], hidden: int) -> Table:
    methods = [text for name, text in _METHODS.items() if name in dataset]
    frequencies = {
        "harmonic": "harmonic (force constants)",
        "displ.": "displ. (from ⟨|Q|²⟩ and T)",
        "ratio": "ratio (ω² = ⟨v²⟩/⟨u²⟩ of the mode, independent of T)",
        "line": "line (fit of the spectral line)",
    }
    shown = [text for title, text in frequencies.items() if title in titles]
    lines = [f"frequencies: {', '.join(shown)}"] if shown else []
    lines += [
        "1.234(56) means 1.234 ± 0.056; T: mode temperature; C: heat capacity; FWHM: linewidth",
        *lower_bounds(dataset),
    ]
    if methods:
        lines.append(f"τ: energy lifetime, 1/(2π FWHM), from {', from '.join(methods)}")
    if "verdict" in dataset:
        lines.append("< and > are limits: the line is narrower than twice the resolution")
    lines += _corrected_lines(dataset)
    if "lifetime_disagreement" in dataset:
        apart = np.abs(dataset["lifetime_disagreement"].values)
        count, known = int((apart > DISAGREE).sum()), int(np.isfinite(apart).sum())
        lines.append(
            f"* the lifetimes from line and energy differ by more than {DISAGREE:g} combined "
            f"errors: {count} of {known} sets that both methods resolved"
        )
    lines += verdict_lines(dataset)
    if hidden:
        lines.append(f"not listed: {counted(hidden, 'set')}")
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("  -", Text(line))
    return grid


def _corrected_lines(dataset: NamedArrays) -> list[str]:
    """Say why a value with an error of more than half of it is resolved, where there is one."""
    values = ("linewidth_thz", "lifetime_energy_ps")
    pairs = [
        (dataset[one].values, dataset[f"{one}_sem"].values) for one in values if one in dataset
    ]
    if not any((sem > 0.5 * value).any() for value, sem in pairs):
        return []
    return [
        "an error of more than half: the value is near the limit of what the run resolves, and "
        "is corrected for the choice of those above it"
    ]


def columns_of_sets(
    dataset: NamedArrays, sets: Iterable[int], names: Iterable[str] = _ALL
) -> tuple[tuple[Column, ...], tuple[tuple[str, ...], ...]]:
    """Columns of these names that have data, and their cells for the given sets."""
    heads = tuple(
        _column(dataset, name)
        for name in names
        if name not in COLUMNS or COLUMNS[name].variables[0] in dataset
    )
    # Plain arrays: indexing all variables of a Dataset takes 10 ms a row.
    values = {
        str(name): variable.values
        for name, variable in dataset.variables.items()
        if variable.dims in _OF_A_SET
    }
    rows = [{name: value[g] for name, value in values.items()} for g in sets]
    return heads, tuple(tuple(head.cell(one) for one in rows) for head in heads)


def list_sets(
    dataset: NamedArrays,
    sets: Iterable[int],
    names: Iterable[str],
    *,
    optional: Iterable[str] = (),
) -> tuple[FittedTable, tuple[str, ...]]:
    """Make a table with one row for each of the sets, given by their labels, and its titles.

    Columns of `COLUMNS` without data are left out. On a narrow terminal, so are the optional
    columns, in this order.
    """
    heads, columns = columns_of_sets(dataset, sets, names)
    titles = tuple(head.title for head in heads)
    table = FittedTable(
        gap=1,
        optional=(COLUMNS[name].title for name in optional),
        wrapped=_WRAPPED,
        more="--columns chooses",
    )
    for head in heads:
        table.add_column(f"{head.title}\n{head.unit}", justify=head.justify)
    for row in zip(*columns, strict=True):
        table.add_row(*map(Text, row))
    return table, titles
