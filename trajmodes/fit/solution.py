"""Solve normal equations with given options: parameters, rank and condition number."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ErrorMethod
from trajmodes.errors import DataError
from trajmodes.fit.model import Model, ReducedEquations, Scheme, model_of, reduced_equations
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.regularise import Method, best_strength, solver_of
from trajmodes.fit.solve import Determined, Solver, determined, estimate
from trajmodes.symmetry.constraints import Constraints


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
    def sparse(self) -> bool:
        """Whether the solver sets parameters to zero."""
        return self.method in ("lasso", "adaptive-lasso")

    @property
    def regularised(self) -> bool:
        """Whether the solver admits undetermined directions."""
        return self.method != "least-squares"


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
    """Choose the strength of the regularisation by cross-validation if it is not given.

    Raises
    ------
    DataError
        If there is only one block of time.
    """
    if not options.regularised or options.strength is not None:
        return options
    reduced = reduced_equations(equations, _model(equations, options))
    return replace(options, strength=best_strength(reduced, options.method))


def _model(equations: NormalEquationBlocks, options: FitOptions) -> Model:
    model = model_of(
        equations.expansion,
        constraints=options.constraints,
        scheme=options.scheme,
        constant_force=options.constant_force,
    )
    return model.localised() if options.sparse else model


def solve_other_scheme(
    equations: NormalEquationBlocks, options: FitOptions, solved: Solved
) -> Solved | None:
    """Solve in the other scheme; None for second order alone, or if it has no solution."""
    if len(equations.expansion.bases) < 3:
        return None
    scheme: Scheme = "sequential" if options.scheme == "joint" else "joint"
    try:
        other = replace(options, scheme=scheme)
        return solve_equations(equations, other, solved.model.in_scheme(scheme))
    except DataError:
        return None
