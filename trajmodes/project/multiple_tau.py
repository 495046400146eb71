"""Time averages of doubling length, and the products of pairs of them (multiple tau).

Level l of an uninterrupted stretch of the run holds averages over 2^l frames, counted from its
start. Lags are spaced about logarithmically: 0…7 at the first level that is correlated, then
4…7 at every other one, four lags to an octave. What an average does to an exponential is known
exactly, so nothing is lost by it but what a finer grid of lags would not tell either.
(Ramírez et al., J. Chem. Phys. 133, 154103 (2010).)

Some frames of a stretch make a `Strip` at every level: whole averages only, of which the first
and the last few are kept. Two neighbouring strips meet in a seam:

        earlier   [head ··· tail]        |
        later                    |       [head ··· tail]
        seam                     [average]

At most one average of a level has frames on both sides. It is the mean of two of the level
below, so all seams are found from the frames upwards, and all pairs that reach over a seam lie
in tail + seam + head. No result depends on where blocks of frames are cut.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from trajmodes.arrays import Floats, Ints

__all__ = [
    "Octaves",
    "Seam",
    "Strip",
    "add_products",
    "averages",
    "ends",
    "octaves",
    "meet",
    "pair_ranges",
    "pair_sums",
]

_LAGS = np.arange(8)
_LATER_LAGS = np.arange(4, 8)
_KEPT = 7
_NO_LAGS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Octaves:
    """Levels that are averaged, and the lags that they are correlated at."""

    lags: tuple[Ints, ...]
    """(level)(n,) lags in averages of this level; the finest levels may have none."""

    @property
    def level(self) -> Ints:
        """(k,) level of every lag."""
        return np.repeat(np.arange(len(self.lags)), [len(lags) for lags in self.lags])

    @property
    def steps(self) -> Ints:
        """(k,) every lag, in averages of its level."""
        return np.concatenate(self.lags)

    def places(self, level: int) -> slice:
        """Where the lags of a level are among all lags."""
        first = sum(len(lags) for lags in self.lags[:level])
        return slice(first, first + len(self.lags[level]))


@dataclass(frozen=True, slots=True)
class Strip:
    """Whole averages of one level within some frames; only its ends are remembered."""

    first: int
    """Number of the first average, counted from the start of the stretch."""
    size: int
    """How many there are."""
    head: Floats
    """(i, n) the first seven, or all of them; series i."""
    tail: Floats
    """(i, n) the last seven, or all of them."""


@dataclass(frozen=True, slots=True)
class Seam:
    """Averages of one level around the frame where two strips meet."""

    first: int
    """Number of the first of them, counted from the start of the stretch."""
    averages: Floats
    """(i, n)."""
    n_before: int
    """How many are of the earlier strip."""
    n_across: int
    """How many, 0 or 1, have frames on both sides."""


def octaves(finest: int, n_frames: int) -> Octaves:
    """Lags from one average of the finest level correlated to a third of a stretch.

    Parameters
    ----------
    finest
        First level that is correlated: its averages are over 2^finest frames.
    n_frames
        Length of the longest stretch.
    """
    lags, level = [_NO_LAGS] * finest, finest
    while level == finest or (int(_LATER_LAGS[0]) << level) <= n_frames // 3:
        wanted = _LAGS if level == finest else _LATER_LAGS
        longest = max(n_frames // 3, 1 << finest)
        lags.append(wanted[wanted << level <= longest])
        level += 1
    return Octaves(tuple(lags))


def averages(series_it: Floats, first: int, n_levels: int) -> list[tuple[int, Floats]]:
    """Whole averages of all levels within consecutive frames.

    Parameters
    ----------
    series_it
        (i, t) series.
    first
        Number of the first frame, counted from the start of the stretch.
    n_levels
        Number of levels.

    Returns
    -------
    Number of the first average, and the averages (i, n), of every level.
    """
    found = [(first, series_it)]
    for _ in range(n_levels - 1):
        odd, size = first % 2, max(0, (series_it.shape[1] - first % 2) // 2)
        pairs = series_it[:, odd : odd + 2 * size]
        series_it = 0.5 * (pairs[:, 0::2] + pairs[:, 1::2])
        first = (first + 1) // 2
        found.append((first, series_it))
    return found


def ends(first: int, averages_in: Floats) -> Strip:
    """Remember the ends of consecutive averages (i, n)."""
    head, tail = averages_in[:, :_KEPT], _last(averages_in)
    return Strip(first, averages_in.shape[1], head.copy(), tail.copy())


def _last(averages_in: Floats) -> Floats:
    return averages_in[:, max(averages_in.shape[1] - _KEPT, 0) :]


def meet(
    earlier: Strip, later: Strip, below: Seam | None, middle: int, level: int
) -> tuple[Strip, Seam]:
    """Join the strips of neighbouring frames.

    Parameters
    ----------
    earlier, later
        Strips of this level.
    below
        What is around the seam one level below; None at the level of the frames.
    middle
        Frame where they meet, counted from the start of the stretch.
    level
        Number of the level.

    Returns
    -------
    The strip of both, and what is around the seam.
    """
    across = earlier.tail[:, :0]
    number = middle >> level
    if below is not None and middle % (1 << level):
        child = 2 * number - below.first
        if child >= 0 and child + 2 <= below.averages.shape[1]:
            across = below.averages[:, child : child + 2].mean(axis=1, keepdims=True)
    n_before, n_across = earlier.tail.shape[1], across.shape[1]
    around = np.concatenate([earlier.tail, across, later.head], axis=1)
    # Without an average across the seam, one of the strips is empty or the seam is even.
    first = number - n_before if n_before or n_across else later.first
    both = Strip(
        first=earlier.first,
        size=earlier.size + n_across + later.size,
        head=earlier.head if earlier.size >= _KEPT else around[:, :_KEPT].copy(),
        tail=later.tail if later.size >= _KEPT else _last(around).copy(),
    )
    return both, Seam(first, around, n_before, n_across)


def pair_ranges(
    lags: Ints, size: int, n_before: int, n_across: int, edges: Ints
) -> tuple[Ints, Ints]:
    """Pairs (k, k + lag) of averages that reach over a seam, sorted by time blocks.

    Parameters
    ----------
    lags
        (n,) lags.
    size
        Number of averages around the seam.
    n_before, n_across
        How many of them are before the seam, and across it. With none before and all across,
        all pairs count.
    edges
        (b + 1,) first average of each time block; a pair belongs where its later average does.

    Returns
    -------
    (b, n) first k, and the k after the last one.
    """
    low = np.maximum(np.maximum(n_before - lags, 0), edges[:-1, None] - lags)
    high = np.minimum(np.minimum(n_before + n_across, size - lags), edges[1:, None] - lags)
    some = low < high
    return np.where(some, low, 0), np.where(some, high, 0)


def pair_sums(averages_in: Floats, low_bn: Ints, high_bn: Ints, lags: Ints) -> Floats:
    """Σ_k (x_k + x_{k+lag}) over ranges of k, as (b, n, i)."""
    sums = np.zeros((averages_in.shape[1] + 1, len(averages_in)))
    np.cumsum(averages_in.T, axis=0, out=sums[1:])
    # Empty ranges may lie beyond the end.
    low_later, high_later = (np.minimum(k + lags, len(sums) - 1) for k in (low_bn, high_bn))
    total: Floats = sums[high_bn] - sums[low_bn] + sums[high_later] - sums[low_later]
    return total


# Sums in any order ("reassoc") are what makes the innermost loop one of vectors.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def add_products(
    averages_in: Floats, sets: Ints, ranges: tuple[Ints, Ints], lags: Ints, total_bng: Floats
) -> None:
    """Add Σ_k x_k x_{k+lag} over ranges of k to the total of the set of each series."""
    low_bn, high_bn = ranges
    for i in range(len(averages_in)):
        x = averages_in[i]
        for b in range(low_bn.shape[0]):
            for n in range(len(lags)):
                low, high = low_bn[b, n], high_bn[b, n]
                later = x[lags[n] :]
                product = 0.0
                for k in range(low, high):
                    product += x[k] * later[k]
                total_bng[b, n, sets[i]] += product
