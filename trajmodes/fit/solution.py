"""One solution of the normal equations: options in, parameters with rank and condition out."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from trajmodes.arrays import Floats
from trajmodes.data.fit_quality import ErrorMethod
from trajmodes.errors import DataError
from trajmodes.fit.model import Model, ReducedEquations, Scheme, model_of, reduced_equations
from trajmodes.fit.normal_equations import NormalEquationBlocks
from trajmodes.fit.regularise import Method, best_strength, solver_of
from trajmodes.fit.solve import Determined, Solver, determined, estimate
from trajmodes.symmetry.constraints import Constraints


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How to fit."""

    scheme: Scheme = "sequential"
    """Whether each order is fitted to what the lower ones leave, or all at once."""
    constraints: Constraints = field(default_factory=Constraints)
    """Relations beside those of translations."""
    constant_force: bool = True
    """Fit a constant force on each site, as far as symmetry allows it, together with the
    pairs: the same as counting displacements from the average structure."""
    minimum_norm: bool = False
    """Take the solution of least norm where the data leave a choice, instead of refusing."""
    method: Method = "least-squares"
    """How one stage is solved."""
    strength: float | None = None
    """Of the regularisation; None: what predicts blocks left out of the fit best."""
    errors: ErrorMethod = "jackknife"
    """How error bars are made."""

    @property
    def solver(self) -> Solver:
        """How one stage is solved; the strength must be known."""
        return solver_of(self.method, self.strength or 0.0)

    @property
    def sparse(self) -> bool:
        """Whether the solver wants to find constants that are zero."""
        return self.method in ("lasso", "adaptive-lasso")

    @property
    def regularised(self) -> bool:
        """Whether the solver copes with directions that the data leave undetermined."""
        return self.method != "least-squares"


class Solved(NamedTuple):
    """A solution and what it was found from."""

    model: Model
    """The model before the data came in."""
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
    """Solve for the free parameters of all orders.

    Parameters
    ----------
    equations
        Sums over one or several trajectories.
    options
        How to fit.
    model
        Its free parameters, where they are known already.

    Raises
    ------
    DataError
        If the data leave constants undetermined.
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
    """Choose the strength of the regularisation where the options leave it open.

    Parameters
    ----------
    equations
        Sums over one or several trajectories.
    options
        How to fit.

    Raises
    ------
    DataError
        If there is one block of time only.
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
    """Solve in the scheme that was not asked for; None if there is one only, or no solution.

    Parameters
    ----------
    equations
        Sums over one or several trajectories.
    options
        How to fit.
    solved
        The solution in the scheme that was asked for.
    """
    if len(equations.expansion.bases) < 3:
        return None
    scheme: Scheme = "sequential" if options.scheme == "joint" else "joint"
    try:
        how = replace(options, scheme=scheme)
        return solve_equations(equations, how, solved.model.in_scheme(scheme))
    except DataError:
        return None
