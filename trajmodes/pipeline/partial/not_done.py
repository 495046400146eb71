"""The list of results that are not computed: why not, and how to write a run that allows them.

Only this module makes the list. Each possible part of the results is either in the results or
in this list.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from trajmodes.data.results import Results
from trajmodes.errors import DataError
from trajmodes.matching.conclusions import better_file
from trajmodes.notes import Note
from trajmodes.pipeline.motion_source import Runs, leaves_out_frames
from trajmodes.project.spectra.plan import FEWEST_FRAMES
from trajmodes.readers.programs.settings import Missing

Need = Literal[
    "positions",
    "forces",
    "velocities",
    "motion",
    "constants",
    "earlier",
    "kelvin",
    "spectra",
    "sets",
    "whole",
    "frames",
]
"""What a result is computed from: motion from velocities or differences of positions, spectra
from frames at equal, short and known intervals, a test of equipartition from several sets of
modes, a common temperature from that of an earlier fit too, the covariance of displacements
from the temperature, measured or given (kelvin); a projection from all frames (whole)."""


class Part(NamedTuple):
    """A result that not every run allows."""

    name: str
    found: Callable[[Any], bool]
    """Whether the results have it."""
    needs: tuple[Need, ...]
    """The first one that the run lacks is the reason; enough frames are needed by all."""
    of_fit: bool = False
    """Whether it is a result of a fit, or else of a projection."""


def _has_sigma(results: Results) -> bool:
    projected = results.projection or results.displaced
    return projected is not None and projected.anharmonicity is not None


def _has_potential(results: Results) -> bool:
    projected = results.projection or results.displaced
    # About force constants of displacements each mode has k_BT/2 by construction.
    is_known = projected is not None and projected.energies.potential is not None
    return is_known or results.covariance_frames is not None


def _has_heat_capacities(results: Results) -> bool:
    projected = results.projection
    return projected is not None and projected.energies.heat_capacity_kb is not None


def _has_displacement_bands(results: Results) -> bool:
    kinds = [one.kind for one in results.renormalised]
    # Force constants of displacements have no other bands.
    return "displacements" in kinds or results.covariance_frames is not None


PARTS = (
    Part(
        "temperature of the force constants",
        lambda results: results.constants.temperature is not None,
        ("velocities", "earlier"),
        of_fit=True,
    ),
    Part(
        "error bars of the force constants",
        lambda results: results.fit_errors is not None or results.covariance_frames is not None,
        ("frames",),
        of_fit=True,
    ),
    Part(
        "fit to forces with its R² and choice of range, higher orders",
        lambda results: results.covariance_frames is None,
        ("forces",),
        of_fit=True,
    ),
    Part(
        "potential energies and static frequencies of modes, ⟨u²⟩",
        _has_potential,
        ("positions", "whole"),
    ),
    Part(
        "kinetic energies and temperatures of modes",
        lambda results: results.projection is not None,
        ("motion",),
    ),
    Part(
        "heat capacities of modes",
        _has_heat_capacities,
        ("positions", "motion"),
    ),
    Part(
        "test of equipartition",
        lambda results: bool(results.projection and results.projection.equipartition),
        ("motion", "sets"),
    ),
    Part(
        "spectra, linewidths and lifetimes",
        lambda results: bool(results.projection and results.projection.lines),
        ("motion", "spectra"),
    ),
    Part(
        "lifetimes from correlations of energies",
        lambda results: bool(results.projection and results.projection.lifetimes),
        ("positions", "motion", "spectra"),
    ),
    Part(
        "thermostat",
        lambda results: bool(results.projection and results.projection.ensemble),
        ("positions", "motion", "spectra"),
    ),
    Part(
        "bands from displacements",
        _has_displacement_bands,
        ("positions", "kelvin", "whole"),
    ),
    Part(
        "σ of each mode, W from forces",
        _has_sigma,
        ("positions", "forces", "whole"),
    ),
)
"""Results of `run`, `fit` and `project` that not every run allows."""

MAP_PARTS = (
    Part(
        "spectral energy density of each branch, bands",
        lambda sed: sed.map.branches is not None,
        ("constants",),
    ),
)
"""Those of `sed`."""

SCATTERING_PARTS = (
    Part(
        "one-phonon structure factor",
        lambda found: found.lines is not None,
        ("constants", "velocities"),
    ),
    Part(
        "spectra of currents",
        lambda found: found.measured.longitudinal is not None,
        ("velocities",),
    ),
)
"""Those of `sqw`; currents where the job asks for them."""

MOLECULE_PARTS = (
    Part(
        "error bars of the frequencies",
        lambda found: not found.fitted or found.constants.replicates is not None,
        ("frames",),
    ),
    Part(
        "mode energies and temperatures",
        lambda found: found.projection is not None,
        ("motion", "spectra"),
    ),
    Part(
        "test of equipartition",
        lambda found: bool(found.projection and found.projection.equipartition),
        ("motion", "spectra", "sets"),
    ),
    Part(
        "spectra, linewidths and lifetimes",
        lambda found: bool(found.projection and found.projection.lines),
        ("motion", "spectra"),
    ),
    Part(
        "W, the potential energy from forces",
        lambda found: bool(found.projection and found.projection.energies.virial is not None),
        ("forces", "motion", "spectra"),
    ),
)
"""Those of `molecule`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Had:
    """The data available to a job."""

    runs: Sequence[Runs]
    has_constants: bool = True
    """Whether force constants are given or fitted."""
    n_sets: int | None = None
    """Number of sets of modes; None if it does not matter."""
    highest: float | None = None
    """Highest frequency of the modes in rad/ps, if it is known."""
    reason: Note | None = None
    """Why the run was not projected, if it was not."""
    refusal: Note | None = None
    """Why it has no spectra, if it was projected and has none."""


