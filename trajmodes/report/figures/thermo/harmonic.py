"""Thermodynamic functions, density of states, and velocities of sound of force constants."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from trajmodes.arrays import Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.data.thermo import ZERO_VELOCITY
from trajmodes.report.figures.bands import error_entry
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    ORANGE,
    RED,
    branch_colours,
    figure_of_panels,
    is_visible,
    legend_above,
    line_entry,
    new_figure,
    points,
    sem_of,
)

_MOST_ABOVE = 4
"""With more entries a legend is inside its panel."""
_COLUMNS, _ROW = 3, 0.12
"""Columns of such a legend, and the part of the axis that a row of it takes."""
_SHADE = 0.25
_DASHES, _DOTS = (0, (4, 2)), (0, (1, 1.5))
_WAVES = {"slowest": GREEN, "middle": BLUE, "fastest": RED}
_MOST_WIDE = 1.5
"""Error bands of velocities of sound are cut off beyond this multiple of the highest one."""
_B_OF_SQUARE = 8.0 * np.pi**2
"""B_iso over ⟨u²⟩ along one direction."""


def draw_thermo(dataset: NamedArrays) -> Figure:
    """Draw density of states, heat capacity, free energy and mean square displacements."""
    places = [(left, foot, 0.375, 0.375) for foot in (0.575, 0.08) for left in (0.095, 0.595)]
    panels = (states_panel, capacity_panel, energy_panel, displacements_panel)
    return figure_of_panels(5.6, places, panels, dataset)


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
    _legend(axes, has_errors=is_visible(sem_of(dataset, "dos"), float(total.max())))


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
    _dashed(axes, kelvin, debye, RED, linewidth=1.2, label=f"Debye, {theta:.0f} K")
    axes.axhline(3.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Temperature (K)", ylabel=r"Per atom (k$_\mathrm{B}$)")
    _from_zero(axes, kelvin)
    _legend(axes)


def energy_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw free energy and energy of the phonons, quantum and classical."""
    kelvin, n_sites = dataset["thermo_temperature"].values, dataset.sizes["site"]
    scale = 1e3 / n_sites
    for name, colour, label in (("energy", GREEN, "U"), ("free_energy", BLUE, "F")):
        sem = sem_of(dataset, name)
        error = None if sem is None else scale * sem
        _line(axes, kelvin, scale * dataset[name].values, error, colour, label)
        classical = scale * dataset[f"{name}_classical"].values
        _dashed(axes, kelvin, classical, colour)
    _dashed(axes, np.full(len(kelvin), np.nan), kelvin, GREY, label="classical")
    axes.axhline(0.0, color=GREY, linewidth=0.7)
    axes.set(xlabel="Temperature (K)", ylabel="Per atom (meV)", xlim=_span(kelvin))
    _legend(axes)


