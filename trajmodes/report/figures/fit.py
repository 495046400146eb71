"""The fit: force constants of each order by distance, residuals, convergence with the run."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    RED,
    legend_above,
    letter_panels,
    log_axis_around,
    marker_entry,
    new_figure,
    points,
    sem_of,
)
from trajmodes.report.numbers import order_name


def draw_fit(dataset: NamedArrays) -> Figure:
    """Draw second-order force constants by shell, and convergence with the run length."""
    figure = new_figure(3.3)
    has_convergence = "run_fraction" in dataset
    axes = figure.add_axes((0.085, 0.135, 0.395 if has_convergence else 0.9, 0.775))
    shells_panel(axes, dataset)
    if has_convergence:
        side = figure.add_axes((0.575, 0.135, 0.335, 0.775))
        convergence_panel(side, dataset)
    letter_panels(figure.axes[:2])
    if "r_squared" in dataset:
        axes.set_title(
            f"R² = {float(dataset['r_squared']):.5f}, rms residual "
            f"{float(dataset['rms_residual']):.3g} of {float(dataset['rms_force']):.3g} eV/Å",
            fontsize=8.0,
        )
    return figure


def shells_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the rms force constants of the neighbour shells against distance."""
    distance, norm = dataset["shell_distance"].values, dataset["shell_norm"].values
    sem, kinds = sem_of(dataset, "shell_norm"), dataset["shell_species"].values
    for k, kind in enumerate(dict.fromkeys(kinds.tolist())):
        shown = (kinds == kind) & (norm > 0.0)
        points(
            axes,
            distance[shown],
            norm[shown],
            None if sem is None else sem[shown],
            above_zero=True,
            marker="os^Dv"[k % 5],
            color=COLOURS[k % len(COLOURS)],
            label=kind,
        )
    log_axis_around(axes, norm, 3.0, 3.0)
    axes.set_xlim(0.0, 1.06 * distance.max())
    axes.set(xlabel="Distance (Å)", ylabel="Second order, rms |Φ| (eV/Å²)")
    title = "without the dipole–dipole part" if "born_charge" in dataset else None
    axes.legend(loc="upper right", borderaxespad=0.3, title=title)


def convergence_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the change of parameters and frequencies if a part of the run is fitted."""
    # Without the full run, whose change is zero by definition.
    part = dataset["run_fraction"].values[:-1]
    change = dataset["fit_change"].values[:-1]
    axes.plot(part, 100.0 * change, "o-", color=BLUE, label="parameters (%)")
    axes.set(xlabel="Part of the run", ylabel="Change of the parameters (%)", xlim=(0.0, 1.03))
    axes.yaxis.label.set_color(BLUE)
    axes.set_ylim(bottom=0.0)
    if "fit_freq_change_thz" in dataset:
        twin = axes.twinx()
        twin.plot(part, dataset["fit_freq_change_thz"].values[:-1], "s--", color=RED)
        twin.set_ylabel("Change of the frequencies, rms (THz)", color=RED)
        twin.set_ylim(bottom=0.0)
        axes.tick_params(right=False)
        twin.tick_params(left=False, top=False)
    axes.set_title("relative to the fit of the full run")


_Panel = Callable[[Axes, NamedArrays], None]
_COLOURS = {2: BLUE, 3: ORANGE, 4: GREEN}
_MARKERS = {2: "o", 3: "s", 4: "^"}
_CLUSTERS = {
    "triplet": "Third order, rms |Φ| (eV/Å³)",
    "quartet": "Fourth order, rms |Φ| (eV/Å⁴)",
}
_ROUNDING = 1e-6
"""Norms below this part of the largest are zero by symmetry."""
_MARKER, _POINTS_PER_INCH = 6.0, 72.0
"""Width of a marker with a margin, in points."""
_LEGEND_COLUMNS = 3
_MOST_KINDS = 5
"""Combinations of species with a colour of their own."""


def draw_orders(dataset: NamedArrays) -> Figure:
    """Draw higher-order force constants by distance, and residuals and convergence by order."""
    names = [name for name in _CLUSTERS if f"{name}_shell_norm" in dataset]
    upper = [_CLUSTER_PANELS[name] for name in names]
    lower: list[_Panel] = []
    if dataset.sizes.get("order", 0) > 1:
        lower.append(residuals_panel)
    if "fit_order_change" in dataset and dataset.sizes["run_part"] > 1:
        lower.append(order_convergence_panel)
    rows = [row for row in (upper, lower) if row]
    n_lines = max(-(-len(_cluster_handles(dataset, name)) // _LEGEND_COLUMNS) for name in names)
    height = 2.95 * len(rows) + 0.1 + 0.18 * (n_lines - 1)
    figure = new_figure(height)
    for k, row in enumerate(rows):
        foot = 0.45 + 2.95 * (len(rows) - 1 - k)
        wide = (0.895, 0.385)[len(row) - 1]
        for column, panel in enumerate(row):
            place = (0.085 + 0.51 * column, foot / height, wide, 2.25 / height)
            axes = figure.add_axes(place)
            panel(axes, dataset)
    letter_panels(figure.axes)
    return figure


def triplets_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw third-order force constants against the largest distance in a triplet."""
    _draw_clusters(axes, dataset, "triplet")


