"""Error bars of fitted parameters from contiguous blocks of time.

The jackknife (Quenouille 1956, Tukey 1958) leaves out one block at a time, which needs only
differences of sums: x_(−b) from G − G_b and h − h_b. The sandwich estimator (Huber 1967) is its
first order: with M the block lower triangle of G by stages, adding block b changes x by M⁻¹(h_b
− M_b x). Frames are correlated, so the blocks must be longer than the correlation time:
neighbouring blocks are merged as long as the error grows (Flyvbjerg and Petersen, J. Chem.
Phys. 91, 461 (1989)). Products of displacements and forces decorrelate mostly within a period
and completely within a lifetime, so that the first plateau may be false (silicon at 300 K: 2.4,
2.4, 2.6, 2.8, 3.1, 3.6 frames per independent frame). All block lengths are therefore tried.
"""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.force_constants import ErrorMethod, FitErrors
from trajmodes.fit.model import ReducedEquations
from trajmodes.fit.solve import Solver, estimate, solve_positive

FEWEST_BLOCKS = 8
"""Fewest blocks for an error bar: the spread of fewer is too uncertain."""

_PARTS = 16
"""Most growing parts of the run that are fitted."""


def fit_errors(
    equations: ReducedEquations,
    parameters: Floats,
    left_out: Floats | None,
    *,
    solver: Solver = solve_positive,
    method: ErrorMethod = "jackknife",
) -> FitErrors | None:
    """Estimate the error of a solution (n,) from its blocks, merged as long as the error grows.

    It is None if there are too few blocks, or if the parameters are undetermined without one of
    them. The solutions without each block are `left_out_solutions`. The sandwich estimator
    assumes least squares.
    """
    levels: list[FitErrors] = []
    merged = equations
    while merged.n_blocks >= FEWEST_BLOCKS:
        if method == "sandwich":
            found: Floats | None = _first_order(merged, parameters)
        else:
            found = left_out_solutions(merged, solver) if levels else left_out
        if found is None:
            break
        inefficiency = _inefficiency(merged, parameters, found)
        length = float(merged.frames.mean())
        levels.append(FitErrors(found, length, inefficiency, levelled=True, method=method))
        merged = equations.merged(2 ** len(levels))
        if merged.n_blocks == levels[-1].n_blocks:
            break
    return longest_needed(levels, len(parameters)) if levels else None


def growing_fits(
    equations: ReducedEquations, solver: Solver = solve_positive
) -> tuple[Ints, Floats]:
    """(c,) frames and (c, z) parameters of growing parts of a run, 16 at most.

    Parts that do not determine the parameters are left out.
    """
    equations = equations.merged(-(-equations.n_blocks // _PARTS))
    gram = np.zeros(equations.gram.shape[1:])
    moment = np.cumsum(equations.moment, axis=0)
    found = np.full_like(moment, np.nan)
    for b in range(equations.n_blocks):
        gram += equations.gram[b]
        with suppress(np.linalg.LinAlgError):
            found[b] = estimate(equations, gram, moment[b], solver)
    parameters = found @ equations.model.null_space.T
    determined = np.isfinite(parameters).all(axis=1)
    return np.cumsum(equations.frames)[determined], parameters[determined]


def predicted_squares(equations: ReducedEquations, left_out: Floats) -> Floats:
    """(b, s) squared residuals in eV²/Å² of each block after each stage, fitted to all others.

    Cross-validation, from the (b, n) solutions without each block.
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
    """(b, n) solutions without each block in turn.

    None if there is only one block, or if the parameters are undetermined without one of them.
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
    """(b, n) solutions without each block to first order, scaled like jackknife replicates."""
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


def _inefficiency(equations: ReducedEquations, parameters: Floats, found: Floats) -> float:
    """Mean variance of the parameters, relative to that of independent frames."""
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    spread = found - found.mean(axis=0)
    ratio = 0.0
    for own in equations.model.stages:
        # the residual after this stage is its noise
        x = np.where(equations.model.stage <= equations.model.stage[own[0]], parameters, 0.0)
        residual = float(equations.square.sum() - 2.0 * moment @ x + x @ gram @ x)
        noise = residual / (equations.n_components - np.count_nonzero(x))
        # tr(G V) is n times the noise variance of a force component if all are independent
        part = gram[np.ix_(own, own)]
        variance = np.einsum("bn,nm,bm->", spread[:, own], part, spread[:, own])
        ratio += float(variance / noise) if noise > 0.0 else np.nan
    n_blocks = len(found)
    return ratio * (n_blocks - 1) / n_blocks / max(len(parameters), 1)


def longest_needed(levels: list[FitErrors], rank: int) -> FitErrors:
    """Choose the block length with the largest error, if the error grows significantly.

    The relative variance of either estimate is 2/(n(B − 1)); the longer blocks are merged from
    the shorter ones, so the variance of the difference is the difference of the variances.
    """
    finest, largest = levels[0], max(levels, key=lambda level: level.inefficiency)
    freedom = 1.0 / (largest.n_blocks - 1) - 1.0 / (finest.n_blocks - 1)
    scatter = float(np.sqrt(2.0 / rank * freedom))
    grown = largest.inefficiency > finest.inefficiency * (1.0 + scatter)
    best = largest if grown else finest
    # Not levelled: the error grew up to the longest blocks, or no blocks could be merged.
    return replace(best, levelled=best is not levels[-1])
