"""Temperatures at which modes become soft: ω²(T) = 0.

Mean-field theory has ω² ∝ T − T_c for the mode that drives a transition (Cochran, Adv. Phys. 9,
387 (1960)). ω²(T) of every set of modes is a polynomial in T, of first order unless a higher
one predicts runs left out better, and T_c is its zero nearest to the runs. To first order the
variance of T_c is that of ω² at T_c over the square of the slope. A zero is resolved if the
slope there is significant: otherwise the interval of possible T_c has no bounds (Fieller 1954).
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.modes import DECISIVE
from trajmodes.thermo.series.interpolation import Conditions, Trend, best_orders, polynomial

_REACH = 1.0
"""Part of the range of temperatures by which a zero may lie outside it."""
RESOLVED = "resolved"
EXTRAPOLATED = "resolved, by extrapolation"
_VANISHING = "not resolved: ω² is zero within its error at all temperatures"

_GRID = 301
"""Temperatures of the curves."""


@dataclass(frozen=True, slots=True)
class SoftModes:
    """Zeros of ω²(T) of sets of modes (g)."""

    temperature: Floats
    """(g,), unit: K. Zero of ω² within or near the range of the runs; nan without one."""
    temperature_sem: Floats
    """(g,), unit: K. nan where unknown."""
    orders: Ints
    """(g,) order of each polynomial."""
    verdicts: tuple[str, ...]
    """(g,) resolved, within the range of the runs or by extrapolation; not resolved, with the
    reason; or empty without a zero."""
    grid: Floats
    """(t,), unit: K. Temperatures within which zeros are sought."""
    curve: Floats
    """(t, g) ω² of the polynomials."""
    curve_sem: Floats | None
    """(t, g)."""


def soft_modes(conditions: Conditions, squares: Floats, sems: Floats | None) -> SoftModes:
    """Find the temperatures at which modes become soft.

    Parameters
    ----------
    squares
        (r, g) ω² of the sets in the runs, negative for imaginary modes.
    sems
        (r, g) their standard errors.
    """
    orders = best_orders(conditions, squares, sems)
    grid = np.linspace(*_within(conditions), _GRID)
    zero, zero_sem = np.full((2, len(orders)), np.nan)
    curve, curve_sem = np.empty((2, _GRID, len(orders)))
    verdicts = [""] * len(orders)
    for order in np.unique(orders).tolist():
        own = np.flatnonzero(orders == order)
        errors = None if sems is None else sems[:, own]
        trend = polynomial(conditions, squares[:, own], errors, order)
        curve[:, own], error = trend.at(grid)
        curve_sem[:, own] = np.nan if error is None else error
        zero[own], zero_sem[own], found = _zeros(trend, has_errors=sems is not None)
        for g, verdict in zip(own.tolist(), found, strict=True):
            verdicts[g] = verdict
    return SoftModes(
        temperature=zero,
        temperature_sem=zero_sem,
        orders=orders,
        verdicts=tuple(verdicts),
        grid=grid,
        curve=curve,
        curve_sem=None if sems is None else curve_sem,
    )


def _within(conditions: Conditions) -> tuple[float, float]:
    """Temperatures within which a zero is sought."""
    low, high = conditions.span
    reach = _REACH * (high - low)
    return max(0.0, low - reach), high + reach


def _zeros(trend: Trend, *, has_errors: bool) -> tuple[Floats, Floats, list[str]]:
    """T_c (g,) of polynomials of one order, their errors, and verdicts."""
    zero = np.array([_zero(trend, one) for one in trend.coefficients[:, : trend.order + 1]])
    known = np.isfinite(zero)
    places = np.where(known, zero, trend.conditions.span[0])
    value_at, sem_at = trend.at(trend.conditions.temperatures)
    if not has_errors or sem_at is None:
        text = "not resolved: the errors of the runs are unknown"
        return zero, np.full(len(zero), np.nan), [text if one else "" for one in known]
    _, sem = _each(trend, trend.conditions.rows(trend.order, places))
    slope, slope_sem = _each(trend, trend.conditions.slope_rows(trend.order, places))
    steep = np.abs(slope)
    error = np.where(known, sem / np.where(steep > 0.0, steep, np.inf), np.nan)
    is_steep = steep > DECISIVE * slope_sem
    vanishes = (np.abs(value_at) / DECISIVE - sem_at).max(axis=0) <= 0.0
    low, high = trend.conditions.span
    verdicts = []
    for g in range(len(zero)):
        if not known[g]:
            verdicts.append(_VANISHING if vanishes[g] else "")
        elif not is_steep[g]:
            verdicts.append("not resolved: the slope of ω² is zero within its error")
        elif error[g] > high - low:
            verdicts.append("not resolved: the error exceeds the range of the runs")
        else:
            verdicts.append(RESOLVED if low <= zero[g] <= high else EXTRAPOLATED)
    return zero, error, verdicts


def _each(trend: Trend, rows: Floats) -> tuple[Floats, Floats]:
    """Values (g,) of the polynomials, each with a row (g, k) of its own, and their errors."""
    assert trend.covariance is not None
    values = np.einsum("gk,gk->g", rows, trend.coefficients)
    variance = np.einsum("gk,gkl,gl->g", rows, trend.covariance, rows)
    return values, np.sqrt(np.maximum(variance, 0.0)) * trend.widening


def _zero(trend: Trend, powers: Floats) -> float:
    """Zero of the polynomial nearest to the range; nan if none is within reach of it."""
    low, high = trend.conditions.span
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    if len(powers) == 1:
        return np.nan
    roots = np.roots(powers[::-1])
    kelvin = middle + half * roots[np.abs(roots.imag) < 1e-9].real
    least, most = _within(trend.conditions)
    kelvin = kelvin[(kelvin > least) & (kelvin < most)]
    if not len(kelvin):
        return np.nan
    outside = np.maximum(low - kelvin, 0.0) + np.maximum(kelvin - high, 0.0)
    return float(kelvin[np.lexsort((np.abs(kelvin - middle), outside))[0]])
