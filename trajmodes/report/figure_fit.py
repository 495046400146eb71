"""How good the fit is: constants by distance, and how it settles with the run."""

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.report.style import (
    BLUE,
    COLOURS,
    RED,
    log_axis,
    new_figure,
    panel_letter,
    points,
)

__all__ = ["draw_fit"]


def draw_fit(dataset: xr.Dataset) -> Figure:
    """Draw the constants by shell of neighbours, and the change of the fit with the run.

    Parameters
    ----------
    dataset
        Results; the second panel is left out where the convergence is not known.
    """
    figure = new_figure(3.3)
    settles = "run_fraction" in dataset
    axes = figure.add_axes((0.085, 0.135, 0.395 if settles else 0.9, 0.775))
    _shells(axes, dataset)
    panel_letter(axes, "a")
    if settles:
        side = figure.add_axes((0.575, 0.135, 0.335, 0.775))
        _convergence(side, dataset)
        panel_letter(side, "b")
    if "r_squared" in dataset:
        axes.set_title(
            f"R² = {float(dataset['r_squared']):.5f}, residual "
            f"{float(dataset['rms_residual']):.3g} of {float(dataset['rms_force']):.3g} eV/Å",
            fontsize=8.0,
        )
    return figure


def _shells(axes: Axes, dataset: xr.Dataset) -> None:
    distance, norm = dataset["shell_distance"].values, dataset["shell_norm"].values
    sem = dataset["shell_norm_sem"].values if "shell_norm_sem" in dataset else None
    kinds = dataset["shell_species"].values
    for k, kind in enumerate(dict.fromkeys(kinds.tolist())):
        shown = (kinds == kind) & (norm > 0.0)
        points(
            axes,
            distance[shown],
            norm[shown],
            None if sem is None else sem[shown],
            above_zero=True,
            marker="os^Dv"[k % 5],
            color=COLOURS[k % len(COLOURS)],
            label=kind,
        )
    positive = norm[norm > 0.0]
    if positive.size:
        log_axis(axes, positive.min() / 3.0, positive.max() * 3.0)
    axes.set_xlim(0.0, 1.06 * distance.max())
    axes.set(xlabel="Distance (Å)", ylabel="Pair constants, rms |Φ| (eV/Å²)")
    axes.legend(loc="upper right", borderaxespad=0.3)


def _convergence(axes: Axes, dataset: xr.Dataset) -> None:
    # The last part is the run itself: its change is zero by definition.
    part = dataset["run_fraction"].values[:-1]
    change = dataset["fit_change"].values[:-1]
    axes.plot(part, 100.0 * change, "o-", color=BLUE, label="parameters (%)")
    axes.set(xlabel="Part of the run", ylabel="Change of the parameters (%)", xlim=(0.0, 1.03))
    axes.yaxis.label.set_color(BLUE)
    axes.set_ylim(bottom=0.0)
    if "fit_freq_change_thz" in dataset:
        twin = axes.twinx()
        twin.plot(part, dataset["fit_freq_change_thz"].values[:-1], "s--", color=RED)
        twin.set_ylabel("Change of the frequencies, rms (THz)", color=RED)
        twin.set_ylim(bottom=0.0)
        axes.tick_params(right=False)
        twin.tick_params(left=False, top=False)
    axes.set_title("against the fit of the whole run")
