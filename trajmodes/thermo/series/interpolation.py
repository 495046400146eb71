"""Polynomials in temperature and strain through quantities of several runs.

A quantity y of run i has the variance s_i². The runs are independent. With the design matrix X,
whose columns are products of powers of T, ln V and ln c/a (`conditions`), generalised least
squares gives

    c = A y,  A = (Xᵀ S⁻¹ X)⁻¹ Xᵀ S⁻¹,  S = diag(s_i²).

χ² = Σ r_i²/s_i² of the residuals r decides whether a polynomial describes the runs: if its
probability is below 5 %, standard errors are multiplied by √(χ²/ν) (Birge 1932).

The correct polynomial is unknown, and the error of a chosen one does not include this
uncertainty. All polynomials o that the runs determine are therefore averaged. Leaving out run i
changes its residual to r_i/(1 − h_i) with the leverage h = diag(X A) (Allen, Technometrics 16,
125 (1974)), and

    w_o ∝ exp(−R E_o/2),  E_o = 1/R Σ_i r_i²/(1 − h_i)²s_i²,

for R runs, or with R ln E_o in place of R E_o if their errors are unknown: weights of Akaike's
form, in which the error of runs left out replaces his criterion; both are equivalent for many
runs (Stone, J. R. Stat. Soc. B 39, 44 (1977)). The covariance of the average is Σ_o w_o [C_o +
(c_o − c)(c_o − c)ᵀ] (Buckland, Burnham and Augustin, Biometrics 53, 603 (1997)).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import chdtrc

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.thermo.series.conditions import Basis, Conditions

_DOUBTFUL = 0.05
"""Probability of χ² below which standard errors are widened."""
_ROUNDING = 1e-12
"""Part of the largest value below which residuals are rounding."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Polynomials through quantities (g) of a series of runs."""

    conditions: Conditions
    basis: Basis
    """Exponents of the terms (k)."""
    solution: Floats
    """(g, k, r) matrix A of each quantity, or (1, k, r) one for all."""
    coefficients: Floats
    """(g, k) of the scaled variables."""
    covariance: Floats | None
    """(g, k, k). None without errors of the runs, and where the runs leave no degree of freedom
    to estimate them from the scatter."""
    chi2: Floats
    """(g,) χ² in units of the variances of the runs."""
    probability: Floats
    """(g,) probability of a larger χ²; nan without errors of the runs or degrees of freedom."""
    widening: Floats
    """(g,) factor of the standard errors: √(χ²/ν) where χ² is improbable, otherwise 1. The
    covariance contains it."""
    left_out: Floats
    """(g,) mean square error of a run left out, in units of its variance; infinite where the
    others do not determine one."""

    @property
    def n_free(self) -> int:
        """Degrees of freedom."""
        return len(self.conditions.temperatures) - len(self.basis)

    def weights(self, kelvin: float, strains: Floats | None = None) -> Floats:
        """(g, r) weights of the runs in the value at a temperature."""
        row = self.conditions.rows(self.basis, np.array([kelvin]), strains)[0]
        weights: Floats = row @ self.solution
        return weights

    def at(self, kelvin: Floats, strains: Floats | None = None) -> tuple[Floats, Floats | None]:
        """(t, g) values at temperatures (t), and their standard errors."""
        return self._evaluated(self.conditions.rows(self.basis, kelvin, strains))

    def slope(self, kelvin: Floats) -> tuple[Floats, Floats | None]:
        """(t, g) derivatives with respect to T, per K, and their standard errors.

        They are nan for runs of one temperature.
        """
        return self._evaluated(self.conditions.slope_rows(self.basis, kelvin))

    def strain_slope(self, kelvin: Floats, name: str) -> tuple[Floats, Floats | None]:
        """(t, g) derivatives with respect to ln V or ln c/a, and their standard errors.

        Raises
        ------
        DataError
            If temperature and strain vary together.
        """
        return self._evaluated(self.conditions.strain_rows(self.basis, kelvin, name))

    def each(self, rows: Floats) -> tuple[Floats, Floats | None]:
        """(g,) values of linear forms (g, k) of the coefficients, and their errors."""
        values = np.einsum("gk,gk->g", rows, self.coefficients)
        if self.covariance is None:
            return values, None
        variance = np.einsum("gk,gkl,gl->g", rows, self.covariance, rows)
        return values, np.sqrt(np.maximum(variance, 0.0))

    def _evaluated(self, rows: Floats) -> tuple[Floats, Floats | None]:
        values: Floats = rows @ self.coefficients.T
        if self.covariance is None:
            return values, None
        variance = np.einsum("tk,gkl,tl->tg", rows, self.covariance, rows, optimize=True)
        sem: Floats = np.sqrt(np.maximum(variance, 0.0))
        return values, sem


