"""Phonons at temperature from molecular-dynamics trajectories.

>>> import trajmodes as tm
>>> results = tm.run("run.lammpstrj", cell="POSCAR", timestep_fs=1.0)  # doctest: +SKIP
>>> tm.to_dataset(results)  # doctest: +SKIP

See `trajmodes.pipeline` for the composition of the stages, and `trajmodes.data` for the data
classes that they exchange.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public names are imported on first use, so that `import trajmodes` is fast.
_HOMES = {
    "open": ("trajmodes.pipeline.api", "open_run"),
    "run": ("trajmodes.pipeline.api", "run"),
    "fit_constants": ("trajmodes.pipeline.api", "fit_constants"),
    "molecule_modes": ("trajmodes.pipeline.molecule.job", "molecule_modes"),
    "to_dataset": ("trajmodes.results.dataset", "to_dataset"),
    "project_run": ("trajmodes.pipeline.api", "project_run"),
    "read_constants": ("trajmodes.pipeline.load", "read_constants"),
    "read_results": ("trajmodes.results.netcdf", "read_results"),
}

__all__ = [
    "__version__",
    "fit_constants",
    "molecule_modes",
    "open",
    "project_run",
    "read_constants",
    "read_results",
    "run",
    "to_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trajmodes' has no attribute {name!r}")
    module, public = _HOMES[name]
    return getattr(import_module(module), public)


def __dir__() -> list[str]:
    return sorted(__all__)
