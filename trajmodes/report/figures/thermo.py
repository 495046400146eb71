"""Thermodynamic functions, density of states, and velocities of sound of force constants."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    RED,
    branch_colours,
    letter_panels,
    new_figure,
    sem_of,
)

_MOST_SITES = 6
"""With more sites the mean square displacements are those of the species."""
_SHADE = 0.25


def draw_thermo(dataset: NamedArrays) -> Figure:
    """Draw density of states, heat capacity, free energy and mean square displacements."""
    figure = new_figure(5.4)
    places = ((0.085, 0.585), (0.595, 0.585), (0.085, 0.085), (0.595, 0.085))
    panels = [figure.add_axes((left, foot, 0.385, 0.375)) for left, foot in places]
    states_panel(panels[0], dataset)
    capacity_panel(panels[1], dataset)
    energy_panel(panels[2], dataset)
    displacements_panel(panels[3], dataset)
    letter_panels(panels)
    return figure


def states_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the density of states, total and by species."""
    freq, total = dataset["dos_freq_thz"].values, dataset["dos"].values
    axes.fill_between(freq, total, color=BLACK, alpha=0.08, linewidth=0)
    _line(axes, freq, total, sem_of(dataset, "dos"), BLACK, "total")
    kinds, sem = dataset["element"].values.tolist(), sem_of(dataset, "dos_species")
    if len(kinds) > 1:
        for k, colour in enumerate(_colours(len(kinds))):
            error = None if sem is None else sem[k]
            _line(axes, freq, dataset["dos_species"].values[k], error, colour, kinds[k])
    axes.set(xlabel="Frequency (THz)", ylabel="States per cell (1/THz)")
    axes.set(xlim=(freq[0], freq[-1]), ylim=(0.0, 1.12 * float(total.max())))
    if freq[0] < 0.0:
        axes.axvline(0.0, color=GREY, linewidth=0.7)
        axes.set_xlabel("Frequency (THz), imaginary below 0")
    axes.legend(loc="upper left", borderaxespad=0.3)


def capacity_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw heat capacity and entropy, and the heat capacity of a Debye spectrum."""
    kelvin, n_sites = dataset["thermo_temperature"].values, dataset.sizes["site"]
    for name, colour, label in (
        ("capacity_kb", BLUE, r"C$_\mathrm{V}$"),
        ("entropy_kb", ORANGE, "S"),
    ):
        sem = sem_of(dataset, name)
        error = None if sem is None else sem / n_sites
        _line(axes, kelvin, dataset[name].values / n_sites, error, colour, label)
    debye = dataset["debye_capacity_kb"].values / n_sites
    place = int(np.flatnonzero(dataset["moment_order"].values == 2)[0])
    theta = float(dataset["debye_of_moment"].values[place])
    axes.plot(kelvin, debye, color=RED, linestyle=(0, (4, 2)), label=f"Debye, {theta:.0f} K")
    axes.axhline(3.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Temperature (K)", ylabel=r"Per atom (k$_\mathrm{B}$)", ylim=(0.0, None))
    axes.set_xlim(_span(kelvin))
    axes.legend(loc="lower right", borderaxespad=0.3)


def energy_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw free energy and energy of the phonons, quantum and classical."""
    kelvin, n_sites = dataset["thermo_temperature"].values, dataset.sizes["site"]
    scale = 1e3 / n_sites
    for name, colour, label in (("energy", GREEN, "U"), ("free_energy", BLUE, "F")):
        sem = sem_of(dataset, name)
        error = None if sem is None else scale * sem
        _line(axes, kelvin, scale * dataset[name].values, error, colour, label)
        classical = scale * dataset[f"{name}_classical"].values
        dashes = (0, (4, 2))
        axes.plot(
            kelvin, classical, color=colour, linestyle=dashes, label=f"{label}, classical"
        )
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Temperature (K)", ylabel="Per atom (meV)", xlim=_span(kelvin))
    axes.legend(loc="lower left", borderaxespad=0.3)


