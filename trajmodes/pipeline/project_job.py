"""The command `trajmodes project`: a run projected on the modes of given force constants."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from trajmodes.config.job import Job
from trajmodes.data.energies import Anharmonicity
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.formats.charges import charges_given
from trajmodes.formats.dipoles import with_charges
from trajmodes.formats.registry import notes_on_charges, read_supercell
from trajmodes.notes import Note
from trajmodes.phonons.modes import modes_at
from trajmodes.pipeline.check.noise import noise_in_sample
from trajmodes.pipeline.check.requirements import (
    require_all_frames,
    require_known_modes,
    require_same_crystal,
    require_thickness,
    require_usable,
    warnings_of,
)
from trajmodes.pipeline.checkpoint import Task, checkpoints
from trajmodes.pipeline.derived import (
    finished,
    results_of_constants,
    with_comparison,
    with_perturbation,
    with_projection,
)
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
from trajmodes.pipeline.load import LoadedRun, load, read_force_constants
from trajmodes.pipeline.motion_source import why_not_projected
from trajmodes.pipeline.partial.displaced import with_displacements
from trajmodes.pipeline.partial.not_done import with_not_done
from trajmodes.project.checks import check_lattice
from trajmodes.project.energies.anharmonicity import AnharmonicityReduction
from trajmodes.project.projector import Projector
from trajmodes.readers.trajectory import Trajectory
from trajmodes.results.folder import Writer
from trajmodes.streaming.reduction import Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.translations import half_space


class Matched(NamedTuple):
    """A run that is matched to the crystal of given force constants."""

    run: LoadedRun
    constants: ForceConstants
    """The force constants, on the crystal of the run."""
    foreign: tuple[Note, ...]
    """Notes on a run at another volume than that of the force constants, and on Born charges
    beside them."""


class Given(NamedTuple):
    """Data of a projection that are already in memory, in place of files of the job."""

    constants: ForceConstants | None = None
    trajectory: Trajectory | None = None
    matched: Matched | None = None


FILES = Given()
"""All data are in the files of the job."""


def project_job(
    job: Job,
    *,
    command: str,
    bars: StartBar = no_bars,
    given: Given = FILES,
) -> Written:
    """Project a run on the modes of given force constants, and write the results folder.

    `given` are data in memory, in place of files of the job.
    """
    log = Log(bars)
    with (
        output_folder(job, log) as output,
        checkpoints(
            Task("project", command, job),
            output.folder,
            log=log,
            scratch=output.scratch,
            is_whole=given is FILES,
        ) as scratch,
    ):
        found = project_only(
            job, command=command, log=log, bars=bars, scratch=scratch, given=given
        )
        return output.write(found)


@on_scheduler
def sigma_about(job: Job, given: Given) -> Anharmonicity:
    """Anharmonicity σ of a run about given force constants, without velocities and times.

    Raises
    ------
    DataError
        If the run has no forces, or is of another crystal.
    """
    run, constants, _ = run_on_constants(job, log=Log(), given=given)
    require_usable(run, ["all", "fit"])
    space = half_space(run.supercell)
    projector = Projector(space, modes_at(constants, space.qpoints, space.weights))
    sampled = noise_in_sample(run)
    noise = 0.0 if sampled is None else sampled.noise.per_mass
    reduction = AnharmonicityReduction(
        projector, run.n_frames, run.trajectory.times_ps, noise=noise
    )
    return stream(
        run.scaled_motion,
        run.blocks,
        Transformed(projector.project, reduction),
        workers=job.running.workers,
    )


@on_scheduler
def project_only(
    job: Job,
    *,
    command: str,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
    given: Given = FILES,
) -> Analysis:
    """Project a run on the modes of given force constants.

    Parameters
    ----------
    command
        The command line or call, for the provenance.
    scratch
        Folder for amplitudes, if the job saves them.
    given
        Data in memory, in place of files of the job.

    Raises
    ------
    UsageError
        If no force constants are given, or single frames are to be left out.
    DataError
        If the run is of another crystal than the force constants, or `project_run` refuses it.
    """
    run, constants, foreign = run_on_constants(job, log=log, given=given)
    require_usable(run, ["all", "spectra"], partly=True)
    require_all_frames(run)
    require_known_modes(run)
    require_thickness(run)
    with input_files(run.files) as hashes:
        with log.stage("phonons"):
            space = half_space(run.supercell)
            modes = modes_at(constants, space.qpoints, space.weights)
            results = results_of_constants(job, run.supercell, constants, modes, command)
        sampled = noise_in_sample(run)
        noise = 0.0 if sampled is None else sampled.noise.per_mass
        found = warnings_of(run)
        if sampled is not None:
            found = (sampled.note, *(one for one in found if one.subject != "net-force"))
        results = replace(
            results,
            occupation=run.match.occupation,
            box=run.match.box_motion,
            diagnosis=run.diagnosis.figures,
            warnings=(*foreign, *found),
            notes=(*results.notes, *run.notes),
        )
        extra: Mapping[str, Writer] = {}
        reason = None if job.projection.save_amplitudes else why_not_projected(run, modes)
        if reason is None:
            results, extra = with_projection(
                run, results, log=log, bars=bars, scratch=scratch, force_noise=noise
            )
        else:
            results = with_displacements(run, results, log=log, bars=bars, force_noise=noise)
        results = with_comparison(with_perturbation(results, job, log))
        results = with_not_done(results, [run], fits=False, projects=True, reason=reason)
        inputs = hashes.result()
    return Analysis(finished(results, inputs, log), extra=extra, run=run)


def run_on_constants(job: Job, *, log: Log, given: Given = FILES) -> Matched:
    """Match a run to the crystal of given force constants.

    The crystal of the force constants defines the cell, the sites and their order; its lattice
    is strained to that of the run. A cell file is needed only for force constants without a
    crystal, and for the sites of a run without positions. It must describe the same crystal,
    but may have defects where it gives the sites of an imperfect one.

    Raises
    ------
    UsageError
        If no force constants are given.
    DataError
        If the run or the cell file is of another crystal.
    """
    if given.matched is not None:
        return given.matched
    named = job.projection.force_constants
    if given.constants is None and named is None:
        raise UsageError(
            "no force constants are given",
            fix="give --force-constants FOLDER, or use `trajmodes run`, which fits them",
        )
    if given.constants is None:
        constants, is_of_cell = _read(job, str(named), log)
    else:
        constants, is_of_cell = given.constants, False
    run = load(
        job if is_of_cell else job.with_options(cell=None),
        log=log,
        crystal=constants.crystal,
        frames=given.trajectory,
        structure=job.matching.cell,
    )
    # The structure that gives the sites of an alloy or of vacancies is no perfect crystal.
    is_imperfect = job.matching.imperfect and not run.trajectory.has_positions
    if job.matching.cell is not None and not (is_of_cell or is_imperfect):
        require_same_crystal(constants.crystal, job.matching.cell, job.matching.species)
    run = _about_given_sites(run)
    foreign = check_lattice(constants.crystal, run.supercell.crystal)
    if given.constants is None:
        foreign += notes_on_charges(str(named), constants.crystal)
    if job.polar.are_given:
        constants, notes = _with_charges(constants, job, run, is_of_cell=is_of_cell)
        foreign += notes
    return Matched(run, replace(constants, crystal=run.supercell.crystal), foreign)


def _with_charges(
    constants: ForceConstants, job: Job, run: LoadedRun, *, is_of_cell: bool
) -> tuple[ForceConstants, tuple[Note, ...]]:
    """Subtract the dipole–dipole part of given charges from force constants of a file."""
    named = job.projection.force_constants
    if named is None:
        raise UsageError(
            "Born charges are given in addition to force constants in memory",
            fix='give them to the force constants: constants.with_charges("BORN")',
        )
    charges, notes = charges_given(job.polar, constants.crystal)
    if charges is None:
        return constants, notes
    supercell = run.supercell if is_of_cell else read_supercell(Path(named))
    return with_charges(constants, supercell, charges), notes


def _about_given_sites(run: LoadedRun) -> LoadedRun:
    """Refer displacements to the sites of the force constants, if the run agrees with them.

    The match averages over few frames, so that its mean positions are less precise than the
    sites to which force constants were fitted. Mean positions are used only if they differ
    significantly.
    """
    return run if run.match.is_relaxed else run.moved(-run.match.relaxation)


def _read(job: Job, path: str, log: Log) -> tuple[ForceConstants, bool]:
    """Read force constants, and whether they come without a crystal: that of the cell file."""
    try:
        return read_force_constants(path), False
    except DataError:
        if job.matching.cell is None:
            raise
    return read_force_constants(path, supercell=load(job, log=log).supercell), True
