"""`trajmodes series`: runs of one crystal at several temperatures and volumes."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from trajmodes.config.job import job_of
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import layer_of
from trajmodes.data.results import Provenance
from trajmodes.data.series.lines import LineSeries
from trajmodes.data.series.runs import SeriesRun
from trajmodes.data.series.trends import ElasticTrend, TemperatureSeries
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.formats.registry import has_force_constants, read_supercell
from trajmodes.notes import Note
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.pipeline.derived import PATH_SPACING, connected_bands
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars, versions
from trajmodes.pipeline.load import read_force_constants
from trajmodes.pipeline.run import fit_only
from trajmodes.pipeline.thermo.line_series import has_foreign_modes, line_series_of, lines_in
from trajmodes.report.numbers import counted
from trajmodes.report.write import SERIES_FILES, write_folder
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import Writer, require_replaceable
from trajmodes.results.netcdf import RESULTS, read_results
from trajmodes.results.series import line_series_dataset, series_dataset
from trajmodes.thermo.series.cells import conditions_of
from trajmodes.thermo.series.common import ConstantsTrend, common_constants, constants_trend
from trajmodes.thermo.series.modes import common_qpoints, follow_modes
from trajmodes.thermo.series.trends import (
    curve_temperatures,
    elastic_trend,
    lattice_trend,
    mode_trends,
)

_OF_FIT = ("cell", "timestep_fs", "cutoff2")
"""Options for inputs that are fitted first."""
_FACTOR = "freq_harmonic_error_factor"
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class FittedSeries:
    """A series, and the polynomials of its force constants."""

    results: TemperatureSeries
    constants: ConstantsTrend

    def at(
        self,
        kelvin: float,
        *,
        volume: float | None = None,
        ratio: float | None = None,
        extrapolate: bool = False,
    ) -> ForceConstants:
        """Force constants at a temperature, a volume in Å³ and an axial ratio c/a.

        Raises
        ------
        UsageError
            If one of them is outside the range of the runs and `extrapolate` is not set, or a
            volume or ratio is given that the runs do not separate from the temperature.
        """
        conditions = self.constants.conditions
        low, high = conditions.span
        asked = [(kelvin, low, high, "K")]
        if volume is not None:
            if not conditions.is_separable:
                raise _inseparable("volume")
            asked.append((volume, conditions.volumes.min(), conditions.volumes.max(), "Å³"))
        if ratio is not None:
            if conditions.ratios is None or not conditions.has_ratio:
                raise _inseparable("c/a")
            asked.append((ratio, conditions.ratios.min(), conditions.ratios.max(), "(c/a)"))
        for value, least, most, unit in asked:
            margin = _ROUNDING * most
            if not (extrapolate or least - margin <= value <= most + margin):
                raise UsageError(
                    f"{value:g} {unit} is outside the range of the runs, {least:.4g} to "
                    f"{most:.4g} {unit}",
                    why="a polynomial is not reliable where there are no runs",
                    fix="add a run there, or set extrapolate (--extrapolate)",
                )
        return self.constants.at(kelvin, volume, ratio)


def _inseparable(name: str) -> UsageError:
    return UsageError(
        f"the runs do not separate the effects of temperature and {name}",
        why=f"no two of them have one temperature and a different {name}",
        fix=f"add a run of another {name} at one of the temperatures, or give no {name}",
    )


def series_job(
    inputs: Sequence[str],
    values: Mapping[str, Any],
    *,
    command: str,
    bars: StartBar = no_bars,
) -> tuple[xr.Dataset, dict[str, str]]:
    """Fit a series of runs, and write the results.

    Parameters
    ----------
    inputs
        Folders of results or files of force constants; trajectories and job files are fitted.
    values
        Values of the options of `trajmodes series`.

    Returns
    -------
    dataset
        All results.
    files
        Path → description of the files that were written.

    Raises
    ------
    UsageError
        If a temperature is outside the range of the runs, or a file would be overwritten that
        trajmodes did not write.
    DataError
        If the runs are of different crystals, or their force constants of different pairs.
    """
    output, kelvins = values["output"], values["at"]
    place = {"volume": values["at_volume"], "ratio": values["at_ratio"]}
    names = [_constants_file(kelvin, **place) for kelvin in kelvins]
    require_replaceable(output, (*SERIES_FILES, *names), inputs)
    lines = lines_alone([(name, results_in(name)) for name in inputs], values, command=command)
    if lines is not None:
        if kelvins:
            raise UsageError(
                "there are no force constants of each temperature to interpolate",
                why="the runs were projected on one set of them",
                fix="leave out --at, or fit each run: trajmodes run FILE",
            )
        return write_series_results(line_series_dataset(lines), output, {})
    runs = read_runs(inputs, values, bars=bars)
    found = series_of(runs, path=values["path"], command=command)
    extra = constants_writers(found, kelvins, **place, extrapolate=values["extrapolate"])
    return write_series_results(series_dataset(found.results), output, extra)


def lines_alone(
    runs: Sequence[tuple[str, xr.Dataset | None]], values: Mapping[str, Any], *, command: str
) -> LineSeries | None:
    """Series of spectral lines, if a run was projected on force constants of another run.

    Raises
    ------
    UsageError
        If the number of temperatures differs from the number of runs.
    DataError
        If the other runs were not projected on the same modes.
    """
    if not any(has_foreign_modes(one) for _, one in runs):
        return None
    _require_as_many(values["temperatures"], len(runs))
    return line_series_of(runs, values["temperatures"], command=command)


def write_series_results(
    dataset: xr.Dataset, output: str | os.PathLike[str], extra: Mapping[str, Writer]
) -> tuple[xr.Dataset, dict[str, str]]:
    """Write a series to a folder; return its Dataset and path → description.

    Raises
    ------
    UsageError
        If a file would be overwritten that trajmodes did not write.
    StorageError
        If a file cannot be written.
    """
    require_replaceable(output, (*SERIES_FILES, *extra))
    return dataset, write_folder(output, dataset, extra)


def constants_writers(
    found: FittedSeries,
    temperatures: Iterable[float],
    *,
    volume: float | None,
    ratio: float | None,
    extrapolate: bool,
) -> dict[str, Writer]:
    """Files of interpolated force constants by name; see `FittedSeries.at`."""
    writers = {}
    for kelvin in temperatures:
        constants = found.at(kelvin, volume=volume, ratio=ratio, extrapolate=extrapolate)
        write = partial(write_hdf5, constants, supercell_of(found, constants))
        text = f"force constants at {kelvin:g} K and {constants.crystal.volume:.5g} Å³"
        name = _constants_file(kelvin, volume=volume, ratio=ratio)
        writers[name] = Writer(text, write)
    return writers


def supercell_of(found: FittedSeries, constants: ForceConstants) -> Supercell:
    """Supercell of the first run with the crystal of interpolated force constants."""
    return replace(found.results.runs[0].supercell, crystal=constants.crystal)


def read_runs(
    inputs: Sequence[str | SeriesRun], values: Mapping[str, Any], *, bars: StartBar = no_bars
) -> list[SeriesRun]:
    """Read the runs of a series that are not in memory; fit those without force constants.

    Raises
    ------
    UsageError
        If the number of temperatures differs from the number of inputs.
    DataError
        If a file is damaged, or a run has no forces.
    """
    given = values["temperatures"]
    _require_as_many(given, len(inputs))
    runs = [
        one if isinstance(one, SeriesRun) else _read_or_fitted(one, values, bars)
        for one in inputs
    ]
    kelvins = given or [run.constants.temperature for run in runs]
    return [
        replace(run, constants=replace(run.constants, temperature=kelvin))
        for run, kelvin in zip(runs, kelvins, strict=True)
    ]


def run_of(
    name: str, constants: ForceConstants, supercell: Supercell, dataset: xr.Dataset | None
) -> SeriesRun:
    """Take a run from force constants and its results, with lines if it was projected."""
    known = xr.Dataset() if dataset is None else dataset
    lines = lines_in(known) if "linewidth_thz" in known else None
    factor = float(known[_FACTOR].max()) if _FACTOR in known else 1.0
    return SeriesRun(name, constants, supercell, lines, factor)


def series_of(runs: Sequence[SeriesRun], *, path: str, command: str) -> FittedSeries:
    """Fit force constants, frequencies, linewidths and lattice parameters of runs.

    Raises
    ------
    UsageError
        If the path names an unknown point.
    DataError
        If a temperature is unknown, or the crystals or force constants of the runs differ in
        kind.
    """
    runs = sorted(runs, key=_temperature)
    kelvin = np.array([_temperature(run) for run in runs])
    names = [run.name for run in runs]
    constants = common_constants(names, [run.constants for run in runs])
    _require_one_kind(runs)
    crystals = [one.crystal for one in constants]
    conditions = conditions_of(kelvin, crystals)
    fitted = constants_trend(conditions, constants)
    middle = fitted.at(conditions.middle)
    weights_of_bases = fitted.basis_weights[:, 0]
    best = conditions.bases[int(weights_of_bases.argmax())]
    qpoints, weights = common_qpoints([run.supercell for run in runs])
    followed = follow_modes(middle, constants, qpoints, weights)
    bands_path = band_path(middle.crystal, PATH_SPACING, path)
    directions = bands_path.directions()
    alone = (replace(one, replicates=None) for one in constants)
    band_omega = [frequencies_at(one, bands_path.qpoints, directions)[0] for one in alone]
    results = TemperatureSeries(
        runs=tuple(runs),
        crystal=middle.crystal,
        temperatures=kelvin,
        curve_temperatures=curve_temperatures(conditions),
        order=max(powers[0] for powers in best),
        bases=tuple(map(conditions.text, conditions.bases)),
        basis_weights=weights_of_bases,
        leave_one_out=np.array([one.left_out.mean() for one in fitted.trends]),
        modes=mode_trends(conditions, followed, runs, fitted),
        lattice=lattice_trend(conditions, crystals),
        bands=connected_bands(middle, bands_path),
        band_omega=np.stack(band_omega),
        provenance=Provenance(versions(), (), command, ""),
    )
    elastic, missing = _elastic(fitted)
    notes = _notes(results, fitted) + missing
    warnings = _warnings(fitted) + tuple(note for run in runs for note in run.warnings)
    results = replace(results, elastic=elastic, warnings=warnings, notes=notes)
    return FittedSeries(results, fitted)


def _elastic(fitted: ConstantsTrend) -> tuple[ElasticTrend | None, tuple[Note, ...]]:
    """Elastic constants of bulk crystals, or a note with the reason why there are none."""
    crystal = fitted.constants[0].crystal
    if layer_of(crystal.cell, crystal.sites) is not None:
        return None, ()
    try:
        return elastic_trend(fitted), ()
    except DataError as error:
        return None, (Note("note", f"there are no elastic constants: {error.what}"),)


def _require_one_kind(runs: Sequence[SeriesRun]) -> None:
    """Refuse to mix force constants with and without the static part of the self-energy."""
    static = {run.constants.has_static_part: run.name for run in runs}
    if {True, False} <= static.keys():
        raise DataError(
            f"the force constants of {static[True]} contain the static part of the "
            f"self-energy, those of {static[False]} do not",
            why="the first were fitted to a run of molecular dynamics in sequence, the others "
            "by self-consistent sampling (sctdep) or with third order jointly",
            fix="make all runs of a series in the same way",
        )


def _temperature(run: SeriesRun) -> float:
    if run.constants.temperature is None:
        raise DataError(
            "the temperature of these force constants is not known",
            where=run.name,
            fix="give one for each run, in their order: --temperatures 100,300,600",
        )
    return run.constants.temperature


def _read_or_fitted(name: str, values: Mapping[str, Any], bars: StartBar) -> SeriesRun:
    place = Path(name)
    if not has_force_constants(place):
        return _fitted(name, values, bars)
    return run_of(name, read_force_constants(place), read_supercell(place), results_in(name))


def results_in(name: str) -> xr.Dataset | None:
    """Results in a folder, if there are any."""
    place = Path(name)
    has_results = place.is_dir() and (place / RESULTS.file).is_file()
    return read_results(place) if has_results else None


def _require_as_many(temperatures: Sequence[float], count: int) -> None:
    if temperatures and len(temperatures) != count:
        raise UsageError(
            f"{counted(len(temperatures), 'temperature')} given for {counted(count, 'run')}",
            fix="give one temperature for each run, in their order",
        )


def _fitted(name: str, values: Mapping[str, Any], bars: StartBar) -> SeriesRun:
    given = {key: values[key] for key in _OF_FIT if values[key] is not None}
    job = job_of("fit", [name], given)
    found = fit_only(job, command=f"trajmodes fit {name}", log=Log(bars), bars=bars).results
    return run_of(name, found.constants, found.supercell, to_dataset(found))


def _constants_file(kelvin: float, *, volume: float | None, ratio: float | None) -> str:
    place = [f"{kelvin:g}K"]
    place += [] if volume is None else [f"{volume:g}A3"]
    place += [] if ratio is None else [f"ca{ratio:g}"]
    return f"force_constants_{'_'.join(place)}.h5"


def _warnings(fitted: ConstantsTrend) -> tuple[Note, ...]:
    if fitted.widening < 1.5:
        return ()
    return (
        Note(
            "warning",
            f"the force constants scatter by {fitted.widening:.2g} times their errors about "
            "the polynomials, and their errors are widened",
            why="they are not smooth in temperature and strain, or the errors of the runs are "
            "too small",
            fix="add runs at other temperatures, or run longer",
        ),
    )


def _notes(results: TemperatureSeries, fitted: ConstantsTrend) -> tuple[Note, ...]:
    texts = []
    if min(one.n_free for one in fitted.trends) == 0:
        texts.append("the polynomials pass through all runs: there is no test of them")
    elif any(one.constants.replicates is None for one in results.runs):
        texts.append("not all runs have error bars: all have the same weight")
    if not fitted.has_triplets and any(one.constants.triplets for one in results.runs):
        texts.append("third order is not interpolated: not all runs have the same triplets")
    return tuple(Note("note", text) for text in texts)
