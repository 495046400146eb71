"""Amplitudes of chosen modes as lazy arrays: nothing is read before they are computed."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from trajmodes.arrays import Complexes
from trajmodes.config.job import URL, Job, job_from_mapping
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import UsageError
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.motion_source import Source, source_of
from trajmodes.pipeline.project_job import Given, run_on_constants
from trajmodes.project.projector import Projector
from trajmodes.project.sampling import attenuation
from trajmodes.project.selected_modes import (
    ChosenMode,
    parse_modes,
    select_series,
)
from trajmodes.results.dataset import amplitudes_dataset
from trajmodes.results.netcdf import AMPLITUDES, open_series
from trajmodes.streaming.schedule import lazy_series
from trajmodes.symmetry.translations import half_space


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the amplitudes of chosen modes, block by block."""

    source: Source
    projector: Projector
    chosen: tuple[ChosenMode, ...]

    def read(self, start: int, stop: int) -> Complexes:
        """(t, field, k) amplitudes in the frames [start, stop)."""
        block = self.source.motion(start, stop)
        return select_series(self.projector.project(block), self.chosen)


def lazy_amplitudes(run: LoadedRun, modes: Modes, names: Sequence[str]) -> xr.Dataset:
    """Amplitudes Q(t) and velocities of modes, of every frame, as a Dataset of Dask arrays.

    They are those that ``--save-amplitudes`` writes. The run is on the crystal of the modes,
    which are at its commensurate q points; names are as in `trajmodes.project.selected_modes`.

    Raises
    ------
    UsageError
        If there is no such mode.
    DataError
        If the time between frames is unknown, or too large for velocities from differences.
    """
    chosen = parse_modes(names, modes, partial(zone_point, modes.crystal))
    source = source_of(run, float(modes.omega.max()), every_frame=True)
    apart_ps = source.differenced_ps
    kept = None if apart_ps is None else attenuation(modes.omega, apart_ps)
    reader = _Reader(source, Projector(half_space(run.supercell), modes, kept), chosen)
    values = lazy_series(reader.read, source.blocks, (2, len(chosen)))
    omega = np.array([modes.omega[mode.row, mode.branch] for mode in chosen])
    assert source.times_ps is not None
    return amplitudes_dataset(values, chosen, source.times_ps, omega)


def reopened(run_file: str, constants: ForceConstants) -> LoadedRun:
    """Open the run of given results, on the crystal of their force constants.

    `run_file` is the text of run.toml.

    Raises
    ------
    UsageError
        If a file of the run does not exist.
    DataError
        If the files now hold another crystal.
    """
    job: Job = job_from_mapping(tomllib.loads(run_file))
    missing = [name for name in job.trajectory if not (URL.match(name) or Path(name).exists())]
    if missing:
        raise UsageError(
            "the run that these results were made from cannot be read",
            where=missing[0],
            why="amplitudes are calculated from the trajectory: the file was moved, or the "
            "frames were in memory",
            fix="put the file back, or project the run again with save_amplitudes",
        )
    run, _, _ = run_on_constants(
        job.with_options(cell=None), log=Log(), given=Given(constants=constants)
    )
    return run


def saved_amplitudes(folder: Path, modes: Modes, names: Sequence[str]) -> xr.Dataset | None:
    """Amplitudes of modes in a results folder, read when computed; None if it has none.

    Raises
    ------
    UsageError
        If there is no such mode.
    """
    chosen = parse_modes(names, modes, partial(zone_point, modes.crystal))
    if not (folder / AMPLITUDES.file).exists():
        return None
    found = open_series(folder, AMPLITUDES)
    have = [
        (*q, int(branch))
        for q, branch in zip(found["q"].values.tolist(), found["branch"].values, strict=True)
    ]
    wanted = [(*mode.qpoint, mode.branch + 1) for mode in chosen]
    if not set(wanted) <= set(have):
        return None
    return found.isel(mode=[have.index(mode) for mode in wanted])
