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
    """Bias of the finite run removed, as far as the fit is to be believed."""
    sem: Floats
    model: Floats
    """nan outside the lags of the fit."""

    def told(self, data: Seen, resolved: Bools) -> "DecayCurves":
        """Leave the correlations of sets that are not resolved (g,) as the run gives them."""
        variance = np.where(data.told.members > 0, data.correlation[:, 0], np.nan)
        known = resolved[:, None]
        return DecayCurves(
            correlation=np.where(known, self.correlation, data.correlation / variance[:, None]),
            sem=np.where(known, self.sem, np.nan),
            model=np.where(known, self.model, np.nan),
        )


def decay_curves(data: Seen, fits: DecayFits) -> DecayCurves:
    """Correlations, their errors and the model, all per variance of the energy.

    Parameters
    ----------
    data
        Correlations about the mean.
    fits
        The decays.
    """
    told, gamma, amplitude = data.told, fits.gamma, fits.amplitude[:, None]
    loss_gk = amplitude * np.nan_to_num(lost(data, gamma))
    whole_gk = data.correlation + loss_gk
    # The first average is over some frames: the variance of single ones is larger.
    exponents, parts = energy_decay(gamma, told.omega_ratio, told.omega, told.standing)
    first = averaged_decay(
        exponents, told.steps[:1], told.average_frames[:1], told.interval_ps
    )[..., 0]
    shrunk = (parts * first).sum(axis=0).real / parts.sum(axis=0).real
    variance = (whole_gk[:, 0] / shrunk)[:, None]
    u = gamma[:, None] * told.lag_ps
    model_gk = (amplitude * expected(data, gamma) + loss_gk) / variance
    # From the covariances of `energy_fit` at lags 0 and t, for C(t)/C(0).
    cycles = 4.0 * (data.degeneracy + 1.0 / data.degeneracy)[:, None]
    scatter = 1.0 - (1.0 + 2.0 * u) * np.exp(-2.0 * u)
    scatter += cycles * (np.exp(-u) - (1.0 + u) * np.exp(-2.0 * u))
    scatter = np.maximum(scatter, 0.0) / (data.components * gamma * data.run_ps)[:, None]
    surplus = fits.relative_sem / np.sqrt(theory_variance(data, gamma))
    return DecayCurves(
        correlation=whole_gk / variance,
        sem=np.sqrt(scatter) * surplus[:, None],
        model=np.where(u < _LAST_LIFETIME, model_gk, np.nan),
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
    damped oscillators exceeds; of no meaning where the fit has none.
    """
    lag_ps = data.told.lag_ps
    age_gk = fits.gamma[:, None] * lag_ps
    octaves_k = np.gradient(lag_ps) / np.where(lag_ps > 0.0, lag_ps, np.inf)
    weight_gk = np.where((age_gk > _COMPARED[0]) & (age_gk < _COMPARED[1]), octaves_k, 0.0)
    off_gk = (curves.correlation - curves.model) / curves.sem
    square_g = (weight_gk * np.where(weight_gk > 0.0, off_gk, 0.0) ** 2).sum(axis=1)
    strays: Floats = square_g / weight_gk.sum(axis=1) / _CHANCE
    return strays
