"""A molecule or cluster by itself: from a run without periodicity to its normal modes.

The reference (a file, or the average structure) gives the Eckart frame; second derivatives
come from a file or are fitted to the forces; the run is projected on the normal modes as that
of a crystal is on its phonons, for a molecule is a crystal of one cell at Γ.
"""

from collections.abc import Iterator
from dataclasses import dataclass

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
from trajmodes.matching.species import species_of_run
from trajmodes.molecules.eckart import EckartFrame
from trajmodes.molecules.hessian import read_hessian
from trajmodes.molecules.hessian_fit import hessian_reduction
from trajmodes.molecules.ipi import ATOMIC_UNIT, ipi_amplitudes, undefined_note
from trajmodes.molecules.normal_modes import ModeTable, external_part, mode_table, normal_modes
from trajmodes.molecules.point_group import pairs_of_hessian, rigid_motions
from trajmodes.molecules.reference import molecule_reference
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.projection import project_run
from trajmodes.project.projector import Projector
from trajmodes.readers.trajectory import Trajectory, select_frames
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.translations import half_space

FOREIGN_PART = 0.1
"""What a Hessian does to rigid motions, over what it does to vibrations, when it is surely not
that of the reference."""

TOLD_PART = 1e-3
"""The same when it is worth telling: rounding and coarse differences make less."""


@dataclass(frozen=True, slots=True)
class MoleculeRun:
    """A run of a molecule, as `LoadedRun` is one of a crystal."""

    job: Job
    trajectory: Trajectory
    frame: EckartFrame
    notes: tuple[Note, ...]
    """What was found out about the input."""

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
        """Frame ranges [start, stop) that the run is streamed in."""
        return cut_blocks(self.trajectory.segments, self.trajectory.n_atoms)

    def motion(self, start: int, stop: int) -> MotionBlock:
        """Frames [start, stop) in the Eckart frame.

        Raises
        ------
        DataError
            If atoms have left their places or changed them.
        """
        return self.frame(self.trajectory.read(start, stop))


@dataclass(frozen=True, slots=True)
class MoleculeResults:
    """What a run of a molecule gave."""

    molecule: Supercell
    """The reference: ``molecule.positions`` in Å, ``species``, ``masses``."""
    n_external: int
    """Translations and rotations: 6, or 5 for a linear molecule."""
    constants: ForceConstants
    """Second derivatives, with error bars and quality if they were fitted."""
    fitted: bool
    """Whether they were fitted to the run, or come from a file."""
    modes: Modes
    """All 3a modes at Γ; the external ones have ω = 0 and the label −1."""
    table: ModeTable
    """The vibrations as tables show them."""
    projection: Projection | None
    """Energies, spectra, lines and lifetimes; None where the frames are no course in time."""
    notes: tuple[Note, ...]
    """What the user should know."""

    def __repr__(self) -> str:
        """Say what it is; the arrays would fill screens."""
        return (
            f"<MoleculeResults of {self.molecule.crystal.formula}: {len(self.table.mode)} "
            f"vibrations, {self.table.freq_thz[0]:.4g} to {self.table.freq_thz[-1]:.4g} THz>"
        )


def open_molecule(job: Job, *, frames: Trajectory | None = None) -> MoleculeRun:
    """Open a run of a molecule and find its reference.

    Parameters
    ----------
    job
        What to read; options for crystals are not used.
    frames
        Frames that are open already, in place of the job's files.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, or not of this molecule.
    """
    if job.projection.energy_covariance:
        raise UsageError("covariances of energies are made for runs of crystals only")
    if frames is None:
        trajectory = open_trajectory(job.trajectory, job.reading, isolated=True)
    else:
        trajectory = select_frames(frames, *job.reading.frames)
    species = species_of_run(trajectory, dict(enumerate(job.matching.species, start=1)) or None)
    found = molecule_reference(trajectory, species, job.molecule.reference)
    # A molecule needs no box, so what there is to say of its box does not matter.
    notes = (note for note in trajectory.notes if note.subject != "box")
    return MoleculeRun(job, trajectory, found.frame, (*notes, *found.notes))


