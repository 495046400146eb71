"""Conditions that jobs test before the long passes, and warnings of the check."""

from collections.abc import Sequence
from functools import partial

from trajmodes.config.job import Job
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import same_substance, shortest_lengths
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import load_crystal
from trajmodes.notes import Note
from trajmodes.phonons.anharmonic.conductivity import conducting_layer
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.motion_source import leaves_out_frames
from trajmodes.project.projector import cartesian_modes
from trajmodes.project.selected_modes import parse_modes
from trajmodes.symmetry.translations import half_space


def require_same_crystal(known: Crystal, path: str, species: tuple[str, ...] = ()) -> None:
    """Refuse a cell file that describes another crystal than the force constants.

    Composition and volume per atom must agree. The shortest lattice vectors must agree too if
    both cells have the same number of sites. The choice of the cell does not matter.

    Raises
    ------
    DataError
        If it describes another crystal.
    """
    given = load_crystal(path, species).crystal
    if same_substance(known, given):
        return
    raise DataError(
        f"the cell file describes {_described(given)}, the force constants {_described(known)}",
        where=path,
        why="force constants contain their crystal, which must be that of the cell file",
        fix="leave out the cell, or give the force constants of this crystal",
    )


def _described(crystal: Crystal) -> str:
    lengths = ", ".join(f"{x:.4g}" for x in shortest_lengths(crystal))
    return (
        f"{crystal.formula} ({lengths} Å, {crystal.volume / crystal.n_sites:.4g} Å³ per atom)"
    )


def require_usable(run: LoadedRun, purposes: Sequence[str], *, partly: bool = False) -> None:
    """Raise the first error of the check that concerns one of the purposes.

    With `partly` the job leaves out the results that the data do not allow.
    """
    for note in run.diagnosis.verdict:
        is_left_out = partly and note.subject == "not-done"
        if note.severity == "error" and note.concerns in purposes and not is_left_out:
            names = run.trajectory.file_names
            raise DataError(note.text, where=names, why=note.why, fix=note.fix)


def require_no_constants(job: Job) -> None:
    """Refuse to fit force constants if the job names force constants."""
    given = job.projection.force_constants
    if given is not None:
        raise UsageError(
            f"force constants are given, {given}, but this command fits its own",
            why="only `trajmodes project`, `sed` and `sqw` use given force constants",
            fix="use `trajmodes project JOB.toml`, or leave out force_constants",
        )


def require_known_modes(run: LoadedRun) -> None:
    """Refuse to save amplitudes of modes that do not exist, before the long passes."""
    if run.job.projection.save_amplitudes:
        modes = cartesian_modes(half_space(run.supercell))
        parse_modes(
            run.job.projection.save_amplitudes, modes, partial(zone_point, modes.crystal)
        )


def require_thickness(run: LoadedRun) -> None:
    """Refuse the conductivity of a layer without a thickness, before the long passes."""
    if run.job.projection.conductivity is not None:
        conducting_layer(run.supercell.crystal, run.job.projection.thickness)


def require_all_frames(run: LoadedRun) -> None:
    """Refuse to leave out single frames of a run that is to be projected."""
    if leaves_out_frames(run):
        raise UsageError(
            "single frames cannot be left out of a run that is projected on modes",
            why="spectra need frames at equal intervals of time",
            fix="use `trajmodes fit` with --hops exclude or --outliers drop, or choose "
            "--frames without such frames",
        )


def warnings_of(run: LoadedRun) -> tuple[Note, ...]:
    """Warnings of the check, and its errors that do not concern this job."""
    found = (note for note in run.diagnosis.verdict if note.severity != "ok")
    return tuple(note for note in found if note not in run.notes)
