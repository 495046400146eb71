"""Spectra of chosen modes with the fitted lines, as small panels."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Bools, Ints
from trajmodes.report.panels import choose_sets, small_panels, tell_in_panel
from trajmodes.report.style import BLACK, BLUE, GREEN, GREY, RED, log_axis
from trajmodes.report.wording import plus_minus
from trajmodes.units import MEV

__all__ = ["draw_spectra"]

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
