"""Energies of the sets of modes: temperatures, heat capacities, anharmonicity, correlations."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    GREY,
    PURPLE,
    RED,
    legend_above,
    letter_panels,
    new_figure,
    points,
)
from trajmodes.report.numbers import plus_minus

_SHARE = 0.98
"""Share of the points within the limits of an axis; outliers are marked at its ends."""
_MOST_HEAT = 2.0
"""Largest deviation of heat capacities from the harmonic value shown, in k_B."""
_HEAD = 0.2
"""Height of the legend, as a part of the data range."""
_SHOWN = 0.995
"""Part of the pairs of different sets within the colour scale."""
_NOISE = 0.1
"""Smaller correlations are drawn pale: in a short run they are as large by chance."""
_PALE = 0.35
_PER_NUMBER = 0.55
"""Inches of an axis for each of its numbers."""
_LOOK: dict[str, Any] = {"marker": "o", "color": BLUE, "markersize": 3.2, "alpha": 0.6}


def draw_energies(dataset: NamedArrays) -> Figure:
    """Draw temperature, heat capacity and anharmonicity of the sets against their frequency."""
    # A run of velocities alone has temperatures only.
    both = "heat_capacity_kb" in dataset
    figure = new_figure(5.5 if both else 2.75)
    foot, tall = (0.585, 0.345) if both else (0.17, 0.69)
    tested = "equipartition_z" in dataset
    upper = figure.add_axes((0.085, foot, 0.575 if tested else 0.905, tall))
    temperatures_panel(upper, dataset)
    panels = [upper]
    if tested:
        side = figure.add_axes((0.745, foot, 0.245, tall))
        deviations_panel(side, dataset)
        text = str(dataset["equipartition_text"].item())
        upper.set_title(text[:1].upper() + text[1:])
        panels.append(side)
    forces = "anharmonicity" in dataset
    if both:
        heat = figure.add_axes((0.085, 0.085, 0.39 if forces else 0.905, 0.345))
        heat_capacity_panel(heat, dataset)
        panels.append(heat)
    if forces:
        excess = figure.add_axes((0.6, 0.085, 0.39, 0.345))
        anharmonicity_panel(excess, dataset)
        panels.append(excess)
    letter_panels(panels)
    return figure


def temperatures_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the mode temperature of every set against its frequency."""
    freq = dataset["freq_harmonic_thz"].values
    value, sem = (dataset[n].values for n in ("mode_temperature", "mode_temperature_sem"))
    mean, mean_sem = float(dataset["temperature"]), float(dataset["temperature_sem"])
    points(axes, freq, value, sem, label="set of equivalent modes", **_LOOK)
    axes.axhspan(mean - mean_sem, mean + mean_sem, color=RED, alpha=0.25, linewidth=0)
    axes.axhline(mean, color=RED, label=f"whole run, {plus_minus(mean, mean_sem)} K")
    axes.set(xlabel="Frequency (THz)", ylabel=r"Mode temperature, 2⟨K⟩/k$_\mathrm{B}$ (K)")
    bars = np.nan_to_num(sem)
    least = 1e-3 * max(mean, 1.0)
    low = float(np.nanmin(value - bars, initial=mean - least))
    high = float(np.nanmax(value + bars, initial=mean + least))
    # With space for the legend.
    axes.set_ylim(max(low - 0.06 * (high - low), 0.0), high + _HEAD * (high - low))
    axes.set_xlim(left=min(0.0, float(freq.min()) - 0.5))
    axes.legend(loc="upper right", ncols=2, borderaxespad=0.3, columnspacing=1.2)


def deviations_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the distribution of the deviations from equipartition, in standard errors."""
    sigmas = dataset["equipartition_z"].values
    known = sigmas[np.isfinite(sigmas)]
    edges = np.linspace(-5.0, 5.0, 21)
    shown = np.clip(known, -4.99, 4.99)
    axes.hist(shown, edges.tolist(), density=True, color=BLUE, edgecolor="white", label="sets")
    normal = np.linspace(-5.0, 5.0, 201)
    density = np.exp(-0.5 * normal**2) / np.sqrt(2.0 * np.pi)
    axes.plot(normal, density, color=BLACK, label="normal")
    axes.set(xlabel="Deviation / standard error", ylabel="Density", xlim=(-5.0, 5.0))
    axes.margins(y=0.3)
    axes.tick_params(top=False)
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    axes.legend(loc="upper right", borderaxespad=0.3)


def heat_capacity_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the heat capacity of the modes against their frequency."""
    _draw_deviation_from_harmonic(axes, dataset, "heat_capacity_kb", 1.0, _MOST_HEAT)
    axes.set_ylabel(r"Heat capacity of a mode (k$_\mathrm{B}$)")


