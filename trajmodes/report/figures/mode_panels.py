"""A sheet of small panels, one for each of a choice of sets of modes.

Spectra of chosen modes with the fitted lines, as small panels.

How the energies of chosen modes forget, with the fitted decays, as small panels.
"""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    log_axis,
    new_figure,
    points,
)
from trajmodes.report.text.numbers import branches, place_of, plus_minus
from trajmodes.units import MEV

_COLUMNS, _ROWS = 3, 4
_UNRESOLVED = 3
"""So many panels are kept for sets that were not resolved, if there are any."""


def choose_sets(dataset: xr.Dataset, resolved: Bools) -> Ints:
    """Pick up to twelve sets evenly spread over the frequencies, some of them not resolved.

    Parameters
    ----------
    dataset
        Results.
    resolved
        (g,) whether what is shown was resolved.

    Returns
    -------
    Their labels, from the lowest to the highest frequency.
    """
    room = _COLUMNS * _ROWS
    others = min(int((~resolved).sum()), max(_UNRESOLVED, room - int(resolved.sum())))
    order = np.argsort(dataset["freq_harmonic_thz"].values, kind="stable")

    def spread(among: Bools, count: int) -> Ints:
        sets: Ints = order[among[order]]
        steps = np.linspace(0, len(sets) - 1, min(count, len(sets)))
        return sets[steps.round().astype(np.int64)]

    chosen = np.concatenate([spread(resolved, room - others), spread(~resolved, others)])
    ranked: Ints = order[np.isin(order, chosen)]
    return ranked


