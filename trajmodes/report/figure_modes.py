"""Linewidths, lifetimes and temperatures of all modes against their frequency."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Bools, Floats
from trajmodes.data import Verdict
from trajmodes.report.equipartition import equipartition_of
from trajmodes.report.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    log_axis,
    new_figure,
    panel_letter,
)
from trajmodes.report.tables import PERTURBATIVE, Table, table_of
from trajmodes.report.wording import mesh_of, plus_minus

__all__ = ["draw_linewidths", "draw_temperatures", "linewidths_data", "temperatures_data"]


_HANN_WIDTH = 1.4405826
"""Full width at half maximum that a segment gives to a line of no width, in units of one over
its length: that of the power response of the Hann window."""


def draw_linewidths(dataset: xr.Dataset) -> Figure:
    """Draw linewidth and lifetime of every set; what is not resolved is shown as a limit.

    Those of perturbation theory stand beside those of the run.

    Parameters
    ----------
    dataset
        Results with line fits, with perturbative linewidths, or with both.
    """
    both = "resolved" in dataset and "linewidth_phi3_classical_thz" in dataset
    height = 3.45 if both else 3.3
    figure = new_figure(height)
    place = (0.135 * 3.3 / height, 0.725 * 3.3 / height)
    width_axes = figure.add_axes((0.1, place[0], 0.385, place[1]))
    life_axes = figure.add_axes((0.605, place[0], 0.385, place[1]))
    for axes, name in ((width_axes, "linewidth"), (life_axes, "lifetime")):
        shown = []
        if "linewidth_phi3_classical_thz" in dataset:
            shown += _perturbative(axes, dataset, name)
        if "resolved" in dataset:
            shown += _of_the_run(axes, dataset, name)
        _show_from(axes, np.concatenate(shown))
        axes.set_xlim(left=0.0)
        axes.set_xlabel("Frequency (THz)")
    width_axes.set_ylabel("Linewidth, FWHM (THz)")
    life_axes.set_ylabel("Lifetime, 1/(2π FWHM) (ps)")
    panel_letter(width_axes, "a")
    panel_letter(life_axes, "b")
    handles, labels = width_axes.get_legend_handles_labels()
    # Error bars come last in matplotlib's own order.
    figure.legend(handles[::-1], labels[::-1], loc="upper center", ncols=3, columnspacing=1.8)
    return figure


_UNITS = {"linewidth": "thz", "lifetime": "ps"}


def _of_the_run(axes: Axes, dataset: xr.Dataset, what: str) -> list[Floats]:
    """Draw what the spectra gave; tell the values that must be seen."""
    name, limit = f"{what}_{_UNITS[what]}", _width_limit(dataset)
    arrow = (0, -9)
    if what == "lifetime":
        limit, arrow = 1.0 / (2.0 * np.pi * limit), (0, 9)
    resolved = dataset["resolved"].values.astype(bool)
    narrow = dataset["verdict"].values == str(Verdict.TOO_NARROW)
    _measured(axes, dataset, name, resolved)
    _limits(axes, dataset, limit, arrow, narrow)
    _without(axes, dataset, ~resolved & ~narrow)
    value, sem = dataset[name].values, dataset[f"{name}_sem"].values
    known = limit if narrow.any() else np.nan
    shown = np.concatenate([value, value + sem, value - sem])
    return [shown[shown > 0.1 * np.nan_to_num(known)], np.array([known])]


def _perturbative(axes: Axes, dataset: xr.Dataset, what: str) -> list[Floats]:
    """Draw what three-phonon scattering gives; tell the values that must be seen."""
    shown = []
    mesh = mesh_of(dataset["phi3_mesh"].values)
    for kind, face, told in (
        ("quantum", "white", "Φ3, quantum"),
        ("classical", GREEN, f"Φ3, classical, mesh {mesh}"),
    ):
        value = dataset[f"{what}_phi3_{kind}_{_UNITS[what]}"].values
        axes.plot(
            dataset["freq_harmonic_thz"].values,
            np.where(value > 0.0, value, np.nan),
            linestyle="none",
            marker="D",
            color=GREEN,
            markerfacecolor=face,
            markeredgewidth=0.6,
            markersize=3.2,
            label=told,
            zorder=1.5,
        )
        shown.append(value)
    return shown


def _show_from(axes: Axes, shown: Floats) -> None:
    """Limits of the vertical axis with room on both sides of all that is shown."""
    shown = shown[np.isfinite(shown) & (shown > 0.0)]
    if shown.size:
        log_axis(axes, shown.min() / 1.35, shown.max() * 1.35)


def _width_limit(dataset: xr.Dataset) -> float:
    """Twice the resolution in THz: the narrowest line that counts as resolved."""
    return 2.0 * _HANN_WIDTH / float(dataset["segment_frames"] * dataset["interval_ps"])


def _measured(axes: Axes, dataset: xr.Dataset, name: str, shown: Bools) -> None:
    if not shown.any():
        return
    axes.errorbar(
        dataset["freq_spectrum_thz"].values[shown],
        dataset[name].values[shown],
        yerr=_below(dataset[name].values[shown], dataset[f"{name}_sem"].values[shown]),
        xerr=dataset["freq_spectrum_thz_sem"].values[shown],
        fmt="o",
        color=BLUE,
        ecolor=BLUE,
        elinewidth=0.8,
        markersize=3.6,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label=f"resolved ({shown.sum()})",
    )


def _below(value: Floats, sem: Floats) -> Floats:
    """(2, n) lengths of error bars that stay above zero on a logarithmic axis."""
    return np.stack([np.minimum(sem, 0.9 * value), sem])


def _limits(
    axes: Axes, dataset: xr.Dataset, limit: float, arrow: tuple[int, int], shown: Bools
) -> None:
    """Draw an arrow from the limit towards where the value must lie."""
    if not shown.any():
        return
    place = np.maximum(dataset["freq_harmonic_thz"].values[shown], 0.0)
    axes.plot(
        place,
        np.full(len(place), limit),
        linestyle="none",
        marker="v" if arrow[1] < 0 else "^",
        color=ORANGE,
        markersize=4.5,
        markerfacecolor="white",
        label=f"limit, narrower than resolved ({len(place)})",
    )
    axes.axhline(limit, color=ORANGE, linewidth=0.6, linestyle=(0, (1, 2)))


def _without(axes: Axes, dataset: xr.Dataset, shown: Bools) -> None:
    """Ticks on the axis where a mode has no width at all."""
    if not shown.any():
        return
    place = np.maximum(dataset["freq_harmonic_thz"].values[shown], 0.0)
    axes.plot(
        place,
        np.full(len(place), 0.025),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="|",
        color=RED,
        markersize=7.0,
        label=f"no single line ({len(place)})",
    )


def linewidths_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results with line fits.
    """
    title = "Linewidths and lifetimes of the sets of modes"
    if "resolved" in dataset:
        floor = _width_limit(dataset)
        title += f"; lines that are too narrow have less than {floor:.4g} THz"
    names = [
        *("set", "set_q", "branch_first", "branch_last", "freq_harmonic_thz"),
        *("freq_spectrum_thz", "linewidth_thz", "lifetime_ps", "verdict", *PERTURBATIVE),
    ]
    return {"linewidths.csv": table_of(dataset, title, names)}


