"""Born–von Kármán constants of several models: bars by shell, and bands."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import frame_path, frequency_span
from trajmodes.report.figures.style import (
    BLACK,
    GREY,
    branch_colours,
    line_entry,
    new_figure,
    sem_of,
)

_MOST_BARS = 60
"""Bars of one model in a figure; shells beyond are in the table."""
_SMALL = 0.25
"""Shells whose constants are below this part of the largest have a panel of their own."""


def draw_constants(dataset: NamedArrays) -> Figure:
    """Draw the constants of the shells side by side; small ones again on their own scale."""
    values = np.abs(dataset["bvk_value_n_per_m"].values)
    shell = dataset["bvk_constant_shell"].values
    largest = np.array([np.nanmax(values[shell == h]) for h in np.unique(shell)])
    chosen = np.arange(min(len(shell), _MOST_BARS))
    small = np.flatnonzero(np.isin(shell, 1 + np.flatnonzero(largest < _SMALL * largest.max())))
    groups = [chosen] + ([small[:_MOST_BARS]] if 0 < len(small) < len(shell) else [])
    height = 2.6 * len(groups) + 0.2
    figure = new_figure(height)
    for k, group in enumerate(groups):
        foot = 1.0 - (2.6 * (k + 1) - 0.55) / height
        constants_panel(figure.add_axes((0.085, foot, 0.9, 1.8 / height)), dataset, group)
    n_models = dataset.sizes["bvk_model"]
    entries = [
        line_entry(str(name), colour, linewidth=5.0)
        for name, colour in zip(dataset["bvk_model"].values, _colours(n_models), strict=True)
    ]
    figure.legend(handles=entries, loc="upper right", ncols=min(n_models, 4), borderaxespad=0.2)
    return figure


def constants_panel(axes: Axes, dataset: NamedArrays, chosen: Ints) -> None:
    """Draw bars of some constants of all models, with their errors."""
    values = dataset["bvk_value_n_per_m"].values[chosen]
    sem = sem_of(dataset, "bvk_value_n_per_m")
    shell = dataset["bvk_constant_shell"].values[chosen]
    n_models = values.shape[1]
    # A gap between shells.
    place = np.arange(len(chosen)) + 0.7 * (np.cumsum(np.diff(shell, prepend=shell[0]) > 0))
    width = 0.8 / n_models
    for k, colour in enumerate(_colours(n_models)):
        own = place + (k - 0.5 * (n_models - 1)) * width
        error = None if sem is None else np.nan_to_num(sem[chosen, k])
        axes.bar(
            *(own, np.nan_to_num(values[:, k]), width), color=colour, yerr=error,
            error_kw={"elinewidth": 0.9, "capsize": 1.5, "ecolor": BLACK},
        )  # fmt: skip
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    names = dataset["bvk_name"].values[chosen]
    axes.set_xticks(place, [str(name) for name in names], fontsize=7.5)
    axes.tick_params(axis="x", length=0.0)
    axes.set(ylabel="Constant (N/m)", xlim=(place[0] - 0.8, place[-1] + 0.8))
    for h in np.unique(shell):
        inside = place[shell == h]
        axes.annotate(
            *(_bond_text(dataset, int(h) - 1), (inside.mean(), 0.0)),
            xycoords=("data", "axes fraction"), xytext=(0.0, -17.0), fontsize=7.5,
            textcoords="offset points", ha="center", va="top",
        )  # fmt: skip


def draw_bands(dataset: NamedArrays) -> Figure:
    """Draw the bands of all models, of all force constants, and measured frequencies."""
    figure = new_figure(3.9)
    axes = figure.add_axes((0.085, 0.1, 0.9, 0.79))
    bands_panel(axes, dataset)
    n_models = dataset.sizes["bvk_model"]
    entries = [
        line_entry(str(name), colour)
        for name, colour in zip(dataset["bvk_model"].values, _colours(n_models), strict=True)
    ]
    if "bvk_whole_freq_thz" in dataset:
        entries.append(line_entry("all force constants", GREY, linestyle="--"))
    figure.legend(handles=entries, loc="upper right", ncols=4, borderaxespad=0.3)
    return figure


def bands_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the bands of all models on given axes."""
    place, segment = dataset["path_distance"].values, dataset["path_segment"].values
    freq = dataset["bvk_band_freq_thz"].values
    drawn = [freq.ravel()]
    for number in np.unique(segment):
        inside = segment == number
        if "bvk_whole_freq_thz" in dataset:
            whole = dataset["bvk_whole_freq_thz"].values
            drawn.append(whole.ravel())
            axes.plot(place[inside], whole[inside], color=GREY, linestyle="--", linewidth=0.9)
        for k, colour in enumerate(_colours(freq.shape[2])):
            axes.plot(place[inside], freq[inside, :, k], color=colour, linewidth=1.0)
    frame_path(axes, dataset, frequency_span(np.concatenate(drawn)))


def _colours(n_models: int) -> list[str]:
    return list(branch_colours(n_models))


def _bond_text(dataset: NamedArrays, h: int) -> str:
    """Label of a shell: its bond, or its species and length."""
    species = str(dataset["bvk_species"].values[h])
    if str(dataset["bvk_unit"].values) == "Å":
        return f"{species} {float(dataset['bvk_distance'].values[h]):.2f} Å"
    bond = " ".join(f"{x:g}" for x in dataset["bvk_bond"].values[h])
    several = len(set(dataset["bvk_species"].values.tolist())) > 1
    return f"({bond})" + (f"\n{species}" if several else "")
