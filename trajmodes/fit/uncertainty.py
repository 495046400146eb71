"""Error bars of fitted constants from contiguous blocks of time.

Leaving out one block at a time (jackknife: Quenouille 1956, Tukey 1958) needs only
differences of sums: x_(−b) = (G − G_b)⁻¹ (h − h_b). Frames are correlated, so the blocks must
be longer than the correlation time: neighbours are joined as long as that makes the error grow
(Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)). Products of displacements and forces
forget most within a period and the rest within a lifetime, so a first plateau may be a false
one (silicon at 300 K: 2.4, 2.4, 2.6, 2.8, 3.1, 3.6 frames per independent one): all lengths
are looked at.
"""

from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.fit.normal_equations import NormalEquations
from trajmodes.fit.solve import Solution, solve_positive

__all__ = ["Convergence", "Jackknife", "convergence", "jackknife"]

_FEWEST_BLOCKS = 8
"""Fewer blocks tell too little about their own spread."""


@dataclass(frozen=True, slots=True)
class Jackknife:
    """Delete-one-block estimates of the parameters."""

    replicates: Floats
    """(b, n), unit: eV/Å². Covariance (B − 1)/B Σ_b (x_b − x̄)(x_b − x̄)ᵀ."""
    block_frames: float
    """Mean number of frames in one block."""
    inefficiency: float
    """Variance over what it were if every force component had an error of its own: the
    number of frames per independent frame where forces on different atoms are independent."""
    levelled: bool
    """Whether the error was seen to stop growing with the length of the blocks."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, replicates="b n")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.replicates)


@dataclass(frozen=True, slots=True)
class Convergence:
    """Fits to the first blocks of a run, one more at a time."""

    frames: Ints
    """(b,) number of frames from the start."""
    values: Floats
    """(b, p, 3, 3), unit: eV/Å². Constants; nan where so few frames do not determine them."""
    r_squared: Floats
    """(b,) coefficient of determination; nan likewise."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, frames="b")
        freeze(self, sizes, float, values="b p 3 3", r_squared="b")


def jackknife(equations: NormalEquations, solution: Solution) -> Jackknife | None:
    """Error of the solution from the blocks, joined as long as that makes it grow.

    Parameters
    ----------
    equations
        The normal equations, block by block.
    solution
        Their solution.

    Returns
    -------
    The estimates, or None if there are too few blocks, or if one block less would leave
    parameters undetermined.
    """
    finest = _delete_one(equations, solution)
    if finest is None:
        return None
    levels, together = [finest], 2
    while equations.n_blocks // together >= _FEWEST_BLOCKS:
        longer = _delete_one(equations.merged(together), solution)
        if longer is None:
            break
        levels.append(longer)
        together *= 2
    return _longest_needed(levels, solution.rank)


def _longest_needed(levels: list[Jackknife], rank: int) -> Jackknife:
    """Choose from blocks of growing length those with the largest error, if it grew at all."""
    finest, largest = levels[0], max(levels, key=lambda level: level.inefficiency)
    best = largest if _grown(finest, largest, rank) else finest
    # The error grew up to the fewest blocks, or there were too few to join any.
    return replace(best, levelled=best is not levels[-1])


def convergence(equations: NormalEquations) -> Convergence:
    """Fit the first blocks of a run, one more at a time.

    Parameters
    ----------
    equations
        The normal equations, block by block.
    """
    gram = np.cumsum(equations.gram, axis=0)
    moment = np.cumsum(equations.moment, axis=0)
    square = np.cumsum(equations.square)
    found = np.full_like(moment, np.nan)
    for b in range(equations.n_blocks):
        try:
            found[b] = solve_positive(gram[b], moment[b])
        except np.linalg.LinAlgError:
            continue
    return Convergence(
        np.cumsum(equations.frames),
        equations.basis.expand(found),
        np.einsum("bn,bn->b", moment, found) / np.where(square > 0.0, square, np.nan),
    )


def _delete_one(equations: NormalEquations, solution: Solution) -> Jackknife | None:
    n_blocks = equations.n_blocks
    if n_blocks < _FEWEST_BLOCKS:
        return None
    total, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    replicates = np.empty((n_blocks, len(moment)))
    for b in range(n_blocks):
        gram, rest = total - equations.gram[b], moment - equations.moment[b]
        try:
            replicates[b] = _solve_within(solution.span, gram, rest)
        except np.linalg.LinAlgError:
            return None
    spread = replicates - replicates.mean(axis=0)
    residual = float(equations.square.sum() - moment @ solution.parameters)
    n_components = equations.n_components * int(equations.frames.sum())
    # tr(G V) is n times the variance of a component's error if all these are independent
    variance = (n_blocks - 1) / n_blocks * np.einsum("bn,nm,bm->", spread, total, spread)
    noise = residual / (n_components - solution.rank) * solution.rank
    inefficiency = float(variance / noise) if noise > 0.0 else np.nan
    length = float(equations.frames.mean())
    return Jackknife(replicates, length, inefficiency, levelled=True)


def _solve_within(span: Floats | None, gram: Floats, moment: Floats) -> Floats:
    """Solve for the parameters in the span of directions that all blocks determine."""
    if span is None:
        return solve_positive(gram, moment)
    result: Floats = span @ solve_positive(span.T @ gram @ span, span.T @ moment)
    return result


def _grown(shorter: Jackknife, longer: Jackknife, rank: int) -> bool:
    """Whether the error grew by more than chance would have it.

    The relative variance of either estimate is 2/(n(B − 1)); the joined blocks hold the
    shorter ones, so that of the difference is the difference of the two.
    """
    freedom = 1.0 / (longer.n_blocks - 1) - 1.0 / (shorter.n_blocks - 1)
    scatter = float(np.sqrt(2.0 / rank * freedom))
    return longer.inefficiency > shorter.inefficiency * (1.0 + scatter)
