"""Conjugate gradients for the `LeastSquares` of many parameters.

The preconditioner solves the problem without cutoff and symmetry, which is the Lyapunov
equation Y C_uu + C_uu Y = R (see Golub and Van Loan, Matrix Computations, §7.6), so that few
iterations are needed.
"""

from collections.abc import Callable

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.errors import DataError
from trajmodes.fit.many_parameters.least_squares import FrameSums, LeastSquares, sum_of

_CONVERGED = 1e-11
"""Norm of the preconditioned gradient, relative to that of zero force constants."""

_RIDGE_CONVERGED = 1e-8
"""The same with a ridge: directions that the data hardly determine converge slowly."""

_DETERMINED = 1e-6
"""The same for a random right-hand side, which shows whether all parameters are determined."""

_MOST_STEPS = 600
"""Iterations after which the parameters count as undetermined."""

_LEAST_VARIANCE = 0.1
"""Smallest variance in the preconditioner, relative to the median: variances vanish in as many
directions as there are frames too few, which the cutoff couples to others."""


class Solver:
    """Conjugate gradients with one preconditioner for all parts of a run.

    Parameters
    ----------
    ridge
        Strength λ of a ridge, which adds λ S_n z_n² for each frame.
    squares
        (z,) S of the ridge, for each frame.
    """

    def __init__(
        self,
        problem: LeastSquares,
        sums: FrameSums,
        ridge: float = 0.0,
        squares: Floats | None = None,
    ) -> None:
        self.problem = problem
        self.penalty = None if squares is None else ridge * squares
        variances, self.vectors = np.linalg.eigh(sums.uu)
        # With a ridge most variances may vanish.
        usual = np.median(variances) if squares is None else variances.mean()
        variances = np.maximum(variances, _LEAST_VARIANCE * usual) + ridge * usual
        self.sums = variances[:, :, None] + variances[:, None, :]

    def _preconditioned(self, gradient: Floats) -> Floats:
        problem, vectors = self.problem, self.vectors
        adjoint = vectors.conj().swapaxes(1, 2)
        inner = adjoint @ problem.dynamical(gradient) @ vectors
        return problem.allowed(problem.gradient(vectors @ (inner / self.sums) @ adjoint))

    def solve(
        self, sums: FrameSums, start: Floats | None = None, tolerance: float | None = None
    ) -> Floats:
        """(z,) parameters of the least squares of some frames, with the ridge."""
        tolerance = tolerance or (_CONVERGED if self.penalty is None else _RIDGE_CONVERGED)
        right = -self.problem.allowed(self.problem.gradient(sums.fu))
        return self._solve(sums, right, start, tolerance)

    def require_determined(self) -> None:
        """Refuse parameters that the frames do not determine.

        The forces of the run lie in the range of the normal matrix, but a random right-hand
        side does not. Its solution therefore does not converge if the matrix is singular.
        """
        problem = self.problem
        noise = np.random.default_rng(0).normal(size=problem.basis.n_parameters)
        sums = problem.centred(sum_of(problem.blocks))
        self._solve(sums, problem.allowed(noise), None, _DETERMINED)

    def _solve(
        self, sums: FrameSums, right: Floats, start: Floats | None, tolerance: float
    ) -> Floats:
        problem = self.problem

        def apply(z: Floats) -> Floats:
            gradient = problem.gradient(problem.dynamical(z) @ sums.uu)
            if self.penalty is not None:
                gradient = gradient + sums.frames * self.penalty * z
            return problem.allowed(gradient)

        return _conjugate_gradients(apply, self._preconditioned, right, start, tolerance)


def rescaled(
    problem: LeastSquares, vectors_qkm: Complexes, weights_qmn: Floats, factors_qmn: Floats
) -> Callable[[Floats], Floats]:
    """Make a function of (z,) parameters that multiplies elements of their D(q) by factors.

    The result is expressed in parameters by weighted least squares.

    Parameters
    ----------
    vectors_qkm
        (q, 3s, m) vectors between which the elements are taken, as columns, for the dynamical
        matrices without masses.
    """
    space = problem.covariances.space
    own_qk = np.repeat(space.phases.conj(), 3, axis=1)
    vectors = own_qk[:, :, None] * vectors_qkm
    adjoint = vectors.conj().swapaxes(1, 2)
    squares = weights_qmn**2
    # Dual vectors, so that the preconditioner is the inverse without cutoff and symmetry.
    dual = np.linalg.inv(adjoint)
    dual_adjoint = dual.conj().swapaxes(1, 2)

    def scaled(matrices: Complexes | Floats, by: Floats) -> Floats:
        inner = (adjoint @ matrices @ vectors) * by
        return problem.allowed(problem.gradient(vectors @ inner @ adjoint))

    def apply(z: Floats) -> Floats:
        return scaled(problem.dynamical(z), squares)

    def precondition(gradient: Floats) -> Floats:
        inner = dual_adjoint @ problem.dynamical(gradient) @ dual
        return problem.allowed(problem.gradient(dual @ (inner / squares) @ dual_adjoint))

    def solve(z: Floats) -> Floats:
        right = scaled(problem.dynamical(z), squares * factors_qmn)
        return _conjugate_gradients(apply, precondition, right, z, _DETERMINED)

    return solve


def _conjugate_gradients(
    apply: Callable[[Floats], Floats],
    precondition: Callable[[Floats], Floats],
    right: Floats,
    start: Floats | None,
    tolerance: float,
) -> Floats:
    """Solve apply(z) = right (Hestenes and Stiefel 1952)."""
    limit = tolerance**2 * float(right @ precondition(right))
    z = np.zeros_like(right) if start is None else start.copy()
    rest = right if start is None else right - apply(z)
    step = precondition(rest)
    direction, norm = step, float(rest @ step)
    for _ in range(_MOST_STEPS):
        if norm <= limit:
            return z
        image = apply(direction)
        curvature = float(direction @ image)
        if not curvature > 0.0:
            break
        length = norm / curvature
        z = z + length * direction
        rest = rest - length * image
        step = precondition(rest)
        before, norm = norm, float(rest @ step)
        direction = step + norm / before * direction
    raise DataError(
        f"the {len(right)} parameters are undetermined, or nearly so",
        where=f"conjugate gradients do not converge within {_MOST_STEPS} steps",
        why="there are too few independent frames, or the supercell folds pairs onto others",
        fix="give more frames, lower the cutoff, regularise (--method ridge), or ask for the "
        "minimum-norm solution (--minimum-norm)",
    )
