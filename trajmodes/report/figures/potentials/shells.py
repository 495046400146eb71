"""Born–von Kármán constants of several models: bars by shell, and bands."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Floats, Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.bands import frame_path, frequency_span
from trajmodes.report.figures.style import (
    BLACK,
    GREY,
    branch_colours,
    new_figure,
    sem_of,
)

_IN_ROW = 24
"""Constants in a row; more are drawn in several rows, each on its own scale."""
_MOST_ROWS = 4
"""Rows in a figure; shells beyond are in the table."""
_SMALL = 0.25
"""Shells whose constants are below this part of the largest have a panel of their own."""
_ROW, _LEGEND_ROW = 2.6, 0.2
"""Heights in inches."""
_WHOLE = "all force constants"
_DASHED: dict[str, Any] = {"linestyle": "--", "linewidth": 0.9, "zorder": 1.5}


def draw_constants(dataset: NamedArrays) -> Figure:
    """Draw the constants of the shells side by side; small ones again on their own scale."""
    rows = rows_of_constants(dataset)
    columns = columns_of([str(name) for name in dataset["bvk_model"].values])
    head = _LEGEND_ROW * (-(-dataset.sizes["bvk_model"] // columns) - 1)
    height = _ROW * len(rows) + 0.2 + head
    figure = new_figure(height)
    for k, row in enumerate(rows):
        foot = 1.0 - (head + _ROW * (k + 1) - 0.55) / height
        axes = figure.add_axes((0.085, foot, 0.9, 1.8 / height))
        shells_panel(axes, dataset, row)
    entries = figure.axes[0].get_legend_handles_labels()
    figure.legend(*entries, loc="upper right", ncols=columns, borderaxespad=0.2)
    return figure


def rows_of_constants(dataset: NamedArrays) -> list[Ints]:
    """Constants that `shells_panel` draws together."""
    return rows_of(dataset, dataset["bvk_value_n_per_m"].values)


def shells_panel(axes: Axes, dataset: NamedArrays, chosen: Ints) -> None:
    """Draw some constants of all models, without a legend."""
    names = [str(name) for name in dataset["bvk_model"].values]
    values, sem = dataset["bvk_value_n_per_m"].values, sem_of(dataset, "bvk_value_n_per_m")
    constants_panel(axes, dataset, Bars(names, values, sem, model_colours(len(names))), chosen)
    axes.set_ylabel("Constant (N/m)")


def rows_of(dataset: NamedArrays, values: Floats) -> list[Ints]:
    """Divide the constants of values (n, k) into rows of whole shells."""
    shell = dataset["bvk_constant_shell"].values
    own = [np.flatnonzero(shell == h) for h in np.unique(shell)]
    if len(shell) <= _IN_ROW:
        largest = np.array([np.nanmax(np.abs(values[one]), initial=0.0) for one in own])
        is_small = largest < _SMALL * largest.max()
        small = [one for one, little in zip(own, is_small, strict=True) if little]
        return [np.arange(len(shell)), *([np.concatenate(small)] if small else [])]
    rows = [own[0]]
    for one in own[1:]:
        if len(rows[-1]) + len(one) <= _IN_ROW:
            rows[-1] = np.concatenate([rows[-1], one])
        else:
            rows.append(one)
    return rows[:_MOST_ROWS]


def columns_of(names: list[str]) -> int:
    """Column count of a legend that is not wider than the figure."""
    return max(1, min(4, len(names), 100 // (max(map(len, names)) + 8)))


class Bars(NamedTuple):
    """Values of the constants (n) of some models (k)."""

    names: list[str]
    values: Floats
    """(n, k) in N/m."""
    sem: Floats | None
    colours: list[str]


def constants_panel(axes: Axes, dataset: NamedArrays, shown: Bars, chosen: Ints) -> None:
    """Draw bars of some constants, with their errors."""
    values = shown.values[chosen]
    shell = dataset["bvk_constant_shell"].values[chosen]
    # A gap between shells.
    place = np.arange(len(chosen)) + 0.7 * (np.cumsum(np.diff(shell, prepend=shell[0]) > 0))
    width = 0.8 / len(shown.colours)
    for k, colour in enumerate(shown.colours):
        own = place + (k - 0.5 * (len(shown.colours) - 1)) * width
        error = None if shown.sem is None else np.nan_to_num(shown.sem[chosen, k])
        axes.bar(
            *(own, np.nan_to_num(values[:, k]), width),
            color=colour, yerr=error, label=shown.names[k],
            error_kw={"elinewidth": 0.9, "capsize": 1.5, "ecolor": BLACK},
        )  # fmt: skip
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    names = dataset["bvk_name"].values[chosen]
    is_dense = len(chosen) > _IN_ROW // 2 and max(map(len, names)) > 2
    turned = 90.0 if is_dense else 0.0
    axes.set_xticks(place, [str(name) for name in names], fontsize=7.5, rotation=turned)
    axes.tick_params(axis="x", length=0.0)
    axes.set(xlim=(place[0] - 0.8, place[-1] + 0.8))
    for h in np.unique(shell):
        inside = place[shell == h]
        axes.annotate(
            *(_bond_text(dataset, int(h) - 1), (inside.mean(), 0.0)),
            xycoords=("data", "axes fraction"), textcoords="offset points",
            xytext=(0.0, -31.0 if is_dense else -17.0), fontsize=7.5, ha="center", va="top",
        )  # fmt: skip


def draw_bands(dataset: NamedArrays) -> Figure:
    """Draw the bands of all models, of all force constants, and measured frequencies."""
    names = [str(name) for name in dataset["bvk_model"].values]
    if "bvk_whole_freq_thz" in dataset:
        names.append(_WHOLE)
    columns = columns_of(names)
    head = 0.1 + _LEGEND_ROW * -(-len(names) // columns)
    height = 3.6 + head
    figure = new_figure(height)
    axes = figure.add_axes((0.085, 0.39 / height, 0.9, 3.16 / height))
    bands_panel(axes, dataset)
    entries = axes.get_legend_handles_labels()
    figure.legend(*entries, loc="upper right", ncols=columns, borderaxespad=0.3)
    return figure


def bands_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the bands of all models on given axes."""
    place, segment = dataset["path_distance"].values, dataset["path_segment"].values
    freq = dataset["bvk_band_freq_thz"].values
    drawn = [freq.ravel()]
    lines: list[tuple[str, Floats, dict[str, Any]]] = [
        (str(name), freq[:, :, k], {"color": colour, "linewidth": 1.0})
        for k, (name, colour) in enumerate(
            zip(dataset["bvk_model"].values, model_colours(freq.shape[2]), strict=True)
        )
    ]
    if "bvk_whole_freq_thz" in dataset:
        whole = dataset["bvk_whole_freq_thz"].values
        drawn.append(whole.ravel())
        lines.append((_WHOLE, whole, {"color": GREY, **_DASHED}))
    for name, branches, style in lines:
        for number in np.unique(segment):
            inside = segment == number
            (first, *_) = axes.plot(place[inside], branches[inside], **style)
        first.set_label(name)
    frame_path(axes, dataset, frequency_span(np.concatenate(drawn)))


def model_colours(n_models: int) -> list[str]:
    """Colours of the models."""
    return list(branch_colours(n_models))


def _bond_text(dataset: NamedArrays, h: int) -> str:
    """Label of a shell: its bond, or its species and length."""
    species = str(dataset["bvk_species"].values[h])
    if str(dataset["bvk_unit"].values) == "Å":
        return f"{species}\n{float(dataset['bvk_distance'].values[h]):.2f} Å"
    bond = " ".join(f"{x:g}" for x in dataset["bvk_bond"].values[h])
    several = len(set(dataset["bvk_species"].values.tolist())) > 1
    return f"({bond})" + (f"\n{species}" if several else "")
