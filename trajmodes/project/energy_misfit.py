"""The correlation of an energy beside the decay that was fitted to it, and how far they stray.

Correlations are told per variance of the energy. What decorrelates at once is in the variance,
not in the model, which then starts below 1.

In a crystal a mode need not lose its energy at one rate: in a small supercell it exchanges it
with a few others only, and some comes back. The mean square deviation from the model, in error
bars, each octave of lags counting alike, tells so. The fit takes most of the scatter away: of
exact damped oscillators it is less than `_CHANCE` in 19 of 20 sets, from 20 to 2 000 lifetimes.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.project.energy_decay import averaged_decay, energy_decay
from trajmodes.project.energy_fit import DecayFits, Seen, expected, lost, theory_variance

__all__ = ["DecayCurves", "decay_curves", "misfit"]

_LAST_LIFETIME = 5.0
"""Lags up to so many lifetimes have a weight in the fit."""
_COMPARED = (0.25, 3.0)
"""Lags in lifetimes between which deviations count."""
_CHANCE = 0.4


@dataclass(frozen=True, slots=True)
class DecayCurves:
    """Correlations of energies per variance (g, k)."""

    correlation: Floats
    """Bias of the finite run removed where a decay was fitted."""
    sem: Floats
    """nan without a fit."""
    model: Floats
    """nan without a fit, or outside its lags."""


def decay_curves(data: Seen, fits: DecayFits, fitted: Bools) -> DecayCurves:
    """Correlations, their errors and the model, all per variance of the energy.

    Parameters
    ----------
    data
        Correlations about the mean.
    fits
        The decays.
    fitted
        (g,) which of them are to be believed.
    """
    told, gamma = data.told, fits.gamma
    some = np.where(fitted, fits.amplitude, 0.0)[:, None]
    loss_gk = some * np.nan_to_num(lost(data, gamma))
    whole_gk = data.correlation + loss_gk
    # The first average is over some frames: the variance of single ones is larger.
    exponents, parts = energy_decay(gamma, told.omega_ratio, told.omega, told.standing)
    first = averaged_decay(
        exponents, told.steps[:1], told.average_frames[:1], told.interval_ps
    )[..., 0]
    shrunk = (parts * first).sum(axis=0).real / parts.sum(axis=0).real
    variance = (whole_gk[:, 0] / np.where(fitted, shrunk, 1.0))[:, None]
    u = gamma[:, None] * told.lag_ps
    model_gk = (some * expected(data, gamma) + loss_gk) / variance
    used = fitted[:, None] & (u < _LAST_LIFETIME)
    # From the covariances of `energy_fit` at lags 0 and t, for C(t)/C(0).
    cycles = 4.0 * (data.degeneracy + 1.0 / data.degeneracy)[:, None]
    scatter = 1.0 - (1.0 + 2.0 * u) * np.exp(-2.0 * u)
    scatter += cycles * (np.exp(-u) - (1.0 + u) * np.exp(-2.0 * u))
    scatter = np.maximum(scatter, 0.0) / (data.components * gamma * data.run_ps)[:, None]
    surplus = fits.relative_sem / np.sqrt(theory_variance(data, gamma))
    blank = told.members == 0
    return DecayCurves(
        correlation=np.where(blank[:, None], np.nan, whole_gk / variance),
        sem=np.where(fitted[:, None], np.sqrt(scatter) * surplus[:, None], np.nan),
        model=np.where(used, model_gk, np.nan),
    )


def misfit(data: Seen, fits: DecayFits, curves: DecayCurves) -> Floats:
    """How far each correlation strays from its decay (g,); chance seldom makes it more than 1.

    Parameters
    ----------
    data
        Correlations about the mean.
    fits
        The decays.
    curves
        What they look like.

    Returns
    -------
    Mean square of the deviations in error bars, per the value that one set in twenty of exact
    damped oscillators exceeds; nan without a fit.
    """
    lag_ps = data.told.lag_ps
    age_gk = fits.gamma[:, None] * lag_ps
    octaves_k = np.gradient(lag_ps) / np.where(lag_ps > 0.0, lag_ps, np.inf)
    weight_gk = np.where((age_gk > _COMPARED[0]) & (age_gk < _COMPARED[1]), octaves_k, 0.0)
    off_gk = (curves.correlation - curves.model) / curves.sem
    square_g = (weight_gk * np.where(weight_gk > 0.0, off_gk, 0.0) ** 2).sum(axis=1)
    strays: Floats = square_g / weight_gk.sum(axis=1) / _CHANCE
    return strays
