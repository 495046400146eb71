"""Whether a trajectory fits its crystal, and what it is good for."""

import numpy as np

from trajmodes.config import Job
from trajmodes.data import Finding
from trajmodes.matching import Diagnosis
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.log import Log
from trajmodes.pipeline.show import WIDTH, text_of
from trajmodes.report import check_rows, point, render_check
from trajmodes.symmetry import star_labels

__all__ = ["check_job", "findings_of", "show_check"]

_OF_THE_MACHINE = {"memory of a run", "time of a run"}


def check_job(job: Job) -> LoadedRun:
    """Match a trajectory to its crystal and look at a sample of its frames.

    Parameters
    ----------
    job
        What to read; where results go does not matter.

    Raises
    ------
    UsageError
        If a file is missing, or something that only the user knows.
    DataError
        If the trajectory is not sound, or not of this crystal.
    """
    return load(job, log=Log())


def findings_of(diagnosis: Diagnosis) -> dict[str, Finding]:
    """Figures of a diagnosis that the results keep: those that the input alone decides.

    Parameters
    ----------
    diagnosis
        What was found in a sample of frames.
    """
    figures = diagnosis.figures.items()
    return {name: one for name, one in figures if name not in _OF_THE_MACHINE}


def show_check(run: LoadedRun) -> str:
    """Tell what a check found.

    Parameters
    ----------
    run
        The run that was checked.
    """
    rows = check_rows(run.diagnosis.figures)
    notes = dict.fromkeys([*run.notes, *run.diagnosis.verdict])
    return text_of(render_check(rows, notes)) + "\n" + _commensurate_points(run)


def _commensurate_points(run: LoadedRun) -> str:
    """List the q points that the supercell holds, one of each star, in columns."""
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
