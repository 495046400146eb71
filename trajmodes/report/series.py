"""Lines and table of the summary of a series of runs."""

from collections.abc import Iterator

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from trajmodes.arrays import Ints
from trajmodes.data.labels import point
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import branches, compact, counted, plus_minus, point_label
from trajmodes.report.text.fitted_table import FittedTable

_COLUMNS = {
    "series_gruneisen": "γ",
    "series_axial_gruneisen": "γ of c/a",
    "linewidth_exponent": "n of FWHM ∝ Tⁿ",
}
"""Headings of results that not every series has."""
_SHIFTS = {"series_shift_thz": "shift\nTHz", "series_line_shift_thz": "line shift\nTHz"}
"""Headings of the shifts of force constants and lines from the coldest run to the hottest."""
_ROWS = 16
"""Sets of modes in the table of the summary."""
_BASES = 3
"""Polynomials that are named."""
_SOFT = 4
"""Soft modes that are named."""


def series_lines(dataset: NamedArrays) -> Iterator[tuple[str, str]]:
    """Names and texts on the results of a series, if there is one."""
    if "series_run" not in dataset.dims:
        return
    kelvin = dataset["run_temperature"].values
    count = counted(len(kelvin), "run")
    yield "Runs", f"{count}, {kelvin.min():.4g} to {kelvin.max():.4g} K"
    if "series_kind" in dataset:
        yield "Volumes", str(dataset["series_kind_text"].item())
        if str(dataset["series_kind"].item()) == "isobaric":
            yield "Expansion", _expansion(dataset)
        yield "Polynomials", _orders(dataset)
        yield "Soft modes", _soft(dataset)
    if "linewidth_exponent_mean" in dataset:
        yield "Linewidths", _widths(dataset)


def series_parts(dataset: NamedArrays) -> list[RenderableType]:
    """Table of frequencies at the lowest and highest temperature, their shifts, and slopes."""
    if "series_run" not in dataset.dims:
        return []
    table = FittedTable()
    kelvin = dataset["run_temperature"].values
    headings = ["set", "q", "branch"]
    headings += [f"f at {kelvin[r]:.4g} K\nTHz" for r in (0, -1)]
    shifts, more = (
        [name for name in names if name in dataset and np.isfinite(dataset[name].values).any()]
        for names in (_SHIFTS, _COLUMNS)
    )
    headings += [_SHIFTS[name] for name in shifts]
    headings += ["∂f/∂T\nTHz/1000 K"]
    headings += [_COLUMNS[name] for name in more]
    for name in headings:
        table.add_column(name, justify="left" if name == "q" else "right", no_wrap=True)
    chosen = _chosen(dataset)
    for g in chosen.tolist():
        cells = [str(g), _place(dataset, g), _branches(dataset, g)]
        cells += [_end(dataset, g, r) for r in (0, -1)]
        cells += [_cell(dataset, name, (g,)) for name in shifts]
        cells.append(_cell(dataset, "freq_slope_thz_k", (g,), 1e3))
        cells += [_cell(dataset, name, (g,)) for name in more]
        table.add_row(*map(Text, cells))
    n_sets = dataset.sizes["series_set"]
    caption = "1.23(5) means 1.23 ± 0.05"
    if len(chosen) < n_sets:
        caption += f"; {len(chosen)} of {counted(n_sets, 'set')}; all: tables/series.csv"
    return [Text(), Group(table, Text(caption))]


def _end(dataset: NamedArrays, g: int, r: int) -> str:
    """Frequency of the first or last run; of the fit if the runs have different volumes."""
    if "series_kind" in dataset and str(dataset["series_kind"].item()) == "separable":
        return _cell(dataset, "curve_freq_thz", (r, g))
    return _cell(dataset, _frequency(dataset), (g, r))


def _frequency(dataset: NamedArrays) -> str:
    return "series_freq_thz" if "series_freq_thz" in dataset else "series_line_freq_thz"


def _chosen(dataset: NamedArrays) -> Ints:
    """Choose sets at named points first, then others at even spacing; sort by frequency."""
    named = np.array([bool(str(one)) for one in dataset["series_point"].values])
    every = dataset[_frequency(dataset)].values
    known = np.isfinite(every).any(axis=1)
    freq = np.where(known, np.where(np.isfinite(every), every, np.inf).min(axis=1), np.inf)
    chosen: list[int] = []
    for group in (np.flatnonzero(named & known), np.flatnonzero(~named & known)):
        room = min(_ROWS - len(chosen), len(group))
        ordered = group[np.argsort(freq[group], kind="stable")]
        chosen += ordered[np.linspace(0, len(group) - 1, room).round().astype(int)].tolist()
    rows: Ints = np.array(sorted(chosen, key=lambda g: float(freq[g])), dtype=np.int64)
    return rows


