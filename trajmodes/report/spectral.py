"""Table of the summary on spectral functions."""

import numpy as np
from rich.console import Group
from rich.text import Text

from trajmodes.data.labels import point
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import branches, compact
from trajmodes.report.text.fitted_table import FittedTable

_ROWS = 30
_EQUAL = 1e-6
"""Frequencies in THz that differ by less are those of degenerate branches."""
_CAPTION = (
    "THz; shift of the maximum from the harmonic frequency, full width at half maximum (FWHM), "
    "and that to lowest order; classical unless stated"
)


def lines_of_modes(dataset: NamedArrays) -> Group:
    """Make a table of up to thirty levels with their shifts and widths."""
    measured = "measured_width_thz" in dataset
    table = FittedTable()
    more = ["run\nshift", "run\nFWHM"] if measured else ["quantum\nFWHM"]
    for title in ["q", "branch", "harmonic", "shift", "FWHM", "lowest\norder", *more]:
        table.add_column(title, justify="left" if title == "q" else "right", no_wrap=True)
    levels = levels_of(dataset)
    shown = np.unique(np.linspace(0, len(levels) - 1, min(_ROWS, len(levels))).round())
    for k in shown.astype(int).tolist():
        row, first, last = levels[k]
        name = str(dataset["spectral_name"].values[row])
        q = f"{point(dataset['spectral_q'].values[row])} {name}".rstrip()
        cells = [q, branches(first + 1, last + 1), *_numbers(dataset, (row, first))]
        table.add_row(*map(Text, cells))
    left_out = f"; {len(shown)} of {len(levels)} levels" if len(shown) < len(levels) else ""
    return Group(table, Text(_CAPTION + ("; –: not resolved" if measured else "") + left_out))


def levels_of(dataset: NamedArrays) -> list[tuple[int, int, int]]:
    """Row, first and last branch of each level that has a line; each q is listed once."""
    found, seen = [], set()
    freq = dataset["spectral_harmonic_thz"].values
    width = dataset["spectral_width_classical_thz"].values
    for row, q in enumerate(dataset["spectral_q"].values):
        key = tuple(np.round(q, 6).tolist())
        starts = np.flatnonzero(np.diff(freq[row], prepend=-np.inf) > _EQUAL)
        ends = np.append(starts[1:], freq.shape[1]) - 1
        found += [
            (row, int(a), int(b))
            for a, b in zip(starts, ends, strict=True)
            if key not in seen and np.isfinite(width[row, a])
        ]
        seen.add(key)
    return found


def _numbers(dataset: NamedArrays, at: tuple[int, int]) -> list[str]:
    def value(name: str) -> float:
        return float(dataset[name].values[at])

    def text(name: str) -> str:
        sem = dataset.get(f"{name}_sem")
        return compact(value(name), None if sem is None else float(sem.values[at]))

    harmonic = value("spectral_harmonic_thz")
    cells = [
        f"{harmonic:.4f}",
        f"{value('spectral_peak_classical_thz') - harmonic:+.4f}",
        text("spectral_width_classical_thz"),
        f"{value('spectral_golden_rule_classical_thz'):.4f}",
    ]
    if "measured_width_thz" not in dataset:
        return [*cells, text("spectral_width_quantum_thz")]
    shift = value("measured_peak_thz") - harmonic
    known = np.isfinite(value("measured_width_thz"))
    return [
        *(*cells, f"{shift:+.4f}" if np.isfinite(shift) else "–"),
        text("measured_width_thz") if known else "–",
    ]
