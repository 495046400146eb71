"""Whether a trajectory fits its crystal, and what it is good for."""

from trajmodes.config import Job
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.log import Log
from trajmodes.pipeline.show import text_of
from trajmodes.readers import Diagnosis
from trajmodes.report import CheckVerdict, Finding, check_rows, render_check

__all__ = ["check_job", "findings_of", "show_check"]


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
    """Figures of a diagnosis as the report shows them.

    Parameters
    ----------
    diagnosis
        What was found in a sample of frames.
    """
    return {name: Finding(*figure) for name, figure in diagnosis.figures.items()}


def show_check(run: LoadedRun) -> str:
    """Tell what a check found.

    Parameters
    ----------
    run
        The run that was checked.
    """
    rows = check_rows(findings_of(run.diagnosis))
    verdicts = [CheckVerdict(*remark) for remark in run.diagnosis.verdict]
    return text_of(render_check(rows, verdicts))
