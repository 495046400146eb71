"""Runs at several temperatures: frequencies, bands, soft modes, linewidths."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure

from trajmodes.arrays import Floats, Ints
from trajmodes.data.labels import point
from trajmodes.data.modes import signed_squares
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import frame_path, frequency_span
from trajmodes.report.figures.style import (
    BLUE,
    GREY,
    RED,
    branch_colours,
    figure_of_panels,
    legend_above,
    letter_panels,
    line_entry,
    marker_entry,
    new_figure,
    points,
    sem_of,
)
from trajmodes.report.numbers import branches, point_label

_MOST_POINTS = 5
"""Named points whose modes are drawn."""
_PARAMETERS = {"series_gruneisen": "−∂ln ω/∂ln V", "series_axial_gruneisen": "−∂ln ω/∂ln(c/a)"}
"""Grüneisen parameters, and their labels."""
_MOST_SOFT = 4
_MOST_NAMED = 6
"""With more runs than this the bands have no legend of temperatures."""
_MOST_WIDTHS = 6
_SHADE = 0.22
_DASHES = (0, (4, 2))
_OPEN: dict[str, Any] = {"markerfacecolor": "white", "markeredgewidth": 0.9}
"""Open markers of spectral lines."""


def draw_frequencies(dataset: NamedArrays) -> Figure:
    """Draw the frequencies at named points with their fits, and the slopes of all sets."""
    groups = groups_of(dataset)
    n_panels = len(groups) + 1
    columns = 2 if n_panels in (2, 4) else 3
    rows = -(-n_panels // columns)
    height = 2.35 * rows + 0.3
    figure = new_figure(height)
    wide = 0.99 / columns
    panels = []
    for k in range(n_panels):
        row, column = divmod(k, columns)
        left, foot = 0.092 + column * wide, 1.0 - ((row + 1) * 2.35 - 0.2) / height
        panels.append(figure.add_axes((left, foot, wide - 0.105, 1.75 / height)))
    for axes, chosen in zip(panels, groups, strict=False):
        frequencies_panel(axes, dataset, chosen)
    slopes_panel(panels[-1], dataset)
    letter_panels(panels)
    if "series_gruneisen" in dataset or "series_axial_gruneisen" in dataset:
        figure.legend(
            handles=[line_entry("fit at the mean volume and c/a", GREY)],
            loc="upper left",
            borderaxespad=0.2,
        )
    if _has_both(dataset):
        entries = [
            marker_entry("force constants", GREY),
            marker_entry("spectral lines", GREY, "s", **_OPEN),
        ]
        figure.legend(handles=entries, loc="upper right", ncols=2, borderaxespad=0.2)
    return figure


def groups_of(dataset: NamedArrays) -> list[Ints]:
    """Choose the sets at each named point, or the softest ones, for `frequencies_panel`."""
    known = np.isfinite(dataset[_frequency(dataset)].values).any(axis=1)
    named = dict.fromkeys(_names(dataset)[known])
    names = [name for name in named if name][:_MOST_POINTS]
    groups = [np.flatnonzero(known & (_names(dataset) == name)) for name in names]
    return groups or [_softest(dataset, _MOST_SOFT)]


def frequencies_panel(axes: Axes, dataset: NamedArrays, chosen: Ints) -> None:
    """Draw frequencies of selected sets in all runs, and their fits."""
    kelvin, curve_t = dataset["run_temperature"].values, dataset["curve_temperature"].values
    name = _frequency(dataset)
    freq, sem = dataset[name].values, sem_of(dataset, name)
    curve, curve_sem = dataset["curve_freq_thz"].values, sem_of(dataset, "curve_freq_thz")
    order = chosen[np.argsort(curve[len(curve) // 2, chosen])]
    for g, colour in zip(order, branch_colours(len(order)), strict=True):
        error = None if curve_sem is None else curve_sem[:, g]
        draw_line(axes, curve_t, curve[:, g], error, colour)
        points(
            *(axes, kelvin, freq[g], None if sem is None else sem[g]),
            color=colour, marker="o", label=_label(dataset, int(g)),
        )  # fmt: skip
        if _has_both(dataset):
            lines = (dataset[f"series_line_freq_thz{x}"].values[g] for x in ("", "_sem"))
            look = {"color": colour, "markeredgecolor": colour, "marker": "s", **_OPEN}
            points(axes, kelvin, *lines, **look)
    drawn = freq[chosen]
    if _has_both(dataset):
        drawn = np.concatenate([drawn, dataset["series_line_freq_thz"].values[chosen]])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    margin = 0.06 * (high - low) + 0.02 * abs(high)
    names = {str(name) for name in _names(dataset)[chosen]}
    title = point_label(names.pop()) if len(names) == 1 else "softest modes"
    axes.set(xlabel="Temperature (K)", ylabel="Frequency (THz)", title=title)
    axes.set(ylim=(low - margin, high + margin), xlim=temperature_span(kelvin))
    if low < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)


def draw_gruneisen(dataset: NamedArrays) -> Figure:
    """Draw the Grüneisen parameters of volume and c/a of all sets against the frequency."""
    names = parameters_of(dataset)
    figure = new_figure(2.9)
    wide = 0.99 / len(names)
    for panel, name in enumerate(names):
        shape = (0.09 + panel * wide, 0.16, (wide if len(names) > 1 else 0.7) - 0.12, 0.76)
        gruneisen_panel(figure.add_axes(shape), dataset, name)
    return figure


def parameters_of(dataset: NamedArrays) -> list[str]:
    """Name the Grüneisen parameters that the results have."""
    return [name for name in _PARAMETERS if name in dataset]


def gruneisen_panel(axes: Axes, dataset: NamedArrays, name: str) -> None:
    """Draw a Grüneisen parameter of all sets against the frequency."""
    middle = dataset["curve_freq_thz"].values
    freq, value, sem = middle[len(middle) // 2], dataset[name].values, sem_of(dataset, name)
    points(axes, freq, value, sem, color=BLUE, marker="o", markersize=3.2)
    if np.nanmin(value) < 0.0:
        axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Frequency (THz)", ylabel=_PARAMETERS[name])


def _frequency(dataset: NamedArrays) -> str:
    """Name of the frequencies of the runs: of force constants, or of spectral lines alone."""
    return "series_freq_thz" if "series_freq_thz" in dataset else "series_line_freq_thz"


def _has_both(dataset: NamedArrays) -> bool:
    return "series_freq_thz" in dataset and "series_line_freq_thz" in dataset


def slopes_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw ∂ω/∂T of all sets against the frequency."""
    middle = dataset["curve_freq_thz"].values
    freq = middle[len(middle) // 2]
    slope, sem = dataset["freq_slope_thz_k"].values, sem_of(dataset, "freq_slope_thz_k")
    error = None if sem is None else 1e3 * sem
    points(axes, freq, 1e3 * slope, error, color=BLUE, marker="o", markersize=3.2)
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Frequency (THz)", ylabel="∂f/∂T (THz per 1000 K)", title="all sets")


def shifts_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the shifts of force constants and lines of all sets against the frequency."""
    freq = dataset[_frequency(dataset)].values[:, 0]
    looks: dict[str, dict[str, Any]] = {
        "series_shift_thz": {"color": BLUE, "marker": "o", "label": "force constants"},
        "series_line_shift_thz": {
            "color": RED,
            "markeredgecolor": RED,
            "marker": "s",
            "label": "spectral lines",
            **_OPEN,
        },
    }
    for name, look in looks.items():
        if name in dataset:
            value, sem = dataset[name].values, sem_of(dataset, name)
            points(axes, freq, value, sem, markersize=3.2, **look)
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    kelvin = dataset["run_temperature"].values
    axes.set(
        xlabel=f"Frequency at {kelvin[0]:.4g} K (THz)",
        ylabel=f"Shift at {kelvin[-1]:.4g} K (THz)",
    )
    legend_above(axes, ncols=2)


def draw_bands(dataset: NamedArrays) -> Figure:
    """Draw the bands of all runs, coloured by temperature."""
    figure = new_figure(3.8)
    axes = figure.add_axes((0.085, 0.1, 0.79, 0.85))
    bands_panel(axes, dataset)
    kelvin = dataset["run_temperature"].values
    scale = ScalarMappable(Normalize(*temperature_span(kelvin, margin=0.0)), _temperatures())
    bar = figure.colorbar(scale, cax=figure.add_axes((0.895, 0.1, 0.02, 0.85)))
    bar.set_label("Temperature (K)")
    bar.set_ticks(np.unique(kelvin.round()).tolist())
    return figure


def bands_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the bands of all runs on given axes."""
    place, segment = dataset["path_distance"].values, dataset["path_segment"].values
    freq, kelvin = dataset["series_band_freq_thz"].values, dataset["run_temperature"].values
    norm, colours = Normalize(*temperature_span(kelvin, margin=0.0)), _temperatures()
    for r in np.argsort(-kelvin):
        for number in np.unique(segment):
            inside = segment == number
            colour = colours(norm(kelvin[r]))
            (first, *_) = axes.plot(
                place[inside], freq[inside, :, r], color=colour, linewidth=0.9
            )
        if len(kelvin) <= _MOST_NAMED:
            first.set_label(f"{kelvin[r]:.0f} K")
    frame_path(axes, dataset, frequency_span(freq))


def draw_soft_modes(dataset: NamedArrays) -> Figure:
    """Draw squared frequencies of the softest modes, and the zeros of their fits."""
    figure = new_figure(3.6)
    axes = figure.add_axes((0.085, 0.13, 0.6, 0.8))
    soft_panel(axes, dataset)
    legend_beside(axes)
    return figure


def soft_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw squared frequencies of the softest modes with T_c where it is resolved."""
    kelvin, grid = dataset["run_temperature"].values, dataset["soft_grid"].values
    freq, sem = dataset["series_freq_thz"].values, sem_of(dataset, "series_freq_thz")
    square, square_sem = signed_squares(freq, sem)
    curve, curve_sem = dataset["soft_curve_thz2"].values, sem_of(dataset, "soft_curve_thz2")
    zero, zero_sem = dataset["soft_temperature"].values, sem_of(dataset, "soft_temperature")
    verdict = dataset["soft_verdict"].values
    chosen = _softest(dataset, _MOST_SOFT)
    drawn = [np.zeros(1), square[chosen].ravel()]
    for g, colour in zip(chosen, branch_colours(len(chosen)), strict=True):
        label = _label(dataset, int(g))
        is_resolved = str(verdict[g]).startswith("resolved")
        if is_resolved and zero_sem is not None:
            label += f": {zero[g]:.0f} ± {zero_sem[g]:.0f} K"
            axes.errorbar(
                *(zero[g], 0.0), xerr=zero_sem[g], color=colour, marker="D",
                markersize=4.5, elinewidth=1.4, zorder=4,
            )  # fmt: skip
        least = min(kelvin.min(), zero[g]) if is_resolved else kelvin.min()
        most = max(kelvin.max(), zero[g]) if is_resolved else kelvin.max()
        inside = (grid >= least - 1e-9) & (grid <= most + 1e-9)
        error = None if curve_sem is None else curve_sem[inside, g]
        draw_line(axes, grid[inside], curve[inside, g], error, colour)
        own = None if square_sem is None else square_sem[g]
        points(axes, kelvin, square[g], own, color=colour, marker="o", label=label)
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    low, high = min(map(np.min, drawn)), max(map(np.max, drawn))
    axes.set(xlabel="Temperature (K)", ylabel="f² (THz²)")
    axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))


def draw_linewidths(dataset: NamedArrays) -> Figure:
    """Draw linewidths against temperature, and the exponents of all sets."""
    places = [(left, 0.145, 0.395, 0.78) for left in (0.085, 0.59)]
    figure = figure_of_panels(3.2, places, (widths_panel, exponents_panel), dataset)
    figure.axes[0].legend(loc="upper left", borderaxespad=0.3)
    return figure


def widths_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw linewidths of selected sets, and lines Γ ∝ T through them."""
    kelvin = dataset["run_temperature"].values
    width, sem = (dataset[f"series_linewidth_thz{x}"].values for x in ("", "_sem"))
    known = np.isfinite(width).sum(axis=1)
    order = np.lexsort((np.nanmean(np.where(known[:, None] > 0, width, 0.0), axis=1), -known))
    candidates = order[known[order] > 1]
    spread = np.linspace(0, len(candidates) - 1, min(_MOST_WIDTHS, len(candidates)))
    chosen = candidates[np.unique(spread.round().astype(int))] if len(candidates) else order[:0]
    for g, colour in zip(chosen, branch_colours(len(chosen)), strict=True):
        points(
            *(axes, kelvin, width[g], sem[g]), above_zero=True, color=colour, marker="o",
            label=_label(dataset, int(g)),
        )  # fmt: skip
        own = np.isfinite(width[g])
        weight = (width[g, own] / sem[g, own]) ** 2
        ratio = np.average(width[g, own] / kelvin[own], weights=weight)
        axes.plot(kelvin, ratio * kelvin, color=colour, linestyle=_DASHES, linewidth=0.8)
    axes.plot([], [], color=GREY, linestyle=_DASHES, linewidth=0.8, label="∝ T")
    axes.set(xlabel="Temperature (K)", ylabel="Linewidth (THz)", ylim=(0.0, None))
    axes.set_xlim(0.0, 1.05 * float(kelvin.max()))


def exponents_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the exponents n of Γ ∝ Tⁿ of all sets, and their mean."""
    middle = dataset["curve_freq_thz"].values
    freq = middle[len(middle) // 2]
    value, sem = (dataset[f"linewidth_exponent{x}"].values for x in ("", "_sem"))
    points(axes, freq, value, sem, color=BLUE, marker="o", markersize=3.2)
    mean, error = (float(dataset[f"linewidth_exponent_mean{x}"].values) for x in ("", "_sem"))
    axes.axhline(1.0, color=GREY, linestyle=_DASHES, linewidth=0.9)
    handles = [line_entry("n = 1: three phonons", GREY, linestyle=_DASHES)]
    if np.isfinite(mean):
        axes.axhline(mean, color=RED, linewidth=0.9)
        axes.axhspan(mean - 2.0 * error, mean + 2.0 * error, color=RED, alpha=_SHADE, lw=0)
        handles.append(line_entry(f"mean {mean:.2f} ± {error:.2f}", RED))
        reach = max(0.5, 1.5 * float(np.nanquantile(np.abs(value - 1.0) + sem, 0.95)))
        axes.set_ylim(1.0 - reach, 1.0 + reach)
    axes.set(xlabel="Frequency (THz)", ylabel="n of Γ ∝ T$^n$")
    # Error bars of all lengths leave no room inside.
    legend_above(axes, handles, ncols=2, columnspacing=0.8, handlelength=1.2)


def legend_beside(axes: Axes) -> None:
    """Put the legend to the right of a panel."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def _names(dataset: NamedArrays) -> Floats:
    names: Floats = dataset["series_point"].values.astype(str)
    return names


def _softest(dataset: NamedArrays, count: int) -> Ints:
    """Choose sets with a zero of ω² first, then those of lowest frequency."""
    freq = dataset[_frequency(dataset)].values
    lowest = np.where(np.isfinite(freq), freq, np.inf).min(axis=1)
    zero = np.zeros(len(freq), dtype=bool)
    if "soft_verdict" in dataset:
        zero = np.array([bool(str(one)) for one in dataset["soft_verdict"].values])
    order: Ints = np.lexsort((lowest, ~zero))
    return order[:count]


def _label(dataset: NamedArrays, g: int) -> str:
    """Name of a set: its q point and branches."""
    name = str(dataset["series_point"].values[g])
    if not name:
        name = f"({point(dataset['series_q'].values[g])})"
    first, last = (int(dataset[f"series_branch_{end}"].values[g]) for end in ("first", "last"))
    return f"{point_label(name)} {branches(first, last)}"


def draw_line(
    axes: Axes, place: Floats, value: Floats, sem: Floats | None, colour: str
) -> None:
    """Draw a line with a band of ±2 standard errors, where they are known."""
    axes.plot(place, value, color=colour, linewidth=1.0)
    if sem is not None:
        band = (value - 2.0 * sem, value + 2.0 * sem)
        axes.fill_between(place, *band, color=colour, alpha=_SHADE, linewidth=0)


def temperature_span(kelvin: Floats, margin: float = 0.05) -> tuple[float, float]:
    """Return the limits of an axis of temperature."""
    low, high = float(kelvin.min()), float(kelvin.max())
    pad = margin * (high - low) if high > low else 1.0
    return low - pad, high + pad


def _temperatures() -> Colormap:
    """Colours of temperatures from dark to bright, without the palest ones."""
    return ListedColormap(colormaps["plasma"](np.linspace(0.0, 0.88, 256)))