def quartets_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw fourth-order force constants against the largest distance in a quartet."""
    _draw_clusters(axes, dataset, "quartet")


_CLUSTER_PANELS: dict[str, _Panel] = {"triplet": triplets_panel, "quartet": quartets_panel}


def _draw_clusters(axes: Axes, dataset: NamedArrays, name: str) -> None:
    shell = f"{name}_shell"
    longest, norm = (dataset[f"{shell}_{part}"].values for part in ("longest", "norm"))
    sem = sem_of(dataset, f"{shell}_norm")
    kinds, atoms = dataset[f"{shell}_species"].values, _atoms(dataset, name)
    colour, nonzero = _colours_of(kinds, norm), _is_nonzero(norm)
    log_axis_around(axes, norm[nonzero], 3.0, 3.0)
    axes.set_xlim(0.85 * longest.min(), 1.05 * longest.max())
    place = _side_by_side(axes, longest, norm, nonzero)
    for kind, number in sorted(set(zip(kinds.tolist(), atoms.tolist(), strict=True))):
        shown = (kinds == kind) & (atoms == number) & nonzero
        points(
            axes,
            place[shown],
            norm[shown],
            None if sem is None else sem[shown],
            above_zero=True,
            marker=_MARKERS[number],
            color=colour.get(kind, GREY),
        )
    axes.set(xlabel="Largest distance between two members (Å)", ylabel=_CLUSTERS[name])
    handles = _cluster_handles(dataset, name)
    look = {"columnspacing": 1.2, "handletextpad": 0.3}
    legend_above(axes, handles, ncols=_LEGEND_COLUMNS, **look)


def _cluster_handles(dataset: NamedArrays, name: str) -> list[Line2D]:
    """Legend entries: a colour for each species, a marker for each number of atoms."""
    norm = dataset[f"{name}_shell_norm"].values
    colour = _colours_of(dataset[f"{name}_shell_species"].values, norm)
    nonzero = _is_nonzero(norm)
    kinds = dataset[f"{name}_shell_species"].values[nonzero]
    atoms = _atoms(dataset, name)[nonzero]
    handles = [marker_entry(kind, shade) for kind, shade in colour.items() if kind in kinds]
    if set(kinds.tolist()) - set(colour):
        handles.append(marker_entry("others", GREY))
    return handles + [
        marker_entry(f"{number} atoms", BLACK, _MARKERS[number], markerfacecolor="white")
        for number in sorted(set(atoms.tolist()))
    ]


def _is_nonzero(norm: Floats) -> Bools:
    """Whether norms are not zero by symmetry, up to rounding."""
    nonzero: Bools = norm > _ROUNDING * norm.max()
    return nonzero


def _side_by_side(axes: Axes, longest: Floats, norm: Floats, shown: Bools) -> Floats:
    """(h,) distance at which each shell is drawn; overlapping markers are moved apart."""
    size = np.array(axes.bbox.size) / axes.figure.dpi * _POINTS_PER_INCH
    (left, right), (low, high) = axes.get_xlim(), np.log10(axes.get_ylim())
    step, touch = _MARKER * (right - left) / size[0], _MARKER * (high - low) / size[1]
    level = np.log10(np.where(shown, norm, 1.0))
    place = longest.astype(float)
    waiting = sorted(np.flatnonzero(shown).tolist(), key=lambda h: float(level[h]))
    while waiting:
        # Shells whose markers overlap, from the lowest norm upwards.
        group = [waiting.pop(0)]
        for h in list(waiting):
            near = abs(longest[h] - longest[group[-1]]) < step
            if near and level[h] - level[group[-1]] < touch:
                group.append(h)
                waiting.remove(h)
        place[group] += step * (np.arange(len(group)) - 0.5 * (len(group) - 1))
    return place


def _atoms(dataset: NamedArrays, name: str) -> Ints:
    """(h,) number of different atoms in the clusters of each shell."""
    sides = dataset[f"{name}_shell_distances"].values
    # Members of a cluster that repeat an atom are at distance zero.
    zeros, order = (sides == 0.0).sum(axis=1), 3 if name == "triplet" else 4
    return np.where(zeros < 2, order - zeros, 2)


def _colours_of(kinds: npt.NDArray[np.str_], norm: Floats) -> dict[str, str]:
    """Colours of the species with the largest force constants."""
    strongest = {
        kind: float(norm[kinds == kind].max()) for kind in dict.fromkeys(kinds.tolist())
    }
    ranked = sorted(strongest, key=lambda kind: -strongest[kind])
    return dict(zip(ranked[:_MOST_KINDS], COLOURS, strict=False))


def residuals_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the residual with all orders up to each one, in percent of the rms force."""
    scale = 100.0 / float(dataset["rms_force"])
    residual = scale * dataset["order_rms_residual"].values
    predicted = scale * dataset["order_rms_predicted"].values
    place = np.arange(len(residual))
    axes.plot(place, residual, "o-", color=BLUE, label="frames of the fit")
    if np.isfinite(predicted).any():
        axes.plot(
            *(place, predicted, "D"),
            color=ORANGE,
            markerfacecolor="none",
            markersize=7.0,
            label="frames left out",
        )
    log_axis_around(axes, np.concatenate([residual, predicted]), 1.6, 2.6)
    free_r2 = (dataset[f"order_{name}"].values for name in ("parameters", "r_squared"))
    for x, y, free, squared in zip(place, residual, *free_r2, strict=True):
        axes.annotate(
            f"{free} param.\nR² {squared:.5f}",
            (x, y),
            xytext=(8, 3),
            textcoords="offset points",
            fontsize=7.5,
        )
    names = [order_name(int(order)) for order in dataset["order"].values]
    axes.set_xticks(place, [names[0], *(f"+ {name}" for name in names[1:])])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.25, len(residual) - 0.1)
    axes.set_ylabel("rms residual over rms force (%)")
    axes.legend(loc="lower left", borderaxespad=0.3)


def order_convergence_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the change of the parameters of each order if a part of the run is fitted."""
    # Without the full run, whose change is zero by definition.
    part = dataset["run_fraction"].values[:-1]
    change = 100.0 * dataset["fit_order_change"].values[:-1]
    for k, order in enumerate(dataset["order"].values.tolist()):
        name, style = order_name(order), f"{_MARKERS[order]}-"
        axes.plot(part, change[:, k], style, color=_COLOURS[order], label=name)
    log_axis_around(axes, change, 1.5, 3.0)
    axes.set(xlabel="Part of the run", ylabel="Change from the full run (%)", xlim=(0.0, 1.03))
    axes.legend(loc="upper right", ncols=3, columnspacing=1.2, borderaxespad=0.3)
