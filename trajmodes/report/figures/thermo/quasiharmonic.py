"""Free energy by volume, and equilibrium properties by temperature."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    GREY,
    branch_colours,
    figure_of_panels,
    legend_above,
    letter_panels,
    line_entry,
    new_figure,
    sem_of,
)
from trajmodes.report.figures.thermo.gruneisen import draw_along_path, gruneisen_limits

_CURVES = 6
"""Temperatures at which F(V) is drawn."""
_MOST_PRESSURES = 6
_SHADE = 0.25
_DASHED, _DOTTED = (0, (4, 2)), (0, (1, 1.5))
_AXES = ("normal to the axis", "along it")
_MODULI = ("K at constant T", "at constant S")
_CAPACITIES = (r"C$_\mathrm{p}$", r"C$_\mathrm{V}$")
"""What the solid and the dashed lines of a panel are."""


def draw_quasiharmonic(dataset: NamedArrays) -> Figure:
    """Draw F(V), volume, thermal expansion, moduli, heat capacities, Grüneisen parameter."""
    places = [(0.075 + 0.337 * k, foot, 0.24, 0.335) for foot in (0.57, 0.09) for k in range(3)]
    panels = (
        cells_panel if "qha_ratio" in dataset else free_energy_panel,
        *(volume_panel, expansion_panel, modulus_panel, capacity_panel, gruneisen_panel),
    )
    return figure_of_panels(5.2, places, panels, dataset)


def draw_axes(dataset: NamedArrays) -> Figure:
    """Draw a, c, c/a and the linear thermal expansions of a uniaxial crystal."""
    figure = new_figure(4.6)
    places = [(0.1 + 0.5 * k, foot) for foot in (0.57, 0.1) for k in range(2)]
    panels = [figure.add_axes((left, foot, 0.375, 0.34)) for left, foot in places]
    length_panel(panels[0], dataset, 0)
    length_panel(panels[1], dataset, 2)
    ratio_panel(panels[2], dataset)
    axial_expansion_panel(panels[3], dataset)
    if handles := pressure_entries(dataset):
        legend_above(panels[0], handles, ncols=3, columnspacing=0.7, handletextpad=0.4)
    letter_panels(panels)
    return figure


def lengths_of(_dataset: NamedArrays) -> tuple[int, int]:
    """Return the vectors a and c, which `length_panel` draws."""
    return 0, 2


def length_panel(axes: Axes, dataset: NamedArrays, vector: int) -> None:
    """Draw the length of a vector of a uniaxial crystal by temperature."""
    kelvin = dataset["qha_temperature"].values
    values, sem = dataset["qha_length"].values, sem_of(dataset, "qha_length")
    for p, colour in enumerate(branch_colours(min(len(values), _MOST_PRESSURES))):
        axes.plot(kelvin, values[p, :, vector], color=colour, linewidth=1.1)
        if sem is not None:
            _band(axes, kelvin, values[p, :, vector], 2.0 * sem[p, :, vector], colour)
    _temperature_axis(axes, kelvin)
    axes.set_ylabel(f"{'abc'[vector]} (Å)")


def ratio_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw c/a by temperature."""
    _by_pressure(axes, dataset, "qha_ratio")
    axes.set_ylabel("c/a")


def axial_expansion_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the linear thermal expansions of a uniaxial crystal."""
    _by_pressure(axes, dataset, "qha_expansion_a", scale=1e6)
    _by_pressure(axes, dataset, "qha_expansion_c", scale=1e6, dashed=True)
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.set_ylabel("α (10⁻⁶/K)")
    kinds = _kinds(*_AXES)
    legend_above(axes, kinds, ncols=2, columnspacing=0.7, handletextpad=0.4)


def draw_mode_gruneisen(dataset: NamedArrays) -> Figure:
    """Draw the Grüneisen parameters of all branches along the band path."""
    figure = new_figure(3.3)
    axes = figure.add_axes((0.085, 0.1, 0.89, 0.78))
    draw_along_path(axes, dataset)
    axes.axhline(0.0, color=GREY, linewidth=0.7, zorder=1)
    low, high = gruneisen_limits(dataset)
    sem = sem_of(dataset, "band_gruneisen")
    room = 0.0 if sem is None else 2.0 * float(np.nanmedian(sem))
    axes.set_ylim(low - room, high + room)
    axes.set_title("from the change of D(q) with volume; branches from low to high")
    return figure


def free_energy_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw F by volume at some temperatures, and the minima at the first pressure."""
    kelvin, volumes = dataset["qha_temperature"].values, dataset["qha_run_volume"].values
    free = 1e3 * dataset["qha_run_free_energy"].values / dataset.sizes["site"]
    lowest = free.min()
    chosen = np.unique(np.linspace(0, len(kelvin) - 1, _CURVES).round().astype(int))
    for t, colour in zip(chosen.tolist(), branch_colours(len(chosen)), strict=True):
        axes.plot(
            *(volumes, free[:, t] - lowest), color=colour, marker="o", markersize=2.8,
            linewidth=0.9, label=f"{kelvin[t]:g} K",
        )  # fmt: skip
    place = dataset["qha_volume"].values[0]
    depth = 1e3 * dataset["qha_free_energy"].values[0] / dataset.sizes["site"] - lowest
    axes.plot(place, depth, color=BLACK, linestyle=_DASHED, linewidth=1.0)
    axes.set(xlabel="Volume of a primitive cell (Å³)", ylabel="F per atom (meV)")
    axes.text(0.5, 0.97, "dashed: equilibrium", transform=axes.transAxes, ha="center", va="top")
    axes.margins(y=0.12)
    legend_above(axes, ncols=3, columnspacing=0.7, handlelength=1.0, handletextpad=0.4)


