"""Errors of frequencies and of the temperature where slow modes modulate them.

In an anharmonic crystal the frequency of every mode depends on the energies of all modes, and
at constant total energy the kinetic temperature does so too. These energies change within
lifetimes, which may exceed the run. Then blocks of the run do not show the whole variation.

The variance of a mean over n blocks follows from the spectrum of the block means. Its cosine
components k = 1, 2, … are independent, with the variances

    S_k = A [F_k + r D_k/D_0],    D_k = Σ_x p(x) D_k(x) .

F is fast noise, which is white, or increases with frequency as 1 + (k/k₀)². D(x) is a
modulation with the autocorrelation e^{−t/τ} in a run of x = duration/τ, and p(x) the
distribution of lifetimes over the modes: each contributes with the same strength. D_0 is the
variance of the mean over the run, to which modes that live longer than the run contribute and
the components k ≥ 1 hardly do; those that live less long show how strong modulations are. r is
D_0 relative to the variance due to white noise. In a run of few lifetimes the error contains
modulations that noise may conceal, and is an upper bound if there are none.

τ is known from the energies of the modes. The scatter of their block means, in units of the
known fluctuation of an oscillator's energy, gives the lifetime of each set with an uncertainty
(`standard_errors`). All lifetimes together may be off by a factor. With the likelihood of the
spectrum the variance of the mean is averaged over this factor, r and k₀; the level A is
integrated out.

The temperature is the sum over all modes. Its fast exchange with potential energy is removed
first. Without half of its end terms (`end_terms`) the kinetic energy K is ½K + ¼W with the
virial W = −Σu·F. If E = K + V is constant, this is E/2 + ¼(W − 2V): the constant ½E in a
harmonic crystal, apart from which it varies by anharmonicity only. In silicon at 300 K blocks
of 0.2 ps vary 20 times less than those of K. The end terms of the run itself belong to the
mean, and their variance is added. Noise increases with frequency where end terms are not known,
and where a thermostat holds the mean of K (Nosé–Hoover).

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
_COMMON_UNCERTAINTY = 0.8
"""Standard deviation of the mean of ln x over the sets."""
_STRETCHES = np.array([-6, -3, 0, 3, 6])
"""Steps of `_RUN_PER_TAU` by which all lifetimes together may be off."""
_LEVELS = np.geomspace(0.1, 3000.0, 10)
"""Values of r."""
_KNEES = 5
"""Number of values of k₀, from two components to all that are used."""
_STEADY_SET, _STEADY_TEMPERATURE = 0.5, 0.3
"""Probabilities that nothing modulates a set, and the temperature."""
_RISES = 0.25
"""Probability that noise increases with frequency, where it may."""
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


def temperature_sem(
    temperatures: Floats, ends: Floats, relaxing: Floats, n_ranges: int = 1
) -> float:
    """Estimate the standard error of the mean temperature.

    Parameters
    ----------
    temperatures
        (b,) temperature in blocks of time.
    ends
        (b,) part of it that depends only on the ends of the block; zero where unknown.
    relaxing
        (x,) distribution of lifetimes of `relaxation`.
    n_ranges
        Number of uninterrupted parts of the run, each with two ends.
    """
    steady = slow_sem(
        (temperatures - ends)[:, None], relaxing, steady=_STEADY_TEMPERATURE, fast_rises=True
    )
    n_blocks = len(ends)
    of_ends = np.sqrt(min(n_ranges, n_blocks) * (ends**2).mean()) / n_blocks
    return float(np.hypot(steady[0], of_ends))


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
    shapes = _shapes(n_blocks, relaxing, steady, _RISES if fast_rises else 0.0)
    count = shapes.spectra.shape[1]
    waves_kb = _cosines(n_blocks, count)
    power_kg = (waves_kb @ (blocks - blocks.mean(axis=0))) ** 2
    level_jg = np.maximum((1.0 / shapes.spectra) @ power_kg, _TINY)
    log_jg = (np.log(shapes.prior) - 0.5 * np.log(shapes.spectra).sum(axis=1))[:, None]
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
    prior: Floats
    """(j,) probability before the blocks are known."""


def _shapes(n_blocks: int, relaxing: Floats, steady: float, rises: float) -> _Shapes:
    """Spectra of all stretches, r and k₀, at the lower half of the components."""
    count = n_blocks // 2
    steps = np.arange(1.0, count + 1.0)
    fast_fk, fast_f = np.ones((1, count)), np.array([1.0 - rises])
    if rises > 0.0:
        slopes = (steps / np.geomspace(2.0, count, _KNEES)[:, None]) ** 2
        fast_fk = np.concatenate([fast_fk, 1.0 + slopes])
        fast_f = np.concatenate([fast_f, np.full(_KNEES, rises / _KNEES)])
    slow_xk, mean_x = _slow_spectra(n_blocks)
    last = len(_RUN_PER_TAU) - 1
    stretched_sx = np.clip(np.arange(last + 1) + _STRETCHES[:, None], 0, last)
    slow_sk = np.einsum("x,sxk->sk", relaxing, slow_xk[stretched_sx])
    slow_sk /= (mean_x[stretched_sx] @ relaxing)[:, None]
    off_s = _STRETCHES * np.log(_RUN_PER_TAU[1] / _RUN_PER_TAU[0]) / _COMMON_UNCERTAINTY
    stretch_s = np.exp(-0.5 * off_s**2)
    slow_s = (1.0 - steady) * stretch_s / stretch_s.sum() / len(_LEVELS)
    slow = (_LEVELS[:, None, None] * slow_sk)[:, :, None] + fast_fk
    levels_rsf = np.broadcast_to(_LEVELS[:, None, None], slow.shape[:3])
    prior_rsf = np.broadcast_to(slow_s[:, None] * fast_f, slow.shape[:3])
    return _Shapes(
        np.concatenate([fast_fk, slow.reshape(-1, count)]),
        np.concatenate([np.ones(len(fast_fk)), 1.0 + levels_rsf.ravel()]),
        np.concatenate([steady * fast_f, prior_rsf.ravel()]),
    )


@cache
def _slow_spectra(n_blocks: int) -> tuple[Floats, Floats]:
    """D (x, k), and n times the variance (x,) of the mean, of a modulation of variance one."""
    step = (_RUN_PER_TAU / n_blocks)[:, None, None]
    lag_bc = np.abs(np.subtract.outer(np.arange(n_blocks), np.arange(n_blocks)))
    apart = (np.expm1(-step) / step) ** 2 * np.exp(-step * np.maximum(lag_bc - 1, 0))
    covariance_xbc = np.where(lag_bc == 0, smoothing(step), apart)
    waves_kb = _cosines(n_blocks, n_blocks // 2)
    spectra_xk = np.einsum("kb,xbc,kc->xk", waves_kb, covariance_xbc, waves_kb, optimize=True)
    return spectra_xk, n_blocks * smoothing(_RUN_PER_TAU)


def _cosines(n_blocks: int, count: int) -> Floats:
    """Lowest cosine waves (k, b) of unit norm, without the constant."""
    k, middle = np.arange(1, count + 1), np.arange(n_blocks) + 0.5
    waves: Floats = np.sqrt(2.0 / n_blocks) * np.cos(np.pi / n_blocks * np.outer(k, middle))
    return waves
