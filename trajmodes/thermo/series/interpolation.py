"""Polynomials in temperature through quantities of several runs.

A quantity y of run i has the temperature T_i and the variance s_i². The runs are independent.
With the design matrix X, whose columns are the powers of the scaled temperature and, if there
are runs of several volumes at one temperature, ln V, generalised least squares gives

    c = A y,  A = (Xᵀ S⁻¹ X)⁻¹ Xᵀ S⁻¹,  S = diag(s_i²).

Leaving out run i changes its residual r_i to r_i/(1 − h_i) with the leverage h = diag(X A)
(Allen, Technometrics 16, 125 (1974)). The order of the polynomial is the lowest one whose
leave-one-out error Σ_i r_i²/(1 − h_i)²s_i² exceeds the smallest by less than the standard error
of the difference over the runs (Breiman et al., Classification and Regression Trees, 1984,
§3.4.3). χ² = Σ r_i²/s_i² decides whether the polynomial describes the runs: where its
probability is below 5 %, standard errors are multiplied by √(χ²/ν) (Birge 1932).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError

SAME_TEMPERATURE = 0.02
"""Relative difference below which two runs have the same temperature."""
_SAME_VOLUME = 1e-3
"""Difference of ln V below which two runs have the same volume."""
_HIGHEST = 3
"""Highest order of a polynomial."""
_UNDETERMINED = 1e100
"""Error in place of that of a run that the others do not determine."""
_DOUBTFUL = 0.05
"""Probability of χ² below which standard errors are widened."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Temperatures and volumes of the runs (r) of a series.

    Raises
    ------
    DataError
        If all runs are at one temperature and volume.
    """

    temperatures: Floats
    """(r,), unit: K."""
    volumes: Floats
    """(r,), unit: Å³. Volume of the primitive cell."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, temperatures="r", volumes="r")
        if self.n_temperatures < 2 and not self.is_separable:
            kelvin = ", ".join(f"{one:.4g}" for one in self.temperatures)
            raise DataError(
                f"a series needs runs at two temperatures or more, and these are at {kelvin} K",
                fix="add runs at other temperatures, or of other volumes",
            )

    @property
    def n_temperatures(self) -> int:
        """Number of different temperatures."""
        ordered = np.sort(self.temperatures)
        return 1 + int((np.diff(ordered) > SAME_TEMPERATURE * ordered[1:]).sum())

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest temperature in K."""
        return float(self.temperatures.min()), float(self.temperatures.max())

    @property
    def volume(self) -> float:
        """Geometric mean of the volumes in Å³, the reference where they are separate."""
        return float(np.exp(np.log(self.volumes).mean()))

    @property
    def is_isochoric(self) -> bool:
        """Whether all runs have one volume."""
        return float(np.ptp(np.log(self.volumes))) < _SAME_VOLUME

    @property
    def is_separable(self) -> bool:
        """Whether runs of one temperature have different volumes."""
        kelvin, log_v = self.temperatures, np.log(self.volumes)
        near = np.abs(kelvin[:, None] - kelvin) <= SAME_TEMPERATURE * kelvin
        far = np.abs(log_v[:, None] - log_v) > _SAME_VOLUME
        return bool((near & far).any())

    @property
    def lowest_order(self) -> int:
        """Lowest order of a polynomial in T: a straight line, if there are two temperatures."""
        return min(1, self.n_temperatures - 1)

    @property
    def highest_order(self) -> int:
        """Highest order of a polynomial in T: one that leaves a degree of freedom, or 1."""
        free = len(self.temperatures) - 2 - int(self.is_separable)
        return max(self.lowest_order, min(_HIGHEST, self.n_temperatures - 1, free))

    def rows(self, order: int, kelvin: Floats) -> Floats:
        """(t, k) rows of the design matrix at temperatures (t), at the reference volume."""
        powers = self._scaled(kelvin)[:, None] ** np.arange(order + 1)
        volume = np.zeros((len(powers), int(self.is_separable)))
        rows: Floats = np.hstack([powers, volume])
        return rows

    def slope_rows(self, order: int, kelvin: Floats) -> Floats:
        """(t, k) derivatives of the rows with respect to T, in 1/K; nan for one temperature."""
        if self.n_temperatures < 2:
            return np.full((len(kelvin), order + 1 + int(self.is_separable)), np.nan)
        steps = np.arange(order + 1)
        powers = steps * self._scaled(kelvin)[:, None] ** np.maximum(steps - 1, 0)
        volume = np.zeros((len(powers), int(self.is_separable)))
        rows: Floats = np.hstack([powers, volume]) / self._half_span
        return rows

    def design(self, order: int) -> Floats:
        """(r, k) design matrix; the last column is ln V/V0 where volumes are separate."""
        rows = self.rows(order, self.temperatures)
        if self.is_separable:
            rows[:, -1] = np.log(self.volumes / self.volume)
        return rows

    @property
    def _half_span(self) -> float:
        low, high = self.span
        return 0.5 * (high - low) if self.n_temperatures > 1 else max(high, 1.0)

    def _scaled(self, kelvin: Floats) -> Floats:
        low, high = self.span
        return (kelvin - 0.5 * (low + high)) / self._half_span


@dataclass(frozen=True, slots=True)
class Trend:
    """Polynomials through quantities (g) of a series of runs."""

    conditions: Conditions
    order: int
    solution: Floats
    """(g, k, r) matrix A of each quantity, or (1, k, r) one for all."""
    coefficients: Floats
    """(g, k) of the scaled temperature, and of ln V where volumes are separate."""
    covariance: Floats | None
    """(g, k, k), or (1, k, k). None without errors of the runs, and where the runs leave no
    degree of freedom to estimate them from the scatter."""
    chi2: Floats
    """(g,) χ² in units of the variances of the runs."""
    probability: Floats
    """(g,) probability of a larger χ²; nan without errors of the runs or degrees of freedom."""

    @property
    def n_free(self) -> int:
        """Degrees of freedom."""
        return len(self.conditions.temperatures) - int(self.coefficients.shape[1])

    @property
    def widening(self) -> Floats:
        """(g,) factor of the standard errors: √(χ²/ν) where χ² is improbable, otherwise 1."""
        doubtful = self.probability < _DOUBTFUL
        return np.where(doubtful, np.sqrt(self.chi2 / max(1, self.n_free)), 1.0)

    def weights(self, kelvin: float) -> Floats:
        """(g, r) weights of the runs in the value at a temperature."""
        row = self.conditions.rows(self.order, np.array([kelvin]))[0]
        weights: Floats = row @ self.solution
        return weights

    def at(self, kelvin: Floats) -> tuple[Floats, Floats | None]:
        """(t, g) values at temperatures (t), and their standard errors."""
        return self._evaluated(self.conditions.rows(self.order, kelvin))

    def slope(self, kelvin: Floats) -> tuple[Floats, Floats | None]:
        """(t, g) derivatives with respect to T, per K, and their standard errors.

        nan for runs of one temperature.
        """
        return self._evaluated(self.conditions.slope_rows(self.order, kelvin))

    def volume_slope(self) -> tuple[Floats, Floats | None]:
        """(g,) derivatives with respect to ln V, and their standard errors.

        Raises
        ------
        DataError
            If temperature and volume vary together.
        """
        if not self.conditions.is_separable:
            raise DataError(
                "temperature and volume are not separable",
                why="no two runs of one temperature have different volumes",
                fix="add a run of another volume at one of the temperatures",
            )
        row = np.zeros((1, self.coefficients.shape[1]))
        row[0, -1] = 1.0
        value, sem = self._evaluated(row)
        return value[0], None if sem is None else sem[0]

    def _evaluated(self, rows: Floats) -> tuple[Floats, Floats | None]:
        values: Floats = rows @ self.coefficients.T
        if self.covariance is None:
            return values, None
        variance = np.einsum("tk,gkl,tl->tg", rows, self.covariance, rows, optimize=True)
        sem: Floats = np.sqrt(np.maximum(variance, 0.0)) * self.widening
        return values, sem


def polynomial(
    conditions: Conditions, values: Floats, sems: Floats | None, order: int
) -> Trend:
    """Fit polynomials of one order.

    Parameters
    ----------
    values
        (r, g) quantities of the runs.
    sems
        (r, g) their standard errors, or (r, 1) relative ones that all quantities share. Without
        them all runs have the same weight, and errors come from the scatter about the fit.

    Raises
    ------
    DataError
        If there are fewer runs than coefficients, or an error is not positive.
    """
    x_rk = conditions.design(order)
    if len(x_rk) < x_rk.shape[1]:
        raise DataError(f"{len(x_rk)} runs do not determine {x_rk.shape[1]} coefficients")
    known = np.ones((len(x_rk), 1)) if sems is None else sems
    if not (known > 0.0).all():
        raise DataError("a standard error of a run is not positive")
    solution, inverse = _solution(x_rk, known)
    coefficients = np.einsum("gkr,rg->gk", *_both(solution, values))
    residual = (values - x_rk @ coefficients.T) / known
    chi2 = (residual**2).sum(axis=0)
    n_free = len(x_rk) - x_rk.shape[1]
    probability = np.full(len(chi2), np.nan)
    covariance: Floats | None = inverse
    if sems is None:
        covariance = inverse * (chi2 / n_free)[:, None, None] if n_free else None
    elif n_free:
        probability = chdtrc(n_free, chi2)
    return Trend(conditions, order, solution, coefficients, covariance, chi2, probability)


def leave_one_out(
    conditions: Conditions, values: Floats, sems: Floats | None, order: int
) -> Floats:
    """Compute the squared error (r, g) of each run left out, in units of its variance.

    See `polynomial` for the parameters. It is infinite where the others do not determine the
    run.
    """
    x_rk = conditions.design(order)
    known = np.ones((len(x_rk), 1)) if sems is None else sems
    solution, _ = _solution(x_rk, known)
    fitted = np.einsum("rk,gks,sg->rg", x_rk, *_both(solution, values), optimize=True)
    free_rg = 1.0 - np.einsum("rk,gkr->rg", x_rk, solution)
    determined = free_rg > 1e-9
    error = (values - fitted) / (known * np.where(determined, free_rg, 1.0))
    squared: Floats = np.where(determined, error**2, np.inf)
    return squared


def best_order(conditions: Conditions, values: Floats, sems: Floats | None) -> int:
    """Choose one order for all quantities by the leave-one-out error, see the module."""
    scores = _scores(conditions, values, sems).mean(axis=2, keepdims=True)
    return int(_chosen(scores)[0]) + conditions.lowest_order


def best_orders(conditions: Conditions, values: Floats, sems: Floats | None) -> Ints:
    """Choose an order for each quantity (g,)."""
    return _chosen(_scores(conditions, values, sems)) + conditions.lowest_order


def _scores(conditions: Conditions, values: Floats, sems: Floats | None) -> Floats:
    """(o, r, g) leave-one-out errors of all orders."""
    orders = range(conditions.lowest_order, conditions.highest_order + 1)
    return np.stack([leave_one_out(conditions, values, sems, order) for order in orders])


def _chosen(scores: Floats) -> Ints:
    """(g,) lowest order whose error exceeds the smallest by less than its standard error."""
    finite = np.where(np.isfinite(scores), scores, _UNDETERMINED)
    best = finite.mean(axis=1).argmin(axis=0)
    excess = finite - np.take_along_axis(finite, best[None, None], axis=0)
    error = excess.std(axis=1, ddof=1) / np.sqrt(excess.shape[1])
    is_known = np.isfinite(scores).all(axis=1)
    admissible = (excess.mean(axis=1) <= error) & is_known
    # Where the runs determine no order without one of them, the lowest is taken.
    chosen: Ints = admissible.argmax(axis=0)
    return chosen


def leave_one_out_by_order(
    conditions: Conditions, values: Floats, sems: Floats | None
) -> Floats:
    """Compute the mean leave-one-out error (o,) of each order from the lowest one."""
    mean: Floats = _scores(conditions, values, sems).mean(axis=(1, 2))
    return mean


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
