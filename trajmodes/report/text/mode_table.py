"""The sets of modes as a list in the terminal, a few columns or all of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from trajmodes.arrays import Floats, Ints
from trajmodes.data.spectra import DISAGREE, NARROWEST, Verdict
from trajmodes.errors import DataError
from trajmodes.report.text.numbers import branches, counted, place_of, terse
from trajmodes.results.stored import NamedArrays
from trajmodes.units import THZ


class _Short(NamedTuple):
    """A verdict where there is little room."""

    letter: str
    words: str


_SHORT = {
    Verdict.RESOLVED: _Short("·", "resolved"),
    Verdict.TOO_NARROW: _Short("n", "too narrow"),
    Verdict.TOO_BROAD: _Short("b", "too broad"),
    Verdict.TOO_FEW: _Short("d", "few data"),
    Verdict.FAILED: _Short("f", "fit failed"),
    Verdict.NO_LINE: _Short("o", "odd shape"),
    Verdict.OUTSIDE: _Short("x", "off band"),
    Verdict.OVERDAMPED: _Short("v", "overdamped"),
    Verdict.TOO_LONG: _Short("s", "short run"),
    Verdict.TOO_FAST: _Short("q", "too quick"),
    Verdict.UNDEFINED: _Short("i", "imaginary"),
}
_VERDICTS = ("verdict", "energy_verdict")
_MANY, _TOO_MANY = 100.0, 9999.5
"""From the one on, lifetimes in ps are whole numbers; from the other on, powers of ten."""


_Row = Mapping[str, Any]
"""Variable → its value for one set."""
_OF_A_SET = (("set",), ("set", "reciprocal"))


class _Column(NamedTuple):
    """A column of the list."""

    name: str
    unit: str
    needs: str
    """Variable that must be there."""
    cell: Callable[[_Row], str]
    justify: JustifyMethod = "right"


def render_modes(
    dataset: NamedArrays,
    *,
    sort: Literal["q", "frequency", "lifetime"] = "q",
    only_resolved: bool = False,
) -> Group:
    """List what a run says about every set of symmetry-equal modes, in 100 columns.

    Parameters
    ----------
    dataset
        Results with a projection.
    sort
        Whether neighbours in the list belong to one q, or have about the same frequency or
        lifetime: that of the line where it was resolved, the longest first.
    only_resolved
        Whether to leave out sets whose lifetime neither the line nor the energy told.

    Raises
    ------
    DataError
        If the results hold no projection.
    """
    if "mode_temperature" not in dataset:
        is_map = "map_power" in dataset and "set" not in dataset.dims
        raise DataError(
            "the results hold no projection on the modes",
            why="they are the spectral energy along a path, of `trajmodes sed`"
            if is_map
            else "only constants were fitted",
            fix="make them with `trajmodes project` or `trajmodes run`",
        )
    sets = _in_order(dataset, sort)
    hidden = 0
    if only_resolved:
        flags = [dataset[n].values for n in ("resolved", "energy_resolved") if n in dataset]
        known = np.any(flags, axis=0)[sets]
        hidden, sets = int((~known).sum()), sets[known]
    table = list_sets(dataset, sets.tolist(), _ALL, spare=_SPARE)
    return Group(table, Text(), _legend(dataset, hidden))


def _in_order(dataset: NamedArrays, sort: str) -> Ints:
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
    # Those without a lifetime come last: nan does.
    return np.argsort(key, kind="stable")


def _legend(dataset: NamedArrays, hidden: int) -> Table:
    ways = ["the line"]
    if "lifetime_energy_ps" in dataset:
        ways.append("the correlation of energies")
    if "lifetime_phi3_classical_ps" in dataset:
        ways.append("Φ3 (classical; the quantum one is in modes.csv)")
    lines = [
        "ω/2π: of the constants, from displacements, free of the temperature, from the line",
        "1.23(5) is 1.23 ± 0.05; C is the heat capacity; Γ is the full width at half maximum; "
        f"τ is the lifetime of the energy, 1/(2πΓ): from {', from '.join(ways)}",
        "< and > are limits: the line is narrower than two resolutions",
    ]
    if "lifetime_disagreement" in dataset:
        apart = np.abs(dataset["lifetime_disagreement"].values)
        count, known = int((apart > DISAGREE).sum()), int(np.isfinite(apart).sum())
        lines.append(
            f"* the lifetimes of line and energy are more than {DISAGREE:g} combined errors "
            f"apart: {count} of {known} sets that both ways resolved"
        )
    given = {text for name in _VERDICTS if name in dataset for text in dataset[name].values}
    letters = ", ".join(" ".join(_SHORT[verdict]) for verdict in Verdict if verdict in given)
    lines.append(f"verdicts on line and energy: {letters}")
    if hidden:
        lines.append(f"left out: {counted(hidden, 'set')} with no lifetime")
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("  -", Text(line))
    return grid


@dataclass(frozen=True, slots=True)
class SetList:
    """A table of sets that leaves columns out, and says so, where not all find room."""

    heads: tuple[_Column, ...]
    columns: tuple[tuple[str, ...], ...]
    """The cells of each column."""
    spare: tuple[str, ...]
    """Names of columns that may be left out, in this order."""
    caption: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = {
            head.name: max(map(cell_len, (head.name, head.unit, *cells)))
            for head, cells in zip(self.heads, self.columns, strict=True)
        }
        left_out: list[str] = []
        spare = [name for name in self.spare if name in widths]
        # One blank between columns.
        while spare and sum(widths.values()) + len(widths) - 1 > options.max_width:
            left_out.append(spare.pop(0))
            del widths[left_out[-1]]
        fits = sum(widths.values()) + len(widths) - 1 <= options.max_width
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
        shown = [k for k, head in enumerate(self.heads) if head.name in widths]
        for head in (self.heads[k] for k in shown):
            # As the last resort q goes on in the next line: a number cut off would lie.
            table.add_column(
                f"{head.name}\n{head.unit}",
                justify=head.justify,
                no_wrap=fits or head.name != "q",
            )
        for row in zip(*(self.columns[k] for k in shown), strict=True):
            table.add_row(*map(Text, row))
        told = [f"no room for {', '.join(left_out)}: see modes.csv"] if left_out else []
        yield table
        yield from (Text(line) for line in [self.caption, *told] if line)


def list_sets(
    dataset: NamedArrays,
    sets: Iterable[int],
    names: Iterable[str],
    *,
    spare: Iterable[str] = (),
    caption: str = "",
) -> SetList:
    """Make a table with one row for each set.

    Parameters
    ----------
    dataset
        Results.
    sets
        Labels of the sets, in order.
    names
        Names of the columns; those that there is no data for are left out.
    spare
        Names of columns to leave out where it is too narrow for all, in this order.
    caption
        What stands below.
    """
    heads = tuple(_COLUMNS[name] for name in names if _COLUMNS[name].needs in dataset)
    # As plain arrays: to index all variables of a Dataset takes 10 ms for each row.
    values = {
        str(name): variable.values
        for name, variable in dataset.variables.items()
        if variable.dims in _OF_A_SET
    }
    rows = [{name: value[g] for name, value in values.items()} for g in sets]
    columns = tuple(tuple(head.cell(one) for one in rows) for head in heads)
    return SetList(heads, columns, tuple(_COLUMNS[name].name for name in spare), caption)


def _number(name: str) -> Callable[[_Row], str]:
    """How to write one number with its error."""

    def cell(one: _Row) -> str:
        sem = float(one[f"{name}_sem"]) if f"{name}_sem" in one else None
        return terse(float(one[name]), sem)

    return cell


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
    # A place for the star is kept, so that the digits stay below each other.
    apart = abs(float(one["lifetime_disagreement"])) > DISAGREE
    return _number("lifetime_energy_ps")(one) + ("*" if apart else " ")


def _phi3_life(one: _Row) -> str:
    life = float(one["lifetime_phi3_classical_ps"])
    if not np.isfinite(life):
        return "–"
    if life >= _MANY:
        return f"{life:.0f}" if life < _TOO_MANY else f"{life:.1e}"
    return f"{life:.3g}"


def _phi3_width(one: _Row) -> str:
    width = float(one["linewidth_phi3_classical_thz"])
    return f"{width:.3g}" if np.isfinite(width) else "–"


def _letters(one: _Row) -> str:
    return "".join(_SHORT[Verdict(str(one[n]))].letter for n in _VERDICTS if n in one)


_COLUMNS = {
    "set": _Column("set", "", "set", lambda one: str(int(one["set"]))),
    "q": _Column("q", "", "set_q", place_of, "left"),
    "branch": _Column(
        *("br.", "", "branch_first"),
        lambda one: branches(int(one["branch_first"]), int(one["branch_last"])),
    ),
    "harmonic": _Column("harmonic", "THz", "freq_harmonic_thz", _number("freq_harmonic_thz")),
    "displacement": _Column(
        *("displ.", "THz", "freq_displacement_thz"), _number("freq_displacement_thz")
    ),
    "ratio": _Column("T-free", "THz", "freq_ratio_thz", _number("freq_ratio_thz")),
    "line": _Column("line", "THz", "freq_spectrum_thz", _number("freq_spectrum_thz")),
    "temperature": _Column("T", "K", "mode_temperature", _number("mode_temperature")),
    "heat": _Column("C", "k_B", "heat_capacity_kb", _number("heat_capacity_kb")),
    "width": _Column("Γ", "THz", "linewidth_thz", _width),
    "life": _Column("τ line", "ps", "lifetime_ps", _life),
    "energy life": _Column("τ energy", "ps", "lifetime_energy_ps", _energy_life),
    "Φ3 life": _Column("τ Φ3", "ps", "lifetime_phi3_classical_ps", _phi3_life),
    "Φ3 width": _Column("Φ3 FWHM", "THz", "linewidth_phi3_classical_thz", _phi3_width),
    "γ": _Column("γ", "", "gruneisen", _number("gruneisen")),
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
_SPARE = ("displacement", "heat", "ratio", "temperature", "branch", "width", "harmonic")
"""Left out in this order: what is noisy first."""
