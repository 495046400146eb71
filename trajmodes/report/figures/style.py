"""Common elements of all figures: sizes, fonts, a colour-blind safe palette, axes, legends."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays

# Okabe and Ito, "Color Universal Design" (2008).
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE = "#56B4E9", "#CC79A7"
GREY, BLACK = "#7A7A7A", "#222222"
COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, SKY)
"""Colours of categories, in this order."""

WIDTH = 7.0
"""Width of a figure in inches: two columns of a journal."""

_VISIBLE = 0.01
"""Bands that are thinner than this part of the axis look like a line."""

_SHEET: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "axes.linewidth": 0.7,
    "axes.edgecolor": BLACK,
    "axes.labelcolor": BLACK,
    "axes.titlelocation": "left",
    # A fixed height: automatic placement takes a third of the drawing time.
    "axes.titley": 1.0,
    "axes.axisbelow": True,
    "text.color": BLACK,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "errorbar.capsize": 0.0,
    "figure.dpi": 300.0,
    "savefig.dpi": 300.0,
}


@contextmanager
def sheet() -> Iterator[None]:
    """Use the style of the package, independent of the user's own settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SHEET)  # type: ignore[arg-type]  # stubs want literal keys
        yield


def new_figure(height: float) -> Figure:
    """Make an empty figure of full width and a height in inches, without a window."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def new_axes(ax: Axes | None) -> Iterator[Axes]:
    """Yield the given axes, or those of a new figure in the style of the package."""
    with sheet() if ax is None else nullcontext():
        yield new_figure(3.6).add_axes((0.1, 0.13, 0.87, 0.79)) if ax is None else ax


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG at 300 dots per inch.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with sheet():
        # Strong compression takes a third of the time of a figure, for a few kilobytes.
        figure.savefig(
            path,
            format="png",
            metadata={"Software": "trajmodes"},
            pil_kwargs={"compress_level": 1},
        )


def branch_colours(count: int) -> list[str]:
    """Colours of branches, lowest first: up to six distinct ones, more from dark to bright."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    # Without the bright end, which is too pale on white.
    return [
        to_hex(colour) for colour in mpl.colormaps["viridis"](np.linspace(0.0, 0.88, count))
    ]


def sem_of(dataset: NamedArrays, name: str) -> Floats | None:
    """Read the standard errors of a variable; None if the results have none."""
    sem = dataset.get(f"{name}_sem")
    return None if sem is None else sem.values


def points(
    axes: Axes,
    place: Floats,
    value: Floats,
    sem: Floats | None = None,
    *,
    above_zero: bool = False,
    **look: Any,
) -> None:
    """Draw points with error bars; for a logarithmic axis the bars end above zero."""
    bars = None
    if sem is not None:
        bars = np.stack([np.minimum(sem, 0.9 * value) if above_zero else sem, sem])
    settings: dict[str, Any] = {"linestyle": "none", "elinewidth": 0.9, "markersize": 4.2}
    settings |= {"markeredgecolor": "white", "markeredgewidth": 0.4} | look
    axes.errorbar(place, value, yerr=bars, **settings)


def is_visible(sem: Floats | None, span: float) -> bool:
    """Whether a band of ±2 standard errors, if known, is thicker than a line on this axis."""
    known = np.empty(0) if sem is None else sem[np.isfinite(sem)]
    # A quantile: close to Γ a few errors are large.
    return bool(known.size and 4.0 * np.quantile(known, 0.95) > _VISIBLE * span)


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Make the vertical axis logarithmic, with plain numbers if it spans few decades."""
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    plain_numbers(axes.yaxis, low, high)


def log_axis_around(axes: Axes, values: Floats, below: float, above: float) -> None:
    """Make the vertical axis logarithmic, with factors of space around the positive values."""
    shown = values[np.isfinite(values) & (values > 0.0)]
    if shown.size:
        log_axis(axes, shown.min() / below, shown.max() * above)


def plain_numbers(axis: Axis, low: float, high: float) -> None:
    """Label a logarithmic axis with plain numbers if it spans few decades."""
    if high < 300.0 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_minor_locator(NullLocator())


def line_entry(label: str, colour: str, **look: Any) -> Line2D:
    """Legend entry of a line."""
    return Line2D([], [], label=label, color=colour, **look)


def marker_entry(label: str, colour: str, marker: str = "o", **look: Any) -> Line2D:
    """Legend entry of points."""
    return line_entry(label, colour, marker=marker, linestyle="none", **look)


def legend_above(axes: Axes, handles: Sequence[Artist] | None = None, **look: Any) -> Legend:
    """Put a legend without a frame above the left end of a panel."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}
    return axes.legend(
        handles=handles, **place | {"borderaxespad": 0.1, "frameon": False} | look
    )


def figure_of_panels(
    height: float,
    places: Iterable[tuple[float, float, float, float]],
    panels: Iterable[Callable[[Axes, NamedArrays], None]],
    dataset: NamedArrays,
) -> Figure:
    """Draw panels with letters at positions (left, bottom, width, height) of a new figure."""
    figure = new_figure(height)
    drawn = [figure.add_axes(place) for place in places]
    for axes, panel in zip(drawn, panels, strict=True):
        panel(axes, dataset)
    letter_panels(drawn)
    return figure


def letter_panels(panels: Iterable[Axes], first: int = 0) -> None:
    """Write a, b, c, … beside the upper left corners of panels, from the first letter on."""
    for axes, letter in zip(panels, ascii_lowercase[first:], strict=False):
        axes.annotate(
            letter,
            (0.0, 1.0),
            xytext=(-28, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            fontweight="bold",
            fontsize=10.0,
        )
