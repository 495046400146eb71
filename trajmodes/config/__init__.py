"""Options: each is declared once, in `groups`.

In: names and values from the command line, a TOML file or Python. Out: a checked, frozen `Job`,
which holds one group of options for each stage. `takes` gives a Python function the keywords of
a command; `options_page` writes the reference in the documentation.
"""

from trajmodes.config.groups import (
    FOLDERS,
    ForceConstantOptions,
    MatchOptions,
    MoleculeOptions,
    PhononOptions,
    ProjectionOptions,
    ReadOptions,
    RunningOptions,
)
from trajmodes.config.job import (
    Job,
    job_from_mapping,
    job_of,
    options_of,
    read_job,
    toml_text,
    values_of,
)
from trajmodes.config.keywords import takes
from trajmodes.config.kinds import split_cutoff
from trajmodes.config.option import Option
from trajmodes.config.reference import options_page

__all__ = [
    "FOLDERS",
    "ForceConstantOptions",
    "Job",
    "MatchOptions",
    "MoleculeOptions",
    "Option",
    "PhononOptions",
    "ProjectionOptions",
    "ReadOptions",
    "RunningOptions",
    "job_from_mapping",
    "job_of",
    "options_of",
    "options_page",
    "read_job",
    "split_cutoff",
    "takes",
    "toml_text",
    "values_of",
]
