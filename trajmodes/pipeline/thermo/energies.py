"""Potential energies of the frames of runs, from files of any program or from an array."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError, instead_of_path
from trajmodes.formats.phonopy_yaml import looks_like_phonopy, read_supercell_energies
from trajmodes.pipeline.load import LoadedRun
from trajmodes.readers.energies import (
    LAMMPS_STYLES,
    EnergySeries,
    energies_of_frames,
    read_energies,
)
from trajmodes.readers.text.source import read_head

Energies = str | os.PathLike[str] | Sequence[str] | npt.ArrayLike | None
"""A file, files, or (t,) the energy of each frame in eV; None for those in the trajectory."""


def energies_of_runs(runs: Sequence[LoadedRun], energies: Energies) -> list[Floats]:
    """(t,) potential energy of each frame in eV, nan where unknown, for each run.

    Files of several runs are given in the order of the runs; all files belong to a single run.
    Without files the energies are those in the trajectories.

    Raises
    ------
    UsageError
        If the number of files differs from that of the runs, or a trajectory has no energies.
    DataError
        If the energies are not those of the frames.
    """
    files = _files(energies)
    if files is None:
        return _of_array(runs, np.asarray(energies, dtype=float))
    if not files:
        return [_of_files(run, [str(path) for path in run.trajectory.paths]) for run in runs]
    if len(runs) == 1:
        return [_of_files(runs[0], files)]
    if len(files) != len(runs):
        raise UsageError(
            f"{len(files)} files of energies are given for {len(runs)} runs",
            fix="repeat --energies: one file for each run, in the order "
            + ", ".join(_name(run) for run in runs),
        )
    return [_of_files(run, [file]) for run, file in zip(runs, files, strict=True)]


def _files(energies: Energies) -> list[str] | None:
    """Names of files; None for numbers."""
    if energies is None or isinstance(energies, str | os.PathLike):
        return [] if energies is None else [os.fspath(energies)]
    if isinstance(energies, Sequence) and all(isinstance(one, str) for one in energies):
        return [str(one) for one in energies]
    return None


def _of_array(runs: Sequence[LoadedRun], energies: Floats) -> list[Floats]:
    n_frames = [run.n_frames for run in runs]
    if energies.shape != (sum(n_frames),):
        raise DataError(
            f"energies have the shape {energies.shape}, and the run has {sum(n_frames)} frames",
            fix="give one energy in eV for each frame, nan where it is unknown",
        )
    return np.split(energies, np.cumsum(n_frames)[:-1])


def _of_files(run: LoadedRun, files: Sequence[str]) -> Floats:
    """Energies of the frames of a run; a later file takes precedence."""
    if not files:
        raise UsageError("the run has no files", fix="give the energies of its frames")
    steps, chosen = run.trajectory.steps, slice(*run.job.reading.frames)
    series = [_series(Path(file), run) for file in files]
    listed = [one for parts in series for one in parts]
    if all(one.steps is None for one in listed):
        joined = EnergySeries(np.concatenate([one.energies for one in listed]), None)
        return energies_of_frames((joined,), steps, where=", ".join(files), chosen=chosen)
    found = np.full(len(steps), np.nan)
    for file, parts in zip(files, series, strict=True):
        least = 0.5 if len(files) == 1 else 0.0
        own = energies_of_frames(parts, steps, where=file, chosen=chosen, least=least)
        found = np.where(np.isfinite(own), own, found)
    return found


def _series(path: Path, run: LoadedRun) -> tuple[EnergySeries, ...]:
    if not path.is_file():
        raise UsageError(f"there is no file {path}", fix=instead_of_path(path))
    if looks_like_phonopy(path, read_head(path)):
        return (EnergySeries(read_supercell_energies(path), None),)
    style = run.trajectory.unit_style
    return read_energies(path, style if style in LAMMPS_STYLES else None)


def _name(run: LoadedRun) -> str:
    paths = run.trajectory.paths
    return str(paths[0]) if paths else "arrays"