def displacements_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the mean square displacements, and those of the run where they are known."""
    kelvin, species = dataset["thermo_temperature"].values, dataset["species"].values
    isotropic = {
        name: np.einsum("tsxx->ts", dataset[name].values) / 3.0
        for name in ("u2", "u2_classical")
    }
    kinds = list(dict.fromkeys(species.tolist()))
    for name, colour in zip(kinds, _colours(len(kinds)), strict=True):
        own = species == name
        mean, classical = (
            isotropic[key][:, own].mean(axis=1) for key in ("u2", "u2_classical")
        )
        axes.plot(kelvin, mean, color=colour, label=name)
        axes.plot(kelvin, classical, color=colour, linestyle=(0, (4, 2)), linewidth=0.9)
        if "u2_measured" in dataset and "fit_temperature" in dataset:
            measured = np.einsum("sxx->s", dataset["u2_measured"].values)[own].mean() / 3.0
            axes.plot(
                float(dataset["fit_temperature"]), measured, color=colour, marker="o",
                linestyle="none", label=f"{name}, run",
            )  # fmt: skip
    axes.plot([], [], color=GREY, linestyle=(0, (4, 2)), linewidth=0.9, label="classical")
    axes.set(xlabel="Temperature (K)", ylabel="⟨u²⟩ along one direction (Å²)")
    axes.set(xlim=_span(kelvin), ylim=(0.0, None))
    axes.legend(loc="upper left", borderaxespad=0.3)


def draw_sound(dataset: NamedArrays) -> Figure:
    """Draw the velocities of sound in planes, as the distance from the centre."""
    planes = [str(one) for one in dataset["sound_plane"].values]
    figure = new_figure(3.0 if len(planes) > 1 else 4.2)
    velocity = np.where(
        dataset["sound_km_s"].values > 0.0, dataset["sound_km_s"].values, np.nan
    )
    angle = np.radians(dataset["sound_angle_deg"].values)
    top = 1.08 * float(np.nanmax(velocity, initial=1e-3))
    wide = 0.945 / len(planes)
    for k, plane in enumerate(planes):
        axes = figure.add_axes((0.065 + k * wide, 0.16, wide - 0.04, 0.68))
        axes.set_aspect("equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        axes.axhline(0.0, color=GREY, linewidth=0.5)
        axes.axvline(0.0, color=GREY, linewidth=0.5)
        for wave, colour in enumerate((GREEN, BLUE, RED)):
            speed = velocity[k, :, wave]
            label = ("slowest", "middle", "fastest")[wave]
            axes.plot(speed * np.cos(angle), speed * np.sin(angle), color=colour, label=label)
        axes.set(xlim=(-top, top), ylim=(-top, top))
        axes.set(xlabel=f"along {plane[0]} (km/s)", title=f"{plane} plane")
        axes.set_ylabel(f"along {plane[1]} (km/s)", labelpad=1.0)
        axes.tick_params(labelleft=k == 0)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right", ncols=3, borderaxespad=0.2)
    return figure


def _line(
    axes: Axes, place: Floats, value: Floats, sem: Floats | None, colour: str, label: str
) -> None:
    """Draw a line with a band of ±2 standard errors, where they are known."""
    axes.plot(place, value, color=colour, label=label)
    if sem is not None:
        band = (value - 2.0 * sem, value + 2.0 * sem)
        axes.fill_between(place, *band, color=colour, alpha=_SHADE, linewidth=0)


def _colours(count: int) -> list[str]:
    return list(COLOURS[:count]) if count <= len(COLOURS) else branch_colours(count)


def _span(kelvin: Floats) -> tuple[float, float]:
    return (
        (float(kelvin[0]), float(kelvin[-1]))
        if len(kelvin) > 1
        else (0.0, float(kelvin[0]) + 1.0)
    )
