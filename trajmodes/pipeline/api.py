"""The doors from Python: the names that ``import trajmodes as tm`` offers."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trajmodes.config import Job, job_from_mapping, read_job
from trajmodes.data import ForceConstants, Results
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.log import Log
from trajmodes.pipeline.projected import project_job, project_only
from trajmodes.pipeline.run import analyse, fit_job, fit_only, run_job
from trajmodes.readers import Trajectory, trajectory_of_atoms

if TYPE_CHECKING:
    from ase import Atoms

__all__ = ["fit_constants", "job_of", "open_run", "project_run", "run"]

PathLike = str | os.PathLike[str]


def open_run(trajectory: PathLike | Iterable[PathLike], **settings: Any) -> LoadedRun:
    """Open a trajectory and match it to its crystal.

    Parameters
    ----------
    trajectory
        The file or files of one run, or one job file (``.toml``).
    settings
        As in `trajmodes.config.Job`: cell, timestep_fs, units, species, frames, …

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
    return load(_job(trajectory, settings), log=Log())


def run(trajectory: PathLike | Iterable[PathLike], **settings: Any) -> Results:
    """Fit force constants to a run and project it on their modes.

    Parameters
    ----------
    trajectory
        The file or files of one run, or one job file (``.toml``).
    settings
        As in `trajmodes.config.Job`: cell, timestep_fs, cutoff, … With ``output`` the results
        folder is written as well.

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
    job = _job(trajectory, settings)
    command = f"trajmodes.run({', '.join(job.trajectory)})"
    if settings.get("output") is not None:
        return run_job(job, command=command).results
    log = Log()
    return analyse(load(job, log=log), command=command, log=log).results


def project_run(
    trajectory: PathLike | Iterable[PathLike],
    constants: PathLike | ForceConstants,
    **settings: Any,
) -> Results:
    """Project a run on the modes of given force constants.

    Parameters
    ----------
    trajectory
        The file or files of one run, or one job file (``.toml``).
    constants
        File or folder with force constants, or constants in memory.
    settings
        As in `trajmodes.config.Job`: timestep_fs, resolution_thz, line, conductivity, … With
        ``output`` the results folder is written as well.

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
    known = constants if isinstance(constants, ForceConstants) else None
    named = "memory" if isinstance(constants, ForceConstants) else os.fspath(constants)
    job = _job(trajectory, {**settings, "constants": named})
    command = f"trajmodes.project_run({', '.join(job.trajectory)})"
    if settings.get("output") is not None:
        return project_job(job, command=command, known=known).results
    return project_only(job, command=command, log=Log(), known=known).results


def fit_constants(
    data: "PathLike | Sequence[PathLike] | Sequence[Atoms] | Trajectory", **settings: Any
) -> Results:
    """Fit force constants to displacements and forces from any source.

    Parameters
    ----------
    data
        Trajectory files of one or several runs, or a job file; or a list of ASE ``Atoms`` with
        forces; or frames of arrays, see `trajmodes.readers.trajectory_of_arrays`.
    settings
        As in `trajmodes.config.Job`: cell, cutoff, cutoff3, scheme, … With ``output`` the
        results folder is written as well.

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
    ...     images, cell="POSCAR", cutoff=8.0, cutoff3=4.5
    ... )  # doctest: +SKIP
    >>> results.constants.triplets.values.shape  # doctest: +SKIP
    """
    frames = _frames(data)
    job = _job(cast("Sequence[PathLike]", data) if frames is None else "arrays", settings)
    command = f"trajmodes.fit_constants({', '.join(job.trajectory)})"
    if settings.get("output") is not None:
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


def job_of(given: Mapping[str, Any], **defaults: Any) -> Job:
    """Job from the words of a command line; options that were not given are None.

    Parameters
    ----------
    given
        Names of `Job` and their values. A single trajectory that ends in ``.toml`` is a job
        file, whose settings the others replace.
    defaults
        Settings of the command, where neither a job file nor the command line has them.

    Raises
    ------
    UsageError
        If a name or a value is impossible.
    """
    settings = {name: value for name, value in given.items() if value not in (None, ())}
    return _job(settings.pop("trajectory"), settings, defaults)


def _job(
    trajectory: PathLike | Iterable[PathLike],
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> Job:
    paths = [trajectory] if isinstance(trajectory, str | os.PathLike) else list(trajectory)
    names = [os.fspath(path) for path in paths]
    base: dict[str, Any] = {**(defaults or {}), "trajectory": names}
    if len(names) == 1 and names[0].endswith(".toml"):
        job = read_job(Path(names[0]))
        base = {name: getattr(job, name) for name in Job.__dataclass_fields__}
    plain = {k: os.fspath(v) if isinstance(v, os.PathLike) else v for k, v in settings.items()}
    return job_from_mapping({**base, **plain})
