"""Solve normal equations with given options: scheme, constraints, least squares or regularised.

LASSO (Tibshirani, J. R. Stat. Soc. B 58, 267 (1996)) minimises ½|f − A x|²/N + α Σ|x_k| for
columns of unit norm; adaptive LASSO (Zou, J. Am. Stat. Assoc. 101, 1418 (2006)) weights each
|x_k| by 1/|x_k of a ridge fit|. Both need only AᵀA and Aᵀf, the normal equations. The strength
is chosen by cross-validation, leaving out one block of time at a time, or one group of atoms
where there are fewer than five frames.

Regularisation is meant for few data. MD runs have thousands of times more force components than
parameters, so that least squares is appropriate.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ErrorMethod
from trajmodes.errors import DataError, UsageError
from trajmodes.fit.model import Model, ReducedEquations, Scheme, model_of, reduced_equations
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.solve import (
    Determined,
    Solver,
    determined,
    equilibration,
    estimate,
    solve_positive,
)
from trajmodes.fit.uncertainty import left_out_solutions, predicted_squares
from trajmodes.symmetry.constraints import Constraints

Method = Literal["least-squares", "ridge", "lasso", "adaptive-lasso"]

STRENGTHS = tuple(float(10.0**power) for power in np.arange(-7.0, 0.0, 0.5))
"""Strengths tried: ridge relative to a unit diagonal, LASSO relative to the smallest strength
that sets all parameters to zero."""

_FIRST_GUESS = 1e-6
"""Ridge of the fit that gives the weights of adaptive LASSO."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Options of a fit."""

    scheme: Scheme = "sequential"
    """Whether each order is fitted to the residual of the lower ones, or all orders at once."""
    constraints: Constraints = field(default_factory=Constraints)
    """Constraints besides the translational sum rules."""
    constant_force: bool = True
    """Also fit a constant force on each site where symmetry allows it. This is equivalent to
    measuring displacements from the average structure."""
    minimum_norm: bool = False
    """Use the minimum-norm solution where the data do not determine all parameters."""
    method: Method = "least-squares"
    """Least squares or a regularised method."""
    strength: float | None = None
    """Strength of the regularisation; None for the best by cross-validation."""
    errors: ErrorMethod = "jackknife"
    """Estimator of the error bars."""

    @property
    def solver(self) -> Solver:
        """Solver of one stage; the strength must be known."""
        return solver_of(self.method, self.strength or 0.0)

    @property
    def regularised(self) -> bool:
        """Whether the solver admits undetermined directions."""
        return self.method != "least-squares"


class Solution(NamedTuple):
    """A solution with its model."""

    model: Model
    parameters: Floats
    """(n,) free parameters of the model."""

    @property
    def expanded(self) -> Floats:
        """(z,) parameters of the expansion."""
        z: Floats = self.model.null_space @ self.parameters
        return z


class Solved(NamedTuple):
    """A solution with its model and normal equations."""

    model: Model
    """The model, before undetermined directions are left out."""
    found: Determined
    parameters: Floats
    """(n,) free parameters of the determined directions."""

    @property
    def equations(self) -> ReducedEquations:
        """The normal equations of the determined free parameters."""
        return self.found.equations

    @property
    def expanded(self) -> Floats:
        """(z,) parameters of the expansion."""
        z: Floats = self.equations.model.null_space @ self.parameters
        return z


def solve_equations(
    equations: NormalEquationBlocks, options: FitOptions, model: Model | None = None
) -> Solved:
    """Solve for the free parameters of all orders; the model is constructed if not given.

    Raises
    ------
    DataError
        If the data do not determine all parameters.
    """
    model = model or _model(equations, options)
    found = determined(
        reduced_equations(equations, model),
        minimum_norm=options.minimum_norm,
        regularised=options.regularised,
    )
    reduced = found.equations
    gram, moment = reduced.gram.sum(axis=0), reduced.moment.sum(axis=0)
    return Solved(model, found, estimate(reduced, gram, moment, options.solver))


def with_strength(equations: NormalEquationBlocks, options: FitOptions) -> FitOptions:
    """Choose the strength of the regularisation that best predicts blocks left out of the fit.

    Blocks are parts of the run, or groups of atoms (`RowsByAtoms`).

    Raises
    ------
    DataError
        If there is only one block, or no strength gives a solution.
    """
    if not options.regularised or options.strength is not None:
        return options
    reduced = reduced_equations(equations, _model(equations, options))
    tried = [replace(options, strength=one) for one in STRENGTHS]
    found = [left_out_solutions(reduced, one.solver) for one in tried]
    # squared residual of the blocks left out; nan where the others do not determine the fit
    sums = [
        np.nan if one is None else predicted_squares(reduced, one)[:, -1].sum() for one in found
    ]
    if not np.isfinite(sums).any():
        raise no_strength()
    return tried[int(np.nanargmin(sums))]


def no_strength() -> DataError:
    """Error if no strength of the regularisation can be chosen."""
    return DataError(
        "the strength of the regularisation cannot be chosen",
        why="cross-validation leaves out one block of time or group of atoms, and there is "
        "only one",
        fix="give the strength, or more frames",
    )


def _model(equations: NormalEquationBlocks, options: FitOptions) -> Model:
    model = model_of(
        equations.expansion,
        constraints=options.constraints,
        scheme=options.scheme,
        constant_force=options.constant_force,
    )
    # LASSO sets parameters to zero: each must belong to one orbit.
    return model.localised() if options.method in ("lasso", "adaptive-lasso") else model


def solve_other_scheme(
    equations: NormalEquationBlocks, options: FitOptions, solved: Solved
) -> Solution | None:
    """Solve in the other scheme; None for second order alone, or if it has no solution."""
    if len(equations.expansion.bases) < 3:
        return None
    scheme: Scheme = "sequential" if options.scheme == "joint" else "joint"
    try:
        other = replace(options, scheme=scheme)
        found = solve_equations(equations, other, solved.model.in_scheme(scheme))
    except DataError:
        return None
    return Solution(found.equations.model, found.parameters)


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
    try:
        from sklearn.linear_model import lars_path_gram  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "LASSO needs scikit-learn, which is not installed",
            fix="pip install 'trajmodes[sparse]'",
        ) from error
    adaptive = method == "adaptive-lasso"
    return partial(_lasso, path=lars_path_gram, strength=strength, adaptive=adaptive)


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
