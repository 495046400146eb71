"""The quasiharmonic crystal of a potential by temperature, schemes beside each other."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Floats
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
_MOST_PRESSURES = 6


def draw_minimised(dataset: NamedArrays) -> Figure:
    """Draw lattice parameters, thermal expansion, moduli, heat capacities and γ."""
    figure = new_figure(5.2)
    places = [(0.095 + 0.33 * k, foot) for foot in (0.54, 0.09) for k in range(3)]
    panels = [figure.add_axes((left, foot, 0.225, 0.35)) for left, foot in places]
    length_panel(panels[0], dataset, 0)
    length_panel(panels[1], dataset, _other_vector(dataset))
    _panel(panels[2], dataset, "minimum_volume_expansion", "β (10⁻⁶/K)", 1e6)
    _panel(panels[3], dataset, "minimum_modulus_gpa", "K$_T$ (GPa)")
    _panel(panels[4], dataset, "minimum_capacity_p_kb", "C$_P$ of a primitive cell (k$_B$)")
    _panel(panels[5], dataset, "minimum_gruneisen", "γ")
    letter_panels(panels)
    entries = [
        line_entry(str(name), BLACK, linestyle=style)
        for name, style in zip(dataset["scheme"].values, _STYLES, strict=False)
    ]
    pressures = dataset["pressure_gpa"].values[:_MOST_PRESSURES]
    if len(pressures) > 1:
        colours = branch_colours(len(pressures))
        entries += [
            line_entry(f"{x:g} GPa", colour)
            for x, colour in zip(pressures, colours, strict=True)
        ]
    if "compared_volume" in dataset:
        entries.append(marker_entry("compared", GREY, markersize=3.5))
    figure.legend(handles=entries, loc="upper right", ncols=8, borderaxespad=0.2)
    return figure


def length_panel(axes: Axes, dataset: NamedArrays, vector: int | None) -> None:
    """Draw the length of a vector of the conventional cell, or the volume, with others."""
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
        axes.plot(at, other, "o", color=GREY, markersize=3.5, zorder=3)


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
    """Draw values (scheme, pressure, temperature), with a mark where a ramp ended."""
    kelvin = dataset["qha_temperature"].values
    shown = min(values.shape[1], _MOST_PRESSURES)
    colours = branch_colours(shown) if shown > 1 else [BLACK]
    for n, p in np.ndindex(min(len(values), len(_STYLES)), shown):
        axes.plot(kelvin, values[n, p], color=colours[p], linestyle=_STYLES[n], linewidth=1.1)
        known = np.flatnonzero(np.isfinite(values[n, p]))
        if len(known) > 0 and known[-1] < len(kelvin) - 1:
            last = known[-1]
            axes.plot(kelvin[last], values[n, p, last], "x", color=colours[p], markersize=5.0)
    axes.set_xlabel("Temperature (K)")
    if len(kelvin) > 1:
        axes.set_xlim(kelvin[0], kelvin[-1])
