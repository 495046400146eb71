"""Whittle likelihood of many lines at once, by Fisher scoring.

A periodogram I averaged N times is gamma-distributed about its expectation S, so

    −ln L = N Σ_w (ln S_w + I_w/S_w)

with S one of the `shapes`. With J = ∂ ln S the score is N Σ J (I/S − 1) and the Fisher matrix
N Σ J Jᵀ; a step is taken where the likelihood rises, else damped (Levenberg, Marquardt). One
line is followed after the other, until it has converged, in compiled code.

Bins of a Hann-windowed segment are correlated: corr(I_w, I_{w+1}) = (2/3)², corr(I_w, I_{w+2})
= (1/6)². The covariance of the estimate is therefore F⁻¹ G F⁻¹ with G the covariance of the
score, not F⁻¹.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numba import njit

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.goodness import NEIGHBOURS, largest_stray
from trajmodes.project.oscillator import Grid, part_of
from trajmodes.project.shapes import (
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    line_model,
    model_of,
    places,
)
from trajmodes.project.window import resolution_thz
from trajmodes.units import THZ

__all__ = ["MOST_STEPS", "Lines", "fit_whittle"]

_NARROWEST = 1e-3
"""Least width that is tried, in resolutions: below, all spectra look alike."""
_LOWEST = 0.05
"""Least frequency of the lower half maximum, in resolutions: nor can one see what is below."""
_FAR_BEYOND = 4.0
MOST_STEPS = 60
"""Of the scoring, before a fit is given up."""
_LARGEST_LEAN = 3.0


@dataclass(frozen=True, slots=True)
class Lines:
    """Fitted lines. Parameters (n) are those of the shape."""

    parameters: Floats
    """(g, n)."""
    covariance: Floats
    """(g, n, n), correlation of bins allowed for."""
    cost: Floats
    """(g,) −ln L as if bins were independent."""
    goodness: Floats
    """(g,) reduced Pearson χ²."""
    goodness_sem: Floats
    """(g,) its standard deviation if the model is true."""
    stray: Floats
    """(g,) largest misfit of a region, in standard deviations: see `goodness`."""
    converged: Bools
    """(g,) whether the last step was smaller than 1e-3 standard errors."""

    def at(self, rows: Ints | Bools) -> "Lines":
        """Take some of the lines."""
        return Lines(*(getattr(self, field.name)[rows] for field in fields(self)))

    def replaced(self, rows: Ints, others: "Lines") -> "Lines":
        """Put others in some places."""
        parts = []
        for field in fields(self):
            values = getattr(self, field.name).copy()
            values[rows] = getattr(others, field.name)
            parts.append(values)
        return Lines(*parts)


def fit_whittle(
    observed: Observed, start: Floats, shape: LineShape, steps: int = MOST_STEPS
) -> Lines:
    """Fit one line to each spectrum.

    Parameters
    ----------
    observed
        The spectra.
    start
        (g, n) first guess.
    shape
        What is fitted.
    steps
        When to give up.
    """
    where = places(shape)
    resolution = resolution_thz(observed.segment_frames, observed.interval_ps) * THZ
    highest = _FAR_BEYOND * 0.5 / observed.interval_ps * THZ
    limits = _Limits(resolution, highest, where.codes)
    theta = start.copy()
    converged = np.zeros(len(theta), dtype=bool)
    _climb_all(
        theta,
        (observed.power, observed.inside, observed.averages),
        (observed.bins[:, 0], observed.sizes, observed.grid),
        limits,
        steps,
        converged,
    )
    return _summary(observed, theta, shape, converged)


class _Limits(NamedTuple):
    """Where parameters must stay: beyond, spectra do not change any more."""

    resolution: float
    """In rad/ps."""
    highest: float
    """Largest ω₀ and γ in rad/ps: far beyond the Nyquist frequency."""
    codes: tuple[int, int, int]
    """Where lean, baseline and second line stand, −1 for those that are not there."""


@njit(nogil=True, cache=True, error_model="numpy")
def _climb_all(
    theta_gn: Floats,
    seen: tuple[Floats, Bools, Floats],
    axes: tuple[Ints, Ints, Grid],
    limits: _Limits,
    steps: int,
    converged: Bools,
) -> None:
    """Take each of the parameters (g, n) to the maximum of the likelihood."""
    power_gw, inside_gw, averages = seen
    first, sizes, grid = axes
    for g in range(len(theta_gn)):
        n_bins = sizes[g]
        one = (power_gw[g, :n_bins], inside_gw[g, :n_bins], averages[g])
        axis = part_of(grid, first[g], n_bins)
        converged[g] = _climb(theta_gn[g], one, axis, limits, steps)


@njit(nogil=True, cache=True, error_model="numpy")
def _climb(
    theta: Floats,
    seen: tuple[Floats, Bools, float],
    axis: Grid,
    limits: _Limits,
    steps: int,
) -> bool:
    """Change parameters (n,) until the next step would be small; whether it is."""
    size = len(theta)
    _keep(theta, limits)
    now, then = _room(size), _room(size)
    cost = _likelihood(theta, seen, axis, limits.codes, now)
    if cost == np.inf:
        # Leave out what may make a spectrum negative on a new range of bins.
        for place in limits.codes[:2]:
            if place >= 0:
                theta[place] = 0.0
        cost = _likelihood(theta, seen, axis, limits.codes, now)
    damping = 1e-3
    for _ in range(steps):
        if cost == np.inf:
            break
        score, fisher = now
        step = _step(score, fisher, damping)
        held = _held(theta, step, limits)
        if held.any():
            step = _step_without(held, score, fisher, damping)
        tried = theta + _shorten(theta, step, limits.codes)
        _keep(tried, limits)
        step = tried - theta
        # What the step would be without damping is what must be small.
        if _norm(fisher, step) * (1.0 + damping) ** 2 < 1e-6:
            return True
        new = _likelihood(tried, seen, axis, limits.codes, then)
        if new <= cost:
            theta[:] = tried
            cost, now, then = new, then, now
            damping = max(0.2 * damping, 1e-9)
        else:
            damping = min(10.0 * damping, 1e9)
    return False


@njit(nogil=True, cache=True, error_model="numpy")
def _room(size: int) -> tuple[Floats, Floats]:
    """Room for a score and a Fisher matrix."""
    return np.empty(size), np.empty((size, size))


@njit(nogil=True, cache=True, error_model="numpy")
def _norm(fisher: Floats, step: Floats) -> float:
    """Square of a step in standard errors."""
    total = 0.0
    for n in range(len(step)):
        for m in range(len(step)):
            total += step[n] * fisher[n, m] * step[m]
    return total


@njit(nogil=True, cache=True, error_model="numpy")
def _shorten(theta: Floats, step: Floats, codes: tuple[int, int, int]) -> Floats:
    """Let no step go further than the model is about linear.

    Logarithms stay within a factor of e, ω₀ within a tenth of itself and half a width.
    """
    _, baseline, second = codes
    longest = np.ones(len(theta))
    if baseline >= 0:
        longest[baseline] = np.inf
    for first in (0, second):
        if first >= 0:
            width = np.exp(theta[first + GAMMA])
            longest[first + OMEGA] = 0.1 * theta[first + OMEGA] + 0.5 * width
    shorter: Floats = step / max(1.0, (np.abs(step) / longest).max())
    return shorter


@njit(nogil=True, cache=True, error_model="numpy")
def _keep(theta: Floats, limits: _Limits) -> None:
    """Bring parameters back to where they must stay."""
    lean, baseline, second = limits.codes
    floor, roof = np.log(_NARROWEST * limits.resolution), np.log(limits.highest)
    for first in (0, second):
        if first >= 0:
            theta[first + GAMMA] = min(max(theta[first + GAMMA], floor), roof)
            lowest = _LOWEST * limits.resolution
            # Half maxima ω± obey ω₊ω₋ = ω₀² and ω₊ − ω₋ = γ.
            least = np.sqrt(lowest * (lowest + np.exp(theta[first + GAMMA])))
            theta[first + OMEGA] = min(max(theta[first + OMEGA], least), limits.highest)
    if baseline >= 0:
        # White noise has no negative power.
        theta[baseline] = max(theta[baseline], 0.0)
    if lean >= 0:
        theta[lean] = min(max(theta[lean], -_LARGEST_LEAN), _LARGEST_LEAN)


@njit(nogil=True, cache=True, error_model="numpy")
def _step(score: Floats, fisher: Floats, damping: float) -> Floats:
    """Damped step of Fisher scoring, by Cholesky's decomposition."""
    size = len(score)
    scale = np.sqrt(np.maximum(np.diag(fisher), 1e-300))
    root = np.zeros((size, size))
    step = score / scale
    for n in range(size):
        for m in range(n + 1):
            # A parameter of which nothing is known, like ω₀ at zero, stays where it is.
            value = fisher[n, m] / (scale[n] * scale[m]) + (damping if m == n else 0.0)
            for k in range(m):
                value -= root[n, k] * root[m, k]
            root[n, m] = np.sqrt(value) if m == n else value / root[m, m]
    for n in range(size):
        for m in range(n):
            step[n] -= root[n, m] * step[m]
        step[n] /= root[n, n]
    for n in range(size - 1, -1, -1):
        for m in range(n + 1, size):
            step[n] -= root[m, n] * step[m]
        step[n] /= root[n, n]
    return step / scale