def _cell(dataset: NamedArrays, name: str, place: tuple[int, ...], scale: float = 1.0) -> str:
    sem = dataset.get(f"{name}_sem")
    error = None if sem is None else scale * float(sem.values[place])
    return compact(scale * float(dataset[name].values[place]), error)


def _place(dataset: NamedArrays, g: int) -> str:
    name = point_label(str(dataset["series_point"].values[g]))
    return f"{point(dataset['series_q'].values[g])} {name}".rstrip()


def _branches(dataset: NamedArrays, g: int) -> str:
    first, last = (int(dataset[f"series_branch_{end}"].values[g]) for end in ("first", "last"))
    return branches(first, last)


def _expansion(dataset: NamedArrays) -> str:
    values, sem = dataset["linear_expansion"].values, dataset.get("linear_expansion_sem")
    different = [k for k in range(3) if not np.isclose(values[k], values[:k], rtol=1e-6).any()]
    parts = []
    for k in different:
        error = None if sem is None else 1e6 * float(sem.values[k])
        same = np.isclose(values, values[k], rtol=1e-6)
        axes = " = ".join("abc"[j] for j in range(3) if same[j])
        parts.append(f"{axes} {plus_minus(1e6 * float(values[k]), error)}")
    return f"∂ln a/∂T of {', '.join(parts)} · 10⁻⁶/K, at the middle of the temperatures"


def _orders(dataset: NamedArrays) -> str:
    bases = [str(one) for one in dataset["series_basis"].values]
    if len(bases) == 1:
        return f"terms {bases[0]}: the runs suffice for no others"
    weights, errors = (dataset[name].values for name in ("series_weight", "series_error"))
    order = np.argsort(-weights)
    parts = [
        f"{bases[o]} ({_percent(weights[o])}, {errors[o]:.2g})" for o in order[:_BASES].tolist()
    ]
    more = f" and {len(bases) - _BASES} more" if len(bases) > _BASES else ""
    return (
        f"average of {'; '.join(parts)}{more}; in brackets weight, and mean square error of "
        "runs left out in units of their variance"
    )


def _percent(weight: float) -> str:
    return f"{100.0 * weight:.0f} %"


def _soft(dataset: NamedArrays) -> str:
    verdicts = [str(one) for one in dataset["soft_verdict"].values]
    zero, sem = dataset["soft_temperature"].values, dataset["soft_temperature_sem"].values
    resolved = [g for g, one in enumerate(verdicts) if one.startswith("resolved")]
    others = [g for g, one in enumerate(verdicts) if one.startswith("not resolved")]
    if resolved:
        # The transition comes first on cooling at the highest T_c.
        resolved.sort(key=lambda g: -float(zero[g]))
        parts = [
            f"{_place(dataset, g)}:{_branches(dataset, g)} at "
            f"{plus_minus(float(zero[g]), float(sem[g]))} K"
            + (" (by extrapolation)" if "extrapolation" in verdicts[g] else "")
            for g in resolved[:_SOFT]
        ]
        more = len(resolved) - len(parts)
        text = f"ω² is zero for {', '.join(parts)}"
        return text + (f" and {counted(more, 'more set')}" if more else "")
    if others:
        return (
            f"not resolved: ω² of {counted(len(others), 'set')} may be zero in or near the "
            "range of the runs; see soft_verdict in tables/series.csv"
        )
    return "none: no ω² is zero in or near the range of the runs"


def _widths(dataset: NamedArrays) -> str:
    value = float(dataset["linewidth_exponent_mean"].values)
    if not np.isfinite(value):
        return "not resolved at two temperatures for any set"
    error = float(dataset["linewidth_exponent_mean_sem"].values)
    own, sem = (dataset[f"linewidth_exponent{x}"].values for x in ("", "_sem"))
    known = np.isfinite(own)
    near = int((np.abs(own[known] - 1.0) < 2.0 * sem[known]).sum())
    return (
        f"FWHM ∝ Tⁿ with n = {plus_minus(value, error)}, mean of "
        f"{counted(known.sum(), 'set')}; {near} of them agree with n = 1 within 2 errors"
    )
