"""Bands with their error band over the spectral energy that the run has along the path."""

import math

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from trajmodes.arrays import Floats, Ints
from trajmodes.report.style import BLACK, BLUE, GREY, is_seen, new_figure
from trajmodes.report.tables import Table, bands_table
from trajmodes.report.tables_modes import energy_density_table
from trajmodes.report.wording import point_label
from trajmodes.units import MEV

__all__ = [
    "bands_data",
    "draw_bands",
    "draw_branches",
    "draw_map",
    "map_reach",
    "name_points",
    "shown_part",
]

_DECADES = 2.0
"""The colours span this many powers of ten below the strongest line: what lies deeper is wings
and leakage."""
_WIDEST = 0.05
"""Widest strip of a point that is far from others, as a part of the path."""
_PIXELS = 2
"""Least height of a row of the map: thinner lines are hard to see."""
_SHOWN = 0.99
"""The axis reaches as high as this part of the kinetic energy of every strip does."""
_ABOVE = 1.1
"""Data are told up to so many times the highest frequency that counts."""


def draw_bands(dataset: xr.Dataset) -> Figure:
    """Draw frequencies along the band path, the measured spectra behind them.

    Parameters
    ----------
    dataset
        Results with bands, with a spectral map, or with both.
    """
    figure = new_figure(4.4)
    has_map = "map_power" in dataset
    axes = figure.add_axes((0.085, 0.08, 0.79 if has_map else 0.9, 0.85))
    place = dataset["path_distance"].values
    has_bands = "band_freq_thz" in dataset
    freq = dataset["band_freq_thz"].values if has_bands else np.zeros(1)
    top = 1.06 * max(float(freq.max()), 0.1)
    if has_map:
        top = max(top, map_reach(dataset))
    bottom = min(0.0, 1.1 * float(freq.min()))
    # What is imaginary by less than a hundredth of the highest frequency is noise at Γ.
    bottom = bottom if bottom < -0.01 * top else 0.0
    if has_map:
        power = dataset["map_power"].values
        mesh = draw_map(axes, dataset, power, (bottom, top), float(power.max()))
        bar = figure.colorbar(mesh, cax=figure.add_axes((0.89, 0.08, 0.02, 0.85)))
        bar.set_label("Spectral kinetic energy (meV/THz)")
        bar.outline.set_linewidth(0.7)
    if has_bands:
        draw_branches(axes, dataset, over_map=has_map)
        sem = dataset.get("band_freq_thz_sem")
        _legend(axes, has_errors=sem is not None and is_seen(sem.values, top - bottom))
    axes.set(xlim=(place[0], place[-1]), ylim=(bottom, top), ylabel="Frequency (THz)")
    if bottom < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
        axes.set_ylabel("Frequency (THz), imaginary below 0")
    name_points(axes, dataset)
    return figure


def _legend(axes: Axes, *, has_errors: bool) -> None:
    line = Line2D([], [], color=BLUE, linewidth=0.9, label="fitted constants")
    handles: list[Artist] = [line]
    if has_errors:
        handles.append(Patch(color=BLUE, alpha=0.3, linewidth=0, label="±2 standard errors"))
    above = (0.0, 1.0)
    axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=above, ncols=2, borderaxespad=0.1
    )


def draw_map(
    axes: Axes,
    dataset: xr.Dataset,
    power: Floats,
    span: tuple[float, float],
    strongest: float,
) -> QuadMesh:
    """Draw one strip for each commensurate point, at its place on the path.

    Parameters
    ----------
    axes
        A panel over the band path.
    dataset
        Results with a map.
    power
        (k, w) spectra in eV/THz.
    span
        Frequencies in THz that the strips reach from and to.
    strongest
        Spectrum in eV/THz of the last colour.
    """
    freq = dataset["map_freq_thz"].values
    step = float(freq[1] - freq[0])
    shown = np.flatnonzero((freq >= span[0] - step) & (freq <= span[1] + step))
    place = dataset["map_distance"].values
    order = np.argsort(place, kind="stable")
    edges, owner = _strips(place[order], dataset["path_distance"].values)
    # Axes (strip, frequency); gaps between strips stay empty.
    image = np.where(owner[:, None] >= 0, power[:, shown][order][owner] / MEV, np.nan)
    together = _in_a_row(axes, step, span[1] - span[0])
    # A line thinner than a row would be lost, were it not the highest that is shown.
    image = np.fmax.reduceat(image, np.arange(0, image.shape[1], together), axis=1)
    levels = np.append(freq[shown[::together]] - step / 2, freq[shown[-1]] + step / 2)
    highest = max(strongest / MEV, 1e-12)
    return axes.pcolormesh(
        edges,
        levels,
        np.ma.masked_less(np.ma.masked_invalid(image), highest * 10.0**-_DECADES).T,
        norm=LogNorm(highest * 10.0**-_DECADES, highest),
        cmap="Oranges",
        rasterized=True,
        zorder=0,
    )


def _in_a_row(axes: Axes, step: float, span: float) -> int:
    """Count the frequencies that a row of visible height holds, at least one."""
    return max(1, math.ceil(_PIXELS * span / step / axes.get_window_extent().height))


