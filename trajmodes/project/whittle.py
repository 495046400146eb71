"""Whittle likelihood of many lines at once, by Fisher scoring.

A periodogram I averaged N times is gamma-distributed about its expectation S, so

    −ln L = N Σ_w (ln S_w + I_w/S_w),     S = e^{a} M(ω₀, γ; f_w)

with M the windowed oscillator of `oscillator`. With J = ∂ ln S the score is N Σ J (I/S − 1)
and the Fisher matrix N Σ J Jᵀ; a step is taken where the likelihood rises, else damped
(Levenberg, Marquardt). All lines go through the loop together; padded bins weigh nothing.

Bins of a Hann-windowed segment are correlated: corr(I_w, I_{w+1}) = (2/3)², corr(I_w, I_{w+2})
= (1/6)². The covariance of the estimate is therefore F⁻¹ G F⁻¹ with G the covariance of the
score, not F⁻¹.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.oscillator import expected_power
from trajmodes.project.window import resolution_thz
from trajmodes.units import THZ

__all__ = ["Lines", "Observed", "fit_whittle"]

_NARROWEST = 1e-3
"""Least width that is tried, in resolutions."""
_MOST_STEPS = 60
_NEIGHBOURS = (1.0, 4.0 / 9.0, 1.0 / 36.0)


@dataclass(frozen=True, slots=True)
class Observed:
    """Spectra around each line, on consecutive bins padded to one length."""

    bins: Ints
    """(g, w) frequency bins."""
    inside: Bools
    """(g, w) which of them count."""
    power: Floats
    """(g, w) averaged one-sided periodogram; 1 where it does not count."""
    averages: Floats
    """(g,) number of independent periodograms in the mean."""
    segment_frames: int
    """Frames in a segment."""
    interval_ps: float
    """Time between frames."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Fitted lines. Parameters (n) are ln area, ω₀ in rad/ps and ln γ."""

    parameters: Floats
    """(g, n)."""
    covariance: Floats
    """(g, n, n), correlation of bins allowed for."""
    goodness: Floats
    """(g,) reduced Pearson χ²."""
    goodness_sem: Floats
    """(g,) its standard deviation if the model is true."""
    converged: Bools
    """(g,) whether the last step was smaller than 1e-3 standard errors."""


def fit_whittle(observed: Observed, start: Floats) -> Lines:
    """Fit one line to each spectrum.

    Parameters
    ----------
    observed
        The spectra.
    start
        (g, n) first guess.
    """
    theta, damping = start.copy(), np.full(len(start), 1e-3)
    resolution = resolution_thz(observed.segment_frames, observed.interval_ps)
    narrowest = np.log(_NARROWEST * resolution * THZ)
    cost, score, fisher = _likelihood(observed, theta)
    converged = np.zeros(len(start), dtype=bool)
    for _ in range(_MOST_STEPS):
        stiff = fisher * (1.0 + damping[:, None, None] * np.eye(theta.shape[1]))
        step = np.linalg.solve(stiff, score[..., None])[..., 0]
        step /= np.maximum(1.0, np.abs(step) / _longest_step(theta)).max(axis=1)[:, None]
        # A line without width would run to ln γ = −∞; far below the resolution all look alike.
        step[:, 2] = np.maximum(step[:, 2], np.minimum(narrowest - theta[:, 2], 0.0))
        converged = np.einsum("gm,gmn,gn->g", step, fisher, step) < 1e-6
        if converged.all():
            break
        tried = theta + np.where(converged[:, None], 0.0, step)
        new_cost, new_score, new_fisher = _likelihood(observed, tried)
        better = new_cost <= cost
        theta = np.where(better[:, None], tried, theta)
        cost = np.where(better, new_cost, cost)
        score = np.where(better[:, None], new_score, score)
        fisher = np.where(better[:, None, None], new_fisher, fisher)
        damping = np.clip(np.where(better, 0.2 * damping, 10.0 * damping), 1e-9, 1e9)
    return _summary(observed, theta, converged)


def _longest_step(theta: Floats) -> Floats:
    """Keep logarithms within a factor of e and ω₀ within a tenth of itself and a width."""
    one = np.ones(len(theta))
    width = 0.1 * theta[:, 1] + 0.5 * np.exp(theta[:, 2])
    return np.stack([one, width, one], axis=1)


def _model(observed: Observed, theta: Floats) -> tuple[Floats, Floats]:
    """Logarithm of S (g, w) and its derivatives (g, n, w), zero where bins do not count."""
    shape, slopes = expected_power(
        theta[:, 1],
        np.exp(theta[:, 2]),
        observed.bins,
        observed.segment_frames,
        observed.interval_ps,
    )
    positive = np.maximum(shape, 1e-300)
    log_power = np.where(observed.inside, theta[:, :1] + np.log(positive), 0.0)
    slopes /= positive[:, None]
    jacobian = np.concatenate([np.ones_like(slopes[:, :1]), slopes], axis=1)
    return log_power, jacobian * observed.inside[:, None]


def _likelihood(observed: Observed, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """−ln L, score and Fisher matrix of each line."""
    log_power, jacobian_gnw = _model(observed, theta)
    ratio = observed.power * np.exp(-log_power)
    count = observed.averages
    cost = count * ((log_power + ratio) * observed.inside).sum(axis=1)
    score = count[:, None] * np.einsum("gnw,gw->gn", jacobian_gnw, ratio - 1.0)
    fisher = count[:, None, None] * (jacobian_gnw @ jacobian_gnw.swapaxes(1, 2))
    return np.where(np.isfinite(cost), cost, np.inf), score, fisher


def _summary(observed: Observed, theta: Floats, converged: Bools) -> Lines:
    log_power, jacobian_gnw = _model(observed, theta)
    count = observed.averages
    fisher = jacobian_gnw @ jacobian_gnw.swapaxes(1, 2)
    spread = np.zeros_like(fisher)
    for distance, correlation in enumerate(_NEIGHBOURS):
        size = jacobian_gnw.shape[2] - distance
        product = jacobian_gnw[..., :size] @ jacobian_gnw[..., distance:].swapaxes(1, 2)
        symmetric = product if distance == 0 else product + product.swapaxes(1, 2)
        spread += correlation * symmetric
    # A line that ran away from its spectrum has no finite information: it has not converged.
    sound: Bools = np.all(np.isfinite(fisher + spread), axis=(1, 2))
    converged = converged & sound
    fisher = np.where(sound[:, None, None], fisher, np.eye(fisher.shape[1]))
    inverse = np.linalg.pinv(fisher, hermitian=True)
    covariance = inverse @ spread @ inverse / count[:, None, None]
    n_bins = observed.inside.sum(axis=1)
    misfit = (observed.power * np.exp(-log_power) - 1.0) * observed.inside
    # What the fit takes out of Σ N (I/S − 1)², when neighbours are correlated.
    taken = np.einsum("gmn,gnm->g", inverse, spread)
    freedom = np.maximum(n_bins - taken, 1.0)
    # var of each N(I/S − 1)² is 2 + 6/N; neighbours share the squares of their correlations.
    shared = 1.0 + 2.0 * sum(correlation**2 for correlation in _NEIGHBOURS[1:])
    return Lines(
        parameters=theta,
        covariance=covariance,
        goodness=count * (misfit**2).sum(axis=1) / freedom,
        goodness_sem=np.sqrt((2.0 + 6.0 / count) * shared / freedom),
        converged=converged,
    )
