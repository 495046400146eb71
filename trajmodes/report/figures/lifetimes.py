"""Lifetimes of all modes in three ways: from lines, energy correlations, and Φ3."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.markers import TICKRIGHT, TICKUP

from trajmodes.arrays import Bools, Floats
from trajmodes.data.spectra import DISAGREE, NARROWEST, Verdict
from trajmodes.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    RED,
    log_axis,
    new_figure,
    panel_letter,
    plain_numbers,
    points,
)
from trajmodes.report.text.numbers import mesh_of
from trajmodes.units import THZ

_IN_A_ROW = 3
"""Entries of the legend that have room beside each other; more go to two rows."""
_PALE: dict[str, Any] = {
    "linestyle": "none",
    "color": GREY,
    "markersize": 3.5,
    "markeredgewidth": 0.9,
    "alpha": 0.65,
    "zorder": 1.2,
}
"""Limits say less than values: small ticks, towards where the value is, stay behind."""


def draw_lifetimes(dataset: xr.Dataset) -> Figure:
    """Draw lifetimes against frequency, and those of the run against each other.

    What is not resolved is shown as a limit.

    Parameters
    ----------
    dataset
        Results with lifetimes of any kind.
    """
    compared = "lifetime_energy_ps" in dataset and "lifetime_ps" in dataset
    figure = new_figure(3.75)
    axes = figure.add_axes((0.085, 0.12, 0.44 if compared else 0.84, 0.68))
    shown = []
    if "lifetime_phi3_classical_ps" in dataset:
        shown += _perturbative(axes, dataset)
    if "lifetime_energy_ps" in dataset:
        shown += _measured(axes, dataset, "lifetime_energy_ps", "energy_resolved")
    if "lifetime_ps" in dataset:
        shown += _measured(axes, dataset, "lifetime_ps", "resolved")
        shown += _limits(axes, dataset)
        _without(axes, dataset)
    _show_from(axes, np.concatenate(shown))
    axes.set_xlim(left=0.0)
    axes.set(xlabel="Frequency (THz)", ylabel="Lifetime τ (ps)")
    _widths_beside(axes)
    handles, labels = axes.get_legend_handles_labels()
    n_rows = 1 + (len(handles) > _IN_A_ROW)
    tall = 0.82 - 0.07 * n_rows
    for panel in figure.axes:
        left, foot, wide, _ = panel.get_position().bounds
        panel.set_position((left, foot, wide, tall))
    # Error bars come last in matplotlib's own order.
    figure.legend(
        *(handles[::-1], labels[::-1]),
        loc="lower center",
        bbox_to_anchor=(0.5, tall + 0.16),
        ncols=-(-len(handles) // n_rows),
        columnspacing=1.4,
        fontsize=7.0,
    )
    if compared:
        side = figure.add_axes((0.69, 0.12, 0.3, tall))
        _one_by_other(side, dataset)
        panel_letter(axes, "a")
        panel_letter(side, "b")
    return figure


def _widths_beside(axes: Axes) -> None:
    """Tell the linewidth that belongs to a lifetime at the other side of the panel."""
    axes.tick_params(which="both", right=False)
    low, high = axes.get_ylim()
    twin = axes.twinx()
    log_axis(twin, _other(high), _other(low))
    twin.invert_yaxis()
    twin.set_ylabel("Linewidth, FWHM (THz)")


def _other(x: float) -> float:
    """Lifetime in ps of a linewidth in THz, or the other way round."""
    return 1.0 / (2.0 * np.pi * x)


_LOOKS = {
    "lifetime_ps": ("o", BLUE, "from the line"),
    "lifetime_energy_ps": ("s", RED, "from the energy correlation"),
}


def _measured(axes: Axes, dataset: xr.Dataset, name: str, flag: str) -> list[Floats]:
    """Draw what was resolved in the run; tell the values that must be seen."""
    ok = dataset[flag].values.astype(bool)
    marker, colour, told = _LOOKS[name]
    value, sem = dataset[name].values[ok], dataset[f"{name}_sem"].values[ok]
    if ok.any():
        points(
            axes,
            dataset["freq_harmonic_thz"].values[ok],
            value,
            sem,
            above_zero=True,
            marker=marker,
            color=colour,
            markersize=3.6,
            label=f"{told} ({ok.sum()})",
        )
    return [value, value + sem, np.maximum(value - sem, 0.5 * value)]


def _perturbative(axes: Axes, dataset: xr.Dataset) -> list[Floats]:
    """Draw what three-phonon scattering gives; tell the values that must be seen."""
    mesh = mesh_of(dataset["phi3_mesh"].values)
    shown = []
    for kind, face, told in (
        ("quantum", "white", "Φ3, quantum"),
        ("classical", GREEN, f"Φ3, classical, mesh {mesh}"),
    ):
        value = dataset[f"lifetime_phi3_{kind}_ps"].values
        axes.plot(
            dataset["freq_harmonic_thz"].values,
            value,
            linestyle="none",
            marker="D",
            color=GREEN,
            markerfacecolor=face,
            markeredgewidth=0.6,
            markersize=3.0,
            label=told,
            zorder=1.5,
        )
        shown.append(value)
    return shown


def _show_from(axes: Axes, shown: Floats) -> None:
    """Limits of the vertical axis with room on both sides of all that is shown."""
    shown = shown[np.isfinite(shown) & (shown > 0.0)]
    low, high = (shown.min(), shown.max()) if shown.size else (1.0, 10.0)
    log_axis(axes, low / 1.35, high * 1.35)


def _narrow(dataset: xr.Dataset) -> Bools:
    narrow: Bools = dataset["verdict"].values == str(Verdict.TOO_NARROW)
    return narrow


def _least(dataset: xr.Dataset) -> Floats:
    """Lifetime (g,) in ps that a line must have if it is too narrow to be resolved."""
    return 1.0 / (NARROWEST * THZ * dataset["line_resolution_thz"].values)


def _limits(axes: Axes, dataset: xr.Dataset) -> list[Floats]:
    """Draw a tick that points upwards from the least lifetime."""
    narrow = _narrow(dataset)
    if not narrow.any():
        return []
    least = _least(dataset)[narrow]
    axes.plot(
        np.maximum(dataset["freq_harmonic_thz"].values[narrow], 0.0),
        least,
        marker=TICKUP,
        **_PALE,
        label=f"at least; line too narrow ({narrow.sum()})",
    )
    return [least]


def _without(axes: Axes, dataset: xr.Dataset) -> None:
    """Ticks on the axis where a mode has no lifetime at all."""
    shown = ~dataset["resolved"].values.astype(bool) & ~_narrow(dataset)
    if not shown.any():
        return
    place = np.maximum(dataset["freq_harmonic_thz"].values[shown], 0.0)
    axes.plot(
        place,
        np.full(len(place), 0.025),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="|",
        color=PURPLE,
        markersize=7.0,
        label=f"none by the line ({len(place)})",
    )


def _one_by_other(axes: Axes, dataset: xr.Dataset) -> None:
    """Draw lifetimes from energies over those from lines, with what only one way resolved."""
    line, energy = dataset["lifetime_ps"].values, dataset["lifetime_energy_ps"].values
    line_sem, energy_sem = (
        dataset[f"{name}_sem"].values for name in ("lifetime_ps", "lifetime_energy_ps")
    )
    apart = np.abs(dataset["lifetime_disagreement"].values)
    for shown, colour, told in (
        (apart <= DISAGREE, BLUE, f"within {DISAGREE:g} errors"),
        (apart > DISAGREE, RED, "farther apart"),
    ):
        if shown.any():
            axes.errorbar(
                line[shown],
                energy[shown],
                xerr=np.minimum([line_sem[shown]] * 2, [0.9 * line[shown], line_sem[shown]]),
                yerr=np.minimum(
                    [energy_sem[shown]] * 2, [0.9 * energy[shown], energy_sem[shown]]
                ),
                fmt="o",
                color=colour,
                elinewidth=0.8,
                markersize=3.6,
                markeredgecolor="white",
                markeredgewidth=0.4,
                label=f"{told} ({shown.sum()})",
            )
    least = np.where(_narrow(dataset) & np.isfinite(energy), _least(dataset), np.nan)
    limited = np.isfinite(least)
    if limited.any():
        axes.plot(
            *(least[limited], energy[limited]),
            marker=TICKRIGHT,
            **_PALE,
            label=f"line too narrow ({limited.sum()})",
        )
    both = np.concatenate([line, energy, least])
    known = both[np.isfinite(both) & (both > 0.0)]
    low, high = (known.min() / 1.6, known.max() * 1.6) if known.size else (1.0, 10.0)
    axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, zorder=1)
    log_axis(axes, low, high)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    plain_numbers(axes.xaxis, low, high)
    axes.set(xlabel="τ from the line (ps)", ylabel="τ from the energy correlation (ps)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", borderaxespad=0.3, handletextpad=0.4, fontsize=6.5)
