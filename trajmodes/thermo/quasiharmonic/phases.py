"""The temperatures at which two phases have the same Gibbs free energy.

At fixed pressure ΔG = G₁ − G₂ changes with temperature by −ΔS dT, so that it is interpolated by
cubic polynomials with its values and its derivatives −ΔS at the given temperatures. An error
δ(ΔG) shifts a crossing by δ(ΔG)/|ΔS|. The slope of the phase boundary is that of Clausius and
Clapeyron, dp/dT = ΔS/ΔV. At fixed temperature ΔG changes with pressure by ΔV dp, which gives
the transition pressure in the same way.

The errors of the two phases are independent. If those of a phase are unknown, so are those of
the results.
"""

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from trajmodes.arrays import Floats
from trajmodes.data.quasiharmonic import Crossing, GibbsEnergy, PhaseBoundary, PhaseVerdict
from trajmodes.errors import DataError

_DECISIVE = 2.0
"""Standard errors by which a free energy must differ from zero to have a sign."""


def phase_boundary(first: GibbsEnergy, second: GibbsEnergy) -> PhaseBoundary:
    """Compare two phases at their common pressures and temperatures.

    Raises
    ------
    DataError
        If they share no pressure, or fewer than two temperatures, or are the same phase.
    """
    (p1, p2), pressures = _shared(first.pressures, second.pressures, 1e-9)
    (t1, t2), kelvin = _shared(first.temperatures, second.temperatures, 1e-6)
    if not len(pressures) or len(kelvin) < 2:
        raise DataError(
            f"the two phases share {len(pressures)} pressures and {len(kelvin)} temperatures",
            fix="repeat `trajmodes quasiharmonic` of both with the same --pressures-gpa and "
            "--temperatures",
        )

    def apart(name: str) -> Floats:
        one, other = getattr(first, name), getattr(second, name)
        found: Floats = one[np.ix_(p1, t1)] - other[np.ix_(p2, t2)]
        return found

    difference, entropy, volume = apart("gibbs"), apart("entropy"), apart("volume")
    if not difference.any():
        raise DataError(
            "both phases have the same Gibbs free energy everywhere",
            why="the same results are given twice",
            fix="give the results of two phases",
        )
    sem = np.hypot(first.gibbs_sem[np.ix_(p1, t1)], second.gibbs_sem[np.ix_(p2, t2)])
    crossings = [
        one
        for p, pressure in enumerate(pressures)
        for one in _crossings(
            float(pressure), kelvin, difference[p], sem[p], entropy[p], volume[p]
        )
    ]
    at_pressure = _transition_pressures(pressures, difference, sem, volume)
    return PhaseBoundary(pressures, kelvin, difference, sem, tuple(crossings), *at_pressure)


def _transition_pressures(
    pressures: Floats, difference: Floats, sem: Floats, volume: Floats
) -> Floats | tuple[None, None]:
    """Pressure (t,) at which ΔG vanishes, and its error δ(ΔG)/|ΔV|; None at one pressure."""
    if len(pressures) < 2:
        return None, None
    found = np.full((2, difference.shape[1]), np.nan)
    for t in range(difference.shape[1]):
        curve = CubicHermiteSpline(pressures, difference[:, t], volume[:, t])
        roots = curve.roots(extrapolate=False)
        if len(roots):
            error = float(np.interp(roots[0], pressures, sem[:, t]))
            found[:, t] = roots[0], error / abs(float(curve(roots[0], 1)))
    return found


def _shared(
    one: Floats, other: Floats, tolerance: float
) -> tuple[tuple[list[int], list[int]], Floats]:
    """Return the indices in both arrays of their common values, and these values."""
    places = np.argwhere(np.abs(one[:, None] - other) <= tolerance)
    return (places[:, 0].tolist(), places[:, 1].tolist()), one[places[:, 0]]


def _crossings(
    pressure: float,
    kelvin: Floats,
    difference: Floats,
    sem: Floats,
    entropy: Floats,
    volume: Floats,
) -> list[Crossing]:
    curve = CubicHermiteSpline(kelvin, difference, -entropy)
    roots = [float(t) for t in curve.roots(extrapolate=False)]
    found = []
    for t in roots:
        heat = float(curve(t, 1)) * t
        own = float(np.interp(t, kelvin, sem)) / abs(float(curve(t, 1)))
        low, high = t - _DECISIVE * own, t + _DECISIVE * own
        # An error that is not known excludes nothing.
        inside = not (low < kelvin[0] or high > kelvin[-1])
        low, high = np.clip([low, high], kelvin[0], kelvin[-1]).tolist()
        slope = -heat / t / float(np.interp(t, kelvin, volume)) if t > 0.0 else np.nan
        found.append(
            Crossing(
                pressure, "resolved" if inside else "not resolved", t, own,
                low, high, heat, slope,
            )
        )  # fmt: skip
    if found:
        return found
    open_ = np.abs(difference) <= _DECISIVE * sem
    if open_.any():
        span = kelvin[open_]
        return [_none(pressure, "not resolved", float(span.min()), float(span.max()))]
    return [_none(pressure, "first" if difference[0] < 0.0 else "second", np.nan, np.nan)]


def _none(pressure: float, verdict: PhaseVerdict, low: float, high: float) -> Crossing:
    return Crossing(pressure, verdict, np.nan, np.nan, low, high, np.nan, np.nan)
