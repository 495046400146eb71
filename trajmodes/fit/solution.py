"""One solution of a ledger: options in, parameters with rank and condition out."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.fit.ledger import Ledger
from trajmodes.fit.model import NormalEquations, Scheme, model_of, normal_equations
from trajmodes.fit.solve import Determined, Solver, determined, estimate, solve_positive
from trajmodes.fit.uncertainty import ErrorMethod
from trajmodes.symmetry import Constraints

__all__ = ["FitOptions", "Solved", "solve_ledger", "solve_other_scheme"]


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
    ridge: float = 0.0
    """Added to the unit diagonal of the equilibrated normal matrix."""
    solver: Solver | None = None
    """How one stage is solved, in place of least squares; see `sparse`."""
    errors: ErrorMethod = "jackknife"
    """How error bars are made."""

    @property
    def one_stage(self) -> Solver:
        """How one stage is solved."""
        return self.solver or partial(solve_positive, ridge=self.ridge)

    @property
    def regularised(self) -> bool:
        """Whether the solver copes with directions that the data leave undetermined."""
        return self.solver is not None or self.ridge > 0.0


class Solved(NamedTuple):
    """A solution and what it was found from."""

    found: Determined
    parameters: Floats
    """(n,) free parameters of the determined directions."""

    @property
    def equations(self) -> NormalEquations:
        """The normal equations."""
        return self.found.equations

    @property
    def expanded(self) -> Floats:
        """(z,) parameters of the expansion."""
        z: Floats = self.equations.model.null_space @ self.parameters
        return z


def solve_ledger(ledger: Ledger, options: FitOptions) -> Solved:
    """Solve for the free parameters of all orders.

    Parameters
    ----------
    ledger
        Sums over one or several trajectories.
    options
        How to fit.

    Raises
    ------
    DataError
        If the data leave constants undetermined.
    """
    model = model_of(
        ledger.expansion,
        constraints=options.constraints,
        scheme=options.scheme,
        constant_force=options.constant_force,
    )
    found = determined(
        normal_equations(ledger, model),
        minimum_norm=options.minimum_norm,
        regularised=options.regularised,
    )
    equations = found.equations
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    parameters = estimate(equations, gram, moment, options.one_stage)
    return Solved(found, parameters)


def solve_other_scheme(ledger: Ledger, options: FitOptions) -> Solved | None:
    """Solve in the scheme that was not asked for; None if there is one only, or no solution.

    Parameters
    ----------
    ledger
        Sums over one or several trajectories.
    options
        How to fit.
    """
    if len(ledger.expansion.bases) < 3:
        return None
    scheme: Scheme = "sequential" if options.scheme == "joint" else "joint"
    try:
        return solve_ledger(ledger, replace(options, scheme=scheme))
    except DataError:
        return None
