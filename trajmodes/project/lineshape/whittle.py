"""Whittle likelihood of many lines at once, and its maximum by Fisher scoring.

A periodogram I averaged N times is gamma-distributed about its expectation S, so

    −ln L = N Σ_w (ln S_w + I_w/S_w)

with S one of the shapes of `models`. With J = ∂ ln S the score is N Σ J (I/S − 1) and the
Fisher matrix F = N Σ J Jᵀ. A step is taken if the likelihood rises; otherwise it is damped
(Levenberg, Marquardt). The kernels take one line after the other.

Bins of a Hann-windowed segment are correlated: corr(I_w, I_{w+1}) = (2/3)², corr(I_w, I_{w+2})
= (1/6)². The covariance of the estimate is therefore F⁻¹ G F⁻¹ with G the covariance of the
score, not the inverse F⁻¹ of the Fisher matrix.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.kernels import inner_kernel, kernel, scalar_product
from trajmodes.project.lineshape.models import (
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    line_model,
    model_of,
    places,
)
from trajmodes.project.lineshape.oscillator import Grid, Room, part_of
from trajmodes.project.lineshape.shape_tests import NEIGHBOURS, ShapeTest, shape_test
from trajmodes.project.spectra.segments import resolution_of

_FAR_BEYOND = 4.0
"""Largest ω₀ and γ, in Nyquist frequencies."""
MOST_STEPS = 60
"""Largest number of steps of a fit."""


@dataclass(frozen=True, slots=True)
class Lines(ShapeTest):
    """Fitted lines. Parameters (n) are those of the shape."""

    parameters: Floats
    """(g, n)."""
    covariance: Floats
    """(g, n, n), with the correlation of bins."""
    cost: Floats
    """(g,) −ln L as if bins were independent."""
    converged: Bools
    """(g,) whether the last step was smaller than 1e-3 standard errors."""

    def at(self, rows: Ints | Bools) -> "Lines":
        """Take some of the lines."""
        return Lines(*(getattr(self, field.name)[rows] for field in fields(self)))

    def replaced(self, rows: Ints, others: "Lines") -> "Lines":
        """Replace the lines at some positions by others."""
        parts = []
        for field in fields(self):
            values = getattr(self, field.name).copy()
            values[rows] = getattr(others, field.name)
            parts.append(values)
        return Lines(*parts)


def fit_whittle(
    observed: Observed, start: Floats, shape: LineShape, steps: int = MOST_STEPS
) -> Lines:
    """Fit one line to each spectrum, from a first guess (g, n) and in at most ``steps``."""
    where = places(shape)
    resolution = resolution_of(observed.segment_frames, observed.interval_ps)
    limits = Limits(resolution, _FAR_BEYOND * np.pi / observed.interval_ps, where.codes)
    theta = np.array(start, dtype=float, order="C")
    converged = np.zeros(len(theta), dtype=bool)
    seen = (
        np.array(observed.power, dtype=float, order="C"),
        np.array(observed.inside, dtype=bool, order="C"),
        np.array(observed.averages, dtype=float),
    )
    work = Work.of(where.count, observed.bins.shape[1])
    maximise_all(theta, seen, (*observed.axes, work), limits, steps, converged)
    return _summary(observed, theta, shape, converged)


def _summary(observed: Observed, theta: Floats, shape: LineShape, converged: Bools) -> Lines:
    # ln S is nan where S is not positive; ln S and J are zero outside.
    power, slopes = model_of(shape)(observed, theta)
    positive = power > 0.0
    safe = np.where(positive, power, 1.0)
    log_power = theta[:, :1] + np.where(positive, np.log(safe), np.nan)
    log_power = np.where(observed.inside, log_power, 0.0)
    jacobian_gnw = slopes * (observed.inside / safe)[:, None]
    count = observed.averages
    fisher = jacobian_gnw @ jacobian_gnw.swapaxes(1, 2)
    spread = np.zeros_like(fisher)
    for distance, correlation in enumerate(NEIGHBOURS):
        size = jacobian_gnw.shape[2] - distance
        product = jacobian_gnw[..., :size] @ jacobian_gnw[..., distance:].swapaxes(1, 2)
        symmetric = product if distance == 0 else product + product.swapaxes(1, 2)
        spread += correlation * symmetric
    # A line whose parameters diverged has no finite information: it has not converged.
    sound: Bools = np.all(np.isfinite(fisher + spread), axis=(1, 2))
    sound &= np.isfinite(log_power).all(axis=1) & observed.inside.any(axis=1)
    fisher = np.where(sound[:, None, None], fisher, np.eye(fisher.shape[1]))
    spread = np.where(sound[:, None, None], spread, 0.0)
    ratio = np.where(observed.inside & sound[:, None], observed.power, 1.0)
    ratio *= np.exp(-np.where(sound[:, None], log_power, 0.0))
    # In units of the information on each parameter, because the parameters have different
    # units.
    scale = np.sqrt(np.maximum(np.diagonal(fisher, axis1=1, axis2=2), 1e-300))
    product_gmn = scale[:, :, None] * scale[:, None, :]
    inverse = np.linalg.pinv(fisher / product_gmn, rcond=1e-12, hermitian=True) / product_gmn
    covariance = inverse @ spread @ inverse / count[:, None, None]
    residual = (ratio - 1.0) * observed.inside
    tests = shape_test(observed, theta, shape, residual, (jacobian_gnw, covariance))
    return Lines(
        reduced_chi2=tests.reduced_chi2,
        reduced_chi2_sem=tests.reduced_chi2_sem,
        misfit=tests.misfit,
        region=tests.region,
        scatter=tests.scatter,
        parameters=theta,
        covariance=covariance,
        cost=count * ((log_power + ratio) * observed.inside).sum(axis=1),
        converged=converged & sound,
    )


_NARROWEST = 1e-3
"""Least width that is tried, in resolutions; below, spectra do not differ."""
_LOWEST = 0.05
"""Least frequency of the lower half maximum, in resolutions; below, spectra do not differ."""
_LARGEST_ASYMMETRY = 3.0


class Limits(NamedTuple):
    """Limits of the parameters, beyond which spectra no longer change."""

    resolution: float
    """Full width at half maximum, in rad/ps, of an infinitely narrow line."""
    highest: float
    """Largest ω₀ and γ in rad/ps: far beyond the Nyquist frequency."""
    codes: tuple[int, int, int]
    """Positions of asymmetry, baseline and second line; −1 for those that are absent."""


class Work(NamedTuple):
    """Arrays that the kernels overwrite for each line and step: n parameters, w bins."""

    room: Room
    power: Floats
    """(w,) S."""
    slopes_nw: Floats
    """(n, w) derivatives of S, then of ln S."""
    scores: Floats
    """(2, n) scores of the current parameters, and of those evaluated last."""
    fishers: Floats
    """(2, n, n) Fisher matrices of the same."""
    step: Floats
    tried: Floats
    scale: Floats
    """(n,) each, the last one in standard errors."""
    root: Floats
    """(n, n) Cholesky factor."""
    held: Bools
    """(n,) parameters that stay at their limits in this step."""

    @staticmethod
    def of(n: int, n_bins: int) -> "Work":
        """Allocate arrays for n parameters and a number of bins."""
        return Work(
            Room.of(n_bins),
            np.empty(n_bins),
            np.empty((n, n_bins)),
            np.empty((2, n)),
            np.empty((2, n, n)),
            np.empty(n),
            np.empty(n),
            np.empty(n),
            np.empty((n, n)),
            np.empty(n, dtype=bool),
        )


@kernel(error_model="numpy")
def maximise_all(
    theta_gn: Floats,
    seen: tuple[Floats, Bools, Floats],
    axes: tuple[Ints, Ints, Grid, Work],
    limits: Limits,
    steps: int,
    converged: Bools,
) -> None:
    """Move each set of parameters (g, n) to the maximum of the likelihood."""
    power_gw, inside_gw, averages = seen
    first, sizes, grid, work = axes
    for g in range(len(theta_gn)):
        one = (power_gw[g], inside_gw[g], averages[g])
        axis = part_of(grid, first[g], sizes[g])
        converged[g] = _maximise(theta_gn[g], one, (axis, work), limits, steps)


@inner_kernel(error_model="numpy", inline="always")
def _maximise(
    theta: Floats,
    seen: tuple[Floats, Bools, float],
    axis: tuple[Grid, Work],
    limits: Limits,
    steps: int,
) -> bool:
    """Maximise the likelihood over parameters (n,); return whether the next step is small."""
    _, work = axis
    tried = work.tried
    _keep(theta, limits)
    damping, cost = 1e-3, _likelihood(theta, seen, axis, limits.codes)
    if cost == np.inf:
        # Leave out parameters that may make a spectrum negative on a new range of bins.
        for place in limits.codes[:2]:
            if place >= 0:
                theta[place] = 0.0
        cost = _likelihood(theta, seen, axis, limits.codes)
    accepted, left = True, steps if cost < np.inf else 0
    for _ in range(left):
        if accepted:
            _accept(work)
        _choose_step(theta, damping, limits, work)
        for n in range(len(theta)):
            tried[n] = theta[n] + work.step[n]
        _keep(tried, limits)
        # The step must be small without damping.
        if _norm(theta, work) * (1.0 + damping) ** 2 < 1e-6:
            return True
        new = _likelihood(tried, seen, axis, limits.codes)
        accepted = new <= cost
        if accepted:
            for n in range(len(theta)):
                theta[n] = tried[n]
            cost = new
            damping = max(0.2 * damping, 1e-9)
        else:
            damping = min(10.0 * damping, 1e9)
    return False


@inner_kernel(error_model="numpy", inline="always")
def _accept(work: Work) -> None:
    """Make the scores evaluated last those of the current parameters."""
    for n in range(work.scores.shape[1]):
        work.scores[0, n] = work.scores[1, n]
        for m in range(work.scores.shape[1]):
            work.fishers[0, n, m] = work.fishers[1, n, m]


@inner_kernel(error_model="numpy", inline="always")
def _choose_step(theta: Floats, damping: float, limits: Limits, work: Work) -> None:
    """Store the damped step, in which parameters at their limits do not move beyond them."""
    work.held[:] = False
    _solve(damping, work)
    if _hold(theta, limits, work):
        _solve(damping, work)
    _shorten(theta, limits.codes, work.step)


@inner_kernel(error_model="numpy", inline="always")
def _norm(theta: Floats, work: Work) -> float:
    """Square of the step that is tried, in standard errors."""
    tried, fisher, total = work.tried, work.fishers[0], 0.0
    for n in range(len(theta)):
        for m in range(len(theta)):
            total += (tried[n] - theta[n]) * fisher[n, m] * (tried[m] - theta[m])
    return total


@inner_kernel(error_model="numpy", inline="always")
def _shorten(theta: Floats, codes: tuple[int, int, int], step: Floats) -> None:
    """Limit the step to the range in which the model is approximately linear.

    Logarithms change by at most 1, ω₀ by at most a tenth plus half a width.
    """
    _, baseline, second = codes
    largest = 1.0
    for n in range(len(theta)):
        longest = 1.0
        if n in (OMEGA, second + OMEGA) and (n == OMEGA or second >= 0):
            longest = 0.1 * theta[n] + 0.5 * np.exp(theta[n - OMEGA + GAMMA])
        if n != baseline and abs(step[n]) > largest * longest:
            largest = abs(step[n]) / longest
    for n in range(len(theta)):
        step[n] /= largest


@inner_kernel(error_model="numpy")
def _keep(theta: Floats, limits: Limits) -> None:
    """Bring parameters back to their limits."""
    asymmetry, baseline, second = limits.codes
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
    if asymmetry >= 0:
        theta[asymmetry] = min(max(theta[asymmetry], -_LARGEST_ASYMMETRY), _LARGEST_ASYMMETRY)


@inner_kernel(error_model="numpy", inline="always")
def _hold(theta: Floats, limits: Limits, work: Work) -> bool:
    """Mark parameters at limits that the step exceeds; return whether there are any."""
    near, kept = work.scale, work.tried
    for n in range(len(theta)):
        near[n] = theta[n] + np.copysign(1e-9 * (1.0 + abs(theta[n])), work.step[n])
        kept[n] = near[n]
    _keep(kept, limits)
    any_held = False
    for n in range(len(theta)):
        work.held[n] = kept[n] != near[n] and kept[n] == theta[n]
        any_held |= work.held[n]
    return any_held


@inner_kernel(error_model="numpy")
def _solve(damping: float, work: Work) -> None:
    """Store the damped step of Fisher scoring, by Cholesky decomposition.

    Parameters that are held do not move.
    """
    score, fisher, held = work.scores[0], work.fishers[0], work.held
    step, scale, root = work.step, work.scale, work.root
    size = len(score)
    for n in range(size):
        scale[n] = 1.0 if held[n] else np.sqrt(max(fisher[n, n], 1e-300))
        step[n] = 0.0 if held[n] else score[n] / scale[n]
        for m in range(n + 1):
            # A parameter without information, such as ω₀ at zero, is not changed.
            value = 0.0 if held[n] or held[m] else fisher[n, m] / (scale[n] * scale[m])
            if m == n:
                value = damping + (1.0 if held[n] else value)
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
    for n in range(size):
        step[n] /= scale[n]


@inner_kernel(error_model="numpy")
def _likelihood(
    theta: Floats,
    seen: tuple[Floats, Bools, float],
    axis: tuple[Grid, Work],
    codes: tuple[int, int, int],
) -> float:
    """Return −ln L, infinite where S is not positive; store the score and the Fisher matrix."""
    observed, inside, averages = seen
    grid, work = axis
    power, jacobian_nw = work.power, work.slopes_nw
    line_model(theta, codes, (grid, work.room), power, jacobian_nw)
    n_bins = len(grid.turns) - 2
    cost, area = 0.0, np.exp(-theta[0])
    for w in range(n_bins):
        weight, misfit = 0.0, 0.0
        if inside[w]:
            # The logarithm of a negative number is nan, and so is the cost.
            ratio = observed[w] * area / power[w]
            cost += theta[0] + np.log(power[w]) + ratio
            misfit, weight = ratio - 1.0, 1.0 / power[w]
        power[w] = misfit
        for n in range(len(theta)):
            jacobian_nw[n, w] *= weight
    if not np.isfinite(cost):
        return np.inf
    for n in range(len(theta)):
        score = scalar_product(jacobian_nw[n], power, n_bins)
        work.scores[1, n] = averages * score
        for m in range(n + 1):
            information = averages * scalar_product(jacobian_nw[n], jacobian_nw[m], n_bins)
            work.fishers[1, n, m] = work.fishers[1, m, n] = information
    return averages * cost