def polynomial(
    conditions: Conditions, values: Floats, sems: Floats | None, basis: Basis
) -> Trend:
    """Fit polynomials with given terms.

    Parameters
    ----------
    values
        (r, g) quantities of the runs.
    sems
        (r, g) their standard errors, or (r, 1) relative errors common to all quantities.
        Without them all runs have the same weight, and errors follow from the scatter about the
        fit.

    Raises
    ------
    DataError
        If there are fewer runs than coefficients, or an error is not positive.
    """
    x_rk = conditions.design(basis)
    if len(x_rk) < x_rk.shape[1]:
        raise DataError(f"{len(x_rk)} runs do not determine {x_rk.shape[1]} coefficients")
    known = np.ones((len(x_rk), 1)) if sems is None else sems
    if not (known > 0.0).all():
        raise DataError("a standard error of a run is not positive")
    solution, inverse = _solution(x_rk, known)
    coefficients = np.einsum("gkr,rg->gk", *_both(solution, values))
    residual = (values - x_rk @ coefficients.T) / known
    rounding = _ROUNDING * np.abs(values / known).max(axis=0)
    chi2 = (residual**2).sum(axis=0)
    n_free = len(x_rk) - x_rk.shape[1]
    probability, widening = np.full(len(chi2), np.nan), np.ones(len(chi2))
    covariance: Floats | None = inverse
    if sems is None:
        covariance = inverse * (chi2 / n_free)[:, None, None] if n_free else None
    else:
        if n_free:
            probability = chdtrc(n_free, chi2)
            widening = np.where(probability < _DOUBTFUL, np.sqrt(chi2 / n_free), 1.0)
        covariance = inverse * widening[:, None, None] ** 2
    free_rg = 1.0 - np.einsum("rk,gkr->rg", x_rk, solution)
    determined = free_rg > _ROUNDING**0.5
    left_out = np.where(determined, residual / np.where(determined, free_rg, 1.0), np.inf)
    return Trend(
        *(conditions, basis, solution, coefficients, covariance, chi2, probability, widening),
        left_out=np.maximum((left_out**2).mean(axis=0), rounding**2),
    )


def basis_weights(
    trends: Sequence[Trend], *, has_errors: bool, shared: float | None = None
) -> Floats:
    """(o, g) weights of all polynomials of each quantity, see the module.

    Parameters
    ----------
    has_errors
        Whether the errors of the runs are known.
    shared
        Number of independent quantities. The weights are then (o, 1), common to all quantities,
        from the mean of the errors.
    """
    errors, count = np.stack([one.left_out for one in trends]), 1.0
    if shared is not None:
        errors, count = errors.mean(axis=1, keepdims=True), shared
    if not has_errors:
        errors = np.log(np.maximum(errors, np.finfo(float).tiny))
    # Where the runs determine no polynomial without one of them, the lowest is taken.
    least = errors.min(axis=0)
    excess = np.where(
        np.isfinite(least), errors - np.where(np.isfinite(least), least, 0.0), 0.0
    )
    n_runs = len(trends[0].conditions.temperatures)
    weights = np.exp(-0.5 * count * n_runs * excess)
    weights[1:] *= np.isfinite(least)
    normal: Floats = weights / weights.sum(axis=0)
    return normal


def all_polynomials(
    conditions: Conditions, values: Floats, sems: Floats | None
) -> tuple[Trend, ...]:
    """Fit each polynomial that the runs determine."""
    return tuple(polynomial(conditions, values, sems, one) for one in conditions.bases)


def averaged(trends: Sequence[Trend], weights: Floats) -> Trend:
    """Average polynomials with weights (o, g) or (o, 1); the result has the terms of all."""
    basis = tuple(dict.fromkeys(powers for one in trends for powers in one.basis))
    whole = [_with_terms(one, basis) for one in trends]
    coefficients = _mean(weights[..., None], [one.coefficients for one in whole])
    covariances = [one.covariance for one in whole if one.covariance is not None]
    covariance = None
    if len(covariances) == len(whole):
        each = [
            one + apart[:, :, None] * apart[:, None, :]
            for one, apart in zip(
                covariances, (one.coefficients - coefficients for one in whole), strict=True
            )
        ]
        covariance = _mean(weights[..., None, None], each)
    return Trend(
        trends[0].conditions,
        basis,
        _mean(weights[..., None, None], [one.solution for one in whole]),
        coefficients,
        covariance,
        _mean(weights, [one.chi2 for one in whole]),
        _mean(weights, [one.probability for one in whole]),
        _mean(weights, [one.widening for one in whole]),
        _mean(weights, [one.left_out for one in whole]),
    )


def _with_terms(trend: Trend, basis: Basis) -> Trend:
    """Polynomial with more terms, whose coefficients are zero."""
    place = [basis.index(powers) for powers in trend.basis]
    n, k = len(trend.coefficients), len(basis)
    coefficients = np.zeros((n, k))
    coefficients[:, place] = trend.coefficients
    solution = np.zeros((len(trend.solution), k, trend.solution.shape[2]))
    solution[:, place] = trend.solution
    covariance = None
    if trend.covariance is not None:
        covariance = np.zeros((n, k, k))
        covariance[:, np.array(place)[:, None], place] = trend.covariance
    return replace(
        trend, basis=basis, coefficients=coefficients, solution=solution, covariance=covariance
    )


def _mean(weights: Floats, values: Sequence[Floats]) -> Floats:
    """Sum of (o)(g, …) values with weights (o, g, …); values without weight may be nan."""
    return sum(
        np.where(weight > 0.0, weight * value, 0.0)
        for weight, value in zip(weights, values, strict=True)
    )  # type: ignore[return-value]


def _solution(x_rk: Floats, sems: Floats) -> tuple[Floats, Floats]:
    """Matrices A (g, k, r) and (Xᵀ S⁻¹ X)⁻¹ (g, k, k)."""
    weight_gr = sems.T**-2
    normal = np.einsum("rk,gr,rl->gkl", x_rk, weight_gr, x_rk, optimize=True)
    inverse = np.linalg.inv(normal)
    solution = np.einsum("gkl,rl,gr->gkr", inverse, x_rk, weight_gr, optimize=True)
    return solution, inverse


def _both(solution: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Give solution and values the same number of quantities."""
    return np.broadcast_to(solution, (values.shape[1], *solution.shape[1:])), values
