"""Checks of a run and its job: `trajmodes check`, and what other jobs refuse before they start.

A run that is unsuitable for a job is refused before the long passes, not after them.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from trajmodes.config.job import Job
from trajmodes.data.crystal import Crystal
from trajmodes.data.labels import point
from trajmodes.data.lattice import same_substance, shortest_lengths
from trajmodes.data.modes import Modes
from trajmodes.data.results import Finding
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.cell_file import load_crystal
from trajmodes.matching.diagnosis import Diagnosis
from trajmodes.notes import Note
from trajmodes.phonons.conductivity import conducting_layer
from trajmodes.phonons.qpoints import zone_point
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.motion_source import source_of
from trajmodes.project.projector import cartesian_modes
from trajmodes.project.selected_modes import parse_modes
from trajmodes.report.summary import WIDTH, check_rows, render_check, text_of
from trajmodes.symmetry.stars import star_labels
from trajmodes.symmetry.translations import half_space


def require_same_crystal(known: Crystal, path: str) -> None:
    """Refuse a cell file that describes another crystal than the force constants.

    Composition and volume per atom must agree. The shortest lattice vectors must agree too if
    both cells have the same number of sites. The choice of the cell does not matter.

    Raises
    ------
    DataError
        If it describes another crystal.
    """
    given = load_crystal(path).crystal
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


def require_usable(run: LoadedRun, purposes: Sequence[str]) -> None:
    """Raise the first error of the check that concerns one of the purposes."""
    for note in run.diagnosis.verdict:
        if note.severity == "error" and note.concerns in purposes:
            where = ", ".join(str(path) for path in run.trajectory.paths[:3])
            raise DataError(note.text, where=where, why=note.why, fix=note.fix)


def require_no_constants(job: Job) -> None:
    """Refuse to fit force constants where the job names some."""
    given = job.projection.force_constants
    if given is not None:
        raise UsageError(
            f"force constants are given, {given}, but this command fits its own",
            why="only `trajmodes project` and `trajmodes sed` use given force constants",
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
    if run.job.matching.hops != "refuse" or run.job.matching.outliers != "refuse":
        raise UsageError(
            "single frames cannot be left out of a run that is projected on modes",
            why="spectra need frames at equal intervals of time",
            fix="use `trajmodes fit` with --hops exclude or --outliers drop, or choose "
            "--frames without such frames",
        )


def why_not_projected(run: LoadedRun, modes: Modes) -> Note | None:
    """Note why a run without velocities cannot be projected; None if it can."""
    if run.trajectory.has_velocities:
        return None
    try:
        source_of(run, float(modes.omega.max()))
    except DataError as error:
        text = f"not projected on modes, because the run has no velocities: {error.what}"
        return Note("note", text, why=error.why, fix=error.fix)
    return None


def warnings_of(run: LoadedRun) -> tuple[Note, ...]:
    """Warnings of the check, and its errors that do not concern this job."""
    found = (note for note in run.diagnosis.verdict if note.severity != "ok")
    return tuple(note for note in found if note not in run.notes)


_OF_THE_MACHINE = {"memory of a run", "time of a run"}
"""Figures of a diagnosis that depend on the computer."""


def findings_of(diagnosis: Diagnosis) -> dict[str, Finding]:
    """Figures of a diagnosis that depend on the input alone; the results keep these."""
    figures = diagnosis.figures.items()
    return {name: one for name, one in figures if name not in _OF_THE_MACHINE}


def show_check(run: LoadedRun) -> str:
    """Text of a check for the terminal."""
    rows = check_rows(run.diagnosis.figures)
    notes = dict.fromkeys([*run.notes, *run.diagnosis.verdict])
    return text_of(render_check(rows, notes)) + "\n" + _commensurate_points(run)


def _commensurate_points(run: LoadedRun) -> str:
    """List the commensurate q points, one of each star, in columns."""
    diagnosis = run.diagnosis
    labels = star_labels(run.supercell.crystal, diagnosis.qpoints)
    _, first, star = np.unique(labels, return_index=True, return_inverse=True)
    sizes = np.bincount(star, diagnosis.weights).astype(int)
    cells = [
        f"{point(diagnosis.qpoints[k])} ×{size}" for k, size in zip(first, sizes, strict=True)
    ]
    width = max(map(len, cells)) + 3
    per_line = max(1, WIDTH // width)
    lines = [
        "".join(cell.ljust(width) for cell in cells[i : i + per_line]).rstrip()
        for i in range(0, len(cells), per_line)
    ]
    title = "q points of the supercell, one of each star × its members (reduced coordinates)"
    return "\n".join([title, *lines]) + "\n"
