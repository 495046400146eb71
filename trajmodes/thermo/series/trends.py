"""Frequencies, linewidths and lattice parameters of a series as functions of temperature."""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.series.runs import SeriesRun
from trajmodes.data.series.trends import ElasticTrend, LatticeTrend, ModeTrends
from trajmodes.phonons.modes import signed_root
from trajmodes.thermo.elasticity import stiffness_of
from trajmodes.thermo.series.cells import conventional_lengths
from trajmodes.thermo.series.common import ConstantsTrend
from trajmodes.thermo.series.conditions import Conditions
from trajmodes.thermo.series.interpolation import (
    Trend,
    all_polynomials,
    averaged,
    basis_weights,
)
from trajmodes.thermo.series.modes import FollowedModes, lines_of
from trajmodes.thermo.series.soft_mode import soft_modes
from trajmodes.thermo.series.widths import width_laws

_ROUNDING = 1e-9
"""Part of the largest error that is rounding."""
_CURVE = 61
"""Temperatures of the fitted curves."""


def curve_temperatures(conditions: Conditions) -> Floats:
    """Temperatures (t,) from the lowest to the highest run, for curves."""
    low, high = conditions.span
    return np.linspace(low, high, _CURVE) if conditions.n_temperatures > 1 else np.array([low])


def mode_trends(
    conditions: Conditions,
    followed: FollowedModes,
    runs: Sequence[SeriesRun],
    constants: ConstantsTrend,
) -> ModeTrends:
    """Fit ω²(T) of every set of modes; the polynomials have the weights of the constants."""
    squares, sems = followed.squares, followed.squares_sem
    trend = averaged(all_polynomials(conditions, squares, sems), constants.basis_weights)
    curve, curve_sem = trend.at(curve_temperatures(conditions))
    slope, slope_sem = _frequency_slope(conditions, trend)
    gruneisen, gruneisen_sem = _gruneisen(conditions, trend, "ln V")
    axial, axial_sem = _gruneisen(conditions, trend, "ln c/a")
    soft = soft_modes(conditions, squares, sems)
    found: dict[str, Floats | float] = {}
    if any(run.lines is not None for run in runs):
        names = ("line", "line_sem", "linewidth", "linewidth_sem")
        lines = lines_of(followed, [run.lines for run in runs])
        found |= dict(zip(names, lines, strict=True))
        laws = width_laws(conditions.temperatures, lines[2], lines[3])
        found |= {"exponent": laws.exponent, "exponent_sem": laws.exponent_sem}
        found |= {"exponent_mean": laws.mean, "exponent_mean_sem": laws.mean_sem}
    return ModeTrends(
        sets=followed.sets,
        squared=squares,
        squared_sem=sems,
        curve_squared=curve,
        curve_squared_sem=curve_sem,
        probability=trend.probability,
        slope=slope,
        slope_sem=slope_sem,
        gruneisen=gruneisen,
        gruneisen_sem=gruneisen_sem,
        axial_gruneisen=axial,
        axial_gruneisen_sem=axial_sem,
        soft=soft.temperature,
        soft_sem=soft.temperature_sem,
        soft_order=soft.orders,
        soft_verdict=soft.verdicts,
        soft_grid=soft.grid,
        soft_curve=soft.curve,
        soft_curve_sem=soft.curve_sem,
        **found,  # type: ignore[arg-type]  # names of fields
    )


def elastic_trend(constants: ConstantsTrend) -> ElasticTrend:
    """Fit elastic constants of bulk crystals; polynomials have the weights of the constants.

    Raises
    ------
    DataError
        If a strain acts on an internal displacement without restoring force.
    """
    found = [stiffness_of(one) for one in constants.constants]
    values = np.stack([one.ravel() for one, _ in found])
    known = [one.ravel() for _, one in found if one is not None]
    sems = None
    if len(known) == len(found):
        # Those that symmetry makes zero have errors of rounding.
        sems = np.maximum(known, _ROUNDING * np.max(known))
    trends = all_polynomials(constants.conditions, values, sems)
    trend = averaged(trends, constants.basis_weights)
    curve, curve_sem = trend.at(curve_temperatures(constants.conditions))
    return ElasticTrend(
        stiffness=values.reshape(-1, 6, 6),
        stiffness_sem=None if sems is None else sems.reshape(-1, 6, 6),
        curve=curve.reshape(-1, 6, 6),
        curve_sem=None if curve_sem is None else curve_sem.reshape(-1, 6, 6),
    )


