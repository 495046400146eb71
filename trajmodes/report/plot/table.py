"""The data of a figure as a table: its curves, points, shaded bands and maps."""

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer, ErrorbarContainer

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import point_label
from trajmodes.report.plot.frequency_unit import all_axes, factor_of, in_unit

if TYPE_CHECKING:
    from matplotlib.axes._base import _AxesBase
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_HEAD = ("panel", "curve", "point", "x", "y", "y_low", "y_high", "value")
_NEAR = 1e-6


class _Row(NamedTuple):
    """A point that is drawn; quantities that it does not have are nan."""

    curve: str
    x: float
    y: float = np.nan
    low: float = np.nan
    """Lower end of the error bar or of the shaded band."""
    high: float = np.nan
    value: float = np.nan
    """Value of a cell of a map."""


def table_of(figure: "Figure", dataset: NamedArrays, unit: str) -> str:
    """Write the data of a figure in THz as CSV, with frequencies in the given unit.

    Comments at the head of the file give the axes of each panel. Points of the band path are
    given by name.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    table: list[tuple[int | str, ...]] = []
    panel = 0
    for axes in all_axes(figure.axes):
        # A colour bar is not a panel, nor is a second scale of the same curves.
        drawn = [] if axes.get_label() == "<colorbar>" else list(_drawn(axes))
        if not drawn:
            continue
        panel += 1
        names = _named(axes, dataset)
        x_axis, y_axis, colours = axes.xaxis, axes.yaxis, _colour_axis(axes)
        label = "path (1/Å)" if names else _label(x_axis, unit)
        text.write(f"# panel {panel}: x: {label}; y: {_label(y_axis, unit)}")
        text.write("\n" if colours is None else f"; value: {_label(colours, unit)}\n")
        along_y = factor_of(y_axis, unit)
        of_colour = 1.0 if colours is None else factor_of(colours, unit)
        factors = (factor_of(x_axis, unit), along_y, along_y, along_y, of_colour)
        table += [
            (panel, row.curve, _name_at(row.x, names), *_cells(row, factors)) for row in drawn
        ]
    writer.writerow(_HEAD)
    writer.writerows(table)
    return text.getvalue()


def _label(axis: "Axis", unit: str) -> str:
    # Long labels are broken.
    return " ".join(in_unit(axis.get_label_text(), unit).split())


def _colour_axis(axes: "_AxesBase") -> "Axis | None":
    """Axis of the colour bar of the map in a panel."""
    for one in axes.collections:
        if isinstance(one, QuadMesh) and one.colorbar is not None:
            return one.colorbar.ax.yaxis
    return None


def _cells(row: _Row, factors: tuple[float, ...]) -> Iterator[str]:
    for number, factor in zip(row[1:], factors, strict=True):
        yield f"{number * factor:.10g}" if np.isfinite(number) else ""


def _named(axes: "_AxesBase", dataset: NamedArrays) -> list[tuple[float, str]]:
    """Places and names of the points of the band path, if the horizontal axis is along it."""
    if axes.get_xlabel() or "tick_distance" not in dataset:
        return []
    places = dataset["tick_distance"].values
    ticks = axes.xaxis.get_majorticklocs()
    if not all(np.abs(ticks - place).min(initial=np.inf) < _NEAR for place in places):
        return []
    names = [point_label(str(name)) for name in dataset["tick_label"].values]
    return list(zip(places.tolist(), names, strict=True))


def _name_at(place: float, names: list[tuple[float, str]]) -> str:
    return "|".join(dict.fromkeys(name for at, name in names if abs(at - place) < _NEAR))


def _drawn(axes: "_AxesBase") -> Iterator[_Row]:
    """Iterate over the elements that are drawn in data coordinates."""
    with_bars = []
    for one in axes.containers:
        if isinstance(one, ErrorbarContainer):
            with_bars.append(one.lines[0])
            yield from _points_with_errors(one)
    plain = [one for one in axes.lines if one not in with_bars]
    at_data = [one for one in plain if one.get_transform() == axes.transData]
    for number, line in enumerate(at_data, 1):
        yield from _of_line(line, number)
    for one in axes.containers:
        if isinstance(one, BarContainer):
            for bar in one.patches:
                middle = bar.get_x() + 0.5 * bar.get_width()
                yield _Row(str(one.get_label()), middle, bar.get_height())
    for collection in axes.collections:
        if isinstance(collection, QuadMesh):
            yield from _of_map(collection)
        elif isinstance(collection, PolyCollection):
            yield from _of_bands(collection)


def _of_line(line: "Line2D", number: int) -> Iterator[_Row]:
    label = str(line.get_label())
    # matplotlib names lines without a label itself.
    name = f"curve {number}" if label.startswith("_") else label
    for x, y in np.asarray(line.get_xydata(), dtype=float).tolist():
        if np.isfinite(y):
            yield _Row(name, x, y)


def _points_with_errors(bars: ErrorbarContainer) -> Iterator[_Row]:
    line, _, collections = bars.lines
    ends: dict[float, list[tuple[float, float]]] = {}
    for collection in collections if bars.has_yerr else ():
        assert isinstance(collection, LineCollection)
        for segment in collection.get_segments():
            (x0, low), (x1, high) = segment[0], segment[-1]
            if x0 == x1:
                ends.setdefault(float(x0), []).append((float(low), float(high)))
    label = str(bars.get_label())
    name = "points" if label.startswith("_") else label
    for x, y in np.asarray(line.get_xydata(), dtype=float).tolist():
        if np.isfinite(y):
            yield _Row(name, x, y, *_bar_of(y, ends.get(x, [])))


def _bar_of(y: float, bars: list[tuple[float, float]]) -> tuple[float, float]:
    """Find the error bar of a point among those at the same place."""
    around = [(low, high) for low, high in bars if low <= y <= high]
    return min(around, key=lambda one: abs(one[0] + one[1] - 2.0 * y), default=(np.nan, np.nan))


def _of_bands(collection: PolyCollection) -> Iterator[_Row]:
    """Lower and upper ends of shaded bands at each of their places."""
    for number, path in enumerate(collection.get_paths(), 1):
        corners: Floats = np.asarray(path.vertices, dtype=float)
        places, at = np.unique(corners[:, 0], return_inverse=True)
        low, high = np.full(len(places), np.inf), np.full(len(places), -np.inf)
        np.minimum.at(low, at, corners[:, 1])
        np.maximum.at(high, at, corners[:, 1])
        for x, bottom, top in zip(places.tolist(), low.tolist(), high.tolist(), strict=True):
            yield _Row(f"band {number}", x, low=bottom, high=top)


def _of_map(mesh: QuadMesh) -> Iterator[_Row]:
    """Middles of the cells of a map that have a colour."""
    corners = np.asarray(mesh.get_coordinates())
    middle = 0.25 * (corners[1:, 1:] + corners[:-1, 1:] + corners[1:, :-1] + corners[:-1, :-1])
    values = np.ma.asarray(mesh.get_array()).reshape(middle.shape[:2])
    for row, column in np.argwhere(~np.ma.getmaskarray(values)).tolist():
        x, y = middle[row, column].tolist()
        yield _Row("map", x, y, value=float(values[row, column]))
