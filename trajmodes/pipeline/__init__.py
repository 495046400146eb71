"""The jobs: compositions of the stages, without formulas of their own.

In: a `Job`. Out: results, and the folder that holds them. Open `run` first: it is the main job
from end to end. A run is loaded by `load` and checked by `check`; its two passes are in `fit`
and `projection`, of the motion in `motion_source`; `derived` puts the results together.
`project_job`, `sed`, `molecule_job` and `after_fit` are other commands. `amplitudes` reads
those of a run that is already projected; `job_folder` writes.
"""
