"""Frequencies along the band path: fitted and renormalised bands."""

from typing import Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import DataError
from trajmodes.project.checks import verlet_frequency, verlet_ratio
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    is_visible,
    legend_above,
    letter_panels,
    line_entry,
    new_figure,
    points,
    sem_of,
)
from trajmodes.report.numbers import point_label
from trajmodes.units import THZ

_Dashes = Literal["-"] | tuple[float, tuple[float, float]]

_NOISE = 0.01
"""Imaginary frequencies below this part of the highest one are noise at Γ."""
_NAME_SIZE, _NAME_GAP = 8.0, 3.0
"""Size of the names of points, and smallest gap between two of them, in points."""
_NAME_ROWS = 2
"""Rows for names that would overlap; a name that does not fit into one is left out."""
_KINDS: tuple[tuple[str, str, _Dashes, str], ...] = (
    ("band_freq_thz", BLUE, "-", "force constants"),
    ("band_quasi_particle_thz", RED, (0, (5, 1.5)), "quasi-particles"),
    ("band_displacement_thz", GREEN, (0, (1.5, 1.2)), "displacements"),
)
_MEASURED = {
    "band_quasi_particle_thz": ("freq_spectrum_thz", verlet_frequency, "o", RED),
    "band_displacement_thz": ("freq_ratio_thz", verlet_ratio, "s", GREEN),
}
"""Bands → the measured frequencies of the sets that they are made from, their change by the
time step, marker and colour."""
_SIGNIFICANT = 2.0
"""Differences larger than this many errors are significant."""
_LONGEST = 5.0
"""Error bars are considered in the limits up to this multiple of the median one."""
_LEFT, _WIDE = 0.1, 0.88
"""Both panels of compared bands, as parts of the width."""
_BANDS, _DIFFERENCES = 3.8, 2.5
"""Heights of both panels including their labels, in inches."""


def frequency_span(freq: Floats, highest: float = 0.0) -> tuple[float, float]:
    """Limits in THz of the frequency axis of bands, up to at least the highest frequency."""
    top = max(1.06 * max(float(np.nanmax(freq)), 0.1), highest)
    bottom = min(0.0, 1.1 * float(np.nanmin(freq)))
    return bottom if bottom < -_NOISE * top else 0.0, top


def frame_path(axes: Axes, dataset: NamedArrays, span: tuple[float, float]) -> None:
    """Set the axes of a panel of frequencies along the path; name the points."""
    place = dataset["path_distance"].values
    axes.set(xlim=(place[0], place[-1]), ylim=span, ylabel="Frequency (THz)")
    if span[0] < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
        axes.set_ylabel("Frequency (THz), imaginary below 0")
    name_points(axes, dataset)


def error_entry(colour: str, alpha: float) -> Artist:
    """Legend entry of a band of errors."""
    return Patch(color=colour, alpha=alpha, linewidth=0, label="±2 standard errors")


def draw_branches(
    axes: Axes,
    dataset: NamedArrays,
    name: str = "band_freq_thz",
    colour: str = BLUE,
    dashes: str | tuple[float, tuple[float, ...]] = "-",
    *,
    over_map: bool = False,
) -> None:
    """Draw bands of a variable as lines, with bands of ±2 standard errors if known.

    Over a map the lines are thin and transparent.
    """
    linewidth, alpha = (0.8, 0.75) if over_map else (0.9, 1.0)
    place = dataset["path_distance"].values
    freq, sem = dataset[name].values, sem_of(dataset, name)
    segment = dataset["path_segment"].values
    for number in np.unique(segment):
        inside = segment == number
        axes.plot(
            *(place[inside], freq[inside]),
            color=colour,
            linestyle=dashes,
            linewidth=linewidth,
            alpha=alpha,
            zorder=3,
        )
        if sem is None:
            continue
        low, high = (freq + sign * sem for sign in (-2.0, 2.0))
        bands = [
            np.concatenate(
                [
                    np.stack([place[inside], low[inside, m]], axis=1),
                    np.stack([place[inside], high[inside, m]], axis=1)[::-1],
                ]
            )
            for m in range(freq.shape[1])
        ]
        shade = PolyCollection(
            bands, facecolor=colour, alpha=0.3 * alpha, edgecolor="none", zorder=2
        )
        axes.add_collection(shade, autolim=False)


def name_points(axes: Axes, dataset: NamedArrays, size: float = _NAME_SIZE) -> None:
    """Draw lines and names at the named points; two names at a jump are joined by a bar.

    Names that would overlap are put in two rows. The size is in points.
    """
    named: dict[float, list[str]] = {}
    # A rounded place could lie beyond the end, where matplotlib draws nothing.
    last = float(dataset["path_distance"].values[-1])
    ticks = zip(dataset["tick_distance"].values, dataset["tick_label"].values, strict=True)
    for place, name in ticks:
        names = named.setdefault(min(round(float(place), 6), last), [])
        if point_label(str(name)) not in names:
            names.append(point_label(str(name)))
    texts = ["|".join(names) for names in named.values()]
    first = float(dataset["path_distance"].values[0])
    wide = axes.get_window_extent().width * 72.0 / axes.figure.dpi
    middles = [(place - first) / (last - first) * wide for place in named]
    axes.set_xticks(list(named), _in_rows(texts, middles, size))
    axes.tick_params(axis="x", length=0, pad=5, labelsize=size)
    for place in named:
        axes.axvline(place, color=BLACK, linewidth=0.5, zorder=1)


