"""One length of segments: its spectra in their bands, and lines fitted to them."""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import BandSpectra
from trajmodes.project.lineshape.models import GAMMA, OMEGA, LineShape, Observed
from trajmodes.project.lineshape.whittle import MOST_STEPS, Lines, fit_whittle
from trajmodes.project.spectra.segments import resolution_thz
from trajmodes.units import THZ

_FEWEST_BINS = 5
_BATCH_BINS = 50_000
_NEAR = 0.5
"""A line is sought this close to where it is expected, relative to its frequency."""


@dataclass(frozen=True, slots=True)
class Rung:
    """Spectra of one length, and the bins of each set that a line may be fitted to."""

    spectra: BandSpectra
    lowest: Ints
    """(g,) first bin; zero is left out, for it is one-sided already and so is …"""
    highest: Ints
    """(g,) … the Nyquist frequency. Below the first one where there is no bin at all."""
    df: float
    """Distance of the bins in THz."""
    resolution: float
    """Full width at half maximum of a line of no width in THz."""

    @staticmethod
    def of(spectra: BandSpectra) -> "Rung":
        """Find the bins that count."""
        finite = np.isfinite(spectra.power)
        width = finite.shape[1]
        first = spectra.first_bin + np.argmax(finite, axis=1)
        last = spectra.first_bin + width - 1 - np.argmax(finite[:, ::-1], axis=1)
        last = np.where(finite.any(axis=1), last, -1)
        length = spectra.segment_frames
        return Rung(
            spectra,
            lowest=np.maximum(first, 1),
            highest=np.minimum(last, (length - 1) // 2),
            df=1.0 / (length * spectra.interval_ps),
            resolution=resolution_thz(length, spectra.interval_ps),
        )

    @property
    def nyquist_thz(self) -> float:
        """Nyquist frequency in THz."""
        return 0.5 / self.spectra.interval_ps

    def total(self) -> Floats:
        """Power in the band of each set (g,) in eV."""
        total: Floats = np.nansum(self.spectra.power, axis=1)
        return total * self.df

    def breadth(self) -> Floats:
        """Breadth of the band of each set (g,) in THz."""
        count: Floats = np.isfinite(self.spectra.power).sum(axis=1).astype(float)
        return count * self.df

    def useful(self, rows: Ints) -> Bools:
        """Whether there are bins enough in the bands of some sets."""
        enough: Bools = self.highest[rows] - self.lowest[rows] >= _FEWEST_BINS - 1
        return enough

    def holds(self, rows: Ints, center_thz: Floats, reach_thz: Floats) -> Bools:
        """Whether the bands of some sets reach this far on both sides of a frequency.

        A band that ends at zero or at the Nyquist frequency ends nowhere.
        """
        low, high = self.lowest[rows], self.highest[rows]
        below = (low <= 1) | (center_thz - reach_thz >= low * self.df)
        last = (self.spectra.segment_frames - 1) // 2
        above = (high >= last) | (center_thz + reach_thz <= high * self.df)
        inside = (center_thz > 0.0) & (center_thz < self.nyquist_thz)
        held: Bools = self.useful(rows) & below & above & inside
        return held

    def observe(self, rows: Ints, first: Ints, last: Ints) -> Observed:
        """Take the bins [first, last] of some sets."""
        width = int((last - first).max()) + 1
        bins = first[:, None] + np.arange(width)
        place = bins - self.spectra.first_bin[rows, None]
        within = np.clip(place, 0, self.spectra.power.shape[1] - 1)
        power = self.spectra.power[rows[:, None], within]
        inside = (bins <= last[:, None]) & np.isfinite(power)
        return Observed(
            bins=bins,
            inside=inside,
            power=np.where(inside, power, 0.0),
            averages=self.spectra.averages[rows],
            segment_frames=self.spectra.segment_frames,
            interval_ps=self.spectra.interval_ps,
        )


def first_look(rung: Rung, guess_thz: Floats) -> Floats:
    """First guess (g, 3) from the quartiles of the power, which wings and noise hardly move.

    A line is sought near where it is expected; everywhere if that is not positive.
    """
    freq = rung.spectra.freq_thz
    guess = np.where(np.isfinite(guess_thz) & (guess_thz > 0.0), guess_thz, np.nan)[:, None]
    near = (np.isnan(guess) | (np.abs(freq / guess - 1.0) < _NEAR)) & (freq > 0.0)
    # On a coarse grid there may be no bin that near.
    near |= np.abs(freq - guess) <= rung.resolution
    finite = np.isfinite(rung.spectra.power)
    power = np.where(near & finite, rung.spectra.power, 0.0)
    power = np.where((power.sum(axis=1) > 0.0)[:, None], power, near & finite)
    power = np.where((power.sum(axis=1) > 0.0)[:, None], power, 1.0)
    cumulated = np.cumsum(power, axis=1)
    share = cumulated / cumulated[:, -1:]
    rows = np.arange(len(freq))
    low, center, high = (freq[rows, (share < level).sum(axis=1)] for level in (0.25, 0.5, 0.75))
    width = np.maximum(high - low, 0.5 * rung.resolution)
    area = cumulated[:, -1] * rung.df
    start = [np.log(area), np.maximum(center, 0.5 * rung.df) * THZ, np.log(width * THZ)]
    return np.stack(start, axis=1)


def fit_around(rung: Rung, rows: Ints, theta: Floats, shape: LineShape, widths: float) -> Lines:
    """Fit some of the lines, each within so many widths of where it is thought to be.

    Parameters
    ----------
    rung
        The spectra.
    rows
        (i,) which sets.
    theta
        (i, n) first guess.
    shape
        What is fitted.
    widths
        Range on both sides of the line, in widths (its own plus the resolution).
    """
    return fit_between(rung, rows, theta, shape, range_around(rung, rows, theta, widths))


def fit_between(
    rung: Rung,
    rows: Ints,
    theta: Floats,
    shape: LineShape,
    ends: tuple[Ints, Ints],
    steps: int = MOST_STEPS,
) -> Lines:
    """Fit some of the lines between a first and a last bin (i,) of each.

    Lines go in batches of ranges of like length, which are padded to one length. A fit
    is given up after some steps. The other arguments are those of `fit_around`.
    """
    first, last = ends
    order = np.argsort(last - first, kind="stable")
    parts, start = [], 0
    while start < len(order):
        size = max(1, _BATCH_BINS // int((last - first)[order[start:]].min() + 1))
        some = order[start : start + size]
        observed = rung.observe(rows[some], first[some], last[some])
        parts.append(fit_whittle(observed, theta[some], shape, steps))
        start += size
    place = np.argsort(order, kind="stable")
    return Lines(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])[place]
            for field in fields(Lines)
        )
    )


def range_around(rung: Rung, rows: Ints, theta: Floats, widths: float) -> tuple[Ints, Ints]:
    """First and last bin (i,) of the range around each line; arguments of `fit_around`."""
    low, high = rung.lowest[rows], rung.highest[rows]
    width = np.exp(theta[:, GAMMA]) / THZ + rung.resolution
    reach = widths * width / rung.df
    middle = np.clip(theta[:, OMEGA] / THZ / rung.df, low, high)
    first = np.clip(np.floor(middle - reach), low, high - _FEWEST_BINS + 1).astype(int)
    last = np.clip(np.ceil(middle + reach), first + _FEWEST_BINS - 1, high).astype(int)
    return first, last