def anharmonicity_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw W/U − 1 of the modes against their frequency."""
    _draw_deviation_from_harmonic(axes, dataset, "anharmonicity", 0.0, np.inf)
    axes.set_ylabel("Anharmonicity, W/U − 1")


def _draw_deviation_from_harmonic(
    axes: Axes, dataset: NamedArrays, name: str, expected: float, most: float
) -> None:
    """Draw a quantity of each set around its harmonic value, up to a largest deviation."""
    freq = dataset["freq_harmonic_thz"].values
    value, sem = dataset[name].values, dataset[f"{name}_sem"].values
    known = np.isfinite(value)
    points(axes, freq[known], value[known], sem[known], **_LOOK)
    axes.axhline(expected, color=RED, linewidth=0.9, label="harmonic")
    axes.set_xlabel("Frequency (THz)")
    axes.set_xlim(left=min(0.0, float(freq.min()) - 0.5))
    off = (np.abs(value - expected) + np.nan_to_num(sem))[known]
    half = 1.2 * float(np.quantile(off, _SHARE)) if off.size else 0.0
    half = min(max(half, 1e-3), most)
    # A heat capacity is positive.
    axes.set_ylim(max(expected - half, 0.0) if expected else -half, expected + half)
    _mark_outliers(axes, freq[known], value[known])
    legend_above(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, columnspacing=1.2)


def _mark_outliers(axes: Axes, freq: Floats, value: Floats) -> None:
    """Mark points outside the panel at its edges."""
    low, high = axes.get_ylim()
    count = int(((value < low) | (value > high)).sum())
    label = f"outside ({count})"
    for shown, edge, marker in ((value < low, 0.025, "v"), (value > high, 0.975, "^")):
        if shown.any():
            axes.plot(
                *(freq[shown], np.full(int(shown.sum()), edge)),
                transform=axes.get_xaxis_transform(),
                linestyle="none",
                marker=marker,
                color=PURPLE,
                markersize=4.0,
                label=label,
            )
            label = "_nolegend_"


def draw_covariance(dataset: NamedArrays) -> Figure:
    """Draw the correlation of the energies of all pairs of sets, with its colours."""
    figure = new_figure(5.9)
    tall = 0.74 * 7.0 / 5.9
    image = covariance_panel(figure.add_axes((0.11, 0.09, 0.74, tall)), dataset)
    place = figure.add_axes((0.875, 0.09, 0.02, tall))
    bar = figure.colorbar(image, cax=place, extend="both")
    bar.set_label(f"Correlation of energies; pale below ±{_NOISE:g}")
    return figure


def covariance_panel(axes: Axes, dataset: NamedArrays) -> AxesImage:
    """Draw the correlation of the energies of all pairs of sets, sorted by frequency."""
    freq = dataset["freq_harmonic_thz"].values
    order = np.argsort(freq, kind="stable")
    matrix = dataset["energy_correlation"].values[np.ix_(order, order)]
    apart = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    known = apart[np.isfinite(apart)]
    limit = max(float(np.quantile(known, _SHOWN)) if known.size else 0.0, 1e-3)
    image = axes.imshow(
        matrix,
        vmin=-limit,
        vmax=limit,
        cmap="RdBu_r",
        origin="lower",
        interpolation="none",
        alpha=np.where(np.abs(matrix) < _NOISE, _PALE, 1.0),
    )
    inches = axes.get_window_extent().width / axes.figure.dpi
    count = min(len(order), max(2, int(inches / _PER_NUMBER)))
    shown = np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(shown, [f"{freq[order[k]]:.1f}" for k in shown])
        axis.set_label_text("Frequency of the set (THz)")
    return image
