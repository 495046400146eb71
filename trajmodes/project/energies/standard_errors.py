"""Standard errors of mode energies that remain valid when lifetimes exceed the run.

Blocks of frames give the error of a mean only if they are longer than the correlation time. The
energy of a phonon decays as e^{−γt} with 1/γ of 5 to 100 ps, so in an ordinary run the blocks
are correlated, or contain hardly any variation. The size of the fluctuations, however, is
known: a nearly harmonic degree of freedom has an exponentially distributed energy, so the mean
over M of them has the variance C₀ = ⟨energy⟩²/M. With x = duration/lifetime the variance of the
time mean is C₀ h(x), h(x) = 2(x − 1 + e^{−x})/x², and that of the means of n blocks about the
time mean is C₀[h(x/n) − h(x)].

Blocks of several lengths (Flyvbjerg & Petersen, J. Chem. Phys. 91, 461 (1989)) determine x with
a known uncertainty, over which h(x) is averaged. For short lifetimes C₀ drops out and plain
blocking remains; for long ones the error saturates at the √C₀ of a snapshot. Several blocks may
look alike because all of them are decorrelated, or because none is: the variance from frame to
frame, C₀[1 − h(x)], distinguishes these cases. The energy of a mode diffuses with a strength
proportional to the energy itself, so variances of blocks are measured in units of (own
mean)(expected mean). C₀ uses the expected mean: with the measured mean, low energies would
appear too certain.

The spread between the members of a set is not used. Modes of one star exchange energy with one
another, and the two waves of ±q beat, faster than the set as a whole exchanges energy with
other modes; the energies of members are then more similar than independent ones. (In silicon at
300 K an error from the spread alone is 1.5 times too small.) For the same reason blocks are
formed from the mean over the set, not from its members.

All errors are nan with fewer than eight blocks.
"""

import numpy as np

from trajmodes.arrays import Floats, Ints

# Weight of ln(variance) per block. An exponential energy has a kurtosis of 9, so that
# var(ln variance) is about 8 per independent block; several lengths share the same data.
_TRUST = 0.4
# Relative difference allowed between the fluctuations of anharmonic and harmonic modes.
_TOLERANCE = 0.2
FEWEST_BLOCKS = 8
PLAIN_BLOCKS = 16
RUN_PER_LIFETIME = np.geomspace(1e-2, 1e6, 400)


def energy_sem(
    blocks: Floats, members: Ints, expected: Floats, snapshot: Floats | None = None
) -> Floats:
    """Estimate the standard error of the mean energy of each set.

    Parameters
    ----------
    blocks
        (b, g) means over time blocks of equal length of half the total energy. Kinetic or
        potential energy alone would oscillate at 2ω.
    members
        (g,) number of real degrees of freedom in each set.
    expected
        (g,) expected mean: ½k_BT by equipartition.
    snapshot
        (g,) variance of the total energy of a set from frame to frame, relative to its squared
        mean; nan if unknown.
    """
    likely = likely_durations(blocks, members, expected, snapshot)
    share = likely @ smoothing(RUN_PER_LIFETIME)
    sem: Floats = np.abs(expected) * np.sqrt(share / members)
    return sem


def fluctuation_sem(
    blocks: Floats, members: Ints, expected: Floats, snapshot: Floats, sizes: Floats
) -> Floats:
    """Estimate the standard error of a mean squared fluctuation, relative to the expected one.

    The energy of n degrees of freedom with exponential energies of mean 1 has a gamma
    distribution of variance n. Its squared fluctuation is n + 2(ε − n), with the
    autocorrelation e^{−γt} of the energy and the variance 4n, plus a remainder with the
    autocorrelation e^{−2γt} (the next Laguerre polynomial) and the variance 2n² + 2n.

    Parameters
    ----------
    blocks, members, expected, snapshot
        As for `energy_sem`; they determine the correlation time.
    sizes
        (g,) number n of degrees of freedom that move together; a set has members/n such groups.
    """
    likely = likely_durations(blocks, members, expected, snapshot)
    variance_gx = _fluctuation_variance(sizes, RUN_PER_LIFETIME) * (sizes / members)[:, None]
    sem: Floats = (likely * np.sqrt(variance_gx)).sum(axis=1)
    return sem


def _fluctuation_variance(sizes: Floats, x: Floats) -> Floats:
    """Relative variance (g, x) of the squared fluctuation of n degrees of freedom."""
    inverse, slow, fast = 1.0 / sizes[:, None], smoothing(x), smoothing(2.0 * x)
    variance: Floats = 4.0 * inverse * slow + (2.0 + 2.0 * inverse) * fast
    return variance


