"""Spectra of chosen modes with the fitted lines, as small panels."""

import textwrap

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Bools, Ints
from trajmodes.data.points import point
from trajmodes.report.style import BLACK, BLUE, GREY, RED, log_axis, new_figure
from trajmodes.report.tables import Table, spectra_table
from trajmodes.report.wording import branches, plus_minus
from trajmodes.units import MEV

__all__ = ["draw_spectra", "spectra_data"]

_COLUMNS, _ROWS = 3, 4
_DASHES = (0, (3, 3))
_UNRESOLVED = 3
"""So many panels are kept for lines that were not resolved, if there are any."""


def draw_spectra(dataset: xr.Dataset) -> Figure:
    """Draw up to twelve spectra from the lowest to the highest frequency.

    Parameters
    ----------
    dataset
        Results with spectra.
    """
    chosen = _choose(dataset)
    n_rows = -(-len(chosen) // _COLUMNS)
    height = 0.75 + 1.75 * n_rows
    figure = new_figure(height)
    left, right, wide = 0.085, 0.975, 0.243
    top, foot, tall = 0.5 / height, 0.45 / height, 1.28 / height
    for k, g in enumerate(chosen.tolist()):
        row, column = divmod(k, _COLUMNS)
        x = left + column * (right - left - wide) / (_COLUMNS - 1)
        y = 1.0 - top - tall - row * (1.0 - top - foot - tall) / max(1, n_rows - 1)
        axes = figure.add_axes((x, y, wide, tall))
        _panel(axes, dataset, g)
        if row == n_rows - 1 or k + _COLUMNS >= len(chosen):
            axes.set_xlabel("Frequency (THz)")
        if column == 0:
            axes.set_ylabel("Spectral energy (meV/THz)", fontsize=8.0)
    _legend(figure, dataset["resolved"].values[chosen].astype(bool))
    return figure


def _legend(figure: Figure, resolved: Bools) -> None:
    handles = [
        Line2D([], [], color=colour, linewidth=0.9, label=label)
        for colour, label, shown in (
            (BLUE, "spectrum", resolved.any()),
            (GREY, "spectrum, not resolved", not resolved.all()),
        )
        if shown
    ]
    if resolved.any():
        handles.append(Line2D([], [], color=RED, label="fitted line"))
    handles.append(
        Line2D([], [], color=BLACK, linewidth=0.7, linestyle=_DASHES, label="harmonic")
    )
    figure.legend(handles=handles, loc="upper center", ncols=4, borderaxespad=0.2)


def _choose(dataset: xr.Dataset) -> Ints:
    """Pick sets evenly spread over the frequencies, some of them not resolved."""
    resolved = dataset["resolved"].values.astype(bool)
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


def _panel(axes: Axes, dataset: xr.Dataset, g: int) -> None:
    one = dataset.isel(set=g)
    freq = dataset["freq_thz"].values
    power, model = one["power"].values / MEV, one["power_model"].values / MEV
    resolved = bool(one["resolved"])
    harmonic = float(one["freq_harmonic_thz"])
    centre = float(one["freq_spectrum_thz"]) if resolved else max(harmonic, 0.0)
    width = float(one["linewidth_thz"]) if resolved else 0.0
    half = max(5.0 * width, 15.0 * (freq[1] - freq[0]))
    low, high = max(centre - half, 0.0), min(centre + half, freq[-1])
    seen = (freq >= low) & (freq <= high) & (power > 0.0)
    axes.step(
        freq[seen],
        power[seen],
        where="mid",
        color=BLUE if resolved else GREY,
        linewidth=0.9,
    )
    # Up to where the text begins.
    axes.axvline(harmonic, ymax=0.72, color=BLACK, linewidth=0.7, linestyle=_DASHES)
    axes.plot(freq[seen], model[seen], color=RED)
    axes.set_xlim(low, high)
    if seen.any():
        least, most = power[seen].min(), power[seen].max()
        log_axis(axes, 0.5 * least, most * (most / least) ** 0.6)
    axes.locator_params(axis="x", nbins=5)
    name = branches(int(one["branch_first"]), int(one["branch_last"]))
    axes.set_title(f"q = {point(one['set_q'].values)}, branch {name}", fontsize=8.0, pad=3.0)
    axes.annotate(
        _told(one),
        (0.03, 0.95),
        xycoords="axes fraction",
        va="top",
        fontsize=7.0,
        color=BLACK if resolved else RED,
    )


def _told(one: xr.Dataset) -> str:
    if not bool(one["resolved"]):
        return textwrap.fill(str(one["verdict"].item()), 32)
    width = plus_minus(float(one["linewidth_thz"]), float(one["linewidth_thz_sem"]))
    life = plus_minus(float(one["lifetime_ps"]), float(one["lifetime_ps_sem"]))
    return f"FWHM {width} THz\nτ {life} ps"


def spectra_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results with spectra.
    """
    return {"spectra.csv": spectra_table(dataset, _choose(dataset))}
