"""Lifetime of every set of modes from the decay of the correlation of its energy.

`energy_decay` is the model, `energy_fit` finds γ and its error. Here it is judged whether they
deserve to be reported. A lifetime is resolved when the run has twelve of them, its longest
stretch four, and its error is smaller than half of it. γ̂ scatters about γ evenly, and its error
goes as √γ; so 1/γ̂ scatters with a tail towards long lifetimes, and where errors are large its
bars are best read in γ.

Correlations are told per variance of the energy. What decorrelates at once is in the variance,
not in the model, which then starts below 1.
"""

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data import EnergyLifetimes, Verdict
from trajmodes.project.autocorrelation import EnergyCorrelations
from trajmodes.project.energy_decay import averaged_decay, energy_decay
from trajmodes.project.energy_fit import (
    DecayFits,
    Seen,
    expected,
    fit_decays,
    lost,
    seen,
    theory_variance,
)

__all__ = ["energy_lifetimes"]

_LIFETIMES_PER_RUN = 12.0
_LIFETIMES_PER_STRETCH = 4.0
_LARGEST_RELATIVE_SEM = 0.5
_LOOK = "its energy shows no decay of one rate: look at its correlation"
_MARGIN = 1.5
_LAST_LIFETIME = 5.0
"""Lags up to so many lifetimes have a weight in the fit."""


def energy_lifetimes(correlations: EnergyCorrelations) -> EnergyLifetimes:
    """Fit the decay of the energy of every set.

    Parameters
    ----------
    correlations
        What `AutocorrelationReduction` found.
    """
    data = seen(correlations)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        fits = fit_decays(data)
        verdicts, advice = _judge(data, fits)
        resolved = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
        correlation, sem, model = _curves(data, fits, resolved)
    lifetime = np.where(resolved, 1.0 / fits.gamma, np.nan)
    return EnergyLifetimes(
        lifetime_ps=lifetime,
        lifetime_ps_sem=lifetime * fits.relative_sem,
        verdicts=tuple(verdicts),
        advice=tuple(advice),
        lag_ps=np.tile(correlations.lag_ps, (len(lifetime), 1)),
        correlation=correlation,
        correlation_sem=sem,
        model=model,
    )


def _curves(data: Seen, fits: DecayFits, resolved: Bools) -> tuple[Floats, Floats, Floats]:
    """Correlation per variance, its error and the model, (g, k) each."""
    told, gamma = data.told, fits.gamma
    some = np.where(resolved, fits.amplitude, 0.0)[:, None]
    loss_gk = some * np.nan_to_num(lost(data, gamma))
    whole_gk = data.correlation + loss_gk
    # The first average is over some frames: the variance of single ones is larger.
    exponents, parts = energy_decay(gamma, told.omega_ratio, told.omega, told.standing)
    first = averaged_decay(
        exponents, told.steps[:1], told.average_frames[:1], told.interval_ps
    )[..., 0]
    shrunk = (parts * first).sum(axis=0).real / parts.sum(axis=0).real
    variance = (whole_gk[:, 0] / np.where(resolved, shrunk, 1.0))[:, None]
    u = gamma[:, None] * told.lag_ps
    model_gk = (some * expected(data, gamma) + loss_gk) / variance
    used = resolved[:, None] & (u < _LAST_LIFETIME)
    # From the covariances of `energy_fit` at lags 0 and t, for C(t)/C(0).
    cycles = 4.0 * (data.degeneracy + 1.0 / data.degeneracy)[:, None]
    scatter = 1.0 - (1.0 + 2.0 * u) * np.exp(-2.0 * u)
    scatter += cycles * (np.exp(-u) - (1.0 + u) * np.exp(-2.0 * u))
    scatter = np.maximum(scatter, 0.0) / (data.components * gamma * data.run_ps)[:, None]
    surplus = fits.relative_sem / np.sqrt(theory_variance(data, gamma))
    sem_gk = np.where(resolved[:, None], np.sqrt(scatter) * surplus[:, None], np.nan)
    blank = told.members == 0
    whole_gk = np.where(blank[:, None], np.nan, whole_gk / variance)
    return whole_gk, sem_gk, np.where(used, model_gk, np.nan)


