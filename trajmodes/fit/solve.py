"""Solve normal equations stage by stage, and check rank and condition number.

The normal matrix of a stage is first scaled to a unit diagonal, so that its condition number
does not depend on the units. Undetermined directions are reported by neighbour shell.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.errors import DataError
from trajmodes.fit.model import Model, ReducedEquations

CONDITION_LIMIT = 1e12
"""Largest condition number of the equilibrated matrix at which it is not singular."""

_ROUNDING = 1e3 * float(np.finfo(float).eps)
"""Columns of the design matrix below this part of the longest are rounding errors."""
_SHARE_NAMED = 0.02
"""Weight of a shell in the undetermined directions beyond which it is named."""

_MOST_NAMES = 12
"""Most shells that an error message lists."""

Solver = Callable[[Floats, Floats], Floats]
"""Parameters of one stage from its normal matrix and moment; raises
`numpy.linalg.LinAlgError` if the matrix is singular."""


@dataclass(frozen=True, slots=True)
class Determined:
    """Normal equations of the directions that the data determine."""

    equations: ReducedEquations
    conditions: tuple[float, ...]
    """Condition number of the equilibrated matrix of each stage, with all directions."""
    n_undetermined: int
    """Number of undetermined directions, which were left out."""
    undetermined: tuple[str, ...]
    """Names of the shells that contribute to them."""


def determined(
    equations: ReducedEquations, *, minimum_norm: bool = False, regularised: bool = False
) -> Determined:
    """Check rank and condition number, and leave out undetermined directions.

    Leaving them out gives the minimum-norm solution. They are kept for a regularised solver,
    which admits them.

    Raises
    ------
    DataError
        If directions are undetermined and neither option is set; it names their shells.
    """
    model = equations.model
    gram = equations.gram.sum(axis=0)
    conditions, spans, names, n_undetermined = [], {}, [], 0
    for k, own in enumerate(model.stages):
        part = gram[np.ix_(own, own)]
        condition = _condition(part)
        conditions.append(condition)
        if condition <= CONDITION_LIMIT or regularised:
            continue
        scale = equilibration(part)
        weights, vectors = scipy.linalg.eigh(part * np.outer(scale, scale))
        null = scale[:, None] * vectors[:, weights <= weights[-1] / CONDITION_LIMIT]
        n_null = null.shape[1]
        if not n_null:
            continue
        names += _shell_names(model, own, null)
        # orthonormal directions orthogonal to those that change no force
        spans[k] = scipy.linalg.qr(null)[0][:, n_null:]
        n_undetermined += n_null
    if n_undetermined and not minimum_norm:
        raise DataError(
            f"{n_undetermined} of {model.n_parameters} parameters are undetermined",
            where=f"condition number {max(conditions):.2g}; shells {_joined(names)}",
            why="there are too few independent frames, or the supercell folds these shells "
            "onto others",
            fix="give more frames, lower the cutoff, regularise (--method ridge), or ask for "
            "the minimum-norm solution (--minimum-norm)",
        )
    if spans:
        equations = _projected(equations, spans)
    return Determined(equations, tuple(conditions), n_undetermined, tuple(names))


def estimate(
    equations: ReducedEquations, gram: Floats, moment: Floats, solver: Solver
) -> Floats:
    """Solve for the (n,) free parameters, each stage fitted to the residual of the last.

    The (n, n) `gram` and the (n,) `moment` are sums over some blocks of the equations.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a stage is not determined.
    """
    found = np.zeros(len(moment))
    for own in equations.model.stages:
        rest = moment[own] - gram[own] @ found
        constant = equations.model.order[own] == 1
        found[own] = _one_stage(gram[np.ix_(own, own)], rest, constant, solver)
    return found


def _one_stage(gram: Floats, moment: Floats, constant: Bools, solver: Solver) -> Floats:
    """Solve one stage; its constant forces are eliminated first, thus not regularised.

    Constant forces represent the choice of the reference structure.
    """
    if not constant.any():
        return solver(gram, moment)
    cross = gram[np.ix_(constant, ~constant)]
    right = np.column_stack([cross, moment[constant]])
    solution = np.linalg.solve(gram[np.ix_(constant, constant)], right)
    rest = solver(
        gram[np.ix_(~constant, ~constant)] - cross.T @ solution[:, :-1],
        moment[~constant] - cross.T @ solution[:, -1],
    )
    found = np.empty(len(moment))
    found[~constant] = rest
    found[constant] = solution[:, -1] - solution[:, :-1] @ rest
    return found


def solve_positive(gram: Floats, moment: Floats, *, ridge: float = 0.0) -> Floats:
    """Solve gram @ x = moment by Cholesky decomposition of the equilibrated matrix.

    The ridge is added to the diagonal of the equilibrated matrix, which is 1.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is singular to rounding.
    """
    scale = equilibration(gram)
    equal = gram * np.outer(scale, scale)
    equal[np.diag_indices_from(equal)] += ridge
    factor = scipy.linalg.cholesky(equal, lower=True, overwrite_a=True)
    # A squared pivot is the fraction of a column not spanned by the earlier ones.
    if np.diag(factor).min(initial=1.0) ** 2 < 1.0 / CONDITION_LIMIT:
        raise np.linalg.LinAlgError("the matrix is singular to rounding")
    result: Floats = scale * scipy.linalg.cho_solve((factor, True), scale * moment)
    return result


def equilibration(gram: Floats) -> Floats:
    """(n,) factors that scale the diagonal of (n, n) to 1; zeros on the diagonal remain.

    Sums of squared rounding errors count as zeros; scaled to 1 they would seem determined.
    """
    diagonal = np.diag(gram)
    least = _ROUNDING**2 * diagonal.max(initial=0.0)
    scale: Floats = 1.0 / np.sqrt(np.where(diagonal > least, diagonal, 1.0))
    return scale


def _condition(gram: Floats) -> float:
    """Condition number in the 1-norm of the equilibrated matrix, infinite if singular."""
    if not len(gram):
        return 1.0
    scale = equilibration(gram)
    equal = gram * np.outer(scale, scale)
    factor, status = lapack.dpotrf(equal, lower=1)
    if status != 0:
        return np.inf
    reciprocal, status = lapack.dpocon(factor, np.abs(equal).sum(axis=0).max(), uplo="L")
    if status != 0 or reciprocal < np.finfo(float).eps:
        return np.inf
    return float(1.0 / reciprocal)


def _projected(equations: ReducedEquations, spans: dict[int, Floats]) -> ReducedEquations:
    """Keep the directions in the given spans of the stages."""
    stages = equations.model.stages
    span = scipy.linalg.block_diag(
        *(spans.get(k, np.eye(len(own))) for k, own in enumerate(stages))
    )
    order = np.concatenate(stages)
    return replace(
        equations,
        model=equations.model.within(spans),
        gram=span.T @ equations.gram[:, order][:, :, order] @ span,
        moment=equations.moment[:, order] @ span,
    )


def _joined(names: list[str]) -> str:
    """Join distinct names, at most `_MOST_NAMES`."""
    unique = list(dict.fromkeys(names))
    more = len(unique) - _MOST_NAMES
    return ", ".join(unique[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _shell_names(model: Model, own: Ints, directions: Floats) -> list[str]:
    """Name the shells, by order and distance, that contribute to directions of a stage."""
    z = model.null_space[:, own] @ (directions / np.linalg.norm(directions, axis=0))
    weight = (z**2).sum(axis=1)
    names = []
    for basis in model.expansion:
        part = weight[model.expansion.columns(basis.order)]
        orbit = np.repeat(np.arange(basis.orbits.n_orbits), basis.counts)
        share = np.bincount(orbit, part, minlength=basis.orbits.n_orbits)
        labels = basis.orbits.labels()
        names += [
            f"{labels[o]} {basis.orbits.radii[o]:.3f} Å"
            for o in np.flatnonzero(share > _SHARE_NAMED * weight.sum())
        ]
    return names