def cells_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the cells in the plane of a and c, and the equilibrium at the first pressure."""
    a, _, c = dataset["qha_run_length"].values.T
    axes.plot(a, c, color=GREY, marker="o", markersize=3.0, linestyle="none")
    own_a, _, own_c = dataset["qha_length"].values[0].T
    axes.plot(own_a, own_c, color=BLACK, linewidth=1.2)
    kelvin = dataset["qha_temperature"].values
    ends = np.unique([0, len(kelvin) - 1])
    for t, colour in zip(ends.tolist(), branch_colours(len(ends)), strict=True):
        axes.plot(
            *(own_a[t], own_c[t]), color=colour, marker="o", markersize=4.0, linestyle="none",
            label=f"{kelvin[t]:g} K",
        )  # fmt: skip
    axes.set(xlabel="a (Å)", ylabel="c (Å)")
    axes.margins(0.1)
    legend_above(axes, ncols=2, columnspacing=0.7, handletextpad=0.4)


def volume_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the equilibrium volume, and that of the other equations of state."""
    _by_pressure(axes, dataset, "qha_volume")
    kelvin, others = dataset["qha_temperature"].values, dataset["equation_volume"].values[1:]
    for other in others:
        axes.plot(kelvin, other[0], color=GREY, linestyle=_DOTTED, linewidth=1.0)
    axes.set_ylabel("Volume (Å³)")
    handles = [line_entry("other forms of F", GREY, linestyle=_DOTTED)] if len(others) else []
    handles += pressure_entries(dataset)
    if handles:
        legend_above(axes, handles, ncols=2, columnspacing=0.7, handletextpad=0.4)


def expansion_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the linear thermal expansion, and that of third-order force constants."""
    _by_pressure(axes, dataset, "qha_expansion", scale=1e6)
    if "qha_expansion_phi3" in dataset:
        kelvin = dataset["qha_temperature"].values
        third = 1e6 * dataset["qha_expansion_phi3"].values
        axes.plot(kelvin, third, color=GREY, linestyle=_DASHED, label="third order")
        axes.legend(loc="lower right")
    axes.axhline(0.0, color=GREY, linewidth=0.6)
    axes.set_ylabel("α (10⁻⁶/K)")


def modulus_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the bulk modulus, isothermal and adiabatic."""
    _by_pressure(axes, dataset, "qha_modulus_gpa")
    _by_pressure(axes, dataset, "qha_adiabatic_modulus_gpa", dashed=True)
    axes.set_ylabel("Bulk modulus (GPa)")
    axes.legend(handles=_kinds(*_MODULI), loc="lower left")


def capacity_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the heat capacity, at constant pressure and volume, per atom."""
    scale = 1.0 / dataset.sizes["site"]
    _by_pressure(axes, dataset, "qha_capacity_p_kb", scale=scale)
    _by_pressure(axes, dataset, "qha_capacity_v_kb", scale=scale, dashed=True)
    axes.axhline(3.0, color=GREY, linewidth=0.6)
    axes.set_ylabel(r"Per atom (k$_\mathrm{B}$)")
    axes.set_ylim(bottom=0.0)
    axes.legend(handles=_kinds(*_CAPACITIES), loc="lower right")


def gruneisen_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the thermodynamic Grüneisen parameter."""
    _by_pressure(axes, dataset, "qha_gruneisen")
    known = dataset["qha_gruneisen"].values
    known = known[np.isfinite(known)]
    if known.size:
        # At the lowest temperatures errors diverge.
        middle = float(np.median(known))
        reach = 1.3 * float(np.quantile(np.abs(known - middle), 0.95)) + 0.1 * abs(middle)
        sem = sem_of(dataset, "qha_gruneisen")
        reach += 0.0 if sem is None else 2.5 * float(np.nanmedian(sem))
        axes.set_ylim(middle - reach, middle + reach)
    axes.set_ylabel("Grüneisen parameter γ")