def _judge(data: Seen, fits: DecayFits) -> tuple[list[Verdict], list[str]]:
    """Verdict and advice for each set."""
    told, gamma = data.told, fits.gamma
    shortest = told.average_frames[0] * told.interval_ps
    longest = float(data.stretch_ps.max())
    sound = np.isfinite(gamma) & np.isfinite(fits.relative_sem) & (fits.amplitude > 0.0)
    too_long = (gamma * data.run_ps < _LIFETIMES_PER_RUN) | (
        gamma * longest < _LIFETIMES_PER_STRETCH
    )
    # In this order: the first that holds is the verdict.
    findings = [
        (Verdict.UNDEFINED, told.members == 0),
        (Verdict.FAILED, ~(told.mean > 0.0)),
        (Verdict.TOO_FAST, (gamma * shortest > 1.0) | _gone_at_once(data)),
        (Verdict.OVERDAMPED, gamma > told.omega_ratio),
        (Verdict.TOO_LONG, too_long),
        (Verdict.FAILED, ~sound | ~fits.converged),
        (Verdict.TOO_FEW, fits.relative_sem > _LARGEST_RELATIVE_SEM),
    ]
    verdicts, advice = [], []
    for g in range(len(gamma)):
        verdict = next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        verdicts.append(verdict)
        advice.append(_advise(verdict, data, fits, g))
    return verdicts, advice


def _gone_at_once(data: Seen) -> Bools:
    """Whether most of the correlation (g,) is lost at the first lag that is not zero."""
    correlation = data.correlation
    gone: Bools = correlation[:, 1] < np.exp(-1.0) * correlation[:, 0]
    return gone


def _advise(verdict: Verdict, data: Seen, fits: DecayFits, g: int) -> str:
    rate, run, told = float(fits.gamma[g]), data.run_ps, data.told
    match verdict:
        case Verdict.UNDEFINED:
            return "harmonic constants at the temperature of the run may have ω² > 0"
        case Verdict.TOO_FAST:
            shortest = told.average_frames[0] * told.interval_ps
            return f"frames less than {0.25 * shortest:.2g} ps apart would show its decay"
        case Verdict.OVERDAMPED:
            return (
                f"its energy decays within {1.0 / rate:.2g} ps, a sixth of a period:"
                " look at the spectrum"
            )
        case Verdict.TOO_LONG:
            longest, wanted = float(data.stretch_ps.max()), _MARGIN * _run_for(data, fits, g)
            least = min(run / _LIFETIMES_PER_RUN, longest / _LIFETIMES_PER_STRETCH)
            whole = "" if len(data.stretch_ps) == 1 else " in one piece"
            return (
                f"lives longer than {least:.2g} ps; a run of"
                f" {max(wanted, 2.0 * run):.2g} ps{whole} may do"
            )
        case Verdict.TOO_FEW:
            times = (float(fits.relative_sem[g]) / _LARGEST_RELATIVE_SEM) ** 2
            return (
                f"the lifetime is uncertain by {100.0 * fits.relative_sem[g]:.0f} %; a run of"
                f" {_MARGIN * times * run:.2g} ps would do"
            )
        case _:
            return "" if verdict is Verdict.RESOLVED else _LOOK


def _run_for(data: Seen, fits: DecayFits, g: int) -> float:
    """Length of a run in ps that resolves a rate, by the theory of its error."""
    variance = float(theory_variance(data, fits.gamma)[g]) / _LARGEST_RELATIVE_SEM**2
    return max(_LIFETIMES_PER_RUN / float(fits.gamma[g]), variance * data.run_ps)
