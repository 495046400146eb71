"""Two overlapping lines: first guesses, fit, and the test of whether one line is enough.

One oscillator is fitted first. The likelihood of two has several maxima, so the fit starts from
several points: the single line split into halves, and a second line, broad or sharp, at the
largest remaining power. The fit with the highest likelihood is kept. It must improve on one
oscillator by more than three parameters do by chance (Bayesian information criterion, G.
Schwarz, Ann. Statist. 6, 461 (1978)), with the number of independent bins as the number of
data. Otherwise there is one line, and the parameters of its partner are nan.
"""

from dataclasses import replace

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.lineshape.goodness_of_fit import NEIGHBOURS
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    extended,
    model_of,
    places,
)
from trajmodes.project.lineshape.segment_spectra import (
    SegmentSpectra,
    fit_between,
    range_around,
)
from trajmodes.project.lineshape.whittle import Lines

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

    Parameters
    ----------
    one
        Fits of one oscillator, returned where one is enough.
    hints
        (i, 3) position of the power, both lines together; and (i, n) the parameters found at
        other segment lengths, nan where there are none.
    shape
        Two oscillators, with or without a baseline.
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
    """Return one line in the form of two, of which the second is nan."""
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
    """Exchange both lines; the curves stay the same."""
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