def likely_durations(
    blocks: Floats, members: Ints, expected: Floats, snapshot: Floats | None
) -> Floats:
    """Probability of each run length over lifetime x, as (g, x), normalised for each set."""
    if len(blocks) < FEWEST_BLOCKS:
        return np.full((len(members), len(RUN_PER_LIFETIME)), np.nan)
    mean = blocks.mean(axis=0)
    tiny = np.finfo(float).tiny
    unit = np.maximum(np.abs(mean * expected) / members, tiny)
    x = RUN_PER_LIFETIME
    chi2 = np.zeros((len(members), len(x)))
    for level in coarser(blocks, FEWEST_BLOCKS):
        measured = np.maximum(((level - mean) ** 2).mean(axis=0) / unit, tiny)
        model = smoothing(x / len(level)) - smoothing(x)
        chi2 += _TRUST * len(level) * np.log(measured[:, None] / model) ** 2
    if snapshot is not None:
        measured = np.maximum(snapshot * members * np.abs(mean / expected), tiny)
        variance_gx = _fluctuation_variance(members.astype(float), x) + _TOLERANCE**2
        deviation = np.log(measured[:, None] / (1.0 - smoothing(x))) ** 2 / variance_gx
        chi2 += np.where(np.isfinite(snapshot)[:, None], deviation + np.log(variance_gx), 0.0)
    likely = np.exp(-0.5 * (chi2 - chi2.min(axis=1, keepdims=True)))
    share: Floats = likely / likely.sum(axis=1, keepdims=True)
    return share


def ratio_sem(above: Floats, below: Floats) -> Floats:
    """Relative standard error of a ratio of two means, by the linearised block jackknife.

    The shared slow energy of a mode cancels from the block means (b, …); the remainder
    decorrelates fast enough for plain blocks.
    """
    return block_sem(above / above.mean(axis=0) - below / below.mean(axis=0))


def block_sem(blocks: Floats) -> Floats:
    """Estimate the standard error (…) of a mean from 16 to 31 blocks, or from fewer.

    Neighbours among the means (b, …) over time blocks of equal length are joined.
    """
    if len(blocks) < FEWEST_BLOCKS:
        return np.full(blocks.shape[1:], np.nan)
    longest = coarser(blocks, PLAIN_BLOCKS)[-1]
    sem: Floats = longest.std(axis=0, ddof=1) / np.sqrt(len(longest))
    return sem


def larger_sem(blocks: Floats, members: Ints, expected: Floats) -> Floats:
    """Larger of two standard errors of a mean energy whose other half is not known.

    They are the error from blocks of time, and the error due to lifetimes longer than a block
    (`energy_sem`), which the blocks do not show. Arguments are those of `energy_sem`, with
    blocks of the kinetic or the potential energy alone.
    """
    larger: Floats = np.fmax(block_sem(blocks), energy_sem(blocks, members, expected))
    return larger


def longest_sem(blocks: Floats) -> Floats:
    """Estimate the standard error of a mean whose correlation time may be as long as a block.

    It is the largest of the errors from blocks joined by 1, 2, 4 …, and of the error from
    single blocks with correlated neighbours. The estimated correlation ρ of neighbours is too
    small by (1 + 3ρ)/n (M. G. Kendall, Biometrika 41, 403 (1954)), which is corrected. The
    error is accurate for runs of twenty lifetimes or more. `blocks` (b, …) are means over time
    blocks of equal length.
    """
    if len(blocks) < FEWEST_BLOCKS:
        return np.full(blocks.shape[1:], np.nan)
    levels = coarser(blocks, FEWEST_BLOCKS)
    sems = [one.std(axis=0, ddof=1) / np.sqrt(len(one)) for one in levels]
    sem: Floats = np.max([*sems, sems[0] * correlation_factor(blocks)], axis=0)
    return sem


def correlation_factor(blocks: Floats) -> Floats:
    """Factor (…) by which correlation of neighbouring blocks increases the error of a mean."""
    n_blocks = len(blocks)
    deviation = blocks - blocks.mean(axis=0)
    square = np.maximum((deviation**2).sum(axis=0), np.finfo(float).tiny)
    neighbours = (deviation[1:] * deviation[:-1]).sum(axis=0) / square
    memory = neighbours + (1.0 + 3.0 * neighbours) / n_blocks
    memory = np.clip(memory, 0.0, 1.0 - 2.0 / n_blocks)
    larger: Floats = np.sqrt((1.0 + memory) / (1.0 - memory))
    return larger


def coarser(blocks: Floats, fewest: int) -> list[Floats]:
    """Block means (b, …) at b, b/2, b/4 … down to `fewest`; an odd last one is dropped."""
    levels = [blocks]
    while len(blocks) >= 2 * fewest:
        even = len(blocks) // 2 * 2
        blocks = 0.5 * (blocks[0:even:2] + blocks[1:even:2])
        levels.append(blocks)
    return levels


def smoothing(x: Floats) -> Floats:
    """h(x): relative variance of the mean of an exponentially correlated series."""
    # The series avoids cancellation at small x in h(x/n) − h(x).
    series = 1.0 - x / 3.0 + x**2 / 12.0 - x**3 / 60.0
    safe = np.maximum(x, 1e-2)
    h: Floats = np.where(x < 1e-2, series, 2.0 * (safe + np.expm1(-safe)) / safe**2)
    return h
