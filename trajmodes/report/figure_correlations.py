"""How the energies of chosen modes forget, with the fitted decays, as small panels."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Floats, Ints
from trajmodes.report.panels import choose_sets, small_panels, tell_in_panel
from trajmodes.report.style import BLACK, BLUE, GREY, RED, points
from trajmodes.report.wording import plus_minus

__all__ = ["draw_correlations"]

_DASHES = (0, (3, 3))
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
    chosen = _choose(dataset)
    figure, panels = small_panels(len(chosen), "Lag (ps)", "Energy correlation")
    for axes, g in zip(panels, chosen.tolist(), strict=True):
        _panel(axes, dataset.isel(set=g))
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


def _choose(dataset: xr.Dataset) -> Ints:
    return choose_sets(dataset, dataset["energy_resolved"].values.astype(bool))


def _panel(axes: Axes, one: xr.Dataset) -> None:
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
    tell_in_panel(axes, one, _told(one), resolved=resolved)


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


def _told(one: xr.Dataset) -> str:
    if not bool(one["energy_resolved"]):
        return str(one["energy_verdict"].item())
    names = ("lifetime_energy_ps", "lifetime_ps")
    lives = [
        plus_minus(float(one[name]), float(one[f"{name}_sem"])) if name in one else "–"
        for name in names
    ]
    line = "" if lives[1] == "–" else f"\nby the line {lives[1]} ps"
    strays = float(one["energy_misfit"])
    rates = f"\nmore than one rate: misfit {strays:.2g}" if strays > 1.0 else ""
    return f"τ {lives[0]} ps{line}{rates}"
