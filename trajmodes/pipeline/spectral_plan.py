"""How spectra are made of a run: in segments of which lengths."""

from typing import NamedTuple

from trajmodes.errors import DataError, UsageError
from trajmodes.pipeline.source import Runs, Source
from trajmodes.project import (
    BandPlan,
    default_bands,
    default_segment,
    resolution_thz,
)
from trajmodes.units import THZ

__all__ = ["SpectralPlan", "plan_spectra"]

FEWEST_FRAMES = 64
"""Least frames in a segment of the spectra: with fewer, a line is a handful of bins."""


class SpectralPlan(NamedTuple):
    """How spectra are made of a run."""

    frames: int
    """Frames used of a segment on the whole axis."""
    bands: BandPlan | None
    """Longer segments around each line; None where there are none."""


def plan_spectra(run: Runs, source: Source, highest: float, n_series: int) -> SpectralPlan:
    """Segments of the spectra: as asked for, or as run and memory allow.

    Parameters
    ----------
    run
        The run, with its job.
    source
        The motion that is projected.
    highest
        Highest harmonic frequency in rad/ps; not positive where unknown.
    n_series
        Number of complex amplitudes.

    Raises
    ------
    DataError
        If the run is too short for spectra.
    UsageError
        If the wanted resolution cannot be had.
    """
    used_ps, wanted = source.interval_ps, run.job.projection.resolution_thz
    longest = max(stop - start for start, stop in source.stretches)
    if wanted is None:
        frames = default_segment(longest, used_ps, n_series)
        if frames < FEWEST_FRAMES:
            raise _too_short(run, source, longest)
        bands = default_bands(longest, used_ps, n_series, highest / THZ, frames)
        return SpectralPlan(frames, bands)
    frames = 2 * round(resolution_thz(2, used_ps) / wanted)
    if not FEWEST_FRAMES <= frames <= longest:
        finest, coarsest = (resolution_thz(n, used_ps) for n in (longest, FEWEST_FRAMES))
        raise UsageError(
            f"a resolution of {wanted:g} THz cannot be had from this run",
            why=f"its longest stretch is {longest * used_ps:.4g} ps",
            fix=f"give --resolution-thz between {finest:.2g} and {coarsest:.2g}",
        )
    return SpectralPlan(frames, None)


def _too_short(run: Runs, source: Source, longest: int) -> DataError:
    whole = max(stop - start for start, stop in run.trajectory.segments)
    counted = f"{longest} frames without a gap"
    if source.stride > 1:
        counted = (
            f"of {whole} frames without a gap one in {source.stride} is used, which is all "
            f"that the highest frequency needs: {longest} frames"
        )
    return DataError(
        f"the run is too short for spectra: {counted}, where {2 * FEWEST_FRAMES} are the least "
        f"({2 * FEWEST_FRAMES * source.interval_ps:.3g} ps)",
        why="the run is short, frames were chosen, or gaps part it",
        fix="run longer, or choose more frames",
    )
