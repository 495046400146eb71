"""The main job: one pass to fit, one to project, and everything told and written down."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import Job, toml_text
from trajmodes.data import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.export import write_phonopy
from trajmodes.fit import Fit, ForceCovariance, fit_harmonic
from trajmodes.phonons import band_path, dispersion, modes_at
from trajmodes.pipeline.check import findings_of
from trajmodes.pipeline.collect import bands_of, convergence_of, spectral_map
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.log import Log, StartBar, no_bars
from trajmodes.pipeline.provenance import input_files, versions
from trajmodes.project import (
    EnergyReduction,
    ModeReduction,
    Projector,
    WelchReduction,
    default_segment,
    default_stride,
    fit_lines,
    line_models,
    resolution_thz,
)
from trajmodes.report import (
    Projection,
    Provenance,
    Results,
    Writer,
    open_folder,
    write_results,
)
from trajmodes.streaming import stream
from trajmodes.symmetry import half_space
from trajmodes.units import THZ

__all__ = ["Written", "analyse", "fit_run", "run_job"]

FEWEST_FRAMES = 64
"""Least frames in a segment of the spectra: with fewer, a line is a handful of bins."""

PATH_SPACING = 0.02
"""Distance of neighbouring points of the band path in 1/Å, 2π included: far finer than any
feature of a dispersion whose constants reach 10 Å."""


class Written(NamedTuple):
    """Results and the files that hold them."""

    results: Results
    files: Mapping[str, str]
    """Path → what the file is, in one line."""


def run_job(job: Job, *, command: str, bars: StartBar = no_bars) -> Written:
    """Do a job and write its results folder.

    Parameters
    ----------
    job
        What to read and what to make of it.
    command
        The command line or call, for the provenance.
    bars
        Starts a progress bar: (title, number of frames) → function to advance it.

    Raises
    ------
    TrajmodesError
        Whatever is wrong with the input, the folder or the disk, with what to do about it.
    """
    log = Log()
    with open_folder(job.output) as folder:
        results = analyse(load(job, log=log), command=command, log=log, bars=bars)
        with TemporaryDirectory() as scratch, log.stage("write"):
            for_phonopy = write_phonopy(results.constants, results.supercell, Path(scratch))
            extra = {
                path.name: Writer("loaded by phonopy", partial(shutil.copyfile, path))
                for path in for_phonopy
            }
            extra["run.toml"] = Writer("the job as resolved", _text_writer(toml_text(job)))
            extra["run.log"] = Writer("what was done, and how long it took", log.write)
            files = write_results(results, folder, extra)
    paths = {str(Path(job.output) / name): text for name, text in files.items()}
    return Written(replace(results, timings=log.seconds), paths)


def _text_writer(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write


def analyse(run: LoadedRun, *, command: str, log: Log, bars: StartBar = no_bars) -> Results:
    """Fit constants to a run, project it on their modes, and fit the lines.

    Parameters
    ----------
    run
        The run, matched to its crystal.
    command
        The command line or call, for the provenance.
    log
        Takes down the stages.
    bars
        Starts a progress bar.

    Raises
    ------
    DataError
        If the run has no forces, too few frames for the constants or for spectra, or no known
        time between frames.
    """
    _require_usable(run)
    if run.trajectory.has_velocities:
        _interval_ps(run)  # before the long first pass, not after it
    with input_files(run.files) as hashes:
        fit = fit_run(run, log=log, bars=bars)
        with log.stage("phonons"):
            space = half_space(run.supercell)
            modes = modes_at(fit.constants, space.qpoints, space.weights)
            bands = dispersion(fit.constants, band_path(run.supercell.crystal, PATH_SPACING))
        projection = project_run(run, modes, log=log, bars=bars)
        inputs = hashes.result()
    temperature = run.job.temperature
    if projection is not None:
        temperature = temperature or projection.energies.temperature
        power_map = spectral_map(bands, modes, projection.spectra)
        projection = replace(projection, spectral_map=power_map)
    return Results(
        supercell=run.supercell,
        constants=replace(fit.constants, temperature=temperature),
        modes=modes,
        bands=bands_of(bands),
        provenance=Provenance(versions(), inputs, command, toml_text(run.job)),
        projection=projection,
        convergence=convergence_of(fit, modes),
        diagnosis=findings_of(run.diagnosis),
        warnings=_warnings(run),
        notes=(*run.notes, *fit.notes),
        timings=log.seconds,
    )


def _require_usable(run: LoadedRun) -> None:
    """Refuse at once what the check calls an error."""
    for remark in run.diagnosis.verdict:
        if remark.severity == "error":
            where = ", ".join(str(path) for path in run.trajectory.paths[:3])
            raise DataError(remark.text, where=where, fix=remark.fix)


def _warnings(run: LoadedRun) -> tuple[str, ...]:
    found = (remark for remark in run.diagnosis.verdict if remark.severity == "warning")
    texts = (f"{one.text}; mend: {one.fix}" if one.fix else one.text for one in found)
    return tuple(text for text in texts if text not in run.notes)


def fit_run(run: LoadedRun, *, log: Log, bars: StartBar = no_bars) -> Fit:
    """First pass: effective force constants of a run.

    Raises
    ------
    DataError
        If the run has no forces, or too few frames for the constants.
    """
    with log.stage("first pass: force constants"):
        reduction = ForceCovariance(half_space(run.supercell), run.n_frames)
        advance = bars("first pass: fit", run.n_frames)
        covariances = stream(
            run.motion, run.blocks, reduction, workers=run.job.workers, progress=advance
        )
    with log.stage("solve"):
        return fit_harmonic(covariances, cutoff=run.job.cutoff, temperature=run.job.temperature)


def project_run(
    run: LoadedRun, modes: Modes, *, log: Log, bars: StartBar = no_bars
) -> Projection | None:
    """Second pass: energies, spectra and lines of all modes; None without velocities.

    Raises
    ------
    DataError
        If the time between frames is not known, or the run is too short for spectra.
    """
    if not run.trajectory.has_velocities:
        return None
    interval_ps = _interval_ps(run)
    with log.stage("second pass: projection"):
        projector = Projector(half_space(run.supercell), modes)
        stretches = run.trajectory.segments
        stride = default_stride(interval_ps, modes.omega.max() / THZ)
        frames = _segment_frames(run, stride, projector.n_series)
        reduction = ModeReduction(
            EnergyReduction(projector, run.n_frames),
            WelchReduction(projector, frames, interval_ps, stretches, stride),
        )
        advance = bars("second pass: project", run.n_frames)
        energies, spectra = stream(
            run.motion, run.blocks, reduction, workers=run.job.workers, progress=advance
        )
    with log.stage("lines"):
        lines = fit_lines(spectra, _harmonic_thz(modes))
        models = line_models(spectra, lines)
    return Projection(energies, spectra, lines, models)


def _segment_frames(run: LoadedRun, stride: int, n_series: int) -> int:
    """Frames used of one segment of the spectra: as asked for, or as the run allows."""
    used_ps, wanted = stride * _interval_ps(run), run.job.resolution_thz
    longest = max(stop - start for start, stop in run.trajectory.segments) // stride
    if wanted is None:
        frames = default_segment(longest, used_ps, n_series)
        if frames < FEWEST_FRAMES:
            raise DataError(
                f"the run is too short for spectra: {longest} frames that count, where "
                f"{2 * FEWEST_FRAMES} are the least",
                why="frames were chosen, or a gap ends each stretch of the run early",
                fix="run longer, or choose more frames",
            )
        return frames
    frames = 2 * round(resolution_thz(2, used_ps) / wanted)
    if not FEWEST_FRAMES <= frames <= longest:
        finest, coarsest = (resolution_thz(n, used_ps) for n in (longest, FEWEST_FRAMES))
        raise UsageError(
            f"a resolution of {wanted:g} THz cannot be had from this run",
            why=f"its longest stretch is {longest * used_ps:.4g} ps",
            fix=f"give --resolution-thz between {finest:.2g} and {coarsest:.2g}",
        )
    return frames


def _interval_ps(run: LoadedRun) -> float:
    interval_ps = run.trajectory.interval_ps
    if interval_ps is None:
        raise DataError(
            "the time between frames is not known, and spectra need it",
            fix="give --timestep-fs, the time step of the simulation",
        )
    return interval_ps


def _harmonic_thz(modes: Modes) -> Floats:
    """Frequency (g,) of each set of modes in THz, negative where imaginary."""
    labels, first = np.unique(modes.sets, return_index=True)
    freq_thz: Floats = modes.omega.ravel()[first[labels >= 0]] / THZ
    return freq_thz
