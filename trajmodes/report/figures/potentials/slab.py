"""A slab: density of states of its atomic layers, and the modes of its surfaces."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import frame_path, frequency_span
from trajmodes.report.figures.style import (
    GREY,
    ORANGE,
    RED,
    branch_colours,
    letter_panels,
    new_figure,
)

_MOST_LAYERS = 16
"""With more layers some are left out of the figure, evenly spread."""
_HEIGHT = 4.2
_STOPS = ((0.0, "#d4d4d4"), (0.35, "#c8bfae"), (0.55, ORANGE), (0.8, RED), (1.0, "#5c0010"))
_COLOURS = LinearSegmentedColormap.from_list("surface", _STOPS)
"""From waves of the inside to those of the surfaces."""


def draw_slab(dataset: NamedArrays) -> Figure:
    """Draw the density of states of each layer, and bands by their weight in the surfaces."""
    figure = new_figure(_HEIGHT)
    left = figure.add_axes((0.075, 0.115, 0.33, 0.82))
    right = figure.add_axes((0.49, 0.115, 0.40, 0.82))
    layers_panel(left, dataset)
    bar = surface_panel(right, dataset)
    scale = figure.add_axes((0.905, 0.115, 0.015, 0.82))
    figure.colorbar(bar, cax=scale, label="Part in the outer layers")
    letter_panels([left, right])
    return figure


def layers_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the densities of states one above the other, the upper surface at the top."""
    freq, density = dataset["dos_freq_thz"].values, dataset["layer_dos"].values
    n_layers = len(density)
    count = min(n_layers, _MOST_LAYERS)
    chosen = np.unique(np.rint(np.linspace(0, n_layers - 1, count)).astype(int))
    # Heights overlap a little: peaks of one layer may reach into the next.
    step = 0.75 * float(density.max())
    for place, (k, colour) in enumerate(zip(chosen, branch_colours(len(chosen)), strict=True)):
        foot = place * step
        axes.fill_between(
            freq, foot, foot + density[k], color=colour, alpha=0.25, linewidth=0, zorder=-place
        )
        axes.plot(freq, foot + density[k], color=colour, linewidth=1.0, zorder=-place)
    axes.set_yticks(step * np.arange(len(chosen)), [f"{k + 1}" for k in chosen])
    axes.set(xlabel="Frequency (THz)", ylabel="States of each layer, from the lower surface")
    axes.set(xlim=(freq[0], freq[-1]), ylim=(0.0, (len(chosen) + 0.5) * step))
    axes.xaxis.set_major_locator(MaxNLocator(5))


def surface_panel(axes: Axes, dataset: NamedArrays) -> LineCollection:
    """Draw bands whose colour is their weight in the outer layers of both surfaces."""
    place, segment = dataset["path_distance"].values, dataset["path_segment"].values
    freq = dataset["band_freq_thz"].values
    weight = dataset["surface_weight"].values.sum(axis=2)
    inside = segment[1:] == segment[:-1]
    ends = np.stack(np.broadcast_arrays(place[:, None], freq), axis=2)
    lines = np.stack([ends[:-1], ends[1:]], axis=2)[inside].reshape(-1, 2, 2)
    part = (0.5 * (weight[:-1] + weight[1:]))[inside].ravel()
    # Modes of the surfaces above those of the inside.
    order = np.argsort(part)
    drawn = LineCollection(lines[order], cmap=_COLOURS, linewidths=0.6 + 1.6 * part[order])
    drawn.set_array(part[order])
    drawn.set_clim(0.0, 1.0)
    axes.add_collection(drawn)
    for jump in np.flatnonzero(~inside):
        axes.axvline(place[jump], color=GREY, linewidth=0.7)
    frame_path(axes, dataset, frequency_span(freq))
    return drawn
