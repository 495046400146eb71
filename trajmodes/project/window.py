"""The Hann window: its values, its sampling, and what it does to statistics.

All of it in one place, so that the spectra and the line model cannot disagree. Segments of L
frames start every L/2 frames; the window is the periodic one, w_t = ½ − ½ cos(2πt/L), and
Σ w² = 3L/8.
"""

import numpy as np

from trajmodes.arrays import Floats

__all__ = ["effective_segments", "hann", "resolution_thz"]

# Half-width of the main lobe of the Hann window's power response at half height, in bins:
# the root of sin(πx)/(πx(1 − x²)) = 1/√2.
_HALF_WIDTH_BINS = 0.7202912900601339

# (Σ_t w_t w_{t+L/2} / Σ_t w_t²)²: the correlation of two overlapping periodograms of noise.
_OVERLAP = 1.0 / 36.0


def hann(segment_frames: int) -> Floats:
    """Periodic Hann window of a segment, (t,)."""
    phase = 2.0 * np.pi * np.arange(segment_frames) / segment_frames
    window: Floats = 0.5 - 0.5 * np.cos(phase)
    return window


def resolution_thz(segment_frames: int, interval_ps: float) -> float:
    """Full width at half maximum, in THz, that a segment gives to a line of no width."""
    return 2.0 * _HALF_WIDTH_BINS / (segment_frames * interval_ps)


def effective_segments(counts: list[int]) -> float:
    """Independent segments that half-overlapping ones are worth (Welch 1967).

    Parameters
    ----------
    counts
        Number of consecutive, half-overlapping segments in each uninterrupted stretch.
    """
    total = sum(counts)
    pairs = sum(count - 1 for count in counts if count)
    return total**2 / (total + 2.0 * _OVERLAP * pairs)
