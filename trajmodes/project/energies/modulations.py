"""Errors of frequencies and of the temperature where slow modes modulate them.

In an anharmonic crystal the frequency of every mode depends on the energies of all modes, and
so does the kinetic temperature at constant total energy. These energies change within
lifetimes, which may exceed the run. Then blocks of the run do not show the whole variation.

The variance of a mean over n blocks follows from the spectrum of the block means. Its cosine
components k = 1, 2, … are independent, with the variances

    S_k = A [F_k + r D_k/D_0] .

F is fast noise, which is white, or increases with frequency as 1 + (k/k₀)². A modulation with
the autocorrelation e^{−t/τ} has the spectrum D(x) in a run of x = duration/τ. With the
distribution p(x) of lifetimes over the modes D = Σ_x p(x) D(x) if all modes contribute with the
same strength; single sets may depend on few modes, of one x. D_0 is the variance of the mean
over the run. Modes with lifetimes longer than the run contribute to D_0, but hardly to the
components k ≥ 1; modes with shorter lifetimes determine the strength of the modulations. r is
D_0 relative to the variance due to white noise. In a run of few lifetimes noise may conceal
modulations, and the error is known within a factor of two.

τ is known from the energies of the modes. The scatter of their block means, in units of the
known fluctuation of an oscillator's energy, gives the lifetime of each set with an uncertainty
(`standard_errors`). All lifetimes may have a common error factor. The variance of the mean is
averaged over the forms of D, r and k₀, weighted by the likelihood of the spectrum; the level A
is integrated out. The sets of a crystal have similar strengths r: what is expected of the
strength of one set is the mean over the others, found by iteration (empirical Bayes; H.
Robbins, Proc. Third Berkeley Symp. 1, 157 (1956)), with the prior probabilities counting as ten
sets. So noise conceals a modulation in a run of few lifetimes less often.

The temperature is the sum over all modes. Its fast exchange with potential energy is removed
first. Without half of its end terms (`end_terms`) the kinetic energy K is ½K + ¼W with the
virial W = −Σu·F. If E = K + V is constant, this is E/2 + ¼(W − 2V): the constant ½E in a
harmonic crystal, and a variation that is due to anharmonicity alone. In silicon at 300 K blocks
of 0.2 ps vary 20 times less than those of K. The end terms of the run itself belong to the
mean, and their variance is added. Noise increases with frequency if end terms are not known, or
if a thermostat controls the mean of K (Nosé–Hoover).

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
"""Common errors of all lifetimes, in steps of `_RUN_PER_TAU`."""
_LEVELS = np.geomspace(0.1, 3000.0, 10)
"""Values of r."""
_KNEES = 5
"""Number of values of k₀, from two components to all that are used."""
_PRIOR_SETS = 10.0
"""Number of sets that the prior probabilities of r count as."""
_ROUNDS = 20
"""Of the iteration for the distribution of r."""
_TINY = np.finfo(float).tiny
FEW_LIFETIMES = 10.0
"""Length of a run in lifetimes below which noise may conceal a modulation."""


class Expected(NamedTuple):
    """Prior probabilities, before the blocks are known."""

    steady: float
    """That there is no modulation."""
    alone: float
    """That modulations are due to modes of one lifetime instead of all modes."""
    rises: float
    """That noise increases with frequency."""


OF_A_SET = Expected(steady=0.5, alone=0.5, rises=0.0)
OF_TEMPERATURE = Expected(steady=0.3, alone=0.25, rises=0.25)


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
    steady = slow_sem((temperatures - ends)[:, None], relaxing, OF_TEMPERATURE)
    n_blocks = len(ends)
    of_ends = np.sqrt(min(n_ranges, n_blocks) * (ends**2).mean()) / n_blocks
    return float(np.hypot(steady[0], of_ends))


def slow_sem(blocks: Floats, relaxing: Floats, expected: Expected = OF_A_SET) -> Floats:
    """Estimate the standard errors (g,) of means (b, g) over time blocks of equal length."""
    n_blocks = len(blocks)
    if n_blocks < FEWEST_BLOCKS:
        return np.full(blocks.shape[1:], np.nan)
    shapes = _shapes(n_blocks, relaxing, expected)
    count = shapes.spectra.shape[1]
    waves_kb = _cosines(n_blocks, count)
    power_kg = (waves_kb @ (blocks - blocks.mean(axis=0))) ** 2
    level_jg = np.maximum((1.0 / shapes.spectra) @ power_kg, _TINY)
    log_jg = -0.5 * np.log(shapes.spectra).sum(axis=1)[:, None] - 0.5 * count * np.log(level_jg)
    # The mean of the level over its posterior distribution, an inverse χ².
    variance_jg = level_jg / (count - 2.0) * shapes.means[:, None]
    variance = (_probabilities(shapes, log_jg) * variance_jg).sum(axis=0)
    sem: Floats = np.sqrt(variance / n_blocks)
    return sem


class _Shapes(NamedTuple):
    """Spectra of block means (j)."""

    spectra: Floats
    """(j, k) S_k/A."""
    means: Floats
    """(j,) variance of the mean over the run times the number of blocks, relative to A."""
    prior: Floats
    """(j,) prior probability."""
    first: Ints
    """(r + 1,) first spectrum without a modulation, and first of each r."""


def _probabilities(shapes: _Shapes, log_jg: Floats) -> Floats:
    """Probabilities (j, g) of the spectra from the logarithms of their likelihoods."""
    joint_jg = shapes.prior[:, None] * np.exp(log_jg - log_jg.max(axis=0))
    before_r = np.add.reduceat(shapes.prior, shapes.first)[:, None]
    likely_rg = np.add.reduceat(joint_jg, shapes.first, axis=0) / before_r
    expected_rg = np.broadcast_to(before_r, likely_rg.shape)
    for _ in range(_ROUNDS):
        found_rg = expected_rg * likely_rg
        found_rg = found_rg / found_rg.sum(axis=0)
        known_rg = np.nan_to_num(found_rg)
        others_rg = known_rg.sum(axis=1, keepdims=True) - known_rg
        expected_rg = _PRIOR_SETS * before_r + others_rg
        expected_rg = expected_rg / expected_rg.sum(axis=0)
    lengths = np.diff(shapes.first, append=len(joint_jg))
    joint_jg *= np.repeat(expected_rg / before_r, lengths, axis=0)
    found_jg: Floats = joint_jg / joint_jg.sum(axis=0)
    return found_jg


def _shapes(n_blocks: int, relaxing: Floats, expected: Expected) -> _Shapes:
    """Spectra of noise and modulations, at the lower half of the components."""
    fast_fk, fast_f = _noise(n_blocks // 2, expected.rises)
    slow_sk, slow_s = _modulations(n_blocks, relaxing, expected.alone)
    slow_s = (1.0 - expected.steady) / len(_LEVELS) * slow_s
    slow_rsfk = (_LEVELS[:, None, None] * slow_sk)[:, :, None] + fast_fk
    level_rsf = np.broadcast_to(_LEVELS[:, None, None], slow_rsfk.shape[:3])
    prior_rsf = np.broadcast_to(slow_s[:, None] * fast_f, slow_rsfk.shape[:3])
    return _Shapes(
        np.concatenate([fast_fk, slow_rsfk.reshape(-1, n_blocks // 2)]),
        np.concatenate([np.ones(len(fast_fk)), 1.0 + level_rsf.ravel()]),
        np.maximum(np.concatenate([expected.steady * fast_f, prior_rsf.ravel()]), _TINY),
        len(fast_f) * np.append(0, 1 + len(slow_s) * np.arange(len(_LEVELS))),
    )


def _noise(count: int, rises: float) -> tuple[Floats, Floats]:
    """F (f, k), and its probability (f,)."""
    white = np.ones((1, count))
    if rises == 0.0:
        return white, np.ones(1)
    knees = np.geomspace(2.0, count, _KNEES)[:, None]
    rising = 1.0 + (np.arange(1.0, count + 1.0) / knees) ** 2
    return np.concatenate([white, rising]), np.array([1.0 - rises, *_KNEES * [rises / _KNEES]])


def _modulations(n_blocks: int, relaxing: Floats, alone: float) -> tuple[Floats, Floats]:
    """D_k/D_0 (s, k), and its probability (s,): all modes, and those of one lifetime."""
    slow_xk, mean_x = _slow_spectra(n_blocks)
    off = _STRETCHES * np.log(_RUN_PER_TAU[1] / _RUN_PER_TAU[0]) / _COMMON_UNCERTAINTY
    likely = np.exp(-0.5 * off**2)
    stretched = np.arange(len(mean_x)) + _STRETCHES[:, None]
    stretched = np.clip(stretched, 0, len(mean_x) - 1)
    of_all = np.einsum("x,sxk->sk", relaxing, slow_xk[stretched])
    of_all /= (mean_x[stretched] @ relaxing)[:, None]
    return (
        np.concatenate([of_all, slow_xk / mean_x[:, None]]),
        np.concatenate([(1.0 - alone) / likely.sum() * likely, alone * relaxing]),
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
