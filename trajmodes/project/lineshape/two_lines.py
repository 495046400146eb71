"""Two overlapping lines: where to start, and whether one would do.

One oscillator is fitted first. The likelihood of two has several maxima, so that there are
several starts: the one split into halves, and a second one where most power is left over,
broad or sharp; the likeliest fit is taken. It must be likelier than one oscillator by more than
three parameters buy by chance (Bayesian information criterion, G. Schwarz, Ann. Statist. 6, 461
(1978)), with as many data as there are independent bins; else there is one line, and its
partner is nan.
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
from trajmodes.project.lineshape.segment_spectra import Rung, fit_between, range_around
from trajmodes.project.lineshape.whittle import Lines
from trajmodes.units import THZ

_TOGETHER = 1.0 + 2.0 * sum(NEIGHBOURS[1:])
"""Bins that are worth one independent bin."""
_WIDTHS = 4.0
"""Range on both sides, in widths with the resolution added."""
_FIRST_STEPS = 12
"""Of each start; only the likeliest one goes on."""
_LEFT_OVER = ((0.3, 0.5), (0.15, 0.0))
"""Area of the second line and its width beyond the resolution, in those of the first."""


def fit_two(
    rung: Rung, rows: Ints, one: Lines, hints: tuple[Floats, Floats], shape: LineShape
) -> Lines:
    """Fit two oscillators to some of the sets; the stronger comes first.

    Parameters
    ----------
    rung
        The spectra.
    rows
        (i,) which sets.
    one
        Fits of one oscillator, which stay where one suffices.
    hints
        (i, 3) where the power is, both lines together; and (i, n) what other segments told of
        them, nan where nothing.
    shape
        Two oscillators, perhaps with a baseline.
    """
    single = LineShape(baseline=shape.baseline)
    outlook, known = hints
    near, far = (range_around(rung, rows, t, _WIDTHS) for t in (one.parameters, outlook))
    ends = (np.minimum(near[0], far[0]), np.maximum(near[1], far[1]))
    alone = fit_between(rung, rows, one.parameters, single, ends)
    n_data = rung.spectra.averages[rows] * (ends[1] - ends[0] + 1) / _TOGETHER
    # What three parameters gain by chance, in −ln L of bins that are not independent.
    chance = 1.5 * np.log(np.maximum(n_data, 2.0)) * _TOGETHER
    best, lowest = _with_no_partner(one, shape), alone.cost - chance
    starts = _starts(rung, rows, alone.parameters, shape, ends)
    told: Bools = np.all(np.isfinite(known), axis=1)
    if told.any():
        starts.append(np.where(told[:, None], known, starts[0]))
    likeliest, cost = _likeliest(rung, rows, starts, shape, ends)
    # The steps that were left will not gain as much as is wanting here.
    some = np.flatnonzero(cost < alone.cost - 0.5 * chance)
    if len(some):
        some_ends = (ends[0][some], ends[1][some])
        tried = fit_between(rung, rows[some], likeliest[some], shape, some_ends)
        gained = np.flatnonzero(tried.converged & (tried.cost < lowest[some]))
        best = best.replaced(some[gained], tried.at(gained))
    weaker = np.nan_to_num(best.parameters[:, places(shape).lines[1]]) > 0.0
    some = np.flatnonzero(weaker)
    return best.replaced(some, _stronger_first(best.at(some), shape))


def _likeliest(
    rung: Rung, rows: Ints, starts: list[Floats], shape: LineShape, ends: tuple[Ints, Ints]
) -> tuple[Floats, Floats]:
    """Parameters (i, n) and −ln L (i,) after the first steps from the best of some starts."""
    n = len(starts)
    first, last = (np.tile(end, n) for end in ends)
    every = np.concatenate(starts)
    tried = fit_between(rung, np.tile(rows, n), every, shape, (first, last), _FIRST_STEPS)
    cost = tried.cost.reshape(n, -1)
    best = np.argmin(np.where(np.isnan(cost), np.inf, cost), axis=0)
    some = np.arange(len(rows))
    return tried.parameters.reshape(n, len(rows), -1)[best, some], cost[best, some]


def _with_no_partner(one: Lines, shape: LineShape) -> Lines:
    """One line as two of which the second is nan."""
    theta = extended(one.parameters, shape)
    size = one.parameters.shape[1]
    theta[:, size:] = np.nan
    covariance = np.zeros((len(theta), theta.shape[1], theta.shape[1]))
    covariance[:, :size, :size] = one.covariance
    return replace(one, parameters=theta, covariance=covariance)


def _starts(
    rung: Rung, rows: Ints, one: Floats, shape: LineShape, ends: tuple[Ints, Ints]
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
    left_over = _left_over(rung, rows, one, ends)
    for area, part in _LEFT_OVER:
        start = extended(one, shape)
        start[:, second + AREA] = np.log(area)
        start[:, second + OMEGA] = left_over
        start[:, second + GAMMA] = np.log(part * width + rung.resolution * THZ)
        starts.append(start)
    return starts


def _left_over(rung: Rung, rows: Ints, one: Floats, ends: tuple[Ints, Ints]) -> Floats:
    """Frequency (i,) in rad/ps where the spectrum exceeds the one line most surely."""
    observed = rung.observe(rows, *ends)
    power, _ = model_of(LineShape(baseline=one.shape[1] > 3))(observed, one)
    excess = observed.power / (np.exp(one[:, :1]) * np.maximum(power, 1e-300)) - 1.0
    summed = np.cumsum(np.where(observed.inside, excess, 0.0), axis=1)
    summed = np.pad(summed, ((0, 0), (1, 0)))
    span = max(3, min(observed.bins.shape[1] // 10, observed.bins.shape[1] - 1))
    middle = np.argmax(summed[:, span:] - summed[:, :-span], axis=1) + span // 2
    freq: Floats = observed.bins[np.arange(len(rows)), middle] * rung.df * THZ
    return freq


def _stronger_first(lines: Lines, shape: LineShape) -> Lines:
    """Let both lines change places; the curves stay the same."""
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
        # Told in areas of the first line.
        smaller = np.exp(-old[:, second])
        theta[:, where.baseline] = old[:, where.baseline] * smaller
        turn[:, where.baseline, where.baseline] = smaller
        turn[:, where.baseline, second] = -theta[:, where.baseline]
    covariance = turn @ lines.covariance @ turn.swapaxes(1, 2)
    return replace(lines, parameters=theta, covariance=covariance)
