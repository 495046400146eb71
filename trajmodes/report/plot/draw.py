"""A panel of the list, drawn into given axes with its labels and a legend.

The module loads matplotlib; those that only name panels do not import it.
"""

import textwrap
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.qpoints import zone_point
from trajmodes.project.selected_modes import parse_modes
from trajmodes.report.figures.style import legend_above
from trajmodes.report.plot.panel import Panel, missing
from trajmodes.report.plot.panels import PANELS
from trajmodes.results.contents import modes_in

_WIDEST_LEGEND = 1.05
"""Largest width of a legend in one row, in units of that of its panel."""
_BESIDE_SCALE = 0.87
"""Width of a panel with a colour scale beside it, relative to one without."""
_WIDEST_TEXT = 0.9
"""The same of a legend whose entries have a row each."""
_POINTS = 72.0
"""In an inch."""
_APART = 4.0
"""Distance in points of a title from the legend below it."""
_LEAST_CHARACTERS = 12
"""A long text is not broken into shorter lines than this."""


def draw_panel(
    name: str,
    dataset: NamedArrays,
    axes: Axes,
    *more: Any,
    legends: set[tuple[str, ...]] | None = None,
) -> Any:
    """Draw a panel into axes; return what its function returns.

    Parameters
    ----------
    name
        Its name in `PANELS`.
    dataset
        The results.
    axes
        The axes of matplotlib.
    *more
        Number of the set of modes, if the panel is of one; number of the panel, if there are
        several.
    legends
        Texts of the legends of other panels of this name in the figure. A legend that is among
        them is left out; one that is not is added to them.

    Raises
    ------
    DataError
        If the results have nothing to draw.
    """
    panel = PANELS[name]
    if lacking := missing(panel, dataset):
        raise DataError(
            f"the results hold nothing to draw: there is no {lacking[0]}",
            why="this part of the analysis was not asked for",
            fix="project the run on its modes: run.project(force_constants)",
        )
    home, function = _home(panel), panel.maker.rpartition(".")[2]
    if panel.each:
        parts = getattr(home, panel.each)(dataset)
        (number,) = more or (0,)
        if not 0 <= number < len(parts):
            raise UsageError(
                f"there is no panel {number} of {name}",
                fix=f"they count from 0 to {len(parts) - 1}",
            )
        more = (parts[number],)
    drawn = getattr(home, function)(axes, dataset, *more)
    labels = {"xlabel": panel.xlabel, "ylabel": panel.ylabel}
    axes.set(**{name: text for name, text in labels.items() if text})
    entries = getattr(home, panel.entries)(dataset) if panel.entries else ()
    if len(entries) > 1:
        legend_above(axes, entries, ncols=3)
    _put_legend(axes, _BESIDE_SCALE if panel.colours and drawn is not None else 1.0)
    legend = axes.get_legend()
    if legend is not None and legends is not None:
        texts = tuple(text.get_text() for text in legend.get_texts())
        if texts in legends:
            legend.remove()
        legends.add(texts)
    _break_labels(axes)
    _lift_titles(axes)
    return drawn


def numbers_of(name: str, dataset: NamedArrays) -> range:
    """Return the numbers of the panels of a name, which are drawn each by itself."""
    panel = PANELS[name]
    return range(len(getattr(_home(panel), panel.each)(dataset)) if panel.each else 1)


def _home(panel: Panel) -> ModuleType:
    """Import the module of the functions of a panel."""
    return import_module(f"trajmodes.report.{panel.maker.rpartition('.')[0]}")


def _put_legend(axes: Axes, share: float) -> None:
    """Put a legend above a panel that has none; stack entries that are wider than the panel.

    The panel will have this share of its present width. A layout that is made later would leave
    room for wide legends by narrow panels.
    """
    legend = axes.get_legend()
    handles, texts = axes.get_legend_handles_labels()
    if legend is None and len(texts) < 2:
        return
    wide = share * axes.get_window_extent().width
    if legend is not None:
        if legend.get_window_extent().width < _WIDEST_LEGEND * wide:
            return
        if not texts:
            # The entries are not of what was drawn.
            handles = [one for one in legend.legend_handles if one is not None]
            texts = [text.get_text() for text in legend.get_texts()]
    for n_columns in (3, 2, 1):
        made = legend_above(axes, handles, labels=texts, ncols=n_columns)
        if made.get_window_extent().width < _WIDEST_LEGEND * wide:
            return
    beside = made.get_window_extent().width - max(
        text.get_window_extent().width for text in made.get_texts()
    )
    for text in made.get_texts():
        _break(text, _WIDEST_TEXT * wide - beside)


def _break_labels(axes: Axes) -> None:
    """Break labels that are longer than their axis, and titles wider than the panel."""
    panel = axes.get_window_extent()
    titles = {axes.get_title(place) for place in ("left", "center", "right")}
    long = [one for one in axes.findobj(Text) if one.get_text() in titles]
    for text in [axes.xaxis.label, *long]:
        _break(text, panel.width)
    here = axes.get_position().bounds
    for one in axes.figure.axes:
        # The panel itself, and its second scale.
        if one.get_position().bounds == here:
            _break(one.yaxis.label, panel.height)


def _lift_titles(axes: Axes) -> None:
    """Put the titles above a legend that stands above the panel."""
    legend = axes.get_legend()
    if legend is None:
        return
    height = legend.get_window_extent().y1 - axes.get_window_extent().y1
    if legend.get_window_extent().y0 > axes.get_window_extent().y1 - 1.0:
        for place in ("left", "center", "right"):
            if text := axes.get_title(place):
                axes.set_title(text, loc=place, pad=height * _POINTS / axes.figure.dpi + _APART)


def _break(text: Text, room: float) -> None:
    """Break a text that is longer than the available length in pixels."""
    words, extent = text.get_text(), text.get_window_extent()
    length = max(extent.width, extent.height)
    if length > room and "\n" not in words:
        count = max(int(len(words) * room / length), _LEAST_CHARACTERS)
        text.set_text("\n".join(textwrap.wrap(words, count, break_long_words=False)))


def set_of(dataset: NamedArrays, mode: int | str) -> int:
    """Find the number of the set to which a mode belongs.

    Parameters
    ----------
    dataset
        The results.
    mode
        Number of the set, or one of its modes such as ``1/2 0 0:3`` or ``X:3``.

    Raises
    ------
    UsageError
        If there is no such mode or set.
    """
    number = mode
    if isinstance(mode, str):
        modes = modes_in(dataset)
        (chosen, *_) = parse_modes([mode], modes, partial(zone_point, modes.crystal))
        number = int(modes.sets[chosen.row, chosen.branch])
    count = dataset.sizes.get("set", 0)
    if not 0 <= int(number) < count:
        raise UsageError(
            f"there is no set of modes {mode}",
            fix=f"sets count from 0 to {count - 1}; acoustic modes at Γ belong to none",
        )
    return int(number)
