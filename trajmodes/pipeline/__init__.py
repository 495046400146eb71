"""The jobs: compositions of the stages, without formulas of their own.

In: a `Job`. Out: results, and the folder that holds them. Open `run` first: it is the main job
from end to end. A run is loaded by `load` and checked by `check`; its two passes are in `fit`
and `projection`; `project_job`, `sed`, `molecule.job`, `export` and `movie` are the other
commands; `derived` calculates what follows from modes and lifetimes; `job_folder` writes.
"""
