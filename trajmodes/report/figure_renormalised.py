"""Bands of the fitted constants beside those made from the motion itself."""

from typing import Literal

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from trajmodes.report.figure_bands import draw_branches, name_points
from trajmodes.report.style import BLUE, GREEN, GREY, RED, is_seen, new_figure, panel_letter
from trajmodes.report.tables import Table
from trajmodes.report.tables_modes import renormalised_table

__all__ = ["draw_renormalised", "renormalised_data"]

_Dashes = Literal["-"] | tuple[float, tuple[float, float]]

_KINDS: tuple[tuple[str, str, _Dashes, str], ...] = (
    ("band_freq_thz", BLUE, "-", "fitted constants"),
    ("band_quasi_particle_thz", RED, (0, (5, 1.5)), "quasi-particles"),
    ("band_displacement_thz", GREEN, (0, (1.5, 1.2)), "displacements"),
)
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
    fitted, place = dataset["band_freq_thz"].values, dataset["path_distance"].values
    segment = dataset["path_segment"].values
    reach = []
    for name, colour, dashes, _ in _KINDS[1:]:
        if name not in dataset:
            continue
        apart = dataset[name].values - fitted
        reach.append(apart[np.isfinite(apart)])
        for number in np.unique(segment):
            inside = segment == number
            axes.plot(
                *(place[inside], apart[inside]),
                color=colour,
                linestyle=dashes,
                linewidth=0.9,
            )
    axes.axhline(0.0, color=BLUE, linewidth=0.9)
    # Close to Γ a few may be far off.
    known = np.concatenate([[0.0], *reach])
    low, high = np.quantile(known, [0.005, 0.995])
    room = max(0.1 * (high - low), 1e-3)
    limits = (min(low, 0.0) - room, max(high, 0.0) + room)
    axes.set(xlim=(place[0], place[-1]), ylim=limits, ylabel="From fitted (THz)")


def renormalised_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results with renormalised bands.
    """
    return {"renormalised.csv": renormalised_table(dataset)}
