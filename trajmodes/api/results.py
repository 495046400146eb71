"""Results as an object: one Dataset, with its tables, figures, mode amplitudes and folder."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
import xarray as xr

from trajmodes import plot
from trajmodes.api.calls import PathLike, call_text
from trajmodes.api.force_constants import ForceConstants, read_force_constants
from trajmodes.config.job import values_of
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import ThermoKeywords
from trajmodes.data.crystal import Crystal
from trajmodes.data.labels import html_table
from trajmodes.data.results import SpectralEnergy
from trajmodes.errors import DataError, UsageError, instead_of
from trajmodes.pipeline.amplitudes import lazy_amplitudes, reopened, saved_amplitudes
from trajmodes.pipeline.job_folder import Analysis, Log, copy_results, save_analysis
from trajmodes.pipeline.thermo.properties import thermo_job
from trajmodes.report.summary import render, text_of
from trajmodes.report.write import is_map, is_series, outputs_of, write_results
from trajmodes.results.contents import crystal_in, modes_in
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import open_folder
from trajmodes.results.netcdf import read_results
from trajmodes.results.outputs import Output

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MODE_COLUMNS = {
    *("set_q_a", "set_q_b", "set_q_c", "set_point", "degeneracy", "branch_first"),
    *("branch_last", "freq_harmonic_thz", "freq_ratio_thz", "freq_spectrum_thz"),
    *("linewidth_thz", "lifetime_ps", "lifetime_energy_ps", "linewidth_phi3_classical_thz"),
    *("mode_temperature", "anharmonicity", "sigma_set", "gruneisen", "verdict"),
}
"""Columns of ``modes.csv`` that most users need."""


@dataclass(frozen=True, slots=True)
class Plots:
    """Figures of the results. Each method draws into matplotlib axes, and returns them.

    Without axes a new figure is made, which is not opened in a window;
    ``ax.figure.savefig(path)`` writes it.
    """

    dataset: xr.Dataset

    def bands(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the bands over the measured spectral energy along the path."""
        return plot.bands(self.dataset, ax)

    def bands_and_density(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the bands with the densities of states beside them."""
        return plot.bands_and_density(self.dataset, ax)

    def lifetimes(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the lifetimes of all sets of modes against their frequencies."""
        return plot.lifetimes(self.dataset, ax)

    def energies(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the mode temperatures of all sets of modes against their frequencies."""
        return plot.temperatures(self.dataset, ax)

    def vdos(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the vibrational density of states per atom, total and by species."""
        return plot.vdos(self.dataset, ax)

    def spectrum(self, mode: int | str, ax: "Axes | None" = None) -> "Axes":
        """Draw the spectrum of a set of modes with the fitted line.

        Parameters
        ----------
        mode
            Number of the set, or one of its modes such as ``1/2 0 0:3``.
        ax
            The axes.
        """
        return plot.spectrum(self.dataset, mode, ax)

    def correlation(self, mode: int | str, ax: "Axes | None" = None) -> "Axes":
        """Draw the correlation of the energy of a set of modes with the fitted decay.

        Parameters
        ----------
        mode
            Number of the set, or one of its modes such as ``1/2 0 0:3``.
        ax
            The axes.
        """
        return plot.correlation(self.dataset, mode, ax)


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Results:
    """Results of a run: a Dataset with units, its tables, figures and mode amplitudes.

    ``results["lifetime_ps"]`` is a variable of the Dataset.
    """

    dataset: xr.Dataset
    """All results, each variable with its unit and convention."""
    analysis: Analysis | None = None
    """Results as the analysis made them; None where they were read or are a spectral map."""
    folder: Path | None = None
    """Folder that they were read from."""
    log: Log | None = None
    """What was done, and how long it took."""

    def to_dataset(self) -> xr.Dataset:
        """Give all results in one Dataset with named dimensions, units and provenance."""
        return self.dataset.copy()

    def __getitem__(self, name: str) -> xr.DataArray:
        """Return one variable."""
        if name not in self.dataset.variables:
            raise KeyError(f"the results hold no {name}")
        return self.dataset[name]

    @property
    def crystal(self) -> Crystal:
        """The primitive crystal."""
        return crystal_in(self.dataset)

    @property
    def force_constants(self) -> ForceConstants:
        """Force constants whose modes these are.

        Raises
        ------
        DataError
            If the results hold none.
        """
        if self.analysis is not None:
            origin = str(self.dataset.attrs["command"])
            return ForceConstants.of_fit(self.analysis, origin)
        if self.folder is None or is_map(self.dataset):
            raise DataError(
                "the results hold no force constants",
                why="they are the spectral energy along a path",
                fix="take those that the run was projected on",
            )
        return read_force_constants(self.folder)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables that `table` gives."""
        return tuple(n for n, one in self._listed().items() if one.is_possible(self.dataset))

    def table(self, name: str) -> "pd.DataFrame":
        """One table, with the columns of the CSV file of that name.

        Raises
        ------
        UsageError
            If there is no such table.
        DataError
            If the results have no data for it.
        """
        import pandas as pd  # noqa: PLC0415 - loads slowly

        listed = self._listed()
        if name not in listed:
            fix = instead_of(name, self.tables)
            raise UsageError(f'there is no table "{name}"', fix=fix)
        if name not in self.tables:
            raise DataError(
                f"the results hold no data for the table {name}",
                why="this part of the analysis was not asked for",
                fix=f"there are {', '.join(self.tables)}",
            )
        content = listed[name].make(self.dataset)
        return pd.DataFrame(dict(content.columns))  # type: ignore[attr-defined]  # a table

    @property
    def modes(self) -> "pd.DataFrame":
        """Sets of symmetry-equivalent modes, one row each: q point, frequencies, lifetimes.

        ``table("modes")`` has all columns of ``modes.csv``. Each is also a variable, such as
        ``results["heat_capacity_kb"]``.
        """
        whole = self.table("modes").set_index("set")
        return whole[[one for one in whole if one.removesuffix("_sem") in _MODE_COLUMNS]]

    @property
    def plot(self) -> Plots:
        """Figures, one panel each, such as ``results.plot.bands(ax=ax)``."""
        return Plots(self.dataset)

    @takes("thermo")
    def thermodynamics(self, **options: Unpack[ThermoKeywords]) -> xr.Dataset:
        """Thermodynamics of the force constants, with ⟨uu⟩ of the run if it was projected.

        Parameters
        ----------
        **options
            Options of `trajmodes thermo`.

        Raises
        ------
        DataError
            If the results hold no force constants, or all modes are imaginary.
        """
        origin = call_text("results.thermodynamics", **options)
        run = self.dataset if "potential_mev" in self.dataset else None
        values = values_of("thermo", options)
        return thermo_job(self.force_constants, values, command=origin, run=run)[0]

    def elasticity(self) -> xr.Dataset:
        """Elastic constants of the force constants; see `ForceConstants.elasticity`."""
        return self.force_constants.elasticity()

    def amplitudes(self, *modes: str) -> xr.Dataset:
        """Amplitudes Q(t) in √(eV) ps and velocities in √(eV) of modes, of every frame.

        Amplitudes that were saved are read from the folder. Others are calculated from the
        trajectory when Dask computes them; the trajectory is opened again unless it is in
        memory.

        Parameters
        ----------
        modes
            q and branch, such as ``1/2 0 0:3`` or ``X:4-6``; branches count from 1.

        Returns
        -------
        Dask arrays ``Q``, ``Qdot`` and ``Qdot_over_omega`` (frame, mode) with time, q, branch
        and frequency.

        Raises
        ------
        UsageError
            If there is no such mode, or the trajectory no longer exists.
        DataError
            If the results hold no modes.
        """
        if not modes:
            raise UsageError("no mode is named", fix='give one such as "1/2 0 0:3"')
        listed = modes_in(self.dataset)
        if self.folder is not None:
            saved = saved_amplitudes(self.folder, listed, modes)
            if saved is not None:
                return saved
        run = None if self.analysis is None else self.analysis.run
        if run is None:
            run = reopened(str(self.dataset.attrs["run_file"]), self.force_constants)
        return lazy_amplitudes(run, listed, modes)

    def save(self, folder: PathLike) -> None:
        """Write tables, figures and all other files of a results folder.

        Raises
        ------
        UsageError
            If a file would be overwritten that trajmodes did not write, or the folder is that
            of these results.
        StorageError
            If the system refuses to write.
        """
        if self.analysis is not None:
            save_analysis(folder, self.dataset, self.analysis, self.log)
        elif self.folder is not None:
            copy_results(folder, self.dataset, self.folder)
        else:
            with open_folder(folder) as opened:
                write_results(self.dataset, opened, dict)

    def report(self, output: PathLike = "report.html") -> None:
        """Write one page in HTML, as `trajmodes report` does.

        Parameters
        ----------
        output
            The file. An earlier report is replaced.

        Raises
        ------
        UsageError
            If the file exists and is not a report.
        StorageError
            If it cannot be written.
        """
        from trajmodes.report.html.write import report_of  # noqa: PLC0415 - loads slowly

        report_of(self.dataset, self.folder, os.fspath(output))

    def _listed(self) -> dict[str, Output]:
        """Tables by the names of their files."""
        outputs = outputs_of(self.dataset)
        return {Path(one.name).stem: one for one in outputs if one.name.endswith(".csv")}

    def __str__(self) -> str:
        """Summary, as `trajmodes show` prints it."""
        return text_of(render(self.dataset, rows=None))

    def __repr__(self) -> str:
        """Summarise in one line."""
        said = ", ".join(f"{name} {value}" for name, value in self._rows().items())
        return f"<Results of {self.crystal.formula}: {said}>"

    def _repr_html_(self) -> str:
        return html_table(f"Results of {self.crystal.formula}", self._rows())

    def _rows(self) -> Mapping[str, object]:
        dataset = self.dataset
        rows: dict[str, object] = {}
        if "supercell_matrix" in dataset:
            cells = abs(np.linalg.det(dataset["supercell_matrix"].values))
            rows["atoms"] = round(cells) * dataset.sizes["site"]
        if is_series(dataset):
            rows["runs"] = dataset.sizes["series_run"]
        if is_map(dataset):
            rows["points along the path"] = dataset.sizes["map_point"]
        elif "set" in dataset.sizes:
            rows["sets of modes"] = dataset.sizes["set"]
        if "temperature" in dataset:
            rows["temperature"] = f"{float(dataset['temperature']):.1f} K"
        if "resolved" in dataset:
            rows["lines resolved"] = int(dataset["resolved"].values.sum())
        return rows


def load(path: PathLike) -> Results:
    """Read a results folder.

    Parameters
    ----------
    path
        The folder that `trajmodes run`, `project`, `fit` or `sed` wrote, or its results.nc.

    Raises
    ------
    DataError
        If the results are missing, damaged, or of another version.
    """
    place = Path(path)
    folder = place if place.is_dir() else place.parent
    return Results(read_results(place), folder=folder)


def results_of(found: Analysis | SpectralEnergy, log: Log | None = None) -> Results:
    """Results of an analysis in memory."""
    if isinstance(found, SpectralEnergy):
        return Results(to_dataset(found))
    return Results(to_dataset(found.results), analysis=found, log=log)
