"""Spectra: lines and energy autocorrelations of selected sets of modes, density of states.

A panel of a set of modes shows the data and the fitted line or decay.
"""

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    GREY,
    RED,
    branch_colours,
    letter_panels,
    log_axis,
    new_figure,
    points,
)
from trajmodes.report.numbers import branches, place_of, plus_minus
from trajmodes.results.tables import density_table
from trajmodes.units import MEV

_COLUMNS, _ROWS = 3, 4
_UNRESOLVED = 3
"""Number of panels reserved for sets that were not resolved."""
_DASHES = (0, (3, 3))
_DECADES = 3.0
"""Range of the vertical axis of spectra; the wings below are cut off."""
_LIFETIMES_SHOWN = 6.0
_DECAYED = 0.05
_LARGEST_ERROR = 0.3
"""Lags whose correlation has a larger error are not shown."""
_DENSITY_SHOWN = 0.01
"""Densities above this part of the maximum determine the limit of the frequency axis."""
_MARGIN = 1.05
_ANISOTROPIC = 0.03
"""Directions are drawn if they differ by more than this part of the total."""


def choose_sets(dataset: NamedArrays, resolved: Bools) -> Ints:
    """Choose up to twelve sets evenly spaced in frequency, some of them unresolved."""
    room = _COLUMNS * _ROWS
    n_unresolved = min(int((~resolved).sum()), max(_UNRESOLVED, room - int(resolved.sum())))
    order = np.argsort(dataset["freq_harmonic_thz"].values, kind="stable")

    def evenly_spread(among: Bools, count: int) -> Ints:
        sets: Ints = order[among[order]]
        steps = np.linspace(0, len(sets) - 1, min(count, len(sets)))
        return sets[steps.round().astype(np.int64)]

    chosen = np.concatenate(
        [evenly_spread(resolved, room - n_unresolved), evenly_spread(~resolved, n_unresolved)]
    )
    ranked: Ints = order[np.isin(order, chosen)]
    return ranked


def small_panels(count: int, xlabel: str, ylabel: str) -> tuple[Figure, list[Axes]]:
    """Make a figure of panels in three columns with common axis labels."""
    n_rows = -(-count // _COLUMNS)
    height = 0.75 + 1.75 * n_rows
    figure = new_figure(height)
    left, right, wide = 0.085, 0.975, 0.243
    top, foot, tall = 0.5 / height, 0.45 / height, 1.28 / height
    panels = []
    for k in range(count):
        row, column = divmod(k, _COLUMNS)
        x = left + column * (right - left - wide) / (_COLUMNS - 1)
        y = 1.0 - top - tall - row * (1.0 - top - foot - tall) / max(1, n_rows - 1)
        axes = figure.add_axes((x, y, wide, tall))
        if row == n_rows - 1 or k + _COLUMNS >= count:
            axes.set_xlabel(xlabel)
        if column == 0:
            axes.set_ylabel(ylabel, fontsize=8.0)
        panels.append(axes)
    return figure, panels


def annotate_panel(axes: Axes, one: NamedArrays, text: str, *, resolved: bool) -> None:
    """Write the name of the set as the title, and the result or verdict in a corner."""
    name = branches(int(one["branch_first"]), int(one["branch_last"]))
    is_crystal = "set_q" in one.variables
    title = f"q = {place_of(one.variables)}, branch {name}" if is_crystal else f"mode {name}"
    axes.set_title(title, fontsize=8.0, pad=3.0)
    axes.annotate(
        text if resolved else textwrap.fill(text, 28),
        (0.03, 0.95),
        xycoords="axes fraction",
        va="top",
        fontsize=7.0,
        color=BLACK if resolved else RED,
    )


def draw_spectra(dataset: NamedArrays) -> Figure:
    """Draw up to twelve spectra with the fitted lines, by increasing frequency."""
    resolved = dataset["resolved"].values.astype(bool)
    chosen = choose_sets(dataset, resolved)
    figure, panels = small_panels(len(chosen), "Frequency (THz)", "Power spectrum (meV/THz)")
    for axes, g in zip(panels, chosen.tolist(), strict=True):
        spectrum_panel(axes, dataset, g)
    _legend_of_all(figure, panels)
    return figure


def _legend_of_all(figure: Figure, panels: list[Axes]) -> None:
    """Put one legend above the panels, with each label once."""
    found = [axes.get_legend_handles_labels() for axes in panels]
    entries = {
        text: handle
        for handles, texts in found
        for handle, text in zip(handles, texts, strict=True)
    }
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="upper center",
        ncols=len(entries),
        borderaxespad=0.2,
    )