def draw_temperatures(dataset: xr.Dataset) -> Figure:
    """Draw the temperature of every set, and how the deviations are distributed.

    Parameters
    ----------
    dataset
        Results with mode energies.
    """
    figure = new_figure(3.2)
    axes = figure.add_axes((0.085, 0.14, 0.575, 0.77))
    side = figure.add_axes((0.745, 0.14, 0.245, 0.77))
    freq = dataset["freq_harmonic_thz"].values
    value, sem = (dataset[n].values for n in ("mode_temperature", "mode_temperature_sem"))
    mean, mean_sem = float(dataset["temperature"]), float(dataset["temperature_sem"])
    axes.errorbar(
        freq,
        value,
        yerr=sem,
        fmt="o",
        color=BLUE,
        elinewidth=0.8,
        markersize=3.6,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label="set of modes",
    )
    axes.axhspan(mean - mean_sem, mean + mean_sem, color=RED, alpha=0.25, linewidth=0)
    axes.axhline(mean, color=RED, label=f"whole run, {plus_minus(mean, mean_sem)} K")
    axes.set(xlabel="Frequency (THz)", ylabel="Mode temperature, 2⟨K⟩/k$_B$ (K)")
    reach = 1.18 * float(np.nanmax(np.abs(value - mean) + np.nan_to_num(sem)))
    axes.set_ylim(mean - reach, mean + reach)
    axes.set_xlim(left=min(0.0, float(freq.min()) - 0.5))
    axes.legend(loc="upper right", ncols=2, borderaxespad=0.3, columnspacing=1.2)
    _deviations(side, (value - mean) / np.where(sem > 0.0, sem, np.nan))
    test = equipartition_of(dataset)
    if test is not None:
        axes.set_title(
            f"Equipartition {test.verdict}: χ² = {test.chi_squared:.0f} for {test.freedom}, "
            f"p = {test.probability:.2g}"
        )
    panel_letter(axes, "a")
    panel_letter(side, "b")
    return figure


def _deviations(axes: Axes, sigmas: Floats) -> None:
    known = sigmas[np.isfinite(sigmas)]
    edges = np.linspace(-5.0, 5.0, 21)
    shown = np.clip(known, -4.99, 4.99)
    axes.hist(shown, edges.tolist(), density=True, color=BLUE, edgecolor="white", label="sets")
    normal = np.linspace(-5.0, 5.0, 201)
    axes.plot(
        normal,
        np.exp(-0.5 * normal**2) / np.sqrt(2.0 * np.pi),
        color=BLACK,
        label="normal",
    )
    axes.set(xlabel="Deviation / error bar", ylabel="Density", xlim=(-5.0, 5.0))
    axes.margins(y=0.3)
    axes.tick_params(top=False)
    axes.axvline(0.0, color=GREY, linewidth=0.6)
    axes.legend(loc="upper right", borderaxespad=0.3)


def temperatures_data(dataset: xr.Dataset) -> dict[str, Table]:
    """Tell the data of the figure, by the name of the file.

    Parameters
    ----------
    dataset
        Results with mode energies.
    """
    mean, sem = float(dataset["temperature"]), float(dataset["temperature_sem"])
    title = f"Temperatures of the sets of modes; the whole run has {plus_minus(mean, sem)} K"
    names = [
        *("set", "set_q", "branch_first", "branch_last", "members", "freq_harmonic_thz"),
        "mode_temperature",
    ]
    return {"temperatures.csv": table_of(dataset, title, names)}
