"""The functions that ``import trajmodes as tm`` offers for runs."""

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from trajmodes.config.job import job_of
from trajmodes.config.keywords import takes
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.results import Results
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.project_job import project_job, project_only
from trajmodes.pipeline.run import analyse, fit_job, fit_only, run_job
from trajmodes.readers.arrays import trajectory_of_atoms
from trajmodes.readers.trajectory import Trajectory

if TYPE_CHECKING:
    from ase import Atoms


PathLike = str | os.PathLike[str]


@takes("check")
def open_run(trajectory: PathLike | Iterable[PathLike], **options: Any) -> LoadedRun:
    """Open a trajectory and match it to its crystal.

    Parameters
    ----------
    trajectory
        The file or files of one run, or one job file (``.toml``).
    **options
        Options of `trajmodes check`.

    Returns
    -------
    The run: ``run.arrays()`` are Dask arrays of the file, iterating over it gives blocks of
    motion, ``run.diagnosis`` says what it is good for.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, or not of this crystal.

    Examples
    --------
    >>> import trajmodes as tm
    >>> run = tm.open("run.lammpstrj", cell="POSCAR", timestep_fs=1.0)  # doctest: +SKIP
    >>> run.arrays()["velocities"].std().compute()  # doctest: +SKIP
    """
    return load(job_of("check", trajectory, options), log=Log())


@takes("run")
def run(trajectory: PathLike | Iterable[PathLike], **options: Any) -> Results:
    """Fit force constants to a run and project it on their modes.

    Parameters
    ----------
    trajectory
        The file or files of one run, or one job file (``.toml``).
    **options
        Options of `trajmodes run`.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, not of this crystal, or too short for the constants.

    Examples
    --------
    >>> import trajmodes as tm
    >>> results = tm.run("run.lammpstrj", cell="POSCAR", timestep_fs=1.0)  # doctest: +SKIP
    >>> tm.to_dataset(results)["lifetime_ps"]  # doctest: +SKIP
    """
    job = job_of("run", trajectory, options)
    command = f"trajmodes.run({', '.join(job.trajectory)})"
    if job.running.output is not None:
        return run_job(job, command=command).results
    log = Log()
    return analyse(load(job, log=log), command=command, log=log).results


@takes("project")
def project_run(
    trajectory: PathLike | Iterable[PathLike],
    force_constants: PathLike | ForceConstants,
    **options: Any,
) -> Results:
    """Project a run on the modes of given force constants.

    Parameters
    ----------
    trajectory
        The file or files of one run, or one job file (``.toml``).
    force_constants
        File or folder with force constants, or force constants in memory.
    **options
        Options of `trajmodes project`.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, not of the crystal of the constants, or too short for
        spectra.

    Examples
    --------
    >>> import trajmodes as tm
    >>> results = tm.project_run("run.lammpstrj", "fit/", timestep_fs=1.0)  # doctest: +SKIP
    >>> results.projection.lifetimes.lifetime_ps  # doctest: +SKIP
    """
    known = force_constants if isinstance(force_constants, ForceConstants) else None
    named = "memory" if isinstance(force_constants, ForceConstants) else force_constants
    job = job_of("project", trajectory, {**options, "force_constants": named})
    command = f"trajmodes.project_run({', '.join(job.trajectory)})"
    if job.running.output is not None:
        return project_job(job, command=command, known=known).results
    return project_only(job, command=command, log=Log(), known=known).results


@takes("fit")
def fit_constants(
    data: "PathLike | Sequence[PathLike] | Sequence[Atoms] | Trajectory", **options: Any
) -> Results:
    """Fit force constants to displacements and forces from any source.

    Parameters
    ----------
    data
        Trajectory files of one or several runs, or a job file; or a list of ASE ``Atoms`` with
        forces; or frames of arrays, see `trajmodes.readers.trajectory_of_arrays`.
    **options
        Options of `trajmodes fit`.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the frames are not sound, not of this crystal, or too few for the constants.

    Examples
    --------
    >>> import trajmodes as tm
    >>> results = tm.fit_constants(
    ...     images, cell="POSCAR", cutoff2=8.0, cutoff3=4.5
    ... )  # doctest: +SKIP
    >>> results.constants.triplets.values.shape  # doctest: +SKIP
    """
    frames = _frames(data)
    files = cast("Sequence[PathLike]", data) if frames is None else "arrays"
    job = job_of("fit", files, options)
    command = f"trajmodes.fit_constants({', '.join(job.trajectory)})"
    if job.running.output is not None:
        return fit_job(job, command=command, frames=frames).results
    return fit_only(job, command=command, log=Log(), frames=frames).results


def _frames(data: object) -> Trajectory | None:
    """Frames that are in memory already; None for files."""
    if isinstance(data, Trajectory):
        return data
    images = cast("Sequence[Atoms]", data)
    if not isinstance(data, str | os.PathLike) and images and hasattr(images[0], "get_forces"):
        return trajectory_of_atoms(images)
    return None
