"""The spectral energy density along the path, branch by branch."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import bands_handles, draw_branches, name_points
from trajmodes.report.figures.spectral_map import (
    draw_map,
    empty_sections,
    map_handles,
    mark_empty_sections,
    mark_points,
)
from trajmodes.report.figures.style import new_figure

_COLUMNS = 3
_ROW = 2.2
"""Height of a row in inches."""
_HEAD = 0.27
"""Height of the legend in inches."""
_NAME_SIZE = 7.0
"""Size of the names of points, in points."""
_VISIBLE = 0.02
"""Spectra above this part of the strongest one determine the limits of a panel."""
_LEAST_MARGIN = 0.01
"""Smallest margin below and above a branch, as a part of the highest frequency."""


def draw_energy_density(dataset: NamedArrays) -> Figure:
    """Draw the spectra of each branch along the path with the harmonic frequency."""
    n_branches = dataset.sizes["branch"]
    n_rows = -(-n_branches // _COLUMNS)
    height = _HEAD + _ROW * n_rows
    figure = new_figure(height)
    left, wide, step = 0.075, 0.235, 0.285
    tall = (_ROW - 0.55) / height
    spans = [_span(dataset, m) for m in range(n_branches)]
    strongest = float(dataset["map_branch_power"].values.max())
    empty = empty_sections(dataset)
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
        mark_empty_sections(axes, empty)
        name_points(axes, dataset, _NAME_SIZE)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="y", labelsize=7.0)
        if column == 0:
            axes.set_ylabel("Frequency (THz)")
    bar_box = (0.915, foot, 0.016, 1.0 - (_HEAD + 0.18) / height - foot)
    bar = figure.colorbar(mesh, cax=figure.add_axes(bar_box))
    # A short label if there is a single row.
    bar.set_label("Energy (meV/THz)" if n_rows == 1 else "Spectral kinetic energy (meV/THz)")
    bar.outline.set_linewidth(0.7)
    handles = bands_handles(has_errors=False) + map_handles(has_empty_sections=bool(empty))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left, 1.0),
        ncols=len(handles),
        borderaxespad=0.3,
    )
    return figure


def _span(dataset: NamedArrays, branch: int) -> tuple[float, float]:
    """Lowest and highest frequency in THz of the panel of one branch."""
    band = dataset["band_freq_thz"].values
    highest = max(float(band.max()), 0.1)
    power = dataset["map_branch_power"].values
    visible = (power[:, branch] > _VISIBLE * power.max()).any(axis=0)
    needed = np.append(band[:, branch], dataset["map_freq_thz"].values[visible])
    low, high = float(needed.min()), float(needed.max())
    margin = max(0.06 * (high - low), _LEAST_MARGIN * highest)
    # Imaginary frequencies below a hundredth of the highest one are noise at Γ.
    low = low - margin if low < -0.01 * highest else max(low - margin, 0.0)
    return low, high + margin
