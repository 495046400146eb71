"""Reading what earlier commands wrote: all files of one run, or a refusal.

From a job to a run that can be streamed: file, crystal and the map between them.
"""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import Job
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.formats.cell_file import load_crystal
from trajmodes.formats.open import crystal_beside, open_runs, open_trajectory
from trajmodes.formats.registry import read_constants as read_any
from trajmodes.matching.average import AverageStructure, average_structure
from trajmodes.matching.diagnosis import Diagnosis, diagnose
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.find_cell import find_crystal
from trajmodes.matching.match import Match, match
from trajmodes.matching.species import species_of_run
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import Log
from trajmodes.readers.trajectory import Trajectory, select_frames
from trajmodes.results.folder import whole_results
from trajmodes.results.netcdf import NORMAL_EQUATIONS, read_dataset
from trajmodes.results.normal_equations import equations_of
from trajmodes.streaming.lazy import lazy_arrays
from trajmodes.streaming.schedule import cut_blocks

if TYPE_CHECKING:
    from dask.array import Array


def read_constants(
    path: str | os.PathLike[str], *, supercell: Supercell | None = None
) -> ForceConstants:
    """Read force constants of phonopy, phono3py, TDEP, or our own.

    Parameters
    ----------
    path
        A file that holds force constants, or a folder with those of one program. Files that
        belong together are looked for beside it, under the names their program gives them.
    supercell
        Crystal and supercell that the force constants belong to, for files that do not describe
        them.

    Raises
    ------
    UsageError
        If nothing at the path is recognised, or a folder holds force constants of several
        programs.
    DataError
        If a file is damaged, does not belong to the supercell, or lies in a results folder of
        an unfinished run.
    """
    with whole_results(path):
        return read_any(path, supercell=supercell)


def read_normal_equations(path: str | os.PathLike[str]) -> NormalEquationBlocks:
    """Read the normal equations of a fit, from normal_equations.nc or its results folder.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another kind or version, or lies in a results folder
        of an unfinished run.
    """
    return equations_of(read_dataset(path, NORMAL_EQUATIONS), where=os.fspath(path))


PROVABLE_UNITS: tuple[
    Literal["metal", "real", "si", "cgs", "electron", "micro", "nano"], ...
] = ("metal", "real", "si", "cgs", "electron", "micro", "nano")
"""Unit styles whose factors are fixed; lj needs three numbers that only the user knows."""

