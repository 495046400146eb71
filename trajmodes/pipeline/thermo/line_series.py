"""Series of projected runs without force constants of their own: spectral lines alone."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.data.results import Provenance
from trajmodes.data.series.lines import LineSeries
from trajmodes.data.series.runs import MeasuredLines
from trajmodes.data.series.trends import SeriesSets
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.phonons.qpoints import point_names
from trajmodes.pipeline.job_folder import versions
from trajmodes.results.contents import crystal_in
from trajmodes.thermo.series.conditions import SAME_TEMPERATURE
from trajmodes.thermo.series.lines import line_trends
from trajmodes.units import THZ

_SAME_FREQUENCY = 1e-6
"""Difference in THz of harmonic frequencies of the same force constants."""


def lines_in(dataset: xr.Dataset) -> MeasuredLines:
    """Spectral lines that results of a projected run hold."""
    names = ("freq_spectrum_thz", "freq_spectrum_thz_sem", "linewidth_thz", "linewidth_thz_sem")
    omega, omega_sem, width, width_sem = (dataset[name].values * THZ for name in names)
    return MeasuredLines(
        qpoints=dataset["q"].values,
        sets=dataset["mode_set"].values,
        omega=omega,
        omega_sem=omega_sem,
        linewidth=width,
        linewidth_sem=width_sem,
    )


def has_foreign_modes(dataset: xr.Dataset | None) -> bool:
    """Whether a run was projected on force constants of another temperature, or static ones."""
    if dataset is None or "linewidth_thz" not in dataset:
        return False
    if "fit_temperature" not in dataset:
        return True
    own, of_constants = float(dataset["temperature"]), float(dataset["fit_temperature"])
    return abs(own - of_constants) > SAME_TEMPERATURE * own


def line_series_of(
    runs: Sequence[tuple[str, xr.Dataset | None]],
    temperatures: Sequence[float],
    *,
    command: str,
) -> LineSeries:
    """Follow spectral lines of runs that were projected on the same modes.

    Parameters
    ----------
    runs
        Names and results of the runs.
    temperatures
        Temperatures of the runs in K; empty for their kinetic temperatures.

    Raises
    ------
    DataError
        If a run has no lines, or those of other modes, or all are at one temperature.
    """
    first_name, first = next((name, one) for name, one in runs if has_foreign_modes(one))
    assert first is not None
    known = [(name, _with_same_modes(name, one, first_name, first)) for name, one in runs]
    kelvin = np.array(temperatures or [float(one["temperature"]) for _, one in known])
    order = np.argsort(kelvin, kind="stable")
    lines = [lines_in(known[r][1]) for r in order]
    stacked: Floats = np.stack(
        [
            np.stack([getattr(one, name) for one in lines])
            for name in ("omega", "omega_sem", "linewidth", "linewidth_sem")
        ]
    )
    text = (
        "the modes are those of one set of force constants for all runs: the series has "
        "spectral lines, and no force constants, bands or soft modes"
    )
    return LineSeries(
        names=tuple(known[r][0] for r in order),
        crystal=crystal_in(first),
        temperatures=kelvin[order],
        sets=_sets(first),
        lines=line_trends(kelvin[order], stacked),
        provenance=Provenance(versions(), (), command, ""),
        notes=(Note("note", text, fix="fit each run: trajmodes run FILE"),),
    )


def _with_same_modes(
    name: str, dataset: xr.Dataset | None, first_name: str, first: xr.Dataset
) -> xr.Dataset:
    fix = (
        "project all runs on the same force constants (trajmodes project FILE "
        "--force-constants FIT), or fit each of them (trajmodes run FILE)"
    )
    if dataset is None or "linewidth_thz" not in dataset:
        raise DataError(
            f"there are no spectral lines, and {first_name} has nothing else: its modes are "
            "those of force constants of another temperature",
            where=name,
            fix=fix,
        )
    same = all(
        dataset[one].shape == first[one].shape and (dataset[one] == first[one]).values.all()
        for one in ("mode_set", "q")
    )
    frequencies = "freq_harmonic_thz"
    if not same or np.abs(dataset[frequencies] - first[frequencies]).max() > _SAME_FREQUENCY:
        raise DataError(
            f"the modes of {name} and {first_name} are those of different force constants",
            why="without force constants of each temperature all runs need the same modes",
            fix=fix,
        )
    return dataset


def _sets(dataset: xr.Dataset) -> SeriesSets:
    qpoints = dataset["set_q"].values
    lowest = dataset["branch_first"].values - 1
    return SeriesSets(
        qpoints=qpoints,
        points=point_names(crystal_in(dataset), qpoints),
        star_size=dataset["star_size"].values,
        degeneracy=dataset["degeneracy"].values,
        lowest=lowest,
        highest=dataset["branch_last"].values - 1,
    )
