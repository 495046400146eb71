"""Temperatures at which modes become soft: ω²(T) = 0.

Mean-field theory has ω² ∝ T − T_c for the mode that drives a transition (Cochran, Adv. Phys. 9,
387 (1960)). ω²(T) of every set of modes is a polynomial in T, of first order unless a higher
one predicts runs left out better, and T_c is its zero nearest to the runs. To first order the
variance of T_c is that of ω² at T_c over the square of the slope. A zero is resolved if the
slope there is significant: otherwise the interval of possible T_c has no bounds (Fieller 1954).
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.modes import DECISIVE
from trajmodes.thermo.series.interpolation import Conditions, Trend, best_order, polynomial

_REACH = 0.5
"""Part of the range of temperatures by which a zero may lie outside it."""

_GRID = 81
"""Temperatures of the curves."""


@dataclass(frozen=True, slots=True)
class SoftModes:
    """Zeros of ω²(T) of sets of modes (g)."""

    temperature: Floats
    """(g,), unit: K. Zero of ω² within or near the range of the runs; nan without one."""
    temperature_sem: Floats
    """(g,), unit: K. nan where unknown."""
    orders: tuple[int, ...]
    """(g,) order of each polynomial."""
    verdicts: tuple[str, ...]
    """(g,) ``resolved``, ``not resolved`` with the reason, or empty without a zero."""
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
    n_sets = squares.shape[1]
    found = np.full((2, n_sets), np.nan)
    orders, verdicts, curves, curve_sems = [], [], [], []
    grid = np.linspace(*_within(conditions), _GRID)
    for g in range(n_sets):
        own, error = squares[:, g : g + 1], None if sems is None else sems[:, g : g + 1]
        trend = polynomial(conditions, own, error, best_order(conditions, own, error))
        zero = _zero(trend)
        orders.append(trend.order)
        curve, curve_sem = trend.at(grid)
        curves.append(curve[:, 0])
        curve_sems += [] if curve_sem is None else [curve_sem[:, 0]]
        if zero is None:
            verdicts.append(_without_zero(trend))
            continue
        found[:, g], verdict = _judged(trend, zero)
        verdicts.append(verdict)
    return SoftModes(
        temperature=found[0],
        temperature_sem=found[1],
        orders=tuple(orders),
        verdicts=tuple(verdicts),
        grid=grid,
        curve=np.stack(curves, axis=1),
        curve_sem=np.stack(curve_sems, axis=1) if curve_sems else None,
    )


def _within(conditions: Conditions) -> tuple[float, float]:
    """Temperatures within which a zero is sought."""
    low, high = conditions.span
    reach = _REACH * (high - low)
    return max(0.0, low - reach), high + reach


def _zero(trend: Trend) -> float | None:
    """Zero of the polynomial nearest to the range, if it is within reach of it."""
    low, high = trend.conditions.span
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    powers = trend.coefficients[0, : trend.order + 1]
    if trend.order == 0:
        return None
    roots = np.roots(powers[::-1])
    kelvin = middle + half * roots[np.abs(roots.imag) < 1e-9].real
    least, most = _within(trend.conditions)
    kelvin = kelvin[(kelvin > least) & (kelvin < most)]
    if not len(kelvin):
        return None
    outside = np.maximum(low - kelvin, 0.0) + np.maximum(kelvin - high, 0.0)
    return float(kelvin[np.lexsort((np.abs(kelvin - middle), outside))[0]])


def _without_zero(trend: Trend) -> str:
    """Judge a polynomial without a zero: its ω² may be zero within its error."""
    square, sem = trend.at(trend.conditions.temperatures)
    if sem is None or (np.abs(square) > DECISIVE * sem).any():
        return ""
    return "not resolved: ω² is zero within its error at all temperatures"


def _judged(trend: Trend, zero: float) -> tuple[tuple[float, float], str]:
    """T_c with its error, and the verdict on it."""
    place = np.array([zero])
    _, sem = trend.at(place)
    slope, slope_sem = trend.slope(place)
    if sem is None or slope_sem is None:
        return (zero, np.nan), "not resolved: the errors of the runs are unknown"
    error = float(sem[0, 0] / abs(slope[0, 0]))
    low, high = trend.conditions.span
    if abs(slope[0, 0]) <= DECISIVE * slope_sem[0, 0]:
        return (zero, error), "not resolved: the slope of ω² is zero within its error"
    if error > high - low:
        return (zero, error), "not resolved: the error exceeds the range of the runs"
    return (zero, error), "resolved"
