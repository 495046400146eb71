"""Bands of the fitted force constants, of quasi-particles and of displacement covariances."""

from typing import Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import draw_branches, name_points
from trajmodes.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    is_visible,
    new_figure,
    panel_letter,
    points,
)

_Dashes = Literal["-"] | tuple[float, tuple[float, float]]

_KINDS: tuple[tuple[str, str, _Dashes, str], ...] = (
    ("band_freq_thz", BLUE, "-", "fitted force constants"),
    ("band_quasi_particle_thz", RED, (0, (5, 1.5)), "quasi-particles"),
    ("band_displacement_thz", GREEN, (0, (1.5, 1.2)), "displacements"),
)
_MEASURED = (
    ("band_quasi_particle_thz", "freq_spectrum_thz", "o", RED),
    ("band_displacement_thz", "freq_ratio_thz", "s", GREEN),
)
"""Bands, the measured frequencies of the sets that they are made from, marker and colour."""
_SIGNIFICANT = 2.0
"""Differences larger than this many errors are significant."""
_LONGEST = 5.0
"""Error bars are considered in the limits up to this multiple of the median one."""
_NOISE = 0.01
"""Imaginary frequencies below this part of the highest one are noise at Γ."""


_LEFT, _WIDE = 0.1, 0.88
"""Both panels, as parts of the width."""
_BANDS, _DIFFERENCES = 3.8, 2.5
"""Heights of both panels including their labels, in inches."""


class _Difference(NamedTuple):
    """Measured minus fitted frequencies of one kind, for the sets (g,) that have one."""

    kind: str
    freq_thz: Floats
    """Fitted."""
    value: Floats
    """In THz."""
    sem: Floats
    """Errors of both, added in quadrature."""


def draw_renormalised(dataset: NamedArrays) -> Figure:
    """Draw all bands in one panel, and the measured minus fitted frequencies below it."""
    kinds = [kind for kind in _KINDS if kind[0] in dataset]
    differences = _differences(dataset)
    height = _BANDS + _DIFFERENCES * bool(differences)
    figure = new_figure(height)
    tall = (_BANDS - 0.6) / height
    axes = figure.add_axes((_LEFT, 1.0 - 0.3 / height - tall, _WIDE, tall))
    freq = np.concatenate([dataset[name].values.ravel() for name, *_ in kinds])
    top = 1.06 * max(float(np.nanmax(freq)), 0.1)
    bottom = min(0.0, 1.1 * float(np.nanmin(freq)))
    bottom = bottom if bottom < -_NOISE * top else 0.0
    has_errors = False
    for name, colour, dashes, _ in kinds:
        draw_branches(axes, dataset, name, colour, dashes)
        sem = dataset.get(f"{name}_sem")
        has_errors |= sem is not None and is_visible(sem.values, top - bottom)
    place = dataset["path_distance"].values
    ylabel = "Frequency (THz), imaginary below 0" if bottom < 0.0 else "Frequency (THz)"
    axes.set(xlim=(place[0], place[-1]), ylim=(bottom, top), ylabel=ylabel)
    if bottom < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
    name_points(axes, dataset)
    if differences:
        foot, tall = 0.42 / height, (_DIFFERENCES - 0.86) / height
        below = figure.add_axes((_LEFT, foot, _WIDE, tall))
        _draw_differences(below, differences)
        panel_letter(axes, "a")
        panel_letter(below, "b")
    handles: list[Artist] = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=1.1, label=label)
        for _, colour, dashes, label in kinds
    ]
    if has_errors:
        handles.append(Patch(color=GREY, alpha=0.35, linewidth=0, label="±2 standard errors"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        borderaxespad=0.1,
    )
    return figure


def _differences(dataset: NamedArrays) -> list[_Difference]:
    """Differences of the measured and the fitted frequencies of the sets."""
    if "freq_harmonic_thz" not in dataset:
        return []
    fitted = dataset["freq_harmonic_thz"].values
    error = dataset.get("freq_harmonic_thz_sem")
    fitted_sem = np.zeros(len(fitted)) if error is None else np.nan_to_num(error.values)
    differences = []
    for kind, name, _, _ in _MEASURED:
        if kind not in dataset or name not in dataset:
            continue
        value, sem = dataset[name].values - fitted, dataset[f"{name}_sem"].values
        # Quasi-particle bands use only lines that are accurate enough.
        flag = "quasi_particle_own" if name == "freq_spectrum_thz" else ""
        used = dataset[flag].values.astype(bool) if flag in dataset else np.isfinite(value)
        known = used & np.isfinite(value) & np.isfinite(sem)
        if known.any():
            both = np.hypot(sem, fitted_sem)[known]
            differences.append(_Difference(kind, fitted[known], value[known], both))
    return differences


def _draw_differences(axes: Axes, differences: list[_Difference]) -> None:
    looks = {kind: look for kind, _, *look in _MEASURED}
    names = {kind: label for kind, _, _, label in _KINDS}
    for one in differences:
        marker, colour = looks[one.kind]
        points(
            *(axes, one.freq_thz, one.value, one.sem),
            marker=marker,
            color=colour,
            markersize=3.6,
            label=f"{names[one.kind]}: {_statistics(one)}",
        )
    axes.axhline(0.0, color=BLUE, linewidth=0.9, zorder=1)
    value, sem = (np.concatenate([x[k] for x in differences]) for k in (-2, -1))
    # Long error bars may leave the panel, points may not.
    sem = np.minimum(sem, _LONGEST * np.median(sem))
    low, high = min(float((value - sem).min()), 0.0), max(float((value + sem).max()), 0.0)
    room = max(0.06 * (high - low), 5e-3)
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.set_xlim(left=min(0.0, *(float(one.freq_thz.min()) - 0.5 for one in differences)))
    axes.set(xlabel="Fitted frequency (THz)", ylabel="Measured − fitted (THz)")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
        labelspacing=0.2,
    )


def _statistics(one: _Difference) -> str:
    """Median difference, and number of significant ones."""
    count = int((np.abs(one.value) > _SIGNIFICANT * one.sem).sum())
    median = f"{float(np.median(one.value)):+.2g}".replace("-", "−")
    return (
        f"median {median} THz, {count} of {len(one.value)} sets beyond {_SIGNIFICANT:g} errors"
    )
