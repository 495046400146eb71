"""Phonon bands over the spectral energy density along the path, also branch by branch."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.spectral_map import (
    draw_map,
    empty_sections,
    map_handles,
    mark_empty_sections,
    mark_points,
)
from trajmodes.report.figures.style import BLACK, BLUE, GREY, is_visible, new_figure
from trajmodes.report.numbers import point_label
from trajmodes.results.tables import highest_map_freq_thz

_NAME_SIZE = 8.0
"""Size of the names of points, in points."""
_NAME_GAP = 3.0
"""Smallest gap between two names, in points."""
_NAME_ROWS = 2
"""Rows for names that would overlap; a name that does not fit into one is left out."""
_PANEL_COLUMNS = 3
_ROW = 2.2
"""Height of a row in inches."""
_HEAD = 0.27
"""Height of the legend in inches."""
_SMALL_NAME_SIZE = 7.0
"""Size of the names of points, in points."""
_VISIBLE = 0.02
"""Spectra above this part of the strongest one determine the limits of a panel."""
_LEAST_MARGIN = 0.01
"""Smallest margin below and above a branch, as a part of the highest frequency."""


def draw_bands(dataset: NamedArrays) -> Figure:
    """Draw frequencies along the band path over the measured spectra, whichever are present."""
    figure = new_figure(4.4)
    has_map = "map_power" in dataset
    axes = figure.add_axes((0.085, 0.08, 0.79 if has_map else 0.9, 0.85))
    mesh = bands_panel(axes, dataset)
    if mesh is not None:
        bar = figure.colorbar(mesh, cax=figure.add_axes((0.89, 0.08, 0.02, 0.85)))
        bar.set_label("Spectral kinetic energy (meV/THz)")
        bar.outline.set_linewidth(0.7)
    return figure


def bands_panel(axes: Axes, dataset: NamedArrays) -> QuadMesh | None:
    """Draw the panel of `draw_bands`; return the map, if there is one."""
    has_map = "map_power" in dataset
    mesh = None
    place = dataset["path_distance"].values
    has_bands = "band_freq_thz" in dataset
    freq = dataset["band_freq_thz"].values if has_bands else np.zeros(1)
    top = 1.06 * max(float(freq.max()), 0.1)
    if has_map:
        top = max(top, highest_map_freq_thz(dataset))
    bottom = min(0.0, 1.1 * float(freq.min()))
    # Imaginary frequencies below a hundredth of the highest one are noise at Γ.
    bottom = bottom if bottom < -0.01 * top else 0.0
    if has_map:
        power = dataset["map_power"].values
        mesh = draw_map(axes, dataset, power, (bottom, top), float(power.max()))
        mark_points(axes, dataset)
        empty = empty_sections(dataset)
        mark_empty_sections(axes, empty)
    handles = map_handles(has_empty_sections=bool(empty)) if has_map else []
    if has_bands:
        draw_branches(axes, dataset, over_map=has_map)
        sem = dataset.get("band_freq_thz_sem")
        has_errors = sem is not None and is_visible(sem.values, top - bottom)
        handles = bands_handles(has_errors=has_errors) + handles
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(handles),
        borderaxespad=0.1,
    )
    axes.set(xlim=(place[0], place[-1]), ylim=(bottom, top), ylabel="Frequency (THz)")
    if bottom < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
        axes.set_ylabel("Frequency (THz), imaginary below 0")
    name_points(axes, dataset)
    return mesh


def bands_handles(*, has_errors: bool) -> list[Artist]:
    """Legend entries of the bands and, if visible, of their error bands."""
    handles: list[Artist] = [
        Line2D([], [], color=BLUE, linewidth=0.9, label="fitted force constants")
    ]
    if has_errors:
        handles.append(Patch(color=BLUE, alpha=0.3, linewidth=0, label="±2 standard errors"))
    return handles


def draw_branches(
    axes: Axes,
    dataset: NamedArrays,
    name: str = "band_freq_thz",
    colour: str = BLUE,
    dashes: str | tuple[float, tuple[float, ...]] = "-",
    *,
    over_map: bool = False,
) -> None:
    """Draw bands of a variable as lines, with bands of ±2 standard errors if known.

    Over a map the lines are thin and transparent.
    """
    linewidth, alpha = (0.7, 0.5) if over_map else (0.9, 1.0)
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
            linewidth=linewidth,
            alpha=alpha,
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
        shade = PolyCollection(
            bands, facecolor=colour, alpha=0.3 * alpha, edgecolor="none", zorder=2
        )
        axes.add_collection(shade, autolim=False)


def name_points(axes: Axes, dataset: NamedArrays, size: float = _NAME_SIZE) -> None:
    """Draw lines and names at the named points; two names at a jump are joined by a bar.

    Names that would overlap are put in two rows. The size is in points.
    """
    named: dict[float, list[str]] = {}
    # A rounded place could lie beyond the end, where matplotlib draws nothing.
    last = float(dataset["path_distance"].values[-1])
    ticks = zip(dataset["tick_distance"].values, dataset["tick_label"].values, strict=True)
    for place, name in ticks:
        names = named.setdefault(min(round(float(place), 6), last), [])
        if point_label(str(name)) not in names:
            names.append(point_label(str(name)))
    texts = ["|".join(names) for names in named.values()]
    first = float(dataset["path_distance"].values[0])
    wide = axes.get_window_extent().width * 72.0 / axes.figure.dpi
    middles = [(place - first) / (last - first) * wide for place in named]
    axes.set_xticks(list(named), _in_rows(texts, middles, size))
    axes.tick_params(axis="x", length=0, pad=5, labelsize=size)
    for place in named:
        axes.axvline(place, color=BLACK, linewidth=0.5, zorder=1)


def _in_rows(texts: list[str], middles: list[float], size: float) -> list[str]:
    """Move names that would overlap to a lower row; middles and size in points."""
    font = FontProperties(size=size)
    ends = [-np.inf] * _NAME_ROWS
    placed = []
    for text, middle in zip(texts, middles, strict=True):
        half = 0.5 * text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
        free = [k for k in range(_NAME_ROWS) if ends[k] + _NAME_GAP <= middle - half]
        if free:
            ends[free[0]] = middle + half
        placed.append("\n" * free[0] + text if free else "")
    return placed


def draw_energy_density(dataset: NamedArrays) -> Figure:
    """Draw the spectra of each branch along the path with the harmonic frequency."""
    n_branches = dataset.sizes["branch"]
    n_rows = -(-n_branches // _PANEL_COLUMNS)
    height = _HEAD + _ROW * n_rows
    figure = new_figure(height)
    left, wide, step = 0.075, 0.235, 0.285
    tall = (_ROW - 0.55) / height
    spans = [_span(dataset, m) for m in range(n_branches)]
    strongest = float(dataset["map_branch_power"].values.max())
    empty = empty_sections(dataset)
    place = dataset["path_distance"].values
    for m in range(n_branches):
        row, column = divmod(m, _PANEL_COLUMNS)
        foot = 1.0 - (_HEAD + 0.18 + _ROW * row) / height - tall
        axes = figure.add_axes((left + column * step, foot, wide, tall))
        power = dataset["map_branch_power"].values[:, m]
        bottom, top = spans[m]
        axes.set(xlim=(place[0], place[-1]), ylim=(bottom, top))
        mesh = draw_map(axes, dataset, power, (bottom, top), strongest)
        draw_branches(axes, dataset.isel(branch=[m]), over_map=True)
        axes.set_title(f"branch {m + 1}")
        mark_points(axes, dataset)
        mark_empty_sections(axes, empty)
        name_points(axes, dataset, _SMALL_NAME_SIZE)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.tick_params(axis="y", labelsize=7.0)
        if column == 0:
            axes.set_ylabel("Frequency (THz)")
    bar_box = (0.915, foot, 0.016, 1.0 - (_HEAD + 0.18) / height - foot)
    bar = figure.colorbar(mesh, cax=figure.add_axes(bar_box))
    # A short label if there is a single row.
    bar.set_label("Energy (meV/THz)" if n_rows == 1 else "Spectral kinetic energy (meV/THz)")
    bar.outline.set_linewidth(0.7)
    handles = bands_handles(has_errors=False) + map_handles(has_empty_sections=bool(empty))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(left, 1.0),
        ncols=len(handles),
        borderaxespad=0.3,
    )
    return figure


def _span(dataset: NamedArrays, branch: int) -> tuple[float, float]:
    """Lowest and highest frequency in THz of the panel of one branch."""
    band = dataset["band_freq_thz"].values
    highest = max(float(band.max()), 0.1)
    power = dataset["map_branch_power"].values
    visible = (power[:, branch] > _VISIBLE * power.max()).any(axis=0)
    needed = np.append(band[:, branch], dataset["map_freq_thz"].values[visible])
    low, high = float(needed.min()), float(needed.max())
    margin = max(0.06 * (high - low), _LEAST_MARGIN * highest)
    # Imaginary frequencies below a hundredth of the highest one are noise at Γ.
    low = low - margin if low < -0.01 * highest else max(low - margin, 0.0)
    return low, high + margin
