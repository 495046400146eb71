"""Thermal conductivity: by frequency, by mean free path, and the mean free paths themselves."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.report.figures.style import (
    BLUE,
    RED,
    log_axis,
    new_figure,
    panel_letter,
    plain_numbers,
    points,
)
from trajmodes.report.text.numbers import counted, mesh_of, plus_minus

_KINDS = (("classical", RED, "-"), ("quantum", BLUE, (0, (5, 1.5))))
_SHORTEST = 0.005
"""Paths in nm that are shown; an atom moves farther in thermal motion."""
_SEEN = 1e-3
"""Cumulated curves are shown from this part of the whole on."""


def _mean_conductivity(dataset: xr.Dataset, kind: str) -> tuple[float, float]:
    """Mean of the diagonal in W/(m K), and its error.

    The errors of the diagonal come from the same lifetimes and do not average out.
    """
    name = f"kappa_{kind}_w_mk"
    value, sem = (np.diag(dataset[n].values) for n in (name, f"{name}_sem"))
    return float(value.mean()), float(sem.mean())


def draw_conductivity(dataset: xr.Dataset) -> Figure:
    """Draw spectral and cumulated conductivity, and the mean free path of every set.

    Parameters
    ----------
    dataset
        Results with a conductivity.
    """
    figure = new_figure(2.95)
    spectral = figure.add_axes((0.075, 0.145, 0.245, 0.63))
    cumulated = figure.add_axes((0.41, 0.145, 0.245, 0.63))
    free = figure.add_axes((0.745, 0.145, 0.245, 0.63))
    for kind, colour, dashes in _KINDS:
        value, sem = _mean_conductivity(dataset, kind)
        told = f"{kind}, mean of x, y, z: {plus_minus(value, sem)} W/(m K)"
        grid, density = dataset["kappa_freq_thz"].values, f"kappa_spectral_{kind}"
        spectral.plot(grid, dataset[density].values, color=colour, linestyle=dashes, label=told)
        cumulated.plot(
            dataset["kappa_path"].values / 10.0,
            dataset[f"kappa_cumulative_{kind}_w_mk"].values,
            color=colour,
            linestyle=dashes,
        )
    spectral.set(xlabel="Frequency (THz)", ylabel="κ by frequency (W/(m K THz))")
    spectral.set_xlim(0.0, float(dataset["kappa_freq_thz"].values[-1]))
    spectral.set_ylim(bottom=0.0)
    _cumulated(cumulated, dataset)
    _free_paths(free, dataset)
    mesh = mesh_of(dataset["kappa_mesh"].values)
    filled = 100.0 * float(dataset["kappa_filled_share"])
    handles, labels = spectral.get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=2,
        title=f"{float(dataset['kappa_temperature']):.4g} K, mesh {mesh}; "
        f"{filled:.2g} % of the classical κ from lifetimes that were filled in",
    )
    legend.get_title().set_fontsize(8.0)
    for axes, letter in ((spectral, "a"), (cumulated, "b"), (free, "c")):
        panel_letter(axes, letter)
    return figure


def _cumulated(axes: Axes, dataset: xr.Dataset) -> None:
    path = dataset["kappa_path"].values / 10.0
    total = dataset["kappa_cumulative_classical_w_mk"].values
    whole = float(np.nanmax(np.abs(total), initial=1e-12))
    begun = np.flatnonzero(np.abs(total) > _SEEN * whole)
    done = np.flatnonzero(np.abs(total) < (1.0 - _SEEN) * whole)
    first = path[max(int(begun[0]) - 1, 0)] if begun.size else path[0]
    last = path[min(int(done[-1]) + 2, len(path) - 1)] if done.size else path[-1]
    axes.set_xscale("log")
    axes.set_xlim(float(first), float(last))
    plain_numbers(axes.xaxis, float(first), float(last))
    axes.set_ylim(0.0, 1.08 * whole)
    axes.set(xlabel="Mean free path (nm)", ylabel="κ of shorter paths (W/(m K))")


def _free_paths(axes: Axes, dataset: xr.Dataset) -> None:
    value, sem = dataset["free_path"].values / 10.0, dataset["free_path_sem"].values / 10.0
    moves = np.isfinite(value) & (value > 0.0)
    known = moves & (value >= _SHORTEST)
    points(
        axes,
        dataset["freq_harmonic_thz"].values[known],
        value[known],
        np.nan_to_num(sem[known]),
        above_zero=True,
        marker="o",
        color=BLUE,
        markersize=3.6,
    )
    axes.set_xlim(left=0.0)
    if known.any():
        log_axis(axes, float(value[known].min()) / 1.6, float(value[known].max()) * 1.6)
    axes.set(xlabel="Frequency (THz)", ylabel="Mean free path (nm)")
    still = int((moves & ~known).sum())
    if still:
        # Where symmetry lets a mode stand, its velocity is what rounding leaves.
        told = f"left out, below {_SHORTEST:g} nm: {counted(still, 'set')}"
        axes.set_title(told, fontsize=7.0)