def _in_rows(texts: list[str], middles: list[float], size: float) -> list[str]:
    """Move names that would overlap to a lower row; positions and size are in points."""
    font = FontProperties(size=size)
    ends = [-np.inf] * _NAME_ROWS
    placed = []
    for text, middle in zip(texts, middles, strict=True):
        half = 0.5 * text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
        free = [k for k in range(_NAME_ROWS) if ends[k] + _NAME_GAP <= middle - half]
        if free:
            ends[free[0]] = middle + half
        placed.append("\n" * free[0] + text if free else "")
    return placed


class _Difference(NamedTuple):
    """Measured minus fitted frequencies of the sets (g,) without the effect of a time step."""

    kind: str
    freq_thz: Floats
    """Fitted."""
    value: Floats
    """In THz."""
    sem: Floats
    """Errors of both, added in quadrature."""


def draw_renormalised(dataset: NamedArrays) -> Figure:
    """Draw all bands in one panel, and the measured minus fitted frequencies below it."""
    differences = _differences(dataset)
    height = _BANDS + _DIFFERENCES * bool(differences)
    figure = new_figure(height)
    tall = (_BANDS - 0.6) / height
    axes = figure.add_axes((_LEFT, 1.0 - 0.3 / height - tall, _WIDE, tall))
    renormalised_panel(axes, dataset)
    if differences:
        foot, tall = 0.42 / height, (_DIFFERENCES - 0.86) / height
        below = figure.add_axes((_LEFT, foot, _WIDE, tall))
        _draw_differences(below, differences)
        letter_panels((axes, below))
    return figure


def renormalised_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the bands of force constants, spectral lines and displacement covariances."""
    kinds = [kind for kind in _KINDS if kind[0] in dataset]
    span = frequency_span(np.concatenate([dataset[name].values.ravel() for name, *_ in kinds]))
    for name, colour, dashes, _ in kinds:
        draw_branches(axes, dataset, name, colour, dashes)
    frame_path(axes, dataset, span)
    handles: list[Artist] = [
        line_entry(label, colour, linestyle=dashes, linewidth=1.1)
        for _, colour, dashes, label in kinds
    ]
    if any(is_visible(sem_of(dataset, name), span[1] - span[0]) for name, *_ in kinds):
        handles.append(error_entry(GREY, 0.35))
    legend_above(axes, handles, ncols=4)


def differences_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the measured minus fitted frequencies of the sets against the fitted ones.

    Raises
    ------
    DataError
        If the results have no set with both.
    """
    differences = _differences(dataset)
    if not differences:
        raise DataError(
            "no set of modes has both a measured frequency and one of the force constants",
            why="no line is accurate enough",
            fix="take a longer run",
        )
    _draw_differences(axes, differences)


def _differences(dataset: NamedArrays) -> list[_Difference]:
    """Differences of the measured and the fitted frequencies of the sets."""
    if "freq_harmonic_thz" not in dataset:
        return []
    fitted, error = dataset["freq_harmonic_thz"].values, sem_of(dataset, "freq_harmonic_thz")
    fitted_sem = np.zeros(len(fitted)) if error is None else np.nan_to_num(error)
    step = float(dataset["timestep_ps"].values) if "timestep_ps" in dataset else None
    differences = []
    for kind, (name, in_run, _, _) in _MEASURED.items():
        if kind not in dataset or name not in dataset:
            continue
        expected = fitted if step is None else in_run(fitted * THZ, step) / THZ
        value, sem = dataset[name].values - expected, dataset[f"{name}_sem"].values
        # Quasi-particle bands use only lines that are accurate enough.
        flag = "quasi_particle_own" if name == "freq_spectrum_thz" else ""
        used = dataset[flag].values.astype(bool) if flag in dataset else np.isfinite(value)
        known = used & np.isfinite(value) & np.isfinite(sem)
        if known.any():
            both = np.hypot(sem, fitted_sem)[known]
            differences.append(_Difference(kind, fitted[known], value[known], both))
    return differences


def _draw_differences(axes: Axes, differences: list[_Difference]) -> None:
    names = {kind: label for kind, _, _, label in _KINDS}
    for one in differences:
        *_, marker, colour = _MEASURED[one.kind]
        points(
            *(axes, one.freq_thz, one.value, one.sem),
            marker=marker,
            color=colour,
            markersize=3.6,
            label=f"{names[one.kind]}: {_statistics(one)}",
        )
    axes.axhline(0.0, color=BLUE, linewidth=0.9, zorder=1)
    value = np.concatenate([one.value for one in differences])
    sem = np.concatenate([one.sem for one in differences])
    # Long error bars may leave the panel, points may not.
    sem = np.minimum(sem, _LONGEST * np.median(sem))
    low, high = min(float((value - sem).min()), 0.0), max(float((value + sem).max()), 0.0)
    room = max(0.06 * (high - low), 5e-3)
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_xlim(left=min(0.0, *(float(one.freq_thz.min()) - 0.5 for one in differences)))
    # Force constants may be given, and not fitted.
    axes.set_xlabel("Frequency of the force constants (THz)")
    axes.set_ylabel("Measured −\nforce constants (THz)")
    legend_above(axes, labelspacing=0.2)


def _statistics(one: _Difference) -> str:
    """Median difference, and number of significant ones."""
    count = int((np.abs(one.value) > _SIGNIFICANT * one.sem).sum())
    middle = round(float(np.median(one.value)), 4) + 0.0  # finer than any error
    median = f"{middle:+.2g}".replace("-", "−") if middle else "0"
    return (
        f"median {median} THz, {count} of {len(one.value)} sets beyond {_SIGNIFICANT:g} errors"
    )
