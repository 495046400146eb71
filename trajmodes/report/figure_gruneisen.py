"""Grüneisen parameters along the band path and of the sets of modes."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Bools, Floats
from trajmodes.report.figure_bands import name_points
from trajmodes.report.style import (
    BLACK,
    BLUE,
    GREY,
    RED,
    branch_colours,
    new_figure,
    panel_letter,
    points,
)
from trajmodes.report.tables import Table, gruneisen_table, table_of
from trajmodes.report.wording import plus_minus

__all__ = ["draw_gruneisen", "gruneisen_data"]

_MOST_NAMED = 6
"""More branches than this are told apart by colour alone."""


def draw_gruneisen(dataset: xr.Dataset) -> Figure:
    """Draw γ along the band path, each branch in its colour, and that of the sets of modes.

    Parameters
    ----------
    dataset
        Results with Grüneisen parameters.
    """
    figure = new_figure(3.3)
    axes = figure.add_axes((0.085, 0.135, 0.53, 0.725))
    side = figure.add_axes((0.7, 0.135, 0.29, 0.725))
    low, high = _reach(dataset)
    _branches(axes, dataset)
    _sets(side, dataset)
    for panel in (axes, side):
        panel.set_ylim(low, high)
        panel.axhline(0.0, color=GREY, linewidth=0.7, zorder=1)
    panel_letter(axes, "a")
    panel_letter(side, "b")
    return figure
