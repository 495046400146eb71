"""The command `trajmodes molecule`: from files to a results folder."""

import io
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.job import Job, toml_text
from trajmodes.molecules.hessian import hessian_of
from trajmodes.pipeline.job_folder import Log, StartBar, inputs_of, no_bars
from trajmodes.pipeline.molecule.analysis import (
    MoleculeResults,
    MoleculeRun,
    analyse_molecule,
    normal_coordinates,
    open_molecule,
)
from trajmodes.pipeline.molecule.tables import modes_table
from trajmodes.readers.trajectory import Trajectory
from trajmodes.results.folder import Writer, open_folder, require_replaceable, write_files
from trajmodes.results.netcdf import COORDINATES, write_series
from trajmodes.units import DALTON

if TYPE_CHECKING:
    pass


PathLike = str | os.PathLike[str]

_FILES = ("modes.csv", "reference.xyz", "hessian.npy", "vectors.npy", "run.toml", "run.log")


class WrittenMolecule(NamedTuple):
    """Results and the files that contain them."""

    results: MoleculeResults
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


def molecule_job(
    job: Job, *, command: str, bars: StartBar = no_bars, frames: Trajectory | None = None
) -> WrittenMolecule:
    """Find the modes of a molecule in a run without periodicity, and write a folder.

    Parameters
    ----------
    command
        The command line or call, for the log.
    bars
        Starts a progress bar.
    frames
        Open frames, used in place of the job's files.

    Raises
    ------
    UsageError
        If the folder contains the input files, or files that trajmodes did not write.
    TrajmodesError
        If the input, the folder or the disk is unusable.
    """
    files = job.molecule
    inputs = [one for one in (files.reference, files.hessian) if one is not None]
    names = (*_FILES, *((COORDINATES.file,) if files.series else ()))
    require_replaceable(job.folder, names, [*inputs, *inputs_of(job)])
    log = Log()
    log.record(command)
    with open_folder(job.folder) as folder:
        with log.stage("open and find the reference"):
            run = open_molecule(job, frames=frames)
        results = analyse_molecule(run, log=log, bars=bars)
        for note in results.notes:
            log.record(f"note: {note}")
        with log.stage("write"):
            writers = _writers(run, results, log, series=files.series)
            written = write_files(folder, writers)
    return WrittenMolecule(
        results, {str(Path(job.folder) / name): text for name, text in written.items()}
    )


def _writers(
    run: MoleculeRun, results: MoleculeResults, log: Log, *, series: bool
) -> dict[str, Writer]:
    text = "normal modes: frequencies, reduced masses, results of the run for each"
    writers = {
        "modes.csv": Writer(text, modes_table(results).write),
        "reference.xyz": Writer(
            "the reference of the modes", partial(_write_text, text=_xyz(results))
        ),
        "hessian.npy": Writer(
            "second derivatives in eV/Å² at the reference",
            _array(hessian_of(results.constants)[0]),
        ),
        "vectors.npy": Writer(
            "Cartesian displacements (mode, atom, 3) of norm 1, in the order of modes.csv",
            _array(_cartesian(results)),
        ),
    }
    if series:
        write = partial(
            write_series,
            normal_coordinates(run, results.modes, results.table),
            kind=COORDINATES,
        )
        text = "normal-mode positions and velocities of every frame, as for i-PI"
        writers[COORDINATES.file] = Writer(text, write)
    job = partial(_write_text, text=toml_text(run.job))
    writers["run.toml"] = Writer("all options of the run", job)
    writers["run.log"] = Writer("stages and their durations", log.write)
    return writers


def _cartesian(results: MoleculeResults) -> Floats:
    vectors = results.modes.vectors[0, results.table.mode].real
    cartesian = vectors / np.sqrt(results.molecule.masses)[:, None]
    norms: Floats = np.linalg.norm(cartesian, axis=(1, 2), keepdims=True)
    unit: Floats = cartesian / norms
    return unit


def _xyz(results: MoleculeResults) -> str:
    molecule = results.molecule
    rows = [
        f"{name} {x:.12f} {y:.12f} {z:.12f} {mass:.9f}"
        for name, (x, y, z), mass in zip(
            molecule.species, molecule.positions, molecule.masses / DALTON, strict=True
        )
    ]
    head = 'Properties=species:S:1:pos:R:3:masses:R:1 pbc="F F F"'
    return "\n".join([str(len(rows)), head, *rows]) + "\n"


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _array(values: Floats) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        buffer = io.BytesIO()
        np.save(buffer, values)
        path.write_bytes(buffer.getvalue())

    return write
