"""Thermal conductivity: spectral, cumulative over mean free paths, and mean free paths."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.data.named_arrays import NamedArrays
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
"""Shortest mean free path shown, in nm; shorter than the thermal motion of atoms."""
_VISIBLE = 1e-3
"""Cumulative curves are shown from this part of the total on."""


def _mean_conductivity(dataset: NamedArrays, kind: str) -> tuple[float, float]:
    """Mean of the diagonal in W/(m K), and its error.

    The diagonal elements have the same lifetimes: their errors do not average out.
    """
    name = f"kappa_{kind}_w_mk"
    value, sem = (np.diag(dataset[n].values) for n in (name, f"{name}_sem"))
    return float(value.mean()), float(sem.mean())


def draw_conductivity(dataset: NamedArrays) -> Figure:
    """Draw the spectral and cumulative conductivity, and the mean free path of each set."""
    figure = new_figure(2.95)
    spectral = figure.add_axes((0.075, 0.145, 0.245, 0.63))
    cumulative = figure.add_axes((0.41, 0.145, 0.245, 0.63))
    free = figure.add_axes((0.745, 0.145, 0.245, 0.63))
    for kind, colour, dashes in _KINDS:
        value, sem = _mean_conductivity(dataset, kind)
        label = f"{kind}, mean of x, y, z: {plus_minus(value, sem)} W/(m K)"
        grid, density = dataset["kappa_freq_thz"].values, f"kappa_spectral_{kind}"
        spectral.plot(
            grid, dataset[density].values, color=colour, linestyle=dashes, label=label
        )
        cumulative.plot(
            dataset["kappa_path"].values / 10.0,
            dataset[f"kappa_cumulative_{kind}_w_mk"].values,
            color=colour,
            linestyle=dashes,
        )
    spectral.set(xlabel="Frequency (THz)", ylabel="Spectral κ (W/(m K THz))")
    spectral.set_xlim(0.0, float(dataset["kappa_freq_thz"].values[-1]))
    spectral.set_ylim(bottom=0.0)
    _frame_cumulative(cumulative, dataset)
    _draw_free_paths(free, dataset)
    mesh = mesh_of(dataset["kappa_mesh"].values)
    filled = 100.0 * float(dataset["kappa_filled_share"])
    handles, labels = spectral.get_legend_handles_labels()
    legend = figure.legend(
        handles,
        labels,
        loc="upper center",
        ncols=2,
        title=f"{float(dataset['kappa_temperature']):.4g} K, mesh {mesh}; "
        f"{filled:.2g} % of the classical κ from lifetimes estimated by a power law",
    )
    legend.get_title().set_fontsize(8.0)
    for axes, letter in ((spectral, "a"), (cumulative, "b"), (free, "c")):
        panel_letter(axes, letter)
    return figure


def _frame_cumulative(axes: Axes, dataset: NamedArrays) -> None:
    """Limits and labels of the panel of the cumulative conductivity."""
    path = dataset["kappa_path"].values / 10.0
    total = dataset["kappa_cumulative_classical_w_mk"].values
    limit = float(np.nanmax(np.abs(total), initial=1e-12))
    begun = np.flatnonzero(np.abs(total) > _VISIBLE * limit)
    done = np.flatnonzero(np.abs(total) < (1.0 - _VISIBLE) * limit)
    first = path[max(int(begun[0]) - 1, 0)] if begun.size else path[0]
    last = path[min(int(done[-1]) + 2, len(path) - 1)] if done.size else path[-1]
    axes.set_xscale("log")
    axes.set_xlim(float(first), float(last))
    plain_numbers(axes.xaxis, float(first), float(last))
    axes.set_ylim(0.0, 1.08 * limit)
    axes.set(xlabel="Mean free path (nm)", ylabel="Cumulative κ (W/(m K))")


def _draw_free_paths(axes: Axes, dataset: NamedArrays) -> None:
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
        # Modes with a group velocity of zero by symmetry, up to rounding.
        text = f"not shown, below {_SHORTEST:g} nm: {counted(still, 'set')}"
        axes.set_title(text, fontsize=7.0)
