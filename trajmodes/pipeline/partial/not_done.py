"""The list of results that are not computed: why not, and how to write a run that has them.

It is composed here alone. A result of `PARTS` is either in the results or in this list.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, NamedTuple

from trajmodes.data.results import Results
from trajmodes.matching.conclusions import better_file
from trajmodes.notes import Note
from trajmodes.pipeline.load import LoadedRun
from trajmodes.readers.programs.settings import Missing

Need = Literal["forces", "velocities", "spectra", "frames"]
"""What a result is computed from; spectra need frames at equal, short and known intervals."""


class Part(NamedTuple):
    """A result that not every run allows."""

    name: str
    found: Callable[[Results], bool]
    needs: tuple[Need, ...]
    """The first one that the run lacks is the reason; enough frames are needed by all."""
    of_fit: bool = False
    """Whether it is a result of a fit, or else of a projection."""


def _has_bands(kind: str, results: Results) -> bool:
    return any(one.kind == kind for one in results.renormalised)


PARTS = (
    Part(
        "temperature of the force constants",
        lambda results: results.constants.temperature is not None,
        ("velocities",),
        of_fit=True,
    ),
    Part(
        "error bars of the force constants",
        lambda results: results.fit_errors is not None,
        ("frames",),
        of_fit=True,
    ),
    Part(
        "mode energies, temperatures and ⟨u²⟩",
        lambda results: results.projection is not None,
        ("velocities",),
    ),
    Part(
        "test of equipartition",
        lambda results: bool(results.projection and results.projection.equipartition),
        ("velocities", "frames"),
    ),
    Part(
        "spectra, linewidths and lifetimes",
        lambda results: bool(results.projection and results.projection.lines),
        ("velocities", "spectra"),
    ),
    Part(
        "thermostat",
        lambda results: bool(results.projection and results.projection.ensemble),
        ("velocities", "spectra"),
    ),
    Part(
        "bands from displacements",
        partial(_has_bands, "displacements"),
        ("velocities",),
    ),
    Part(
        "σ of each mode",
        lambda results: bool(results.projection and results.projection.anharmonicity),
        ("forces", "velocities"),
    ),
)
"""Results that not every run allows."""


def with_not_done(
    results: Results,
    runs: Sequence[LoadedRun],
    *,
    fits: bool,
    projects: bool,
    reason: Note | None = None,
) -> Results:
    """Add the list of what was not computed, one note for each reason.

    Notes of the check on missing fields, and of the projection on missing spectra, are in this
    list, and therefore taken off the warnings.

    Parameters
    ----------
    fits, projects
        What the job was to do.
    reason
        Why the run was not projected, if it was not.
    """
    refusal = next((note for note in results.warnings if note.subject == "not-done"), None)
    wanted = [part for part in PARTS if (fits if part.of_fit else projects)]
    names: dict[_Cause, list[str]] = {}
    for part in wanted:
        if not part.found(results):
            cause = _cause_of(part, runs, reason, refusal)
            names.setdefault(cause, []).append(part.name)
    listed = tuple(
        Note("warning", f"not done: {'; '.join(some)}: {cause.what}", fix=cause.fix)
        for cause, some in names.items()
    )
    said = ("fields", "not-done")
    warnings = tuple(note for note in results.warnings if note.subject not in said)
    return replace(results, warnings=warnings, not_done=listed)


class _Cause(NamedTuple):
    """Why something was not computed."""

    what: str
    fix: str


def _cause_of(
    part: Part, runs: Sequence[LoadedRun], reason: Note | None, refusal: Note | None
) -> _Cause:
    """Find the first of its needs that a run lacks; enough frames are needed by all."""
    needs: tuple[Need, ...] = (*part.needs, "frames")
    return next(cause for need in needs for cause in _lacking(need, runs, reason, refusal))


def _lacking(
    need: Need, runs: Sequence[LoadedRun], reason: Note | None, refusal: Note | None
) -> Iterator[_Cause]:
    """Give the reason why a run does not meet a need; nothing if all meet it."""
    if need in ("forces", "velocities"):
        for run in runs:
            if not getattr(run.trajectory, f"has_{need}"):
                far = "" if need == "forces" or reason is None else f", and {reason.text}"
                yield _Cause(f"the run has no {need}{far}", _lines(run, need))
    elif need == "spectra" and refusal is not None:
        yield _Cause(refusal.text, refusal.fix)
    else:
        yield _Cause("the run has too few frames", "run longer")


def _lines(run: LoadedRun, missing: Missing) -> str:
    """Say how the program of the run writes what is missing."""
    if not run.trajectory.paths:
        return f"give {missing} with the positions"
    return better_file(run.trajectory, run.match, missing)
