"""Temperatures at which modes become soft: ω²(T) = 0.

Mean-field theory has ω² ∝ T − T_c for the mode that drives a transition (Cochran, Adv. Phys. 9,
387 (1960)). ω²(T) of every set of modes is an average of polynomials in T, whose error includes
that of the choice of the order, and T_c is its zero nearest to the runs. To first order the
variance of T_c is that of ω² at T_c over the square of the slope. A zero is resolved if the
slope is significant, at T_c or at the end of the range that is nearest to it: otherwise the
interval of possible T_c has no bounds (Fieller 1954).
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.modes import DECISIVE
from trajmodes.thermo.series.conditions import Conditions
from trajmodes.thermo.series.interpolation import (
    Trend,
    all_polynomials,
    averaged,
    basis_weights,
)

_REACH = 1.0
"""Part of the range of temperatures by which a zero may lie outside it."""
RESOLVED = "resolved"
EXTRAPOLATED = "resolved, by extrapolation"
_VANISHING = "not resolved: ω² is zero within its error at all temperatures"

_GRID = 301
"""Temperatures of the curves."""
_STEPS = 3
"""Newton steps from a zero of the straight line between two of them."""


@dataclass(frozen=True, slots=True)
class SoftModes:
    """Zeros of ω²(T) of sets of modes (g)."""

    temperature: Floats
    """(g,), unit: K. Zero of ω² within or near the range of the runs; nan without one."""
    temperature_sem: Floats
    """(g,), unit: K. nan where unknown."""
    orders: Ints
    """(g,) order in T of the polynomial of greatest weight."""
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
    trends = all_polynomials(conditions, squares, sems)
    weights = basis_weights(trends, has_errors=sems is not None)
    trend = averaged(trends, weights)
    powers = np.array([max(term[0] for term in basis) for basis in conditions.bases])
    grid = np.linspace(*_within(conditions), _GRID)
    curve, curve_sem = trend.at(grid)
    zero = _zeros(trend, grid, curve)
    error, verdicts = _judged(trend, zero, has_errors=sems is not None)
    return SoftModes(
        temperature=zero,
        temperature_sem=error,
        orders=powers[weights.argmax(axis=0)],
        verdicts=tuple(verdicts),
        grid=grid,
        curve=curve,
        curve_sem=None if sems is None else curve_sem,
    )


def _within(conditions: Conditions) -> tuple[float, float]:
    """Temperatures over which zeros are searched for."""
    low, high = conditions.span
    reach = _REACH * (high - low)
    return max(0.0, low - reach), high + reach


def _zeros(trend: Trend, grid: Floats, curve: Floats) -> Floats:
    """(g,) zero of each curve (t, g) nearest to the range of the runs; nan without one."""
    if trend.conditions.n_temperatures < 2:
        return np.full(curve.shape[1], np.nan)
    low, high = trend.conditions.span
    centre = 0.5 * (grid[1:] + grid[:-1])
    outside = np.maximum(low - centre, 0.0) + np.maximum(centre - high, 0.0)
    distance = outside * len(grid) + np.abs(centre - trend.conditions.middle)
    crossing = (curve[1:] > 0.0) != (curve[:-1] > 0.0)
    place = np.where(crossing, distance[:, None], np.inf).argmin(axis=0)
    start, end = grid[place], grid[place + 1]
    first, last = (np.take_along_axis(curve, place[None] + k, 0)[0] for k in (0, 1))
    exists = crossing.any(axis=0)
    fall = np.where(exists, first - last, 1.0)
    zero = start + (end - start) * first / fall
    for _ in range(_STEPS):
        value, _ = trend.each(trend.conditions.rows(trend.basis, zero))
        slope, _ = trend.each(trend.conditions.slope_rows(trend.basis, zero))
        step = value / np.where(slope == 0.0, np.inf, slope)
        zero = np.clip(zero - step, start, end)
    return np.where(exists, zero, np.nan)


def _judged(trend: Trend, zero: Floats, *, has_errors: bool) -> tuple[Floats, list[str]]:
    """Errors (g,) of T_c, and verdicts."""
    known = np.isfinite(zero)
    conditions = trend.conditions
    value_at, sem_at = trend.at(conditions.temperatures)
    if not has_errors or sem_at is None:
        text = "not resolved: the errors of the runs are unknown"
        return np.full(len(zero), np.nan), [text if one else "" for one in known]
    low, high = conditions.span
    places = np.where(known, zero, low)
    within = np.clip(places, low, high)
    _, sem = trend.each(conditions.rows(trend.basis, places))
    slope, _ = trend.each(conditions.slope_rows(trend.basis, places))
    inside, inside_sem = trend.each(conditions.slope_rows(trend.basis, within))
    assert sem is not None
    assert inside_sem is not None
    steep = np.abs(slope)
    error = np.where(known, sem / np.where(steep > 0.0, steep, np.inf), np.nan)
    is_steep = np.abs(inside) > DECISIVE * inside_sem
    vanishes = (np.abs(value_at) / DECISIVE - sem_at).max(axis=0) <= 0.0
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
    return error, verdicts
