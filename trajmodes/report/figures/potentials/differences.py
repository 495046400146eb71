"""Differences of models from their references: constants of the shells, and frequencies."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.potentials.shells import (
    Bars,
    columns_of,
    constants_panel,
    model_colours,
    rows_of,
)
from trajmodes.report.figures.style import GREY, new_figure, sem_of

_ROW, _TITLE, _LEGEND_ROW = 2.7, 0.1, 0.2
"""Heights in inches."""


def draw_differences(dataset: NamedArrays) -> Figure:
    """Draw the differences of constants as bars, and those of frequencies below."""
    rows, with_modes = rows_of_differences(dataset), "bvk_mode" in dataset.dims
    names = _changes(dataset).names
    columns = columns_of(names)
    head = _TITLE + _LEGEND_ROW * -(-len(names) // columns)
    height = head + _ROW * (len(rows) + with_modes)
    figure = new_figure(height)
    for k in range(len(rows) + with_modes):
        foot = 1.0 - (head + _ROW * (k + 1) - 0.65) / height
        axes = figure.add_axes((0.1, foot, 0.885, 1.85 / height))
        if k < len(rows):
            shells_panel(axes, dataset, rows[k])
        else:
            frequencies_panel(axes, dataset)
    entries = figure.axes[0].get_legend_handles_labels()
    title = f"minus {dataset['bvk_reference'].values}"
    figure.legend(*entries, title=title, loc="upper right", ncols=columns, borderaxespad=0.2)
    return figure


def _changes(dataset: NamedArrays) -> Bars:
    """Constants minus those of the reference, of the models that have one."""
    change = dataset["bvk_value_n_per_m"].values - dataset["bvk_reference_n_per_m"].values
    compared = np.flatnonzero(np.isfinite(change).any(axis=0))
    every = model_colours(dataset.sizes["bvk_model"])
    sem = sem_of(dataset, "bvk_value_n_per_m")
    return Bars(
        [str(dataset["bvk_model"].values[k]) for k in compared],
        change[:, compared],
        None if sem is None else sem[:, compared],
        [every[k] for k in compared],
    )


def rows_of_differences(dataset: NamedArrays) -> list[Ints]:
    """Constants that `shells_panel` draws together."""
    return rows_of(dataset, _changes(dataset).values)


def shells_panel(axes: Axes, dataset: NamedArrays, chosen: Ints) -> None:
    """Draw some constants minus those of the reference, without a legend."""
    constants_panel(axes, dataset, _changes(dataset), chosen)
    axes.set_ylabel("Difference (N/m)")


def frequencies_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the differences of frequencies over the frequency of the reference, with errors."""
    freq, reference = (dataset[f"bvk_mode_{x}_thz"].values for x in ("freq", "reference"))
    sem = sem_of(dataset, "bvk_mode_freq_thz")
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    for k, colour in enumerate(model_colours(freq.shape[1])):
        error = None if sem is None else np.nan_to_num(sem[:, k])
        axes.errorbar(
            *(reference[:, k], freq[:, k] - reference[:, k]), yerr=error, color=colour,
            linestyle="none", marker="o", markersize=3.0, elinewidth=0.8,
        )  # fmt: skip
    axes.set(
        xlabel=f"Frequency of {dataset['bvk_reference'].values} (THz)",
        ylabel="Difference (THz)",
    )
