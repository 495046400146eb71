"""Lifetime of every set of modes from the decay of the correlation of its energy.

`energy_decay` is the model, `energy_fit` finds γ and its error. Here it is judged whether they
deserve to be reported. A lifetime is resolved when the run has twelve of them, its longest
stretch four, and its error is smaller than half of it. γ̂ scatters about γ evenly, and its error
goes as √γ; so 1/γ̂ scatters with a tail towards long lifetimes, and where errors are large its
bars are best read in γ.

A correlation that has not the shape of one decay says more than one rate can. The error is then
larger by the root of the misfit, as that of a line is by the root of its χ²: see
`energy_misfit`.
"""

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data import EnergyLifetimes, Verdict
from trajmodes.data.rounding import two_digits
from trajmodes.project.autocorrelation import EnergyCorrelations
from trajmodes.project.energy_fit import DecayFits, Seen, fit_decays, seen, theory_variance
from trajmodes.project.energy_misfit import decay_curves, misfit

__all__ = ["energy_lifetimes"]

_LIFETIMES_PER_RUN = 12.0
_LIFETIMES_PER_STRETCH = 4.0
_LARGEST_RELATIVE_SEM = 0.5
_LOOK = "its energy shows no decay of one rate: look at its correlation"
_MARGIN = 1.5
_SURELY = 2.0
"""Standard errors."""


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
        curves, floor = decay_curves(data, fits), _floor(data, fits)
        strays = misfit(data, fits, curves)
        scale = np.sqrt(np.fmax(strays, 1.0))
        verdicts = _judge(data, fits, scale * fits.relative_sem)
        resolved = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
        curves = curves.told(data, resolved)
    lifetime = np.where(resolved, 1.0 / fits.gamma, np.nan)
    return EnergyLifetimes(
        lifetime_ps=lifetime,
        lifetime_ps_sem=lifetime * scale * fits.relative_sem,
        misfit=np.where(resolved, strays, np.nan),
        floor_ps=np.where([verdict is Verdict.TOO_LONG for verdict in verdicts], floor, np.nan),
        verdicts=verdicts,
        advice=tuple(
            _advise(verdict, data, fits, float(floor[g]), g)
            for g, verdict in enumerate(verdicts)
        ),
        lag_ps=np.tile(correlations.lag_ps, (len(lifetime), 1)),
        correlation=curves.correlation,
        correlation_sem=curves.sem,
        model=curves.model,
    )


def _judge(data: Seen, fits: DecayFits, wider: Floats) -> tuple[Verdict, ...]:
    """Verdict on each set, its relative error being wider (g,) for its misfit."""
    told, gamma = data.told, fits.gamma
    shortest = told.average_frames[0] * told.interval_ps
    sound = np.isfinite(gamma) & np.isfinite(fits.relative_sem) & (fits.amplitude > 0.0)
    too_long = gamma * _longest(data) < 1.0
    # In this order: the first that holds is the verdict.
    findings = [
        (Verdict.UNDEFINED, told.members == 0),
        (Verdict.FAILED, ~(told.mean > 0.0)),
        (Verdict.TOO_FAST, (gamma * shortest > 1.0) | _gone_at_once(data)),
        (Verdict.OVERDAMPED, gamma > told.omega_ratio),
        (Verdict.TOO_LONG, too_long),
        (Verdict.FAILED, ~sound | ~fits.converged),
        (Verdict.TOO_FEW, fits.relative_sem > _LARGEST_RELATIVE_SEM),
        (Verdict.FAILED, wider > _LARGEST_RELATIVE_SEM),
    ]
    return tuple(
        next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        for g in range(len(gamma))
    )


def _longest(data: Seen) -> float:
    """Longest lifetime in ps that the run is long enough for."""
    whole, stretch = data.run_ps, float(data.stretch_ps.max())
    return min(whole / _LIFETIMES_PER_RUN, stretch / _LIFETIMES_PER_STRETCH)


def _floor(data: Seen, fits: DecayFits) -> Floats:
    """Tell what lifetimes (g,) too long for the run are surely longer than, in ps."""
    surely = 1.0 / (fits.gamma * (1.0 + _SURELY * fits.relative_sem))
    floor: Floats = np.fmin(surely, _longest(data))
    return floor


def _gone_at_once(data: Seen) -> Bools:
    """Whether most of the correlation (g,) is lost at the first lag that is not zero."""
    correlation = data.correlation
    gone: Bools = correlation[:, 1] < np.exp(-1.0) * correlation[:, 0]
    return gone


def _advise(verdict: Verdict, data: Seen, fits: DecayFits, floor_ps: float, g: int) -> str:
    rate, run, told = float(fits.gamma[g]), data.run_ps, data.told
    match verdict:
        case Verdict.UNDEFINED:
            return "harmonic constants at the temperature of the run may have ω² > 0"
        case Verdict.TOO_FAST:
            shortest = told.average_frames[0] * told.interval_ps
            return (
                f"frames less than {two_digits(0.25 * shortest)} ps apart would show its decay"
            )
        case Verdict.OVERDAMPED:
            return (
                f"its energy decays within {two_digits(1.0 / rate)} ps, a sixth of a period:"
                " look at the spectrum"
            )
        case Verdict.TOO_LONG:
            wanted = _MARGIN * _run_for(data, fits, g)
            whole = "" if len(data.stretch_ps) == 1 else " in one piece"
            return (
                f"lives longer than {two_digits(floor_ps)} ps; a run of"
                f" {two_digits(max(wanted, 2.0 * run))} ps{whole} may do"
            )
        case Verdict.TOO_FEW:
            times = (float(fits.relative_sem[g]) / _LARGEST_RELATIVE_SEM) ** 2
            return (
                f"the lifetime is uncertain by {100.0 * fits.relative_sem[g]:.0f} %; a run of"
                f" {two_digits(_MARGIN * times * run)} ps would do"
            )
        case _:
            return "" if verdict is Verdict.RESOLVED else _LOOK


def _run_for(data: Seen, fits: DecayFits, g: int) -> float:
    """Length of a run in ps that resolves a rate, by the theory of its error."""
    variance = float(theory_variance(data, fits.gamma)[g]) / _LARGEST_RELATIVE_SEM**2
    return max(_LIFETIMES_PER_RUN / float(fits.gamma[g]), variance * data.run_ps)
