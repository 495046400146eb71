"""From a job to a run that can be streamed: file, crystal and the map between them."""

import glob
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dask.array as da
import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import Job
from trajmodes.data import FrameBlock, MotionBlock, Supercell
from trajmodes.errors import DataError, UnitsError, UsageError
from trajmodes.pipeline.log import Log
from trajmodes.readers import (
    Diagnosis,
    Displacer,
    LennardJonesUnits,
    Match,
    Trajectory,
    average_structure,
    diagnose,
    find_crystal,
    load_crystal,
    match,
    open_trajectory,
    select_frames,
    told_species,
)
from trajmodes.streaming import cut_blocks, lazy_arrays

__all__ = ["LoadedRun", "load"]

PROVABLE_UNITS = ("metal", "real", "si", "cgs", "electron", "micro", "nano")
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
    notes: tuple[str, ...]
    """What was found out about the input."""

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
        cell = [] if self.job.cell is None else [Path(self.job.cell)]
        return [*self.trajectory.paths, *cell]

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

    def __iter__(self) -> Iterator[MotionBlock]:
        """Blocks of motion in order of time."""
        return (self.motion(start, stop) for start, stop in self.blocks)

    def arrays(self) -> dict[str, da.Array]:
        """Positions, velocities and forces as Dask arrays (t, a, 3) in Å, Å/ps, eV/Å.

        As the file has them, atoms sorted by id; nothing is read before they are computed.
        """
        fields = ["positions"]
        fields += ["velocities"] if self.trajectory.has_velocities else []
        fields += ["forces"] if self.trajectory.has_forces else []
        return lazy_arrays(self.frames, self.blocks, self.trajectory.n_atoms, fields)


def load(job: Job, *, log: Log) -> LoadedRun:
    """Open a trajectory, match it to its crystal and look at a sample of its frames.

    Units that neither the file nor the job names are taken only where they can be proved: see
    `_prove_units`.

    Parameters
    ----------
    job
        What to read.
    log
        Takes down the stages.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, or not of this crystal.
    """
    with log.stage("open and match"):
        paths = _expand(job.trajectory)
        try:
            run = _match(job, paths, job.units)
        except UnitsError as error:
            run = _prove_units(job, paths, error)
    for note in run.notes:
        log.tell(f"note: {note}")
    return run


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


def _match(job: Job, paths: list[Path], units: str | None) -> LoadedRun:
    whole = open_trajectory(
        paths,
        units=units,
        timestep_fs=job.timestep_fs,
        strict=job.strict,
        allow_partial=job.allow_partial,
        trust_order=job.trust_order,
        lj=LennardJonesUnits(*job.lj) if job.lj else None,
        cell=_box(job.box),
    )
    trajectory = select_frames(whole, *job.frames)
    type_map = dict(enumerate(job.species, start=1)) or None
    average = average_structure(trajectory)
    if job.cell is None:
        species = told_species(trajectory, type_map)
        found = find_crystal(average, species, trajectory.masses)
    else:
        found = load_crystal(job.cell)
    matched = match(found.crystal, trajectory, type_map=type_map, average=average)
    return LoadedRun(
        job=job,
        trajectory=trajectory,
        match=matched,
        diagnosis=diagnose(trajectory, matched),
        displacer=Displacer(matched),
        notes=(*found.notes, *matched.notes),
    )


def _box(numbers: tuple[float, ...]) -> Floats | None:
    """Box vectors (3, 3) in Å from three lengths or nine numbers; None if there are none."""
    if not numbers:
        return None
    return np.diag(numbers) if len(numbers) == 3 else np.reshape(numbers, (3, 3))


def _prove_units(job: Job, paths: list[Path], missing: UnitsError) -> LoadedRun:
    """Load with the one unit style in which lengths fit the crystal and temperatures agree.

    The box must be that of the crystal, and the kinetic temperature that of the forces on the
    displaced atoms: no two styles pass both.
    """
    proved: dict[str, LoadedRun] = {}
    refused: dict[str, DataError] = {}
    doubt = ""
    for style in PROVABLE_UNITS:
        try:
            run = _match(job, paths, style)
        except DataError as error:
            refused[style] = error
            continue
        kinetic, virial = run.diagnosis.sample.kinetic, run.diagnosis.sample.virial
        if kinetic is None or virial is None:
            doubt = "only a run with velocities and forces can prove them"
            continue
        told = f"velocities ({kinetic.mean():.0f} K) and forces ({virial.mean():.0f} K)"
        if 1.0 / PROOF < kinetic.mean() / virial.mean() < PROOF:
            note = (
                f"the file does not name its units; they are {style}, the only ones in which "
                f"the box fits the crystal and {told} belong to one temperature"
            )
            proved[style] = replace(run, notes=(note, *run.notes))
        else:
            doubt = f"in {style} units {told} disagree; elements of the cell file may be wrong"
    if len(proved) == 1:
        return next(iter(proved.values()))
    if not proved and not doubt:
        # The run fits the crystal in no units at all: that is what is wrong.
        raise refused["metal"]
    raise UnitsError(missing.what, where=missing.where, why=doubt, fix=missing.fix)
