"""The command `trajmodes sed`: the spectral energy density of a run along a path of q.

Force constants, if they are given, resolve it by branch.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from trajmodes.config.job import Job, toml_text
from trajmodes.data.bands import BandPath, Bands, SpectralMap
from trajmodes.data.modes import Modes
from trajmodes.data.results import Provenance, SpectralEnergy
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.phonons.bands import dispersion, map_at
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import band_path, is_standard, on_path, sections_with
from trajmodes.pipeline.check.requirements import (
    require_all_frames,
    require_usable,
    warnings_of,
)
from trajmodes.pipeline.checkpoint import Task, checkpoints
from trajmodes.pipeline.derived import PATH_SPACING
from trajmodes.pipeline.job_folder import (
    Log,
    StartBar,
    input_files,
    inputs_of,
    no_bars,
    on_scheduler,
    versions,
)
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.motion_source import (
    differences_notes,
    interval_of,
    sampling_notes,
    source_of,
)
from trajmodes.pipeline.partial.not_done import (
    MAP_PARTS,
    Had,
    advised,
    not_done,
    without_listed,
)
from trajmodes.pipeline.project_job import FILES, Given, run_on_constants
from trajmodes.project.projector import Projector, cartesian_modes
from trajmodes.project.spectra.plan import highest_from_bound
from trajmodes.project.spectra.welch import Spectra, WelchReduction
from trajmodes.report.write import MAP_FILES, write_results
from trajmodes.results.dataset import to_dataset
from trajmodes.results.folder import open_folder, require_replaceable
from trajmodes.streaming.reduction import Transformed
from trajmodes.streaming.schedule import stream
from trajmodes.symmetry.stars import set_omega
from trajmodes.symmetry.translations import half_space
from trajmodes.units import THZ

_HIGHEST_OVER_BOUND = 2.0
"""Largest usual ratio of the highest frequency to the lower bound that moments give."""


def sed_job(
    job: Job, *, command: str, bars: StartBar = no_bars, given: Given = FILES
) -> tuple[SpectralEnergy, dict[str, str]]:
    """Map the spectral energy density along a path; write the table and the figure.

    The map is returned with the files that hold it: path → description.

    Raises
    ------
    UsageError
        If no commensurate q lies on the path, the path names an unknown point, or the folder
        holds the force constants or files that trajmodes did not write.
    DataError
        If the frames are too far apart, or the run is too short for spectra.
    """
    require_replaceable(job.folder, MAP_FILES, inputs_of(job))
    with (
        open_folder(job.folder) as folder,
        checkpoints(Task("sed", command, job), folder, log=Log(), is_whole=given is FILES),
    ):
        sed = spectral_energy(job, command=command, bars=bars, given=given)
        files = write_results(to_dataset(sed), folder, dict)
    return sed, {str(Path(job.folder) / name): text for name, text in files.items()}


@on_scheduler
def spectral_energy(
    job: Job, *, command: str, bars: StartBar = no_bars, given: Given = FILES
) -> SpectralEnergy:
    """Map the spectral energy density along a path; see `sed_job`."""
    log = Log(bars)
    if given.constants is None and job.projection.force_constants is None:
        if job.polar.are_given:
            raise UsageError(
                "Born charges are given, but no force constants that they belong to",
                fix="give --force-constants too, or leave the charges out",
            )
        run, constants = load(job, log=log, frames=given.trajectory), None
        foreign: tuple[Note, ...] = ()
    else:
        run, constants, foreign = run_on_constants(job, log=log, given=given)
    require_usable(run, ["all", "spectra"])
    require_all_frames(run)
    space = half_space(run.supercell)
    path = band_path(run.supercell.crystal, PATH_SPACING, job.phonons.path)
    if is_standard(job.phonons.path):
        path = sections_with(path, space.qpoints)
    if constants is None:
        modes = cartesian_modes(space)
        bands = Bands(path, np.empty((len(path.distance), 0)), None)
    else:
        modes = modes_at(constants, space.qpoints, space.weights)
        bands = dispersion(constants, path)
    with input_files(run.files) as hashes:
        found, noted = _map(
            run, modes, path, branches=constants is not None, log=log, bars=bars
        )
        inputs = hashes.result()
    loud = tuple(note for note in noted if note.severity == "warning")
    quiet = tuple(note for note in noted if note.severity != "warning")
    sed = SpectralEnergy(
        supercell=run.supercell,
        bands=bands,
        map=found,
        provenance=Provenance(versions(), inputs, command, toml_text(job)),
        warnings=without_listed((*foreign, *warnings_of(run), *loud)),
        notes=(*run.notes, *quiet),
    )
    had = Had(runs=[run], has_constants=constants is not None)
    return replace(sed, not_done=not_done(sed, MAP_PARTS, had))


def _map(
    run: LoadedRun,
    modes: Modes,
    path: BandPath,
    *,
    branches: bool,
    log: Log,
    bars: StartBar,
) -> tuple[SpectralMap, list[Note]]:
    hits = on_path(path, modes.qpoints)
    if len(hits.index) == 0:
        raise UsageError(
            "no q of the supercell lies on the path",
            why="the supercell admits commensurate q only",
            fix="choose a path through q points of the supercell",
        )
    # Without force constants the highest frequency is estimated from the motion itself.
    bound = run.diagnosis.sample.omega_bound
    highest = (
        float(modes.omega.max()) if branches or bound is None else highest_from_bound(bound)
    )
    source = source_of(run, highest)
    points = tuple(np.unique(hits.index).tolist())
    with log.stage("projection", has_bars=True):
        projector = Projector(half_space(run.supercell), modes)
        try:
            frames = source.plan(run.job, projector, highest).frames
        except DataError as error:
            raise advised(error, run) from error
        welch = WelchReduction(
            projector, frames, source.interval_ps, source.motion.segments, points
        )
        found: Spectra = stream(
            source.motion,
            source.blocks,
            Transformed(projector.project, welch),
            workers=run.job.running.workers,
            progress=bars("spectra along the path", source.motion.n_frames),
        )
    if source.differenced_ps is not None:
        found = found.of_velocities(source.differenced_ps)
    mapped = map_at(hits, modes, found.modes)
    mapped = replace(
        mapped,
        branches=mapped.branches if branches else None,
        sites=found.points[np.searchsorted(points, hits.index)],
    )
    if branches:
        return mapped, sampling_notes(run, source, set_omega(modes))
    return mapped, [*differences_notes(source), *_sampling_notes(run, bound)]


def _sampling_notes(run: LoadedRun, bound: float | None) -> list[Note]:
    """Note that lines may be folded, where only a lower bound of the frequencies is known.

    The check warns if even the bound is near the Nyquist frequency.
    """
    nyquist = np.pi / interval_of(run)
    if bound is None or nyquist > _HIGHEST_OVER_BOUND * bound:
        return []
    text = (
        f"the frames resolve {nyquist / THZ:.3g} THz, and without force constants it is only "
        f"known that the highest frequency is above {bound / THZ:.3g} THz, up to twice that: "
        "lines above the Nyquist frequency appear at wrong frequencies below it"
    )
    return [Note("note", text, fix="give --force-constants, or write frames more often")]
