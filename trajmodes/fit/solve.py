"""Solving normal equations, stage by stage, with status, rank and condition looked at.

The matrix of a stage is first brought to a unit diagonal: its condition number is then that of
the problem and not of the units. What the data do not determine is named by neighbour shell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.errors import DataError
from trajmodes.fit.model import Model, ReducedEquations

CONDITION_LIMIT = 1e12
"""Largest condition number of the equilibrated matrix at which its inverse means anything."""

_SHARE_NAMED = 0.02
"""Part of an undetermined direction that a shell must make up to be named."""

_MOST_NAMES = 12
"""Shells that an error message lists."""

Solver = Callable[[Floats, Floats], Floats]
"""Parameters of one stage from its matrix and its moment. It raises
`numpy.linalg.LinAlgError` where these do not determine them."""


@dataclass(frozen=True, slots=True)
class Determined:
    """Normal equations of what the data determine."""

    equations: ReducedEquations
    conditions: tuple[float, ...]
    """Condition number of the equilibrated matrix of each stage, all directions taken."""
    n_loose: int
    """Number of directions that were left out."""
    undetermined: tuple[str, ...]
    """Names of the shells that take part in them."""
    counts: Mapping[int, int]
    """Order → number of free parameters, all directions taken."""


def determined(
    equations: ReducedEquations, *, minimum_norm: bool = False, regularised: bool = False
) -> Determined:
    """Look at rank and condition, and take out what the data do not determine.

    Parameters
    ----------
    equations
        The normal equations.
    minimum_norm
        Leave out directions that the data do not determine, so that the solution has least
        norm, instead of refusing.
    regularised
        The solver copes with undetermined directions: leave them in.

    Raises
    ------
    DataError
        If the data leave directions undetermined; it names their neighbour shells.
    """
    model = equations.model
    gram = equations.gram.sum(axis=0)
    conditions, spans, names, n_loose = [], {}, [], 0
    for k, own in enumerate(model.stages):
        part = gram[np.ix_(own, own)]
        condition = _condition(part)
        conditions.append(condition)
        if condition <= CONDITION_LIMIT or regularised:
            continue
        scale = equilibration(part)
        weights, vectors = scipy.linalg.eigh(part * np.outer(scale, scale))
        loose = weights < weights[-1] / CONDITION_LIMIT
        if not loose.any():
            continue
        names += _names(model, own, scale[:, None] * vectors[:, loose])
        spans[k] = _complement(scale, vectors, loose)
        n_loose += int(loose.sum())
    if n_loose and not minimum_norm:
        raise DataError(
            f"the frames leave {n_loose} of {model.n_parameters} parameters undetermined",
            where=f"condition number {max(conditions):.2g}; shells {_listed(names)}",
            why="there are too few independent frames, or the supercell folds these shells "
            "onto others",
            fix="give more frames, lower the cutoff, regularise (--method ridge), or ask for "
            "the solution of least norm (--minimum-norm)",
        )
    if spans:
        equations = _within(equations, spans)
    counts = {order: model.count(order) for order in model.expansion.orders}
    return Determined(equations, tuple(conditions), n_loose, tuple(names), counts)


def estimate(
    equations: ReducedEquations, gram: Floats, moment: Floats, solver: Solver
) -> Floats:
    """Free parameters from sums over some blocks, each stage on what the earlier ones leave.

    Parameters
    ----------
    equations
        Where the stages are.
    gram
        (n, n) sums of products.
    moment
        (n,) sums of products with the forces.
    solver
        How one stage is solved.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a stage is not determined.
    """
    found = np.zeros(len(moment))
    for own in equations.model.stages:
        rest = moment[own] - gram[own] @ found
        still = equations.model.order[own] == 1
        found[own] = _one_stage(gram[np.ix_(own, own)], rest, still, solver)
    return found


def _one_stage(gram: Floats, moment: Floats, still: Bools, solver: Solver) -> Floats:
    """Solve one stage, its constant forces eliminated: no regularisation may pull at them.

    They stand for the choice of the reference structure.
    """
    if not still.any():
        return solver(gram, moment)
    cross = gram[np.ix_(still, ~still)]
    right = np.column_stack([cross, moment[still]])
    answer = np.linalg.solve(gram[np.ix_(still, still)], right)
    rest = solver(
        gram[np.ix_(~still, ~still)] - cross.T @ answer[:, :-1],
        moment[~still] - cross.T @ answer[:, -1],
    )
    found = np.empty(len(moment))
    found[~still] = rest
    found[still] = answer[:, -1] - answer[:, :-1] @ rest
    return found


def solve_positive(gram: Floats, moment: Floats, *, ridge: float = 0.0) -> Floats:
    """Solution of gram @ x = moment by Cholesky factors of the equilibrated matrix.

    Parameters
    ----------
    gram
        (n, n) symmetric.
    moment
        (n,).
    ridge
        Added to the diagonal of the equilibrated matrix, which is 1.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite beyond rounding.
    """
    scale = equilibration(gram)
    equal = gram * np.outer(scale, scale)
    equal[np.diag_indices_from(equal)] += ridge
    factor = scipy.linalg.cholesky(equal, lower=True, overwrite_a=True)
    # A pivot is the part of a column that the earlier ones leave, at most 1.
    if np.diag(factor).min(initial=1.0) ** 2 < 1.0 / CONDITION_LIMIT:
        raise np.linalg.LinAlgError("the matrix is singular to rounding")
    result: Floats = scale * scipy.linalg.cho_solve((factor, True), scale * moment)
    return result


def equilibration(gram: Floats) -> Floats:
    """(n,) factors that bring the diagonal to 1; a column without data keeps its zero.

    Parameters
    ----------
    gram
        (n, n) symmetric.
    """
    diagonal = np.diag(gram)
    scale: Floats = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
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


def _complement(scale: Floats, vectors: Floats, loose: Bools) -> Floats:
    """(n, r) orthonormal directions orthogonal to all that change no force."""
    full, _ = scipy.linalg.qr(scale[:, None] * vectors[:, loose])
    result: Floats = full[:, int(loose.sum()) :]
    return result


def _within(equations: ReducedEquations, spans: dict[int, Floats]) -> ReducedEquations:
    """Keep the directions of each stage that its span holds."""
    stages = equations.model.stages
    span = scipy.linalg.block_diag(
        *(spans.get(k, np.eye(len(own))) for k, own in enumerate(stages))
    )
    order = np.concatenate(stages)
    gram = equations.gram[:, order][:, :, order]
    return ReducedEquations(
        equations.model.within(spans),
        equations.run,
        span.T @ gram @ span,
        equations.moment[:, order] @ span,
        equations.square,
        equations.frames,
        equations.n_components,
    )


def _listed(names: list[str]) -> str:
    """Names, equal ones once, and not more than a reader will read."""
    unique = list(dict.fromkeys(names))
    more = len(unique) - _MOST_NAMES
    return ", ".join(unique[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _names(model: Model, own: Ints, directions: Floats) -> list[str]:
    """Shells that directions in the space of a stage change, by order and distance."""
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
