"""The job of projecting: a run, and the force constants that its modes belong to."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from trajmodes.config.job import Job, toml_text
from trajmodes.data.bands import Bands
from trajmodes.data.conductivity import Conductivity
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.results import Projection, Provenance, Results
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.bands import chosen_path, dispersion, spectral_map
from trajmodes.phonons.gruneisen import gruneisen_parameters
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import point_names
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
from trajmodes.pipeline.load import LoadedRun, load, read_constants
from trajmodes.pipeline.motion_source import interval_of
from trajmodes.pipeline.projection import project_run
from trajmodes.project.crystal_check import check_lattice
from trajmodes.report.text.numbers import mesh_of
from trajmodes.results.folder import Writer
from trajmodes.results.netcdf import AMPLITUDES, write_series
from trajmodes.symmetry.translations import half_space

PATH_SPACING = 0.02
"""Distance of neighbouring points of the band path in 1/Å, 2π included: far finer than any
feature of a dispersion whose constants reach 10 Å."""

_SURELY = 5.0
"""Standard errors of the mean by which a run is surely about other sites."""


def project_job(
    job: Job,
    *,
    command: str,
    bars: StartBar = no_bars,
    known: ForceConstants | None = None,
) -> Written:
    """Project a run on the modes of given constants, and write the results folder.

    Parameters
    ----------
    job
        What to read and what to make of it; it names the constants.
    command
        The command line or call, for the provenance.
    bars
        Starts a progress bar: (title, number of frames) → function to advance it.
    known
        Constants in memory, in place of those that the job names.

    Raises
    ------
    TrajmodesError
        Whatever is wrong with the input, the folder or the disk, with what to do about it.
    """
    log = Log()
    with output_folder(job, log) as output:
        found = project_only(
            job, command=command, log=log, bars=bars, scratch=output.scratch, known=known
        )
        return output.write(found)


def project_only(
    job: Job,
    *,
    command: str,
    log: Log,
    bars: StartBar = no_bars,
    scratch: Path | None = None,
    known: ForceConstants | None = None,
) -> Analysis:
    """Project a run on the modes of given constants.

    Parameters
    ----------
    job
        What to read and what to make of it; it names the constants.
    command
        The command line or call, for the provenance.
    log
        Takes down the stages.
    bars
        Starts a progress bar.
    scratch
        Folder for time series that are asked for.
    known
        Constants in memory, in place of those that the job names.

    Raises
    ------
    UsageError
        If no constants are given, or frames are to be left out.
    DataError
        If the run is not of the crystal of the constants, frames are too far apart, or the run
        is too short for spectra.
    """
    run, constants, foreign = run_on_constants(job, log=log, known=known)
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
    return Analysis(results, extra=extra)


def run_on_constants(
    job: Job, *, log: Log, known: ForceConstants | None = None
) -> tuple[LoadedRun, ForceConstants, tuple[Note, ...]]:
    """Load a run on the crystal of given constants.

    The crystal of the constants decides on cell, sites and their order; its lattice takes the
    strain of the run, of which the match tells. A cell file is needed for constants alone that
    come without a crystal; beside others it must be of their crystal, and is not used.

    Parameters
    ----------
    job
        What to read; it names the constants.
    log
        Takes down the stages.
    known
        Constants in memory, in place of those that the job names.

    Returns
    -------
    run
        The run.
    constants
        The constants, on the crystal of the run.
    foreign
        What should be known where the run is at another volume than the constants.

    Raises
    ------
    UsageError
        If no constants are given.
    DataError
        If the run, or a cell file that is given, is not of their crystal.
    """
    if job.projection.force_constants is None:
        raise UsageError(
            "no force constants are given to project on",
            fix="give --force-constants FOLDER, or let `trajmodes run` fit them first",
        )
    if known is None:
        constants, job = _read(job, job.projection.force_constants, log)
    else:
        constants, job = known, _without_cell(job, known)
    run = load(job, log=log, crystal=constants.crystal)
    run = _about_given_sites(run)
    foreign = check_lattice(constants.crystal, run.supercell.crystal)
    return run, replace(constants, crystal=run.supercell.crystal), foreign


def _about_given_sites(run: LoadedRun) -> LoadedRun:
    """Count displacements from the sites of the constants, unless the run is surely elsewhere.

    The mean of the few frames that a match looks at is known less well than the sites that
    constants were fitted about.
    """
    moved, sem = run.match.relaxation, run.match.relaxation_sem
    if np.abs(moved).max(initial=0.0) > _SURELY * sem:
        return run
    return run.moved(-moved)


def _read(job: Job, path: str, log: Log) -> tuple[ForceConstants, Job]:
    """Read constants; of those that come without a crystal, it is that of the cell file.

    The job names the cell file only where it is used.
    """
    try:
        known = read_constants(path)
    except DataError:
        if job.matching.cell is None:
            raise
    else:
        return known, _without_cell(job, known)
    return read_constants(path, supercell=load(job, log=log).supercell), job


def _without_cell(job: Job, known: ForceConstants) -> Job:
    """Leave out a cell file beside constants that know their crystal, once it is compared."""
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
    """Add to results what the projection of the run gives.

    Parameters
    ----------
    run
        The run.
    results
        What the constants alone give.
    bands
        Their bands.
    log
        Takes down the stages.
    bars
        Starts a progress bar.
    scratch
        Folder for time series that are asked for; without it there are none.

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
        told = () if conductivity is None else _mesh_note(run.job, conductivity.mesh)
    results = replace(
        results,
        projection=projection,
        renormalised=renormalised,
        conductivity=conductivity,
        warnings=(*results.warnings, *refusal),
        notes=(*results.notes, *projected.notes, *told),
    )
    spill = projected.spill
    if spill is None:
        return results, {}
    text = "time series Q(t) and its velocity of the chosen modes"
    write = partial(write_series, spill.blocks(), kind=AMPLITUDES)
    return results, {AMPLITUDES.file: Writer(text, write)}


def _conductivity(
    run: LoadedRun, results: Results, projection: Projection
) -> tuple[Conductivity | None, tuple[Note, ...]]:
    """Conductivity if asked for, or the reason why there is none.

    What the run is too short for is told, but does not cost the results that there are.
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
    """Tell that the mesh of the conductivity is finer than the one that was asked for."""
    wanted = job.projection.conductivity
    if not isinstance(wanted, int) or set(mesh) == {wanted}:
        return ()
    text = (
        f"the thermal conductivity is summed on a mesh of {mesh_of(mesh)} where "
        f"{mesh_of([wanted] * 3)} was asked for: it is the smallest that is no coarser "
        "and holds all q points of the supercell, at which lifetimes are known"
    )
    return (Note("note", text),)


def path_bands(constants: ForceConstants, job: Job) -> Bands:
    """Bands along the path that the job names.

    Parameters
    ----------
    constants
        The force constants.
    job
        The job.

    Raises
    ------
    UsageError
        If the path names a point that is not known.
    """
    return dispersion(constants, chosen_path(constants.crystal, job.phonons.path, PATH_SPACING))