def analyse_molecule(
    run: MoleculeRun,
    *,
    log: Log,
    bars: StartBar = no_bars,
) -> MoleculeResults:
    """Find the second derivatives and modes of a molecule, and project its run on them.

    Parameters
    ----------
    run
        The run, as from `open_molecule`; its job may name a file of second derivatives, see
        `trajmodes.molecules.hessian`.
    log
        Takes down the stages.
    bars
        Starts a progress bar.

    Raises
    ------
    UsageError
        If a file is missing or cannot be read.
    DataError
        If there are neither forces nor second derivatives, or too few frames for them.
    """
    molecule, hessian = run.supercell, run.job.molecule.hessian
    if hessian is None:
        with log.stage("first pass: second derivatives"):
            constants, notes = _fitted(run, bars)
    else:
        constants, notes = _given(molecule, hessian)
    with log.stage("normal modes"):
        modes = normal_modes(molecule, constants)
    projection, remarks = _projected(run, modes, log, bars)
    return MoleculeResults(
        molecule=molecule,
        n_external=len(rigid_motions(molecule)),
        constants=constants,
        fitted=hessian is None,
        modes=modes,
        table=mode_table(modes),
        projection=projection,
        notes=(*run.notes, *notes, *undefined_note(modes), *remarks),
    )


def normal_coordinates(
    run: MoleculeRun, modes: Modes, table: ModeTable
) -> Iterator[xr.Dataset]:
    """Normal-mode positions and velocities q̃ and ṽ in the Eckart frame, block by block.

    Velocities are absent where the run has none, and not a number where ω ≤ 0.
    """
    projector = Projector(half_space(run.supercell), modes)
    for start, stop in run.blocks:
        block = run.motion(start, stop)
        found = ipi_amplitudes(projector.project(block), modes)
        series: dict[str, tuple[Floats, dict[str, str]]] = {"position": (found.position, {})}
        if found.velocity is not None:
            comment = "not a number where omega <= 0, where it is undefined"
            series["velocity"] = (found.velocity, {"comment": comment})
        units = {"units": "a0 sqrt(m_e)"}
        yield xr.Dataset(
            {
                "mode": ("mode", table.mode),
                "freq_thz": ("mode", table.freq_thz, {"units": "THz"}),
                "frame": ("frame", block.indices),
            }
            | {
                name: (("frame", "mode"), (values / ATOMIC_UNIT).T, units | more)
                for name, (values, more) in series.items()
            },
            attrs={
                "title": "normal-mode positions and velocities in the Eckart frame",
                "definitions": "position = e.sqrt(M)u, velocity = e.sqrt(M)v/omega",
            },
        )


def _fitted(run: MoleculeRun, bars: StartBar) -> tuple[ForceConstants, tuple[Note, ...]]:
    if not run.trajectory.has_forces:
        raise DataError(
            "the run has no forces, so second derivatives cannot be fitted",
            where=", ".join(str(path) for path in run.trajectory.paths[:3]),
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
        "the run is too short for error bars of the frequencies: one block of time less leaves "
        "second derivatives undetermined"
    )
    return constants, (Note("note", text),)


def _given(molecule: Supercell, path: str) -> tuple[ForceConstants, tuple[Note, ...]]:
    found = read_hessian(path, molecule.n_atoms)
    shift, turn = external_part(molecule, found.values)
    if max(shift, turn) > FOREIGN_PART:
        what = "turned" if turn > shift else "moved"
        raise DataError(
            f"by the Hessian, a molecule that is {what} as a whole feels forces as large as "
            f"{max(shift, turn):.0%} of those on its stiffest vibration",
            where=path,
            why="it is that of another shape or orientation, or has its atoms in another order",
            fix="give ∂²U/∂x∂y at the reference as it lies in the file of --reference",
        )
    notes = list(found.notes)
    if max(shift, turn) > TOLD_PART:
        text = (
            f"the Hessian is not quite free of rigid motions: up to {max(shift, turn):.1e} of "
            "its largest ω² was taken out"
        )
        notes.append(Note("note", text, why="forces at the reference, or coarse differences"))
    return pairs_of_hessian(molecule, found.values), tuple(notes)


def _projected(
    run: MoleculeRun, modes: Modes, log: Log, bars: StartBar
) -> tuple[Projection | None, tuple[Note, ...]]:
    """Project the run, if its frames are a course in time."""
    if run.trajectory.interval_ps is None:
        text = (
            "the time between frames is not known, so there are frequencies, but no energies, "
            "spectra and lifetimes"
        )
        return None, (Note("note", text, fix="give the time step, --timestep-fs"),)
    # What a projection asks of a run is what both kinds of runs have.
    found = project_run(run, modes, log=log, bars=bars)
    return found.projection, found.notes
