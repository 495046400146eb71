"""Frequencies, linewidths and lattice parameters of a series as functions of temperature."""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.series.runs import SeriesRun
from trajmodes.data.series.trends import LatticeTrend, ModeTrends
from trajmodes.phonons.modes import signed_root
from trajmodes.symmetry.operations import symmetry_dataset
from trajmodes.thermo.series.common import ConstantsTrend
from trajmodes.thermo.series.interpolation import (
    Conditions,
    Trend,
    best_order,
    polynomial,
)
from trajmodes.thermo.series.modes import FollowedModes, lines_of
from trajmodes.thermo.series.soft_mode import soft_modes
from trajmodes.thermo.series.widths import width_laws

_TOLERANCE = 1e-3
"""Distance in Å within which sites are on symmetric positions."""
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
    """Fit ω²(T) of every set of modes; the order is that of the force constants."""
    squares, sems = followed.squares, followed.squares_sem
    trend = polynomial(conditions, squares, sems, constants.trend.order)
    curve, curve_sem = trend.at(curve_temperatures(conditions))
    slope, slope_sem = _frequency_slope(conditions, trend)
    gruneisen, gruneisen_sem = _gruneisen(conditions, trend)
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
        order=trend.order,
        curve_squared=curve,
        curve_squared_sem=curve_sem,
        probability=trend.probability,
        slope=slope,
        slope_sem=slope_sem,
        gruneisen=gruneisen,
        gruneisen_sem=gruneisen_sem,
        soft=soft.temperature,
        soft_sem=soft.temperature_sem,
        soft_order=soft.orders,
        soft_verdict=soft.verdicts,
        soft_grid=soft.grid,
        soft_curve=soft.curve,
        soft_curve_sem=soft.curve_sem,
        **found,  # type: ignore[arg-type]  # names of fields
    )


def lattice_trend(conditions: Conditions, crystals: Sequence[Crystal]) -> LatticeTrend:
    """Fit polynomials to the lengths of the conventional cell; all runs have equal weights."""
    lengths = np.stack([_conventional_lengths(one) for one in crystals])
    order = best_order(conditions, lengths, None)
    trend = polynomial(conditions, lengths, None, order)
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


def _gruneisen(conditions: Conditions, trend: Trend) -> tuple[Floats | None, Floats | None]:
    """−∂ln ω/∂ln V = −(∂ω²/∂ln V)/2ω²; None if temperature and volume vary together."""
    if not conditions.is_separable:
        return None, None
    square, _ = trend.at(_middle(conditions))
    slope, sem = trend.volume_slope()
    twice = 2.0 * np.where(square[0] > 0.0, square[0], np.nan)
    return -slope / twice, None if sem is None else sem / twice


def _conventional_lengths(crystal: Crystal) -> Floats:
    dataset = symmetry_dataset(crystal, _TOLERANCE)
    cell = crystal.cell if dataset is None else np.asarray(dataset.std_lattice)
    lengths: Floats = np.linalg.norm(cell, axis=1)
    return lengths


def _kind(conditions: Conditions) -> tuple[str, str]:
    volumes = conditions.volumes
    if conditions.is_separable:
        return "separable", (
            "temperature and volume are separated: runs of one temperature have different "
            f"volumes; curves are those at {conditions.volume:.4f} Å³"
        )
    if conditions.is_isochoric:
        return "isochoric", "isochoric: all runs have one volume within 0.1 %"
    change = 100.0 * float(volumes.max() / volumes.min() - 1.0)
    return "isobaric", (
        f"volume and temperature vary together, by {change:.2g} %, as at constant pressure: "
        "their effects are not separable without runs of another volume at one of the "
        "temperatures"
    )
