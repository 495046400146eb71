"""What a run has to be for what is wanted of it, told before the long passes and not after."""

from collections.abc import Sequence
from functools import partial

from trajmodes.config import Job
from trajmodes.data import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons import zone_point
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.source import source_of
from trajmodes.project import bare_modes, parse_modes
from trajmodes.symmetry import half_space

__all__ = [
    "require_all_frames",
    "require_known_modes",
    "require_no_constants",
    "require_usable",
    "warnings_of",
    "why_not_projected",
]


def require_usable(run: LoadedRun, wanted: Sequence[str]) -> None:
    """Refuse at once what the check calls an error of what is wanted.

    Parameters
    ----------
    run
        The run.
    wanted
        What notes may concern.

    Raises
    ------
    DataError
        With the note and what to do about it.
    """
    for note in run.diagnosis.verdict:
        if note.severity == "error" and note.concerns in wanted:
            where = ", ".join(str(path) for path in run.trajectory.paths[:3])
            raise DataError(note.text, where=where, why=note.why, fix=note.fix)


def require_no_constants(job: Job) -> None:
    """Refuse to fit constants where the job gives some.

    Parameters
    ----------
    job
        The job.

    Raises
    ------
    UsageError
        If it names constants.
    """
    given = job.projection.force_constants
    if given is not None:
        raise UsageError(
            f"force constants are given, {given}, but this command fits its own",
            why="`trajmodes project` and `trajmodes sed` take given ones",
            fix="use `trajmodes project JOB.toml`, or leave out force_constants",
        )


def require_known_modes(run: LoadedRun) -> None:
    """Refuse modes that the job asks for and that there are not, before the long passes.

    Parameters
    ----------
    run
        The run.

    Raises
    ------
    UsageError
        If a text is no mode, or its q is not commensurate with the supercell.
    """
    if run.job.projection.save_amplitudes:
        modes = bare_modes(half_space(run.supercell))
        parse_modes(
            run.job.projection.save_amplitudes, modes, partial(zone_point, modes.crystal)
        )


def require_all_frames(run: LoadedRun) -> None:
    """Refuse to leave out frames of a run that is to be projected.

    Parameters
    ----------
    run
        The run.

    Raises
    ------
    UsageError
        If its job asks for it.
    """
    if run.job.matching.hops != "refuse" or run.job.matching.outliers != "refuse":
        raise UsageError(
            "frames cannot be left out of a run that is projected on its modes",
            why="spectra need frames at equal distances in time",
            fix="use `trajmodes fit` with --hops exclude or --outliers drop, or choose "
            "--frames without such frames",
        )


def why_not_projected(run: LoadedRun, modes: Modes) -> Note | None:
    """Tell why a run without velocities cannot be projected; None if it can.

    Parameters
    ----------
    run
        The run.
    modes
        The modes.
    """
    if run.trajectory.has_velocities:
        return None
    try:
        source_of(run, float(modes.omega.max()))
    except DataError as error:
        text = f"not projected on modes, for the run has no velocities: {error.what}"
        return Note("note", text, why=error.why, fix=error.fix)
    return None


def warnings_of(run: LoadedRun) -> tuple[Note, ...]:
    """Tell what the check warns of, and what it calls errors that do not matter here.

    Parameters
    ----------
    run
        The run.
    """
    found = (note for note in run.diagnosis.verdict if note.severity != "ok")
    return tuple(note for note in found if note not in run.notes)