PROOF = 1.8
"""Two temperatures within this factor of each other prove the units that they are read in."""


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A trajectory matched to its crystal. Iterate over it for blocks of motion."""

    job: Job
    trajectory: Trajectory
    match: Match
    diagnosis: Diagnosis
    displacer: Displacer
    notes: tuple[Note, ...]
    """What was found out about the input."""

    def __repr__(self) -> str:
        """Say what it is; the arrays would fill screens."""
        files = ", ".join(path.name for path in self.trajectory.paths) or "arrays"
        return (
            f"<LoadedRun of {self.supercell.crystal.formula}: {self.n_frames} frames of "
            f"{self.supercell.n_atoms} atoms, {files}>"
        )

    @property
    def supercell(self) -> Supercell:
        """The simulated crystal."""
        return self.match.supercell

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.trajectory.n_frames

    @property
    def files(self) -> list[Path]:
        """All files that the run is read from."""
        named = [self.job.matching.cell, self.job.reading.supercell]
        return [*self.trajectory.paths, *(Path(name) for name in named if name is not None)]

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Frame ranges [start, stop) that the run is streamed in."""
        return cut_blocks(self.trajectory.segments, self.trajectory.n_atoms)

    def frames(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop) as the file has them, in internal units."""
        return self.trajectory.read(start, stop)

    def motion(self, start: int, stop: int) -> MotionBlock:
        """Frames [start, stop) as displacements in the user's frame, in canonical order.

        Raises
        ------
        DataError
            If a frame holds what it must not hold, or an atom has left its site.
        """
        return self.displacer(self.trajectory.read(start, stop))

    def moved(self, shift: Floats) -> "LoadedRun":
        """Count displacements from sites that are moved by (s, 3) in Å; symmetry allows it."""
        matched = self.match.moved(shift)
        return replace(self, match=matched, displacer=replace(self.displacer, match=matched))

    def __iter__(self) -> Iterator[MotionBlock]:
        """Blocks of motion in order of time."""
        return (self.motion(start, stop) for start, stop in self.blocks)

    def arrays(self) -> "dict[str, Array]":
        """Positions, velocities and forces as Dask arrays (t, a, 3) in Å, Å/ps, eV/Å.

        As the file has them, atoms sorted by id; nothing is read before they are computed.
        """
        fields = ["positions"]
        fields += ["velocities"] if self.trajectory.has_velocities else []
        fields += ["forces"] if self.trajectory.has_forces else []
        return lazy_arrays(self.frames, self.blocks, self.trajectory.n_atoms, fields)


class KnownCrystal(NamedTuple):
    """A crystal that runs are matched to."""

    crystal: Crystal
    relax: bool
    """Whether its sites follow the mean positions of the run, or stay where they are."""


Opener = Callable[[Sequence[Path], ReadOptions], Sequence[Trajectory]]
"""Opens files as the trajectories of one or several runs."""


def load(job: Job, *, log: Log, crystal: Crystal | None = None) -> LoadedRun:
    """Open one trajectory, match it to its crystal and look at a sample of its frames.

    Units that neither the file nor the job names are taken only where they can be proved: see
    `_prove_units`.

    Parameters
    ----------
    job
        What to read: all files are pieces of one run.
    log
        Takes down the stages.
    crystal
        The crystal to match the run to, such as that of given force constants; its cell and
        sites follow those of the run. By default that of the cell file.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, or not of this crystal.
    """
    known = None if crystal is None else KnownCrystal(crystal, relax=True)
    return _load(job, _one_run, known, log)[0]


def load_runs(
    job: Job,
    *,
    log: Log,
    crystal: Crystal | None = None,
    frames: Trajectory | None = None,
) -> list[LoadedRun]:
    """Open the trajectories of one or several runs of one crystal; see `load`.

    Which files are pieces of one run is seen from their folders and time steps. The crystal of
    the first run, with its average sites, is the reference of all.

    Parameters
    ----------
    job
        What to read.
    log
        Takes down the stages.
    crystal
        The crystal to match all runs to, its sites taken as they are; by default that of the
        cell file.
    frames
        Frames that are open already, such as those of arrays, in place of the job's files.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If a trajectory is not sound, or not of this crystal.
    """
    known = None if crystal is None else KnownCrystal(crystal, relax=False)
    if frames is not None:
        selected = select_frames(frames, *job.reading.frames)
        return _load(job, lambda *_: [selected], known, log)
    return _load(job, open_runs, known, log)


def _load(
    job: Job, open_files: Opener, known: KnownCrystal | None, log: Log
) -> list[LoadedRun]:
    with log.stage("open and match"):
        paths = _expand(job.trajectory)
        try:
            runs = _match_all(job, open_files(paths, job.reading), known)
        except UnitsError as error:
            runs = _prove_units(job, open_files, known, error)
    for note in dict.fromkeys(note for run in runs for note in run.notes):
        log.tell(f"note: {note}")
    return runs


def _one_run(paths: Sequence[Path], options: ReadOptions) -> list[Trajectory]:
    return [open_trajectory(paths, options)]


def _expand(names: tuple[str, ...]) -> list[Path]:
    """Paths of files and patterns."""
    paths: list[Path] = []
    for name in names:
        is_pattern = glob.has_magic(name) and not Path(name).exists()
        found = sorted(glob.glob(name)) if is_pattern else [name]  # noqa: PTH207 - may be absolute
        if not found:
            raise UsageError(f'no file fits the pattern "{name}"')
        paths.extend(Path(path) for path in found)
    return paths


def _match_all(
    job: Job, trajectories: Sequence[Trajectory], known: KnownCrystal | None
) -> list[LoadedRun]:
    """Match the first run, and the others to the crystal that it turned out to have."""
    runs: list[LoadedRun] = []
    for trajectory in trajectories:
        if runs:
            known = KnownCrystal(runs[0].supercell.crystal, relax=False)
        runs.append(_match(job, trajectory, known))
    return runs


def _match(job: Job, trajectory: Trajectory, known: KnownCrystal | None) -> LoadedRun:
    type_map = dict(enumerate(job.matching.species, start=1)) or None
    box: Literal["average", "fixed"] = "average" if job.reading.box == "average" else "fixed"
    average = average_structure(trajectory, box=box)
    notes: tuple[Note, ...] = ()
    if known is None:
        crystal, notes = _crystal(job, trajectory, average, type_map)
        known = KnownCrystal(crystal, relax=True)
    matched = match(
        known.crystal, trajectory, type_map=type_map, average=average, relax=known.relax
    )
    diagnosis = diagnose(
        trajectory, matched, hops=job.matching.hops, outliers=job.matching.outliers
    )
    return LoadedRun(
        job=job,
        trajectory=trajectory,
        match=matched,
        diagnosis=diagnosis,
        displacer=Displacer(
            matched,
            job.matching.hops,
            job.matching.outliers,
            diagnosis.sample.limits,
            trajectory.place,
        ),
        notes=(*notes, *matched.notes),
    )


def _crystal(
    job: Job,
    trajectory: Trajectory,
    average: AverageStructure,
    type_map: dict[int, str] | None,
) -> tuple[Crystal, tuple[Note, ...]]:
    """Crystal of the cell file, of the file that came with the data, or of the average."""
    beside = crystal_beside(trajectory.paths[0]) if trajectory.paths else None
    file = job.matching.cell or beside
    if file is None:
        species = species_of_run(trajectory, type_map)
        found = find_crystal(average, species, trajectory.masses)
    else:
        found = load_crystal(file)
    return found.crystal, found.notes


def _prove_units(
    job: Job, open_files: Opener, known: KnownCrystal | None, missing: UnitsError
) -> list[LoadedRun]:
    """Load with the one unit style in which lengths fit the crystal and temperatures agree.

    The box must be that of the crystal, and the kinetic temperature that of the forces on the
    displaced atoms: no two styles pass both. Of several runs the first one decides.
    """
    proved: dict[str, list[LoadedRun]] = {}
    refused: dict[str, DataError] = {}
    doubt = ""
    paths = _expand(job.trajectory)
    for style in PROVABLE_UNITS:
        try:
            opened = open_files(paths, replace(job.reading, units=style))
            runs = _match_all(job, opened, known)
        except DataError as error:
            refused[style] = error
            continue
        run = runs[0]
        kinetic, virial = run.diagnosis.sample.kinetic, run.diagnosis.sample.virial
        if kinetic is None or virial is None:
            doubt = "only a run with velocities and forces can prove them"
            continue
        told = f"velocities ({kinetic.mean():.0f} K) and forces ({virial.mean():.0f} K)"
        if 1.0 / PROOF < kinetic.mean() / virial.mean() < PROOF:
            text = (
                f"the file does not name its units; they are {style}, the only ones in which "
                f"the box fits the crystal and {told} belong to one temperature"
            )
            note = Note("note", text)
            proved[style] = [replace(run, notes=(note, *run.notes)), *runs[1:]]
        else:
            doubt = f"in {style} units {told} disagree; elements of the cell file may be wrong"
    if len(proved) == 1:
        return next(iter(proved.values()))
    if not proved and not doubt:
        # The run fits the crystal in no units at all: that is what is wrong.
        raise refused["metal"]
    raise UnitsError(missing.what, where=missing.where, why=doubt, fix=missing.fix)
