"""The data of the interactive charts of a report, as plain lists for JSON."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Floats
from trajmodes.data.named_arrays import NamedArrays
from trajmodes.report.numbers import point_label
from trajmodes.report.text.mode_table import columns_of_sets
from trajmodes.results.contents import crystal_in
from trajmodes.results.tables import MAP_DECADES, highest_map_freq_thz
from trajmodes.symmetry.stars import star_images
from trajmodes.units import MEV

Chart = Mapping[str, Any]

_DIGITS = 5
_MOST_BINS = 500
"""Frequencies of a map: more are finer than the pixels of a screen."""
_WIDEST = 0.03
"""Width of the bar of one q on the path, as a part of its length."""
_SAME_Q = 1e-4
_HOVERED = (
    *("q", "branch", "harmonic", "line", "linewidth", "lifetime", "energy-lifetime"),
    *("temperature", "verdict"),
)
"""Columns of the table of modes that a mode shows."""


def plain(values: npt.ArrayLike, digits: int = _DIGITS) -> list[Any]:
    """Convert to nested lists of rounded numbers; None for numbers that are not finite."""
    array = np.asarray(values, dtype=float)
    if array.ndim > 1:
        return [plain(row, digits) for row in array]
    return [float(f"{x:.{digits}g}") if np.isfinite(x) else None for x in array.tolist()]


def charts_of(dataset: NamedArrays) -> dict[str, Chart]:
    """Name → data of each chart that the results have data for."""
    return {name: make(dataset) for name, need, make in _CHARTS if need in dataset}


def _bands(dataset: NamedArrays) -> Chart:
    segment = dataset["path_segment"].values
    starts = np.flatnonzero(np.diff(segment)) + 1
    # A missing number between two segments keeps lines from being drawn across a jump.
    place = np.insert(dataset["path_distance"].values, starts, np.nan)
    freq = np.insert(dataset["band_freq_thz"].values, starts, np.nan, axis=0)
    chart = {"x": plain(place), "freq": plain(freq.T)}
    if "band_freq_thz_sem" in dataset:
        sem = np.insert(dataset["band_freq_thz_sem"].values, starts, np.nan, axis=0)
        chart["sem"] = plain(sem.T, 2)
    if "tick_distance" in dataset:
        labels = [point_label(str(one)) for one in dataset["tick_label"].values]
        chart |= {"ticks": plain(dataset["tick_distance"].values), "labels": labels}
    return chart


def _map(dataset: NamedArrays) -> Chart:
    """Bars of logarithmic power about each commensurate q of the path, with white gaps.

    Power is in meV/THz; what the colours of the figure do not span is white here too.
    """
    place, power = dataset["map_distance"].values, dataset["map_power"].values
    order = np.argsort(place, kind="stable")
    place, power = place[order], power[order]
    apart = np.diff(np.unique(place.round(6)))
    length = float(place[-1] - place[0]) or 1.0
    half = 0.45 * min(apart.min() if apart.size else length, _WIDEST * length)
    step = -(-power.shape[1] // _MOST_BINS)
    n_bins = power.shape[1] // step
    binned = power[:, : n_bins * step].reshape(len(power), n_bins, step).max(axis=2)
    edges = np.stack([place - half, place + half], axis=1).ravel()
    # Columns between the edges of neighbouring bars have no value.
    columns = np.full((len(edges) - 1, n_bins), np.nan)
    shown = binned > binned.max() * 10.0**-MAP_DECADES
    columns[::2] = np.where(shown, np.log10(np.where(shown, binned / MEV, 1.0)), np.nan)
    freq = dataset["map_freq_thz"].values[: n_bins * step : step]
    return {
        "x": plain(edges, 7),
        "freq": plain(freq),
        "z": plain(columns.T, 3),
        "highest": highest_map_freq_thz(dataset),
    }


def _modes(dataset: NamedArrays) -> Chart:
    """List the data of each set of modes, and its positions on the path."""
    n_sets = dataset.sizes["set"]
    heads, columns = columns_of_sets(dataset, range(n_sets), _HOVERED)
    names = [f"{head.title}, {head.unit}" if head.unit else head.title for head in heads]
    facts = [list(map(str.strip, row)) for row in zip(*columns, strict=True)]
    advice = [dataset[name].values for name in ("advice", "energy_advice") if name in dataset]
    return {
        "names": names,
        "facts": facts,
        "advice": [list(filter(None, map(str, row))) for row in zip(*advice, strict=True)],
        "freq": plain(dataset["freq_harmonic_thz"].values),
        "measured": plain(_measured(dataset)),
        "q": plain(dataset["set_q"].values),
        "branch": dataset["branch_first"].values.tolist(),
        "resolved": _is_resolved(dataset).tolist(),
        "on_path": _on_path(dataset),
        "first": _best_known(dataset),
    }


def _measured(dataset: NamedArrays) -> Floats:
    """Frequencies of the spectral lines; nan where there is none."""
    found = dataset.get("freq_spectrum_thz")
    return np.full(dataset.sizes["set"], np.nan) if found is None else np.asarray(found.values)


def _is_resolved(dataset: NamedArrays) -> Bools:
    flags = [dataset[n].values for n in ("resolved", "energy_resolved") if n in dataset]
    none = np.zeros(dataset.sizes["set"], dtype=bool)
    found: Bools = np.any([none, *flags], axis=0)
    return found


def _best_known(dataset: NamedArrays) -> int:
    """Choose the set that is shown first: that with the most precise lifetime."""
    if "lifetime_ps" not in dataset:
        return 0
    relative = dataset["lifetime_ps_sem"].values / dataset["lifetime_ps"].values
    return int(np.nanargmin(relative)) if np.isfinite(relative).any() else 0


def _on_path(dataset: NamedArrays) -> list[list[float]]:
    """Distances at which members of the star of each set are points of the map."""
    if "map_q" not in dataset or "set_q" not in dataset:
        return [[] for _ in range(dataset.sizes["set"])]
    images_gqx = star_images(crystal_in(dataset), dataset["set_q"].values)
    apart = images_gqx[:, :, None] - dataset["map_q"].values
    same = (np.abs(apart - np.round(apart)) < _SAME_Q).all(axis=-1).any(axis=0)
    place = dataset["map_distance"].values
    return [plain(np.unique(place[one].round(6)), 7) for one in same]


def _lines(dataset: NamedArrays) -> Chart:
    return {
        "freq": plain(dataset["line_freq_thz"].values),
        "power": plain(1e3 * dataset["line_power"].values, 4),
        "model": plain(1e3 * dataset["line_model"].values, 4),
    }


def _decays(dataset: NamedArrays) -> Chart:
    return {
        "lag": plain(dataset["acf_lag_ps"].values),
        "acf": plain(dataset["energy_acf"].values, 4),
        "sem": plain(dataset["energy_acf_sem"].values, 2),
        "model": plain(dataset["energy_acf_model"].values, 4),
    }


def _lifetimes(dataset: NamedArrays) -> Chart:
    chart: dict[str, Any] = {}
    for key, name in (("line", "lifetime_ps"), ("energy", "lifetime_energy_ps")):
        if name in dataset:
            chart[key] = plain(dataset[name].values)
            chart[f"{key}_sem"] = plain(dataset[f"{name}_sem"].values, 2)
    heads, (cells,) = columns_of_sets(dataset, range(dataset.sizes["set"]), ("lifetime",))
    # ">3.9": the width is below the resolution, so that the lifetime has a lower limit.
    limits = [float(one[1:]) if one.startswith(">") else np.nan for one in cells]
    return {**chart, "limit": plain(limits), "title": f"lifetime ({heads[0].unit})"}


def _density(dataset: NamedArrays) -> Chart:
    """Spectra of the atomic velocities, summed over directions, by species and in total."""
    freq, spectra = dataset["freq_thz"].values, dataset["vdos"].values.sum(axis=1)
    area = float(np.trapezoid(spectra.sum(axis=0), freq))
    curves = spectra * (3.0 * len(spectra) / area)
    species = dataset["species"].values.astype(str)
    parts = {
        name: plain(curves[species == name].sum(axis=0)) for name in dict.fromkeys(species)
    }
    whole = {} if len(parts) == 1 else {"total": plain(curves.sum(axis=0))}
    return {"freq": plain(freq), "curves": {**whole, **parts}}


def _temperatures(dataset: NamedArrays) -> Chart:
    return {
        "value": plain(dataset["mode_temperature"].values),
        "sem": plain(dataset["mode_temperature_sem"].values, 2),
        "mean": float(dataset["temperature"]),
    }


def _convergence(dataset: NamedArrays) -> Chart:
    return {
        "fraction": plain(dataset["run_fraction"].values),
        "change": plain(1e3 * dataset["fit_freq_change_thz"].values),
    }


def _conductivity(dataset: NamedArrays) -> Chart:
    return {
        "freq": plain(dataset["kappa_freq_thz"].values),
        "spectral": plain(dataset["kappa_spectral_classical"].values),
        "path": plain(0.1 * dataset["kappa_path"].values),
        "cumulative": plain(dataset["kappa_cumulative_classical_w_mk"].values),
    }


_CHARTS: Iterable[tuple[str, str, Callable[[NamedArrays], Chart]]] = (
    ("bands", "band_freq_thz", _bands),
    ("map", "map_power", _map),
    ("modes", "mode_temperature", _modes),
    ("lines", "line_power", _lines),
    ("decays", "energy_acf", _decays),
    ("lifetimes", "lifetime_ps", _lifetimes),
    ("density", "vdos", _density),
    ("temperatures", "mode_temperature", _temperatures),
    ("convergence", "fit_freq_change_thz", _convergence),
    ("conductivity", "kappa_spectral_classical", _conductivity),
)
"""Name, the variable that it needs, and the function that makes it."""
DRAWN = ("bands", "sed", "vdos", "spectra", "correlations", "lifetimes", "conductivity")
"""Figures of the folder whose content the interactive charts show."""
