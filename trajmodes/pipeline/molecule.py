"""Analysis of a molecule or cluster: from a run without periodicity to its normal modes.

The reference (a file, or the average structure) defines the Eckart frame. Second derivatives
come from a file or are fitted to the forces. The run is projected on the normal modes like that
of a crystal on its phonons, since a molecule is treated as a crystal of one cell at Γ.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from trajmodes.arrays import Floats
from trajmodes.config.job import Job
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.data.results import Projection
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.acceptance import refuse
from trajmodes.matching.conclusions import time_step_note
from trajmodes.matching.sample import interval_from_motion
from trajmodes.matching.species import species_of_run
from trajmodes.molecules.eckart import EckartFrame
from trajmodes.molecules.geometry import is_bonded_to_images, rigid_motions
from trajmodes.molecules.hessian import hessian_reduction, pairs_of_hessian, read_hessian
from trajmodes.molecules.normal_modes import (
    ModeTable,
    external_part,
    ipi_amplitudes,
    mode_table,
    normal_modes,
    undefined_note,
)
from trajmodes.molecules.reference import molecule_reference
from trajmodes.notes import Note, Subject
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars, on_scheduler
from trajmodes.pipeline.motion_source import why_not_projected
from trajmodes.pipeline.partial.not_done import (
    MOLECULE_PARTS,
    Had,
    not_done,
    refusal_among,
    without_listed,
)
from trajmodes.pipeline.projection import Projected, project_run
from trajmodes.project.projector import Projector
from trajmodes.project.selected_modes import AmplitudeSeries
from trajmodes.readers.inputs import input_paths
from trajmodes.readers.trajectory import Trajectory, select_frames
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.translations import half_space
from trajmodes.units import ATOMIC_AMPLITUDE, THZ

REFUSED_PART = 0.1
"""`external_part` above which a Hessian is not that of the reference."""

NOTED_PART = 1e-3
"""`external_part` above which a note is given; rounding and finite differences give less."""


@dataclass(frozen=True, slots=True)
class MoleculeRun:
    """A run of a molecule, as `LoadedRun` is one of a crystal."""

    job: Job
    trajectory: Trajectory
    frame: EckartFrame
    notes: tuple[Note, ...]

    @property
    def supercell(self) -> Supercell:
        """The molecule, as a crystal of one cell."""
        return self.frame.molecule

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.trajectory.n_frames

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Frame ranges [start, stop) in which the run is streamed."""
        return cut_blocks(self.trajectory.segments, self.trajectory.n_atoms)

    @property
    def scaled_motion(self) -> Callable[[int, int], MotionBlock]:
        """The same as `motion`."""
        return self.motion

    @property
    def occupied(self) -> None:
        """None: a molecule has all its atoms."""

    def motion(self, start: int, stop: int) -> MotionBlock:
        """Frames [start, stop) in the Eckart frame.

        Raises
        ------
        DataError
            If atoms have left or exchanged their sites.
        """
        return self.frame(self.trajectory.read(start, stop))


@dataclass(frozen=True, slots=True)
class MoleculeResults:
    """Results of a run of a molecule."""

    molecule: Supercell
    """The reference: ``molecule.positions`` in Å, ``species``, ``masses``."""
    n_external: int
    """Translations and rotations: 6, or 5 for a linear molecule."""
    constants: ForceConstants
    """Second derivatives, with error bars and quality if they were fitted."""
    fitted: bool
    """Whether they were fitted to the run or read from a file."""
    modes: Modes
    """All 3a modes at Γ; the external ones have ω = 0 and the label −1."""
    table: ModeTable
    """Properties of the vibrations."""
    projection: Projection | None
    """Energies, spectra, lines and lifetimes; None where the run has neither velocities nor
    frames near enough for differences."""
    notes: tuple[Note, ...]
    not_done: tuple[Note, ...] = ()
    """What was not computed, why not, and what would allow it."""
    amplitudes: AmplitudeSeries | None = None
    """Amplitudes of the chosen modes, in the scratch folder."""

    def __repr__(self) -> str:
        """Short description, without the arrays."""
        freq = self.table.omega / THZ
        return (
            f"<MoleculeResults of {self.molecule.crystal.formula}: {len(freq)} vibrations, "
            f"{freq[0]:.4g} to {freq[-1]:.4g} THz>"
        )


