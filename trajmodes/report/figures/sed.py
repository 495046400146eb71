"""The spectral energy density along the path, branch by branch."""

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trajmodes.report.figures.bands import bands_handles, draw_branches, name_points
from trajmodes.report.figures.spectral_map import (
    draw_map,
    empty_legs,
    map_handles,
    mark_empty_legs,
    mark_points,
)
from trajmodes.report.figures.style import new_figure

_COLUMNS = 3
_ROW = 2.2
"""Height of a row in inches."""
_HEAD = 0.27
"""Room for the legend in inches."""
_NAME_SIZE = 7.0
"""Size of the names of points, in points."""
_SEEN = 0.02
"""What is weaker than this part of the strongest spectrum does not widen a panel."""
_LEAST_ROOM = 0.01
"""Room below and above a branch, as a part of the highest frequency."""


def draw_energy_density(dataset: xr.Dataset) -> Figure:
    """Draw the spectrum of each branch along the path, with the harmonic branch over it.

    Parameters
    ----------
    dataset
        Results with a map by branches.
    """
    n_branches = dataset.sizes["branch"]
    n_rows = -(-n_branches // _COLUMNS)
    height = _HEAD + _ROW * n_rows
    figure = new_figure(height)
    left, wide, step = 0.075, 0.235, 0.285
    tall = (_ROW - 0.55) / height
    spans = [_span(dataset, m) for m in range(n_branches)]
    strongest = float(dataset["map_branch_power"].max())
    legs = empty_legs(dataset)
    place = dataset["path_distance"].values
    for m in range(n_branches):
        row, column = divmod(m, _COLUMNS)
        foot = 1.0 - (_HEAD + 0.18 + _ROW * row) / height - tall
        axes = figure.add_axes((left + column * step, foot, wide, tall))
        power = dataset["map_branch_power"].values[:, m]
        bottom, top = spans[m]
        axes.set(xlim=(place[0], place[-1]), ylim=(bottom, top))
        mesh = draw_map(axes, dataset, power, (bottom, top), strongest)
        draw_branches(axes, dataset.isel(branch=[m]), over_map=True)
        axes.set_title(f"branch {m + 1}")
        mark_points(axes, dataset)
        mark_empty_legs(axes, legs)
        name_points(axes, dataset, _NAME_SIZE)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="y", labelsize=7.0)
        if column == 0:
            axes.set_ylabel("Frequency (THz)")
    bar_box = (0.915, foot, 0.016, 1.0 - (_HEAD + 0.18) / height - foot)
    bar = figure.colorbar(mesh, cax=figure.add_axes(bar_box))
    # Beside a single row there is no room for more.
    bar.set_label("Energy (meV/THz)" if n_rows == 1 else "Spectral kinetic energy (meV/THz)")
    bar.outline.set_linewidth(0.7)
    handles = bands_handles(has_errors=False) + map_handles(legs)
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left, 1.0),
        ncols=len(handles),
        borderaxespad=0.3,
    )
    return figure


def _span(dataset: xr.Dataset, branch: int) -> tuple[float, float]:
    """Lowest and highest frequency in THz that one branch and its part of the map need."""
    band = dataset["band_freq_thz"].values
    highest = max(float(band.max()), 0.1)
    power = dataset["map_branch_power"].values
    seen = (power[:, branch] > _SEEN * power.max()).any(axis=0)
    needed = np.append(band[:, branch], dataset["map_freq_thz"].values[seen])
    low, high = float(needed.min()), float(needed.max())
    room = max(0.06 * (high - low), _LEAST_ROOM * highest)
    # What is imaginary by less than a hundredth of the highest frequency is noise at Γ.
    low = low - room if low < -0.01 * highest else max(low - room, 0.0)
    return low, high + room
