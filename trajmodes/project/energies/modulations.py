"""Errors of frequencies and of the temperature where slow modes modulate them.

In an anharmonic crystal the frequency of every mode depends on the energies of all modes, and
at constant total energy the kinetic temperature does so too. These energies change within
lifetimes, which may exceed the run. Then blocks of the run do not show the whole variation.

Populations. What matters most is how much energy is in fast modes and how much in slow ones:

    X(t) = Σ_j n_j (ω̄_j − ω̄) ε_j(t)

with the energies ε_j of the slow, the middle and the fast third of all modes, n_j degrees of
freedom each. (In silicon at 1000 K the correlation of T and X is 0.9.) The standard error σ_X
of its mean is known even if lifetimes exceed the run (`standard_errors`). The regression of a
quantity on X gives its share s in X, and hence the error sσ_X, besides that of the remainder.
The probability that there is a share at all is that of the Bayesian information criterion (G.
Schwarz, Ann. Statist. 6, 461 (1978)), and the variance is the mean over both cases.

Remainder of the frequencies. In the noise of one set a modulation that all sets share hardly
shows; in the first principal component of all sets it does. The share of each set in this
component has the error of the component, and the remainder its own.

Remainder of the temperature. The variance of a mean over n blocks is S(0)/n, with the spectrum
S of block means at zero frequency. At constant energy the kinetic energy fluctuates fast and
strongly, by exchange with the potential energy, but slowly very little: S increases with
frequency, and blocks that are not very long give errors up to five times too large. With a slow
thermostat S decreases. The spectrum over the lowest cosine components k is therefore described
by A/(1 + (k/k₀)²), A and A(1 + (k/k₀)²), and A averaged over the models and over k₀.

All errors are nan with fewer than eight blocks.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from trajmodes.arrays import Floats, Ints
from trajmodes.project.energies.standard_errors import (
    FEWEST_BLOCKS,
    PLAIN_BLOCKS,
    coarser,
    correlation_factor,
    energy_sem,
)

_PARTS = 3
"""Number of groups of modes whose energies are distinguished."""
_SHARE = 4
"""The lowest of this many parts of the spectrum of block means counts as slow."""
_KNEES = 7
"""Number of values of k₀, from two components to twice as many as are used."""
_TINY = np.finfo(float).tiny


class Populations(NamedTuple):
    """The distribution of energy over slow and fast modes in blocks of time."""

    blocks: Floats
    """(b,) X, in units of the mean energy and frequency of a mode."""
    sem: float
    """Standard error of the mean of X."""

    @staticmethod
    def of(energies: Floats, members: Ints, omega: Floats) -> "Populations":
        """Sum the energies of slow and fast modes.

        Parameters
        ----------
        energies
            (b, g) energies of the sets in blocks of time, in units of the expected one.
        members
            (g,) number of real degrees of freedom in each set.
        omega
            (g,) frequencies of the sets.
        """
        known = np.isfinite(energies).all(axis=0) & np.isfinite(omega)
        order = np.flatnonzero(known)[np.argsort(omega[known])]
        count = members[order].astype(float)
        middle = np.cumsum(count) - 0.5 * count
        part = np.minimum((_PARTS * middle / max(count.sum(), 1.0)).astype(int), _PARTS - 1)
        _, part = np.unique(part, return_inverse=True)
        sizes = np.bincount(part, count)
        frequency = np.bincount(part, count * omega[order]) / sizes
        energy_bj = np.array([np.bincount(part, count * row) for row in energies[:, order]])
        energy_bj = energy_bj.reshape(len(energies), len(sizes)) / sizes
        mean = float(sizes @ frequency) / max(float(sizes.sum()), 1.0)
        weight = sizes * (frequency / max(mean, _TINY) - 1.0)
        sems = energy_sem(energy_bj, np.rint(sizes).astype(np.int64), np.ones(len(sizes)))
        return Populations(energy_bj @ weight, float(np.sqrt(((weight * sems) ** 2).sum())))


def modulated_sems(
    ratios: Floats, temperatures: Floats, populations: Populations
) -> tuple[Floats, float]:
    """Estimate errors of ⟨|Q̇|²⟩/⟨|Q|²⟩, relative (g,), and of the temperature.

    Parameters
    ----------
    ratios
        (b, g) relative deviations of the ratio in blocks of time, to first order.
    temperatures
        (b,) temperature in these blocks.
    """
    if len(ratios) < FEWEST_BLOCKS:
        return np.full(ratios.shape[1:], np.nan), np.nan
    plain = shared_sem(ratios)
    share, probability = _share_in(populations.blocks, ratios)
    rest = shared_sem(_without(populations.blocks, share, ratios))
    sems = _mixed_sem(probability, np.hypot(share * populations.sem, rest), plain)
    whole = spectral_sem(temperatures)
    share, probability = _share_in(populations.blocks, temperatures)
    rest = spectral_sem(_without(populations.blocks, share, temperatures), used=1)
    modulated = np.hypot(share * populations.sem, rest)
    return sems, float(_mixed_sem(probability, modulated, whole))


def shared_sem(blocks: Floats) -> Floats:
    """Estimate the standard errors (g,) of means that share a slow modulation.

    `blocks` (b, g) are relative deviations in blocks of time.
    """
    component = _first_component(blocks)
    joined, part = (coarser(one, PLAIN_BLOCKS)[-1] for one in (blocks, component))
    part = part - part.mean()
    share = part @ (joined - joined.mean(axis=0)) / max(float(part @ part), _TINY)
    rest = blocks - np.multiply.outer(component, share)
    sem: Floats = np.hypot(_slow_sem(rest), share * _slow_sem(component))
    return sem


def spectral_sem(blocks: Floats, used: int = 0) -> Floats:
    """Estimate the standard error (…) of a mean from the spectrum at zero frequency.

    It is valid for noise of which the slow part is stronger or weaker than the fast one, in
    runs of twenty correlation times or more. `blocks` (b, …) are means over time blocks of
    equal length, and `used` the number of regressors that were subtracted.
    """
    if len(blocks) < FEWEST_BLOCKS:
        return np.full(blocks.shape[1:], np.nan)
    power_kx = _slow_components(blocks).reshape(_n_slow(blocks), -1) ** 2
    count = len(power_kx)
    steps = np.arange(1.0, count + 1.0)
    slope = (steps / np.geomspace(2.0, 2.0 * count, _KNEES)[:, None]) ** 2
    shapes_jk = np.concatenate([1.0 / (1.0 + slope), np.ones((1, count)), 1.0 + slope])
    level_jx = np.maximum((1.0 / shapes_jk) @ power_kx / (count - used), _TINY)
    log_jx = (
        -0.5 * (count - used) * np.log(level_jx) - 0.5 * np.log(shapes_jk).sum(axis=1)[:, None]
    )
    likely = np.exp(log_jx - log_jx.max(axis=0))
    variance = (likely * level_jx).sum(axis=0) / likely.sum(axis=0) / len(blocks)
    sem: Floats = np.sqrt(variance).reshape(blocks.shape[1:])
    return sem


def _n_slow(blocks: Floats) -> int:
    return max(len(blocks) // _SHARE, FEWEST_BLOCKS // 2)


def _slow_components(blocks: Floats) -> Floats:
    """Lowest cosine components (k, …) of blocks (b, …), of unit norm, without the mean."""
    n_blocks = len(blocks)
    k, middle = np.arange(1, _n_slow(blocks) + 1), np.arange(n_blocks) + 0.5
    waves_kb = np.sqrt(2.0 / n_blocks) * np.cos(np.pi / n_blocks * np.outer(k, middle))
    found: Floats = np.tensordot(waves_kb, blocks - blocks.mean(axis=0), axes=1)
    return found


def _share_in(known: Floats, blocks: Floats) -> tuple[Floats, Floats]:
    """Share (…) of a series (b,) in blocks (b, …), and the probability that it has one."""
    x_k, y_k = _slow_components(known), _slow_components(blocks)
    square = float(x_k @ x_k)
    if not square > 0.0:
        return np.zeros(blocks.shape[1:]), np.zeros(blocks.shape[1:])
    share: Floats = np.tensordot(x_k, y_k, axes=1) / square
    rest = y_k - np.multiply.outer(x_k, share)
    gain = np.log(np.maximum((y_k**2).sum(axis=0), _TINY))
    gain -= np.log(np.maximum((rest**2).sum(axis=0), _TINY))
    probability: Floats = expit(0.5 * (len(x_k) * gain - np.log(len(x_k))))
    return share, probability


def _without(known: Floats, share: Floats, blocks: Floats) -> Floats:
    """Blocks (b, …) without a share (…) of a known series (b,)."""
    rest: Floats = blocks - np.multiply.outer(known - known.mean(), share)
    return rest


def _mixed_sem(probability: Floats, modulated: Floats, plain: Floats) -> Floats:
    """Root of the mean variance (…) over two cases."""
    sem: Floats = np.sqrt(probability * modulated**2 + (1.0 - probability) * plain**2)
    return sem


def _first_component(blocks: Floats) -> Floats:
    """First principal component (b,) of blocks (b, g), found at 16 to 31 blocks."""
    known = np.isfinite(blocks).all(axis=0)
    deviation = blocks[:, known] - blocks[:, known].mean(axis=0)
    joined = coarser(deviation, PLAIN_BLOCKS)[-1]
    unit = np.maximum(joined.std(axis=0), _TINY)
    _, _, shares = np.linalg.svd(joined / unit, full_matrices=False)
    component: Floats = (deviation / unit) @ shares[0]
    return component


def _slow_sem(blocks: Floats) -> Floats:
    """Larger standard error (…) from the two longest block lengths, neighbours correlated."""
    longest = coarser(blocks, FEWEST_BLOCKS)[-2:]
    sems = [
        one.std(axis=0, ddof=1) / np.sqrt(len(one)) * correlation_factor(one) for one in longest
    ]
    sem: Floats = np.max(sems, axis=0)
    return sem
