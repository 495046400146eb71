"""Maps of the spectral energy density along the band path, in total and branch by branch.

The map has a patch at each commensurate q of the path. A segment is a continuous part of the
path; a section lies between two named points. Sections without a commensurate q are hatched.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch as Swatch
from matplotlib.ticker import MaxNLocator

from trajmodes.arrays import Floats, Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures import series
from trajmodes.report.figures.bands import (
    draw_branches,
    error_entry,
    frame_path,
    frequency_span,
    name_points,
)
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    is_visible,
    legend_above,
    line_entry,
    marker_entry,
    new_figure,
    sem_of,
)
from trajmodes.results.tables import MAP_DECADES, highest_map_freq_thz
from trajmodes.units import MEV

_WIDEST = 0.03
"""Largest width of a patch, as a part of the path."""
_PIXELS = 2
"""Smallest height of a row of the map in pixels; thinner lines are hard to see."""
_SAME_PLACE = 1e-4
"""Places closer than this part of the length of the path are equal."""
_SAME_LENGTH = 1e-3
"""Lengths in 1/Å closer than this are equal."""
_EMPTY: dict[str, Any] = {
    "facecolor": "#F4F4F4",
    "edgecolor": "#D0D0D0",
    "hatch": "///",
    "linewidth": 0.0,
}
_MOST_LABELLED, _SAME_FREQ, _LABEL_HEIGHT = 18, 1e-3, 0.025
"""Most branches that are labelled, THz between branches that are not degenerate, and least
distance of two labels over the height of the panel."""
_COLUMNS = 3
"""Panels beside each other, one for each branch."""
_ROW, _HEAD = 2.2, 0.27
"""Heights in inches: a row of panels, and the legend above them."""
_SMALL_NAME_SIZE = 7.0
"""Size of the names of points in these panels, in points."""


def draw_bands(dataset: NamedArrays) -> Figure:
    """Draw frequencies along the band path over the measured spectra, or one of both."""
    figure = new_figure(4.4)
    has_map = "map_power" in dataset
    axes = figure.add_axes((0.085, 0.08, 0.79 if has_map else 0.9, 0.85))
    mesh = bands_panel(axes, dataset)
    if mesh is not None:
        bar = figure.colorbar(mesh, cax=figure.add_axes((0.89, 0.08, 0.02, 0.85)))
        bar.set_label("Spectral kinetic energy (meV/THz)")
    return figure


def bands_panel(axes: Axes, dataset: NamedArrays) -> QuadMesh | None:
    """Draw the panel of `draw_bands`, or bands of all runs; return the map, if there is one."""
    if "series_band_freq_thz" in dataset:
        series.bands_panel(axes, dataset)
        return None
    has_map, has_bands = "map_power" in dataset, "band_freq_thz" in dataset
    span = frequency_span(
        dataset["band_freq_thz"].values if has_bands else np.zeros(1),
        highest_map_freq_thz(dataset) if has_map else 0.0,
    )
    mesh = None
    handles: list[Artist] = []
    if has_map:
        power = dataset["map_power"].values
        mesh = draw_map(axes, dataset, power, span, float(power.max()))
        _mark_points(axes, dataset)
        handles = _point_entries(dataset)
    if has_bands:
        draw_branches(axes, dataset, over_map=has_map)
        if is_visible(sem_of(dataset, "band_freq_thz"), span[1] - span[0]):
            handles.insert(0, error_entry(BLUE, 0.3))
        handles.insert(0, _bands_entry())
        if not has_map:
            _label_branches(axes, dataset, span)
    legend_above(axes, handles, ncols=len(handles))
    frame_path(axes, dataset, span)
    return mesh


def _label_branches(axes: Axes, dataset: NamedArrays, span: tuple[float, float]) -> None:
    """Write the irreducible representation of each set of branches beside the named points."""
    if "band_irrep" not in dataset or dataset.sizes["branch"] > _MOST_LABELLED:
        return
    place = dataset["path_distance"].values
    for tick, names in zip(
        dataset["tick_distance"].values, dataset["band_irrep"].values, strict=True
    ):
        q = int(np.abs(place - tick).argmin())
        if "born_charge" in dataset and not dataset["path_q"].values[q].any():
            continue  # bands have the macroscopic field there
        freq, at_end = dataset["band_freq_thz"].values[q], q == len(place) - 1
        last = -np.inf
        for m in np.flatnonzero(np.diff(freq, prepend=-np.inf) > _SAME_FREQ):
            if names[m] and freq[m] - last > _LABEL_HEIGHT * (span[1] - span[0]):
                axes.annotate(
                    names[m], (tick, freq[m]), xytext=(-2 if at_end else 2, 2),
                    textcoords="offset points", fontsize=5.5, color=BLACK,
                    ha="right" if at_end else "left",
                )  # fmt: skip
                last = freq[m]


def _bands_entry() -> Artist:
    return line_entry("force constants", BLUE, linewidth=0.9)


def draw_energy_density(dataset: NamedArrays) -> Figure:
    """Draw the spectra of each branch along the path with the harmonic frequency."""
    n_branches = dataset.sizes["branch"]
    n_rows = -(-n_branches // _COLUMNS)
    height = _HEAD + _ROW * n_rows
    figure = new_figure(height)
    left, wide, step = 0.075, 0.235, 0.285
    tall = (_ROW - 0.55) / height
    for m in branches_of(dataset):
        row, column = divmod(m, _COLUMNS)
        foot = 1.0 - (_HEAD + 0.18 + _ROW * row) / height - tall
        axes = figure.add_axes((left + column * step, foot, wide, tall))
        mesh = branch_panel(axes, dataset, m)
        axes.tick_params(axis="y", labelsize=7.0)
        if column == 0:
            axes.set_ylabel("Frequency (THz)")
    bar_box = (0.915, foot, 0.016, 1.0 - (_HEAD + 0.18) / height - foot)
    bar = figure.colorbar(mesh, cax=figure.add_axes(bar_box))
    # A short label if there is a single row.
    bar.set_label("Energy (meV/THz)" if n_rows == 1 else "Spectral kinetic energy (meV/THz)")
    place = {"bbox_to_anchor": (left, 1.0), "borderaxespad": 0.3}
    figure.legend(handles=branch_entries(dataset), loc="upper left", ncols=3, **place)
    return figure


def branches_of(dataset: NamedArrays) -> range:
    """Numbers of the branches that `branch_panel` draws."""
    return range(dataset.sizes["branch"])


def branch_panel(axes: Axes, dataset: NamedArrays, m: int) -> QuadMesh:
    """Draw the spectra of a branch along the path, without a legend."""
    powers, place = dataset["map_branch_power"].values, dataset["path_distance"].values
    # One axis of frequency for all branches, so that widths and slopes can be compared.
    span = frequency_span(dataset["band_freq_thz"].values, highest_map_freq_thz(dataset))
    axes.set(xlim=(place[0], place[-1]), ylim=span, title=f"branch {m + 1}")
    mesh = draw_map(axes, dataset, powers[:, m], span, float(powers.max()))
    draw_branches(axes, dataset.isel(branch=[m]), over_map=True)
    _mark_points(axes, dataset)
    name_points(axes, dataset, _SMALL_NAME_SIZE)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    return mesh


def branch_entries(dataset: NamedArrays) -> list[Artist]:
    """Legend entries of `branch_panel`."""
    return [_bands_entry(), *_point_entries(dataset)]


class Segment(NamedTuple):
    """A continuous part of the path."""

    low: float
    high: float
    first_q: Floats
    last_q: Floats


class Patch(NamedTuple):
    """Rectangle in which the spectrum of one point of the map is drawn."""

    low: float
    place: float
    """Place of the point itself."""
    high: float
    row: int
    """Index of the point in the map."""


def segments_of(dataset: NamedArrays) -> list[Segment]:
    """Find the continuous parts of the path."""
    place, q = dataset["path_distance"].values, dataset["path_q"].values
    segment = dataset["path_segment"].values
    parts = [np.flatnonzero(segment == number) for number in np.unique(segment)]
    return [
        Segment(float(place[at[0]]), float(place[at[-1]]), q[at[0]], q[at[-1]]) for at in parts
    ]


def patches(dataset: NamedArrays) -> list[Patch]:
    """Make a patch for each point of the map, from left to right.

    A patch extends halfway to the next point of its segment, up to a largest width, and not
    beyond the segment. Points at the same place belong to one star: they share a patch.
    """
    length = float(np.ptp(dataset["path_distance"].values))
    farthest = 0.5 * _WIDEST * length
    segments = segments_of(dataset)
    made = []
    for k, segment in enumerate(segments):
        others = segments[max(k - 1, 0) : k] + segments[k + 1 : k + 2]
        rows = list(_rows_on(dataset, segment, others, _SAME_PLACE * length))
        points = np.array([place for place, _ in rows])
        half = np.minimum(0.5 * np.diff(points), farthest)
        low = np.maximum(points - np.append(farthest, half), segment.low)
        high = np.minimum(points + np.append(half, farthest), segment.high)
        for (place, row), a, b in zip(rows, low.tolist(), high.tolist(), strict=True):
            made.append(Patch(a, place, b, row))
    return made


def _rows_on(
    dataset: NamedArrays, segment: Segment, others: list[Segment], near: float
) -> Iterator[tuple[float, int]]:
    """Positions on a segment, and the row of the map for each."""
    place = dataset["map_distance"].values
    order = np.argsort(place, kind="stable")
    for rows in np.split(order, 1 + np.flatnonzero(np.diff(place[order]) > near)):
        at = float(place[rows[0]])
        if not segment.low - near < at < segment.high + near:
            continue
        inside = rows
        for end, own_q, other_q in _jumps(segment, others):
            if abs(at - end) < near:
                inside = _rows_on_this_side(dataset, rows, own_q, other_q)
        if inside.size:
            yield min(max(at, segment.low), segment.high), int(inside[0])


def _jumps(segment: Segment, others: list[Segment]) -> Iterator[tuple[float, Floats, Floats]]:
    """Positions of the jumps at both ends of a segment, with the q on either side."""
    for other in others:
        if other.low < segment.low:
            yield segment.low, segment.first_q, other.last_q
        else:
            yield segment.high, segment.last_q, other.first_q


def _rows_on_this_side(
    dataset: NamedArrays, rows: Ints, own_q: Floats, other_q: Floats
) -> Ints:
    """Points of the map that belong to this side of a jump.

    They are equivalent to the end of the path on this side: equivalent q have the same
    distances to the reciprocal lattice points around them. If the two ends of the jump are
    equivalent, as at U|K, the points belong to both sides. The end itself comes first.
    """
    q = dataset["map_q"].values[rows]
    shortest = _shortest(dataset["cell"].values, np.vstack([q, own_q, other_q]))
    own, other = (np.abs(shortest[:-2] - shortest[k]).max(axis=1) for k in (-2, -1))
    differs = np.array([_differ(x, own_q) for x in q])
    ranked = np.argsort(differs, kind="stable")
    inside: Ints = rows[ranked][(own < other + _SAME_LENGTH)[ranked]]
    return inside


def _differ(one: Floats, two: Floats) -> bool:
    """Whether two reduced q are neither equal nor opposite modulo a lattice vector."""
    return all(
        float(np.abs(apart - np.rint(apart)).max()) > _SAME_PLACE
        for apart in (one - two, one + two)
    )


def _shortest(cell: Floats, q: Floats) -> Floats:
    """(k, 4) lengths of the shortest q + G in 1/Å."""
    reciprocal = 2.0 * np.pi * np.linalg.inv(cell).T
    lattice = np.stack(np.meshgrid(*[np.arange(-3.0, 4.0)] * 3), axis=-1).reshape(-1, 3)
    waves = ((q - np.rint(q))[:, None] + lattice) @ reciprocal
    lengths: Floats = np.sort(np.linalg.norm(waves, axis=-1), axis=1)[:, :4]
    return lengths


def draw_map(
    axes: Axes, dataset: NamedArrays, power: Floats, span: tuple[float, float], strongest: float
) -> QuadMesh:
    """Draw the patches of all commensurate points on the path.

    Spectra (k, w) and the maximum of the colour scale are in eV/THz, the limits of the axis in
    THz.
    """
    freq = dataset["map_freq_thz"].values
    step = float(freq[1] - freq[0])
    shown = np.flatnonzero((freq >= span[0] - step) & (freq <= span[1] + step))
    edges, row_of = _columns(patches(dataset))
    # Axes (column, frequency); gaps between patches stay empty.
    image = np.where(row_of[:, None] >= 0, power[:, shown][row_of] / MEV, np.nan)
    together = _bins_per_row(axes, step, span[1] - span[0])
    # The maximum of each row: a mean would hide lines that are thinner than a row.
    image = np.fmax.reduceat(image, np.arange(0, image.shape[1], together), axis=1)
    levels = np.append(freq[shown[::together]] - step / 2, freq[shown[-1]] + step / 2)
    highest = max(strongest / MEV, 1e-12)
    return axes.pcolormesh(
        edges,
        levels,
        np.ma.masked_less(np.ma.masked_invalid(image), highest * 10.0**-MAP_DECADES).T,
        norm=LogNorm(highest * 10.0**-MAP_DECADES, highest),
        cmap="Oranges",
        rasterized=True,
        zorder=0,
    )


def _columns(all_patches: list[Patch]) -> tuple[Floats, Ints]:
    """Edges of the columns, and the row of the map in each; −1 in the gaps between patches."""
    edges, row_of = [all_patches[0].low], []
    for patch in all_patches:
        if patch.low > edges[-1]:
            edges.append(patch.low)
            row_of.append(-1)
        edges.append(patch.high)
        row_of.append(patch.row)
    return np.array(edges), np.array(row_of)


def _bins_per_row(axes: Axes, step: float, span: float) -> int:
    """Count the frequencies in a row of visible height, at least one."""
    return max(1, math.ceil(_PIXELS * span / step / axes.get_window_extent().height))


def _mark_points(axes: Axes, dataset: NamedArrays) -> None:
    """Draw a tick at each point of the map, and hatch empty sections."""
    places = np.unique([patch.place for patch in patches(dataset)])
    axes.set_xticks(places.tolist(), minor=True)
    # Keep minor ticks at named points: not every named point is a point of the map.
    axes.xaxis.remove_overlapping_locs = False
    axes.tick_params(axis="x", which="minor", top=False, direction="out", length=3.0)
    for low, high in empty_sections(dataset):
        axes.axvspan(low, high, zorder=-1, **_EMPTY)


def _point_entries(dataset: NamedArrays) -> list[Artist]:
    """Legend entries of what `_mark_points` draws."""
    look = {"markersize": 5.0, "markeredgewidth": 0.7}
    handles: list[Artist] = [marker_entry("q of the supercell", BLACK, "|", **look)]
    if empty_sections(dataset):
        handles.append(Swatch(**_EMPTY, label="no q of the supercell here"))
    return handles


def empty_sections(dataset: NamedArrays) -> list[tuple[float, float]]:
    """Find sections of the path, between two named points, without a point of the map."""
    near = _SAME_PLACE * float(np.ptp(dataset["path_distance"].values))
    made = patches(dataset)
    named = np.unique(dataset["tick_distance"].values.round(6)).tolist()
    # Patches, not places: a point at a jump belongs to one side of it.
    return [
        (low, high)
        for low, high in pairwise(named)
        if not any(patch.high > low + near and patch.low < high - near for patch in made)
    ]
