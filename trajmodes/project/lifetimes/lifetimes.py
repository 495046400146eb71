"""The correlation of an energy beside the decay that was fitted to it, and how far they stray.

Correlations are told per variance of the energy. What decorrelates at once is in the variance,
not in the model, which then starts below 1.

In a crystal a mode need not lose its energy at one rate: in a small supercell it exchanges it
with a few others only, and some comes back. The mean square deviation from the model, in error
bars, each octave of lags counting alike, tells so. The fit takes most of the scatter away: of
exact damped oscillators it is less than `_CHANCE` in 19 of 20 sets, from 20 to 2 000 lifetimes.

Lifetime of every set of modes from the decay of the correlation of its energy.

`energy_decay` is the model, `energy_fit` finds γ and its error. Here it is judged whether they
deserve to be reported. A lifetime is resolved when the run has twelve of them, its longest
stretch four, and its error is smaller than half of it. γ̂ scatters about γ evenly, and its error
goes as √γ; so 1/γ̂ scatters with a tail towards long lifetimes, and where errors are large its
bars are best read in γ.

A correlation that has not the shape of one decay says more than one rate can. The error is then
larger by the root of the misfit, as that of a line is by the root of its χ²: see
`energy_misfit`.

Lifetimes of a mode by two ways, and beside those of perturbation theory.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.anharmonic import WidthComparison
from trajmodes.data.labels import two_digits
from trajmodes.data.spectra import EnergyLifetimes, LineFits, Verdict
from trajmodes.project.lifetimes.autocorrelation import EnergyCorrelations
from trajmodes.project.lifetimes.decay_fit import (
    DecayFits,
    Seen,
    averaged_decay,
    energy_decay,
    expected,
    fit_decays,
    lost,
    seen,
    theory_variance,
)

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


_MOST_RESOLVED = 0.9
_FEWEST_COMPARED = 5


def best_lifetimes(lines: LineFits, energies: EnergyLifetimes | None) -> tuple[Floats, Floats]:
    """Take for each set the lifetime whose relative error is smaller.

    Parameters
    ----------
    lines
        Fits to the spectra.
    energies
        Fits to the correlation of energies, if there are any.

    Returns
    -------
    lifetime, sem
        (g,) in ps; nan where neither the line nor the correlation was resolved.
    """
    one, one_sem = lines.lifetime_ps, lines.lifetime_ps_sem
    if energies is None:
        return one, one_sem
    other, other_sem = energies.lifetime_ps, energies.lifetime_ps_sem
    ours, theirs = one_sem / one, other_sem / other
    by_other = np.isfinite(theirs) & ~(ours <= theirs)
    return np.where(by_other, other, one), np.where(by_other, other_sem, one_sem)


def longest_floor(lines: LineFits, energies: EnergyLifetimes | None) -> Floats:
    """Take for each set the larger of the lower bounds that lines and energies give.

    Parameters
    ----------
    lines
        Fits to the spectra.
    energies
        Fits to the correlation of energies, if there are any.

    Returns
    -------
    (g,) in ps; nan where neither gives a bound.
    """
    floor = lines.floor_ps
    return floor if energies is None else np.fmax(floor, energies.floor_ps)


def compare_widths(lifetime_ps: Floats, sem_ps: Floats, predicted: Floats) -> WidthComparison:
    """Compare the mean linewidth of a run with the predicted one of the same sets.

    A run resolves what is wide in it. Those it resolves out of modes of equal prediction are
    the wider ones, and their mean ratio to the theory is too large. So modes are taken from
    the widest prediction on as long as nine in ten of them are resolved.

    Parameters
    ----------
    lifetime_ps, sem_ps
        (g,) lifetimes of the run and their errors in ps; nan where not resolved.
    predicted
        (g,) linewidths of the theory in rad/ps; nan where it has none.

    Returns
    -------
    Their ratio; nan for fewer than five sets.
    """
    sets = _widest_resolved(predicted, np.isfinite(lifetime_ps))
    if len(sets) < _FEWEST_COMPARED:
        return WidthComparison(np.nan, np.nan, len(sets))
    lifetime, sem, total = lifetime_ps[sets], sem_ps[sets], predicted[sets].sum()
    # γ̂ scatters evenly in its logarithm, so that its mean is large by half its variance.
    rate = (1.0 - 0.5 * (sem / lifetime) ** 2) / lifetime
    ratio_sem = float(np.sqrt(((rate**2 * sem) ** 2).sum()) / total)
    return WidthComparison(float(rate.sum() / total), ratio_sem, len(sets))


def _widest_resolved(predicted: Floats, resolved: Bools) -> Ints:
    """(n,) modes that are resolved, the widest prediction first."""
    order = np.argsort(-np.nan_to_num(predicted), kind="stable")
    order = order[np.nan_to_num(predicted)[order] > 0.0]
    share = np.cumsum(resolved[order]) / np.arange(1, len(order) + 1)
    last = int(np.flatnonzero(share >= _MOST_RESOLVED).max(initial=-1))
    chosen: Ints = order[: last + 1]
    return chosen[resolved[chosen]]