def not_done(results: Any, parts: Sequence[Part], had: Had) -> tuple[Note, ...]:
    """List the parts that the results do not have, one note for each reason."""
    names: dict[_Cause, list[str]] = {}
    for part in parts:
        if not part.found(results):
            names.setdefault(_cause_of(part, had), []).append(part.name)
    return tuple(
        Note("warning", f"not done: {'; '.join(some)}: {cause.what}", fix=cause.fix)
        for cause, some in names.items()
    )


def with_not_done(
    results: Results,
    runs: Sequence[Runs],
    *,
    fits: bool,
    projects: bool,
    reason: Note | None = None,
) -> Results:
    """Add the list of what `run`, `fit` or `project` did not compute.

    Notes of the check on missing fields, and of the projection on missing spectra, are in this
    list, and are therefore removed from the warnings.

    Parameters
    ----------
    fits, projects
        Whether the job fits force constants, and whether it projects.
    reason
        Why the run was not projected, if it was not.
    """
    had = Had(
        runs=runs,
        n_sets=results.modes.n_sets,
        highest=float(results.modes.omega.max()),
        reason=reason,
        refusal=refusal_among(results.warnings),
    )
    wanted = [part for part in PARTS if (fits if part.of_fit else projects)]
    return replace(
        results,
        warnings=without_listed(results.warnings),
        not_done=not_done(results, wanted, had),
    )


def advised(error: DataError, run: Runs) -> DataError:
    """Add to the refusal of spectra how to write a run that has them."""
    note = Note("error", error.what, why=error.why, fix=error.fix)
    cause = next(_without_spectra(Had(runs=[run], refusal=note)))
    return DataError(cause.what, where=run.trajectory.file_names, fix=cause.fix)


def refusal_among(notes: Sequence[Note]) -> Note | None:
    """Find the note on the reason why there are no spectra."""
    return next((note for note in notes if note.subject == "not-done"), None)


def without_listed(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Leave out notes on missing fields and spectra, which the list of the job repeats."""
    return tuple(note for note in notes if note.subject not in ("fields", "not-done"))


class _Cause(NamedTuple):
    """Why something was not computed."""

    what: str
    fix: str


def _cause_of(part: Part, had: Had) -> _Cause:
    """Find the first requirement of a part that is not met; all parts require enough frames."""
    needs: tuple[Need, ...] = (*part.needs, "frames")
    return next(cause for need in needs for cause in _lacking(need, had))


def _lacking(need: Need, had: Had) -> Iterator[_Cause]:
    """Yield the reason why a requirement is not met; nothing if it is met."""
    if need in ("positions", "forces", "velocities"):
        yield from _without_field(need, had)
    elif need == "motion" and had.reason is not None:
        yield from _without_field("velocities", had)
    elif need == "constants" and not had.has_constants:
        yield _Cause("there are no force constants", "give --force-constants")
    elif need == "earlier":
        yield _Cause("a run of the earlier fit has no velocities", "give --temperature")
    elif need == "kelvin" and not all(map(_has_temperature, had.runs)):
        text = "the run has no velocities, and no temperature is given"
        yield _Cause(text, "give --temperature, or write velocities")
    elif need == "spectra":
        yield from _without_spectra(had)
    elif need == "sets" and had.n_sets == 1:
        yield _Cause("the supercell has one set of modes", "simulate a larger supercell")
    elif need == "whole" and any(map(leaves_out_frames, had.runs)):
        text = "single frames are left out of the fit, and a projection needs all of them"
        yield _Cause(text, "give --frames without these, and neither --hops nor --outliers")
    elif need == "frames":
        count = sum(run.n_frames for run in had.runs)
        yield _Cause(f"the run has too few frames, {count}", "run longer")


def _without_field(
    need: Literal["positions", "forces", "velocities"], had: Had
) -> Iterator[_Cause]:
    for run in had.runs:
        if not getattr(run.trajectory, f"has_{need}"):
            # Without velocities there are differences of positions, if these are near enough.
            also = f", and {had.reason.text}" if had.reason and need == "velocities" else ""
            yield _Cause(f"the run has no {need}{also}", _lines(run, need, had.highest))


def _has_temperature(run: Runs) -> bool:
    return run.trajectory.has_velocities or run.job.phonons.temperature is not None


def _without_spectra(had: Had) -> Iterator[_Cause]:
    refusal = had.refusal or had.reason
    if refusal is None:
        return
    for run in had.runs:
        segments = run.trajectory.segments
        longest = max(stop - start for start, stop in segments)
        if len(segments) > 1 and longest < FEWEST_FRAMES:
            text = (
                f"frames are at unequal intervals: of {run.n_frames} frames at most {longest} "
                f"follow one another evenly, and spectra need {FEWEST_FRAMES}"
            )
            yield _Cause(text, f"write frames at equal intervals:\n{_lines(run, 'frames')}")
    yield _Cause(refusal.text, refusal.fix)


def _lines(run: Runs, missing: Missing, highest: float | None = None) -> str:
    """Say how the program of the run writes what is missing, as often as modes need."""
    if not run.trajectory.paths:
        return f"give {missing} with the positions"
    species, interval_ps = run.supercell.crystal.species, run.trajectory.interval_ps
    apart_ps = None
    if highest and interval_ps is not None and interval_ps * highest > np.pi:
        # The Nyquist frequency is then twice that of the fastest mode.
        apart_ps = 0.5 * np.pi / highest
    return better_file(run.trajectory, species, missing, apart_ps=apart_ps)
