"""Whittle likelihood of many lines at once, by Fisher scoring.

A periodogram I averaged N times is gamma-distributed about its expectation S, so

    −ln L = N Σ_w (ln S_w + I_w/S_w)

with S one of the shapes of `models`. `fisher_scoring` finds its minimum.

Bins of a Hann-windowed segment are correlated: corr(I_w, I_{w+1}) = (2/3)², corr(I_w, I_{w+2})
= (1/6)². The covariance of the estimate is therefore F⁻¹ G F⁻¹ with G the covariance of the
score, not the inverse F⁻¹ of the Fisher matrix.
"""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.lineshape.fisher_scoring import Limits, Work, maximise_all
from trajmodes.project.lineshape.goodness_of_fit import NEIGHBOURS, largest_deviation
from trajmodes.project.lineshape.models import LineShape, Observed, model_of, places
from trajmodes.project.spectra.segments import resolution_of

_FAR_BEYOND = 4.0
"""Largest ω₀ and γ, in Nyquist frequencies."""
MOST_STEPS = 60
"""Largest number of steps of a fit."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Fitted lines. Parameters (n) are those of the shape."""

    parameters: Floats
    """(g, n)."""
    covariance: Floats
    """(g, n, n), correlation of bins allowed for."""
    cost: Floats
    """(g,) −ln L as if bins were independent."""
    reduced_chi2: Floats
    """(g,) reduced Pearson χ²."""
    reduced_chi2_sem: Floats
    """(g,) its standard deviation if the model is true."""
    deviation: Floats
    """(g,) largest misfit of a region, in standard deviations: see `reduced_chi2`."""
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
    resolution = resolution_of(observed.segment_frames, observed.interval_ps)
    highest = _FAR_BEYOND * np.pi / observed.interval_ps
    limits = Limits(resolution, highest, where.codes)
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
        reduced_chi2=count * (misfit**2).sum(axis=1) / freedom,
        reduced_chi2_sem=np.sqrt((2.0 + 6.0 / count) * shared / freedom),
        deviation=largest_deviation(observed, theta, misfit),
        converged=converged & sound,
    )