def spectrum_panel(axes: Axes, dataset: NamedArrays, g: int) -> None:
    """Draw the spectrum of set g and the fitted line."""
    one = dataset.isel(set=g)
    freq = one["line_freq_thz"].values
    power, model = one["line_power"].values / MEV, one["line_model"].values / MEV
    resolved = bool(one["resolved"])
    harmonic, line = float(one["freq_harmonic_thz"]), float(one["freq_spectrum_thz"])
    if not np.isfinite(line) and (power > 0.0).any():
        line = float(freq[np.nanargmax(power)])
    peak = line if np.isfinite(line) else harmonic
    centres = (peak, peak) if resolved else (min(peak, harmonic), max(peak, harmonic))
    width = float(one["linewidth_thz"]) if resolved else 0.0
    beyond = max(3.0 * width, 10.0 * float(one["line_resolution_thz"]))
    lowest, highest = max(centres[0] - beyond, 0.0), max(centres[1], 0.0) + beyond
    seen = (freq >= lowest) & (freq <= highest) & (power > 0.0)
    annotate_panel(axes, one, _line_text(one), resolved=resolved)
    if seen.any():
        colour, name = (BLUE, "spectrum") if resolved else (GREY, "spectrum, not resolved")
        axes.step(
            *(freq[seen], power[seen]), where="mid", color=colour, linewidth=0.9, label=name
        )
        most = power[seen].max()
        least = max(power[seen].min(), most * 10.0**-_DECADES)
        if "power_entropy" in one:
            place, entropy = one["entropy_freq_thz"].values, one["power_entropy"].values / MEV
            axes.plot(place, entropy, color=GREEN, linewidth=0.8, label="maximum entropy")
        fitted = "fitted line" if resolved else None
        axes.plot(freq[seen], model[seen], color=RED, label=fitted)
        log_axis(axes, 0.5 * least, most * (most / least) ** 0.6)
    axes.axvline(
        # Below the text.
        *(harmonic, 0.0, 0.72), color=BLACK, linewidth=0.7, linestyle=_DASHES, label="harmonic"
    )  # fmt: skip
    axes.set_xlim(lowest, highest)
    axes.locator_params(axis="x", nbins=5)


def _line_text(one: NamedArrays) -> str:
    if not bool(one["resolved"]):
        return str(one["verdict"].item())
    width = plus_minus(float(one["linewidth_thz"]), float(one["linewidth_thz_sem"]))
    life = plus_minus(float(one["lifetime_ps"]), float(one["lifetime_ps_sem"]))
    return f"FWHM {width} THz\nτ {life} ps"


def draw_correlations(dataset: NamedArrays) -> Figure:
    """Draw up to twelve energy autocorrelations with fitted decays, by increasing frequency."""
    resolved = dataset["energy_resolved"].values.astype(bool)
    chosen = choose_sets(dataset, resolved)
    figure, panels = small_panels(len(chosen), "Lag (ps)", "Energy autocorrelation")
    for axes, g in zip(panels, chosen.tolist(), strict=True):
        correlation_panel(axes, dataset, g)
    _legend_of_all(figure, panels)
    return figure


def correlation_panel(axes: Axes, dataset: NamedArrays, g: int) -> None:
    """Draw the correlation of the energy of set g and the fitted decay."""
    one = dataset.isel(set=g)
    resolved = bool(one["energy_resolved"])
    lag, value, sem = (
        one[name].values for name in ("acf_lag_ps", "energy_acf", "energy_acf_sem")
    )
    last = _last_lag(one, lag, sem)
    seen = np.isfinite(lag) & np.isfinite(value) & (lag <= last)
    name = "autocorrelation" if resolved else "autocorrelation, not resolved"
    points(
        *(axes, lag[seen], value[seen], np.nan_to_num(sem[seen])),
        marker="o",
        color=BLUE if resolved else GREY,
        markersize=3.0,
        label=name,
    )
    fitted = "fitted decay" if resolved else None
    axes.plot(lag, one["energy_acf_model"].values, color=RED, zorder=3, label=fitted)
    life = float(one["lifetime_ps"]) if "lifetime_ps" in one else np.nan
    if np.isfinite(life):
        time = np.linspace(0.0, last, 121)
        axes.plot(
            *(time, np.exp(-time / life)), color=BLACK, linewidth=0.8, linestyle=_DASHES,
            zorder=4, label="lifetime from the line",
        )  # fmt: skip
    axes.axhline(0.0, color=GREY, linewidth=0.6, zorder=1)
    axes.set_xlim(0.0, last)
    # With space for the text above.
    axes.set_ylim(-0.3, 1.9)
    axes.set_yticks([0.0, 0.5, 1.0])
    axes.locator_params(axis="x", nbins=5)
    annotate_panel(axes, one, _decay_text(one), resolved=resolved)


def _last_lag(one: NamedArrays, lag: Floats, sem: Floats) -> float:
    """Largest lag of the panel in ps."""
    known = lag[np.isfinite(lag) & ~(sem > _LARGEST_ERROR)]
    longest = float(known.max()) if known.size else float(np.nanmax(lag, initial=1.0))
    life = float(one["lifetime_energy_ps"])
    if not np.isfinite(life):
        # Three times the lag at which the correlation has decayed.
        decayed = lag[np.isfinite(lag) & (one["energy_acf"].values < _DECAYED)]
        return min(3.0 * float(decayed.min()), longest) if decayed.size else longest
    return min(_LIFETIMES_SHOWN * life, longest)


