"""Whittle likelihood of many lines at once, by Fisher scoring.

A periodogram I averaged N times is gamma-distributed about its expectation S, so

    −ln L = N Σ_w (ln S_w + I_w/S_w)

with S one of the `shapes`. With J = ∂ ln S the score is N Σ J (I/S − 1) and the Fisher matrix
N Σ J Jᵀ; a step is taken where the likelihood rises, else damped (Levenberg, Marquardt). All
lines go through the loop together, each until it has converged; padded bins weigh nothing.

Bins of a Hann-windowed segment are correlated: corr(I_w, I_{w+1}) = (2/3)², corr(I_w, I_{w+2})
= (1/6)². The covariance of the estimate is therefore F⁻¹ G F⁻¹ with G the covariance of the
score, not F⁻¹.
"""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.goodness import NEIGHBOURS, largest_stray
from trajmodes.project.shapes import (
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    Places,
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
    limits = _Limits.of(observed, places(shape))
    theta = limits.keep(start)
    damping = np.full(len(theta), 1e-3)
    converged = np.zeros(len(theta), dtype=bool)
    cost, score, fisher = _likelihood(observed, theta, shape)
    negative = np.flatnonzero(~np.isfinite(cost))
    if len(negative):
        theta[negative] = limits.positive(theta[negative])
        again = _likelihood(observed.at(negative), theta[negative], shape)
        cost[negative], score[negative], fisher[negative] = again
    for _ in range(steps):
        active = np.flatnonzero(~converged & np.isfinite(cost))
        now = theta[active]
        free = _step(now, score[active], fisher[active], damping[active])
        tried = limits.keep(now + limits.shorten(now, free))
        step = tried - now
        # What the step would be without damping is what must be small.
        size = np.einsum("gm,gmn,gn->g", step, fisher[active], step)
        converged[active] = size * (1.0 + damping[active]) ** 2 < 1e-6
        moving = ~converged[active]
        rows, tried = active[moving], tried[moving]
        if len(rows) == 0:
            break
        new_cost, new_score, new_fisher = _likelihood(observed.at(rows), tried, shape)
        better = new_cost <= cost[rows]
        damping[rows] = np.clip(damping[rows] * np.where(better, 0.2, 10.0), 1e-9, 1e9)
        rows = rows[better]
        theta[rows], cost[rows] = tried[better], new_cost[better]
        score[rows], fisher[rows] = new_score[better], new_fisher[better]
    return _summary(observed, theta, shape, converged)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Where parameters must stay: beyond, spectra do not change any more."""

    resolution: float
    """In rad/ps."""
    highest: float
    """Largest ω₀ and γ in rad/ps: far beyond the Nyquist frequency."""
    where: Places

    @staticmethod
    def of(observed: Observed, where: Places) -> "_Limits":
        resolution = resolution_thz(observed.segment_frames, observed.interval_ps)
        highest = _FAR_BEYOND * 0.5 / observed.interval_ps
        return _Limits(resolution * THZ, highest * THZ, where)

    def shorten(self, theta: Floats, step: Floats) -> Floats:
        """Let no step go further than the model is about linear.

        Logarithms stay within a factor of e, ω₀ within a tenth of itself and half a width.
        """
        longest = np.ones_like(theta)
        if self.where.baseline is not None:
            longest[:, self.where.baseline] = np.inf
        for first in self.where.lines:
            width = np.exp(theta[:, first + GAMMA])
            longest[:, first + OMEGA] = 0.1 * theta[:, first + OMEGA] + 0.5 * width
        factor: Floats = np.maximum(1.0, np.abs(step) / longest).max(axis=1)[:, None]
        return step / factor

    def positive(self, theta: Floats) -> Floats:
        """Leave out what may make a spectrum negative on a new range of bins."""
        plain = theta.copy()
        for place in (self.where.lean, self.where.baseline):
            if place is not None:
                plain[:, place] = 0.0
        return plain

    def keep(self, theta: Floats) -> Floats:
        """Bring parameters back to where they must stay."""
        kept = theta.copy()
        for first in self.where.lines:
            floor, roof = np.log([_NARROWEST * self.resolution, self.highest])
            kept[:, first + GAMMA] = np.clip(kept[:, first + GAMMA], floor, roof)
            lowest = _LOWEST * self.resolution
            # Half maxima ω± obey ω₊ω₋ = ω₀² and ω₊ − ω₋ = γ.
            least = np.sqrt(lowest * (lowest + np.exp(kept[:, first + GAMMA])))
            kept[:, first + OMEGA] = np.clip(kept[:, first + OMEGA], least, self.highest)
        if self.where.lean is not None:
            lean = kept[:, self.where.lean]
            kept[:, self.where.lean] = np.clip(lean, -_LARGEST_LEAN, _LARGEST_LEAN)
        return kept


def _step(theta: Floats, score: Floats, fisher: Floats, damping: Floats) -> Floats:
    """Damped step of Fisher scoring."""
    scale = np.sqrt(np.maximum(np.diagonal(fisher, axis1=1, axis2=2), 1e-300))
    scaled = fisher / (scale[:, :, None] * scale[:, None, :])
    # A parameter of which nothing is known, like ω₀ at zero, stays where it is.
    stiff = scaled + damping[:, None, None] * np.eye(theta.shape[1])
    step: Floats = np.linalg.solve(stiff, (score / scale)[..., None])[..., 0] / scale
    return step


def _likelihood(
    observed: Observed, theta: Floats, shape: LineShape
) -> tuple[Floats, Floats, Floats]:
    """−ln L, score and Fisher matrix of each line."""
    log_power, jacobian_gnw = _model(observed, theta, shape)
    with np.errstate(over="ignore"):
        ratio = observed.power * np.exp(-log_power)
    count = observed.averages
    cost = count * ((log_power + ratio) * observed.inside).sum(axis=1)
    score = count[:, None] * np.einsum(
        "gnw,gw->gn", jacobian_gnw, (ratio - 1.0) * observed.inside
    )
    fisher = count[:, None, None] * (jacobian_gnw @ jacobian_gnw.swapaxes(1, 2))
    return np.where(np.isfinite(cost), cost, np.inf), score, fisher


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
    sound &= np.isfinite(log_power).all(axis=1)
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
