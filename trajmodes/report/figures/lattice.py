"""Runs at several temperatures: elastic constants and lattice parameters."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.series import draw_line, legend_beside, temperature_span
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    branch_colours,
    new_figure,
    points,
    sem_of,
)
from trajmodes.report.numbers import plus_minus
from trajmodes.results.series_outputs import elastic_places


def draw_elastic(dataset: NamedArrays) -> Figure:
    """Draw the elastic constants that are different against temperature."""
    figure = new_figure(3.2)
    axes = figure.add_axes((0.1, 0.145, 0.78, 0.78))
    elastic_panel(axes, dataset)
    legend_beside(axes)
    return figure


def elastic_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the elastic constants that are different, without a legend."""
    kelvin, curve_t = dataset["run_temperature"].values, dataset["curve_temperature"].values
    value, sem = dataset["series_stiffness_gpa"].values, sem_of(dataset, "series_stiffness_gpa")
    curve, band = dataset["curve_stiffness_gpa"].values, sem_of(dataset, "curve_stiffness_gpa")
    places = elastic_places(dataset)
    for (i, j), colour in zip(places, branch_colours(len(places)), strict=True):
        draw_line(
            axes, curve_t, curve[:, i, j], None if band is None else band[:, i, j], colour
        )
        own = None if sem is None else sem[:, i, j]
        label = f"C$_{{{i + 1}{j + 1}}}$"
        points(axes, kelvin, value[:, i, j], own, color=colour, marker="o", label=label)
    axes.set(
        xlabel="Temperature (K)", ylabel="Elastic constant (GPa)", xlim=temperature_span(kelvin)
    )


def draw_lattice(dataset: NamedArrays) -> Figure:
    """Draw the lattice parameters against temperature."""
    different = lengths_of(dataset)
    figure = new_figure(2.8)
    wide = 0.99 / len(different)
    for panel, k in enumerate(different):
        axes = figure.add_axes((0.1 + panel * wide, 0.16, wide - 0.13, 0.74))
        length_panel(axes, dataset, k)
    return figure


def lengths_of(dataset: NamedArrays) -> list[int]:
    """Vectors of the cell of different lengths."""
    length = dataset["lattice_parameter"].values
    return [
        k
        for k in range(3)
        if not any(np.allclose(length[:, k], length[:, j]) for j in range(k))
    ]


def length_panel(axes: Axes, dataset: NamedArrays, k: int) -> None:
    """Draw the length of a vector of the cell, and the fit to it."""
    kelvin, curve_t = dataset["run_temperature"].values, dataset["curve_temperature"].values
    length = dataset["lattice_parameter"].values
    curve, sem = dataset["curve_lattice_parameter"], sem_of(dataset, "curve_lattice_parameter")
    same = ["abc"[j] for j in range(3) if np.allclose(length[:, k], length[:, j])]
    draw_line(axes, curve_t, curve.values[:, k], None if sem is None else sem[:, k], BLUE)
    points(axes, kelvin, length[:, k], color=BLACK, marker="o")
    expansion = _expansion(dataset, k)
    axes.set(xlabel="Temperature (K)", ylabel=f"{' = '.join(same)} (Å)", title=expansion)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlim(temperature_span(kelvin))
    if np.ptp(length[:, k]) < 1e-4 * length[0, k]:
        axes.set_ylim(0.999 * length[0, k], 1.001 * length[0, k])


def _expansion(dataset: NamedArrays, axis: int) -> str:
    value, sem = dataset["linear_expansion"].values[axis], sem_of(dataset, "linear_expansion")
    text = plus_minus(1e6 * value, None if sem is None else 1e6 * sem[axis])
    text = f"({text})" if "±" in text else text
    return f"∂ln {'abc'[axis]}/∂T = {text}·10⁻⁶/K"