def lattice_trend(conditions: Conditions, crystals: Sequence[Crystal]) -> LatticeTrend:
    """Fit polynomials to the lengths of the conventional cell; all runs have equal weights."""
    lengths = conventional_lengths(crystals)
    trends = all_polynomials(conditions, lengths, None)
    trend = averaged(trends, basis_weights(trends, has_errors=False, shared=1.0))
    curve, curve_sem = trend.at(curve_temperatures(conditions))
    middle = _middle(conditions)
    value, _ = trend.at(middle)
    slope, slope_sem = trend.slope(middle)
    kind, text = _kind(conditions)
    return LatticeTrend(
        lengths=lengths,
        volumes=conditions.volumes,
        curve=curve,
        curve_sem=curve_sem,
        expansion=slope[0] / value[0],
        expansion_sem=None if slope_sem is None else slope_sem[0] / value[0],
        kind=kind,
        text=text,
    )


def _middle(conditions: Conditions) -> Floats:
    return np.array([np.mean(conditions.span)])


def _frequency_slope(conditions: Conditions, trend: Trend) -> tuple[Floats, Floats | None]:
    """∂ω/∂T = (∂ω²/∂T)/2ω at the middle; nan for imaginary modes."""
    middle = _middle(conditions)
    square, _ = trend.at(middle)
    slope, sem = trend.slope(middle)
    twice = 2.0 * np.where(square[0] > 0.0, signed_root(square[0]), np.nan)
    return slope[0] / twice, None if sem is None else sem[0] / twice


def _gruneisen(
    conditions: Conditions, trend: Trend, name: str
) -> tuple[Floats | None, Floats | None]:
    """γ = −∂ln ω/∂ε = −(∂ω²/∂ε)/2ω² for the strain ε = ln V or ln c/a; None if not separate."""
    if name not in conditions.strain_names:
        return None, None
    middle = _middle(conditions)
    (square,), _ = trend.at(middle)
    (slope,), _ = trend.strain_slope(middle, name)
    twice = 2.0 * np.where(square > 0.0, square, np.nan)
    gamma = -slope / twice
    # To first order, with the covariance of ω² and its derivative.
    rows = conditions.strain_rows(trend.basis, middle, name)
    rows = rows + 2.0 * gamma[:, None] * conditions.rows(trend.basis, middle)
    _, sem = trend.each(rows)
    return gamma, None if sem is None else sem / twice


def _kind(conditions: Conditions) -> tuple[str, str]:
    volumes = conditions.volumes
    if conditions.is_separable:
        return "separable", (
            "temperature and volume are separated: runs of one temperature have different "
            f"volumes; curves are those at {conditions.volume:.4f} Å³{_ratio(conditions)}"
        )
    if conditions.has_ratio:
        return "separable", (
            "temperature and c/a are separated: runs of one temperature and volume have "
            f"different ones; curves are those{_ratio(conditions)}"
        )
    if conditions.is_isochoric:
        return "isochoric", "isochoric: all runs have one volume within 0.1 %"
    change = 100.0 * float(volumes.max() / volumes.min() - 1.0)
    return "isobaric", (
        f"volume and temperature vary together, by {change:.2g} %, as at constant pressure: "
        "their effects are not separable without runs of another volume at one of the "
        "temperatures"
    )


def _ratio(conditions: Conditions) -> str:
    return f" at c/a = {conditions.ratio:.5g}" if conditions.has_ratio else ""
