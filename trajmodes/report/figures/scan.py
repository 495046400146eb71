"""The scan of the fit: residuals and the lowest frequency by cutoff, order and run length."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ScanPoint
from trajmodes.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    WIDTH,
    letter_panels,
    line_entry,
    log_axis,
    marker_entry,
    new_figure,
    points,
    sheet,
)
from trajmodes.report.numbers import order_name
from trajmodes.report.scan import TOLERANCE, best_row, enough_row, groups_of, lowest_squared_thz
from trajmodes.units import MEV

_LEFT, _RIGHT, _GAP = 0.62, 0.08, 0.62
"""Inches beside the panels, and between panels with separate axes."""
_TIGHT, _ABOVE = 0.14, 0.24
"""Inches between panels with a common axis, horizontally and vertically."""
_LEGEND, _TALL, _LOW, _BETWEEN, _FOOT = 0.72, 2.0, 1.15, 0.72, 0.45
"""Heights in inches: legend, panel of residuals, panel of squared frequencies, gap, labels."""
_DASHES = (0, (4, 2))
_OPEN: dict[str, Any] = {"markerfacecolor": "none"}


def draw_scan(rows: Sequence[ScanPoint]) -> Figure:
    """Draw residuals and the lowest frequency against cutoffs, orders and run length.

    Fits with other constraints or ridges are in the table only.
    """
    kinds: dict[str, list[list[ScanPoint]]] = {"cutoff": [], "order": [], "time": []}
    for _, group in groups_of(rows):
        # A single point shows no dependence.
        if group[0].kind in kinds and len(group) > 1:
            kinds[group[0].kind].append(group)
    cutoffs, others = kinds["cutoff"], kinds["order"] + kinds["time"]
    height = _LEGEND + _FOOT + bool(cutoffs and others) * _BETWEEN
    height += bool(cutoffs) * (_TALL + _ABOVE + _LOW) + bool(others) * _TALL
    with sheet():
        figure = new_figure(height)
        panels = _draw_cutoffs(figure, cutoffs) if cutoffs else []
        if others:
            panels += _draw_others(figure, others)
        letter_panels(panels)
        _legend(figure)
    return figure


def _panel_at(figure: Figure, left: float, foot: float, wide: float, tall: float) -> Axes:
    """Panel at a position in inches."""
    height = figure.get_figheight()
    return figure.add_axes((left / WIDTH, foot / height, wide / WIDTH, tall / height))


def _draw_cutoffs(figure: Figure, groups: Sequence[Sequence[ScanPoint]]) -> list[Axes]:
    """Draw one column for each order: residuals above, the lowest frequency below."""
    wide = (WIDTH - _LEFT - _RIGHT - _TIGHT * (len(groups) - 1)) / len(groups)
    foot = figure.get_figheight() - _LEGEND - _TALL
    uppers, lowers = [], []
    for k, group in enumerate(groups):
        left = _LEFT + k * (wide + _TIGHT)
        upper = _panel_at(figure, left, foot, wide, _TALL)
        lower = _panel_at(figure, left, foot - _ABOVE - _LOW, wide, _LOW)
        _draw_residuals(upper, group)
        _draw_squares(lower, group)
        enough = enough_row(group)
        for axes in (upper, lower):
            _set_xlim(axes, group)
            if enough is not None:
                axes.axvline(enough.value, color=GREEN, linestyle=_DASHES, zorder=0)
        upper.tick_params(labelbottom=False)
        lower.set_xlabel(f"Cutoff, {order_name(group[0].order)} (Å)")
        uppers.append(upper)
        lowers.append(lower)
    every = [row for group in groups for row in group]
    for axes in uppers:
        log_axis(axes, *_limits(every))
    low, high = min(a.get_ylim()[0] for a in lowers), max(a.get_ylim()[1] for a in lowers)
    for axes in lowers:
        axes.set_ylim(low, high)
    uppers[0].set_ylabel("Residual, rms (meV/Å)")
    lowers[0].set_ylabel("Lowest f² (THz²)")
    for axes in (*uppers[1:], *lowers[1:]):
        axes.tick_params(labelleft=False)
    return [uppers[0], lowers[0]]


def _draw_others(figure: Figure, groups: Sequence[Sequence[ScanPoint]]) -> list[Axes]:
    """Draw residuals by order and by run length, and the lowest frequency by run length."""
    last = groups[-1]
    has_squares = last[0].kind == "time" and np.isfinite([r.lowest_squared for r in last]).any()
    n_panels = len(groups) + int(has_squares)
    wide = (WIDTH - _LEFT - _RIGHT - _GAP * (n_panels - 1)) / n_panels
    panels = []
    for k in range(n_panels):
        axes = _panel_at(figure, _LEFT + k * (wide + _GAP), _FOOT, wide, _TALL)
        group = groups[min(k, len(groups) - 1)]
        _set_xlim(axes, group)
        if k == len(groups):
            _draw_squares(axes, group)
            axes.set_ylabel("Lowest f² (THz²)")
        else:
            _draw_residuals(axes, group)
            axes.set_ylabel("Residual, rms (meV/Å)")
            if group[0].kind == "order":
                log_axis(axes, *_limits(group))
                axes.set_xticks([row.value for row in group])
        is_time = group[0].kind == "time"
        axes.set_xlabel("Frames fitted" if is_time else "Highest order")
        if is_time:
            axes.ticklabel_format(axis="y", useOffset=False)
            axes.locator_params(axis="x", nbins=4)
            axes.locator_params(axis="y", nbins=5)
        panels.append(axes)
    return panels


def _set_xlim(axes: Axes, group: Sequence[ScanPoint]) -> None:
    values = np.array([row.value for row in group])
    margin = 0.09 * np.ptp(values)
    is_time = group[0].kind == "time"
    axes.set_xlim(0.0 if is_time else values.min() - margin, values.max() + margin)


def _limits(rows: Sequence[ScanPoint]) -> tuple[float, float]:
    """Limits of a logarithmic axis, with space for the numbers of parameters."""
    shown = np.concatenate(_columns(rows, "quality.rms_residual", "rms_predicted")) / MEV
    shown = shown[np.isfinite(shown) & (shown > 0.0)]
    if not shown.size:
        return 0.1, 1.0
    low, high = shown.min(), shown.max()
    return low / (high / low) ** 0.1 / 1.2, high * (high / low) ** 0.15 * 1.3


def _draw_residuals(axes: Axes, group: Sequence[ScanPoint]) -> None:
    place, residual, predicted = _columns(
        group, "value", "quality.rms_residual", "rms_predicted"
    )
    axes.plot(place, residual / MEV, "o-", color=BLUE, markersize=3.6)
    axes.plot(place, predicted / MEV, "D", color=ORANGE, markersize=6.0, **_OPEN)
    best = best_row(group)
    if group[0].kind == "time":
        _include_all(axes, np.concatenate([residual, predicted]) / MEV)
        return
    if best is not None:
        axes.plot(
            best.value, best.rms_predicted / MEV, "o", color=RED, markersize=11.0, **_OPEN
        )
    enough = enough_row(group) if group[0].kind == "cutoff" else None
    for row in group:
        # Beside the vertical line, towards the inside of the panel.
        beside = 0 if row is not enough else -1 if row is group[-1] else 1
        axes.annotate(
            str(row.quality.n_parameters),
            (row.value, np.fmax(row.quality.rms_residual, row.rms_predicted) / MEV),
            xytext=(3 * beside, 9),
            textcoords="offset points",
            ha=("right", "center", "left")[beside + 1],
            fontsize=7.0,
            color=GREY,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )


def _include_all(axes: Axes, values: Floats) -> None:
    """Limits that enclose the values and differ by at least one percent."""
    known = values[np.isfinite(values)]
    if not known.size:
        return
    low, high = known.min(), known.max()
    margin = max(0.15 * (high - low), TOLERANCE * float(np.abs(known).max()), 1e-12)
    axes.set_ylim(low - margin, high + margin)


def _draw_squares(axes: Axes, group: Sequence[ScanPoint]) -> None:
    place, square = np.array([(row.value, lowest_squared_thz(row)) for row in group]).T
    axes.plot(place, square, color=BLUE, linewidth=0.8)
    points(axes, place, square, marker="o", color=BLUE)
    _include_all(axes, square)
    if np.nanmin(square, initial=0.0) < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7, zorder=0)


def _columns(group: Sequence[ScanPoint], *names: str) -> list[Floats]:
    readers = [attrgetter(name) for name in names]
    return [np.array([read(row) for row in group], dtype=float) for read in readers]


def _legend(figure: Figure) -> None:
    handles = [
        line_entry("frames of the fit", BLUE, marker="o", markersize=3.6),
        marker_entry("frames left out", ORANGE, "D", markersize=6.0, **_OPEN),
        marker_entry("free parameters", GREY, "$12$", markersize=9.0),
        marker_entry(
            "best: smallest residual of frames left out", RED, markersize=10.0, **_OPEN
        ),
        line_entry(
            f"enough: fewest parameters within {100.0 * TOLERANCE:g} %",
            GREEN,
            linestyle=_DASHES,
        ),
    ]
    figure.legend(handles=handles, loc="upper center", ncols=3, columnspacing=1.8)
