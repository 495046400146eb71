"""Frames and segments for the spectra of a run.

The stride leaves a Nyquist frequency of twice the highest frequency. The lengths of segments
follow from a requested resolution, or from the length of the run and the memory.
"""

from typing import NamedTuple

import numpy as np
import scipy.fft

from trajmodes.errors import DataError, UsageError
from trajmodes.project.sampling import StridedMotion
from trajmodes.project.spectra.segments import resolution_of
from trajmodes.project.spectra.welch import SHORTEST
from trajmodes.project.spectra.zoom import BandPlan, default_bands
from trajmodes.units import THZ

_OVERSAMPLING = 2.0
"""Nyquist frequency of the frames used, in units of the highest harmonic frequency. Anharmonic
wings and overtones extend beyond the harmonic bands, and power above Nyquist is aliased."""
_HIGHEST_OVER_BOUND = 1.5
"""Assumed ratio of the highest frequency to its lower bound from moments of the motion; in
crystals it is between 1.2 and 2."""
_LONGEST_PS = 200.0
_PENDING_BYTES = 16 << 20
_USEFUL_FRAMES = 128
SHORTEST_OF_RUN = 64
"""Smallest number of frames in a segment of a run: with fewer a line has only a few bins."""
FEWEST_FRAMES = 2 * SHORTEST_OF_RUN
"""Least number of frames without a gap for spectra of a run."""


def highest_from_bound(bound: float) -> float:
    """Estimate the highest frequency from its lower bound by moments of the motion."""
    return _HIGHEST_OVER_BOUND * bound


def default_stride(interval_ps: float, highest: float) -> int:
    """Choose the stride at which the Nyquist frequency is twice the highest frequency.

    Parameters
    ----------
    highest
        Highest harmonic frequency in rad/ps; the stride is 1 if it is not positive.
    """
    if highest <= 0.0:
        return 1
    return max(1, int(np.pi / interval_ps / (_OVERSAMPLING * highest)))


class SpectralPlan(NamedTuple):
    """Segments of the spectra of a run."""

    frames: int
    """Frames of a segment of the spectra over all frequencies."""
    bands: BandPlan | None
    """Longer segments for zoom spectra around each line; None: no zoom spectra."""


def plan_spectra(
    motion: StridedMotion,
    interval_ps: float,
    *,
    n_series: int,
    highest: float,
    resolution: float | None = None,
) -> SpectralPlan:
    """Choose segments for a resolution; by default the longest that run and memory allow.

    Parameters
    ----------
    interval_ps
        Time between the frames used.
    n_series
        Number of complex amplitudes, `Projector.n_series`.
    highest
        Highest harmonic frequency in rad/ps, not positive if unknown.
    resolution
        Requested full width at half maximum of a narrow line, in rad/ps.

    Raises
    ------
    DataError
        If the run is too short for spectra.
    UsageError
        If the run does not allow the requested resolution.
    """
    longest = max(stop - start for start, stop in motion.segments)
    if resolution is None:
        frames = default_segment(longest, interval_ps, n_series)
        if frames < SHORTEST_OF_RUN:
            raise _too_short(motion, longest, interval_ps)
        bands = default_bands(longest, interval_ps, n_series, highest, frames)
        return SpectralPlan(frames, bands)
    frames = 2 * round(resolution_of(2, interval_ps) / resolution)
    if not SHORTEST_OF_RUN <= frames <= longest:
        ends = (resolution_of(n, interval_ps) / THZ for n in (longest, SHORTEST_OF_RUN))
        finest, coarsest = ends
        raise UsageError(
            f"this run does not allow a resolution of {resolution / THZ:g} THz",
            why=f"its longest part without a gap is {longest * interval_ps:.4g} ps",
            fix=f"give --resolution-thz between {finest:.2g} and {coarsest:.2g}",
        )
    return SpectralPlan(frames, None)


def _too_short(motion: StridedMotion, longest: int, interval_ps: float) -> DataError:
    counted = f"{longest} frames without a gap"
    if motion.stride > 1:
        whole = max(stop - start for start, stop in motion.source_segments)
        counted = (
            f"{whole} frames without a gap, of which one in {motion.stride} is used, as the "
            f"highest frequency allows: {longest} frames"
        )
    return DataError(
        f"the run is too short for spectra: {counted}; at least {FEWEST_FRAMES} are "
        f"needed ({FEWEST_FRAMES * interval_ps:.3g} ps)",
        why="the run is short or has gaps, or --frames selects few frames",
        fix="run longer, or select more frames",
    )


def default_segment(n_frames: int, interval_ps: float, n_series: int) -> int:
    """Choose a segment length in frames.

    It is half of the run: three half-overlapping segments use 85 % of the information that
    seven shorter ones would. It is limited by memory, because one segment of all amplitudes is
    kept (16 MiB, or 128 frames if they need more); lines too narrow for it are measured in the
    bands of `zoom`. It is rounded down to an even product of small primes for the FFT, and is
    at least 16 frames.

    Parameters
    ----------
    n_frames
        Frames used of the longest uninterrupted range of the run.
    interval_ps
        Time between the frames used.
    n_series
        Number of complex amplitudes, `Projector.n_series`.
    """
    bytes_per_frame = np.dtype(complex).itemsize * n_series
    held = max(_PENDING_BYTES // bytes_per_frame, _USEFUL_FRAMES)
    wanted = max(min(n_frames // 2, held, int(_LONGEST_PS / interval_ps)), SHORTEST)
    return 2 * int(scipy.fft.prev_fast_len(wanted // 2, real=False))