@njit(nogil=True, cache=True, error_model="numpy")
def _held(theta: Floats, step: Floats, limits: _Limits) -> Bools:
    """Tell the parameters (n,) that are at their limits, and that the step takes beyond."""
    near = theta + np.copysign(1e-9 * (1.0 + np.abs(theta)), step)
    kept = near.copy()
    _keep(kept, limits)
    held: Bools = (kept != near) & (kept == theta)
    return held


@njit(nogil=True, cache=True, error_model="numpy")
def _step_without(held: Bools, score: Floats, fisher: Floats, damping: float) -> Floats:
    """Step that leaves some parameters (n,) as they are."""
    score, fisher = score.copy(), fisher.copy()
    for place in np.flatnonzero(held):
        score[place], fisher[place], fisher[:, place] = 0.0, 0.0, 0.0
        fisher[place, place] = 1.0
    return _step(score, fisher, damping)


@njit(nogil=True, cache=True, error_model="numpy")
def _likelihood(
    theta: Floats,
    seen: tuple[Floats, Bools, float],
    axis: Grid,
    codes: tuple[int, int, int],
    room: tuple[Floats, Floats],
) -> float:
    """−ln L, infinite where S is not positive; put in score and Fisher matrix."""
    observed, inside, averages = seen
    score, fisher = room
    power, jacobian_nw = np.empty(len(observed)), np.empty((len(theta), len(observed)))
    line_model(theta, codes, axis, power, jacobian_nw)
    cost, area = 0.0, np.exp(-theta[0])
    misfit, weight = np.zeros(len(observed)), np.zeros(len(observed))
    for w in range(len(observed)):
        if inside[w]:
            # The logarithm of what is not positive is nan, and so is the cost then.
            ratio = observed[w] * area / power[w]
            cost += theta[0] + np.log(power[w]) + ratio
            misfit[w], weight[w] = ratio - 1.0, 1.0 / power[w]
    if not np.isfinite(cost):
        return np.inf
    jacobian_nw *= weight
    score[:] = averages * np.dot(jacobian_nw, misfit)
    fisher[:] = averages * np.dot(jacobian_nw, jacobian_nw.T)
    return averages * cost


