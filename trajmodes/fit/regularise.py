"""Regularised fits: ridge, LASSO and adaptive LASSO, and the choice of their strength.

LASSO (Tibshirani, J. R. Stat. Soc. B 58, 267 (1996)) minimises ½|f − A x|²/N + α Σ|x_k| for
columns of unit norm; adaptive LASSO (Zou, J. Am. Stat. Assoc. 101, 1418 (2006)) weights each
|x_k| by 1/|x_k of a ridge fit|. Both need only AᵀA and Aᵀf, the normal equations. The strength
is chosen by cross-validation, leaving out one block of time at a time.

Regularisation is for few data. MD runs have thousands of times more force components than
parameters, and least squares is appropriate.
"""

from functools import partial
from typing import Any, Literal

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.model import ReducedEquations
from trajmodes.fit.solve import Solver, equilibration, solve_positive
from trajmodes.fit.uncertainty import left_out_solutions, predicted_squares

Method = Literal["least-squares", "ridge", "lasso", "adaptive-lasso"]

STRENGTHS = tuple(float(10.0**power) for power in np.arange(-7.0, 0.0, 0.5))
"""Strengths tried: ridge relative to a unit diagonal, LASSO relative to the smallest strength
that sets all parameters to zero."""

_FIRST_GUESS = 1e-6
"""Ridge of the fit that gives the weights of adaptive LASSO."""


def solver_of(method: Method, strength: float) -> Solver:
    """Return the solver of one stage; `strength` is in the units of `STRENGTHS`.

    Raises
    ------
    UsageError
        If LASSO is asked for and scikit-learn is not installed.
    """
    if method == "least-squares":
        return solve_positive
    if method == "ridge":
        return partial(solve_positive, ridge=strength)
    adaptive = method == "adaptive-lasso"
    return partial(_lasso, path=_least_angles(), strength=strength, adaptive=adaptive)


def best_strength(equations: ReducedEquations, method: Method) -> float:
    """Choose the strength that best predicts blocks left out of the fit.

    Raises
    ------
    DataError
        If there is only one block, or no strength gives a solution.
    """
    sums = predictions(equations, method)
    if not np.isfinite(sums).any():
        raise DataError(
            "the strength of the regularisation cannot be chosen",
            why="cross-validation leaves out one block of time, and there is only one",
            fix="give the strength, or more frames",
        )
    return STRENGTHS[int(np.nanargmin(sums))]


def predictions(equations: ReducedEquations, method: Method) -> Floats:
    """(k,) squared residual in eV²/Å² of blocks left out of the fit, for each of `STRENGTHS`.

    It is nan where the other blocks do not determine the parameters.
    """
    found = [left_out_solutions(equations, solver_of(method, one)) for one in STRENGTHS]
    return np.array(
        [
            np.nan if one is None else predicted_squares(equations, one)[:, -1].sum()
            for one in found
        ]
    )


def _least_angles() -> Any:
    try:
        from sklearn.linear_model import lars_path_gram  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "LASSO needs scikit-learn, which is not installed",
            fix="pip install 'trajmodes[sparse]'",
        ) from error
    return lars_path_gram


def _lasso(
    gram: Floats, moment: Floats, *, path: Any, strength: float, adaptive: bool
) -> Floats:
    if not len(moment):
        return moment
    scale = equilibration(gram)
    if adaptive:
        first = solve_positive(gram, moment, ridge=_FIRST_GUESS) / scale
        # The penalty is large for parameters that the ridge fit makes small.
        scale = scale * np.maximum(np.abs(first) / np.abs(first).max(), 1e-12)
    correlation = scale * moment
    largest = float(np.abs(correlation).max())
    if not largest > 0.0:
        return np.zeros_like(moment)
    _, _, found = path(
        Xy=correlation,
        Gram=gram * np.outer(scale, scale),
        n_samples=1,
        alpha_min=strength * largest,
        method="lasso",
        max_iter=10 * len(moment),
        copy_X=True,
        copy_Gram=True,
        return_path=False,
    )
    result: Floats = scale * found
    return result