def _decay_text(one: NamedArrays) -> str:
    if not bool(one["energy_resolved"]):
        return str(one["energy_verdict"].item())
    energy, line = (
        plus_minus(float(one[name]), float(one[f"{name}_sem"])) if name in one else "–"
        for name in ("lifetime_energy_ps", "lifetime_ps")
    )
    line = "" if line == "–" else f"\nfrom the line {line} ps"
    misfit = float(one["energy_chi2_ratio"])
    rates = f"\nseveral decay rates: χ² ratio {misfit:.2g}" if misfit > 1.0 else ""
    return f"τ {energy} ps{line}{rates}"


def draw_density(dataset: NamedArrays) -> Figure:
    """Draw the vibrational density of states of the run."""
    freq, total, kinds, directions = densities(dataset)
    parts = [kinds] if kinds else []
    if _differ(total, list(directions.values())):
        parts.append(directions)
    n_rows, tall = max(len(parts), 1), 2.3
    height = 0.7 + n_rows * (tall + 0.25) - 0.25
    figure = new_figure(height)
    last = _highest_shown(freq, total)
    for k, part in enumerate(parts or [{}]):
        foot = 0.47 + (n_rows - 1 - k) * (tall + 0.25)
        axes = figure.add_axes((0.085, foot / height, 0.89, tall / height))
        _draw_parts(axes, dataset, freq, total, part)
        axes.set_xlim(0.0, last)
        if k + 1 < n_rows:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel("Frequency (THz)")
    if n_rows > 1:
        letter_panels(figure.axes)
    return figure


def density_panel(axes: Axes, dataset: NamedArrays) -> None:
    """Draw the density of states, total and by species."""
    freq, total, kinds, _ = densities(dataset)
    _draw_parts(axes, dataset, freq, total, kinds)
    axes.set_xlim(0.0, _highest_shown(freq, total))
    axes.set_xlabel("Frequency (THz)")


def densities(
    dataset: NamedArrays,
) -> tuple[Floats, Floats, dict[str, Floats], dict[str, Floats]]:
    """Read frequencies and densities: total, of each of several species, and along x, y, z."""
    columns = density_table(dataset).columns
    species = dict.fromkeys(dataset["species"].values.tolist())
    kinds = {name: columns[f"density_{name}"] for name in species} if len(species) > 1 else {}
    directions = {x: columns[f"density_{x}"] for x in "xyz"}
    return columns["freq_thz"], columns["density"], kinds, directions


def harmonic_density(dataset: NamedArrays) -> tuple[Floats, Floats]:
    """Read frequencies, and the density of states of the force constants for one atom."""
    return dataset["dos_freq_thz"].values, dataset["dos"].values / dataset.sizes["site"]


def _highest_shown(freq: Floats, total: Floats) -> float:
    """Highest frequency of the axis, in THz."""
    seen = freq[total > _DENSITY_SHOWN * total.max()]
    return min(_MARGIN * float(seen[-1]), float(freq[-1])) if seen.size else float(freq[-1])


def _differ(total: Floats, directions: list[Floats]) -> bool:
    """Whether the cumulative densities along x, y, z differ."""
    cumulative = np.cumsum(directions, axis=1)
    apart = float(np.ptp(cumulative, axis=0).max())
    return apart > _ANISOTROPIC * float(np.sum(total)) / 3.0


def _draw_parts(
    axes: Axes, dataset: NamedArrays, freq: Floats, total: Floats, parts: dict[str, Floats]
) -> None:
    axes.fill_between(freq, total, color=BLACK, alpha=0.08, linewidth=0)
    axes.plot(freq, total, color=BLACK, label="run, total" if parts else "run")
    highest = float(total.max())
    if "dos" in dataset:
        place, harmonic = harmonic_density(dataset)
        axes.plot(place, harmonic, color=BLUE, linewidth=0.9, label="force constants")
        highest = max(highest, float(harmonic.max()))
    # Blue is the colour of the force constants.
    others = COLOURS[1:]
    colours = others if len(parts) <= len(others) else branch_colours(len(parts))
    # Different dashes, because lines may coincide.
    dashes = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))
    for k, (name, density) in enumerate(parts.items()):
        axes.plot(
            freq, density, color=colours[k], linestyle=dashes[k % 3], linewidth=1.0, label=name
        )
    axes.set_ylim(0.0, 1.12 * highest)
    axes.set_ylabel("States per atom (1/THz)")
    n_lines = len(axes.lines)
    if n_lines > 1:
        axes.legend(loc="upper left", ncols=n_lines, borderaxespad=0.4)
