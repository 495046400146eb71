"""The commands `trajmodes run` and `trajmodes fit`: a pass to fit, and a pass to project."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trajmodes.config.job import Job
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.modes import Modes, RunLength
from trajmodes.data.results import Results
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.fit import Fit, with_member_scatter
from trajmodes.fit.force_noise import centred
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.fit.many_parameters.fit import with_scatter_of_members
from trajmodes.fit.members.contributions import SameSpace
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.quality import compared_with_lifetimes
from trajmodes.phonons.modes import frequency_change, modes_at
from trajmodes.pipeline.check.noise import fitted_noise
from trajmodes.pipeline.check.requirements import (
    require_all_frames,
    require_known_modes,
    require_no_constants,
    require_thickness,
    require_usable,
    warnings_of,
)
from trajmodes.pipeline.checkpoint import Task, checkpoints
from trajmodes.pipeline.derived import (
    finished,
    modes_of_supercell,
    results_of_constants,
    run_length_of,
    with_comparison,
    with_perturbation,
    with_projection,
)
from trajmodes.pipeline.fit import Fitted, fit_runs
from trajmodes.pipeline.fit_choices import fit_options
from trajmodes.pipeline.job_folder import (
    Analysis,
    Log,
    StartBar,
    Written,
    input_files,
    no_bars,
    on_scheduler,
    output_folder,
)
from trajmodes.pipeline.load import LoadedRun, load, load_runs
from trajmodes.pipeline.motion_source import leaves_out_frames, why_not_projected
from trajmodes.pipeline.partial.displaced import with_displacements
from trajmodes.pipeline.partial.not_done import with_not_done
from trajmodes.pipeline.without_forces.constants import results_without_forces
from trajmodes.project.agreement import disagreement_note, of_forces
from trajmodes.project.energies.lifetimes import best_lifetimes, longest_lower_bound
from trajmodes.readers.frames_in_memory import frames_in_memory
from trajmodes.readers.trajectory import Trajectory
from trajmodes.results.folder import Writer
from trajmodes.results.normal_equations import read_normal_equations


class FitData(NamedTuple):
    """Data of a fit that are already in memory."""

    trajectories: Sequence[Trajectory] = ()
    """One for each run, in place of the files of the job."""
    earlier: NormalEquationBlocks | None = None
    """Normal equations of an earlier fit, to which the runs are added."""
    crystal: Crystal | None = None
    """The crystal of the runs, where it is known."""
    charges: Charges | None = None
    """Its Born charges; None for those of the job or beside the files."""


NEW_FIT = FitData()
"""A fit to the files of the job alone."""


def run_job(
    job: Job, *, command: str, bars: StartBar = no_bars, frames: Trajectory | None = None
) -> Written:
    """Fit force constants, project on their modes, and write the results folder.

    `frames` is the trajectory, if it is already open.
    """
    require_no_constants(job)
    log = Log(bars)
    with (
        output_folder(job, log, for_phonopy=True) as output,
        checkpoints(
            Task("run", command, job),
            output.folder,
            log=log,
            scratch=output.scratch,
            is_whole=frames is None,
        ) as scratch,
    ):
        run = load(job, log=log, frames=frames, needs="positions")
        found = analyse(run, command=command, log=log, bars=bars, scratch=scratch)
        return output.write(found)


def fit_job(
    job: Job, *, command: str, bars: StartBar = no_bars, data: FitData = NEW_FIT
) -> Written:
    """Fit force constants to one or several runs, and write the results folder.

    `data` are data in memory, in place of files of the job.
    """
    log = Log(bars)
    # Frames that are open may be a part of those of the files.
    in_memory = (*data.trajectories, data.earlier, data.crystal, data.charges)
    is_whole = all(one is None for one in in_memory)
    with (
        output_folder(job, log) as output,
        checkpoints(Task("fit", command, job), output.folder, log=log, is_whole=is_whole),
    ):
        return output.write(fit_only(job, command=command, log=log, bars=bars, data=data))


class FirstPass(NamedTuple):
    """A run, results of the force constants found in it, and the normal equations."""

    run: LoadedRun
    results: Results
    equations: NormalEquationBlocks | None = None


def first_pass(run: LoadedRun, command: str, log: Log, bars: StartBar) -> FirstPass:
    """Find force constants by a fit; in a run without forces, from its displacements.

    Fitted ones of a run that is not projected are compared with static ones. The covariances of
    the fit are large, and are not kept.
    """
    if not run.trajectory.has_forces:
        return FirstPass(run, results_without_forces(run, command=command, log=log, bars=bars))
    fitted = fit_runs([run], log=log, bars=bars)
    (run,) = fitted.runs
    results = _of_constants(fitted, command, log)
    if why_not_projected(run, results.modes) is not None:
        results = _with_static_check(results, fitted)
    return FirstPass(run, results, fitted.equations)


def fitted_modes(run: LoadedRun, *, log: Log, bars: StartBar) -> tuple[Modes, RunLength | None]:
    """Modes of force constants fitted to a run, and the run length for a given error."""
    fitted = fit_runs([run], log=log, bars=bars)
    modes = modes_of_supercell(_with_member_scatter(fitted).constants, run.supercell)
    return modes, run_length_of(modes, fitted.duration_ps)


@on_scheduler
def analyse(
    run: LoadedRun,
    *,
    command: str,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
    find: Callable[[LoadedRun, str, Log, StartBar], FirstPass] = first_pass,
) -> Analysis:
    """Fit force constants to a run, and project it on their modes.

    `scratch` is a folder for amplitudes, if the job saves them. `find` returns the force
    constants.

    Raises
    ------
    UsageError
        If single frames are to be left out of a run that is projected, force constants are
        given, or a run with neither forces nor velocities has no temperature.
    DataError
        If the run has too few frames, or amplitudes are to be saved and the time
        between frames is unknown.
    """
    require_no_constants(run.job)
    has_both = run.trajectory.has_positions and not run.trajectory.has_forces
    fitted_to = [] if has_both else ["fit"]
    require_usable(run, ["all", "spectra", *fitted_to], partly=True)
    if run.trajectory.has_velocities or not run.trajectory.has_forces:
        require_all_frames(run)
    require_known_modes(run)
    require_thickness(run)
    _require_triplets(run.job)
    whole = run.trajectory
    with input_files(run.files) as hashes, frames_in_memory(whole, run.blocks) as frames:
        run = replace(run, trajectory=frames)
        run, results, equations = find(run, command, log, bars)
        extra: Mapping[str, Writer] = {}
        reason = why_not_projected(run, results.modes)
        noise = fitted_noise(results.constants, run.supercell)
        if reason is None:
            results, extra = with_projection(
                run, results, log=log, bars=bars, scratch=scratch, force_noise=noise
            )
        elif not leaves_out_frames(run):
            results = with_displacements(run, results, log=log, bars=bars, force_noise=noise)
        results = with_comparison(results)
        results = with_not_done(results, [run], fits=True, projects=True, reason=reason)
        inputs = hashes.result()
    run = replace(run, trajectory=whole)
    results = finished(_with_checked_errors(run, results), inputs, log)
    return Analysis(results, equations, extra, run)


@on_scheduler
def fit_only(
    job: Job,
    *,
    command: str,
    log: Log,
    bars: StartBar = no_bars,
    data: FitData = NEW_FIT,
) -> Analysis:
    """Fit force constants to one or several runs of a crystal.

    `data` are data in memory, in place of files of the job.

    Raises
    ------
    UsageError
        If a file is missing, a cutoff is too large, or force constants are given.
    DataError
        If a run has no forces, or all runs together have too few frames.
    """
    require_no_constants(job)
    earlier = data.earlier
    if job.fit.append is not None:
        earlier = read_normal_equations(job.fit.append)
    if earlier is None:
        _require_triplets(job)
    runs = _runs_for(earlier, job, log, data)
    for run in runs:
        require_usable(run, ["all", "fit"])
    with input_files([path for run in runs for path in run.files]) as hashes:
        fitted = fit_runs(runs, log=log, bars=bars, earlier=earlier, charges=data.charges)
        results = _of_constants(fitted, command, log)
        if earlier is None:
            results = _with_static_check(results, fitted)
        results = with_not_done(results, runs, fits=True, projects=False)
        inputs = hashes.result()
    return Analysis(finished(results, inputs, log), fitted.equations)


def _require_triplets(job: Job) -> None:
    """Refuse perturbation theory without cubic force constants, before the long pass."""
    if job.phonons.perturbation is not None and job.fit.cutoff3 is None:
        raise UsageError(
            "linewidths of perturbation theory need cubic force constants, and none are fitted",
            fix="give --cutoff3, or leave out --perturbation",
        )


def _runs_for(
    earlier: NormalEquationBlocks | None, job: Job, log: Log, data: FitData
) -> list[LoadedRun]:
    """Load runs, matched to the known crystal or that of the earlier fit."""
    frames = data.trajectories
    if earlier is None:
        return load_runs(job, log=log, crystal=data.crystal, frames=frames)
    crystal = earlier.supercell.crystal
    try:
        return load_runs(job, log=log, crystal=crystal, frames=frames)
    except DataError as error:
        raise DataError(
            f"the run does not match the crystal of the earlier fit, {crystal.formula}: "
            f"{error.what}",
            where=job.fit.append or "",
            why="normal equations are added up for one crystal at one volume",
            fix="give the normal equations of this crystal, or fit without --append",
        ) from error


def _with_member_scatter(fitted: Fitted) -> Fit:
    """Increase the error bars by the scatter of equivalent modes in the runs that were read.

    The scatter in the frames of an earlier fit is taken to be the same.
    """
    fit, runs = fitted.fit, _by_supercell(fitted)
    if not runs or fit.errors is None:
        return fit
    if fitted.expansion is not None:
        options = fit_options(fitted.runs[0].job, fitted.runs)
        return with_scatter_of_members(fit, runs[0], fitted.expansion, options)
    return with_member_scatter(fit, runs)


def _by_supercell(fitted: Fitted) -> list[SameSpace]:
    """Covariances of the runs in each supercell, the largest first, with the modes there."""
    # The covariances are without the dipole–dipole forces.
    alone = replace(fitted.fit.constants, replicates=None, charges=None)
    groups: dict[bytes, list[ForceCovariances]] = {}
    for one in fitted.covariances:
        groups.setdefault(one.space.qpoints.tobytes(), []).append(one)
    ordered = sorted(groups.values(), key=lambda some: -some[0].space.n_qpoints)
    return [
        SameSpace(tuple(some), modes_at(alone, some[0].space.qpoints, some[0].space.weights))
        for some in ordered
    ]


def _of_constants(fitted: Fitted, command: str, log: Log) -> Results:
    """Results of the force constants alone."""
    fit, runs = _with_member_scatter(fitted), fitted.runs
    job, equations = runs[0].job, fitted.equations
    supercell = runs[0].supercell if equations is None else equations.supercell
    with log.stage("phonons"):
        modes = modes_of_supercell(
            fit.constants, supercell, require_stable=job.fit.require_stable
        )
        results = results_of_constants(job, supercell, fit.constants, modes, command)
        omega_change = frequency_change(fit.constants, fit.partial_values, modes)
    of_runs = (note for run in runs for note in run.notes)
    notes = [*of_runs, *fitted.notes, *fit.notes, *results.notes]
    # What the fit leaves out, such as dipoles, matters more than how well it is known.
    warned = [note for note in (*fitted.notes, *fit.notes) if note.severity == "warning"]
    known = {note.subject for note in warned if note.subject}
    checked = [note for run in runs for note in warnings_of(run) if note.subject not in known]
    results = replace(
        results,
        convergence=replace(fit.convergence, omega_change=omega_change),
        fit_errors=fit.errors,
        reference=fit.reference,
        scheme_omega_distance=_scheme_distance(fit, modes),
        run_length=run_length_of(modes, fitted.duration_ps),
        occupation=runs[0].match.occupation,
        by_species=fitted.by_species,
        box=runs[0].match.box_motion,
        diagnosis=runs[0].diagnosis.figures,
        warnings=tuple(dict.fromkeys([*warned, *checked])),
        notes=tuple(note for note in dict.fromkeys(notes) if note.severity != "warning"),
    )
    return with_perturbation(results, job, log)


def _with_static_check(results: Results, fitted: Fitted) -> Results:
    """Compare the frequencies of a fit with static ones of the same displacements and forces.

    The frequencies of a joint fit of several orders are expected to differ.
    """
    job, modes = fitted.runs[0].job, results.modes
    parts = fitted.covariances
    alike = bool(parts) and all(modes.are_at(one.space.qpoints) for one in parts)
    is_joint = (
        fit_options(job, fitted.runs).scheme == "joint"
        and results.constants.triplets is not None
    )
    if not alike or is_joint or modes.n_sets == 0:
        return results
    sums = zip(*map(centred, parts), strict=True)
    displacement, force = (np.concatenate(one) for one in sums)
    static = of_forces(modes, displacement, force)
    supercell = fitted.runs[0].supercell
    note = disagreement_note(results.constants, modes, static, supercell, is_fitted=True)
    return results if note is None else replace(results, warnings=(note, *results.warnings))


def _scheme_distance(fit: Fit, modes: Modes) -> float | None:
    """Root mean square difference of frequencies in rad/ps from those of the other scheme."""
    if fit.other_scheme is None:
        return None
    values = [fit.other_scheme.values]
    return float(frequency_change(fit.other_scheme, values, modes)[0])


def _with_checked_errors(run: LoadedRun, results: Results) -> Results:
    """Compare the blocks of the error bars with the lifetimes of the projection."""
    projection, interval_ps = results.projection, run.trajectory.interval_ps
    if projection is None or projection.lines is None or interval_ps is None:
        return results
    if results.fit_errors is None:
        return results
    lifetime_ps, _ = best_lifetimes(projection.lines, projection.lifetimes)
    bound_ps = longest_lower_bound(projection.lines, projection.lifetimes)
    known_ps = np.where(np.isfinite(lifetime_ps), lifetime_ps, bound_ps)
    errors, note = compared_with_lifetimes(results.fit_errors, interval_ps, known_ps)
    notes = results.notes if note is None else (*results.notes, note)
    return replace(results, fit_errors=errors, notes=notes)