def small_panels(count: int, across: str, up: str) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels in three columns.

    Parameters
    ----------
    count
        Number of panels.
    across, up
        What the axes show.
    """
    n_rows = -(-count // _COLUMNS)
    height = 0.75 + 1.75 * n_rows
    figure = new_figure(height)
    left, right, wide = 0.085, 0.975, 0.243
    top, foot, tall = 0.5 / height, 0.45 / height, 1.28 / height
    panels = []
    for k in range(count):
        row, column = divmod(k, _COLUMNS)
        x = left + column * (right - left - wide) / (_COLUMNS - 1)
        y = 1.0 - top - tall - row * (1.0 - top - foot - tall) / max(1, n_rows - 1)
        axes = figure.add_axes((x, y, wide, tall))
        if row == n_rows - 1 or k + _COLUMNS >= count:
            axes.set_xlabel(across)
        if column == 0:
            axes.set_ylabel(up, fontsize=8.0)
        panels.append(axes)
    return figure, panels


def tell_in_panel(axes: Axes, one: xr.Dataset, told: str, *, resolved: bool) -> None:
    """Name the set in the title of a panel, and write what was found into its corner.

    Parameters
    ----------
    axes
        The panel.
    one
        Results of one set.
    told
        What was found, or why nothing was.
    resolved
        Whether something was.
    """
    name = branches(int(one["branch_first"]), int(one["branch_last"]))
    axes.set_title(f"q = {place_of(one)}, branch {name}", fontsize=8.0, pad=3.0)
    axes.annotate(
        told if resolved else textwrap.fill(told, 32),
        (0.03, 0.95),
        xycoords="axes fraction",
        va="top",
        fontsize=7.0,
        color=BLACK if resolved else RED,
    )


_DASHES = (0, (3, 3))
_DECADES = 3.0
"""Deeper wings are left out, so that the line itself can be seen."""


def draw_spectra(dataset: xr.Dataset) -> Figure:
    """Draw up to twelve spectra from the lowest to the highest frequency.

    Parameters
    ----------
    dataset
        Results with lines.
    """
    chosen = _choose(dataset)
    figure, panels = small_panels(len(chosen), "Frequency (THz)", "Spectral energy (meV/THz)")
    for axes, g in zip(panels, chosen.tolist(), strict=True):
        _panel(axes, dataset, g)
    resolved = dataset["resolved"].values[chosen].astype(bool)
    _legend(figure, resolved, entropy="power_entropy" in dataset)
    return figure


def _choose(dataset: xr.Dataset) -> Ints:
    return choose_sets(dataset, dataset["resolved"].values.astype(bool))


def _legend(figure: Figure, resolved: Bools, *, entropy: bool) -> None:
    handles = [
        Line2D([], [], color=colour, linewidth=0.9, label=label)
        for colour, label, shown in (
            (BLUE, "spectrum", resolved.any()),
            (GREY, "spectrum, not resolved", not resolved.all()),
            (GREEN, "maximum entropy", entropy),
        )
        if shown
    ]
    if resolved.any():
        handles.append(Line2D([], [], color=RED, label="fitted line"))
    handles.append(
        Line2D([], [], color=BLACK, linewidth=0.7, linestyle=_DASHES, label="harmonic")
    )
    figure.legend(handles=handles, loc="upper center", ncols=5, borderaxespad=0.2)


def _panel(axes: Axes, dataset: xr.Dataset, g: int) -> None:
    one = dataset.isel(set=g)
    freq = one["line_freq_thz"].values
    power, model = one["line_power"].values / MEV, one["line_model"].values / MEV
    resolved = bool(one["resolved"])
    harmonic = float(one["freq_harmonic_thz"])
    centre = float(one["freq_spectrum_thz"]) if resolved else max(harmonic, 0.0)
    width = float(one["linewidth_thz"]) if resolved else 0.0
    half = max(3.0 * width, 10.0 * float(one["line_resolution_thz"]))
    seen = (np.abs(freq - centre) <= half) & (power > 0.0)
    tell_in_panel(axes, one, _told(one), resolved=resolved)
    # Up to where the text begins.
    axes.axvline(harmonic, ymax=0.72, color=BLACK, linewidth=0.7, linestyle=_DASHES)
    axes.set_xlim(max(centre - half, 0.0), centre + half)
    axes.locator_params(axis="x", nbins=5)
    if not seen.any():
        return
    colour = BLUE if resolved else GREY
    axes.step(freq[seen], power[seen], where="mid", color=colour, linewidth=0.9)
    most = power[seen].max()
    least = max(power[seen].min(), most * 10.0**-_DECADES)
    if "power_entropy" in one:
        axes.plot(
            one["entropy_freq_thz"].values,
            one["power_entropy"].values / MEV,
            color=GREEN,
            linewidth=0.8,
        )
    axes.plot(freq[seen], model[seen], color=RED)
    log_axis(axes, 0.5 * least, most * (most / least) ** 0.6)


def _told(one: xr.Dataset) -> str:
    if not bool(one["resolved"]):
        return str(one["verdict"].item())
    width = plus_minus(float(one["linewidth_thz"]), float(one["linewidth_thz_sem"]))
    life = plus_minus(float(one["lifetime_ps"]), float(one["lifetime_ps_sem"]))
    return f"FWHM {width} THz\nτ {life} ps"


_LIFETIMES_SHOWN = 6.0
_GONE = 0.05
_KNOWN = 0.3
"""Lags whose correlation is less sure than this are noise: they would hide the others."""


def draw_correlations(dataset: xr.Dataset) -> Figure:
    """Draw up to twelve correlations from the lowest to the highest frequency.

    Parameters
    ----------
    dataset
        Results with lifetimes from the correlation of energies.
    """
    chosen = _figure_correlations_choose(dataset)
    figure, panels = small_panels(len(chosen), "Lag (ps)", "Energy correlation")
    for axes, g in zip(panels, chosen.tolist(), strict=True):
        _figure_correlations_panel(axes, dataset.isel(set=g))
    resolved = dataset["energy_resolved"].values[chosen].astype(bool)
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="none", markersize=3.0, label=told)
        for colour, told, shown in (
            (BLUE, "correlation ± error", resolved.any()),
            (GREY, "correlation, not resolved", not resolved.all()),
        )
        if shown
    ]
    if resolved.any():
        handles.append(Line2D([], [], color=RED, label="fitted decay"))
    if "lifetime_ps" in dataset:
        handles.append(
            Line2D([], [], color=BLACK, linewidth=0.8, linestyle=_DASHES, label="by the line")
        )
    figure.legend(handles=handles, loc="upper center", ncols=4, borderaxespad=0.2)
    return figure


def _figure_correlations_choose(dataset: xr.Dataset) -> Ints:
    return choose_sets(dataset, dataset["energy_resolved"].values.astype(bool))


def _figure_correlations_panel(axes: Axes, one: xr.Dataset) -> None:
    resolved = bool(one["energy_resolved"])
    lag, value, sem = (
        one[name].values for name in ("acf_lag_ps", "energy_acf", "energy_acf_sem")
    )
    last = _last_lag(one, lag, sem)
    seen = np.isfinite(lag) & np.isfinite(value) & (lag <= last)
    points(
        axes,
        lag[seen],
        value[seen],
        np.nan_to_num(sem[seen]),
        marker="o",
        color=BLUE if resolved else GREY,
        markersize=3.0,
    )
    axes.plot(lag, one["energy_acf_model"].values, color=RED, zorder=3)
    life = float(one["lifetime_ps"]) if "lifetime_ps" in one else np.nan
    if np.isfinite(life):
        time = np.linspace(0.0, last, 121)
        axes.plot(
            time, np.exp(-time / life), color=BLACK, linewidth=0.8, linestyle=_DASHES, zorder=4
        )
    axes.axhline(0.0, color=GREY, linewidth=0.6, zorder=1)
    axes.set_xlim(0.0, last)
    # Room for the text above.
    axes.set_ylim(-0.3, 1.9)
    axes.set_yticks([0.0, 0.5, 1.0])
    axes.locator_params(axis="x", nbins=5)
    tell_in_panel(axes, one, _figure_correlations_told(one), resolved=resolved)


def _last_lag(one: xr.Dataset, lag: Floats, sem: Floats) -> float:
    """Lag in ps that the panel reaches to."""
    known = lag[np.isfinite(lag) & ~(sem > _KNOWN)]
    longest = float(known.max()) if known.size else float(np.nanmax(lag, initial=1.0))
    life = float(one["lifetime_energy_ps"])
    if not np.isfinite(life):
        # Three times as far as it takes to decay, where it does.
        gone = lag[np.isfinite(lag) & (one["energy_acf"].values < _GONE)]
        return min(3.0 * float(gone.min()), longest) if gone.size else longest
    return min(_LIFETIMES_SHOWN * life, longest)


def _figure_correlations_told(one: xr.Dataset) -> str:
    if not bool(one["energy_resolved"]):
        return str(one["energy_verdict"].item())
    names = ("lifetime_energy_ps", "lifetime_ps")
    lives = [
        plus_minus(float(one[name]), float(one[f"{name}_sem"])) if name in one else "–"
        for name in names
    ]
    line = "" if lives[1] == "–" else f"\nby the line {lives[1]} ps"
    ratio = float(one["energy_chi2_ratio"])
    rates = f"\nmore than one rate: χ² ratio {ratio:.2g}" if ratio > 1.0 else ""
    return f"τ {lives[0]} ps{line}{rates}"
