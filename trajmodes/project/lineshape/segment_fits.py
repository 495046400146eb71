"""Spectra of one segment length within their bands, and fits of one or two lines to them.

For two lines, one oscillator is fitted first. The likelihood of two has several maxima, so the
fit starts from several points: the single line split into halves, and a second line, broad or
sharp, at the largest remaining power. The fit with the highest likelihood is kept. It must
improve on one oscillator by more than three parameters do by chance (Bayesian information
criterion, G. Schwarz, Ann. Statist. 6, 461 (1978)), with the number of independent bins as the
number of data. Otherwise there is one line, and the parameters of its partner are nan.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import BandSpectra
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    extended,
    model_of,
    places,
)
from trajmodes.project.lineshape.shape_tests import NEIGHBOURS
from trajmodes.project.lineshape.whittle import MOST_STEPS, Lines, fit_whittle
from trajmodes.project.spectra.segments import bin_spacing, resolution_of

_FEWEST_BINS = 5
_BATCH_BINS = 50_000
_NEAR = 0.5
"""A line is searched for within this relative distance of its expected frequency."""


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

    def power_near(self, center: Floats, reach: Floats) -> Floats:
        """Return the power of each set (g,) in eV within a distance of a frequency (g,)."""
        inside = np.abs(self.band.omega - center[:, None]) <= reach[:, None]
        power: Floats = np.nansum(np.where(inside, self.band.power, 0.0), axis=1)
        return power * self.spacing

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
    """First guess (g, 3) from the quartiles of the power, which are robust to wings and noise.

    The line is searched for near its expected frequency, or everywhere if that is not positive.
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
    """Fit the lines of some sets (i,), each in a range around its first guess (i, n).

    The range on both sides is given in widths (width of the line plus the resolution).
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

    Lines are fitted in batches of similar range, padded to one length. A fit ends after `steps`
    steps.
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


_BINS_PER_DATUM = 1.0 + 2.0 * sum(NEIGHBOURS[1:])
"""Number of bins that carry as much information as one independent bin."""
_WIDTHS = 4.0
"""Half-range in widths (width of the line plus the resolution)."""
_FIRST_STEPS = 12
"""Steps from each first guess; only the most likely one is continued."""
_REMAINDER = ((0.3, 0.5), (0.15, 0.0))
"""Area of the second line, and its width beyond the resolution, relative to the first line."""


def fit_two(
    spectra: SegmentSpectra,
    rows: Ints,
    one: Lines,
    hints: tuple[Floats, Floats],
    shape: LineShape,
) -> Lines:
    """Fit two oscillators to some of the sets; the stronger comes first.

    If one is enough, its fit ``one`` is returned. ``hints`` are the position of the power of
    both lines together (i, 3), and the parameters found at other segment lengths (i, n), nan
    where there are none.
    """
    single = LineShape(baseline=shape.baseline)
    position, known = hints
    near, far = (range_around(spectra, rows, t, _WIDTHS) for t in (one.parameters, position))
    ends = (np.minimum(near[0], far[0]), np.maximum(near[1], far[1]))
    alone = fit_between(spectra, rows, one.parameters, single, ends)
    n_data = spectra.band.averages[rows] * (ends[1] - ends[0] + 1) / _BINS_PER_DATUM
    # Gain of three parameters by chance, in −ln L of correlated bins.
    chance = 1.5 * np.log(np.maximum(n_data, 2.0)) * _BINS_PER_DATUM
    best, lowest = _with_no_partner(one, shape), alone.cost - chance
    starts = _starts(spectra, rows, alone.parameters, shape, ends)
    has_hint: Bools = np.all(np.isfinite(known), axis=1)
    if has_hint.any():
        starts.append(np.where(has_hint[:, None], known, starts[0]))
    likeliest, cost = _likeliest(spectra, rows, starts, shape, ends)
    # Further steps cannot gain more than the other half of the threshold.
    some = np.flatnonzero(cost < alone.cost - 0.5 * chance)
    if len(some):
        some_ends = (ends[0][some], ends[1][some])
        tried = fit_between(spectra, rows[some], likeliest[some], shape, some_ends)
        gained = np.flatnonzero(tried.converged & (tried.cost < lowest[some]))
        best = best.replaced(some[gained], tried.at(gained))
    weaker = np.nan_to_num(best.parameters[:, places(shape).lines[1]]) > 0.0
    some = np.flatnonzero(weaker)
    return best.replaced(some, _stronger_first(best.at(some), shape))


def better_shapes(spectra: SegmentSpectra, rows: Ints, theta: Floats) -> list[LineShape | None]:
    """Shape that describes the spectrum of each set (i) better than one oscillator does.

    The other shapes are tried in the widest range around the oscillator (i, 3). The Bayesian
    information criterion decides between them; None where it prefers the oscillator.
    """
    ends = range_around(spectra, rows, theta, _WIDTHS)
    one = fit_between(spectra, rows, theta, LineShape(), ends)
    shapes = [LineShape("fano"), LineShape(baseline=True), LineShape("two-oscillators")]
    fits = [
        fit_between(spectra, rows, extended(one.parameters, shape), shape, ends)
        for shape in shapes[:2]
    ]
    likeliest, _ = _likeliest(
        spectra, rows, _starts(spectra, rows, one.parameters, shapes[2], ends), shapes[2], ends
    )
    fits.append(fit_between(spectra, rows, likeliest, shapes[2], ends))
    n_data = spectra.band.averages[rows] * (ends[1] - ends[0] + 1) / _BINS_PER_DATUM
    price = 0.5 * np.log(np.maximum(n_data, 2.0)) * _BINS_PER_DATUM
    costs = np.array(
        [
            np.where(fit.converged, fit.cost + (places(shape).count - 3) * price, np.inf)
            for fit, shape in zip(fits, shapes, strict=True)
        ]
    )
    best = np.argmin(costs, axis=0)
    gained = costs.min(axis=0) < one.cost
    return [shapes[k] if better else None for k, better in zip(best, gained, strict=True)]


def _likeliest(
    spectra: SegmentSpectra,
    rows: Ints,
    starts: list[Floats],
    shape: LineShape,
    ends: tuple[Ints, Ints],
) -> tuple[Floats, Floats]:
    """Parameters (i, n) and −ln L (i,) of the best of several guesses after the first steps."""
    n = len(starts)
    first, last = (np.tile(end, n) for end in ends)
    every = np.concatenate(starts)
    tried = fit_between(spectra, np.tile(rows, n), every, shape, (first, last), _FIRST_STEPS)
    cost = tried.cost.reshape(n, -1)
    best = np.argmin(np.where(np.isnan(cost), np.inf, cost), axis=0)
    some = np.arange(len(rows))
    return tried.parameters.reshape(n, len(rows), -1)[best, some], cost[best, some]


def _with_no_partner(one: Lines, shape: LineShape) -> Lines:
    """Return one line in the form of two; the parameters of the second are nan."""
    theta = extended(one.parameters, shape)
    size = one.parameters.shape[1]
    theta[:, size:] = np.nan
    covariance = np.zeros((len(theta), theta.shape[1], theta.shape[1]))
    covariance[:, :size, :size] = one.covariance
    return replace(one, parameters=theta, covariance=covariance)


def _starts(
    spectra: SegmentSpectra, rows: Ints, one: Floats, shape: LineShape, ends: tuple[Ints, Ints]
) -> list[Floats]:
    """First guesses (i, n) of both lines."""
    second = places(shape).lines[1]
    width = np.exp(one[:, GAMMA])
    halves = extended(one, shape)
    halves[:, AREA] -= np.log(2.0)
    halves[:, OMEGA] = np.maximum(one[:, OMEGA] - 0.5 * width, 0.5 * one[:, OMEGA])
    halves[:, second + OMEGA] = one[:, OMEGA] + 0.5 * width
    for place in (0, second):
        halves[:, place + GAMMA] = one[:, GAMMA] - np.log(2.0)
    starts = [halves]
    excess = _largest_excess(spectra, rows, one, ends)
    for area, part in _REMAINDER:
        start = extended(one, shape)
        start[:, second + AREA] = np.log(area)
        start[:, second + OMEGA] = excess
        start[:, second + GAMMA] = np.log(part * width + spectra.resolution)
        starts.append(start)
    return starts


def _largest_excess(
    spectra: SegmentSpectra, rows: Ints, one: Floats, ends: tuple[Ints, Ints]
) -> Floats:
    """Frequency (i,) in rad/ps of the most significant excess over the single line."""
    observed = spectra.observe(rows, *ends)
    power, _ = model_of(LineShape(baseline=one.shape[1] > 3))(observed, one)
    excess = observed.power / (np.exp(one[:, :1]) * np.maximum(power, 1e-300)) - 1.0
    summed = np.cumsum(np.where(observed.inside, excess, 0.0), axis=1)
    summed = np.pad(summed, ((0, 0), (1, 0)))
    span = max(3, min(observed.bins.shape[1] // 10, observed.bins.shape[1] - 1))
    middle = np.argmax(summed[:, span:] - summed[:, :-span], axis=1) + span // 2
    freq: Floats = observed.bins[np.arange(len(rows)), middle] * spectra.spacing
    return freq


def _stronger_first(lines: Lines, shape: LineShape) -> Lines:
    """Exchange the two lines; the curves stay the same."""
    where, old = places(shape), lines.parameters
    second = where.lines[1]
    theta = old.copy()
    theta[:, AREA] = old[:, AREA] + old[:, second]
    theta[:, second] = -old[:, second]
    theta[:, [OMEGA, GAMMA]] = old[:, [second + OMEGA, second + GAMMA]]
    theta[:, [second + OMEGA, second + GAMMA]] = old[:, [OMEGA, GAMMA]]
    turn = np.zeros((len(old), where.count, where.count))
    turn[:, AREA, AREA] = turn[:, AREA, second] = 1.0
    turn[:, second, second] = -1.0
    for place in (OMEGA, GAMMA):
        turn[:, place, second + place] = turn[:, second + place, place] = 1.0
    if where.baseline is not None:
        # The baseline is given relative to the area of the first line.
        smaller = np.exp(-old[:, second])
        theta[:, where.baseline] = old[:, where.baseline] * smaller
        turn[:, where.baseline, where.baseline] = smaller
        turn[:, where.baseline, second] = -theta[:, where.baseline]
    covariance = turn @ lines.covariance @ turn.swapaxes(1, 2)
    return replace(lines, parameters=theta, covariance=covariance)
