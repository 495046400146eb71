"""Lifetimes of the sets of modes, mean free paths and thermal conductivity."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Bools, Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.spectra import DISAGREE, NARROWEST, Verdict
from trajmodes.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    PURPLE,
    RED,
    figure_of_panels,
    letter_panels,
    log_axis,
    log_axis_around,
    new_figure,
    plain_numbers,
    points,
)
from trajmodes.report.numbers import counted, mesh_of, plus_minus
from trajmodes.report.sections import conducting_axes
from trajmodes.units import THZ

_IN_A_ROW = 3
"""Legends with more entries than this have two rows."""
_LIMIT_LOOK: dict[str, Any] = {
    "linestyle": "none",
    "color": GREY,
    "markersize": 6.0,
    "markeredgewidth": 0.0,
    "alpha": 0.8,
    "zorder": 1.2,
}
"""Limits are pale arrows behind the values, pointing in the direction of the value."""
_KINDS = (("classical", RED, "-"), ("quantum", BLUE, (0, (5, 1.5))))
_SHORTEST = 0.005
"""Shortest mean free path shown, in nm; shorter than the thermal motion of atoms."""
_VISIBLE = 1e-3
"""Cumulative curves are shown from this part of the total on."""


def draw_lifetimes(dataset: NamedArrays) -> Figure:
    """Draw lifetimes against frequency, and those from line and energy against each other.

    Lines that are too narrow are shown as limits.
    """
    compared = "lifetime_energy_ps" in dataset and "lifetime_ps" in dataset
    figure = new_figure(3.75)
    axes = figure.add_axes((0.085, 0.12, 0.44 if compared else 0.84, 0.68))
    lifetimes_panel(axes, dataset)
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
        compared_panel(side, dataset)
        letter_panels((axes, side))
    return figure


def lifetimes_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw lifetimes against frequency, without a legend."""
    shown = []
    if "lifetime_phi3_classical_ps" in dataset:
        shown += _draw_perturbative(axes, dataset)
    if "lifetime_energy_ps" in dataset:
        shown += _draw_measured(axes, dataset, "lifetime_energy_ps", "energy_resolved")
    if "lifetime_ps" in dataset:
        shown += _draw_measured(axes, dataset, "lifetime_ps", "resolved")
        shown += _draw_limits(axes, dataset)
        _mark_unresolved(axes, dataset)
    drawn = np.concatenate(shown)
    # Without any lifetime the limits are arbitrary.
    log_axis_around(axes, drawn if (drawn > 0.0).any() else np.array([1.0, 10.0]), 1.35, 1.35)
    axes.set_xlim(left=0.0)
    axes.set(xlabel="Frequency (THz)", ylabel="Lifetime τ (ps)")
    # The linewidth of each lifetime is on the right.
    axes.tick_params(which="both", right=False)
    low, high = axes.get_ylim()
    twin = axes.twinx()
    log_axis(twin, 1.0 / (2.0 * np.pi * high), 1.0 / (2.0 * np.pi * low))
    twin.invert_yaxis()
    twin.set_ylabel("Linewidth, FWHM (THz)")


_LOOKS = {
    "lifetime_ps": ("o", BLUE, "from the line"),
    "lifetime_energy_ps": ("s", RED, "from the energy autocorrelation"),
}


def _draw_measured(axes: Axes, dataset: NamedArrays, name: str, flag: str) -> list[Floats]:
    """Draw resolved lifetimes of the run; return values to include in the limits."""
    ok = dataset[flag].values.astype(bool)
    marker, colour, label = _LOOKS[name]
    value, sem = dataset[name].values[ok], dataset[f"{name}_sem"].values[ok]
    if ok.any():
        points(
            *(axes, dataset["freq_harmonic_thz"].values[ok], value, sem),
            above_zero=True,
            marker=marker,
            color=colour,
            markersize=3.6,
            label=f"{label} ({ok.sum()})",
        )
    return [value, value + sem, np.maximum(value - sem, 0.5 * value)]


def _draw_perturbative(axes: Axes, dataset: NamedArrays) -> list[Floats]:
    """Draw three-phonon lifetimes; return values to include in the limits."""
    mesh = mesh_of(dataset["phi3_mesh"].values)
    shown = []
    for kind, face, label in (
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
            label=label,
            zorder=1.5,
        )
        shown.append(value)
    return shown


def _is_too_narrow(dataset: NamedArrays) -> Bools:
    narrow: Bools = dataset["verdict"].values == str(Verdict.TOO_NARROW)
    return narrow


def _lower_limit(dataset: NamedArrays) -> Floats:
    """(g,) lower limit in ps of the lifetime of a line that is too narrow to be resolved."""
    resolution: Floats = dataset["line_resolution_thz"].values
    return 1.0 / (NARROWEST * THZ * resolution)


