"""Frequencies and widths of spectral lines of several runs as functions of temperature.

ω(T) of each set of modes is an average of polynomials through the runs that resolve its line.
"""

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.series.lines import LineTrends
from trajmodes.thermo.series.conditions import SAME_TEMPERATURE, Conditions
from trajmodes.thermo.series.interpolation import all_polynomials, averaged, basis_weights
from trajmodes.thermo.series.widths import width_laws

_CURVE = 61
"""Temperatures of the fitted curves."""
_LEAST = 2
"""Runs that resolve a line whose frequency is fitted."""
_LEAST_RANGE = 2.0 * SAME_TEMPERATURE
"""Relative range of their temperatures."""


def line_trends(temperatures: Floats, lines: Floats) -> LineTrends:
    """Fit ω(T) and Γ ∝ Tⁿ to spectral lines of the same modes.

    Parameters
    ----------
    temperatures
        (r,) in K.
    lines
        (4, r, g) ω, its error, linewidth and its error, in rad/ps; nan where not resolved.

    Raises
    ------
    DataError
        If all runs are at one temperature.
    """
    omega, omega_sem = lines[:2]
    n_sets = omega.shape[1]
    # This refuses runs of one temperature.
    low, high = Conditions(temperatures, np.ones(len(temperatures))).span
    grid = np.linspace(low, high, _CURVE)
    curve, curve_sem = np.full((2, _CURVE, n_sets), np.nan)
    slope, slope_sem = np.full((2, n_sets), np.nan)
    known = np.isfinite(omega) & (omega_sem > 0.0)
    for runs in np.unique(known, axis=1).T:
        own = np.flatnonzero((known == runs[:, None]).all(axis=0))
        kelvin = temperatures[runs]
        if len(kelvin) < _LEAST or np.ptp(kelvin) < _LEAST_RANGE * kelvin.max():
            continue
        conditions = Conditions(kelvin, np.ones(len(kelvin)))
        trends = all_polynomials(conditions, omega[runs][:, own], omega_sem[runs][:, own])
        trend = averaged(trends, basis_weights(trends, has_errors=True))
        inside = np.flatnonzero((grid >= kelvin.min()) & (grid <= kelvin.max()))
        place = np.ix_(inside, own)
        curve[place], sem = trend.at(grid[inside])
        at, at_sem = trend.slope(np.array([conditions.middle]))
        slope[own] = at[0]
        if sem is not None and at_sem is not None:
            curve_sem[place], slope_sem[own] = sem, at_sem[0]
    laws = width_laws(temperatures, lines[2], lines[3])
    return LineTrends(
        line=omega,
        line_sem=omega_sem,
        linewidth=lines[2],
        linewidth_sem=lines[3],
        curve_temperatures=grid,
        curve=curve,
        curve_sem=curve_sem,
        slope=slope,
        slope_sem=slope_sem,
        exponent=laws.exponent,
        exponent_sem=laws.exponent_sem,
        exponent_mean=laws.mean,
        exponent_mean_sem=laws.mean_sem,
    )
