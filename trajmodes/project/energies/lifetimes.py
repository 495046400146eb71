"""Lifetime of every set of modes from the decay of the autocorrelation of its energy.

`decay_fit` fits γ and its standard error. This module decides whether they can be reported. A
lifetime is resolved if the run is twelve lifetimes long, its longest uninterrupted range four,
and the standard error is below half of the lifetime. γ̂ scatters symmetrically about γ, and its
error is proportional to √γ; so 1/γ̂ has a tail towards long lifetimes, and large error bars are
better interpreted as those of γ.

Correlations are reported relative to the variance of the energy. The variance contains a part
that decorrelates at once, but the model does not, so that the model may start below 1.

In a crystal a mode need not lose its energy at one rate: in a small supercell it exchanges
energy with a few other modes, and some of it returns. The reduced χ² of the correlation about
the fitted decay, each octave of lags having the same weight, detects this. Because the fit
removes most of the scatter, the reduced χ² of simulated damped oscillators is below `_CHANCE`
in 19 of 20 sets, for runs of 20 to 2 000 lifetimes. Its ratio to this value is reported, and
the standard error is multiplied by the root of the ratio where it exceeds 1, as that of a line
by the root of its reduced χ².

The last part compares lifetimes from lines, from energies, and from perturbation theory.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.anharmonic import WidthComparison
from trajmodes.data.labels import two_digits
from trajmodes.data.spectra import EnergyLifetimes, LineFits, Verdict
from trajmodes.project.energies.autocorrelation import EnergyCorrelations
from trajmodes.project.energies.decay_fit import (
    CentredCorrelations,
    DecayFits,
    averaged_decay,
    centred,
    energy_decay,
    expected,
    fit_decays,
    mean_loss,
    theory_variance,
)
from trajmodes.project.selection import without_selection

_LAST_LIFETIME = 5.0
"""Largest lag in the fit, in lifetimes."""
_COMPARED = (0.25, 3.0)
"""Range of lags, in lifetimes, that enters χ²."""
_CHANCE = 0.4


@dataclass(frozen=True, slots=True)
class _Curves:
    """Correlations of energies relative to their variance (g, k)."""

    correlation: Floats
    """Bias of the finite run removed, where the fit is resolved."""
    sem: Floats
    model: Floats
    """nan outside the lags of the fit."""


def _curves(data: CentredCorrelations, fits: DecayFits) -> _Curves:
    """Correlations, standard errors and the model, relative to the variance of the energy."""
    sums, gamma, amplitude = data.sums, fits.gamma, fits.amplitude[:, None]
    loss_gk = amplitude * np.nan_to_num(mean_loss(data, gamma))
    whole_gk = data.correlation + loss_gk
    # The first average is over several frames; the variance of single frames is larger.
    exponents, parts = energy_decay(gamma, sums.omega_ratio, sums.omega, sums.standing)
    first = averaged_decay(
        exponents, sums.steps[:1], sums.average_frames[:1], sums.interval_ps
    )[..., 0]
    shrunk = (parts * first).sum(axis=0).real / parts.sum(axis=0).real
    variance = (whole_gk[:, 0] / shrunk)[:, None]
    u = gamma[:, None] * sums.lag_ps
    model_gk = (amplitude * expected(data, gamma) + loss_gk) / variance
    # From the covariances of `decay_fit` at lags 0 and t, for C(t)/C(0).
    cycles = 4.0 * (data.degeneracy + 1.0 / data.degeneracy)[:, None]
    scatter = 1.0 - (1.0 + 2.0 * u) * np.exp(-2.0 * u)
    scatter += cycles * (np.exp(-u) - (1.0 + u) * np.exp(-2.0 * u))
    scatter = np.maximum(scatter, 0.0) / (data.components * gamma * data.run_ps)[:, None]
    surplus = fits.relative_sem / np.sqrt(theory_variance(data, gamma))
    return _Curves(
        correlation=whole_gk / variance,
        sem=np.sqrt(scatter) * surplus[:, None],
        model=np.where(u < _LAST_LIFETIME, model_gk, np.nan),
    )


def _chi2_ratio(data: CentredCorrelations, fits: DecayFits, curves: _Curves) -> Floats:
    """Reduced χ² of each correlation about its decay (g,), divided by `_CHANCE`."""
    lag_ps = data.sums.lag_ps
    age_gk = fits.gamma[:, None] * lag_ps
    octaves_k = np.gradient(lag_ps) / np.where(lag_ps > 0.0, lag_ps, np.inf)
    weight_gk = np.where((age_gk > _COMPARED[0]) & (age_gk < _COMPARED[1]), octaves_k, 0.0)
    off_gk = (curves.correlation - curves.model) / curves.sem
    square_g = (weight_gk * np.where(weight_gk > 0.0, off_gk, 0.0) ** 2).sum(axis=1)
    ratio: Floats = square_g / weight_gk.sum(axis=1) / _CHANCE
    return ratio


_LIFETIMES_PER_RUN = 12.0
_LIFETIMES_PER_RANGE = 4.0
_LARGEST_RELATIVE_SEM = 0.5
_LOOK = "its energy does not decay at one rate: look at its correlation"
_MARGIN = 1.5
_CONFIDENCE = 2.0
"""In standard errors."""


def energy_lifetimes(correlations: EnergyCorrelations) -> EnergyLifetimes:
    """Fit the decay of the energy of every set."""
    data = centred(correlations)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        fits = fit_decays(data)
        curves = _curves(data, fits)
        ratio = _chi2_ratio(data, fits, curves)
        scale = np.sqrt(np.fmax(ratio, 1.0))
        verdicts = _judge(data, fits, scale * fits.relative_sem)
        resolved = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
        lower = 1.0 / (fits.gamma * (1.0 + _CONFIDENCE * fits.relative_sem))
        floor = np.fmin(lower, _longest(data))
        variance = np.where(data.sums.members > 0, data.correlation[:, 0], np.nan)
        raw = data.correlation / variance[:, None]
        # The rate at which the relative error, which falls as γ^{-1/2}, is the largest
        # accepted.
        least = fits.gamma * (fits.relative_sem / _LARGEST_RELATIVE_SEM) ** 2
        limit = np.log(np.fmax(least, 1.0 / _longest(data)))
        rate, relative = without_selection(np.log(fits.gamma), scale * fits.relative_sem, limit)
        lifetime = np.where(resolved, np.exp(-rate), np.nan)
    known = resolved[:, None]
    return EnergyLifetimes(
        lifetime_ps=lifetime,
        lifetime_ps_sem=lifetime * relative,
        chi2_ratio=np.where(resolved, ratio, np.nan),
        floor_ps=np.where([verdict is Verdict.TOO_LONG for verdict in verdicts], floor, np.nan),
        verdicts=verdicts,
        advice=tuple(
            _advise(verdict, data, fits, float(floor[g]), g)
            for g, verdict in enumerate(verdicts)
        ),
        lag_ps=np.tile(correlations.lag_ps, (len(lifetime), 1)),
        correlation=np.where(known, curves.correlation, raw),
        correlation_sem=np.where(known, curves.sem, np.nan),
        model=np.where(known, curves.model, np.nan),
    )


def _judge(
    data: CentredCorrelations, fits: DecayFits, scaled_sem: Floats
) -> tuple[Verdict, ...]:
    """Verdict on each set; `scaled_sem` (g,) includes the root of the χ² ratio."""
    sums, gamma, correlation = data.sums, fits.gamma, data.correlation
    sound = np.isfinite(gamma) & np.isfinite(fits.relative_sem) & (fits.amplitude > 0.0)
    lost_at_first_lag = correlation[:, 1] < np.exp(-1.0) * correlation[:, 0]
    # The first condition that holds gives the verdict.
    findings = [
        (Verdict.UNDEFINED, sums.members == 0),
        (Verdict.FAILED, ~(sums.mean > 0.0)),
        (Verdict.TOO_FAST, (gamma * data.shortest_ps > 0.5) | lost_at_first_lag),
        (Verdict.OVERDAMPED, gamma > sums.omega_ratio),
        (Verdict.TOO_LONG, gamma * _longest(data) < 1.0),
        (Verdict.FAILED, ~sound | ~fits.converged),
        (Verdict.TOO_FEW, fits.relative_sem > _LARGEST_RELATIVE_SEM),
        (Verdict.FAILED, scaled_sem > _LARGEST_RELATIVE_SEM),
    ]
    return tuple(
        next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        for g in range(len(gamma))
    )


def _longest(data: CentredCorrelations) -> float:
    """Longest lifetime in ps for which the run is long enough."""
    longest = float(data.range_ps.max())
    return min(data.run_ps / _LIFETIMES_PER_RUN, longest / _LIFETIMES_PER_RANGE)


def _advise(
    verdict: Verdict, data: CentredCorrelations, fits: DecayFits, floor_ps: float, g: int
) -> str:
    rate, run = float(fits.gamma[g]), data.run_ps
    match verdict:
        case Verdict.UNDEFINED:
            return "force constants fitted at the temperature of the run may give ω² > 0"
        case Verdict.TOO_FAST:
            apart = two_digits(0.25 * data.shortest_ps)
            return f"frames less than {apart} ps apart would resolve it"
        case Verdict.OVERDAMPED:
            return (
                f"its energy decays within {two_digits(1.0 / rate)} ps, a sixth of a period:"
                " look at the spectrum"
            )
        case Verdict.TOO_LONG:
            # From the theoretical standard error.
            variance = float(theory_variance(data, fits.gamma)[g]) / _LARGEST_RELATIVE_SEM**2
            wanted = _MARGIN * max(_LIFETIMES_PER_RUN / rate, variance * run)
            whole = "" if len(data.range_ps) == 1 else " in one piece"
            return (
                f"lives longer than {two_digits(floor_ps)} ps; a run of"
                f" {two_digits(max(wanted, 2.0 * run))} ps{whole} may resolve it"
            )
        case Verdict.TOO_FEW:
            times = (float(fits.relative_sem[g]) / _LARGEST_RELATIVE_SEM) ** 2
            return (
                f"the lifetime is uncertain by {100.0 * fits.relative_sem[g]:.0f} %; a run of"
                f" {two_digits(_MARGIN * times * run)} ps would resolve it"
            )
        case _:
            return "" if verdict is Verdict.RESOLVED else _LOOK


_MOST_RESOLVED = 0.9
_FEWEST_COMPARED = 5


def best_lifetimes(lines: LineFits, energies: EnergyLifetimes | None) -> tuple[Floats, Floats]:
    """Select for each set the lifetime with the smaller relative error.

    The lifetime and its error (g,) in ps are nan where neither the line nor the correlation was
    resolved.
    """
    one, one_sem = lines.lifetime_ps, lines.lifetime_ps_sem
    if energies is None:
        return one, one_sem
    other, other_sem = energies.lifetime_ps, energies.lifetime_ps_sem
    ours, theirs = one_sem / one, other_sem / other
    by_other = np.isfinite(theirs) & ~(ours <= theirs)
    return np.where(by_other, other, one), np.where(by_other, other_sem, one_sem)


def longest_lower_bound(lines: LineFits, energies: EnergyLifetimes | None) -> Floats:
    """Select the larger of the lower bounds (g,) in ps from lines and energies; nan if none."""
    floor = lines.floor_ps
    return floor if energies is None else np.fmax(floor, energies.floor_ps)


def compare_widths(lifetime_ps: Floats, sem_ps: Floats, predicted: Floats) -> WidthComparison:
    """Compare the mean linewidth of a run with the prediction for the same sets.

    A run resolves broad lines only. Among modes of equal predicted width it resolves the
    broader ones, and their mean ratio to the prediction is too large. Modes are therefore taken
    in order of decreasing predicted width as long as nine in ten of them are resolved.

    Parameters
    ----------
    lifetime_ps, sem_ps
        (g,) lifetimes of the run and their errors in ps; nan where not resolved.
    predicted
        (g,) predicted linewidths in rad/ps; nan where there is none.

    Returns
    -------
    Ratio of the mean widths; nan for fewer than five sets.
    """
    sets = _widest_resolved(predicted, np.isfinite(lifetime_ps))
    if len(sets) < _FEWEST_COMPARED:
        return WidthComparison(np.nan, np.nan, len(sets))
    lifetime, sem, total = lifetime_ps[sets], sem_ps[sets], predicted[sets].sum()
    # γ̂ scatters symmetrically in its logarithm: its mean is too large by half its variance.
    rate = (1.0 - 0.5 * (sem / lifetime) ** 2) / lifetime
    ratio_sem = float(np.sqrt(((rate**2 * sem) ** 2).sum()) / total)
    return WidthComparison(float(rate.sum() / total), ratio_sem, len(sets))


def _widest_resolved(predicted: Floats, resolved: Bools) -> Ints:
    """Return the resolved modes (n,), in order of decreasing predicted width."""
    order = np.argsort(-np.nan_to_num(predicted), kind="stable")
    order = order[np.nan_to_num(predicted)[order] > 0.0]
    share = np.cumsum(resolved[order]) / np.arange(1, len(order) + 1)
    last = int(np.flatnonzero(share >= _MOST_RESOLVED).max(initial=-1))
    chosen: Ints = order[: last + 1]
    return chosen[resolved[chosen]]