def _draw_limits(axes: Axes, dataset: NamedArrays) -> list[Floats]:
    """Draw an arrow upwards at each lower limit."""
    narrow = _is_too_narrow(dataset)
    if not narrow.any():
        return []
    least = _lower_limit(dataset)[narrow]
    axes.plot(
        np.maximum(dataset["freq_harmonic_thz"].values[narrow], 0.0),
        least,
        marker=r"$\uparrow$",
        **_LIMIT_LOOK,
        label=f"lower limit, line too narrow ({narrow.sum()})",
    )
    return [least]


def _mark_unresolved(axes: Axes, dataset: NamedArrays) -> None:
    """Draw ticks on the axis at modes without a lifetime or limit from the line."""
    shown = ~dataset["resolved"].values.astype(bool) & ~_is_too_narrow(dataset)
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
        label=f"no lifetime from the line ({len(place)})",
    )


def compared_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw lifetimes from energies against those from lines, and lower limits of the latter."""
    line, energy = dataset["lifetime_ps"].values, dataset["lifetime_energy_ps"].values
    line_sem = dataset["lifetime_ps_sem"].values
    energy_sem = dataset["lifetime_energy_ps_sem"].values
    apart = np.abs(dataset["lifetime_disagreement"].values)
    for shown, colour, label in (
        (apart <= DISAGREE, BLUE, f"within {DISAGREE:g} errors"),
        (apart > DISAGREE, RED, f"beyond {DISAGREE:g} errors"),
    ):
        if shown.any():
            points(
                *(axes, line[shown], energy[shown], energy_sem[shown]),
                xerr=[np.minimum(line_sem, 0.9 * line)[shown], line_sem[shown]],
                above_zero=True,
                marker="o",
                color=colour,
                elinewidth=0.8,
                markersize=3.6,
                label=f"{label} ({shown.sum()})",
            )
    limited = _is_too_narrow(dataset) & np.isfinite(energy)
    least = np.where(limited, _lower_limit(dataset), np.nan)
    if limited.any():
        axes.plot(
            *(least[limited], energy[limited]),
            marker=r"$\rightarrow$",
            **_LIMIT_LOOK,
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
    axes.set(xlabel="τ from the line (ps)", ylabel="τ from the energy autocorrelation (ps)")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", borderaxespad=0.3, handletextpad=0.4, fontsize=6.5)


def draw_conductivity(dataset: NamedArrays) -> Figure:
    """Draw the spectral and cumulative conductivity, and the mean free path of each set."""
    places = [(left, 0.145, 0.245, 0.63) for left in (0.075, 0.41, 0.745)]
    panels = (spectral_panel, cumulative_panel, free_paths_panel)
    figure = figure_of_panels(2.95, places, panels, dataset)
    mesh = mesh_of(dataset["kappa_mesh"].values)
    filled = 100.0 * float(dataset["kappa_filled_share"])
    legend = figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        loc="upper center",
        ncols=2,
        title=f"{float(dataset['kappa_temperature']):.4g} K, mesh {mesh}; "
        f"{filled:.2g} % of the classical κ from lifetimes estimated by a power law",
    )
    legend.get_title().set_fontsize(8.0)
    return figure


def spectral_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the spectral conductivity."""
    grid = dataset["kappa_freq_thz"].values
    _draw_kinds(axes, dataset, grid, "kappa_spectral_{}")
    axes.set(xlabel="Frequency (THz)", ylabel="Spectral κ (W/(m K THz))")
    axes.set_xlim(0.0, float(grid[-1]))
    axes.set_ylim(bottom=0.0)


def _draw_kinds(axes: Axes, dataset: NamedArrays, place: Floats, name: str) -> None:
    for kind, colour, dashes in _KINDS:
        # The diagonal elements have the same lifetimes: their errors do not average out.
        directions, along, errors = conducting_axes(dataset, kind)
        mean = plus_minus(float(along.mean()), float(errors.mean()))
        label = f"{kind}, mean of {', '.join(directions)}: {mean} W/(m K)"
        value = dataset[name.format(kind)].values
        axes.plot(place, value, color=colour, linestyle=dashes, label=label)


def cumulative_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the contribution to the conductivity of mean free paths up to each length."""
    path = dataset["kappa_path"].values / 10.0
    _draw_kinds(axes, dataset, path, "kappa_cumulative_{}_w_mk")
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


def free_paths_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the mean free path of the modes against their frequency."""
    value, sem = dataset["free_path"].values / 10.0, dataset["free_path_sem"].values / 10.0
    moves = np.isfinite(value) & (value > 0.0)
    known = moves & (value >= _SHORTEST)
    freq, sem = dataset["freq_harmonic_thz"].values[known], np.nan_to_num(sem[known])
    look = {"marker": "o", "color": BLUE, "markersize": 3.6}
    points(axes, freq, value[known], sem, above_zero=True, **look)
    axes.set_xlim(left=0.0)
    log_axis_around(axes, value[known], 1.6, 1.6)
    axes.set(xlabel="Frequency (THz)", ylabel="Mean free path (nm)")
    still = int((moves & ~known).sum())
    if still:
        # Modes with a group velocity of zero by symmetry, up to rounding.
        text = f"not shown, below {_SHORTEST:g} nm: {counted(still, 'set')}"
        axes.set_title(text, fontsize=7.0)
