"""A series of runs → one flat Dataset, as `schema` declares it."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.series.lines import LineSeries
from trajmodes.data.series.trends import ModeTrends, TemperatureSeries
from trajmodes.data.thermo import strain_names
from trajmodes.results.dataset import attributes_of, filled, path_roots


def series_dataset(series: TemperatureSeries) -> xr.Dataset:
    """Collect all results of a series in one Dataset, with units."""
    trends, lattice = series.modes, series.lattice
    first = series.runs[0].constants
    roots: dict[str, Any] = {
        **path_roots(series.bands),
        **_mode_roots(trends),
        "supercell": SimpleNamespace(crystal=series.crystal, matrix=None),
        "bands": series.bands,
        "series": series,
        "series_lattice": lattice,
        "series_modes": trends,
        **_shifts(trends, series.lattice.kind),
        "series_names": [run.name for run in series.runs],
        "series_elastic": series.elastic,
        "strain_names": None if series.elastic is None else list(strain_names(6)),
        "series_labels": _labels(series),
        "series_bands": np.moveaxis(series.band_omega, 0, -1),
        "series_cutoff": first.cutoff,
        "provenance": series.provenance,
        "warnings": [str(note) for note in series.warnings],
        "notes": [str(note) for note in series.notes],
    }
    return filled(roots, attributes_of(series.provenance))


def line_series_dataset(series: LineSeries) -> xr.Dataset:
    """Collect spectral lines of a series in one Dataset, with units."""
    lines, sets = series.lines, series.sets
    names = ("line", "line_sem", "linewidth", "linewidth_sem")
    roots: dict[str, Any] = {
        "supercell": SimpleNamespace(crystal=series.crystal, matrix=None),
        "series": _only(
            TemperatureSeries,
            temperatures=series.temperatures,
            curve_temperatures=lines.curve_temperatures,
        ),
        "series_modes": _only(
            ModeTrends,
            sets=sets,
            slope=lines.slope,
            slope_sem=lines.slope_sem,
            exponent=lines.exponent,
            exponent_sem=lines.exponent_sem,
            exponent_mean=lines.exponent_mean,
            exponent_mean_sem=lines.exponent_mean_sem,
        ),
        "series_names": series.names,
        "series_labels": [f"{kelvin:.4g}K" for kelvin in series.temperatures],
        "series_sets": np.arange(len(sets.points)),
        "series_first": sets.lowest + 1,
        "series_last": sets.highest + 1,
        "series_curve": lines.curve,
        "series_curve_sem": lines.curve_sem,
        "series_lines": SimpleNamespace(
            **{name: _turned(getattr(lines, name)) for name in names}
        ),
        **_shift("series_line_shift", lines.line, lines.line_sem),
        "provenance": series.provenance,
        "notes": [str(note) for note in series.notes],
    }
    return filled(roots, attributes_of(series.provenance))


def _only(kind: type[ModeTrends] | type[TemperatureSeries], **known: Any) -> SimpleNamespace:
    """Values that only some of the runs have."""
    return SimpleNamespace(**({one.name: None for one in fields(kind)} | known))


def _labels(series: TemperatureSeries) -> list[str]:
    """Short labels of the runs: temperatures, with volumes where these are different."""
    plain = [f"{kelvin:.4g}K" for kelvin in series.temperatures]
    if series.lattice.kind != "separable":
        return plain
    volumes = series.lattice.volumes
    return [f"{one}_{volume:.4g}" for one, volume in zip(plain, volumes, strict=True)]


def _mode_roots(trends: ModeTrends) -> dict[str, Any]:
    omega, omega_sem = _frequencies(trends.squared.T, _turned(trends.squared_sem))
    curve, curve_sem = _frequencies(trends.curve_squared, trends.curve_squared_sem)
    parts = {
        name: _turned(getattr(trends, name))
        for name in ("line", "line_sem", "linewidth", "linewidth_sem")
    }
    return {
        "series_sets": np.arange(len(trends.sets.points)),
        "series_first": trends.sets.lowest + 1,
        "series_last": trends.sets.highest + 1,
        "series_omega": omega,
        "series_omega_sem": omega_sem,
        "series_curve": curve,
        "series_curve_sem": curve_sem,
        "series_lines": SimpleNamespace(**parts),
    }


def _shifts(trends: ModeTrends, kind: str) -> dict[str, Any]:
    """Shifts of force constants and lines; none if volumes differ at one temperature."""
    if kind == "separable":
        return {}
    omega = _frequencies(trends.squared, trends.squared_sem)
    return {
        **_shift("series_shift", *omega),
        **_shift("series_line_shift", trends.line, trends.line_sem),
    }


def _shift(name: str, omega: Floats | None, sem: Floats | None) -> dict[str, Any]:
    """Shift (g,) of frequencies (r, g) from the first run to the last; runs are independent."""
    if omega is None:
        return {}
    error = None if sem is None else np.hypot(sem[-1], sem[0])
    return {name: omega[-1] - omega[0], f"{name}_sem": error}


def _turned(values: Floats | None) -> Floats | None:
    return None if values is None else values.T


def _frequencies(squared: Floats, sem: Floats | None) -> tuple[Floats, Floats | None]:
    """Signed roots of ω², and their errors as in `trajmodes.phonons.modes`."""
    omega: Floats = np.copysign(np.sqrt(np.abs(squared)), squared)
    if sem is None:
        return omega, None
    return omega, sem / np.maximum(2.0 * np.abs(omega), np.sqrt(np.maximum(sem, 1e-300)))