def _model(observed: Observed, theta: Floats, shape: LineShape) -> tuple[Floats, Floats]:
    """Logarithm of S (g, w), nan where S is not positive, and J (g, n, w); zero outside."""
    power, slopes = model_of(shape)(observed, theta)
    positive = power > 0.0
    safe = np.where(positive, power, 1.0)
    log_power = theta[:, :1] + np.where(positive, np.log(safe), np.nan)
    slopes *= (observed.inside / safe)[:, None]
    return np.where(observed.inside, log_power, 0.0), slopes


def _summary(observed: Observed, theta: Floats, shape: LineShape, converged: Bools) -> Lines:
    log_power, jacobian_gnw = _model(observed, theta, shape)
    count = observed.averages
    fisher = jacobian_gnw @ jacobian_gnw.swapaxes(1, 2)
    spread = np.zeros_like(fisher)
    for distance, correlation in enumerate(NEIGHBOURS):
        size = jacobian_gnw.shape[2] - distance
        product = jacobian_gnw[..., :size] @ jacobian_gnw[..., distance:].swapaxes(1, 2)
        symmetric = product if distance == 0 else product + product.swapaxes(1, 2)
        spread += correlation * symmetric
    # A line that ran away from its spectrum has no finite information: it has not converged.
    sound: Bools = np.all(np.isfinite(fisher + spread), axis=(1, 2))
    sound &= np.isfinite(log_power).all(axis=1) & observed.inside.any(axis=1)
    fisher = np.where(sound[:, None, None], fisher, np.eye(fisher.shape[1]))
    spread = np.where(sound[:, None, None], spread, 0.0)
    ratio = np.where(observed.inside & sound[:, None], observed.power, 1.0)
    ratio *= np.exp(-np.where(sound[:, None], log_power, 0.0))
    # In units of each parameter's own information, for they have different units.
    scale = np.sqrt(np.maximum(np.diagonal(fisher, axis1=1, axis2=2), 1e-300))
    product_gmn = scale[:, :, None] * scale[:, None, :]
    inverse = np.linalg.pinv(fisher / product_gmn, rcond=1e-12, hermitian=True) / product_gmn
    covariance = inverse @ spread @ inverse / count[:, None, None]
    n_bins = observed.inside.sum(axis=1)
    misfit = (ratio - 1.0) * observed.inside
    # What the fit takes out of Σ N (I/S − 1)², when neighbours are correlated.
    taken = np.einsum("gmn,gnm->g", inverse, spread)
    freedom = np.maximum(n_bins - taken, 1.0)
    # var of each N(I/S − 1)² is 2 + 6/N; neighbours share the squares of their correlations.
    shared = 1.0 + 2.0 * sum(correlation**2 for correlation in NEIGHBOURS[1:])
    return Lines(
        parameters=theta,
        covariance=covariance,
        cost=count * ((log_power + ratio) * observed.inside).sum(axis=1),
        goodness=count * (misfit**2).sum(axis=1) / freedom,
        goodness_sem=np.sqrt((2.0 + 6.0 / count) * shared / freedom),
        stray=largest_stray(observed, theta, misfit),
        converged=converged & sound,
    )
