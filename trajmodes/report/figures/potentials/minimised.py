"""The quasiharmonic crystal of a potential by temperature, schemes beside each other."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Bools, Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    GREY,
    branch_colours,
    letter_panels,
    line_entry,
    marker_entry,
    new_figure,
)

_STYLES = ("-", (0, (4, 2)), (0, (1, 1.5)))
"""Lines of the schemes."""
_MARKERS = ("o", "s", "^")
"""Markers of the schemes, at different temperatures: equal curves do not hide each other."""
_COMPARED = ("D", "v", "P")
"""Markers of compared results."""
_MOST_PRESSURES = 6


def draw_minimised(dataset: NamedArrays) -> Figure:
    """Draw lattice parameters, thermal expansion, moduli, heat capacities and γ."""
    figure = new_figure(5.2)
    places = [(0.095 + 0.33 * k, foot) for foot in (0.54, 0.09) for k in range(3)]
    panels = [figure.add_axes((left, foot, 0.225, 0.35)) for left, foot in places]
    for axes, vector in zip(panels, lengths_of(dataset), strict=False):
        length_panel(axes, dataset, vector)
    expansion_panel(panels[2], dataset)
    modulus_panel(panels[3], dataset)
    capacity_panel(panels[4], dataset)
    gruneisen_panel(panels[5], dataset)
    letter_panels(panels)
    figure.legend(handles=entries_of(dataset), loc="upper right", ncols=8, borderaxespad=0.2)
    return figure


def entries_of(dataset: NamedArrays) -> list[Line2D]:
    """Legend entries of schemes, pressures and compared results."""
    schemes = dataset["scheme"].values
    entries = [
        line_entry(
            str(name), BLACK, linestyle=style, marker=mark if len(schemes) > 1 else None,
            markersize=3.5, markerfacecolor="white",
        )
        for name, style, mark in zip(schemes, _STYLES, _MARKERS, strict=False)
    ]  # fmt: skip
    pressures = dataset["pressure_gpa"].values[:_MOST_PRESSURES]
    if len(pressures) > 1:
        colours = branch_colours(len(pressures))
        entries += [
            line_entry(f"{x:g} GPa", colour)
            for x, colour in zip(pressures, colours, strict=True)
        ]
    entries += [
        marker_entry(name, GREY, mark, markersize=3.5) for name, mark, _ in _others(dataset)
    ]
    return entries


def lengths_of(dataset: NamedArrays) -> list[int | None]:
    """Vectors of the conventional cell whose lengths are drawn; None is the volume."""
    return [0, _other_vector(dataset)]


def length_panel(axes: Axes, dataset: NamedArrays, vector: int | None) -> None:
    """Draw the length of a conventional cell vector, or the volume, beside other results."""
    if vector is None:
        _panel(axes, dataset, "minimum_volume", "V of a primitive cell (Å³)")
    else:
        _lines(axes, dataset, dataset["minimum_length"].values[..., vector])
        axes.set_ylabel(f"{'abc'[vector]} (Å)")
    if "compared_volume" in dataset:
        other = dataset["compared_volume"].values
        if vector is not None:
            other = dataset["compared_length"].values[:, vector]
        at = dataset["compared_temperature"].values
        for _, mark, own in _others(dataset):
            axes.plot(
                at[own],
                other[own],
                mark,
                color=GREY,
                markersize=3.5,
                linestyle="none",
                zorder=3,
            )


def _others(dataset: NamedArrays) -> list[tuple[str, str, Bools]]:
    """Label, marker and points of the compared results; more than three share one label."""
    if "compared_volume" not in dataset:
        return []
    name = dataset["compared_name"].values
    different = list(dict.fromkeys(name.tolist()))
    if len(different) > len(_COMPARED):
        return [("compared", _COMPARED[0], np.ones(len(name), dtype=bool))]
    return [(one, mark, name == one) for one, mark in zip(different, _COMPARED, strict=False)]


def expansion_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw α by direction, or β if all directions are equivalent."""
    tensor = 1e6 * np.diagonal(dataset["minimum_expansion"].values, axis1=-2, axis2=-1)
    known = tensor[np.isfinite(tensor[..., 0])]
    chosen = [
        k
        for k in range(3)
        if not any(np.allclose(known[:, k], known[:, j], atol=1e-6) for j in range(k))
    ]
    if len(chosen) == 1:
        _panel(axes, dataset, "minimum_volume_expansion", "β (10⁻⁶/K)", 1e6)
        return
    kelvin = dataset["qha_temperature"].values
    for k in chosen:
        _lines(axes, dataset, tensor[..., k])
        first = tensor[0, 0, :, k]
        last = np.flatnonzero(np.isfinite(first))
        if len(last) > 0:
            axes.annotate(
                "xyz"[k], (kelvin[last[-1]], first[last[-1]]), xytext=(4.0, 0.0),
                textcoords="offset points", va="center", fontsize=7.5, annotation_clip=False,
            )  # fmt: skip
    axes.set_ylabel("α (10⁻⁶/K)")


def modulus_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the isothermal bulk modulus."""
    _panel(axes, dataset, "minimum_modulus_gpa", "K$_T$ (GPa)")


def capacity_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the heat capacity at constant pressure."""
    _panel(axes, dataset, "minimum_capacity_p_kb", "C$_P$ of a primitive cell (k$_B$)")


def gruneisen_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the thermodynamic Grüneisen parameter."""
    _panel(axes, dataset, "minimum_gruneisen", "γ")


def _other_vector(dataset: NamedArrays) -> int | None:
    """Vector of another length than the first; None if all are equal."""
    lengths = dataset["minimum_length"].values.reshape(-1, 3)
    lengths = lengths[np.isfinite(lengths[:, 0])]
    different = [k for k in (2, 1) if not np.allclose(lengths[:, k], lengths[:, 0])]
    return different[0] if different else None


def _panel(
    axes: Axes, dataset: NamedArrays, name: str, label: str, factor: float = 1.0
) -> None:
    _lines(axes, dataset, factor * dataset[name].values)
    axes.set_ylabel(label)


def _lines(axes: Axes, dataset: NamedArrays, values: Floats) -> None:
    """Draw values (scheme, pressure, temperature), and mark where the minima end."""
    kelvin = dataset["qha_temperature"].values
    shown = min(values.shape[1], _MOST_PRESSURES)
    colours = branch_colours(shown) if shown > 1 else [BLACK]
    for n, p in np.ndindex(min(len(values), len(_STYLES)), shown):
        known = np.flatnonzero(np.isfinite(values[n, p]))
        apart = max(1, len(kelvin) // 6)
        axes.plot(
            kelvin, values[n, p], color=colours[p], linestyle=_STYLES[n], linewidth=1.1,
            marker=_MARKERS[n] if len(values) > 1 else None, markersize=3.5,
            markerfacecolor="white", markevery=(n * apart // len(values), apart),
        )  # fmt: skip
        if len(known) > 0 and known[-1] < len(kelvin) - 1:
            last = known[-1]
            axes.plot(kelvin[last], values[n, p, last], "x", color=colours[p], markersize=5.0)
    axes.set_xlabel("Temperature (K)")
    if len(kelvin) > 1:
        axes.set_xlim(kelvin[0], kelvin[-1])
