"""Grüneisen parameters along the band path and of the sets of modes."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from trajmodes.arrays import Floats, Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import name_points
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    GREY,
    RED,
    branch_colours,
    is_visible,
    legend_above,
    letter_panels,
    new_figure,
    points,
    sem_of,
)
from trajmodes.report.numbers import compact

_SAME = 1e-6
_MOST_NAMED = 6
"""With more branches than this the legend does not list them."""


def draw_gruneisen(dataset: NamedArrays) -> Figure:
    """Draw γ of each branch along the band path, and γ of the sets of modes."""
    figure = new_figure(3.45)
    axes = figure.add_axes((0.085, 0.13, 0.53, 0.69))
    side = figure.add_axes((0.7, 0.13, 0.29, 0.69))
    low, high = gruneisen_limits(dataset)
    draw_along_path(axes, dataset)
    has_errors = is_visible(sem_of(dataset, "band_gruneisen"), high - low)
    errors, n_branches = "±2 standard errors" * has_errors, dataset.sizes["branch"]
    if n_branches <= _MOST_NAMED:
        look: dict[str, Any] = {"columnspacing": 0.9, "handlelength": 1.2, "alignment": "left"}
        legend_above(axes, title=errors or None, ncols=min(n_branches, 3), **look)
    else:
        note = [errors] * has_errors + ["branches from low (dark) to high (bright)"]
        axes.set_title("; ".join(note))
    sets_panel(side, dataset)
    for panel in (axes, side):
        panel.set_ylim(low, high)
        panel.axhline(0.0, color=GREY, linewidth=0.7, zorder=1)
    letter_panels((axes, side))
    return figure


def gruneisen_limits(dataset: NamedArrays) -> tuple[float, float]:
    """Limits that include nearly all values; some close to Γ are large and inaccurate."""
    names = (n for n in ("band_gruneisen", "gruneisen") if n in dataset)
    value = np.concatenate([dataset[n].values.ravel() for n in names])
    known = value[np.isfinite(value)]
    if not known.size:
        return -1.0, 1.0
    low, high = np.quantile(known, [0.005, 0.995])
    margin = 0.08 * max(high - low, 0.1)
    return min(low - margin, -margin), max(high + margin, margin)


def draw_along_path(axes: Axes, dataset: NamedArrays) -> None:
    """Draw γ of each branch along the band path."""
    place, freq = dataset["path_distance"].values, dataset["band_freq_thz"].values
    gamma, sem = dataset["band_gruneisen"].values, sem_of(dataset, "band_gruneisen")
    n_branches = gamma.shape[1]
    colours = branch_colours(n_branches)
    for k, inside in enumerate(_sections(dataset)):
        followed = _branch_of_line(freq[inside], gamma[inside])
        for m in range(n_branches):
            branch = followed[:, m]
            line = gamma[inside, branch]
            label = f"branch {m + 1}" if k == 0 and n_branches <= _MOST_NAMED else None
            axes.plot(place[inside], line, color=colours[m], label=label, zorder=3)
            if sem is not None:
                double = 2.0 * sem[inside, branch]
                axes.fill_between(
                    *(place[inside], line - double, line + double),
                    color=colours[m],
                    alpha=0.2,
                    linewidth=0,
                    zorder=2,
                )
    name_points(axes, dataset)
    axes.set(xlim=(place[0], place[-1]), ylabel="Grüneisen parameter γ")


def _sections(dataset: NamedArrays) -> Iterator[Ints]:
    """Points of the path from one named point to the next."""
    place, segment = dataset["path_distance"].values, dataset["path_segment"].values
    named = np.unique(dataset["tick_distance"].values)
    for number in np.unique(segment):
        for low, high in pairwise(named):
            within = (place > low - _SAME) & (place < high + _SAME) & (segment == number)
            inside = np.flatnonzero(within)
            if inside.size and place[inside[-1]] - place[inside[0]] > _SAME:
                yield inside


def _branch_of_line(freq: Floats, gamma: Floats) -> Ints:
    """(k, m) branch of each line of the figure; lines are continuous at crossings.

    Branches are numbered by frequency: at a crossing two branches exchange their numbers, and
    γ of a branch jumps. Lines are numbered as the branches in the middle of the section.
    """
    middle = len(freq) // 2
    forward = _follow(freq[middle:], gamma[middle:])
    backward = _follow(freq[middle::-1], gamma[middle::-1])
    return np.concatenate([backward[:0:-1], forward])


def _follow(freq: Floats, gamma: Floats) -> Ints:
    """(k, m) branch of each line, where line m begins on branch m."""
    n_points, n_branches = freq.shape
    wide_f = max(float(np.ptp(freq)), 1e-9)
    known = gamma[np.isfinite(gamma)]
    wide_g = max(float(np.ptp(known)) if known.size else 0.0, 1e-9)
    followed = np.tile(np.arange(n_branches), (n_points, 1))
    slope = np.zeros(n_branches)
    for k in range(1, n_points):
        before = followed[k - 1]
        # Axes (line, branch at this point).
        step_f = freq[k][None, :] - (freq[k - 1, before] + slope)[:, None]
        step_g = gamma[k][None, :] - gamma[k - 1, before][:, None]
        cost = np.abs(step_f) / wide_f + np.abs(np.nan_to_num(step_g)) / wide_g
        _, followed[k] = linear_sum_assignment(cost)
        slope = freq[k, followed[k]] - freq[k - 1, before]
    return followed


def sets_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw γ of the sets of modes against their frequency, and its means."""
    freq, gamma = dataset["freq_harmonic_thz"].values, dataset["gruneisen"].values
    points(axes, freq, gamma, sem_of(dataset, "gruneisen"), marker="o", color=BLUE)
    kelvin = float(dataset["gruneisen_temperature"])
    for kind, colour, dashes, label in (
        ("classical", RED, "-", "classical"),
        ("quantum", BLACK, "--", f"quantum, {kelvin:.4g} K"),
    ):
        value = float(dataset[f"gruneisen_{kind}"])
        if np.isfinite(value):
            error = sem_of(dataset, f"gruneisen_{kind}")
            number = compact(value, None if error is None else float(error))
            axes.axhline(value, color=colour, linestyle=dashes, label=f"{label}: {number}")
    axes.set_xlim(left=0.0)
    axes.set_xlabel("Frequency (THz)")
    legend_above(
        axes,
        title="mean over the Brillouin zone",
        bbox_to_anchor=(-0.06, 1.0),
        labelspacing=0.2,
        alignment="left",
    )
