"""Dynamic structure factors: maps along a line, cuts through a plane, spectra at single Q.

In the maps the colour is the logarithm of S(Q, f). Each Q of a run has a column as wide as the
distance of its neighbours; a plane is tiled by the Wigner–Seitz cells of the lattice of its Q.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection, QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from scipy.spatial import Voronoi

from trajmodes.arrays import Floats, Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLUE,
    RED,
    letter_panels,
    line_entry,
    new_figure,
    sem_of,
)

_DECADES = 3.0
"""The colours span this many powers of ten below the strong signals."""
_STRONG = 0.9
"""The colours end at the maximum that this part of the Q does not exceed: S diverges as 1/f²
near reciprocal lattice points."""
_FAINT = 1e-3
"""One-phonon lines weaker than this part of the strongest are not drawn."""
_STRONG_CUT = 0.98
"""The same for the cells of cuts through a plane."""
_COLUMNS, _ROWS = 3, 2
_SPECTRA = 6
_COLOURS = "magma_r"
_LABEL = "S(Q, f) (1/THz)"
_TICKS = (5, 6, 4, 3)
"""Numbers of ticks, the best one first."""


class Map(NamedTuple):
    """A structure factor and the name of its source."""

    name: str
    title: str


class Cut(NamedTuple):
    """A cut through a plane."""

    source: Map
    band: slice
    """Bins of frequency that are averaged."""


def maps_of(dataset: NamedArrays) -> list[Map]:
    """Name the sources of structure factors that the results have."""
    kind = (
        "quantum" if "sqw_quantum" in dataset and dataset["sqw_quantum"].item() else "classical"
    )
    texts = {"sqw": "run", "one_phonon_sqw": f"force constants, one phonon, {kind}"}
    return [Map(name, text) for name, text in texts.items() if name in dataset]


def draw_line(dataset: NamedArrays) -> Figure:
    """Draw S(Q, f) along the line; of run and force constants below each other."""
    shown = maps_of(dataset)
    tall = 2.4
    height = 0.45 + (tall + 0.3) * len(shown)
    figure = new_figure(height)
    panels = []
    for k, one in enumerate(shown):
        foot = 1.0 - (0.3 + tall) * (k + 1) / height
        axes = figure.add_axes((0.085, foot, 0.78, tall / height))
        mesh = line_panel(axes, dataset, one)
        panels.append(axes)
        place = figure.add_axes((0.885, foot, 0.02, tall / height))
        bar = figure.colorbar(mesh, cax=place, extend="both")
        bar.set_label(_LABEL)
    for axes in panels[:-1]:
        axes.set_xticklabels([])
        axes.set_xlabel("")
    letter_panels(panels if len(panels) > 1 else [])
    return figure


def line_panel(axes: Axes, dataset: NamedArrays, one: Map) -> QuadMesh:
    """Draw S(Q, f) of a source along the line; the lines of force constants over the first."""
    mesh = _draw_columns(axes, dataset, one.name, _norm(dataset))
    axes.set_title(one.title, loc="right")
    if one == maps_of(dataset)[0] and "line_one_phonon_freq_thz" in dataset:
        _draw_dispersion(axes, dataset)
    return mesh


def _norm(dataset: NamedArrays) -> LogNorm:
    """Colours of both sources."""
    shown = maps_of(dataset)
    highest = [np.nanmax(_inelastic(dataset, one.name), axis=1) for one in shown]
    top = max(float(np.quantile(one, _STRONG)) for one in highest)
    return LogNorm(10.0**-_DECADES * top, top)


def _inelastic(dataset: NamedArrays, name: str) -> Floats:
    """S without the bins next to the elastic line, which are strong at Bragg points."""
    values: Floats = dataset[name].values[:, 2 if name == "sqw" else 0 :]
    return values


def _draw_columns(axes: Axes, dataset: NamedArrays, name: str, norm: LogNorm) -> QuadMesh:
    place = dataset["sqw_place"].values[:, 0]
    freq = dataset["scattering_freq_thz"].values
    inner = 0.5 * (place[1:] + place[:-1])
    half = 0.5 * np.median(np.diff(place)) if len(place) > 1 else 0.5
    edges = np.concatenate([[place[0] - half], inner, [place[-1] + half]])
    step = freq[1] - freq[0]
    levels = np.append(freq - 0.5 * step, freq[-1] + 0.5 * step)
    shown = np.maximum(dataset[name].values, norm.vmin or 0.0)
    mesh = axes.pcolormesh(
        edges, levels, shown.T, norm=norm, cmap=_COLOURS, rasterized=True, zorder=0
    )
    axes.set(
        xlim=(edges[0], edges[-1]),
        ylim=(0.0, _highest(dataset)),
        ylabel="Frequency (THz)",
        xlabel=f"Q ({dataset['sqw_axes'].item()} cell)",
    )
    count = next((n for n in _TICKS if (len(place) - 1) % (n - 1) == 0), _TICKS[0])
    chosen = _spread(len(place), count)
    axes.set_xticks(
        place[chosen].tolist(), [_hkl(q) for q in dataset["sqw_hkl"].values[chosen]]
    )
    return mesh


def _highest(dataset: NamedArrays) -> float:
    """Highest frequency shown: above the phonons, or at the end of the signal."""
    freq = dataset["scattering_freq_thz"].values
    for name in ("line_one_phonon_freq_thz", "one_phonon_freq_thz"):
        if name in dataset:
            return float(min(1.25 * dataset[name].values.max(), freq[-1]))
    seen = _inelastic(dataset, "sqw").max(axis=0) > 1e-3 * _inelastic(dataset, "sqw").max()
    last = int(np.flatnonzero(seen)[-1]) + 2 if seen.any() else len(freq) - 1
    return float(min(1.1 * freq[last], freq[-1]))


def _draw_dispersion(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the branches of the force constants, with a strength given by their intensity."""
    place = dataset["line_place"].values[:, 0]
    freq, strength = (
        dataset[f"line_one_phonon_{name}"].values for name in ("freq_thz", "created")
    )
    # The part of the intensity that decays as 1/f² near reciprocal lattice points saturates.
    moment = strength * np.maximum(freq, 0.0) ** 2
    opacity = np.clip(moment / max(float(moment.max()), 1e-300), 0.0, 1.0) ** 0.25
    opacity[moment < _FAINT * moment.max()] = 0.08
    for m in range(freq.shape[1]):
        points = np.stack([place, freq[:, m]], axis=1)
        parts = np.stack([points[:-1], points[1:]], axis=1)
        axes.add_collection(
            LineCollection(
                list(parts),
                colors=BLUE,
                alpha=np.clip(0.5 * (opacity[1:, m] + opacity[:-1, m]), 0.0, 1.0),
                linewidths=1.1,
            )
        )
    axes.legend(
        handles=[line_entry("one-phonon lines of the force constants", BLUE)],
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
    )


