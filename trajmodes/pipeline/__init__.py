"""The conductor: composes the stages; no formula lives here.

In: a `Job`. Out: a matched run (`load`), a check (`check`), results and their folder (`run`,
`projected`, `sed`, `molecule_job`), and what a folder allows later (`scan`, `export`, `movie`).
Open `run` first: it is the main job from end to end, its two passes in `fit` and `project`,
what is made of lifetimes in `transport`. `written` writes the folder, `api` holds the doors
from Python, `collect` turns what the stages return into the nouns of the report.
"""

from trajmodes.pipeline.api import fit_constants, open_run, project_run, run
from trajmodes.pipeline.check import check_job, show_check
from trajmodes.pipeline.demo import demo_epilogue, demo_job, demo_prologue
from trajmodes.pipeline.export import export_job, show_export
from trajmodes.pipeline.fit import Fitted, fit_runs
from trajmodes.pipeline.load import LoadedRun, load, load_runs
from trajmodes.pipeline.molecule_job import molecule_job, molecule_modes
from trajmodes.pipeline.molecule_tables import show_molecule
from trajmodes.pipeline.movie import movie_job
from trajmodes.pipeline.projected import project_job, project_only
from trajmodes.pipeline.run import analyse, fit_job, fit_only, run_job
from trajmodes.pipeline.scan import scan_job, show_scan, write_scan
from trajmodes.pipeline.sed import sed_job, show_sed
from trajmodes.pipeline.show import show_file, show_modes, show_results
from trajmodes.pipeline.written import Written

__all__ = [
    "Fitted",
    "LoadedRun",
    "Written",
    "analyse",
    "check_job",
    "demo_epilogue",
    "demo_job",
    "demo_prologue",
    "export_job",
    "fit_constants",
    "fit_job",
    "fit_only",
    "fit_runs",
    "load",
    "load_runs",
    "molecule_job",
    "molecule_modes",
    "movie_job",
    "open_run",
    "project_job",
    "project_only",
    "project_run",
    "run",
    "run_job",
    "scan_job",
    "sed_job",
    "show_check",
    "show_export",
    "show_file",
    "show_modes",
    "show_molecule",
    "show_results",
    "show_scan",
    "show_sed",
    "write_scan",
]
