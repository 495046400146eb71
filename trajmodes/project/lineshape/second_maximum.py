"""A second maximum in the spectrum of a set, away from its line.

The zoom spectrum that a narrow line is fitted in covers a narrow band. A second line beyond it,
such as the other line of a Fermi doublet, is seen in the spectrum over all frequencies only.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.project.lineshape.segment_fits import SegmentSpectra

_LEAST_SHARE = 0.2
"""Least part of the power in a second maximum, within one width (with the resolution), that
makes one line a wrong description. There is a twentieth three widths from one oscillator."""
_APART = 3.0
"""Least distance of both maxima, in widths (width of the line plus the resolution)."""
_VALLEY = 0.5
"""Largest power between two separate maxima, relative to the weaker one."""


class SecondMaximum(NamedTuple):
    """The largest maximum of each spectrum (g) that is separate from the line."""

    omega: Floats
    """(g,) its mean frequency in rad/ps."""
    share: Floats
    """(g,) its part of the power; zero without one."""

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
        (g,) frequency and full width at half maximum of the line in rad/ps; without a second
        maximum where they are not finite.
    """
    omega, share = np.zeros((2, len(center)))
    for g in np.flatnonzero(np.isfinite(center) & np.isfinite(width)).tolist():
        omega[g], share[g] = _of_one(whole, g, center[g], width[g] + whole.resolution)
    return SecondMaximum(omega, share)


def _of_one(whole: SegmentSpectra, g: int, center: float, reach: float) -> tuple[float, float]:
    """Mean frequency and share of the second maximum of one set."""
    axis, power = whole.band.omega[g], np.nan_to_num(whole.band.power[g])
    half = round(min(0.5 * reach / whole.spacing, len(axis)))
    summed = np.concatenate([np.zeros(half + 1), np.cumsum(power)])
    summed = np.concatenate([summed, np.full(half, summed[-1])])
    # Power within half of `reach` of each bin.
    near = summed[2 * half + 1 :] - summed[: -2 * half - 1]
    away = np.abs(axis - center) > _APART * reach
    if not (away.any() and near[away].max() > 0.0):
        return 0.0, 0.0
    at = int(np.argmax(np.where(away, near, -1.0)))
    line = int(np.clip(np.searchsorted(axis, center), 0, len(axis) - 1))
    if near[min(at, line) : max(at, line) + 1].min() > _VALLEY * near[at]:
        return 0.0, 0.0
    part = np.where(np.abs(axis - axis[at]) <= reach, power, 0.0)
    return float(np.sum(axis * part) / part.sum()), float(part.sum() / power.sum())
