"""The band of frequency around each line that is kept, and the filter that keeps it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trajmodes.arrays import Floats

_PENDING_BYTES = 24 << 20
_HALF_BAND = 0.05
"""Half-width of the band that is kept, in highest harmonic frequencies. Effective constants put
a line within a per cent or two of its place; what is broader needs no long segments."""
_NARROWEST_THZ = 0.3
_FEWEST_OUTPUTS = 32
_SMALLEST_DECIMATION = 4
# A band of a quarter of the rate on both sides is kept: what folds back onto it comes from
# beyond three quarters. Nine outputs' worth of taps take that down by 70 dB.
_TAPS_PER_OUTPUT = 9
_KAISER_BETA = 6.76


@dataclass(frozen=True, slots=True)
class BandPlan:
    """What is kept of each mode, and in which lengths it is analysed."""

    decimation: int
    """Frames used per output of the filter, D."""
    outputs: tuple[int, ...]
    """Outputs in one segment of each length, longest first, each half of the one before."""

    @property
    def taps(self) -> int:
        """Frames used that one output sums over; odd, so that one of them is the middle."""
        return _taps(self.decimation)


def _taps(decimation: int) -> int:
    return _TAPS_PER_OUTPUT * decimation | 1


def default_bands(
    n_frames: int, interval_ps: float, n_series: int, highest_thz: float, known_frames: int
) -> BandPlan | None:
    """Plan the longest segments that run and memory (24 MiB) allow, and their halves.

    Parameters
    ----------
    n_frames
        Frames used of the longest uninterrupted stretch of the run.
    interval_ps
        Time between the frames used.
    n_series
        Number of complex amplitudes, `Projector.n_series`.
    highest_thz
        Highest harmonic frequency.
    known_frames
        Frames used in the segments of the whole axis: no need for shorter ones.

    Returns
    -------
    The plan; None where bands would not give longer segments than the whole axis does.
    """
    band_thz = max(_HALF_BAND * highest_thz, _NARROWEST_THZ)
    decimation = int(0.25 / (band_thz * interval_ps))
    if decimation < _SMALLEST_DECIMATION:
        return None
    # Both directions of travel are kept.
    both = 2 * np.dtype(complex).itemsize
    held = int(_PENDING_BYTES // (both * n_series))
    longest = min((n_frames - _taps(decimation)) // decimation + 1, held)
    if longest < _FEWEST_OUTPUTS:
        return None
    halvings = int(longest // _FEWEST_OUTPUTS).bit_length() - 1
    shortest = longest >> halvings
    lengths = [shortest // 4 * 4 << i for i in range(halvings, -1, -1)]
    longer = tuple(length for length in lengths if length * decimation > known_frames)
    return BandPlan(decimation, longer) if longer else None


@lru_cache(maxsize=8)
def filter_taps(plan: BandPlan) -> Floats:
    """Low-pass filter (j,) of sum 1.

    Parameters
    ----------
    plan
        The plan.
    """
    # A sinc that is cut at the Nyquist frequency of the outputs, under a Kaiser window.
    steps = np.arange(plan.taps) - (plan.taps - 1) / 2
    taps: Floats = np.sinc(steps / plan.decimation) * np.kaiser(plan.taps, _KAISER_BETA)
    taps /= taps.sum()
    taps.flags.writeable = False
    return taps


def power_response(plan: BandPlan, length: int) -> Floats:
    """|H|² at the bins of the middle half of the band, (w,).

    Parameters
    ----------
    plan
        The plan.
    length
        Outputs in a segment; offsets run from −¼ to ¼ of the rate of the outputs.
    """
    offsets = np.arange(-(length // 4), length // 4 + 1) / (length * plan.decimation)
    waves = np.exp(-2j * np.pi * offsets[:, None] * np.arange(plan.taps))
    response: Floats = np.abs(waves @ filter_taps(plan)) ** 2
    return response
