"""The columns of a table of sets of modes: names, units, and values with their errors."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich.console import JustifyMethod

from trajmodes.data.force_constants import LOWER_BOUND
from trajmodes.data.spectra import DISAGREE, NARROWEST, Verdict
from trajmodes.report.numbers import branches, compact, place_of
from trajmodes.units import THZ

Cells = Mapping[str, Any]
"""Variable → its value for one set."""

SHORT: Mapping[Verdict, str] = {
    Verdict.RESOLVED: "resolved",
    Verdict.TOO_NARROW: "too narrow",
    Verdict.TOO_BROAD: "too broad",
    Verdict.TOO_FEW: "few data",
    Verdict.FAILED: "fit failed",
    Verdict.NO_LINE: "poor fit",
    Verdict.OUTSIDE: "off band",
    Verdict.ALIASED: "aliased",
    Verdict.OVERDAMPED: "overdamped",
    Verdict.TOO_LONG: "short run",
    Verdict.TOO_FAST: "too fast",
    Verdict.UNDEFINED: "imaginary",
}
"""Verdicts in one or two words; the legend of a table explains those in it."""


class Column(NamedTuple):
    """A column of the table."""

    title: str
    unit: str
    variables: tuple[str, ...]
    """What it shows; the column needs the first of them."""
    cell: Callable[[Cells], str]
    justify: JustifyMethod = "right"


def number(name: str) -> Callable[[Cells], str]:
    """Make a function that formats a variable of one set with its error."""

    def cell(one: Cells) -> str:
        sem = float(one[f"{name}_sem"]) if f"{name}_sem" in one else None
        return compact(float(one[name]), sem)

    return cell


def of_variable(name: str, unit: str = "", title: str = "") -> Column:
    """Make a column of any variable of the sets, with its errors."""
    return Column(title or name, unit, (name,), number(name))


def words(one: Cells) -> str:
    """Words for the verdicts on the line and on the energy autocorrelation."""
    names = [name for name in ("verdict", "energy_verdict") if name in one]
    verdicts = [Verdict(str(one[name])) for name in names]
    line, energy = verdicts[0], verdicts[-1]
    if line is energy:
        return SHORT[line]
    if line is Verdict.RESOLVED:
        return f"energy: {SHORT[energy]}"
    if energy is Verdict.RESOLVED:
        return f"line: {SHORT[line]}"
    return f"{SHORT[line]} / {SHORT[energy]}"


def _harmonic(one: Cells) -> str:
    text = number("freq_harmonic_thz")(one)
    factor = float(one.get("freq_harmonic_error_factor", 1.0))
    return text.replace("(", "(≥") if factor > LOWER_BOUND else text


def _is_narrow(one: Cells) -> bool:
    return str(one["verdict"]) == str(Verdict.TOO_NARROW)


def _width(one: Cells) -> str:
    if _is_narrow(one):
        return f"<{NARROWEST * float(one['line_resolution_thz']):.2g}"
    return number("linewidth_thz")(one)


def _life(one: Cells) -> str:
    if _is_narrow(one):
        return f">{1.0 / (NARROWEST * THZ * float(one['line_resolution_thz'])):.2g}"
    return number("lifetime_ps")(one)


def _energy_life(one: Cells) -> str:
    # A blank in place of the star keeps the digits aligned.
    apart = abs(float(one["lifetime_disagreement"])) > DISAGREE
    return number("lifetime_energy_ps")(one) + ("*" if apart else " ")


_MANY, _TOO_MANY = 100.0, 9999.5
"""Lifetimes in ps from which on whole numbers, and powers of ten, are printed."""


def _phi3_life(one: Cells) -> str:
    life = float(one["lifetime_phi3_classical_ps"])
    if not np.isfinite(life):
        return "–"
    form = ".3g" if life < _MANY else ".0f" if life < _TOO_MANY else ".1e"
    return format(life, form)


def _phi3_width(one: Cells) -> str:
    width = float(one["linewidth_phi3_classical_thz"])
    return f"{width:.3g}" if np.isfinite(width) else "–"


COLUMNS: Mapping[str, Column] = {
    "set": Column("set", "", ("set",), lambda one: str(int(one["set"]))),
    "q": Column("q", "", ("set_q", "set_point"), place_of, "left"),
    "branch": Column(
        *("br.", "", ("branch_first", "branch_last")),
        lambda one: branches(int(one["branch_first"]), int(one["branch_last"])),
    ),
    "harmonic": Column("harmonic", "THz", ("freq_harmonic_thz",), _harmonic),
    "displacement": of_variable("freq_displacement_thz", "THz", "displ."),
    "ratio": of_variable("freq_ratio_thz", "THz", "ratio"),
    "line": of_variable("freq_spectrum_thz", "THz", "line"),
    "linewidth": Column("FWHM", "THz", ("linewidth_thz",), _width),
    "lifetime": Column("τ line", "ps", ("lifetime_ps",), _life),
    "energy-lifetime": Column("τ energy", "ps", ("lifetime_energy_ps",), _energy_life),
    "phi3-lifetime": Column("τ Φ3", "ps", ("lifetime_phi3_classical_ps",), _phi3_life),
    "phi3-linewidth": Column("Φ3 FWHM", "THz", ("linewidth_phi3_classical_thz",), _phi3_width),
    "temperature": of_variable("mode_temperature", "K", "T"),
    "potential": of_variable("potential_mev", "meV", "U"),
    "heat-capacity": of_variable("heat_capacity_kb", "k_B", "C"),
    "anharmonicity": of_variable("anharmonicity", "", "W/U − 1"),
    "gruneisen": of_variable("gruneisen", "", "γ"),
    "verdict": Column("verdict", "", ("verdict", "energy_verdict"), words, "left"),
}
"""Name in ``--columns`` → column."""
