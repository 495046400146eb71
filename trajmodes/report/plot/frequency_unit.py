"""Axes of frequency in meV or cm⁻¹ instead of THz."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from trajmodes import units

if TYPE_CHECKING:
    from matplotlib.axes._base import _AxesBase
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

_NAMES = {"THz": "THz", "meV": "meV", "cm-1": "cm⁻¹"}


def per_thz(unit: str) -> float:
    """Give the number of units in one THz: hf in meV, and f/c in cm⁻¹."""
    return {
        "THz": 1.0,
        "meV": units.HBAR * units.THZ / units.MEV,
        "cm-1": units.THZ / units.WAVENUMBER,
    }[unit]


def factor_of(axis: "Axis", unit: str) -> float:
    """Factor for the numbers of an axis in THz or in states per THz; 1 for other axes."""
    label = axis.get_label_text()
    if "/THz" in label:
        return 1.0 / per_thz(unit)
    return per_thz(unit) if "THz" in label else 1.0


def set_unit(figure: "Figure", unit: str) -> None:
    """Convert all axes of frequency of a figure to a unit, with ticks at round numbers."""
    for axes in all_axes(figure.axes):
        for axis in (axes.xaxis, axes.yaxis):
            label = axis.get_label_text()
            if "THz" not in label:
                continue
            _set_ticks(axis, factor_of(axis, unit))
            axis.set_label_text(in_unit(label, unit))


def in_unit(label: str, unit: str) -> str:
    """Label of an axis in THz, with the name of the unit."""
    return label.replace("THz", _NAMES[unit])


def all_axes(several: "Iterable[_AxesBase]") -> "Iterator[_AxesBase]":
    """Iterate over axes, each followed by its inset axes."""
    for axes in several:
        yield axes
        yield from all_axes(axes.child_axes)


def _set_ticks(axis: "Axis", factor: float) -> None:
    """Set ticks at round numbers, about as many as before."""
    first, last = axis.get_view_interval()
    low, high = sorted((first * factor, last * factor))
    before = axis.get_majorticklocs()
    n_ticks = int(np.count_nonzero((before * factor >= low) & (before * factor <= high)))
    is_log = axis.get_scale() == "log"
    locator = LogLocator() if is_log else MaxNLocator(max(n_ticks, 2))
    places = np.asarray(locator.tick_values(low, high))
    inside = places[(places >= low) & (places <= high)]
    axis.set_major_locator(FixedLocator((inside / factor).tolist()))
    axis.set_minor_locator(NullLocator())
    text = _power if is_log else _number
    axis.set_major_formatter(FuncFormatter(lambda place, _: text(place * factor)))


def _number(value: float) -> str:
    return f"{round(value, 9):g}".replace("-", "−")


def _power(value: float) -> str:
    return f"$\\mathdefault{{10^{{{round(np.log10(value))}}}}}$"
