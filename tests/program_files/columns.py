"""Figures of results in a column of a journal."""

from itertools import pairwise

from matplotlib.figure import Figure

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.plot import files
from trajmodes.report.plot.files import Look
from trajmodes.report.plot.panels import PANELS, parts_of, possible_panels


def check_figures_in_a_column(dataset: NamedArrays) -> set[str]:
    """Draw every figure and panel of results, 85 mm wide; return the names of the panels.

    No label leaves the figure, and no two numbers of an axis overlap.
    """
    whole = files._whole_figures(dataset)
    panels = possible_panels(dataset)
    for name in (*whole, *panels):
        parts = [name] if name in panels else parts_of(name, dataset)
        if any(PANELS[part].of_a_mode for part in parts):
            continue
        with files._style(Look()):
            check_figure(files._figure(dataset, [name], (), Look(width=85.0)), name)
    return set(panels)


def check_figure(figure: Figure, name: str) -> None:
    """No label leaves a figure, and no two numbers of an axis overlap."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis, along in ((axes.xaxis, "x"), (axes.yaxis, "y")):
            box = axis.label.get_window_extent()
            if axis.label.get_text() and axis.label.get_visible():
                assert -2.0 < box.x0 < box.x1 < figure.bbox.width + 2.0, name
                assert -2.0 < box.y0 < box.y1 < figure.bbox.height + 2.0, name
            texts = [one for one in axis.get_ticklabels() if one.get_text()]
            boxes = [one.get_window_extent() for one in texts]
            ends = sorted((getattr(b, f"{along}0"), getattr(b, f"{along}1")) for b in boxes)
            names_of_points = along == "x" and axes.get_xlabel() == ""
            if not names_of_points:  # which may have two rows
                assert all(after[0] > before[1] - 1.0 for before, after in pairwise(ends)), name
        legend, titles = axes.get_legend(), [axes.title, axes._left_title, axes._right_title]
        if legend is not None:
            for title in titles:
                is_apart = not title.get_text() or not title.get_window_extent().overlaps(
                    legend.get_window_extent().padded(-2.0)
                )
                assert is_apart, name
