"""Phonons at temperature from molecular-dynamics trajectories.

>>> import trajmodes as tm
>>> run = tm.open("examples/data/silicon.lammpstrj.xz", cell="examples/data/silicon.POSCAR")
>>> results = run.project(run.fit(cutoff2=4.0))
>>> results.to_dataset()["lifetime_ps"].dims
('set',)

See `trajmodes.api` for the objects, `trajmodes.pipeline` for the composition of the stages, and
`trajmodes.data` for the data classes that they exchange.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajmodes.api.born_von_karman import born_von_karman
    from trajmodes.api.convert import convert
    from trajmodes.api.force_constants import ForceConstants, read_force_constants
    from trajmodes.api.live.watched import live
    from trajmodes.api.minimised import minimised
    from trajmodes.api.molecule import molecule
    from trajmodes.api.potential import potential
    from trajmodes.api.quasiharmonic import phases, quasiharmonic
    from trajmodes.api.results import Results, load
    from trajmodes.api.runs import Run, fit_runs, from_arrays, run
    from trajmodes.api.runs import open_run as open  # noqa: A004 - a public name: tm.open
    from trajmodes.api.self_consistent import self_consistent
    from trajmodes.api.series import Series, series

__version__ = "0.1.0"

# Public names are imported on first use, so that `import trajmodes` is fast.
_HOMES = {
    "ForceConstants": ("trajmodes.api.force_constants", "ForceConstants"),
    "Results": ("trajmodes.api.results", "Results"),
    "Run": ("trajmodes.api.runs", "Run"),
    "Series": ("trajmodes.api.series", "Series"),
    "born_von_karman": ("trajmodes.api.born_von_karman", "born_von_karman"),
    "convert": ("trajmodes.api.convert", "convert"),
    "fit_runs": ("trajmodes.api.runs", "fit_runs"),
    "from_arrays": ("trajmodes.api.runs", "from_arrays"),
    "live": ("trajmodes.api.live.watched", "live"),
    "load": ("trajmodes.api.results", "load"),
    "minimised": ("trajmodes.api.minimised", "minimised"),
    "molecule": ("trajmodes.api.molecule", "molecule"),
    "open": ("trajmodes.api.runs", "open_run"),
    "phases": ("trajmodes.api.quasiharmonic", "phases"),
    "potential": ("trajmodes.api.potential", "potential"),
    "quasiharmonic": ("trajmodes.api.quasiharmonic", "quasiharmonic"),
    "read_force_constants": ("trajmodes.api.force_constants", "read_force_constants"),
    "run": ("trajmodes.api.runs", "run"),
    "self_consistent": ("trajmodes.api.self_consistent", "self_consistent"),
    "series": ("trajmodes.api.series", "series"),
}

__all__ = [
    "ForceConstants",
    "Results",
    "Run",
    "Series",
    "__version__",
    "born_von_karman",
    "convert",
    "fit_runs",
    "from_arrays",
    "live",
    "load",
    "minimised",
    "molecule",
    "open",
    "phases",
    "potential",
    "quasiharmonic",
    "read_force_constants",
    "run",
    "self_consistent",
    "series",
]


if not TYPE_CHECKING:  # otherwise a checker would allow every name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'trajmodes' has no attribute {name!r}")
        module, public = _HOMES[name]
        return getattr(import_module(module), public)


def __dir__() -> list[str]:
    return sorted(__all__)
