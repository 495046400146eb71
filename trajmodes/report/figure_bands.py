"""Bands with their error band over the spectral energy that the run has along the path."""

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
from trajmodes.report.style import BLACK, BLUE, GREY, is_seen, new_figure, point_label
from trajmodes.report.tables import Table, bands_table
from trajmodes.report.tables_modes import energy_density_table
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
        mesh = draw_map(axes, dataset, power, top, float(power.max()))
        bar = figure.colorbar(mesh, cax=figure.add_axes((0.89, 0.08, 0.02, 0.85)))
        bar.set_label("Spectral kinetic energy (meV/THz)")
        bar.outline.set_linewidth(0.7)
    if has_bands:
        draw_branches(axes, dataset)
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
    axes: Axes, dataset: xr.Dataset, power: Floats, top: float, strongest: float
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
    top
        Frequency in THz that the strips reach to.
    strongest
        Spectrum in eV/THz of the last colour.
    """
    freq = dataset["map_freq_thz"].values
    below = freq <= top
    place = dataset["map_distance"].values
    order = np.argsort(place, kind="stable")
    edges, owner = _strips(place[order], dataset["path_distance"].values)
    # Axes (strip, frequency); gaps between strips stay empty.
    image = np.where(owner[:, None] >= 0, power[:, below][order][owner] / MEV, np.nan)
    highest = max(strongest / MEV, 1e-12)
    step = freq[1] - freq[0]
    levels = np.append(freq[below] - step / 2, freq[below][-1] + step / 2)
    return axes.pcolormesh(
        edges,
        levels,
        np.ma.masked_less(np.ma.masked_invalid(image), highest * 10.0**-_DECADES).T,
        norm=LogNorm(highest * 10.0**-_DECADES, highest),
        cmap="Oranges",
        rasterized=True,
        zorder=0,
    )


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

    Where the path turns or jumps, two points have one place: they share its strip.
    """
    points, starts, counts = np.unique(place.round(9), return_index=True, return_counts=True)
    widest = 0.02 * (path[-1] - path[0])
    spacing = np.diff(points).min() if len(points) > 1 else widest
    half = 0.5 * min(widest, 0.8 * spacing)
    edges: list[float] = []
    owner: list[int] = []
    for point, start, count in zip(points, starts, counts, strict=True):
        edges += (point + half * np.linspace(-1.0, 1.0, count + 1)).tolist()
        owner += [*range(start, start + count), -1]
    return np.array(edges), np.array(owner[:-1])


def draw_branches(
    axes: Axes,
    dataset: xr.Dataset,
    name: str = "band_freq_thz",
    colour: str = BLUE,
    dashes: str | tuple[float, tuple[float, ...]] = "-",
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
    """
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
            linewidth=0.9,
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
        shade = PolyCollection(bands, facecolor=colour, alpha=0.3, edgecolor="none", zorder=2)
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
