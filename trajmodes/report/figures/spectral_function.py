"""Spectral functions from three-phonon scattering: lines, map along the path, widths."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from trajmodes.arrays import Bools, Floats
from trajmodes.data.labels import point
from trajmodes.data.named_arrays import NamedArrays, PlainArray, PlainArrays
from trajmodes.report.figures.bands import draw_branches, frame_path, frequency_span
from trajmodes.report.figures.spectra import small_panels
from trajmodes.report.figures.spectral_map import draw_map
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    RED,
    figure_of_panels,
    line_entry,
    log_axis_around,
    new_figure,
    points,
    sem_of,
)
from trajmodes.report.numbers import branches, compact
from trajmodes.report.spectral import levels_of
from trajmodes.units import BOLTZMANN, MEV

_PANELS = 12
_DASHES = (0, (3, 3))
_BARE: dict[str, Any] = {"linestyle": ":", "linewidth": 0.9}
_SEEN_WIDTHS = 5.0
"""Half of a panel in widths of its line."""
_SEEN_BINS = 6.0
"""Half of a panel in bins of the spectrum of the run, at least."""


def levels_shown(dataset: NamedArrays) -> list[tuple[int, int, int]]:
    """Choose up to twelve levels over all frequencies; measured or named ones if there are."""
    levels = levels_of(dataset)
    names = dataset["spectral_name"].values
    measured = "measured_width_thz" in dataset
    if measured:
        known = np.isfinite(dataset["measured_line_predicted"].values).any(axis=-1)
        levels = [one for one in levels if known[one[0], one[1]]] or levels
    elif any(names[one[0]] for one in levels):
        levels = [one for one in levels if names[one[0]]]
    freq = dataset["spectral_harmonic_thz"].values
    levels.sort(key=lambda one: (freq[one[0], one[1]], one[0]))
    steps = np.linspace(0, len(levels) - 1, min(_PANELS, len(levels)))
    return [levels[k] for k in np.unique(steps.round().astype(int)).tolist()]


def draw_lines(dataset: NamedArrays) -> Figure:
    """Draw up to twelve spectral functions, over the spectra of the run where there are any."""
    chosen = levels_shown(dataset)
    figure, panels = small_panels(len(chosen), "Frequency (THz)", line_label(dataset))
    for axes, level in zip(panels, chosen, strict=True):
        line_panel(axes, dataset, level)
    figure.legend(handles=line_entries(dataset), loc="upper center", ncols=5, borderaxespad=0.2)
    return figure


def line_label(dataset: NamedArrays) -> str:
    """Label of the vertical axes."""
    measured = "measured_line_power" in dataset
    return "Power spectrum (meV/THz)" if measured else "Spectral function (1/THz)"


def line_entries(dataset: NamedArrays) -> list[Artist]:
    """Legend entries of `line_panel`."""
    classical = line_entry("third order, classical", RED)
    if "measured_line_power" in dataset:
        bare = line_entry("without the resolution of the run", RED, **_BARE)
        entries = [line_entry("run", BLUE, linewidth=0.9), classical, bare]
    else:
        entries = [classical, line_entry("quantum", GREEN)]
    return [*entries, line_entry("harmonic", BLACK, linewidth=0.7, linestyle=_DASHES)]


def line_panel(axes: Axes, dataset: NamedArrays, level: tuple[int, int, int]) -> None:
    """Draw the spectral function of a level, without labels of the axes and a legend."""
    row, first, last = level
    at = row, first
    harmonic = float(dataset["spectral_harmonic_thz"].values[at])
    name = str(dataset["spectral_name"].values[row])
    q = f"{point(dataset['spectral_q'].values[row])} {name}".rstrip()
    axes.set_title(f"q = {q}, branch {branches(first + 1, last + 1)}", fontsize=8.0, pad=3.0)
    axes.axvline(harmonic, ymax=0.72, color=BLACK, linewidth=0.7, linestyle=_DASHES)
    measured = "measured_line_power" in dataset
    highest = (_measured_line if measured else _quantum_line)(axes, dataset, at)
    centre, half = _window(dataset, at)
    axes.set_xlim(max(centre - half, 0.0), centre + half)
    # Room for the text.
    axes.set_ylim(0.0, 1.45 * highest)
    axes.locator_params(axis="x", nbins=3)
    # Two digits: the mesh of the sum is not in the error.
    predicted = float(dataset["spectral_width_classical_thz"].values[at])
    texts = [f"width, third order: {predicted:.2g} THz"]
    if measured and np.isfinite(dataset["measured_width_thz"].values[at]):
        texts.append(f"width, run: {_width_text(dataset, 'measured_width_thz', at)}")
    axes.annotate(
        *("\n".join(texts), (0.03, 0.95)), xycoords="axes fraction", va="top", fontsize=7.0,
        bbox={"facecolor": "white", "alpha": 0.85, "linewidth": 0.0, "pad": 1.0},
    )  # fmt: skip


def level_panel(axes: Axes, dataset: NamedArrays, level: tuple[int, int, int]) -> None:
    """Draw the spectral function of a level, with labels of the axes."""
    line_panel(axes, dataset, level)
    axes.set(xlabel="Frequency (THz)", ylabel=line_label(dataset))


def _window(dataset: NamedArrays, at: tuple[int, int]) -> tuple[float, float]:
    """Centre and half-width in THz of the range of frequencies shown."""
    peak = float(dataset["spectral_peak_classical_thz"].values[at])
    width = float(dataset["spectral_width_classical_thz"].values[at])
    harmonic = float(dataset["spectral_harmonic_thz"].values[at])
    half = max(_SEEN_WIDTHS * width, 1.5 * abs(peak - harmonic))
    if "measured_line_freq_thz" in dataset:
        bins = np.diff(dataset["measured_line_freq_thz"].values[at])
        half = max(half, _SEEN_BINS * float(np.nanmax(bins, initial=0.0)))
    own = dataset.get("measured_width_thz")
    if own is None or not np.isfinite(own.values[at]):
        return peak, half
    middle = float(dataset["measured_peak_thz"].values[at])
    farthest = max(3.0 * float(own.values[at]), 1.5 * abs(middle - peak))
    return 0.5 * (middle + peak), max(half, farthest)


def _measured_line(axes: Axes, dataset: NamedArrays, at: tuple[int, int]) -> float:
    """Draw the spectrum of the run and the classical line; return the highest value."""
    scale = 0.5 * BOLTZMANN * float(dataset["measured_temperature"]) / MEV
    own = dataset["measured_line_freq_thz"].values[at]
    predicted = dataset["measured_line_predicted"].values[at] / MEV
    power = dataset["measured_line_power"].values[at] / MEV
    axes.step(own, power, where="mid", color=BLUE, linewidth=0.9)
    axes.plot(own, predicted, color=RED)
    freq = dataset["spectral_line_freq_classical_thz"].values[at]
    axes.plot(freq, scale * dataset["spectral_line_classical"].values[at], color=RED, **_BARE)
    return float(np.nanmax([predicted, power]))


def _quantum_line(axes: Axes, dataset: NamedArrays, at: tuple[int, int]) -> float:
    """Draw the classical and the quantum line; return the highest value."""
    highest = 0.0
    for kind, colour in (("classical", RED), ("quantum", GREEN)):
        line = dataset[f"spectral_line_{kind}"].values[at]
        axes.plot(dataset[f"spectral_line_freq_{kind}_thz"].values[at], line, color=colour)
        highest = max(highest, float(line.max()))
    return highest


def _width_text(dataset: NamedArrays, name: str, at: tuple[int, int]) -> str:
    sem = dataset.get(f"{name}_sem")
    error = None if sem is None else float(sem.values[at])
    return f"{compact(float(dataset[name].values[at]), error)} THz"


def draw_function_map(dataset: NamedArrays) -> Figure:
    """Draw the classical spectral functions along the path, and the spectra of the run."""
    views = views_of(dataset)
    figure = new_figure(3.9)
    wide = 0.775 if len(views) == 1 else 0.345
    for k, view in enumerate(views):
        left = 0.08 + 0.46 * k
        axes = figure.add_axes((left, 0.1, wide, 0.82))
        mesh = map_panel(axes, dataset, view)
        bar = figure.colorbar(mesh, cax=figure.add_axes((left + wide + 0.01, 0.1, 0.015, 0.82)))
        bar.ax.tick_params(labelsize=7.0)
        if k == len(views) - 1:
            bar.set_label("Spectral kinetic energy (meV/THz)")
        if k:
            axes.set_ylabel("")
    return figure


class View(NamedTuple):
    """A map along the path."""

    title: str
    arrays: PlainArrays
    power: Floats
    """(row, frequency) in meV/THz."""


def views_of(dataset: NamedArrays) -> list[View]:
    """Give the maps of the spectral functions, and of the run if it was given."""
    kelvin = float(dataset["spectral_temperature"])
    function = dataset["spectral_function_classical"].values
    whole = 0.5 * BOLTZMANN * kelvin * np.nansum(function, axis=1)
    views = [View("third order", _map_view(dataset, "spectral_freq_thz"), whole)]
    if "measured_power" in dataset:
        power = dataset["measured_power"].values
        known = np.isfinite(power).all(axis=1)
        if known.any():
            arrays = _map_view(dataset, "measured_freq_thz", known)
            views.append(View("run", arrays, power[known]))
    return views


def map_panel(axes: Axes, dataset: NamedArrays, view: View) -> QuadMesh:
    """Draw a map under the branches of the force constants."""
    span = frequency_span(dataset["band_freq_thz"].values)
    mesh = draw_map(axes, view.arrays, view.power, span, float(view.power.max()))
    draw_branches(axes, dataset, over_map=True)
    frame_path(axes, dataset, span)
    axes.set_title(view.title)
    return mesh


def _map_view(dataset: NamedArrays, axis: str, known: Bools | None = None) -> PlainArrays:
    """Arrays for a map, with the names of `trajmodes.report.figures.spectral_map`."""
    names = ("path_distance", "path_q", "path_segment", "tick_distance", "cell")
    rows: Any = slice(None) if known is None else known
    arrays = {name: PlainArray(dataset[name].dims, dataset[name].values) for name in names}
    arrays["map_distance"] = PlainArray(("row",), dataset["spectral_distance"].values[rows])
    arrays["map_q"] = PlainArray(("row", "reciprocal"), dataset["spectral_q"].values[rows])
    arrays["map_freq_thz"] = PlainArray((axis,), dataset[axis].values)
    return PlainArrays(arrays, {})


_MAXIMA = (
    ("measured_peak_thz", "measured_width_thz", BLUE, "s", "run"),
    (
        "spectral_peak_quantum_thz",
        "spectral_width_quantum_thz",
        *(GREEN, "^", "third order, quantum"),
    ),
    (
        "spectral_peak_classical_thz",
        "spectral_width_classical_thz",
        *(RED, "o", "third order, classical"),
    ),
)
"""Variables of maxima and widths, and their colour, marker and label."""


def draw_widths(dataset: NamedArrays) -> Figure:
    """Draw widths and shifts against the harmonic frequency, predicted and measured."""
    places = [(left, 0.14, 0.375, 0.74) for left in (0.1, 0.605)]
    figure = figure_of_panels(3.2, places, (widths_panel, shifts_panel), dataset)
    entries = figure.axes[1].get_legend_handles_labels()
    figure.legend(*entries, loc="upper center", ncols=3, borderaxespad=0.2)
    return figure


def widths_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw widths against the harmonic frequency, without a legend."""
    freq, _ = _of_levels(dataset, "spectral_harmonic_thz")
    shown = []
    for _, name, colour, marker, label in _MAXIMA:
        if name in dataset:
            width, sem = _of_levels(dataset, name)
            ok = width > 0.0
            look: dict[str, Any] = {"color": colour, "marker": marker, "label": label}
            bars = None if sem is None else sem[ok]
            points(axes, freq[ok], width[ok], bars, above_zero=True, **look)
            shown.append(width)
    log_axis_around(axes, np.concatenate(shown), 2.0, 2.0)
    axes.set(xlabel="Harmonic frequency (THz)", ylabel="Full width at half maximum (THz)")


def shifts_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw shifts of the maxima against the harmonic frequency, without a legend."""
    freq, _ = _of_levels(dataset, "spectral_harmonic_thz")
    for name, _, colour, marker, label in _MAXIMA:
        if name in dataset:
            maximum, sem = _of_levels(dataset, name)
            points(axes, freq, maximum - freq, sem, color=colour, marker=marker, label=label)
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Harmonic frequency (THz)", ylabel="Shift of the maximum (THz)")


def _of_levels(dataset: NamedArrays, name: str) -> tuple[Floats, Floats | None]:
    """Values of the levels, and their standard errors if the results have them."""
    at = tuple(np.array([(row, first) for row, first, _ in levels_of(dataset)]).T)
    sem = sem_of(dataset, name)
    return dataset[name].values[at], None if sem is None else sem[at]
