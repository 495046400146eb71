"""Tables of the sets of symmetry-equivalent modes in the terminal."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from trajmodes.arrays import Floats, Ints
from trajmodes.data.force_constants import LOWER_BOUND
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.spectra import DISAGREE, NARROWEST, Verdict
from trajmodes.errors import DataError
from trajmodes.report.numbers import branches, counted, place_of, terse
from trajmodes.units import THZ


class _Short(NamedTuple):
    """Short forms of a verdict."""

    letter: str
    words: str


_SHORT = {
    Verdict.RESOLVED: _Short("·", "resolved"),
    Verdict.TOO_NARROW: _Short("n", "too narrow"),
    Verdict.TOO_BROAD: _Short("b", "too broad"),
    Verdict.TOO_FEW: _Short("d", "few data"),
    Verdict.FAILED: _Short("f", "fit failed"),
    Verdict.NO_LINE: _Short("p", "poor fit"),
    Verdict.OUTSIDE: _Short("x", "off band"),
    Verdict.ALIASED: _Short("a", "aliased"),
    Verdict.OVERDAMPED: _Short("v", "overdamped"),
    Verdict.TOO_LONG: _Short("s", "short run"),
    Verdict.TOO_FAST: _Short("q", "too fast"),
    Verdict.UNDEFINED: _Short("i", "imaginary"),
}
_VERDICTS = ("verdict", "energy_verdict")
_METHODS = {
    "lifetime_ps": "the spectral line",
    "lifetime_energy_ps": "the energy autocorrelation",
    "lifetime_phi3_classical_ps": "third-order force constants Φ3 (classical; modes.csv has "
    "the quantum one)",
}
_MANY, _TOO_MANY = 100.0, 9999.5
"""Lifetimes in ps from which on whole numbers, and powers of ten, are printed."""


_Row = Mapping[str, Any]
"""Variable → its value for one set."""
_OF_A_SET = (("set",), ("set", "reciprocal"))


class _Column(NamedTuple):
    """A column of the list."""

    name: str
    unit: str
    needs: str
    """Variable that the column needs."""
    cell: Callable[[_Row], str]
    justify: JustifyMethod = "right"


def render_modes(
    dataset: NamedArrays,
    *,
    sort: Literal["q", "frequency", "lifetime"] = "q",
    only_resolved: bool = False,
) -> Group:
    """List all sets of symmetry-equivalent modes of a run, in 100 columns.

    Parameters
    ----------
    dataset
        Results with a projection.
    sort
        Order of the list: by q, by frequency, or by lifetime, the longest first (of the line
        if it is resolved, otherwise of the energy autocorrelation).
    only_resolved
        Whether to list only sets with a lifetime from the line or the energy autocorrelation.

    Raises
    ------
    DataError
        If the results contain no projection.
    """
    if "mode_temperature" not in dataset:
        is_map = "map_power" in dataset and "set" not in dataset.dims
        sed = "they are a spectral energy density, written by `trajmodes sed`"
        raise DataError(
            "the results contain no projection on the modes",
            why=sed if is_map else "only force constants were fitted",
            fix="run `trajmodes project` or `trajmodes run`",
        )
    sets = _sorted_sets(dataset, sort)
    hidden = 0
    if only_resolved:
        flags = [dataset[n].values for n in ("resolved", "energy_resolved") if n in dataset]
        known = np.any(flags, axis=0)[sets]
        hidden, sets = int((~known).sum()), sets[known]
    table = list_sets(dataset, sets.tolist(), _ALL, optional=_OPTIONAL)
    return Group(table, Text(), _legend(dataset, hidden))


def _sorted_sets(dataset: NamedArrays, sort: str) -> Ints:
    """Labels of all sets, sorted."""
    if sort == "q":
        return np.arange(dataset.sizes["set"])
    key: Floats = dataset["freq_harmonic_thz"].values
    if sort == "lifetime":
        key = np.full(dataset.sizes["set"], np.nan)
        for name in ("lifetime_ps", "lifetime_energy_ps"):
            if name in dataset:
                key = np.where(np.isfinite(key), key, dataset[name].values)
        key = -key
    # Sets without a lifetime come last: nan sorts last.
    return np.argsort(key, kind="stable")


def lower_bounds(dataset: NamedArrays) -> list[str]:
    """Explain the sign before errors that are lower bounds, if there are any."""
    factors = dataset.get("freq_harmonic_error_factor")
    if factors is None or not (factors.values > LOWER_BOUND).any():
        return []
    return ["(≥5): the error is a lower bound"]


def _legend(dataset: NamedArrays, hidden: int) -> Table:
    methods = [text for name, text in _METHODS.items() if name in dataset]
    lines = [
        "frequencies: harmonic (force constants), displ. (from ⟨|Q|²⟩ and T), ratio (ω² = "
        "⟨v²⟩/⟨u²⟩ of the mode, independent of T), line (fit of the spectral line)",
        "1.23(5) means 1.23 ± 0.05; T: mode temperature; C: heat capacity; FWHM: linewidth",
        *lower_bounds(dataset),
    ]
    if methods:
        lines.append(f"τ: energy lifetime, 1/(2π FWHM), from {', from '.join(methods)}")
    if "verdict" in dataset:
        lines.append("< and > are limits: the line is narrower than twice the resolution")
    if "lifetime_disagreement" in dataset:
        apart = np.abs(dataset["lifetime_disagreement"].values)
        count, known = int((apart > DISAGREE).sum()), int(np.isfinite(apart).sum())
        lines.append(
            f"* the lifetimes from line and energy differ by more than {DISAGREE:g} combined "
            f"errors: {count} of {known} sets that both methods resolved"
        )
    given = {text for name in _VERDICTS if name in dataset for text in dataset[name].values}
    letters = ", ".join(" ".join(_SHORT[verdict]) for verdict in Verdict if verdict in given)
    if letters:
        lines.append(f"verdicts on line and energy autocorrelation: {letters}")
    if hidden:
        lines.append(f"not listed: {counted(hidden, 'set')} without a lifetime")
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("  -", Text(line))
    return grid


@dataclass(frozen=True, slots=True)
class SetList:
    """A table of sets that leaves out optional columns on a narrow terminal, and says so."""

    heads: tuple[_Column, ...]
    columns: tuple[tuple[str, ...], ...]
    """The cells of each column."""
    optional: tuple[str, ...]
    """Names of columns that may be left out, in this order."""
    caption: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = {
            head.name: max(map(cell_len, (head.name, head.unit, *cells)))
            for head, cells in zip(self.heads, self.columns, strict=True)
        }
        left_out: list[str] = []
        optional = [name for name in self.optional if name in widths]
        # One blank between columns.
        while optional and sum(widths.values()) + len(widths) - 1 > options.max_width:
            left_out.append(optional.pop(0))
            del widths[left_out[-1]]
        fits = sum(widths.values()) + len(widths) - 1 <= options.max_width
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        shown = [k for k, head in enumerate(self.heads) if head.name in widths]
        for head in (self.heads[k] for k in shown):
            # As the last resort q is wrapped: a truncated number would be wrong.
            table.add_column(
                f"{head.name}\n{head.unit}",
                justify=head.justify,
                no_wrap=fits or head.name != "q",
            )
        for row in zip(*(self.columns[k] for k in shown), strict=True):
            table.add_row(*map(Text, row))
        names = ", ".join(left_out)
        hint = f"columns left out for lack of space: {names}; see modes.csv"
        yield table
        yield from (Text(line) for line in [self.caption, hint * bool(left_out)] if line)


def list_sets(
    dataset: NamedArrays,
    sets: Iterable[int],
    names: Iterable[str],
    *,
    optional: Iterable[str] = (),
    caption: str = "",
) -> SetList:
    """Make a table with one row for each of the sets, given by their labels, in this order.

    Columns without data are left out, and on a narrow terminal the optional ones, in this
    order.
    """
    heads = tuple(_COLUMNS[name] for name in names if _COLUMNS[name].needs in dataset)
    # Plain arrays: indexing all variables of a Dataset takes 10 ms a row.
    values = {
        str(name): variable.values
        for name, variable in dataset.variables.items()
        if variable.dims in _OF_A_SET
    }
    rows = [{name: value[g] for name, value in values.items()} for g in sets]
    columns = tuple(tuple(head.cell(one) for one in rows) for head in heads)
    return SetList(heads, columns, tuple(_COLUMNS[name].name for name in optional), caption)


def _number(name: str) -> Callable[[_Row], str]:
    """Return a function that formats a variable of one set with its error."""

    def cell(one: _Row) -> str:
        sem = float(one[f"{name}_sem"]) if f"{name}_sem" in one else None
        return terse(float(one[name]), sem)

    return cell


def _harmonic(one: _Row) -> str:
    text = _number("freq_harmonic_thz")(one)
    factor = float(one.get("freq_harmonic_error_factor", 1.0))
    return text.replace("(", "(≥") if factor > LOWER_BOUND else text


def _is(one: _Row, verdict: Verdict) -> bool:
    return str(one["verdict"]) == str(verdict)


def _width(one: _Row) -> str:
    if _is(one, Verdict.TOO_NARROW):
        return f"<{NARROWEST * float(one['line_resolution_thz']):.2g}"
    return _number("linewidth_thz")(one)


def _life(one: _Row) -> str:
    if _is(one, Verdict.TOO_NARROW):
        return f">{1.0 / (NARROWEST * THZ * float(one['line_resolution_thz'])):.2g}"
    return _number("lifetime_ps")(one)


def _energy_life(one: _Row) -> str:
    # A blank in place of the star keeps the digits aligned.
    apart = abs(float(one["lifetime_disagreement"])) > DISAGREE
    return _number("lifetime_energy_ps")(one) + ("*" if apart else " ")


def _phi3_life(one: _Row) -> str:
    life = float(one["lifetime_phi3_classical_ps"])
    if not np.isfinite(life):
        return "–"
    form = ".3g" if life < _MANY else ".0f" if life < _TOO_MANY else ".1e"
    return format(life, form)


def _phi3_width(one: _Row) -> str:
    width = float(one["linewidth_phi3_classical_thz"])
    return f"{width:.3g}" if np.isfinite(width) else "–"


def _letters(one: _Row) -> str:
    return "".join(_SHORT[Verdict(str(one[n]))].letter for n in _VERDICTS if n in one)


def _plain(name: str, unit: str, variable: str) -> _Column:
    """Column of a variable with its errors."""
    return _Column(name, unit, variable, _number(variable))


_COLUMNS = {
    "set": _Column("set", "", "set", lambda one: str(int(one["set"]))),
    "q": _Column("q", "", "set_q", place_of, "left"),
    "branch": _Column(
        *("br.", "", "branch_first"),
        lambda one: branches(int(one["branch_first"]), int(one["branch_last"])),
    ),
    "harmonic": _Column("harmonic", "THz", "freq_harmonic_thz", _harmonic),
    "displacement": _plain("displ.", "THz", "freq_displacement_thz"),
    "ratio": _plain("ratio", "THz", "freq_ratio_thz"),
    "line": _plain("line", "THz", "freq_spectrum_thz"),
    "temperature": _plain("T", "K", "mode_temperature"),
    "heat": _plain("C", "k_B", "heat_capacity_kb"),
    "anharmonicity": _plain("W/U − 1", "", "anharmonicity"),
    "width": _Column("FWHM", "THz", "linewidth_thz", _width),
    "life": _Column("τ line", "ps", "lifetime_ps", _life),
    "energy life": _Column("τ energy", "ps", "lifetime_energy_ps", _energy_life),
    "Φ3 life": _Column("τ Φ3", "ps", "lifetime_phi3_classical_ps", _phi3_life),
    "Φ3 width": _Column("Φ3 FWHM", "THz", "linewidth_phi3_classical_thz", _phi3_width),
    "γ": _plain("γ", "", "gruneisen"),
    "verdict": _Column(
        *("verdict", "", "verdict"),
        lambda one: _SHORT[Verdict(str(one["verdict"]))].words,
        "left",
    ),
    "letters": _Column("", "", "verdict", _letters, "left"),
}
_ALL = (
    *("set", "q", "branch", "harmonic", "displacement", "ratio", "line", "temperature"),
    *("heat", "width", "life", "energy life", "Φ3 life", "letters"),
)
_OPTIONAL = ("displacement", "heat", "ratio", "temperature", "branch", "width", "harmonic")
"""Left out in this order on a narrow terminal, the noisiest first."""