def draw_plane(dataset: NamedArrays) -> Figure:
    """Draw cuts at constant frequency through the plane, a row for run and force constants."""
    corners = _corners(dataset)
    width, depth = np.ptp(corners, axis=(0, 1))
    wide = 1.8
    tall = float(np.clip(wide * depth / width, 0.5, 3.0))
    height = 0.45 + (tall + 0.32) * _ROWS
    figure = new_figure(height)
    for k, cut in enumerate(cuts_of(dataset)):
        row, column = divmod(k, _COLUMNS)
        foot = 1.0 - (tall + 0.32) * (row + 1) / height
        box = (0.085 + column * (wide + 0.1) / 7.0, foot, wide / 7.0, tall / height)
        axes = figure.add_axes(box)
        drawn = plane_panel(axes, dataset, cut)
        if column:
            axes.set(ylabel="", yticklabels=[])
        if row < _ROWS - 1:
            axes.set(xlabel="", xticklabels=[])
        elif column != 1:
            axes.set_xlabel("")
    foot = 0.45 / height
    place = figure.add_axes((0.9, foot, 0.02, 1.0 - foot - 0.32 / height))
    bar = figure.colorbar(drawn, cax=place, extend="both")
    bar.set_label(f"mean {_LABEL}")
    return figure


def cuts_of(dataset: NamedArrays) -> list[Cut]:
    """Cuts through the plane at constant frequencies, of all sources."""
    shown = maps_of(dataset)
    return [
        Cut(one, band)
        for one in shown
        for band in _windows(dataset, _COLUMNS * _ROWS // len(shown))
    ]


def plane_panel(axes: Axes, dataset: NamedArrays, cut: Cut) -> PolyCollection:
    """Draw a cut through the plane, with the colours of all cuts."""
    every = [_mean(dataset, one) for one in cuts_of(dataset)]
    top = float(np.quantile(np.concatenate(every), _STRONG_CUT))
    norm = LogNorm(10.0**-_DECADES * top, top)
    corners = _corners(dataset)
    drawn = PolyCollection(list(corners), norm=norm, cmap=_COLOURS, linewidths=0.0)
    drawn.set_array(np.maximum(_mean(dataset, cut), norm.vmin or 0.0))
    drawn.set_rasterized(True)
    axes.add_collection(drawn)
    low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
    freq = dataset["scattering_freq_thz"].values[cut.band]
    axes.set(
        xlim=(low[0], high[0]),
        ylim=(low[1], high[1]),
        title=f"{freq[0]:.3g}–{freq[-1]:.3g} THz",
        xlabel=_axis_text(dataset),
        ylabel=f"{cut.source.title.split(',')[0]}\nq⊥ (1/Å)",
    )
    return drawn


def _mean(dataset: NamedArrays, cut: Cut) -> Floats:
    mean: Floats = dataset[cut.source.name].values[:, cut.band].mean(axis=1)
    return mean


def _corners(dataset: NamedArrays) -> Floats:
    """Corners (k, n, 2) in 1/Å of the cells around all points of the plane."""
    waves, tile = _tiles(dataset)
    corners: Floats = waves[:, None] + tile
    return corners


def _axis_text(dataset: NamedArrays) -> str:
    places, hkl = dataset["sqw_place"].values, dataset["sqw_hkl"].values
    start = hkl[np.argmin(places.sum(axis=1))]
    end = hkl[np.argmax(places[:, 0] - places[:, 1])]
    return f"distance from {_hkl(start)} towards {_hkl(end)} (1/Å)"


def _windows(dataset: NamedArrays, count: int) -> list[slice]:
    """Ranges of frequencies of equal width from zero to the highest."""
    freq = dataset["scattering_freq_thz"].values
    stop = int(np.searchsorted(freq, _highest(dataset) / 1.1))
    edges = np.linspace(2, max(stop, count + 2), count + 1).astype(int)
    return [slice(a, max(b, a + 1)) for a, b in pairwise(edges.tolist())]


def _tiles(dataset: NamedArrays) -> tuple[Floats, Floats]:
    """Places (k, 2) in the plane in 1/Å, and the corners (n, 2) of the cell around each."""
    q = 2.0 * np.pi * dataset["sqw_q"].values @ np.linalg.inv(dataset["cell"].values).T
    about = q - q[0]
    places = dataset["sqw_place"].values
    edges, *_ = np.linalg.lstsq(places - places[0], about)
    first = edges[0] / np.linalg.norm(edges[0])
    second = edges[1] - (edges[1] @ first) * first
    second = second / np.linalg.norm(second)
    waves = np.stack([about @ first, about @ second], axis=1)
    # The cell of the point nearest to the middle, which has neighbours on all sides.
    middle = int(np.argmin(((waves - waves.mean(axis=0)) ** 2).sum(axis=1)))
    found = Voronoi(waves) if len(waves) > 3 else None
    region = [] if found is None else found.regions[found.point_region[middle]]
    if found is None or -1 in region or not region:
        size = np.sqrt(np.ptp(waves[:, 0]) * np.ptp(waves[:, 1]) / len(waves))
        return waves, 0.5 * size * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1.0]])
    return waves, found.vertices[region] - waves[middle]