def open_molecule(job: Job, *, frames: Trajectory | None = None) -> MoleculeRun:
    """Open a run of a molecule and find its reference.

    `frames` is an open trajectory, used in place of the job's files. Options for crystals are
    ignored.

    Raises
    ------
    UsageError
        If a file or a necessary option is missing.
    DataError
        If the trajectory is damaged, or not of this molecule.
    """
    if job.projection.energy_covariance:
        raise UsageError("covariances of energies are available for crystals only")
    if frames is None:
        trajectory = open_trajectory(input_paths(job.trajectory), job.reading, isolated=True)
    else:
        trajectory = select_frames(frames, *job.reading.frames)
    type_map = dict(enumerate(job.matching.species, start=1)) or None
    species = species_of_run(trajectory, type_map, any_symbol=True)
    periodic = _periodic_notes(trajectory, job.matching.accept)
    frame, found = molecule_reference(trajectory, species, job.molecule.reference)
    # A molecule needs no box.
    notes = (note for note in trajectory.notes if note.subject != "box")
    run = MoleculeRun(job, trajectory, frame, (*notes, *periodic, *found))
    return replace(run, notes=(*run.notes, *_checked_time_step(run)))


def _periodic_notes(trajectory: Trajectory, accept: Collection[Subject]) -> tuple[Note, ...]:
    """Refuse a crystal or a liquid: atoms that are linked to their periodic images."""
    first = trajectory.read(0, 1)
    open_sides = any(note.subject == "box" for note in trajectory.notes)
    if open_sides or not np.isfinite(first.cells).all():
        return ()
    if not is_bonded_to_images(first.positions_or_raise()[0], first.cells[0]):
        return ()
    bonded = Note(
        "error",
        "the atoms are bonded to their images in the periodic box",
        why="this is a crystal, a layer, a chain or a liquid, not one molecule in vacuum",
        fix="use `trajmodes run` for a crystal; --accept periodic takes it as a molecule",
        subject="periodic",
    )
    return refuse(bonded, accept, trajectory.file_names)


def _checked_time_step(run: MoleculeRun) -> tuple[Note, ...]:
    """Refuse a time step that the motion contradicts, unless the user accepts it."""
    measured = interval_from_motion(run.trajectory, run.motion, run.supercell.masses)
    note = time_step_note(run.trajectory, measured)
    if note is None:
        return ()
    return refuse(note, run.job.matching.accept, run.trajectory.file_names)


@on_scheduler
def analyse_molecule(
    run: MoleculeRun,
    *,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
) -> MoleculeResults:
    """Find the second derivatives and modes of a molecule, and project its run on them.

    ``run`` comes from `open_molecule`; the job may name a file of second derivatives. ``log``
    records the stages, ``bars`` starts a progress bar. Amplitudes that the job saves are
    written to ``scratch``.

    Raises
    ------
    UsageError
        If a file is missing or cannot be read.
    DataError
        If there are neither forces nor second derivatives, or too few frames for them.
    """
    molecule, hessian = run.supercell, run.job.molecule.hessian
    if hessian is None:
        with log.stage("first pass: second derivatives", has_bars=True):
            constants, notes = _fitted_hessian(run, bars)
    else:
        constants, notes = _hessian_from_file(molecule, hessian)
    with log.stage("normal modes"):
        modes = normal_modes(molecule, constants)
    found, reason = _projected(run, modes, log, bars, scratch)
    remarks = () if found is None else found.notes
    results = MoleculeResults(
        molecule=molecule,
        n_external=len(rigid_motions(molecule)),
        constants=constants,
        fitted=hessian is None,
        modes=modes,
        table=mode_table(modes),
        projection=None if found is None else found.projection,
        notes=without_listed((*run.notes, *notes, *undefined_note(modes), *remarks)),
        amplitudes=None if found is None else found.amplitudes,
    )
    had = Had(runs=[run], n_sets=modes.n_sets, reason=reason, refusal=refusal_among(remarks))
    return replace(results, not_done=not_done(results, MOLECULE_PARTS, had))


