"""Free energy of a run: by order, with the length of the run; distribution of energies."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    figure_of_panels,
    sem_of,
)

_SHADE = 0.2
_APART = 0.06
"""Distance along the axis of points of the same order."""


def draw_free_energy(dataset: NamedArrays) -> Figure:
    """Draw F by order, U0 with the length of the run, and the distribution of U − U_h."""
    places = [(left, 0.165, 0.225, 0.73) for left in (0.105, 0.435, 0.765)]
    panels = (orders_panel, length_panel, distribution_panel)
    return figure_of_panels(2.9, places, panels, dataset)


def orders_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the classical free energy to each order, relative to first order."""
    order = dataset["expansion_order"].values
    zero = float(dataset["run_free_energy"].values[0, 0])
    for name, colour, label, shift in (
        ("run_free_energy", BLUE, r"about $\Phi_2$", -_APART),
        ("run_free_energy_anharmonic", ORANGE, r"about all $\Phi$", _APART),
    ):
        if name in dataset:
            value = 1e3 * (dataset[name].values[0] - zero)
            sem = sem_of(dataset, name)
            error = np.zeros(value.shape) if sem is None else 2e3 * sem[0]
            axes.errorbar(
                order + shift, value, error, color=colour, marker="o", capsize=2, label=label
            )
    if "run_free_energy_integrated" in dataset:
        value = 1e3 * (float(dataset["run_free_energy_integrated"].values[0]) - zero)
        error = 2e3 * float(dataset["run_free_energy_integrated_sem"].values[0])
        band = (value - error, value + error)
        axes.axhspan(*band, color=GREEN, alpha=_SHADE, linewidth=0, label="integral")
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Order", ylabel="F − F of order 1 (meV/atom)", xlim=(0.6, 3.4))
    axes.set_xticks(order)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom - 0.45 * (top - bottom), top)
    axes.legend(loc="lower right", borderaxespad=0.3)


def length_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw U0 and ±2 standard errors with the length of the run, relative to the whole run."""
    scale = 1e3 / float(dataset["free_energy_atoms"])
    block = scale * dataset["run_difference_moment"].values[:, 0]
    part = np.arange(1, len(block) + 1)
    axes.plot(part / len(block), np.cumsum(block) / part, color=BLUE)
    sem = sem_of(dataset, "run_free_energy_term")
    if sem is not None:
        error = 2e3 * float(sem[0])
        axes.axhspan(-error, error, color=GREY, alpha=_SHADE, linewidth=0)
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Part of the run", ylabel="U0 − final U0 (meV/atom)", xlim=(0, 1))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def distribution_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the distributions of the energy differences, and a Gaussian."""
    place = dataset["difference_deviation"].values
    for name, colour, label in (
        ("difference", BLUE, r"$U - U_h$"),
        ("rest", ORANGE, r"$\dots - U_3 - U_4$"),
    ):
        if f"run_{name}_density" in dataset:
            rms = 1e3 * float(dataset[f"run_{name}_rms"])
            text = f"{label}, σ {rms:.3g} meV"
            axes.step(
                place, dataset[f"run_{name}_density"].values, color=colour, where="mid",
                label=text,
            )  # fmt: skip
    gauss = np.exp(-0.5 * place**2) / np.sqrt(2.0 * np.pi)
    axes.plot(place, gauss, color=BLACK, linestyle=(0, (4, 2)), label="Gaussian")
    axes.set(xlabel="Deviation from mean (σ)", ylabel="Probability density")
    axes.set(xlim=(place[0], place[-1]), ylim=(0.0, 0.72))
    axes.legend(loc="upper left", borderaxespad=0.3, fontsize=7.0, handlelength=1.5)
