"""Solving normal equations, with status, rank and condition looked at.

The matrix is first brought to a unit diagonal: its condition number is then that of the
problem and not of the units. What the data do not determine is named by neighbour shell.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.errors import DataError
from trajmodes.fit.normal_equations import NormalEquations
from trajmodes.symmetry import SymmetryBasis

__all__ = ["CONDITION_LIMIT", "Solution", "solve", "solve_positive"]

CONDITION_LIMIT = 1e12
"""Largest condition number of the equilibrated matrix at which its inverse means anything."""

_SHARE_NAMED = 0.02
"""Part of an undetermined direction that a shell must make up to be named."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Least-squares parameters, and the directions that the data determine."""

    parameters: Floats
    """(n,) free parameters in eV/Å²."""
    span: Floats | None
    """(n, r) orthonormal directions that are determined; None if all of them are."""
    condition: float
    """Condition number of the equilibrated matrix; infinite if it is singular."""
    undetermined: tuple[str, ...]
    """Names of the shells that take part in undetermined directions."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, parameters="n", span="n r")

    @property
    def rank(self) -> int:
        """Number of determined directions."""
        return len(self.parameters) if self.span is None else int(self.span.shape[1])


def solve(equations: NormalEquations, *, minimum_norm: bool = False) -> Solution:
    """Least-squares solution of the normal equations of all blocks together.

    Parameters
    ----------
    equations
        The normal equations.
    minimum_norm
        Take the solution of least norm where the data leave a choice, instead of refusing.

    Raises
    ------
    DataError
        If the data leave directions undetermined; it names their neighbour shells.
    """
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    scale = _equilibration(gram)
    weights, vectors = scipy.linalg.eigh(gram * np.outer(scale, scale))
    smallest = float(weights[0] / weights[-1])
    condition = 1.0 / smallest if smallest > np.finfo(float).eps else np.inf
    if condition <= CONDITION_LIMIT:
        return Solution(solve_positive(gram, moment), None, condition, ())
    loose = weights < weights[-1] / CONDITION_LIMIT
    shells = _names(equations.basis, scale[:, None] * vectors[:, loose])
    if not minimum_norm:
        raise DataError(
            f"the frames leave {int(loose.sum())} of {len(moment)} parameters undetermined",
            where=f"condition number {condition:.2g}; shells {', '.join(shells)}",
            why="there are too few independent frames, or the supercell folds these shells "
            "onto others",
            fix="give more frames, lower the cutoff, or ask for the minimum-norm solution",
        )
    span = _complement(scale, vectors, loose)
    parameters = span @ solve_positive(span.T @ gram @ span, span.T @ moment)
    return Solution(parameters, span, condition, shells)


def solve_positive(gram: Floats, moment: Floats) -> Floats:
    """Solution of gram @ x = moment by Cholesky factors of the equilibrated matrix.

    Parameters
    ----------
    gram
        (n, n) symmetric.
    moment
        (n,).

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite beyond rounding.
    """
    scale = _equilibration(gram)
    factor = scipy.linalg.cholesky(gram * np.outer(scale, scale), lower=True)
    # A pivot is the part of a column that the earlier ones leave, at most 1.
    if np.diag(factor).min() ** 2 < 1.0 / CONDITION_LIMIT:
        raise np.linalg.LinAlgError("the matrix is singular to rounding")
    result: Floats = scale * scipy.linalg.cho_solve((factor, True), scale * moment)
    return result


def _equilibration(gram: Floats) -> Floats:
    """(n,) factors that bring the diagonal to 1; a column without data keeps its zero."""
    diagonal = np.diag(gram)
    scale: Floats = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    return scale


def _complement(scale: Floats, vectors: Floats, loose: Bools) -> Floats:
    """(n, r) orthonormal directions orthogonal to all that change no force."""
    full, _ = scipy.linalg.qr(scale[:, None] * vectors[:, loose])
    result: Floats = full[:, int(loose.sum()) :]
    return result


def _names(basis: SymmetryBasis, directions: Floats) -> tuple[str, ...]:
    """Shells that directions in parameter space change, by ascending distance."""
    z = basis.null_space @ (directions / np.linalg.norm(directions, axis=0))
    parts = np.add.reduceat((z**2).sum(axis=1), basis.starts[:-1][basis.counts > 0])
    share = np.zeros(basis.orbits.n_orbits)
    share[basis.counts > 0] = parts
    labels = basis.orbits.labels()
    return tuple(
        f"{labels[o]} {basis.orbits.radii[o]:.3f} Å"
        for o in np.flatnonzero(share > _SHARE_NAMED * share.sum())
    )
