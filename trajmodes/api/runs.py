"""A run as an object, and the calls that read, fit and project runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Unpack

import numpy.typing as npt

from trajmodes.api.calls import (
    Expression,
    PathLike,
    call_text,
    cell_in_file,
    in_memory,
    selected,
)
from trajmodes.api.force_constants import ForceConstants
from trajmodes.api.mapped_run import MappedRun
from trajmodes.api.results import Results, load, results_of
from trajmodes.config.job import Job, job_of, of_groups, require_taken
from trajmodes.config.keywords import takes
from trajmodes.config.typed_keywords import (
    ArraysKeywords,
    FitKeywords,
    FitRunsKeywords,
    OpenKeywords,
    ProjectKeywords,
    RunKeywords,
)
from trajmodes.data import force_constants as plain
from trajmodes.data.energies import Anharmonicity
from trajmodes.data.labels import html_table
from trajmodes.pipeline.check.show import show_check
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.load import load as load_run
from trajmodes.pipeline.project_job import project_job, project_only, sigma_about
from trajmodes.pipeline.run import FitData, analyse, fit_job, fit_only, run_job
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.readers.trajectory import Trajectory

if TYPE_CHECKING:
    from ase import Atoms

    from trajmodes.api.calls import Frames

_OF_OPEN_RUNS = of_groups(("fit", "polar", "phonons", "projection", "running"))


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Run(MappedRun):
    """A trajectory matched to its crystal. Only a sample of the frames has been read.

    Iterate over it for blocks of motion; `arrays` gives the file as Dask arrays.
    """

    def check(self) -> str:
        """Check the run; the report is that of `trajmodes check -v`."""
        return show_check(self, verbose=True)

    @takes("fit")
    def fit(self, **options: Unpack[FitKeywords]) -> ForceConstants:
        """Fit force constants to the displacements and forces of the run.

        Parameters
        ----------
        **options
            Options of `trajmodes fit`.

        Raises
        ------
        UsageError
            If the supercell does not admit a cutoff.
        DataError
            If the run has no forces, or too few frames for the force constants.

        Examples
        --------
        >>> import trajmodes as tm
        >>> run = tm.open(
        ...     "examples/data/silicon.lammpstrj.xz", cell="examples/data/silicon.POSCAR"
        ... )
        >>> fc = run.fit(cutoff2=4.0)
        >>> fc
        <ForceConstants of Si2: 34 pairs, 1140.0 K, with error bars>
        >>> print(fc.frequencies("X").round(1))
        [ 6.2  6.2 12.5 12.5 15.1 15.1]
        """
        return fit_runs([self], **options)

    @takes("project")
    def project(
        self,
        force_constants: plain.ForceConstants | PathLike,
        **options: Unpack[ProjectKeywords],
    ) -> Results:
        """Project the run on the modes of force constants.

        Parameters
        ----------
        force_constants
            Force constants, or the file or folder that holds them.
        **options
            Options of `trajmodes project`.

        Raises
        ------
        DataError
            If the run is not of the crystal of the force constants, or too short for spectra.
        """
        job, given, command = self._job_on(force_constants, "project", options)
        if job.running.output is not None:
            project_job(job, command=command, given=given)
            return load(job.running.output)
        log = Log()
        return results_of(project_only(job, command=command, log=log, given=given), log)

    def anharmonicity(self, force_constants: plain.ForceConstants | PathLike) -> Anharmonicity:
        """Measure σ, the rms force beyond that of harmonic force constants over the rms force.

        Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809 (2020). It needs
        forces, but neither velocities nor a time step; the constants are usually static.

        Raises
        ------
        DataError
            If the run has no forces, or is not of the crystal of the force constants.
        """
        job, given, _ = self._job_on(force_constants, "anharmonicity", {})
        return sigma_about(job, given)

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        said = ", ".join(f"{name} {value}" for name, value in self._rows().items())
        return f"<Run of {self.supercell.crystal.formula}: {said}>"

    def _repr_html_(self) -> str:
        return html_table(f"Run of {self.supercell.crystal.formula}", self._rows())

    def _rows(self) -> dict[str, object]:
        rows: dict[str, object] = {
            "files": " ".join(path.name for path in self.trajectory.paths) or "in memory",
            "atoms": self.supercell.n_atoms,
            "frames": self.n_frames,
        }
        if self.trajectory.interval_ps is not None:
            rows["every"] = f"{1e3 * self.trajectory.interval_ps:.4g} fs"
        return rows | {"with": " ".join(self.fields)}


@takes("check")
def open_run(
    trajectory: "PathLike | Iterable[PathLike] | Sequence[Atoms] | Frames",
    **options: Unpack[OpenKeywords],
) -> Run:
    """Open a trajectory and match it to its crystal.

    Parameters
    ----------
    trajectory
        The file or files of one run, one job file (``.toml``), a list of ASE Atoms, whose time
        step is `timestep_fs`, a Universe or AtomGroup of MDAnalysis, or arrays by name
        (positions, cells, species, velocities, forces): a Dataset of xarray, a group of zarr,
        or a dictionary. Arrays, also those of Dask, are read in pieces; their units are their
        attributes ``units``, or the option.
    **options
        Options of `trajmodes check`.

    Raises
    ------
    UsageError
        If a file, or information that only the user has, is missing.
    DataError
        If the trajectory is damaged, inconsistent, or not of this crystal.

    Examples
    --------
    >>> import trajmodes as tm
    >>> run = tm.open("examples/data/silicon.lammpstrj.xz", cell="examples/data/silicon.POSCAR")
    >>> run.n_frames, run.supercell.n_atoms
    (3001, 64)
    >>> velocities = run.arrays()["velocities"]  # a Dask array (frame, atom, xyz)
    >>> print(round(float(velocities[:100].std().compute()), 1), "Å/ps")
    5.8 Å/ps
    """
    given = cell_in_file(options)
    origin = call_text("trajmodes.open", _named(trajectory), **given)
    frames, files = in_memory(trajectory, options)
    return _opened(job_of("check", files, given), frames, origin)


@takes("check")
def from_arrays(  # noqa: PLR0913 - each keyword is one field of the frames
    positions: npt.ArrayLike | None,
    cells: npt.ArrayLike | None,
    species: Sequence[str],
    *,
    forces: npt.ArrayLike | None = None,
    velocities: npt.ArrayLike | None = None,
    masses_da: npt.ArrayLike | None = None,
    interval_ps: float | None = None,
    ideal: npt.ArrayLike | None = None,
    **options: Unpack[ArraysKeywords],
) -> Run:
    """Make a run of frames that are given as arrays.

    Parameters
    ----------
    positions
        (t, a, 3) in Å, folded into the box or not. None for velocities alone; the option `cell`
        is then a structure of the same atoms, which gives their sites.
    cells
        (3, 3) or (t, 3, 3) box vectors in Å, as rows. None, with velocities alone, for the box
        of that structure.
    species
        (a,) chemical symbols.
    forces
        (t, a, 3) in eV/Å.
    velocities
        (t, a, 3) in Å/ps.
    masses_da
        (a,) in Da; the standard ones of the elements where they are not given.
    interval_ps
        Time between frames in ps, if they are frames of one run.
    ideal
        (a, 3) reference positions in Å, if the frames are displacements from a known structure.
    **options
        Options of `trajmodes check`.

    Raises
    ------
    DataError
        If shapes disagree, a number is not finite, or the frames are not of this crystal.
    """
    frames = trajectory_of_arrays(
        positions,
        cells,
        species,
        forces=forces,
        velocities=velocities,
        masses_da=masses_da,
        interval_ps=interval_ps,
        ideal=ideal,
    )
    given = cell_in_file(options)
    origin = call_text("trajmodes.from_arrays", positions, cells, species, **given)
    return _opened(job_of("check", "arrays", given), frames, origin)


@takes("run")
def run(
    trajectory: "PathLike | Iterable[PathLike] | Sequence[Atoms] | Frames | Run",
    **options: Unpack[RunKeywords],
) -> Results:
    """Fit force constants to a run and project it on their modes, as `trajmodes run` does.

    Parameters
    ----------
    trajectory
        The file or files of one run, one job file (``.toml``), frames in memory as for
        `trajmodes.open`, or a run that is open.
    **options
        Options of `trajmodes run`. Those on reading a run belong to `trajmodes.open` if the run
        is already open.

    Raises
    ------
    UsageError
        If a file, or information that only the user has, is missing.
    DataError
        If the trajectory is damaged, inconsistent, not of this crystal, or too short for the
        force constants.
    """
    given = cell_in_file(options)
    command = call_text("trajmodes.run", _named(trajectory), **given)
    if isinstance(trajectory, Run):
        require_taken("run", options, _OF_OPEN_RUNS)
        job = trajectory.job.with_options(**{"output": None, **options})
        frames: Trajectory | None = trajectory.trajectory
    else:
        frames, files = in_memory(trajectory, options)
        job = job_of("run", files, given)
        frames = selected(frames, job)
    if job.running.output is not None:
        run_job(job, command=command, frames=frames)
        return load(job.running.output)
    log = Log()
    loaded = load_run(job, log=log, frames=frames)
    return results_of(analyse(loaded, command=command, log=log), log)


@takes("fit")
def fit_runs(
    data: "PathLike | Iterable[PathLike | Run | Atoms] | Run | Trajectory",
    **options: Unpack[FitRunsKeywords],
) -> ForceConstants:
    """Fit force constants to displacements and forces of one or several runs together.

    Parameters
    ----------
    data
        Trajectory files of one or several runs, a pattern such as ``T300/*.lammpstrj``, a job
        file, a list of ASE Atoms with forces, or runs that are open.
    **options
        Options of `trajmodes fit`. Those on reading runs belong to `trajmodes.open` if the runs
        are already open.

    Raises
    ------
    UsageError
        If a file, or information that only the user has, is missing.
    DataError
        If the frames are damaged, inconsistent, not of one crystal, or too few for the force
        constants.
    """
    runs = _runs(data)
    given = cell_in_file(options)
    command = call_text("trajmodes.fit_runs", _named(data), **given)
    if runs:
        require_taken("fit", options, _OF_OPEN_RUNS)
        files = tuple(name for one in runs for name in one.job.trajectory)
        first = runs[0].job
        job = first.with_options(**{"output": None, **options, "trajectory": files})
        if len(runs) == 1:
            command = call_text(f"{runs[0].origin}.fit", **options)
        frames: Sequence[Trajectory] = [one.trajectory for one in runs]
    else:
        only, names = in_memory(data, options)
        job = job_of("fit", names, given)
        only = selected(only, job)
        frames = () if only is None else [only]
    trajectories = FitData(frames)
    if job.running.output is not None:
        fit_job(job, command=command, data=trajectories)
        return load(job.running.output).force_constants
    found = fit_only(job, command=command, log=Log(), data=trajectories)
    return ForceConstants.of_fit(found, command)


def _opened(job: Job, frames: Trajectory | None, origin: str) -> Run:
    found = load_run(job, log=Log(), frames=selected(frames, job))
    values = {one.name: getattr(found, one.name) for one in fields(LoadedRun)}
    return Run(**values, origin=origin)


def _runs(data: object) -> list[Run]:
    """Return the data if all of them are open runs."""
    if isinstance(data, Run):
        return [data]
    items = list(data) if isinstance(data, list | tuple) else []
    return items if items and all(isinstance(one, Run) for one in items) else []


def _named(data: object) -> object:
    """Replace runs by the calls that opened them; leave other data unchanged."""
    runs = _runs(data)
    if isinstance(data, Run):
        return Expression(data.origin)
    return Expression(f"[{', '.join(one.origin for one in runs)}]") if runs else data