def draw_spectra(dataset: NamedArrays) -> Figure:
    """Draw the spectra at single Q with error bars, and one-phonon scattering beside them."""
    chosen = waves_of(dataset)
    rows = -(-len(chosen) // _COLUMNS)
    figure = new_figure(0.45 + 1.75 * rows)
    grid = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True)
    height = figure.get_figheight()
    figure.subplots_adjust(0.1, 0.42 / height, 0.985, 1.0 - 0.42 / height, 0.27, 0.22)
    for axes, k in zip(grid.ravel(), chosen, strict=False):
        wave_panel(axes, dataset, k)
    for axes in grid.ravel()[len(chosen) :]:
        axes.set_visible(False)
    handles, _ = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.09, 1.0), ncols=2)
    figure.supxlabel("Frequency (THz)", y=0.01, fontsize=9.0)
    figure.supylabel(_LABEL, x=0.005, fontsize=9.0)
    return figure


def waves_of(dataset: NamedArrays) -> list[int]:
    """Numbers of the wave vectors Q that `wave_panel` draws."""
    known = np.flatnonzero(dataset["sqw_length"].values > 1e-6)
    chosen: list[int] = known[_spread(len(known), _SPECTRA)].tolist()
    return chosen


def wave_panel(axes: Axes, dataset: NamedArrays, k: int) -> None:
    """Draw the spectrum at a Q, without labels of the axes and a legend."""
    freq, sem = dataset["scattering_freq_thz"].values, sem_of(dataset, "sqw")
    top, power = _highest(dataset), dataset["sqw"].values[k]
    shown = (freq <= top) & (np.arange(len(freq)) >= 2)
    if sem is not None:
        low = np.maximum(power - sem[k], 0.1 * power)
        axes.fill_between(freq, low, power + sem[k], color=BLUE, alpha=0.25, linewidth=0.0)
    axes.plot(freq, power, color=BLUE, linewidth=1.0, label="run ± standard error")
    highest = float(power[shown].max())
    if "one_phonon_sqw" in dataset:
        one, label = dataset["one_phonon_sqw"].values[k], "force constants, one phonon"
        axes.plot(freq, one, color=RED, linewidth=0.9, linestyle="--", label=label)
        highest = max(highest, float(one[shown].max()))
    axes.set_yscale("log")
    axes.set(xlim=(0.0, top), ylim=(3e-5 * highest, 2.0 * highest))
    axes.set_title(f"Q = {_hkl(dataset['sqw_hkl'].values[k])}")


def _spread(count: int, most: int) -> Ints:
    """At most ``most`` of ``count`` places, evenly spaced, with both ends."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _hkl(q: Floats) -> str:
    return " ".join(f"{x + 0.0:.3g}" for x in q.round(6))
