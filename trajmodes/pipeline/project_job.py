"""The command `trajmodes project`: a run projected on the modes of given force constants."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trajmodes.config.job import Job, toml_text
from trajmodes.data.anharmonic import Conductivity
from trajmodes.data.bands import Bands
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.results import Projection, Provenance, Results
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.bands import dispersion, spectral_map
from trajmodes.phonons.gruneisen import gruneisen_parameters
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import band_path, point_names
from trajmodes.phonons.shells import shells_of
from trajmodes.pipeline.check import (
    findings_of,
    require_all_frames,
    require_known_modes,
    require_same_crystal,
    require_usable,
    warnings_of,
)
from trajmodes.pipeline.derived import (
    conductivity_of,
    renormalised_bands,
    stability_of,
    with_comparison,
    with_perturbation,
)
from trajmodes.pipeline.job_folder import (
    Analysis,
    Log,
    StartBar,
    Written,
    input_files,
    no_bars,
    output_folder,
    versions,
)
from trajmodes.pipeline.load import LoadedRun, load, read_force_constants
from trajmodes.pipeline.motion_source import interval_of
from trajmodes.pipeline.projection import project_run
from trajmodes.project.crystal_check import check_lattice
from trajmodes.readers.trajectory import Trajectory
from trajmodes.report.numbers import mesh_of
from trajmodes.results.dataset import amplitude_batches
from trajmodes.results.folder import Writer
from trajmodes.results.netcdf import AMPLITUDES, write_series
from trajmodes.symmetry.translations import half_space

PATH_SPACING = 0.02
"""Distance of neighbouring points of the band path in 1/Å, 2π included: far finer than any
feature of a dispersion from force constants with a cutoff of 10 Å."""

_SURELY = 5.0
"""Standard errors beyond which the mean positions of a run differ from given sites."""


class Given(NamedTuple):
    """Data of a projection that are in memory already, in place of files of the job."""

    constants: ForceConstants | None = None
    trajectory: Trajectory | None = None


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

    Raises
    ------
    TrajmodesError
        For any fault of the input, the folder or the disk, with its remedy.
    """
    log = Log()
    with output_folder(job, log) as output:
        found = project_only(
            job, command=command, log=log, bars=bars, scratch=output.scratch, given=given
        )
        return output.write(found)


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
    job
        What to read and calculate; it names the force constants.
    command
        The command line or call, for the provenance.
    log
        Records the stages.
    bars
        Starts a progress bar.
    scratch
        Folder for amplitudes, if the job saves them.
    given
        Data in memory, in place of files of the job.

    Raises
    ------
    UsageError
        If no force constants are given, or single frames are to be left out.
    DataError
        If the run is of another crystal than the force constants, its frames are too far
        apart, or it is too short for spectra.
    """
    run, constants, foreign = run_on_constants(job, log=log, given=given)
    require_usable(run, ["all", "spectra"])
    require_all_frames(run)
    require_known_modes(run)
    interval_of(run)
    with input_files(run.files) as hashes:
        with log.stage("phonons"):
            space = half_space(run.supercell)
            modes = modes_at(constants, space.qpoints, space.weights)
            bands = path_bands(constants, job)
            names = point_names(modes.crystal, modes.qpoints)
            gruneisen = gruneisen_parameters(constants, modes, bands.path)
        results = Results(
            supercell=run.supercell,
            constants=constants,
            modes=modes,
            bands=bands,
            point_names=names,
            shells=shells_of(constants),
            provenance=Provenance(versions(), (), command, toml_text(job)),
            gruneisen=gruneisen,
            stability=stability_of(modes),
            diagnosis=findings_of(run.diagnosis),
            warnings=(*foreign, *warnings_of(run)),
            notes=run.notes,
        )
        results, extra = with_projection(
            run, results, bands, log=log, bars=bars, scratch=scratch
        )
        results = with_comparison(with_perturbation(results, job, log))
        inputs = hashes.result()
    provenance = replace(results.provenance, inputs=inputs)
    results = replace(results, provenance=provenance, timings=log.seconds)
    return Analysis(results, extra=extra, run=run)


def run_on_constants(
    job: Job, *, log: Log, given: Given = FILES
) -> tuple[LoadedRun, ForceConstants, tuple[Note, ...]]:
    """Match a run to the crystal of given force constants.

    The crystal of the force constants defines the cell, the sites and their order; its lattice
    is strained to that of the run. A cell file is needed only for force constants without a
    crystal. Beside others it must describe the same crystal, and is not used.

    Parameters
    ----------
    job
        What to read; it names the force constants.
    log
        Records the stages.
    given
        Data in memory, in place of files of the job.

    Returns
    -------
    run
        The run.
    constants
        The force constants, on the crystal of the run.
    foreign
        Notes on a run at another volume than that of the force constants.

    Raises
    ------
    UsageError
        If no force constants are given.
    DataError
        If the run or the cell file is of another crystal.
    """
    if given.constants is None and job.projection.force_constants is None:
        raise UsageError(
            "no force constants are given",
            fix="give --force-constants FOLDER, or use `trajmodes run`, which fits them",
        )
    if given.constants is None:
        constants, job = _read(job, str(job.projection.force_constants), log)
    else:
        constants, job = given.constants, _without_cell(job, given.constants)
    run = load(job, log=log, crystal=constants.crystal, frames=given.trajectory)
    run = _about_given_sites(run)
    foreign = check_lattice(constants.crystal, run.supercell.crystal)
    return run, replace(constants, crystal=run.supercell.crystal), foreign


def _about_given_sites(run: LoadedRun) -> LoadedRun:
    """Count displacements from the sites of the force constants, if the run is about them.

    The match averages few frames, so its mean positions are less precise than the sites to
    which force constants were fitted. They are kept only if they differ significantly.
    """
    moved, sem = run.match.relaxation, run.match.relaxation_sem
    if np.abs(moved).max(initial=0.0) > _SURELY * sem:
        return run
    return run.moved(-moved)


def _read(job: Job, path: str, log: Log) -> tuple[ForceConstants, Job]:
    """Read force constants; the cell file is used if they come without a crystal.

    The job that is returned names the cell file only if it is used.
    """
    try:
        known = read_force_constants(path)
    except DataError:
        if job.matching.cell is None:
            raise
    else:
        return known, _without_cell(job, known)
    return read_force_constants(path, supercell=load(job, log=log).supercell), job


def _without_cell(job: Job, known: ForceConstants) -> Job:
    """Compare the cell file with the crystal of the force constants, then leave it out."""
    if job.matching.cell is not None:
        require_same_crystal(known.crystal, job.matching.cell)
    return job.with_options(cell=None)


def with_projection(
    run: LoadedRun,
    results: Results,
    bands: Bands,
    *,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
) -> tuple[Results, Mapping[str, Writer]]:
    """Project a run, and add to results what follows.

    Parameters
    ----------
    run
        The run.
    results
        Results of the force constants alone.
    bands
        Bands of the force constants.
    log
        Records the stages.
    bars
        Starts a progress bar.
    scratch
        Folder for amplitudes, if the job saves them.

    Returns
    -------
    results
        With projection, renormalised bands and, if asked for, thermal conductivity.
    files
        Further files of the results folder.

    Raises
    ------
    DataError
        If frames are too far apart for the modes, or the run is too short for spectra.
    """
    modes, supercell = results.modes, run.supercell
    projected = project_run(run, modes, log=log, bars=bars, scratch=scratch)
    projection = projected.projection
    projection = replace(
        projection, spectral_map=spectral_map(bands.path, modes, projection.spectra)
    )
    with log.stage("bands and transport"):
        renormalised = renormalised_bands(projected, modes, supercell, bands)
        conductivity, refusal = _conductivity(run, results, projection)
        finer = () if conductivity is None else _mesh_note(run.job, conductivity.mesh)
    results = replace(
        results,
        projection=projection,
        renormalised=renormalised,
        conductivity=conductivity,
        warnings=(*results.warnings, *refusal),
        notes=(*results.notes, *projected.notes, *finer),
    )
    amplitudes = projected.amplitudes
    if amplitudes is None:
        return results, {}
    text = "amplitudes Q(t) and their velocities of the chosen modes"
    write = partial(write_series, amplitude_batches(amplitudes), kind=AMPLITUDES)
    return results, {AMPLITUDES.file: Writer(text, write)}


def _conductivity(
    run: LoadedRun, results: Results, projection: Projection
) -> tuple[Conductivity | None, tuple[Note, ...]]:
    """Conductivity if asked for, or a warning that gives the reason why there is none.

    A run that is too short for it has other results, so this is not an error.
    """
    wanted = run.job.projection.conductivity
    if wanted is None:
        return None, ()
    points = wanted if isinstance(wanted, int) else None
    try:
        found = conductivity_of(
            results.constants, results.modes, run.supercell, projection, points
        )
    except DataError as error:
        return None, (Note("warning", error.what, why=error.why, fix=error.fix),)
    return found, ()


def _mesh_note(job: Job, mesh: tuple[int, int, int]) -> tuple[Note, ...]:
    """Note that the mesh of the conductivity is finer than the one asked for."""
    wanted = job.projection.conductivity
    if not isinstance(wanted, int) or set(mesh) == {wanted}:
        return ()
    text = (
        f"the thermal conductivity is summed on a mesh of {mesh_of(mesh)}, while "
        f"{mesh_of([wanted] * 3)} was asked for: it is the smallest mesh that is no coarser "
        "and contains all q points of the supercell, where lifetimes are known"
    )
    return (Note("note", text),)


def path_bands(constants: ForceConstants, job: Job) -> Bands:
    """Bands along the path that the job names.

    Raises
    ------
    UsageError
        If the path names an unknown point.
    """
    return dispersion(constants, band_path(constants.crystal, PATH_SPACING, job.phonons.path))
