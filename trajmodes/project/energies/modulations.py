"""Errors of frequencies and of the temperature where slow modes modulate them.

In an anharmonic crystal the frequency of every mode depends on the energies of all modes, and
at constant total energy the kinetic temperature does so too. These energies change within
lifetimes, which may exceed the run. Then blocks of the run do not show the whole variation.

The variance of a mean over n blocks follows from the spectrum of the block means. Its cosine
components k = 1, 2, … are independent, with the variances

    S_k = A [F_k + r D_k(x)/D_0(x)] .

F is fast noise. For frequencies it is white. The kinetic energy is exchanged fast and strongly
with the potential energy, but slowly very little at constant energy: F is then white, or 1 +
(k/k₀)². D is a modulation with the autocorrelation e^{−t/τ} in a run of x = duration/τ. Its
mean over the run has the variance D_0, which the components k ≥ 1 of a short run hardly show; r
is this variance relative to that of white noise. In a run of few lifetimes the error therefore
contains modulations that noise may conceal, and is an upper bound if there are none.

τ is known from the energies of the modes. The scatter of their block means, in units of the
known fluctuation of an oscillator's energy, gives the lifetime of each set with an uncertainty
(`standard_errors`), and the distribution of lifetimes over the modes is the probability of x
before the spectrum is known. With it and the likelihood of the spectrum the variance of the
mean is averaged over x, r and k₀; the level A is integrated out.

The temperature is the sum over all modes. To first order in the anharmonicity δT/T is the mean
of δω/ω over all modes, so a modulation is expected there; it may be absent in single sets.

All errors are nan with fewer than eight blocks.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.project.energies.standard_errors import (
    FEWEST_BLOCKS,
    RUN_PER_LIFETIME,
    likely_durations,
    smoothing,
)

_RUN_PER_TAU = np.geomspace(0.3, 300.0, 25)
"""Values of x."""
_UNCERTAINTY = 0.5
"""Standard deviation of ln x within one set."""
_LEVELS = np.geomspace(0.3, 3000.0, 9)
"""Values of r."""
_KNEES = 5
"""Number of values of k₀, from two components to all that are used."""
_STEADY_SET, _STEADY_TEMPERATURE = 0.5, 0.3
"""Probabilities that nothing modulates a set, and the temperature."""
_TINY = np.finfo(float).tiny
FEW_LIFETIMES = 10.0
"""Length of a run in lifetimes below which noise may conceal a modulation."""


def relaxation(energies: Floats, members: Ints, snapshot: Floats) -> Floats:
    """Distribution (x,) of run length over lifetime among the modes.

    Parameters
    ----------
    energies
        (b, g) energies of the sets in blocks of time, in units of the expected one; nan where
        unknown.
    members
        (g,) number of real degrees of freedom in each set.
    snapshot
        (g,) variance of the energy of a set from frame to frame, relative to its squared mean;
        nan if unknown.
    """
    likely_gx = likely_durations(energies, members, np.ones(len(members)), snapshot)
    center = likely_gx @ np.log(RUN_PER_LIFETIME)
    known = np.isfinite(center)
    if not known.any():
        return np.full(len(_RUN_PER_TAU), 1.0 / len(_RUN_PER_TAU))
    off_gx = (np.log(_RUN_PER_TAU) - center[known, None]) / _UNCERTAINTY
    log_gx = -0.5 * off_gx**2
    share_gx = np.exp(log_gx - log_gx.max(axis=1, keepdims=True))
    share_gx /= share_gx.sum(axis=1, keepdims=True)
    weight = members[known] / members[known].sum()
    share: Floats = weight @ share_gx
    return share


def lifetimes_in_run(relaxing: Floats) -> float:
    """Geometric mean of a distribution (x,) of run lengths in lifetimes; nan if it is flat."""
    if np.ptp(relaxing) == 0.0:
        return np.nan
    return float(np.exp(relaxing @ np.log(_RUN_PER_TAU)))


def modulated_sems(
    ratios: Floats, temperatures: Floats, relaxing: Floats
) -> tuple[Floats, float]:
    """Estimate errors of ⟨|Q̇|²⟩/⟨|Q|²⟩, relative (g,), and of the temperature.

    Parameters
    ----------
    ratios
        (b, g) relative deviations of the ratio in blocks of time, to first order.
    temperatures
        (b,) temperature in these blocks.
    relaxing
        (x,) distribution of lifetimes of `relaxation`.
    """
    sems = slow_sem(ratios, relaxing)
    sem = slow_sem(temperatures[:, None], relaxing, steady=_STEADY_TEMPERATURE, fast_rises=True)
    return sems, float(sem[0])


def slow_sem(
    blocks: Floats, relaxing: Floats, *, steady: float = _STEADY_SET, fast_rises: bool = False
) -> Floats:
    """Estimate the standard errors (g,) of means that slow modes may modulate.

    Parameters
    ----------
    blocks
        (b, g) means over time blocks of equal length.
    steady
        Probability that there is no modulation.
    fast_rises
        Whether the fast noise may increase with frequency.
    """
    n_blocks = len(blocks)
    if n_blocks < FEWEST_BLOCKS:
        return np.full(blocks.shape[1:], np.nan)
    shapes = _shapes(n_blocks, fast_rises=fast_rises)
    count = shapes.spectra.shape[1]
    waves_kb = _cosines(n_blocks, count)
    power_kg = (waves_kb @ (blocks - blocks.mean(axis=0))) ** 2
    level_jg = np.maximum((1.0 / shapes.spectra) @ power_kg, _TINY)
    prior_j = shapes.prior(relaxing, steady)
    log_jg = (np.log(prior_j) - 0.5 * np.log(shapes.spectra).sum(axis=1))[:, None]
    log_jg = log_jg - 0.5 * count * np.log(level_jg)
    likely_jg = np.exp(log_jg - log_jg.max(axis=0))
    # The mean of the level over its posterior distribution, an inverse χ².
    variance_jg = level_jg / (count - 2.0) * shapes.means[:, None]
    variance = (likely_jg * variance_jg).sum(axis=0) / likely_jg.sum(axis=0)
    sem: Floats = np.sqrt(variance / n_blocks)
    return sem


class _Shapes(NamedTuple):
    """Spectra of block means (j)."""

    spectra: Floats
    """(j, k) S_k/A."""
    means: Floats
    """(j,) variance of the mean over the run times the number of blocks, relative to A."""
    durations: Ints
    """(j,) index of x; −1 without a modulation."""

    def prior(self, relaxing: Floats, steady: float) -> Floats:
        """Probability (j,) of each spectrum before the blocks are known."""
        modulated = self.durations >= 0
        n_each = modulated.sum() / len(relaxing)
        slow = (1.0 - steady) * np.maximum(relaxing, _TINY)[self.durations] / n_each
        prior: Floats = np.where(modulated, slow, steady / (~modulated).sum())
        return prior


@cache
def _shapes(n_blocks: int, *, fast_rises: bool) -> _Shapes:
    """Spectra of all x, r and k₀, at the lower half of the components."""
    count = n_blocks // 2
    steps = np.arange(1.0, count + 1.0)
    fast_fk = np.ones((1, count))
    if fast_rises:
        slopes = (steps / np.geomspace(2.0, count, _KNEES)[:, None]) ** 2
        fast_fk = np.concatenate([fast_fk, 1.0 + slopes])
    slow_xk, mean_x = _slow_spectra(n_blocks, count)
    slow = (_LEVELS[:, None, None] * slow_xk / mean_x[:, None])[:, :, None] + fast_fk
    means = np.tile(1.0 + _LEVELS[:, None], len(mean_x))
    durations = np.arange(len(mean_x))
    return _Shapes(
        np.concatenate([fast_fk, slow.reshape(-1, count)]),
        np.concatenate([np.ones(len(fast_fk)), np.repeat(means.ravel(), len(fast_fk))]),
        np.concatenate(
            [
                np.full(len(fast_fk), -1),
                np.tile(np.repeat(durations, len(fast_fk)), len(_LEVELS)),
            ]
        ),
    )


def _slow_spectra(n_blocks: int, count: int) -> tuple[Floats, Floats]:
    """D (x, k), and n times the variance (x,) of the mean, of a modulation of variance one."""
    step = (_RUN_PER_TAU / n_blocks)[:, None, None]
    lag_bc = np.abs(np.subtract.outer(np.arange(n_blocks), np.arange(n_blocks)))
    apart = (np.expm1(-step) / step) ** 2 * np.exp(-step * np.maximum(lag_bc - 1, 0))
    covariance_xbc = np.where(lag_bc == 0, smoothing(step), apart)
    waves_kb = _cosines(n_blocks, count)
    spectra_xk = np.einsum("kb,xbc,kc->xk", waves_kb, covariance_xbc, waves_kb, optimize=True)
    return spectra_xk, n_blocks * smoothing(_RUN_PER_TAU)


def _cosines(n_blocks: int, count: int) -> Floats:
    """Lowest cosine waves (k, b) of unit norm, without the constant."""
    k, middle = np.arange(1, count + 1), np.arange(n_blocks) + 0.5
    waves: Floats = np.sqrt(2.0 / n_blocks) * np.cos(np.pi / n_blocks * np.outer(k, middle))
    return waves
