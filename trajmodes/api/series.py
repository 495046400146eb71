"""Runs of one crystal at several temperatures as an object."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import xarray as xr

from trajmodes.api.calls import Expression, PathLike, call_text
from trajmodes.api.force_constants import ForceConstants, plain_constants
from trajmodes.api.results import Results
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import SeriesKeywords
from trajmodes.data.crystal import known_supercell
from trajmodes.data.labels import html_table
from trajmodes.data.series.runs import SeriesRun
from trajmodes.errors import UsageError
from trajmodes.pipeline.thermo import series as pipeline
from trajmodes.report.summary import show_results
from trajmodes.results.contents import crystal_in
from trajmodes.results.series import line_series_dataset, series_dataset

if TYPE_CHECKING:
    import pandas as pd

Given = PathLike | ForceConstants | Results


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Series:
    """Force constants, frequencies, linewidths and lattice parameters as functions of T.

    ``series["series_freq_thz"]`` is a variable of the Dataset.
    """

    fitted: pipeline.FittedSeries | None
    """Results as the pipeline made them; None for spectral lines alone."""
    dataset: xr.Dataset
    """All results, each variable with its unit and convention."""

    @property
    def _fitted(self) -> pipeline.FittedSeries:
        if self.fitted is None:
            raise UsageError(
                "the series has spectral lines alone, and no force constants",
                why="the runs were projected on one set of force constants",
                fix="fit each run, with tm.run or run.fit()",
            )
        return self.fitted

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures of the runs in K, ascending."""
        return tuple(self.dataset["run_temperature"].values.tolist())

    @property
    def volumes(self) -> tuple[float, ...]:
        """Volume of the primitive cell in Å³ in each run."""
        return tuple(map(float, self._fitted.results.lattice.volumes))

    @property
    def force_constants(self) -> tuple[ForceConstants, ...]:
        """Force constants of the runs, by ascending temperature."""
        return tuple(
            ForceConstants.of(run.constants, supercell=run.supercell, origin=run.name)
            for run in self._fitted.results.runs
        )

    def at(
        self,
        temperature: float,
        *,
        volume: float | None = None,
        ratio: float | None = None,
        extrapolate: bool = False,
    ) -> ForceConstants:
        """Force constants at a temperature in K, with error bars.

        Parameters
        ----------
        volume
            Volume of the primitive cell in Å³, if runs of one temperature have different ones;
            None for their geometric mean.
        ratio
            c/a, if runs of one temperature and volume have different ones; None for their mean.

        Raises
        ------
        UsageError
            If one of them is outside the range of the runs and `extrapolate` is not set, or the
            runs do not separate it from the temperature.
        """
        found = self._fitted.at(
            temperature, volume=volume, ratio=ratio, extrapolate=extrapolate
        )
        supercell = pipeline.supercell_of(self._fitted, found)
        origin = f"{self._fitted.results.provenance.command}.at({temperature:g})"
        return ForceConstants.of(found, supercell=supercell, origin=origin)

    def to_dataset(self) -> xr.Dataset:
        """Give all results in one Dataset with named dimensions, units and provenance."""
        return self.dataset.copy()

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return one variable."""
        if name not in self.dataset.variables:
            raise KeyError(f"the series holds no {name}")
        return self.dataset[name]

    @property
    def modes(self) -> "pd.DataFrame":
        """Sets of symmetry-equivalent modes, one row each, as in ``series.csv``."""
        return Results(self.dataset).table("series").set_index("series_set")

    @property
    def soft_modes(self) -> "pd.DataFrame":
        """Sets whose ω² is zero in or near the range of the runs, with T_c and verdict."""
        self._fitted  # noqa: B018 - raises for spectral lines alone
        modes = self.modes
        names = ["series_q_a", "series_q_b", "series_q_c", "series_point"]
        names += ["series_branch_first", "series_branch_last", "soft_temperature"]
        names += ["soft_temperature_sem", "soft_verdict"]
        found: pd.DataFrame = modes[modes["soft_verdict"] != ""][names]
        return found

    def save(
        self,
        folder: PathLike,
        *,
        at: Iterable[float] = (),
        volume: float | None = None,
        ratio: float | None = None,
    ) -> None:
        """Write results, tables and figures to a folder, as `trajmodes series` does.

        Parameters
        ----------
        at
            Temperatures in K at which force constants are written.
        volume, ratio
            Volume in Å³ and c/a of these force constants, as in `at`.

        Raises
        ------
        UsageError
            If a file would be overwritten that trajmodes did not write, or a temperature is
            outside the range of the runs.
        StorageError
            If the system refuses to write.
        """
        kelvins = tuple(at)
        place = {"volume": volume, "ratio": ratio}
        extra = (
            pipeline.constants_writers(self._fitted, kelvins, **place, extrapolate=False)
            if kelvins
            else {}
        )
        pipeline.write_series_results(self.dataset, folder, extra)

    def __str__(self) -> str:
        """Summary, as `trajmodes series` prints it."""
        return show_results(self.dataset, {})

    def __repr__(self) -> str:
        """Summarise in one line."""
        rows = ", ".join(f"{name} {value}" for name, value in self._rows().items())
        return f"<Series of {crystal_in(self.dataset).formula}: {rows}>"

    def _repr_html_(self) -> str:
        return html_table(f"Series of {crystal_in(self.dataset).formula}", self._rows())

    def _rows(self) -> dict[str, object]:
        low, high = self.temperatures[0], self.temperatures[-1]
        return {
            "runs": len(self.temperatures),
            "temperatures": f"{low:.4g} to {high:.4g} K",
            "sets of modes": self.dataset.sizes["series_set"],
        }


@takes("series")
def series(runs: Iterable[Given], **options: Unpack[SeriesKeywords]) -> Series:
    """Combine runs of one crystal at several temperatures.

    Parameters
    ----------
    runs
        Results or force constants, or folders or files with them. Trajectories and job files
        are fitted first.
    **options
        Options of `trajmodes series`.

    Raises
    ------
    UsageError
        If the number of temperatures differs from the number of runs.
    DataError
        If the runs are of different crystals, their force constants of different pairs, or a
        temperature is unknown.
    """
    given = list(runs)
    values = values_of("series", options)
    origin = call_text("trajmodes.series", Expression(f"<{len(given)} runs>"), **options)
    lines = pipeline.lines_alone([_results(one) for one in given], values, command=origin)
    if lines is not None:
        return Series(None, line_series_dataset(lines))
    found = pipeline.read_runs([_input(one) for one in given], values)
    fitted = pipeline.series_of(found, path=values["path"], command=origin)
    return Series(fitted, series_dataset(fitted.results))


def _results(one: Given) -> tuple[str, xr.Dataset | None]:
    if isinstance(one, Results):
        return (one.folder is not None and str(one.folder)) or "results", one.dataset
    if isinstance(one, ForceConstants):
        return one.origin, None
    return os.fspath(one), pipeline.results_in(os.fspath(one))


def _input(one: Given) -> str | SeriesRun:
    if isinstance(one, Results):
        constants = one.force_constants
        name = (
            f"{constants.temperature or 0.0:.4g} K" if one.folder is None else str(one.folder)
        )
        return pipeline.run_of(
            name, plain_constants(constants), known_supercell(constants.supercell), one.dataset
        )
    if isinstance(one, ForceConstants):
        fitted = None if one.record is None else one.to_dataset()
        supercell = known_supercell(one.supercell)
        return pipeline.run_of(one.origin, plain_constants(one), supercell, fitted)
    return os.fspath(one)
