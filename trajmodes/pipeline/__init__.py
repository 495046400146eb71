"""The conductor: composes the stages; no formula lives here.

In: a `Job`. Out: a matched run (`load`), a check (`check`), results and their folder (`run`).
Open `run` first: it is the main job from end to end. `api` holds the doors from Python,
`collect` turns what the stages return into the nouns of the report.
"""

from trajmodes.pipeline.api import job_of, open_run, run
from trajmodes.pipeline.check import check_job, show_check
from trajmodes.pipeline.demo import demo_epilogue, demo_job, demo_prologue
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.run import Written, analyse, fit_run, project_run, run_job
from trajmodes.pipeline.show import show_file, show_results

__all__ = [
    "LoadedRun",
    "Written",
    "analyse",
    "check_job",
    "demo_epilogue",
    "demo_job",
    "demo_prologue",
    "fit_run",
    "job_of",
    "load",
    "open_run",
    "project_run",
    "run",
    "run_job",
    "show_check",
    "show_file",
    "show_results",
]
