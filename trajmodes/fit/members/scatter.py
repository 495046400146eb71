"""Variance of fitted frequencies from symmetry-equivalent modes, compared with blocks of time.

Blocks of time do not show variations slower than the run. The frequency of a mode follows the
energies of the modes to which it couples, which vary over their lifetimes.

The independent part. Members of a set couple to different modes, whose energies are
independent. Over a run they have different frequencies, however slow the variation is. The
residual forces at each q move the fitted frequencies by z_q; the sum over q is the deviation of
the fit. The variance of z_q over the members of a star, for the whole run, is the variance of
the frequency as far as these are independent: the sandwich estimator (Huber 1967) with clusters
of q instead of time. Relative to the same in blocks of time it is averaged over sets of similar
frequency.

The common part. In blocks of time the variance of the sum over q exceeds that of independent
members by a part that is common to all: in silicon the frequencies of all modes shift together
when energy is exchanged between acoustic and optical modes. This part is due to the energies of
modes as well. Over the whole run the variance of these energies among equivalent modes is
larger than expected from blocks, and the common part is multiplied by this ratio. The ratio is
an average over all modes and therefore accurate, unlike changes of single frequencies. In a run
of few lifetimes noise may conceal the common part. Its slow variance is then given the prior of
an exponential distribution whose mean is the variance of the independent part, and its
posterior mean given the blocks is used. Its uncertainty, from the noise and this prior, does
not depend on the result. If it may change the error by more than `LOWER_BOUND`, the error is a
lower bound.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr

from trajmodes.arrays import Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.fit.members.contributions import SameSpace, contributions, sets_of, squares_of
from trajmodes.fit.model import Model
from trajmodes.fit.uncertainty import FEWEST_BLOCKS

_FEWEST_MEMBERS = 8
"""Degrees of freedom of the scatter of all members that a comparison needs."""

_COMPARED = 12
"""Blocks of time that are compared with the whole run, if there are as many."""

_SIMILAR = 0.04
"""Width, over the highest frequency, of the Gaussian average over sets of similar frequency."""

_OF_ALL_SETS = 20.0
"""Degrees of freedom with which the mean over all sets enters this average."""

_LEAST_GROWTH = 0.1
"""Least slow variance, relative to the fast one, that members are expected to share."""

_SHARED = 0.3
"""Width of the same average of the relative changes that equivalent modes share: they are
nearly the same for all modes, and small."""


class MemberScatter(NamedTuple):
    """Variances of frequencies, compared with blocks of time."""

    growth: Floats
    """(q, m) variance of each frequency over that from the blocks of the error bars."""
    coherence: float
    """Variance of the mean over the members of a set, relative to that of independent members,
    in the longest blocks of time: the mean over all sets."""
    may_exceed: Floats
    """(q, m) factor by which the standard error of each frequency may be larger, within two
    standard deviations of what the run leaves unknown."""
    slow: float
    """Variance of mode energies over the whole runs, relative to that from blocks of time."""


def member_scatter(
    runs: Sequence[SameSpace], model: Model | None, block_frames: float
) -> MemberScatter | None:
    """Compare symmetry-equivalent modes over whole runs with blocks of about `block_frames`.

    None if there are too few equivalent q points or too few blocks.

    Parameters
    ----------
    runs
        All runs of the fit, those of each supercell together. The result is for the q points of
        the first ones.
    model
        Parameters of the fit; None if they are too many: each frequency is then taken to depend
        on the forces at its own q alone.
    """
    n_blocks = sum(len(one.frames) for one in runs)
    n_frames = sum(int(one.frames.sum()) for one in runs)
    together = max(1, round(block_frames * n_blocks / n_frames))
    modes = runs[0].modes
    runs = [one for one in runs if len(_longest(one, together)) >= FEWEST_BLOCKS // 2]
    moved = contributions(modes, runs, model) if runs else None
    if moved is None:
        return None
    found = [_variances(one, z_bqg, together) for one, z_bqg in zip(runs, moved, strict=True)]
    if sum(one.freedom for one in found) < _FEWEST_MEMBERS:
        return None
    short, blocks, members, whole = (
        np.sum([getattr(one, name) for one in found], axis=0)
        for name in ("short", "blocks", "members", "whole")
    )
    omega, size = sets_of(modes)
    known = members > 0.0
    if not known.any():
        return None
    ratio = _averaged(omega, size, known, members, whole)
    slow = np.average([one.slow for one in found], weights=[one.freedom for one in found])
    noise = np.average([one.noise for one in found], weights=[one.freedom for one in found])
    slow = max(1.0, float(slow))
    # What members share varies slowly about as much as what they do not.
    growing = float(np.average(ratio, weights=size)) - 1.0
    expected = max(growing, _LEAST_GROWTH) / slow
    shared, unknown = _shared(
        omega, known, blocks - members, members, float(np.sqrt(noise)), expected
    )
    variance = np.maximum(ratio, 1.0) * members + slow * shared
    growth, may_exceed = np.ones(modes.n_sets), np.ones(modes.n_sets)
    growth[known] = variance[known] / short[known]
    may_exceed[known] = np.sqrt(1.0 + 2.0 * slow * unknown[known] / variance[known])
    shared_sums, independent = np.sum([one.coherence for one in found], axis=0)
    growth_qm, may_exceed_qm = (
        np.where(modes.sets >= 0, of_set[modes.sets], 1.0) for of_set in (growth, may_exceed)
    )
    return MemberScatter(growth_qm, float(shared_sums / independent), may_exceed_qm, slow)


class _Variances(NamedTuple):
    """Variances of the frequencies of the first modes (g), from runs in one supercell."""

    short: Floats
    """From the blocks of the error bars."""
    blocks: Floats
    """From the blocks that are compared."""
    members: Floats
    """From members in these blocks, as if independent."""
    whole: Floats
    """From members over the whole runs."""
    noise: float
    """Relative variance of what independent members seem to share in these blocks."""
    slow: float
    """Variance of mode energies over the whole runs, relative to that from blocks."""
    freedom: int
    """Degrees of freedom of the members."""
    coherence: Floats
    """(2,) variances in the longest blocks: of the means over members, and of members."""


def _variances(one: SameSpace, z_bqg: Floats, together: int) -> _Variances:
    """Compare the contributions of the q points over whole runs and in blocks of time."""
    run_b = one.run
    compared = _merging(run_b, -(-len(run_b) // _COMPARED))
    deviation_cqg = _deviations(z_bqg, one.frames, compared)
    factor = len(compared) / (len(compared) - 1)
    total_qg = z_bqg.sum(axis=0)
    independent_cqg = np.sqrt(factor) * _independent(one.modes, deviation_cqg)
    members = (independent_cqg**2).sum(axis=(0, 1))
    alone = np.ones(len(total_qg), dtype=bool)
    alone[[q for at in _stars(one.modes) if len(at) > 1 for q in at]] = False
    whole = (_independent(one.modes, total_qg[None])[0, ~alone] ** 2).sum(axis=0)
    of_alone = (independent_cqg[:, alone] ** 2).sum(axis=(0, 1))
    of_others = float((members - of_alone).sum())
    if of_others > 0.0:
        # What varies slowly at a single q is not known: as at the others.
        whole += of_alone * max(1.0, float(whole.sum()) / of_others)
    return _Variances(
        short=_of_all(z_bqg, one.frames, _merging(run_b, together)),
        blocks=_of_all(z_bqg, one.frames, compared),
        members=members,
        whole=whole,
        noise=_noise(independent_cqg, members),
        slow=_slowness(one, compared),
        freedom=_freedom(one.modes),
        coherence=_coherence(one, z_bqg, _longest(one, together)),
    )


def _independent(modes: Modes, z_cqg: Floats) -> Floats:
    """(c, q, g) deviations from the mean over a star, with the variance of independent members.

    A q that is a star of its own keeps its contribution.
    """
    found = z_cqg.copy()
    for at in _stars(modes):
        if len(at) > 1:
            apart = z_cqg[:, at] - z_cqg[:, at].mean(axis=1, keepdims=True)
            found[:, at] = np.sqrt(len(at) / (len(at) - 1)) * apart
    return found


def _noise(independent_cqg: Floats, members: Floats) -> float:
    """Relative variance of the apparent common part of independent members, mean of sets.

    The square of a sum of independent numbers has twice the squared variance.
    """
    known = members > 0.0
    scaled_cqg = independent_cqg[:, :, known] / np.sqrt(members[known])
    together = sum(((one.T @ one) ** 2).sum() for one in scaled_cqg)
    return 2.0 * float(together) / max(1, int(known.sum())) ** 2


def _freedom(modes: Modes) -> int:
    """Degrees of freedom of the members of all stars; Γ counts only if it has optical modes."""
    return sum(len(at) - 1 for at in _stars(modes) if modes.sets[at[0]].max() >= 0)


def _coherence(one: SameSpace, z_bqg: Floats, cuts: Ints) -> Floats:
    """(2,) variances in blocks of the sum over q and of members, over those of members."""
    deviation_cqg = _deviations(z_bqg, one.frames, cuts)
    members = (_independent(one.modes, deviation_cqg) ** 2).sum(axis=(0, 1))
    together = (deviation_cqg.sum(axis=1) ** 2).sum(axis=0)
    known = members > 0.0
    return np.array([(together / members)[known].sum(), known.sum()])


def _slowness(one: SameSpace, cuts: Ints) -> float:
    """Variance of mode energies over whole runs, relative to that from blocks of time.

    Modes are weighted by their share of the mean square displacement, ~1/ω², on which the
    frequencies of other modes depend.
    """
    modes, square_bqm = one.modes, squares_of(one)
    deviation_cqm = _deviations(square_bqm, one.frames, cuts)
    in_blocks_qm = len(cuts) / (len(cuts) - 1) * (deviation_cqm**2).sum(axis=0)
    total_qm = square_bqm.sum(axis=0)
    whole = blocks = 0.0
    for label in range(modes.n_sets):
        own = modes.sets == label
        values = total_qm[own]
        weight = values.mean() * modes.weights[own.any(axis=1)][0]
        if len(values) > 1:
            square = values.mean() ** 2
            whole += weight * len(values) * values.var(ddof=1) / square
            blocks += weight * in_blocks_qm[own].sum() / square
    return whole / blocks if blocks > 0.0 else 1.0


def _averaged(omega: Floats, size: Floats, known: Ints, below: Floats, above: Floats) -> Floats:
    """(g,) ratio of variances, averaged over sets of similar frequency."""
    ratio, weight = above[known] / below[known], size[known]
    mean = float(np.average(ratio, weights=weight))
    distance = (omega[:, None] - omega[known]) / (_SIMILAR * omega.max())
    near = np.exp(-0.5 * distance**2) * weight
    found: Floats = (near @ ratio + _OF_ALL_SETS * mean) / (near.sum(axis=1) + _OF_ALL_SETS)
    return found


def _shared(
    omega: Floats,
    known: Ints,
    excess: Floats,
    members: Floats,
    noise: float,
    expected: float,
) -> tuple[Floats, Floats]:
    """(g,) common variance of equivalent modes, by sets of similar frequency; its uncertainty.

    It is the posterior mean. The prior is an exponential distribution with the mean `expected`,
    or more if the excess is significantly larger; the likelihood of the excess is Gaussian with
    the standard deviation `noise`. Both are relative to the variance of the members. The
    uncertainty combines both, independent of the observed excess.
    """
    weight = (omega[known] ** 2 / members[known]) ** 2
    distance = (omega[:, None] - omega[known]) / (_SHARED * omega.max())
    near = np.exp(-0.5 * distance**2) * weight
    near /= near.sum(axis=1, keepdims=True)
    found, own = (near @ (x[known] / omega[known] ** 2) for x in (excess, members))
    # A normal distribution of positive numbers; its mean without underflow.
    seen = found / own
    x = seen / noise - noise / np.maximum(expected, seen - 2.0 * noise)
    hazard = np.exp(-0.5 * x**2 - log_ndtr(x)) / np.sqrt(2.0 * np.pi)
    result: Floats = omega**2 * noise * own * np.maximum(x + hazard, 0.0)
    unknown: Floats = omega**2 * own / np.hypot(1.0 / expected, 1.0 / noise)
    return result, unknown


def _stars(modes: Modes) -> list[Ints]:
    """List the indices of the members of each star among the q points."""
    star = modes.sets.max(axis=1)
    return [np.flatnonzero(star == label) for label in np.unique(star)]


def _of_all(z_bqg: Floats, frames_b: Ints, cuts: Ints) -> Floats:
    """(g,) variance of the sum over q and time, from blocks of time."""
    deviation_cqg = _deviations(z_bqg, frames_b, cuts)
    found: Floats = (deviation_cqg.sum(axis=1) ** 2).sum(axis=0)
    return len(cuts) / (len(cuts) - 1) * found


def _deviations(sums: Floats, frames_b: Ints, cuts: Ints) -> Floats:
    """Deviations of the sums over blocks of time from those of all frames."""
    share_c = np.add.reduceat(frames_b, cuts) / frames_b.sum()
    expected = share_c.reshape(-1, *(1,) * (sums.ndim - 1)) * sums.sum(axis=0)
    found: Floats = np.add.reduceat(sums, cuts) - expected
    return found


def _merging(run_b: Ints, together: int) -> Ints:
    """First of every `together` consecutive blocks of a run."""
    place = np.arange(len(run_b)) - np.searchsorted(run_b, run_b)
    return np.flatnonzero(place % together == 0)


def _longest(one: SameSpace, together: int) -> Ints:
    """First blocks of the longest blocks of time."""
    return _merging(one.run, max(together, len(one.run) // FEWEST_BLOCKS))