def normal_coordinates(
    run: MoleculeRun, modes: Modes, table: ModeTable
) -> Iterator[xr.Dataset]:
    """Normal-mode positions and velocities q̃ and ṽ in the Eckart frame, in blocks of time.

    ṽ is omitted if the run has no velocities, and nan where ω ≤ 0.
    """
    projector = Projector(half_space(run.supercell), modes)
    for start, stop in run.blocks:
        block = run.motion(start, stop)
        position, velocity = ipi_amplitudes(projector.project(block), modes)
        series: dict[str, tuple[Floats, dict[str, str]]] = {"position": (position, {})}
        if velocity is not None:
            comment = "not a number where omega <= 0, where it is undefined"
            series["velocity"] = (velocity, {"comment": comment})
        units = {"units": "a0 sqrt(m_e)"}
        yield xr.Dataset(
            {
                "mode": ("mode", table.mode),
                "freq_thz": ("mode", table.omega / THZ, {"units": "THz"}),
                "frame": ("frame", block.indices),
            }
            | {
                name: (("frame", "mode"), (values / ATOMIC_AMPLITUDE).T, units | more)
                for name, (values, more) in series.items()
            },
            attrs={
                "title": "normal-mode positions and velocities in the Eckart frame",
                "definitions": "position = e.sqrt(M)u, velocity = e.sqrt(M)v/omega",
            },
        )


def _fitted_hessian(
    run: MoleculeRun, bars: StartBar
) -> tuple[ForceConstants, tuple[Note, ...]]:
    if not run.trajectory.has_forces:
        raise DataError(
            "the run has no forces, so second derivatives cannot be fitted",
            where=run.trajectory.file_names,
            fix="write forces, or give the second derivatives: --hessian FILE",
        )
    reduction = hessian_reduction(run.supercell, run.n_frames)
    constants = stream(
        run.motion,
        run.blocks,
        reduction,
        workers=run.job.running.workers,
        progress=bars("first pass: second derivatives", run.n_frames),
    )
    if constants.replicates is not None:
        return constants, ()
    text = (
        "the run is too short for error bars of the frequencies: without one of its time "
        "blocks the second derivatives are not determined"
    )
    return constants, (Note("note", text),)


def _hessian_from_file(
    molecule: Supercell, path: str
) -> tuple[ForceConstants, tuple[Note, ...]]:
    values, found = read_hessian(path, molecule.n_atoms)
    shift, rotation = external_part(molecule, values)
    largest = max(shift, rotation)
    if largest > REFUSED_PART:
        motion = "rotations" if rotation > shift else "translations"
        raise DataError(
            f"the Hessian does not vanish for {motion} of the molecule: they have ω² of "
            f"{largest:.0%} of the largest",
            where=path,
            why="it belongs to another structure or orientation, or its atoms are in another "
            "order",
            fix="give ∂²U/∂x∂y at the reference, in the orientation of the file of --reference",
        )
    notes = list(found)
    if largest > NOTED_PART:
        text = (
            "the Hessian does not vanish exactly for translations and rotations: up to "
            f"{largest:.1e} of its largest ω² was projected out"
        )
        why = "forces at the reference, or coarse finite differences"
        notes.append(Note("note", text, why=why))
    return pairs_of_hessian(molecule, values), tuple(notes)


def _projected(
    run: MoleculeRun, modes: Modes, log: Log, bars: StartBar, scratch: Path | None
) -> tuple[Projected | None, Note | None]:
    """Project the run, or note why its velocities cannot be computed from positions."""
    reason = why_not_projected(run, modes)
    if reason is not None:
        return None, reason
    # Runs of molecules and crystals have the attributes that a projection uses.
    return project_run(run, modes, log=log, bars=bars, scratch=scratch), None
