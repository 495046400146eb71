"""Multiple tau: time averages over intervals of doubling length, and products of their pairs.

Level l of an uninterrupted range of frames holds averages over 2^l frames, counted from the
start of the range. The lags are spaced about logarithmically: 0…7 at the first correlated
level, then 4…7 at every later one, four lags per octave. The effect of averaging on an
exponential is known exactly, so the coarse grid of lags loses only what a finer grid could not
determine either (Ramírez et al., J. Chem. Phys. 133, 154103 (2010)).

The frames of one block give at every level the whole averages within it, of which `LevelEnds`
keeps the first and the last few. Neighbouring blocks are joined at their boundary:

        earlier   [head ··· tail]        |
        later                    |       [head ··· tail]
        boundary             [average]

At most one average per level has frames on both sides of the boundary. It is the mean of two
averages of the level below, so that the averages across the boundary follow level by level from
the frames, and all pairs across the boundary lie in tail + average + head. No result depends on
where the blocks are cut.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.kernels import kernel, scalar_product

_LAGS = np.arange(8)
_LATER_LAGS = np.arange(4, 8)
_KEPT = 7
_NO_LAGS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class LagLevels:
    """Levels of averaging, and the lags at which they are correlated."""

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
        """Return the positions of the lags of one level among all lags."""
        first = sum(len(lags) for lags in self.lags[:level])
        return slice(first, first + len(self.lags[level]))


@dataclass(frozen=True, slots=True)
class LevelEnds:
    """The first and last whole averages of one level within a block of frames."""

    first: int
    """Index of the first average, counted from the start of the range."""
    size: int
    """Number of averages in the block."""
    head: Floats
    """(i, n) the first seven, or all of them; series i."""
    tail: Floats
    """(i, n) the last seven, or all of them."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """Averages of one level around the boundary between two blocks."""

    first: int
    """Index of the first of them, counted from the start of the range."""
    averages: Floats
    """(i, n)."""
    n_before: int
    """Number of averages of the earlier block."""
    n_across: int
    """Number of averages, 0 or 1, with frames on both sides."""


def lag_levels(finest: int, n_frames: int) -> LagLevels:
    """Choose lags from one average of the finest correlated level to a third of a range.

    Averages of the level `finest` are over 2^finest frames; `n_frames` is the length of the
    longest range.
    """
    lags, level = [_NO_LAGS] * finest, finest
    while level == finest or (int(_LATER_LAGS[0]) << level) <= n_frames // 3:
        wanted = _LAGS if level == finest else _LATER_LAGS
        longest = max(n_frames // 3, 1 << finest)
        lags.append(wanted[wanted << level <= longest])
        level += 1
    return LagLevels(tuple(lags))


def averages(series_it: Floats, first: int, n_levels: int) -> list[tuple[int, Floats]]:
    """Index of the first whole average, and whole averages (i, n), of every level.

    `series_it` (i, t) are consecutive frames, and `first` is the index of the first one; both
    indices count from the start of the range.
    """
    found = [(first, series_it)]
    for _ in range(n_levels - 1):
        start, n_frames = first % 2, series_it.shape[1]
        stop = start + 2 * max(0, (n_frames - start) // 2)
        series_it = 0.5 * (series_it[:, start:stop:2] + series_it[:, start + 1 : stop : 2])
        first = (first + 1) // 2
        found.append((first, series_it))
    return found


def level_ends(first: int, averages_in: Floats) -> LevelEnds:
    """Keep the ends of consecutive averages (i, n)."""
    head, tail = averages_in[:, :_KEPT], _last(averages_in)
    return LevelEnds(first, averages_in.shape[1], head.copy(), tail.copy())


def _last(averages_in: Floats) -> Floats:
    return averages_in[:, max(averages_in.shape[1] - _KEPT, 0) :]


def join_levels(
    earlier: LevelEnds, later: LevelEnds, below: Boundary | None, middle: int, level: int
) -> tuple[LevelEnds, Boundary]:
    """Averages of one level of two neighbouring blocks, and those around their boundary.

    `below` are the averages around the boundary one level below, None at the level of the
    frames; `middle` is the frame at the boundary, counted from the start of the range.
    """
    across = earlier.tail[:, :0]
    number = middle >> level
    if below is not None and middle % (1 << level):
        child = 2 * number - below.first
        if child >= 0 and child + 2 <= below.averages.shape[1]:
            one, two = (below.averages[:, k : k + 1] for k in (child, child + 1))
            across = 0.5 * (one + two)
    n_before, n_across = earlier.tail.shape[1], across.shape[1]
    if n_across == 0 and later.size == 0:
        return earlier, Boundary(number - n_before, earlier.tail, n_before, 0)
    around = np.concatenate([earlier.tail, across, later.head], axis=1)
    # Without an average across, one side is empty or the boundary lies between averages.
    first = number - n_before if n_before or n_across else later.first
    both = LevelEnds(
        first=earlier.first,
        size=earlier.size + n_across + later.size,
        head=earlier.head if earlier.size >= _KEPT else around[:, :_KEPT].copy(),
        tail=later.tail if later.size >= _KEPT else _last(around).copy(),
    )
    return both, Boundary(first, around, n_before, n_across)


def _pair_ranges(size: int, across: tuple[int, int], edges: Ints, lags: Ints) -> Ints:
    """Ranges of k of the pairs (k, k + lag) across a boundary, as (b, n, 2).

    The later average of each pair lies between the edges of its time block (b).
    """
    low_bn = np.maximum(np.maximum(across[0] - lags, 0), edges[:-1, None] - lags)
    last_bn = np.minimum(np.minimum(across[0] + across[1], size - lags), edges[1:, None] - lags)
    ranges: Ints = np.stack([low_bn, np.maximum(low_bn, last_bn)], axis=2)
    return ranges


@kernel()
def _add_products(
    averages_in: Floats, sets: Ints, ranges_bn: Ints, lags: Ints, total_bng: Floats
) -> None:
    for i in range(len(averages_in)):
        x = averages_in[i]
        for b in range(ranges_bn.shape[0]):
            for n in range(len(lags)):
                low, high, lag = ranges_bn[b, n, 0], ranges_bn[b, n, 1], lags[n]
                if low < high:
                    earlier, later = x[low:high], x[low + lag : high + lag]
                    total_bng[b, n, sets[i]] += scalar_product(earlier, later, high - low)


@kernel()
def _add_sums(
    averages_in: Floats, sets: Ints, ranges_bn: Ints, lags: Ints, total_bng: Floats
) -> None:
    # Differences of cumulative sums give the sum over any range.
    n_sets, size = total_bng.shape[2], averages_in.shape[1]
    running = np.zeros((n_sets, size + 1))
    for i in range(len(averages_in)):
        for k in range(size):
            running[sets[i], k + 1] += averages_in[i, k]
    for g in range(n_sets):
        for k in range(size):
            running[g, k + 1] += running[g, k]
        for b in range(ranges_bn.shape[0]):
            for n in range(len(lags)):
                low, high, lag = ranges_bn[b, n, 0], ranges_bn[b, n, 1], lags[n]
                if low < high:
                    both = running[g, high] - running[g, low]
                    both += running[g, high + lag] - running[g, low + lag]
                    total_bng[b, n, g] += both


def count_pairs(size: int, edges: Ints, lags: Ints) -> Ints:
    """Count pairs of consecutive averages in each time block, as (b, n); see `add_pairs`."""
    ranges = _pair_ranges(size, (0, size), edges, lags)
    counts: Ints = ranges[..., 1] - ranges[..., 0]
    return counts


def add_pairs(
    boundary: Boundary, sets: Ints, n_summed: int, edges: Ints, lags: Ints, total_bcng: Floats
) -> None:
    """Add products and sums of the pairs (k, k + lag) of averages across a boundary.

    Parameters
    ----------
    boundary
        If all averages are across and none before, all pairs are counted.
    sets
        (i,) set of every series.
    n_summed
        Number of series, from the first one, that enter the sums; all series enter the
        products.
    edges
        (b + 1,) first average of each time block. A pair belongs to the block of its later
        average.
    total_bcng
        (b, 2, n, g) Σ x_k x_{k+lag} and Σ (x_k + x_{k+lag}) of sets (g), added to in place.
    """
    # Averages on one side alone form no pairs across the boundary.
    size = boundary.averages.shape[1]
    if boundary.n_across or 0 < boundary.n_before < size:
        across = (boundary.n_before, boundary.n_across)
        ranges = _pair_ranges(size, across, edges - boundary.first, lags)
        _add_products(boundary.averages, sets, ranges, lags, total_bcng[:, 0])
        summed = boundary.averages[:n_summed]
        _add_sums(summed, sets[:n_summed], ranges, lags, total_bcng[:, 1])
