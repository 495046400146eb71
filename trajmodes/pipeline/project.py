"""The second pass: a run projected on the modes, and the lines of their spectra."""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data import Modes
from trajmodes.errors import DataError, UsageError
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.log import Log, StartBar, no_bars
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
from trajmodes.report import Projection
from trajmodes.streaming import stream
from trajmodes.symmetry import half_space
from trajmodes.units import THZ

__all__ = ["interval_of", "project_run"]

FEWEST_FRAMES = 64
"""Least frames in a segment of the spectra: with fewer, a line is a handful of bins."""


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
    interval_ps = interval_of(run)
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
    used_ps, wanted = stride * interval_of(run), run.job.resolution_thz
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


def interval_of(run: LoadedRun) -> float:
    """Time between frames in ps.

    Raises
    ------
    DataError
        If it is not known.
    """
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