def map_reach(dataset: xr.Dataset) -> float:
    """Tell the frequency in THz below which nearly all the energy of the map lies.

    Parameters
    ----------
    dataset
        Results with a map.
    """
    cumulated = np.cumsum(dataset["map_power"].values, axis=1)
    # At Γ nothing moves but optical modes, if there are any.
    cumulated = cumulated[cumulated[:, -1] > (1.0 - _SHOWN) * cumulated[:, -1].max()]
    below = (cumulated < _SHOWN * cumulated[:, -1:]).sum(axis=1).max(initial=0)
    return float(dataset["map_freq_thz"].values[min(below, cumulated.shape[1] - 1)])


def shown_part(dataset: xr.Dataset) -> xr.Dataset:
    """Leave out the frequencies of the map that lie above all that a figure shows.

    Parameters
    ----------
    dataset
        Results with a map.
    """
    highest = float(dataset["band_freq_thz"].max()) if "band_freq_thz" in dataset else 0.0
    top = _ABOVE * max(highest, map_reach(dataset))
    return dataset.isel(map_freq_thz=dataset["map_freq_thz"].values <= top)


def _strips(place: Floats, path: Floats) -> tuple[Floats, Ints]:
    """Edges of the strips and of the gaps between them, and whose each is; −1 for a gap.

    A strip reaches halfway to the next point, but not far. Where the path turns or jumps, two
    points have one place: they share its strip.
    """
    points, starts, counts = np.unique(place.round(9), return_index=True, return_counts=True)
    farthest = 0.5 * _WIDEST * (path[-1] - path[0])
    half = np.minimum(0.5 * np.diff(points), farthest)
    before, after = np.append(farthest, half), np.append(half, farthest)
    edges: list[float] = []
    owner: list[int] = []
    for k, (point, start, count) in enumerate(zip(points, starts, counts, strict=True)):
        reach = [point - before[k], point, point + after[k]]
        own = np.interp(np.linspace(-1.0, 1.0, count + 1), [-1.0, 0.0, 1.0], reach)
        if edges and np.isclose(own[0], edges[-1]):
            own = own[1:]
        elif edges:
            owner.append(-1)
        edges += own.tolist()
        owner += range(start, start + count)
    return np.array(edges), np.array(owner)


def draw_branches(
    axes: Axes,
    dataset: xr.Dataset,
    name: str = "band_freq_thz",
    colour: str = BLUE,
    dashes: str | tuple[float, tuple[float, ...]] = "-",
    *,
    over_map: bool = False,
) -> None:
    """Draw bands as lines, with bands of ±2 standard errors where these are known.

    Parameters
    ----------
    axes
        A panel over the band path.
    dataset
        Results.
    name
        Variable with the frequencies.
    colour, dashes
        Look of the lines.
    over_map
        Whether the lines of a map must stay visible below.
    """
    linewidth, alpha = (0.7, 0.5) if over_map else (0.9, 1.0)
    place = dataset["path_distance"].values
    freq = dataset[name].values
    sem = dataset.get(f"{name}_sem")
    segment = dataset["path_segment"].values
    for number in np.unique(segment):
        inside = segment == number
        axes.plot(
            *(place[inside], freq[inside]),
            color=colour,
            linestyle=dashes,
            linewidth=linewidth,
            alpha=alpha,
            zorder=3,
        )
        if sem is None:
            continue
        low, high = (freq + sign * sem.values for sign in (-2.0, 2.0))
        bands = [
            np.concatenate(
                [
                    np.stack([place[inside], low[inside, m]], axis=1),
                    np.stack([place[inside], high[inside, m]], axis=1)[::-1],
                ]
            )
            for m in range(freq.shape[1])
        ]
        shade = PolyCollection(
            bands, facecolor=colour, alpha=0.3 * alpha, edgecolor="none", zorder=2
        )
        axes.add_collection(shade, autolim=False)


def name_points(axes: Axes, dataset: xr.Dataset) -> None:
    """Draw lines and names at the named points; two names at a break are joined by a bar.

    Parameters
    ----------
    axes
        A panel over the band path.
    dataset
        Results.
    """
    named: dict[float, list[str]] = {}
    # Rounded, a point at the end may lie beyond it, where matplotlib shows nothing.
    last = float(dataset["path_distance"].values[-1])
    ticks = zip(dataset["tick_distance"].values, dataset["tick_label"].values, strict=True)
    for place, name in ticks:
        names = named.setdefault(min(round(float(place), 6), last), [])
        if point_label(str(name)) not in names:
            names.append(point_label(str(name)))
    axes.set_xticks(list(named), ["|".join(names) for names in named.values()])
    axes.tick_params(axis="x", length=0, pad=5)
    for place in named:
        axes.axvline(place, color=BLACK, linewidth=0.5, zorder=1)


def bands_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results.
    """
    data = {"bands.csv": bands_table(dataset)}
    if "map_power" in dataset:
        parts = ["map_branch_power", "map_site_power"]
        whole = shown_part(dataset).drop_vars(parts, errors="ignore")
        data["bands_map.csv"] = energy_density_table(whole)
    return data
