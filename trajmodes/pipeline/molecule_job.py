"""The job `trajmodes molecule`: from files to a folder of files, and the door from Python."""

import io
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import Job, job_from_mapping, toml_text
from trajmodes.errors import UsageError
from trajmodes.pipeline.log import Log, StartBar, no_bars
from trajmodes.pipeline.molecule import (
    MoleculeResults,
    MoleculeRun,
    analyse_molecule,
    normal_coordinates,
    open_molecule,
)
from trajmodes.pipeline.molecule_tables import modes_table
from trajmodes.pipeline.written import inputs_of
from trajmodes.readers import Trajectory, trajectory_of_atoms
from trajmodes.results import (
    COORDINATES,
    Writer,
    open_folder,
    require_replaceable,
    write_files,
    write_series,
)
from trajmodes.symmetry.isolated import hessian_of
from trajmodes.units import DALTON, FEMTOSECOND

if TYPE_CHECKING:
    from ase import Atoms

__all__ = [
    "MoleculeFiles",
    "WrittenMolecule",
    "molecule_job",
    "molecule_modes",
]

PathLike = str | os.PathLike[str]

_FILES = ("modes.csv", "reference.xyz", "hessian.npy", "vectors.npy", "run.toml", "run.log")


class MoleculeFiles(NamedTuple):
    """Files beside the trajectory, and what is to be written."""

    reference: str | None = None
    """The reference, atoms in the order of the trajectory; None for the average structure."""
    hessian: str | None = None
    """Second derivatives in eV/Å² at the reference; None to fit them."""
    series: bool = False
    """Whether q̃ and ṽ of every frame are written."""


class WrittenMolecule(NamedTuple):
    """Results and the files that hold them."""

    results: MoleculeResults
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


def molecule_job(
    job: Job, files: MoleculeFiles, *, command: str, bars: StartBar = no_bars
) -> WrittenMolecule:
    """Find the modes of a molecule in a run without periodicity, and write a folder.

    Parameters
    ----------
    job
        What to read, and the folder; see `open_molecule` for the settings that are used.
    files
        Reference, second derivatives, and whether coordinates are written.
    command
        The command line or call, for the log.
    bars
        Starts a progress bar.

    Raises
    ------
    UsageError
        If second derivatives come without the reference that they belong to, or the folder
        holds what the results are made from, or files of someone else.
    TrajmodesError
        Whatever is wrong with the input, the folder or the disk, with what to do about it.
    """
    _require_reference(files)
    inputs = [one for one in (files.reference, files.hessian) if one is not None]
    names = (*_FILES, *((COORDINATES.file,) if files.series else ()))
    require_replaceable(job.output, names, [*inputs, *inputs_of(job)])
    log = Log()
    log.tell(command)
    with open_folder(job.output) as folder:
        with log.stage("open and find the reference"):
            run = open_molecule(job, reference=files.reference)
        results = analyse_molecule(run, log=log, hessian=files.hessian, bars=bars)
        for note in results.notes:
            log.tell(f"note: {note}")
        with log.stage("write"):
            writers = _writers(run, results, log, series=files.series)
            written = write_files(folder, writers)
    return WrittenMolecule(
        results, {str(Path(job.output) / name): text for name, text in written.items()}
    )


def molecule_modes(
    data: "PathLike | Sequence[PathLike] | Sequence[Atoms] | Trajectory",
    *,
    reference: str | None = None,
    hessian: str | None = None,
    **settings: Any,
) -> MoleculeResults:
    """Modes of a molecule from frames of any source; nothing is written.

    Parameters
    ----------
    data
        Trajectory files, a list of ASE ``Atoms``, or frames that are open already. The time
        between Atoms is `timestep_fs`.
    reference
        File of the reference, atoms in the order of the frames; else the average structure.
    hessian
        File of second derivatives in eV/Å² at the reference; else they are fitted.
    settings
        As in `trajmodes.config.Job`: timestep_fs, units, species, frames, resolution_thz, …

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the frames are not sound, or too few.

    Examples
    --------
    >>> import trajmodes as tm
    >>> found = tm.molecule_modes("run.xyz", timestep_fs=0.5)  # doctest: +SKIP
    >>> found.table.wavenumber_cm  # doctest: +SKIP
    """
    files = MoleculeFiles(reference, hessian)
    _require_reference(files)
    frames, names = _frames(data, settings.get("timestep_fs"))
    job = job_from_mapping({**settings, "trajectory": names})
    run = open_molecule(job, reference=reference, frames=frames)
    return analyse_molecule(run, log=Log(), hessian=hessian)


def _frames(
    data: "PathLike | Sequence[PathLike] | Sequence[Atoms] | Trajectory",
    timestep_fs: float | None,
) -> tuple[Trajectory | None, list[str]]:
    """Frames that are in memory already, or names of files."""
    if isinstance(data, Trajectory):
        return data, ["arrays"]
    if isinstance(data, str | os.PathLike):
        return None, [os.fspath(data)]
    items = list(data)
    if items and hasattr(items[0], "get_forces"):
        images = cast("Sequence[Atoms]", items)
        interval = None if timestep_fs is None else timestep_fs * FEMTOSECOND
        return trajectory_of_atoms(images, interval_ps=interval, isolated=True), ["atoms"]
    return None, [os.fspath(item) for item in cast("Sequence[PathLike]", items)]


def _require_reference(files: MoleculeFiles) -> None:
    if files.hessian is not None and files.reference is None:
        raise UsageError(
            "a Hessian is given, but not the geometry that it belongs to",
            why="the average structure lies and is turned in another way",
            fix="give --reference FILE, atoms in the order of the trajectory",
        )


def _writers(
    run: MoleculeRun, results: MoleculeResults, log: Log, *, series: bool
) -> dict[str, Writer]:
    text = "normal modes: frequencies, reduced masses, what the run says of each"
    writers = {
        "modes.csv": Writer(text, modes_table(results).write),
        "reference.xyz": Writer(
            "the reference; frequencies belong to it", partial(_put, text=_xyz(results))
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
    writers["run.toml"] = Writer("the job as resolved", partial(_put, text=toml_text(run.job)))
    writers["run.log"] = Writer("what was done, and how long it took", log.write)
    return writers


def _cartesian(results: MoleculeResults) -> Floats:
    vectors = results.modes.vectors[0, results.table.mode].real
    moved = vectors / np.sqrt(results.molecule.masses)[:, None]
    norms: Floats = np.linalg.norm(moved, axis=(1, 2), keepdims=True)
    unit: Floats = moved / norms
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


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _array(values: Floats) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        buffer = io.BytesIO()
        np.save(buffer, values)
        path.write_bytes(buffer.getvalue())

    return write
