"""From a job to a run that can be streamed: the file, the crystal, and the map between them.

Also reads what earlier jobs wrote: force constants and normal equations.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import Job
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.motion import FrameBlock, MotionBlock
from trajmodes.errors import DataError, TrajmodesError, UnitsError, UsageError
from trajmodes.formats.cell_file import (
    ROUNDING,
    has_no_symmetry,
    named_by_cell,
    read_atoms,
    reduce_cell,
)
from trajmodes.formats.open import open_runs, open_trajectory, sibling_cell_file
from trajmodes.formats.registry import read_force_constants as read_any
from trajmodes.matching.average import AverageStructure, average_structure
from trajmodes.matching.diagnosis import Diagnosis, diagnose
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.find_cell import find_crystal, note_of_displaced
from trajmodes.matching.match import Match, match
from trajmodes.matching.species import atom_species, species_of_run
from trajmodes.matching.temperatures import PROVABLE_UNITS, prove_units
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import Log
from trajmodes.pipeline.without_positions.sites import with_sites
from trajmodes.project.mixed_masses import ScaledMotion
from trajmodes.readers.inputs import input_notes, input_paths
from trajmodes.readers.trajectory import Needs, Trajectory
from trajmodes.results.folder import whole_results
from trajmodes.streaming.schedule import cut_blocks, lazy_arrays
from trajmodes.symmetry.operations import ReducedCrystal

if TYPE_CHECKING:
    from dask.array import Array


def read_force_constants(
    path: str | os.PathLike[str], *, supercell: Supercell | None = None
) -> ForceConstants:
    """Read force constants, but not from the folder of an unfinished run; see `read_any`."""
    with whole_results(path):
        return read_any(path, supercell=supercell)


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A trajectory matched to its crystal; iterating over it gives blocks of motion."""

    job: Job
    trajectory: Trajectory
    match: Match
    diagnosis: Diagnosis
    displacer: Displacer
    notes: tuple[Note, ...]
    """Notes on the input."""

    def __repr__(self) -> str:
        """Short text: crystal, number of frames and atoms, files."""
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
        named = (self.job.matching.cell, self.job.reading.supercell, self.job.polar.born)
        return [*self.trajectory.paths, *(Path(name) for name in named if name is not None)]

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Frame ranges [start, stop) of the blocks that are streamed."""
        return cut_blocks(self.trajectory.segments, self.trajectory.n_atoms)

    @property
    def fields(self) -> list[str]:
        """Names of the arrays that every frame has."""
        fields = ["positions"] if self.trajectory.has_positions else []
        fields += ["velocities"] if self.trajectory.has_velocities else []
        fields += ["forces"] if self.trajectory.has_forces else []
        return fields

    def frames(self, start: int, stop: int) -> FrameBlock:
        """Frames [start, stop) in the axes of the file, in internal units."""
        return self.trajectory.read(start, stop)

    def motion(self, start: int, stop: int) -> MotionBlock:
        """Frames [start, stop) as displacements, in the axes and atom order of the crystal.

        Raises
        ------
        DataError
            If a frame contains an outlier or a damaged value, or an atom has left its site.
        """
        return self.displacer(self.trajectory.read(start, stop))

    @property
    def scaled_motion(self) -> Callable[[int, int], MotionBlock]:
        """Reads frames [start, stop) for a projection on waves, scaled by the masses.

        In a perfect crystal this is `motion`.
        """
        occupation = self.match.occupation
        if occupation is None:
            return self.motion
        return ScaledMotion(self.motion, occupation.mass_scale)

    @property
    def occupied(self) -> Floats | None:
        """(s,) occupied fraction of each site of the primitive cell; None if all are."""
        occupation = self.match.occupation
        return None if occupation is None else occupation.by_site

    def moved(self, shift: Floats) -> "LoadedRun":
        """Refer displacements to sites moved by (s, 3) in Å, which conserve the symmetry."""
        matched = self.match.moved(shift)
        return replace(self, match=matched, displacer=replace(self.displacer, match=matched))

    def __iter__(self) -> Iterator[MotionBlock]:
        """Blocks of motion in order of time."""
        return (self.motion(start, stop) for start, stop in self.blocks)

    def arrays(self) -> "dict[str, Array]":
        """Positions, velocities and forces as Dask arrays (t, a, 3) in Å, Å/ps, eV/Å.

        They are in the axes of the file, with atoms sorted by id. Nothing is read until they
        are computed.
        """
        return lazy_arrays(self.frames, self.blocks, self.trajectory.n_atoms, self.fields)


class KnownCrystal(NamedTuple):
    """A crystal to which runs are matched."""

    crystal: Crystal
    relax: bool
    """Whether its sites are moved to the mean positions of the run."""
    structure: str | None = None
    """File with a structure that gives the sites of a run without positions."""


Opener = Callable[[Sequence[Path], ReadOptions], Sequence[Trajectory]]
"""Opens files as the trajectories of one or several runs."""


def load(
    job: Job,
    *,
    log: Log,
    crystal: Crystal | None = None,
    frames: Trajectory | None = None,
    needs: Needs = "motion",
    structure: str | None = None,
) -> LoadedRun:
    """Open one trajectory, match it to its crystal and examine a sample of its frames.

    All files are parts of one run. Units that neither the file nor the job names must be
    proved, see `_prove_units`.

    Parameters
    ----------
    crystal
        The crystal to match the run to, such as that of given force constants; its cell and
        sites are adjusted to the run. By default that of the cell file.
    frames
        The trajectory, if it is open already.
    needs
        Whether velocities alone are enough: the cell file then gives the sites.
    structure
        That file, if the job names none because the crystal is known.

    Raises
    ------
    UsageError
        If a file is missing, or an option whose value only the user knows.
    DataError
        If the trajectory is damaged or inconsistent, or of another crystal.
    """
    known = None if crystal is None else KnownCrystal(crystal, relax=True, structure=structure)

    def opened(paths: Sequence[Path], options: ReadOptions) -> list[Trajectory]:
        return [open_trajectory(paths, options, needs=needs) if frames is None else frames]

    return _load(job, opened, known, log)[0]


def load_runs(
    job: Job,
    *,
    log: Log,
    crystal: Crystal | None = None,
    frames: Sequence[Trajectory] = (),
) -> list[LoadedRun]:
    """Open the trajectories of one or several runs of one crystal; see `load`.

    Folders and time steps of the files decide which of them are parts of one run. The crystal
    of the first run, with its average sites, is the reference of all runs.

    Parameters
    ----------
    crystal
        The crystal to match all runs to, its sites unchanged; by default that of the cell file.
    frames
        Trajectories that are already open, one for each run, in place of the job's files.
    """
    known = None if crystal is None else KnownCrystal(crystal, relax=False)
    if frames:
        # Open runs may be different frames of one file.
        job = replace(job, trajectory=tuple(dict.fromkeys(job.trajectory)))
    return _load(job, (lambda *_: list(frames)) if frames else open_runs, known, log)


def _load(
    job: Job, open_files: Opener, known: KnownCrystal | None, log: Log
) -> list[LoadedRun]:
    with log.stage("open and match"):
        paths = input_paths(job.trajectory)
        try:
            runs = _match_all(job, open_files(paths, job.reading), known)
        except UnitsError as error:
            runs = _prove_units(job, open_files, known, error)
    runs[0] = replace(runs[0], notes=(*input_notes(job.trajectory), *runs[0].notes))
    for note in dict.fromkeys(note for run in runs for note in run.notes):
        log.record(f"note: {note}")
    return runs


def _match_all(
    job: Job, trajectories: Sequence[Trajectory], known: KnownCrystal | None
) -> list[LoadedRun]:
    """Match the first run, then the others to the crystal found for the first."""
    runs: list[LoadedRun] = []
    for trajectory in trajectories:
        if runs:
            known = KnownCrystal(runs[0].supercell.crystal, relax=False)
        runs.append(_match(job, trajectory, known))
    return runs


def _match(job: Job, trajectory: Trajectory, known: KnownCrystal | None) -> LoadedRun:
    if known is not None and known.structure is not None and not trajectory.has_positions:
        job = job.with_options(cell=known.structure)
    options = job.matching
    trajectory, named = named_by_cell(trajectory, options.cell, options.species)
    type_map = None if named else dict(enumerate(options.species, start=1)) or None
    box: Literal["average", "fixed"] = "average" if job.reading.box == "average" else "fixed"
    # The mean positions of an alloy are not averaged over equivalent sites.
    n_frames = 1024 if options.imperfect else 64
    trajectory, reference, sited = with_sites(trajectory, job, type_map)
    average = average_structure(trajectory, n_frames=n_frames, box=box, reference=reference)
    notes: tuple[Note, ...] = ()
    if known is None:
        crystal, notes = _crystal(job, trajectory, average, type_map)
        known = KnownCrystal(crystal, relax=True)
    matched = match(
        known.crystal,
        trajectory,
        type_map=type_map,
        average=average,
        relax=known.relax,
        accept=options.accept,
        imperfect=options.imperfect,
    )
    hops, outliers = options.hops, options.outliers
    diagnosis = diagnose(
        trajectory, matched, hops=hops, outliers=outliers, accept=options.accept
    )
    limits = diagnosis.sample.limits
    return LoadedRun(
        job=job,
        trajectory=trajectory,
        match=matched,
        diagnosis=diagnosis,
        displacer=Displacer(matched, hops, outliers, limits, trajectory.place),
        notes=(*named, *sited, *notes, *matched.notes),
    )


def _crystal(
    job: Job,
    trajectory: Trajectory,
    average: AverageStructure,
    type_map: dict[int, str] | None,
) -> tuple[Crystal, tuple[Note, ...]]:
    """Crystal of the cell file, of a file beside the data, or of the average structure."""
    beside = sibling_cell_file(trajectory.paths[0]) if trajectory.paths else None
    named = job.matching.cell or beside
    if named is None:
        species = species_of_run(trajectory, type_map)
        found = find_crystal(average, species, trajectory.masses)
        return found.crystal, found.notes
    file, tolerance = Path(named), job.matching.symprec
    whole = Crystal.from_ase(read_atoms(file, job.matching.species))
    if tolerance is None and has_no_symmetry(whole):
        smaller = _smaller_crystal(whole, trajectory, average, type_map)
        if smaller is not None:
            is_snapshot = whole.n_sites == trajectory.n_atoms
            cells = whole, smaller.crystal
            note = note_of_displaced(file.name, *cells, ROUNDING, is_snapshot=is_snapshot)
            return smaller.crystal, (note, *smaller.notes)
    found = reduce_cell(whole, file, tolerance or ROUNDING)
    return found.crystal, found.notes


def _smaller_crystal(
    whole: Crystal,
    trajectory: Trajectory,
    average: AverageStructure,
    type_map: dict[int, str] | None,
) -> ReducedCrystal | None:
    """Crystal of the average structure, if its cell is smaller than that of the file."""
    species, masses = atom_species(trajectory, whole, type_map).species, trajectory.masses
    if masses is None and set(species) <= set(whole.species):
        masses = whole.masses[[whole.species.index(symbol) for symbol in species]]
    try:
        found = find_crystal(average, species, masses)
    except DataError:
        # The average structure has no translations either: the cell is a large one.
        return None
    return found if found.crystal.n_sites < whole.n_sites else None


def _prove_units(
    job: Job, open_files: Opener, known: KnownCrystal | None, missing: UnitsError
) -> list[LoadedRun]:
    """Load with the only unit style in which the box fits the crystal and the motion agrees.

    `prove_units` judges the motion of the first run. If there are only positions, and times do
    not depend on the style, the first style that fits a given crystal is used.
    """
    proved: dict[str, list[LoadedRun]] = {}
    refused: dict[str, TrajmodesError] = {}
    doubts: list[tuple[float, str]] = []
    paths = input_paths(job.trajectory)
    for style in PROVABLE_UNITS:
        try:
            opened = open_files(paths, replace(job.reading, units=style))
            runs = _match_all(job, opened, known)
        except (DataError, UsageError) as error:
            refused[style] = error
            continue
        run, proof = runs[0], prove_units(runs[0].trajectory, runs[0].diagnosis.sample)
        if "".join(run.fields) == "positions":
            given = known is not None or job.matching.cell is not None
            timed = run.trajectory.interval_ps is not None and job.reading.timestep_fs is None
            if proved or not given or timed:
                doubts.append((np.inf, "positions alone do not show them"))
                continue
        if not proof.holds:
            elements = [
                one.why for one in run.diagnosis.verdict if one.subject == "temperature"
            ]
            text = f"in {style} units {'; '.join([proof.text, *filter(None, elements)])}"
            doubts.append((proof.mismatch, text))
            continue
        text = (
            f"the file does not name its units; they are {style}, the only ones in which the "
            f"box fits the crystal and {proof.text}"
        )
        note = Note("note", text)
        proved[style] = [replace(run, notes=(note, *run.notes)), *runs[1:]]
    if len(proved) == 1:
        return next(iter(proved.values()))
    if not proved and not doubts:
        # The box fits the crystal in no units, so the units are not the problem.
        raise refused["metal"]
    why = min(doubts)[1] if doubts else f"{' and '.join(proved)} units fit equally well"
    raise UnitsError(missing.what, where=missing.where, why=why, fix=missing.fix)
