"""The spectral energy density along the path, branch by branch."""

import xarray as xr
from matplotlib.figure import Figure

from trajmodes.report.figure_bands import (
    draw_branches,
    draw_map,
    map_reach,
    name_points,
    shown_part,
)
from trajmodes.report.style import new_figure
from trajmodes.report.tables import Table
from trajmodes.report.tables_modes import energy_density_table

__all__ = ["draw_energy_density", "energy_density_data", "few_branches"]

_COLUMNS = 3
_ROW = 2.15
"""Height of a row in inches."""
_MOST_BRANCHES = 12
"""Of more branches the panels would be too small."""


def few_branches(dataset: xr.Dataset) -> bool:
    """Tell whether the map has its branches apart, and few enough of them for a figure.

    Parameters
    ----------
    dataset
        Results.
    """
    return "map_branch_power" in dataset and dataset.sizes["branch"] <= _MOST_BRANCHES


def draw_energy_density(dataset: xr.Dataset) -> Figure:
    """Draw the spectrum of each branch along the path, with the harmonic branch over it.

    Parameters
    ----------
    dataset
        Results with a map by branches.
    """
    n_branches = dataset.sizes["branch"]
    n_rows = -(-n_branches // _COLUMNS)
    height = 0.12 + _ROW * n_rows
    figure = new_figure(height)
    left, wide, step = 0.075, 0.255, 0.285
    tall = (_ROW - 0.5) / height
    top = max(1.06 * float(dataset["band_freq_thz"].max()), map_reach(dataset), 0.1)
    strongest = float(dataset["map_branch_power"].max())
    place = dataset["path_distance"].values
    for m in range(n_branches):
        row, column = divmod(m, _COLUMNS)
        foot = 1.0 - (0.3 + _ROW * row) / height - tall
        axes = figure.add_axes((left + column * step, foot, wide, tall))
        power = dataset["map_branch_power"].values[:, m]
        mesh = draw_map(axes, dataset, power, top, strongest)
        draw_branches(axes, dataset.isel(branch=[m]))
        axes.set(xlim=(place[0], place[-1]), ylim=(min(0.0, _lowest(dataset)), top))
        axes.set_title(f"branch {m + 1}")
        name_points(axes, dataset)
        if column == 0:
            axes.set_ylabel("Frequency (THz)")
        else:
            axes.tick_params(labelleft=False)
    bar_box = (0.915, foot, 0.016, 1.0 - 0.3 / height - foot)
    bar = figure.colorbar(mesh, cax=figure.add_axes(bar_box))
    # Beside a single row there is no room for more.
    bar.set_label("Energy (meV/THz)" if n_rows == 1 else "Spectral kinetic energy (meV/THz)")
    bar.outline.set_linewidth(0.7)
    return figure


def _lowest(dataset: xr.Dataset) -> float:
    """Lowest frequency in THz; 0 where that is noise at Γ."""
    freq = dataset["band_freq_thz"].values
    lowest = 1.1 * float(freq.min())
    return lowest if lowest < -0.01 * float(freq.max()) else 0.0


def energy_density_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results with a map by branches.
    """
    branches = shown_part(dataset).drop_vars("map_site_power", errors="ignore")
    return {"sed_branches.csv": energy_density_table(branches)}
