"""A second maximum in the spectrum of a set, away from its line.

A line is fitted in a range about itself, narrow lines in a zoom spectrum of a narrow band. A
second line outside this range, such as the other line of a Fermi doublet, is only visible in
the spectrum over all frequencies.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.project.lineshape.segment_fits import SegmentSpectra

_LEAST_SHARE = 0.2
"""Fraction of the power in a second maximum, within one width (with the resolution), from which
on one line does not describe the spectrum."""
_APART = 1.5
"""Least distance of both maxima, in widths (width of the line plus the resolution)."""
_SMOOTHING = 0.25
"""Half of the range over which the spectrum is smoothed, in the same unit."""
_VALLEY = 0.5
"""Largest power between two separate maxima, relative to the weaker one."""


class SecondMaximum(NamedTuple):
    """The largest maximum of each spectrum (g) that is separate from the line."""

    omega: Floats
    """(g,) its mean frequency in rad/ps."""
    share: Floats
    """(g,) its fraction of the power; zero if there is none."""
    line_share: Floats
    """(g,) fraction of the power at the line."""

    @property
    def matters(self) -> Bools:
        """Whether one line does not describe the spectrum."""
        matters: Bools = self.share >= _LEAST_SHARE
        return matters


def second_maximum(whole: SegmentSpectra, center: Floats, width: Floats) -> SecondMaximum:
    """Find the second maximum of each spectrum over all frequencies.

    Parameters
    ----------
    center, width
        (g,) frequency and full width at half maximum of the line in rad/ps. Where they are not
        finite, no second maximum is sought.
    """
    omega, share, line_share = np.zeros((3, len(center)))
    for g in np.flatnonzero(np.isfinite(center) & np.isfinite(width)).tolist():
        reach = width[g] + whole.resolution
        omega[g], share[g], line_share[g] = _of_one(whole, g, center[g], reach)
    return SecondMaximum(omega, share, line_share)


def _of_one(whole: SegmentSpectra, g: int, center: float, reach: float) -> tuple[float, ...]:
    """Mean frequency of the second maximum of one set, its share, and that of the line."""
    axis, power = whole.band.omega[g], np.nan_to_num(whole.band.power[g])
    half = round(min(_SMOOTHING * reach / whole.spacing, len(axis)))
    summed = np.concatenate([np.zeros(half + 1), np.cumsum(power)])
    summed = np.concatenate([summed, np.full(half, summed[-1])])
    near = summed[2 * half + 1 :] - summed[: -2 * half - 1]
    away = np.abs(axis - center) > _APART * reach
    if not (away.any() and near[away].max() > 0.0):
        return 0.0, 0.0, 0.0
    at = int(np.argmax(np.where(away, near, -1.0)))
    line = int(np.clip(np.searchsorted(axis, center), 0, len(axis) - 1))
    low, high = min(at, line), max(at, line) + 1
    valley = low + int(np.argmin(near[low:high]))
    if near[valley] > _VALLEY * near[at]:
        return 0.0, 0.0, 0.0
    second, first = (
        np.where(np.abs(axis - middle) <= min(reach, abs(middle - axis[valley])), power, 0.0)
        for middle in (axis[at], center)
    )
    mean, total = np.sum(axis * second) / second.sum(), power.sum()
    return float(mean), float(second.sum() / total), float(first.sum() / total)
