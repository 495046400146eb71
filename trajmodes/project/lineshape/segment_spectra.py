"""Spectra of one segment length within their bands, and fits of lines to parts of them."""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import BandSpectra
from trajmodes.project.lineshape.models import GAMMA, OMEGA, LineShape, Observed
from trajmodes.project.lineshape.whittle import MOST_STEPS, Lines, fit_whittle
from trajmodes.project.spectra.segments import bin_spacing, resolution_of

_FEWEST_BINS = 5
_BATCH_BINS = 50_000
_NEAR = 0.5
"""A line is searched within this relative distance of its expected frequency."""


@dataclass(frozen=True, slots=True)
class SegmentSpectra:
    """Spectra of one segment length, and the bins of each set that may be fitted."""

    band: BandSpectra
    lowest: Ints
    """(g,) first bin. Zero is excluded: it is its own mirror image."""
    highest: Ints
    """(g,) last bin, below the Nyquist frequency for the same reason. Smaller than `lowest` if
    there is no bin."""
    spacing: float
    """Distance of two bins in rad/ps."""
    resolution: float
    """Full width at half maximum, in rad/ps, of an infinitely narrow line."""

    @staticmethod
    def of(spectra: BandSpectra) -> "SegmentSpectra":
        """Find the usable bins of each set."""
        finite = np.isfinite(spectra.power)
        width = finite.shape[1]
        first = spectra.first_bin + np.argmax(finite, axis=1)
        last = spectra.first_bin + width - 1 - np.argmax(finite[:, ::-1], axis=1)
        last = np.where(finite.any(axis=1), last, -1)
        length = spectra.segment_frames
        return SegmentSpectra(
            spectra,
            lowest=np.maximum(first, 1),
            highest=np.minimum(last, (length - 1) // 2),
            spacing=bin_spacing(length, spectra.interval_ps),
            resolution=resolution_of(length, spectra.interval_ps),
        )

    @property
    def nyquist(self) -> float:
        """Nyquist frequency in rad/ps."""
        return np.pi / self.band.interval_ps

    def total(self) -> Floats:
        """Return the power in the band of each set (g,) in eV."""
        total: Floats = np.nansum(self.band.power, axis=1)
        return total * self.spacing

    def breadth(self) -> Floats:
        """Return the breadth of the band of each set (g,) in rad/ps."""
        count: Floats = np.isfinite(self.band.power).sum(axis=1).astype(float)
        return count * self.spacing

    def useful(self, rows: Ints) -> Bools:
        """Whether the bands of some sets have enough bins."""
        enough: Bools = self.highest[rows] - self.lowest[rows] >= _FEWEST_BINS - 1
        return enough

    def covers(self, rows: Ints, center: Floats, reach: Floats) -> Bools:
        """Whether the bands of some sets extend this far on both sides of a frequency.

        A band that ends at zero or at the Nyquist frequency counts as unlimited on that side.
        """
        low, high = self.lowest[rows], self.highest[rows]
        below = (low <= 1) | (center - reach >= low * self.spacing)
        last = (self.band.segment_frames - 1) // 2
        above = (high >= last) | (center + reach <= high * self.spacing)
        inside = (center > 0.0) & (center < self.nyquist)
        covered: Bools = self.useful(rows) & below & above & inside
        return covered

    def observe(self, rows: Ints, first: Ints, last: Ints) -> Observed:
        """Return the bins [first, last] of some sets."""
        width = int((last - first).max()) + 1
        bins = first[:, None] + np.arange(width)
        place = bins - self.band.first_bin[rows, None]
        within = np.clip(place, 0, self.band.power.shape[1] - 1)
        power = self.band.power[rows[:, None], within]
        inside = (bins <= last[:, None]) & np.isfinite(power)
        return Observed(
            bins=bins,
            inside=inside,
            power=np.where(inside, power, 0.0),
            averages=self.band.averages[rows],
            segment_frames=self.band.segment_frames,
            interval_ps=self.band.interval_ps,
        )


def initial_guess(spectra: SegmentSpectra, omega: Floats) -> Floats:
    """First guess (g, 3) from the quartiles of the power, which wings and noise hardly move.

    The line is searched near its expected frequency, or everywhere if that is not positive.
    """
    bins = spectra.band.omega
    guess = np.where(np.isfinite(omega) & (omega > 0.0), omega, np.nan)[:, None]
    near = (np.isnan(guess) | (np.abs(bins / guess - 1.0) < _NEAR)) & (bins > 0.0)
    # On a coarse grid no bin may be that close.
    near |= np.abs(bins - guess) <= spectra.resolution
    finite = np.isfinite(spectra.band.power)
    power = np.where(near & finite, spectra.band.power, 0.0)
    power = np.where((power.sum(axis=1) > 0.0)[:, None], power, near & finite)
    power = np.where((power.sum(axis=1) > 0.0)[:, None], power, 1.0)
    cumulated = np.cumsum(power, axis=1)
    share = cumulated / cumulated[:, -1:]
    rows = np.arange(len(bins))
    low, center, high = (bins[rows, (share < level).sum(axis=1)] for level in (0.25, 0.5, 0.75))
    width = np.maximum(high - low, 0.5 * spectra.resolution)
    area = cumulated[:, -1] * spectra.spacing
    start = [np.log(area), np.maximum(center, 0.5 * spectra.spacing), np.log(width)]
    return np.stack(start, axis=1)


def fit_around(
    spectra: SegmentSpectra, rows: Ints, theta: Floats, shape: LineShape, widths: float
) -> Lines:
    """Fit the lines of some sets (i,), each within a number of widths of its first guess.

    Parameters
    ----------
    theta
        (i, n) first guess.
    widths
        Range on both sides, in widths (width of the line plus the resolution).
    """
    return fit_between(spectra, rows, theta, shape, range_around(spectra, rows, theta, widths))


def fit_between(
    spectra: SegmentSpectra,
    rows: Ints,
    theta: Floats,
    shape: LineShape,
    ends: tuple[Ints, Ints],
    steps: int = MOST_STEPS,
) -> Lines:
    """Fit the lines of some sets (i,) between a first and a last bin (i,) of each.

    Lines are fitted in batches of similar range, padded to one length. A fit is given up after
    `steps` steps.
    """
    first, last = ends
    order = np.argsort(last - first, kind="stable")
    parts, start = [], 0
    while start < len(order):
        size = max(1, _BATCH_BINS // int((last - first)[order[start:]].min() + 1))
        some = order[start : start + size]
        observed = spectra.observe(rows[some], first[some], last[some])
        parts.append(fit_whittle(observed, theta[some], shape, steps))
        start += size
    place = np.argsort(order, kind="stable")
    return Lines(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])[place]
            for field in fields(Lines)
        )
    )


def range_around(
    spectra: SegmentSpectra, rows: Ints, theta: Floats, widths: float
) -> tuple[Ints, Ints]:
    """First and last bin (i,) of the range around each line; see `fit_around`."""
    low, high = spectra.lowest[rows], spectra.highest[rows]
    width = np.exp(theta[:, GAMMA]) + spectra.resolution
    reach = widths * width / spectra.spacing
    middle = np.clip(theta[:, OMEGA] / spectra.spacing, low, high)
    first = np.clip(np.floor(middle - reach), low, high - _FEWEST_BINS + 1).astype(int)
    last = np.clip(np.ceil(middle + reach), first + _FEWEST_BINS - 1, high).astype(int)
    return first, last
