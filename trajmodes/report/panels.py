"""A sheet of small panels, one for each of a choice of sets of modes."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Bools, Ints
from trajmodes.report.style import BLACK, RED, new_figure
from trajmodes.report.wording import branches, place_of

__all__ = ["choose_sets", "small_panels", "tell_in_panel"]

_COLUMNS, _ROWS = 3, 4
_UNRESOLVED = 3
"""So many panels are kept for sets that were not resolved, if there are any."""


def choose_sets(dataset: xr.Dataset, resolved: Bools) -> Ints:
    """Pick up to twelve sets evenly spread over the frequencies, some of them not resolved.

    Parameters
    ----------
    dataset
        Results.
    resolved
        (g,) whether what is shown was resolved.

    Returns
    -------
    Their labels, from the lowest to the highest frequency.
    """
    room = _COLUMNS * _ROWS
    others = min(int((~resolved).sum()), max(_UNRESOLVED, room - int(resolved.sum())))
    order = np.argsort(dataset["freq_harmonic_thz"].values, kind="stable")

    def spread(among: Bools, count: int) -> Ints:
        sets: Ints = order[among[order]]
        steps = np.linspace(0, len(sets) - 1, min(count, len(sets)))
        return sets[steps.round().astype(np.int64)]

    chosen = np.concatenate([spread(resolved, room - others), spread(~resolved, others)])
    ranked: Ints = order[np.isin(order, chosen)]
    return ranked


def small_panels(count: int, across: str, up: str) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels in three columns.

    Parameters
    ----------
    count
        Number of panels.
    across, up
        What the axes show.
    """
    n_rows = -(-count // _COLUMNS)
    height = 0.75 + 1.75 * n_rows
    figure = new_figure(height)
    left, right, wide = 0.085, 0.975, 0.243
    top, foot, tall = 0.5 / height, 0.45 / height, 1.28 / height
    panels = []
    for k in range(count):
        row, column = divmod(k, _COLUMNS)
        x = left + column * (right - left - wide) / (_COLUMNS - 1)
        y = 1.0 - top - tall - row * (1.0 - top - foot - tall) / max(1, n_rows - 1)
        axes = figure.add_axes((x, y, wide, tall))
        if row == n_rows - 1 or k + _COLUMNS >= count:
            axes.set_xlabel(across)
        if column == 0:
            axes.set_ylabel(up, fontsize=8.0)
        panels.append(axes)
    return figure, panels


def tell_in_panel(axes: Axes, one: xr.Dataset, told: str, *, resolved: bool) -> None:
    """Name the set in the title of a panel, and write what was found into its corner.

    Parameters
    ----------
    axes
        The panel.
    one
        Results of one set.
    told
        What was found, or why nothing was.
    resolved
        Whether something was.
    """
    name = branches(int(one["branch_first"]), int(one["branch_last"]))
    axes.set_title(f"q = {place_of(one)}, branch {name}", fontsize=8.0, pad=3.0)
    axes.annotate(
        told if resolved else textwrap.fill(told, 32),
        (0.03, 0.95),
        xycoords="axes fraction",
        va="top",
        fontsize=7.0,
        color=BLACK if resolved else RED,
    )