def displacements_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the mean square displacements, and those of the run where they are known."""
    kelvin, species = dataset["thermo_temperature"].values, dataset["species"].values
    kinds = list(dict.fromkeys(species.tolist()))
    for name, colour in zip(kinds, _colours(len(kinds)), strict=True):
        own = species == name
        mean, classical = (
            dataset[key].values[:, own].mean(axis=1) / _B_OF_SQUARE
            for key in ("b_iso", "b_iso_classical")
        )
        sem = sem_of(dataset, "b_iso")
        error = None if sem is None else sem[:, own].mean(axis=1) / _B_OF_SQUARE
        _line(axes, kelvin, mean, error, colour, name)
        _dashed(axes, kelvin, classical, colour)
        if "u2_measured" in dataset and "fit_temperature" in dataset:
            measured = np.einsum("sxx->s", dataset["u2_measured"].values)[own].mean() / 3.0
            axes.plot(
                float(dataset["fit_temperature"]), measured, color=colour, marker="s",
                linestyle="none", label=f"{name}, run",
            )  # fmt: skip
    _dashed(axes, np.full(len(kelvin), np.nan), kelvin, GREY, label="classical")
    axes.set(xlabel="Temperature (K)", ylabel="⟨u²⟩ along one direction (Å²)")
    _from_zero(axes, kelvin)
    _legend(axes)


def draw_sound(dataset: NamedArrays) -> Figure:
    """Draw the velocities of sound in planes, as distances from the centre.

    The line of an unstable wave is dotted, at the absolute value of its velocity.
    """
    planes = planes_of(dataset)
    inches = 1.9 if len(planes) > 1 else 3.2
    figure = new_figure(inches + 0.95)
    width, height = inches / figure.get_figwidth(), inches / figure.get_figheight()
    for k in planes:
        place = (0.075 + k * (width + 0.05), 0.42 / figure.get_figheight())
        axes = figure.add_axes((*place, width, height))
        sound_panel(axes, dataset, k)
        axes.tick_params(labelleft=k == 0)
    handles = sound_entries(dataset)
    if len(planes) > 1:
        right = 0.075 + len(planes) * width + (len(planes) - 1) * 0.05
        look = {"ncols": len(handles), "columnspacing": 1.2, "borderaxespad": 0.0}
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(right, 0.97), **look)
    else:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.03, 1.0))
    return figure


def planes_of(dataset: NamedArrays) -> range:
    """Numbers of the planes that `sound_panel` draws."""
    return range(dataset.sizes["sound_plane"])


def sound_panel(axes: Axes, dataset: NamedArrays, k: int) -> None:
    """Draw the velocities of sound in a plane, without a legend."""
    plane, angle = (
        str(dataset["sound_plane"].values[k]),
        np.radians(dataset["sound_angle_deg"].values),
    )
    velocity, sem = dataset["sound_km_s"].values, sem_of(dataset, "sound_km_s")
    highest, top = _sound_limits(velocity, sem)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6))
    axes.axhline(0.0, color=GREY, linewidth=0.5)
    axes.axvline(0.0, color=GREY, linewidth=0.5)
    for wave, colour in enumerate(_WAVES.values()):
        error = None if sem is None else sem[k, :, wave]
        _draw_wave(axes, angle, velocity[k, :, wave], error, colour, highest)
    axes.set(xlim=(-top, top), ylim=(-top, top), title=f"{plane} plane", aspect="equal")
    axes.set_xlabel(f"along {plane[0]} (km/s)")
    axes.set_ylabel(f"along {plane[1]} (km/s)", labelpad=1.0)


def _sound_limits(velocity: Floats, sem: Floats | None) -> tuple[float, float]:
    """Highest velocity, and the largest one that is shown."""
    highest = max(float(np.abs(velocity).max()), 1e-3)
    widest = np.abs(velocity) + (0.0 if sem is None else 2.0 * sem)
    return highest, 1.12 * min(float(widest.max()), _MOST_WIDE * highest)


def sound_entries(dataset: NamedArrays) -> list[Artist]:
    """Legend entries of the waves."""
    velocity, sem = dataset["sound_km_s"].values, sem_of(dataset, "sound_km_s")
    highest, top = _sound_limits(velocity, sem)
    handles = _wave_entries(velocity / highest)
    if is_visible(sem, 2.0 * top):
        handles.append(error_entry(GREY, _SHADE))
    return handles


def _draw_wave(
    axes: Axes,
    angle: Floats,
    velocity: Floats,
    sem: Floats | None,
    colour: str,
    highest: float,
) -> None:
    """Draw the velocity of a wave by direction, with a band of ±2 standard errors."""
    unit, size = np.stack([np.cos(angle), np.sin(angle)]), np.abs(velocity)
    unstable = velocity < -ZERO_VELOCITY * highest
    for part, style in ((~unstable, "-"), (unstable, _DOTS)):
        axes.plot(*(np.where(part, size, np.nan) * unit), color=colour, linestyle=style)
    if sem is not None:
        outer, inner = (size + 2.0 * sem) * unit, np.maximum(size - 2.0 * sem, 0.0) * unit
        ring = np.concatenate([outer, inner[:, ::-1]], axis=1)
        axes.fill(*ring, color=colour, alpha=_SHADE, linewidth=0)


def _wave_entries(velocity: Floats) -> list[Artist]:
    """Legend entries of the waves, and of their unstable parts.

    ``velocity`` (p, a, 3) is in units of the highest.
    """
    handles: list[Artist] = []
    mixed = False
    for wave, (name, colour) in enumerate(_WAVES.items()):
        own = velocity[..., wave]
        unstable = own < -ZERO_VELOCITY
        mixed |= bool(unstable.any() and not unstable.all())
        if (np.abs(own) <= ZERO_VELOCITY).all():
            handles.append(line_entry(f"{name}: zero", colour))
        elif unstable.all():
            handles.append(line_entry(f"{name}, imaginary", colour, linestyle=_DOTS))
        else:
            handles.append(line_entry(name, colour))
    if mixed:
        handles.append(line_entry("imaginary", GREY, linestyle=_DOTS))
    return handles


def _legend(axes: Axes, *, has_errors: bool = False) -> None:
    """Put a legend above a panel, or inside it if it has many entries."""
    handles, _ = axes.get_legend_handles_labels()
    handles += [error_entry(GREY, _SHADE)] if has_errors else []
    if len(handles) > _MOST_ABOVE:
        axes.legend(handles=handles, loc="upper left", ncols=_COLUMNS, columnspacing=1.0)
        rows = -(-len(handles) // _COLUMNS)
        axes.set_ylim(top=axes.get_ylim()[1] * (1.0 + _ROW * rows))
        return
    legend_above(axes, handles, ncols=len(handles), columnspacing=1.0, handlelength=1.3)


def _dashed(
    axes: Axes,
    place: Floats,
    value: Floats,
    colour: str,
    *,
    linewidth: float = 0.9,
    label: str = "",
) -> None:
    """Draw a dashed line, or an open marker if it is a single point."""
    look: dict[str, Any] = {"linestyle": _DASHES, "linewidth": linewidth}
    if len(place) == 1:
        look = {"linestyle": "none", "marker": "D", "markersize": 6.0, "fillstyle": "none"}
    axes.plot(place, value, color=colour, label=label, **look)


def _line(
    axes: Axes, place: Floats, value: Floats, sem: Floats | None, colour: str, label: str
) -> None:
    """Draw a line with a band of ±2 standard errors if known, or a single point with a bar."""
    if len(place) == 1:
        points(
            axes,
            place,
            value,
            None if sem is None else 2.0 * sem,
            color=colour,
            fmt="o",
            label=label,
        )
        return
    axes.plot(place, value, color=colour, label=label)
    if sem is not None:
        band = (value - 2.0 * sem, value + 2.0 * sem)
        axes.fill_between(place, *band, color=colour, alpha=_SHADE, linewidth=0)


def _colours(count: int) -> list[str]:
    return list(COLOURS[:count]) if count <= len(COLOURS) else branch_colours(count)


def _from_zero(axes: Axes, kelvin: Floats) -> None:
    """Begin the vertical axis at zero, with a margin above the highest point."""
    axes.set_xlim(_span(kelvin))
    axes.update_datalim([(float(kelvin[0]), 0.0)])
    axes.autoscale_view(scalex=False)
    axes.set_ylim(bottom=0.0)


def _span(kelvin: Floats) -> tuple[float, float]:
    low, high = float(kelvin[0]), float(kelvin[-1])
    return (low, high) if low < high else (0.5 * low - 1.0, 1.5 * high + 1.0)
