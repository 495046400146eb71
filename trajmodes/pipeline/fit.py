"""From matched runs to force constants: one pass each, normal equations, one fit."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from trajmodes.config.job import Job
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.fit.accumulate import ForceRows, KineticTemperature, default_blocks
from trajmodes.fit.covariance import ForceCovariance
from trajmodes.fit.expansion import Expansion, Reach, expansion_of
from trajmodes.fit.fit import Fit, fit_equations
from trajmodes.fit.harmonic import harmonic_equations
from trajmodes.fit.normal_equations import NormalEquationBlocks, Source, pooled
from trajmodes.fit.solution import FitOptions
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.stability import stability
from trajmodes.pipeline.job_folder import Log, StartBar, no_bars
from trajmodes.pipeline.load import LoadedRun
from trajmodes.streaming.reduction import Together
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.cutoffs import Cutoff, parse_cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import half_space

SAME_TEMPERATURE = 0.05
"""Relative difference of temperatures beyond which pooling runs is worth a word."""

SURE, OFF_AVERAGE = 5.0, 0.01
"""Mean displacement, in standard errors and in parts of the rms one, beyond which displacements
are counted anew from the average structure."""


class Fitted(NamedTuple):
    """A fit and the sums that it was made from."""

    runs: Sequence[LoadedRun]
    """The runs, their displacements counted from the average structure."""
    equations: NormalEquationBlocks
    fit: Fit
    notes: tuple[Note, ...] = ()
    """What became of the frames."""

    @property
    def duration_ps(self) -> float:
        """Length of all runs together in ps; nan where the time between frames is unknown."""
        equations = self.equations
        frames = np.bincount(equations.run, equations.frames)
        steps = [source.interval_ps for source in equations.sources]
        return float(frames @ steps) if len(steps) == len(frames) else np.nan


def fit_runs(
    runs: Sequence[LoadedRun],
    *,
    log: Log,
    bars: StartBar = no_bars,
    earlier: NormalEquationBlocks | None = None,
) -> Fitted:
    """Fit effective force constants to one or several runs of a crystal.

    Parameters
    ----------
    runs
        The runs, matched to the crystal of the first one. Their job tells how to fit.
    log
        Takes down the stages.
    bars
        Starts a progress bar.
    earlier
        Normal equations that the runs are added to; their columns are used.

    Raises
    ------
    UsageError
        If a cutoff is not admissible.
    DataError
        If a run has no forces, or all together leave constants undetermined.
    """
    fitted = _fit_once(runs, log, bars, earlier)
    shift = fitted.fit.reference.shift
    if not _is_off_average(fitted):
        return fitted
    if earlier is not None or not _counts_from_average(runs):
        text = (
            f"the mean displacement is surely not zero, up to "
            f"{np.linalg.norm(shift, axis=1).max():.2g} Å: pairs do not mind, higher orders do"
        )
        fix = "--displacements-from average counts from the average structure"
        note = Note("note", text, fix=fix)
        return fitted._replace(notes=(note, *fitted.notes))
    log.tell("the mean displacement is not zero: once more, from the average structure")
    again = _fit_once([run.moved(shift) for run in runs], log, bars, None)
    text = (
        f"displacements are counted from the average structure: sites were moved by up to "
        f"{np.linalg.norm(shift, axis=1).max():.2g} Å"
    )
    note = Note("note", text)
    return again._replace(notes=(note, *again.notes))


def _fit_once(
    runs: Sequence[LoadedRun], log: Log, bars: StartBar, earlier: NormalEquationBlocks | None
) -> Fitted:
    job, supercell = runs[0].job, runs[0].supercell
    with log.stage("symmetry"):
        if earlier is None:
            group = space_group(supercell.crystal)
            expansion = expansion_of(group, supercell, _cutoffs(job))
        else:
            expansion = earlier.expansion
    parts = [] if earlier is None else [earlier]
    n_blocks = default_blocks(expansion.n_parameters, len(runs))
    for number, run in enumerate(runs, start=1):
        title = "first pass: fit" if len(runs) == 1 else f"fit, run {number} of {len(runs)}"
        with log.stage(title.replace("fit", "force constants")):
            parts.append(_equations(run, expansion, n_blocks, bars, title))
    equations = pooled(parts)
    with log.stage("solve"):
        fit = fit_equations(
            equations,
            cutoffs=None if earlier is None else _shorter(job),
            temperature=_temperature(job, equations),
            options=fit_options(job),
        )
    read = sum(run.n_frames for run in runs) + (0 if earlier is None else earlier.n_frames)
    return Fitted(runs, equations, fit, _frame_notes(equations, read, job))


def _counts_from_average(runs: Sequence[LoadedRun]) -> bool:
    wanted = runs[0].job.fit.displacements_from
    known = any(run.trajectory.ideal is not None for run in runs)
    return wanted == "average" or (wanted == "auto" and not known)


def _is_off_average(fitted: Fitted) -> bool:
    """Whether the mean displacement is surely not zero, and large enough to matter.

    Cubic constants are off by about a quarter of its part of the rms displacement.
    """
    moved = np.abs(fitted.fit.reference.shift)
    sem, rms = fitted.fit.reference.shift_sem, fitted.runs[0].diagnosis.sample.displacement_rms
    return bool((moved > np.maximum(SURE * sem, OFF_AVERAGE * rms)).any())


def fit_options(job: Job) -> FitOptions:
    """How a job wants its constants fitted."""
    return FitOptions(
        scheme=job.fit.scheme,
        constraints=Constraints(
            hermitian="no-hermitian" not in job.fit.constraints,
            born_huang="born-huang" in job.fit.constraints,
            huang="huang" in job.fit.constraints,
        ),
        minimum_norm=job.fit.minimum_norm,
        method=job.fit.method,
        strength=job.fit.strength,
        errors=job.fit.errors,
    )


def modes_of(
    fit: Fit, equations: NormalEquationBlocks, *, require_stable: bool = False
) -> Modes:
    """Modes of fitted constants at the commensurate q points.

    Parameters
    ----------
    fit
        The fit.
    equations
        Its normal equations.
    require_stable
        Whether an imaginary mode is an error.

    Raises
    ------
    DataError
        If a mode is imaginary, or may be, and none must be.
    """
    space = half_space(equations.supercell)
    modes = modes_at(fit.constants, space.qpoints, space.weights)
    if require_stable and (found := stability(modes)).verdict != "stable":
        raise DataError(
            "the constants were asked to be stable and are not",
            where=str(found),
            why="the crystal is not stable at this temperature and volume, or the run is too "
            "short, or the cutoff too small",
            fix="look at the bands without --require-stable; run longer or widen the cutoff",
        )
    return modes


def _cutoffs(job: Job) -> Mapping[int, Reach]:
    given = {2: job.fit.cutoff2, 3: job.fit.cutoff3, 4: job.fit.cutoff4}
    return {
        order: _reach(value)
        for order, value in given.items()
        if order == 2 or value is not None
    }


def _shorter(job: Job) -> Mapping[int, Cutoff | None] | None:
    """Cutoffs for saved normal equations: those asked for, or theirs."""
    given = {2: job.fit.cutoff2, 3: job.fit.cutoff3, 4: job.fit.cutoff4}
    if all(value is None for value in given.values()):
        return None
    asked = {n: value for n, value in given.items() if n == 2 or value is not None}
    return {
        n: None if value is None or value == "supercell" else parse_cutoff(str(value))
        for n, value in asked.items()
    }


def _reach(value: float | str | None) -> Reach:
    if value == "supercell":
        return "supercell"
    return parse_cutoff(value) if isinstance(value, str) else value


def _equations(
    run: LoadedRun, expansion: Expansion, n_blocks: int, bars: StartBar, title: str
) -> NormalEquationBlocks:
    advance = bars(title, run.n_frames)
    workers = run.job.running.workers
    if expansion.orders[-1] > 2:
        sums: Any = ForceRows(expansion, run.supercell, run.n_frames, n_blocks)
    else:
        sums = ForceCovariance(half_space(run.supercell), run.n_frames, n_blocks)
    both = Together({"sums": sums, "kelvin": KineticTemperature(run.supercell)})
    results = stream(run.motion, run.blocks, both, workers=workers, progress=advance)
    found, kelvin = results["sums"], results["kelvin"]
    equations = found if expansion.orders[-1] > 2 else harmonic_equations(found, expansion)
    return equations.with_source(_source(run, kelvin))


def _frame_notes(equations: NormalEquationBlocks, n_read: int, job: Job) -> tuple[Note, ...]:
    """Tell how many frames were left out, and whether temperatures are mixed."""
    texts = []
    if equations.n_frames < n_read:
        reasons = ["an atom had left its site"] if job.matching.hops == "exclude" else []
        reasons += ["a value was an outlier"] if job.matching.outliers == "drop" else []
        texts.append(
            f"{n_read - equations.n_frames} of {n_read} frames were left out: "
            + " or ".join(reasons)
        )
    kelvin = [s.temperature for s in equations.sources if np.isfinite(s.temperature)]
    if kelvin and max(kelvin) - min(kelvin) > SAME_TEMPERATURE * max(kelvin):
        texts.append(
            f"runs between {min(kelvin):.0f} and {max(kelvin):.0f} K are pooled; effective "
            "constants are those of one temperature"
        )
    return tuple(Note("note", text) for text in texts)


def _source(run: LoadedRun, kelvin: float) -> Source:
    interval = run.trajectory.interval_ps
    paths = run.trajectory.paths
    more = "" if len(paths) < 2 else f" and {len(paths) - 1} more"
    return Source(
        name=f"{paths[0]}{more}" if paths else "arrays",
        temperature=run.job.phonons.temperature or kelvin,
        interval_ps=np.nan if interval is None else interval,
    )


def _temperature(job: Job, equations: NormalEquationBlocks) -> float | None:
    """Temperature of the job, or the mean over the frames of all runs where it is known."""
    if job.phonons.temperature is not None or not equations.sources:
        return job.phonons.temperature
    known = np.array([source.temperature for source in equations.sources])
    frames = np.bincount(equations.run, equations.frames)
    return float(frames @ known / frames.sum()) if np.isfinite(known).all() else None