def _by_pressure(
    axes: Axes, dataset: NamedArrays, name: str, *, scale: float = 1.0, dashed: bool = False
) -> None:
    """Draw a line for each pressure with a band of ±2 standard errors, where known."""
    kelvin, values = dataset["qha_temperature"].values, scale * dataset[name].values
    sem, shown = sem_of(dataset, name), min(len(values), _MOST_PRESSURES)
    style = _DASHED if dashed else "solid"
    for p, colour in enumerate(branch_colours(shown)):
        axes.plot(kelvin, values[p], color=colour, linestyle=style, linewidth=1.1)
        if sem is not None:
            _band(axes, kelvin, values[p], 2.0 * scale * sem[p], colour)
    _temperature_axis(axes, kelvin)


def _temperature_axis(axes: Axes, kelvin: Floats) -> None:
    axes.set(xlabel="Temperature (K)")
    if len(kelvin) > 1:
        axes.set_xlim(kelvin[0], kelvin[-1])


def pressure_entries(dataset: NamedArrays) -> list[Line2D]:
    """Entries of a legend of pressures, where there are several."""
    pressures = dataset["pressure_gpa"].values[:_MOST_PRESSURES]
    if len(pressures) < 2:
        return []
    return [
        line_entry(f"{pressure:g} GPa", colour)
        for pressure, colour in zip(pressures, branch_colours(len(pressures)), strict=True)
    ]


def _band(axes: Axes, place: Floats, value: Floats, half: Floats, colour: str) -> None:
    low, high = value - half, value + half
    axes.fill_between(place, low, high, color=colour, alpha=_SHADE, linewidth=0)


def _kinds(solid: str, dashed: str) -> list[Line2D]:
    return [line_entry(solid, BLACK), line_entry(dashed, BLACK, linestyle=_DASHED)]


def expansion_entries(dataset: NamedArrays) -> list[Line2D]:
    """Entries of the legend of `expansion_panel` alone."""
    third = [line_entry("third order", GREY, linestyle=_DASHED)]
    return [*third * ("qha_expansion_phi3" in dataset), *pressure_entries(dataset)]


def modulus_entries(dataset: NamedArrays) -> list[Line2D]:
    """Entries of the legend of `modulus_panel` alone."""
    return [*_kinds(*_MODULI), *pressure_entries(dataset)]


def capacity_entries(dataset: NamedArrays) -> list[Line2D]:
    """Entries of the legend of `capacity_panel` alone."""
    return [*_kinds(*_CAPACITIES), *pressure_entries(dataset)]


def axial_entries(dataset: NamedArrays) -> list[Line2D]:
    """Entries of the legend of `axial_expansion_panel` alone."""
    return [*_kinds(*_AXES), *pressure_entries(dataset)]


def draw_phases(dataset: NamedArrays) -> Figure:
    """Draw the difference of the Gibbs free energies of two phases by temperature."""
    figure = new_figure(3.3)
    phases_panel(figure.add_axes((0.09, 0.13, 0.88, 0.74)), dataset)
    return figure


def phases_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the difference of the Gibbs free energies of two phases."""
    kelvin = dataset["qha_temperature"].values
    pressures = dataset["pressure_gpa"].values[:_MOST_PRESSURES]
    for p, colour in enumerate(branch_colours(len(pressures))):
        value, sem = (1e3 * dataset[f"phase_difference{end}"].values[p] for end in ("", "_sem"))
        axes.plot(kelvin, value, color=colour, label=f"{pressures[p]:g} GPa")
        _band(axes, kelvin, value, 2.0 * sem, colour)
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    first, second = dataset["phase"].values.tolist()
    axes.set(xlabel="Temperature (K)", xlim=(kelvin[0], kelvin[-1]))
    axes.set_ylabel("ΔG per atom (meV)")
    axes.set_title(f"ΔG = G({first}) − G({second})", pad=4.0)
    axes.legend(loc="best")
