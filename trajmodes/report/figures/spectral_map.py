"""Patches of spectral energy at their places on the band path, and where there are none."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch as Swatch

from trajmodes.arrays import Floats, Ints
from trajmodes.report.figures.style import BLACK
from trajmodes.units import MEV

_DECADES = 2.0
"""The colours span this many powers of ten below the strongest line: what lies deeper is wings
and leakage."""
_WIDEST = 0.03
"""Widest patch, as a part of the path: that of a point far from others."""
_PIXELS = 2
"""Least height of a row of the map: thinner lines are hard to see."""
_ONE_PLACE = 1e-4
"""Images of one q meet the path within this part of its length."""
_SAME_LENGTH = 1e-3
"""Lengths in 1/Å closer than this are equal."""
_EMPTY: dict[str, Any] = {
    "facecolor": "#F4F4F4",
    "edgecolor": "#D0D0D0",
    "hatch": "///",
    "linewidth": 0.0,
}


class Stretch(NamedTuple):
    """A part of the path without a jump."""

    low: float
    high: float
    first_q: Floats
    last_q: Floats


class Patch(NamedTuple):
    """Where the spectrum of one point of the map is drawn."""

    low: float
    place: float
    """Of the point itself."""
    high: float
    row: int
    """In the map."""


def stretches(dataset: xr.Dataset) -> list[Stretch]:
    """Parts of the path between its jumps.

    Parameters
    ----------
    dataset
        Results with a path.
    """
    place, q = dataset["path_distance"].values, dataset["path_q"].values
    segment = dataset["path_segment"].values
    parts = [np.flatnonzero(segment == number) for number in np.unique(segment)]
    return [
        Stretch(float(place[at[0]]), float(place[at[-1]]), q[at[0]], q[at[-1]]) for at in parts
    ]


def patches(dataset: xr.Dataset) -> list[Patch]:
    """Give each point of the map its patch, from left to right.

    A patch reaches halfway to the next point of its stretch, but not far, and ends where the
    stretch does. Points of one place are a star and have one spectrum: they share a patch.

    Parameters
    ----------
    dataset
        Results with a map.
    """
    length = float(np.ptp(dataset["path_distance"].values))
    farthest = 0.5 * _WIDEST * length
    parts = stretches(dataset)
    found = []
    for k, stretch in enumerate(parts):
        others = parts[max(k - 1, 0) : k] + parts[k + 1 : k + 2]
        owned = list(_owned(dataset, stretch, others, _ONE_PLACE * length))
        points = np.array([place for place, _ in owned])
        half = np.minimum(0.5 * np.diff(points), farthest)
        low = np.maximum(points - np.append(farthest, half), stretch.low)
        high = np.minimum(points + np.append(half, farthest), stretch.high)
        for (place, row), a, b in zip(owned, low.tolist(), high.tolist(), strict=True):
            found.append(Patch(a, place, b, row))
    return found


def _owned(
    dataset: xr.Dataset, stretch: Stretch, others: list[Stretch], near: float
) -> Iterator[tuple[float, int]]:
    """Places on a stretch, and the row of the map for each."""
    place = dataset["map_distance"].values
    order = np.argsort(place, kind="stable")
    for rows in np.split(order, 1 + np.flatnonzero(np.diff(place[order]) > near)):
        at = float(place[rows[0]])
        if not stretch.low - near < at < stretch.high + near:
            continue
        inside = rows
        for end, own_q, other_q in _jumps(stretch, others):
            if abs(at - end) < near:
                inside = _of_this_side(dataset, rows, own_q, other_q)
        if inside.size:
            yield min(max(at, stretch.low), stretch.high), int(inside[0])


def _jumps(stretch: Stretch, others: list[Stretch]) -> Iterator[tuple[float, Floats, Floats]]:
    """Places of the jumps at both ends of a stretch; q on this side and on the other."""
    for other in others:
        if other.low < stretch.low:
            yield stretch.low, stretch.first_q, other.last_q
        else:
            yield stretch.high, stretch.last_q, other.first_q


def _of_this_side(dataset: xr.Dataset, rows: Ints, own_q: Floats, other_q: Floats) -> Ints:
    """Of the points of the map at a jump, those that are equal to its end on this side.

    Two q that symmetry makes equal are equally far from the lattice points around them. Where
    that holds for both ends of the jump, as at U|K, the points belong to both sides. The end
    itself comes first.
    """
    q = dataset["map_q"].values[rows]
    shortest = _shortest(dataset["cell"].values, np.vstack([q, own_q, other_q]))
    own, other = (np.abs(shortest[:-2] - shortest[k]).max(axis=1) for k in (-2, -1))
    differs = np.array([_differ(x, own_q) for x in q])
    ranked = np.argsort(differs, kind="stable")
    inside: Ints = rows[ranked][(own < other + _SAME_LENGTH)[ranked]]
    return inside


def _differ(one: Floats, two: Floats) -> bool:
    """Whether two q, reduced, are neither equal nor opposite to each other."""
    return all(
        float(np.abs(apart - np.rint(apart)).max()) > _ONE_PLACE
        for apart in (one - two, one + two)
    )


def _shortest(cell: Floats, q: Floats) -> Floats:
    """(k, 4) lengths in 1/Å of the shortest q + G."""
    reciprocal = 2.0 * np.pi * np.linalg.inv(cell).T
    lattice = np.stack(np.meshgrid(*[np.arange(-3.0, 4.0)] * 3), axis=-1).reshape(-1, 3)
    waves = ((q - np.rint(q))[:, None] + lattice) @ reciprocal
    lengths: Floats = np.sort(np.linalg.norm(waves, axis=-1), axis=1)[:, :4]
    return lengths


def draw_map(
    axes: Axes,
    dataset: xr.Dataset,
    power: Floats,
    span: tuple[float, float],
    strongest: float,
) -> QuadMesh:
    """Draw one patch for each commensurate point, at its place on the path.

    Parameters
    ----------
    axes
        A panel over the band path.
    dataset
        Results with a map.
    power
        (k, w) spectra in eV/THz.
    span
        Frequencies in THz that the patches reach from and to.
    strongest
        Spectrum in eV/THz of the last colour.
    """
    freq = dataset["map_freq_thz"].values
    step = float(freq[1] - freq[0])
    shown = np.flatnonzero((freq >= span[0] - step) & (freq <= span[1] + step))
    edges, owner = _columns(patches(dataset))
    # Axes (column, frequency); gaps between patches stay empty.
    image = np.where(owner[:, None] >= 0, power[:, shown][owner] / MEV, np.nan)
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


def _columns(found: list[Patch]) -> tuple[Floats, Ints]:
    """Edges of the columns, and the row of the map in each; −1 in the gaps between patches."""
    edges, owner = [found[0].low], []
    for patch in found:
        if patch.low > edges[-1]:
            edges.append(patch.low)
            owner.append(-1)
        edges.append(patch.high)
        owner.append(patch.row)
    return np.array(edges), np.array(owner)


def _in_a_row(axes: Axes, step: float, span: float) -> int:
    """Count the frequencies that a row of visible height holds, at least one."""
    return max(1, math.ceil(_PIXELS * span / step / axes.get_window_extent().height))


def mark_points(axes: Axes, dataset: xr.Dataset) -> None:
    """Put a tick below the lower axis at each point of the map.

    Parameters
    ----------
    axes
        A panel over the band path.
    dataset
        Results with a map.
    """
    places = np.unique([patch.place for patch in patches(dataset)])
    axes.set_xticks(places.tolist(), minor=True)
    # Named points are points of the map or not: their ticks tell.
    axes.xaxis.remove_overlapping_locs = False
    axes.tick_params(axis="x", which="minor", top=False, direction="out", length=3.0)


def empty_legs(dataset: xr.Dataset) -> list[tuple[float, float]]:
    """Tell the legs of the path, between two named points, that no point of the map lies on.

    Parameters
    ----------
    dataset
        Results with a map.
    """
    near = _ONE_PLACE * float(np.ptp(dataset["path_distance"].values))
    found = patches(dataset)
    named = np.unique(dataset["tick_distance"].values.round(6)).tolist()
    # A point on the other side of a jump is on another leg: its patch tells the side.
    return [
        (low, high)
        for low, high in pairwise(named)
        if not any(patch.high > low + near and patch.low < high - near for patch in found)
    ]


def mark_empty_legs(axes: Axes, legs: list[tuple[float, float]]) -> None:
    """Hatch the legs that no q of the supercell lies on.

    Parameters
    ----------
    axes
        A panel over the band path.
    legs
        Their ends.
    """
    for low, high in legs:
        axes.axvspan(low, high, zorder=-1, **_EMPTY)


def map_handles(legs: list[tuple[float, float]]) -> list[Artist]:
    """Explain ticks and hatches in a legend.

    Parameters
    ----------
    legs
        Legs that are hatched.
    """
    handles: list[Artist] = [
        Line2D(
            *([], []),
            color=BLACK,
            linestyle="none",
            marker="|",
            markersize=5.0,
            markeredgewidth=0.7,
            label="q of the supercell",
        )
    ]
    if legs:
        handles.append(Swatch(**_EMPTY, label="no q of the supercell here"))
    return handles
