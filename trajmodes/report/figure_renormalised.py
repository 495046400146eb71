"""Bands of the fitted constants beside those made from the motion itself."""

from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from trajmodes.arrays import Floats
from trajmodes.report.figure_bands import draw_branches, name_points
from trajmodes.report.style import (
    BLUE,
    GREEN,
    GREY,
    RED,
    is_seen,
    new_figure,
    panel_letter,
    points,
)
from trajmodes.report.tables import Table
from trajmodes.report.tables_modes import renormalised_table

__all__ = ["draw_renormalised", "renormalised_data"]

_Dashes = Literal["-"] | tuple[float, tuple[float, float]]

_KINDS: tuple[tuple[str, str, _Dashes, str], ...] = (
    ("band_freq_thz", BLUE, "-", "fitted constants"),
    ("band_quasi_particle_thz", RED, (0, (5, 1.5)), "quasi-particles"),
    ("band_displacement_thz", GREEN, (0, (1.5, 1.2)), "displacements"),
)
_ALIKE = 1e-3
"""Differences of two bands are one if they agree within this part of the highest frequency."""
_BESIDE = 2
"""Points of the path on both sides of a crossing that are left out."""
_NOISE = 0.01
"""What is imaginary by less than this part of the highest frequency is noise at Γ."""


def draw_renormalised(dataset: xr.Dataset) -> Figure:
    """Draw all bands in one panel, and below it how far they are from the fitted ones.

    Parameters
    ----------
    dataset
        Results with renormalised bands.
    """
    kinds = [kind for kind in _KINDS if kind[0] in dataset]
    figure = new_figure(5.6)
    axes = figure.add_axes((0.085, 0.38, 0.895, 0.565))
    below = figure.add_axes((0.085, 0.06, 0.895, 0.24))
    freq = np.concatenate([dataset[name].values.ravel() for name, *_ in kinds])
    top = 1.06 * max(float(np.nanmax(freq)), 0.1)
    bottom = min(0.0, 1.1 * float(np.nanmin(freq)))
    bottom = bottom if bottom < -_NOISE * top else 0.0
    shades = False
    for name, colour, dashes, _ in kinds:
        draw_branches(axes, dataset, name, colour, dashes)
        sem = dataset.get(f"{name}_sem")
        shades |= sem is not None and is_seen(sem.values, top - bottom)
    place = dataset["path_distance"].values
    told = "Frequency (THz), imaginary below 0" if bottom < 0.0 else "Frequency (THz)"
    axes.set(xlim=(place[0], place[-1]), ylim=(bottom, top), ylabel=told)
    if bottom < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
    _differences(below, dataset)
    for panel, letter in ((axes, "a"), (below, "b")):
        name_points(panel, dataset)
        panel_letter(panel, letter)
    handles: list[Artist] = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=1.1, label=label)
        for _, colour, dashes, label in kinds
    ]
    if shades:
        handles.append(Patch(color=GREY, alpha=0.35, linewidth=0, label="±2 standard errors"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=4,
        borderaxespad=0.1,
    )
    return figure


def _differences(axes: Axes, dataset: xr.Dataset) -> None:
    """How far the bands made from the motion are from the fitted ones, branch by branch."""
    place = dataset["path_distance"].values
    segment = dataset["path_segment"].values
    reach = []
    for name, colour, dashes, _ in _KINDS[1:]:
        if name not in dataset:
            continue
        apart = _apart(dataset["band_freq_thz"].values, dataset[name].values)
        reach.append(apart[np.isfinite(apart)])
        for number in np.unique(segment):
            inside = segment == number
            axes.plot(
                *(place[inside], apart[inside]),
                color=colour,
                linestyle=dashes,
                linewidth=0.6,
            )
    axes.axhline(0.0, color=BLUE, linewidth=0.9)
    measured = _measured(dataset)
    if len(measured):
        where, value, sem = measured.T
        points(
            *(axes, where, value, sem),
            marker="o",
            color=RED,
            markersize=3.0,
            zorder=4,
            label="quasi-particles, measured",
        )
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, fontsize=7.0
        )
        reach += [value - sem, value + sem]
    # Close to Γ a few may be far off.
    known = np.concatenate([[0.0], *reach])
    low, high = np.quantile(known, [0.005, 0.995])
    room = max(0.1 * (high - low), 1e-3)
    limits = (min(low, 0.0) - room, max(high, 0.0) + room)
    axes.set(xlim=(place[0], place[-1]), ylim=limits, ylabel="From fitted (THz)")


def _apart(fitted: Floats, other: Floats) -> Floats:
    """Differences (path, branch) in THz; nan where the order of the bands may be another one.

    Bands are compared by their order. Where two cross, they do so at different places in both
    kinds, and between those places the order pairs what does not belong together.
    """
    apart: Floats = other - fitted
    gap = np.minimum(np.diff(fitted, axis=1), np.diff(other, axis=1))
    least = _ALIKE * float(np.nanmax(np.abs(fitted), initial=0.0))
    # In the middle between the two crossings both differences are one: look beside it too.
    crossed = np.abs(np.diff(apart, axis=1)) > np.maximum(gap, least)
    near = crossed.copy()
    for k in range(1, _BESIDE + 1):
        near[k:] |= crossed[:-k]
        near[:-k] |= crossed[k:]
    either = np.zeros(apart.shape, dtype=bool)
    either[:, 1:] |= near
    either[:, :-1] |= near
    return np.where(either, np.nan, apart)


def _measured(dataset: xr.Dataset) -> Floats:
    """Place, difference and its error in THz, for each line (n, 3) measured on the path."""
    if "map_q" not in dataset or "quasi_particle_own" not in dataset:
        return np.empty((0, 3))
    sets_of = dict(
        zip(
            map(tuple, dataset["q"].values.round(6).tolist()),
            dataset["mode_set"].values.tolist(),
            strict=True,
        )
    )
    own = dataset["quasi_particle_own"].values.astype(bool)
    sem = dataset["freq_spectrum_thz_sem"].values
    apart = dataset["freq_spectrum_thz"].values - dataset["freq_harmonic_thz"].values
    # Waves along a star of q are one set of modes, and one point.
    found = {
        (round(place, 6), g)
        for place, q in zip(
            dataset["map_distance"].values.tolist(),
            dataset["map_q"].values.round(6).tolist(),
            strict=True,
        )
        for g in sets_of.get(tuple(q), [])
        if g >= 0 and own[g] and np.isfinite(apart[g])
    }
    rows = [(place, apart[g], sem[g]) for place, g in sorted(found)]
    return np.array(rows).reshape(-1, 3)


def renormalised_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results with renormalised bands.
    """
    return {"renormalised.csv": renormalised_table(dataset)}
