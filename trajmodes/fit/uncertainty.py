"""Error bars of fitted constants from contiguous blocks of time.

Leaving out one block at a time (jackknife: Quenouille 1956, Tukey 1958) needs only
differences of sums: x_(−b) from G − G_b and h − h_b. The sandwich (Huber 1967) is its first
order: with M the block lower triangle of G by stages, x moves by M⁻¹(h_b − M_b x) for one block
more. Frames are correlated, so the blocks must be longer than the correlation time: neighbours
are joined as long as that makes the error grow (Flyvbjerg and Petersen, J. Chem. Phys. 91, 461
(1989)). Products of displacements and forces forget most within a period and the rest within a
lifetime, so a first plateau may be a false one (silicon at 300 K: 2.4, 2.4, 2.6, 2.8, 3.1, 3.6
frames per independent one): all lengths are looked at.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.fit_quality import ErrorMethod, FitErrors
from trajmodes.fit.model import ReducedEquations
from trajmodes.fit.solve import Solver, estimate, solve_positive

FEWEST_BLOCKS = 8
"""Fewer blocks tell too little about their own spread."""

_PARTS = 16
"""Growing parts of the run that are fitted to see how the constants settle."""


class GrowingFits(NamedTuple):
    """Fits to growing parts of a run."""

    frames: Ints
    """(b,) number of frames from the start."""
    parameters: Floats
    """(b, z) parameters of the expansion; nan where so few frames do not determine them."""
    r_squared: Floats
    """(b,) coefficient of determination; nan likewise."""


def fit_errors(
    equations: ReducedEquations,
    parameters: Floats,
    *,
    solver: Solver = solve_positive,
    method: ErrorMethod = "jackknife",
    left_out: Floats | None = None,
) -> FitErrors | None:
    """Error of the solution from the blocks, joined as long as that makes it grow.

    Parameters
    ----------
    equations
        The normal equations, block by block.
    parameters
        (n,) their solution.
    solver
        How one stage is solved.
    method
        Leave out blocks, or take the first order of doing so, which assumes least squares.
    left_out
        (b, n) solutions without each block, where they are known already.

    Returns
    -------
    The estimates, or None if there are too few blocks, or if one block less would leave
    parameters undetermined.
    """
    measure = partial(_measured, parameters=parameters, solver=solver, method=method)
    finest = measure(equations, left_out=left_out)
    if finest is None:
        return None
    levels, together = [finest], 2
    while (joined := equations.merged(together)).n_blocks >= FEWEST_BLOCKS:
        longer = measure(joined)
        if longer is None or joined.n_blocks == levels[-1].n_blocks:
            break
        levels.append(longer)
        together *= 2
    return _longest_needed(levels, len(parameters))


def growing_fits(equations: ReducedEquations, solver: Solver = solve_positive) -> GrowingFits:
    """Fit growing parts of a run, 16 at most.

    Parameters
    ----------
    equations
        The normal equations, block by block.
    solver
        How one stage is solved.
    """
    equations = equations.merged(-(-equations.n_blocks // _PARTS))
    gram = np.zeros(equations.gram.shape[1:])
    moment = np.cumsum(equations.moment, axis=0)
    square = np.cumsum(equations.square)
    found = np.full_like(moment, np.nan)
    explained = np.full(equations.n_blocks, np.nan)
    for b in range(equations.n_blocks):
        gram += equations.gram[b]
        try:
            found[b] = estimate(equations, gram, moment[b], solver)
        except np.linalg.LinAlgError:
            continue
        explained[b] = 2.0 * moment[b] @ found[b] - found[b] @ gram @ found[b]
    return GrowingFits(
        np.cumsum(equations.frames),
        found @ equations.model.null_space.T,
        explained / np.where(square > 0.0, square, np.nan),
    )


def predicted_squares(equations: ReducedEquations, left_out: Floats) -> Floats:
    """Squared residuals of each block by the fit to all others: cross-validation.

    Parameters
    ----------
    equations
        The normal equations, block by block.
    left_out
        (b, n) solutions without each block.

    Returns
    -------
    (b, s) sums in eV²/Å², after each stage.
    """
    stage = equations.model.stage
    n_stages = int(stage.max(initial=-1)) + 1
    squares = np.empty((equations.n_blocks, n_stages))
    for b, found in enumerate(left_out):
        for k in range(n_stages):
            x = np.where(stage <= k, found, 0.0)
            change = x @ equations.gram[b] @ x - 2.0 * equations.moment[b] @ x
            squares[b, k] = equations.square[b] + change
    return squares


def left_out_solutions(
    equations: ReducedEquations, solver: Solver = solve_positive
) -> Floats | None:
    """Solve without each block in turn.

    Parameters
    ----------
    equations
        The normal equations, block by block.
    solver
        How one stage is solved.

    Returns
    -------
    (b, n) solutions; None if there is one block only, or the others do not determine one.
    """
    if equations.n_blocks < 2:
        return None
    total, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    found = np.empty_like(equations.moment)
    for b in range(equations.n_blocks):
        gram, rest = total - equations.gram[b], moment - equations.moment[b]
        try:
            found[b] = estimate(equations, gram, rest, solver)
        except np.linalg.LinAlgError:
            return None
    return found


def _first_order(equations: ReducedEquations, parameters: Floats) -> Floats:
    """(b, n) solutions without each block to first order, on the scale of the jackknife."""
    stage = equations.model.stage
    lower = np.where(stage[:, None] >= stage, equations.gram.sum(axis=0), 0.0)
    scores = np.array(
        [
            moment - np.where(stage[:, None] >= stage, gram, 0.0) @ parameters
            for gram, moment in zip(equations.gram, equations.moment, strict=True)
        ]
    )
    moved = np.linalg.solve(lower, scores.T).T
    n_blocks = equations.n_blocks
    return parameters - n_blocks / (n_blocks - 1) * moved


def _measured(
    equations: ReducedEquations,
    parameters: Floats,
    solver: Solver,
    method: ErrorMethod,
    left_out: Floats | None = None,
) -> FitErrors | None:
    n_blocks = equations.n_blocks
    if n_blocks < FEWEST_BLOCKS:
        return None
    if method == "sandwich":
        left_out = _first_order(equations, parameters)
    elif left_out is None:
        left_out = left_out_solutions(equations, solver)
    if left_out is None:
        return None
    inefficiency = _inefficiency(equations, parameters, left_out)
    length = float(equations.frames.mean())
    return FitErrors(left_out, length, inefficiency, levelled=True, method=method)


def _inefficiency(equations: ReducedEquations, parameters: Floats, found: Floats) -> float:
    """Mean over the parameters of their variance in units of that of independent errors."""
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    spread = found - found.mean(axis=0)
    n_components = equations.n_components * int(equations.frames.sum())
    ratio = 0.0
    for own in equations.model.stages:
        # what is left after this stage is the noise that it met
        x = np.where(equations.model.stage <= equations.model.stage[own[0]], parameters, 0.0)
        residual = float(equations.square.sum() - 2.0 * moment @ x + x @ gram @ x)
        noise = residual / (n_components - np.count_nonzero(x))
        # tr(G V) is n times the variance of a component's error if all are independent
        part = gram[np.ix_(own, own)]
        variance = np.einsum("bn,nm,bm->", spread[:, own], part, spread[:, own])
        ratio += float(variance / noise) if noise > 0.0 else np.nan
    n_blocks = len(found)
    return ratio * (n_blocks - 1) / n_blocks / max(len(parameters), 1)


def _longest_needed(levels: list[FitErrors], rank: int) -> FitErrors:
    """Choose from blocks of growing length those with the largest error, if it grew at all."""
    finest, largest = levels[0], max(levels, key=lambda level: level.inefficiency)
    best = largest if _grown(finest, largest, rank) else finest
    # The error grew up to the fewest blocks, or there were too few to join any.
    return replace(best, levelled=best is not levels[-1])


def _grown(shorter: FitErrors, longer: FitErrors, rank: int) -> bool:
    """Whether the error grew by more than chance would have it.

    The relative variance of either estimate is 2/(n(B − 1)); the joined blocks hold the
    shorter ones, so that of the difference is the difference of the two.
    """
    freedom = 1.0 / (longer.n_blocks - 1) - 1.0 / (shorter.n_blocks - 1)
    scatter = float(np.sqrt(2.0 / rank * freedom))
    return longer.inefficiency > shorter.inefficiency * (1.0 + scatter)
