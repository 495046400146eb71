"""Second order with many parameters: least squares or a ridge without the normal matrix.

A cell of low symmetry has thousands of parameters: 215 atoms with 46 neighbours each have
45 000, whose normal matrix would take 16 GB. The least squares are solved by
`conjugate_gradients` instead, once for all frames and once without each block of time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import (
    Convergence,
    FitErrors,
    FitQuality,
    OrderQuality,
    Reference,
)
from trajmodes.errors import DataError
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.fit import Fit, with_wider_errors
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.fit.many_parameters.conjugate_gradients import Solver
from trajmodes.fit.many_parameters.least_squares import (
    FrameSums,
    LeastSquares,
    least_squares,
    sum_of,
)
from trajmodes.fit.many_parameters.ridge import solver_of, with_strength_of_blocks
from trajmodes.fit.members.contributions import SameSpace
from trajmodes.fit.members.scatter import member_scatter
from trajmodes.fit.members.widening import widened_by_gradients
from trajmodes.fit.normal_equations import require_new_frames, require_one_crystal
from trajmodes.fit.quality import (
    block_notes,
    first_order_forces,
    mean_of_blocks,
    overfitting_notes,
    regularisation_notes,
    relaxation_notes,
)
from trajmodes.fit.solution import FitOptions
from trajmodes.fit.uncertainty import FEWEST_BLOCKS, longest_needed
from trajmodes.symmetry.constraints import constraint_rows, null_space
from trajmodes.symmetry.operations import invariant_part
from trajmodes.symmetry.translations import HalfSpace, cell_rank

MANY = 1500
"""Parameters of second order from which the normal matrix is not constructed."""

_BLOCK_BYTES, _MOST_BLOCKS = 1 << 28, 32
"""Memory that the covariances of all blocks should take, and the most blocks."""

_PARTS = 4
"""Growing parts of the run that are fitted."""

_USUAL_STEPS = 30
"""Iterations of a solution with usual data."""


def has_many_parameters(expansion: Expansion, options: FitOptions) -> bool:
    """Whether `fit_covariances` is to be used; it solves least squares and ridges."""
    return (
        len(expansion.bases) == 2
        and expansion.n_parameters >= MANY
        and options.constraints.hermitian
        and options.errors == "jackknife"
        and options.method in ("least-squares", "ridge")
        and not options.minimum_norm
    )


def joined(parts: Sequence[ForceCovariances]) -> ForceCovariances:
    """Join the covariances of several runs of one supercell, in the order given.

    Raises
    ------
    DataError
        If crystals or volumes differ, or the same frames occur twice.
    """
    first, totals = parts[0], [(one.n_frames, float(one.square.sum())) for one in parts]
    for k, other in enumerate(parts[1:], start=1):
        require_one_crystal(first.space.supercell.crystal, other.space.supercell.crystal)
        require_new_frames(totals[:k], [totals[k]])
    arrays: dict[str, Any] = {
        name: np.concatenate([one.arrays()[name] for one in parts]) for name in first.arrays()
    }
    return replace(first, **arrays)


def blocks_for(space: HalfSpace) -> int:
    """Choose the number of blocks of time whose covariances fit into memory."""
    return int(np.clip(_BLOCK_BYTES // covariance_bytes(space), FEWEST_BLOCKS, _MOST_BLOCKS))


def covariance_bytes(space: HalfSpace) -> int:
    """Memory of the covariances of displacements and forces of one block of time."""
    return 3 * 8 * space.n_qpoints * (6 * space.supercell.crystal.n_sites) ** 2


def solution_operations(expansion: Expansion, space: HalfSpace, n_blocks: int) -> float:
    """Estimate the floating-point operations of `fit_covariances` for a number of blocks."""
    n_solutions, left = _PARTS + 1, n_blocks
    while left >= FEWEST_BLOCKS:
        n_solutions, left = n_solutions + left, (left + 1) // 2
    lattice = expansion.bases[1].orbits.lattice[:, 1]
    n_vectors = len(np.unique(cell_rank(space.supercell, lattice)))
    numbers = space.n_qpoints * n_vectors * (3 * space.supercell.crystal.n_sites) ** 2
    of_one = 2.0 if (space.weights == 1.0).all() else 8.0
    # Twice from parameters to matrices and back: for the residual and the preconditioner.
    return n_solutions * _USUAL_STEPS * 4.0 * of_one * numbers


def fit_covariances(
    covariances: ForceCovariances,
    expansion: Expansion,
    *,
    temperature: float | None = None,
    options: FitOptions | None = None,
) -> Fit:
    """Fit second-order force constants without constructing the normal matrix.

    The temperature in K is stored with the force constants.

    Raises
    ------
    DataError
        If all forces are zero, or the data do not determine all parameters.
    """
    if not covariances.force_square > 0.0:
        raise DataError("all forces are zero", fix="check the forces of the file")
    problem = least_squares(covariances, expansion, options or FitOptions())
    options = with_strength_of_blocks(problem)
    problem = replace(problem, options=options)
    total = sum_of(problem.blocks)
    centred = problem.centred(total)
    solver = solver_of(problem, centred, options)
    if not options.regularised:
        _require_forces(problem)
        solver.require_determined()
    z = solver.solve(centred)
    levels, predicted = _left_out(problem, solver, total, z)
    errors = longest_needed(levels, problem.n_free) if levels else None
    basis = problem.basis
    constants = replace(
        basis.constants(z),
        replicates=None if errors is None else basis.expand(errors.parameters),
        cutoff=None if expansion.cutoffs[1] is None else expansion.cutoffs[1].largest,
        temperature=temperature,
        has_static_part=None if temperature is None else True,
        charges=covariances.charges,
    )
    quality = _quality(problem, problem.residual(centred, z), predicted, expansion)
    quality = replace(
        quality,
        first_order=first_order_forces(covariances, constants)[0],
        r_squared_without_constant=_without_constant(problem, expansion, total, z),
    )
    constants = replace(constants, quality=quality)
    convergence, partial = _convergence(problem, solver, z)
    allowed = invariant_part(expansion.group, covariances.displacement_sum)
    return Fit(
        constants=constants,
        model=None,
        convergence=convergence,
        partial_values=partial,
        other_scheme=None,
        reference=Reference(*mean_of_blocks(covariances, allowed)),
        errors=errors,
        notes=(
            *overfitting_notes(
                quality,
                problem.n_free,
                covariances.n_forces,
                regularised=options.regularised,
            ),
            *basis.orbits.notes,
            *block_notes(errors),
            *relaxation_notes(covariances, constants),
            *regularisation_notes(options),
        ),
    )


def with_scatter_of_members(
    fit: Fit, runs: SameSpace, expansion: Expansion, options: FitOptions
) -> Fit:
    """Increase the error bars by the scatter of symmetry-equivalent modes.

    The fit is returned unchanged if there are too few equivalent modes.
    """
    if fit.errors is None:
        return fit
    scatter = member_scatter([runs], None, fit.errors.block_frames)
    if scatter is None:
        return fit
    problem = least_squares(joined(runs.covariances), expansion, options)
    errors = widened_by_gradients(fit.errors, problem, runs.modes, scatter)
    replicates = problem.basis.expand(errors.parameters)
    return with_wider_errors(fit, errors, replicates, scatter, runs.modes)


def _require_forces(problem: LeastSquares) -> None:
    n_forces = problem.covariances.n_forces
    if n_forces < problem.n_free:
        raise DataError(
            f"{problem.n_free} parameters cannot be fitted to {n_forces} force components",
            fix="give more frames, or lower the cutoff",
        )


def _left_out(
    problem: LeastSquares, solver: Solver, total: FrameSums, z: Floats
) -> tuple[list[FitErrors], float]:
    """Jackknife at every length of the blocks, and Σ|residual|² of blocks left out."""
    levels: list[FitErrors] = []
    predicted, blocks = np.nan, list(problem.blocks)
    while len(blocks) >= FEWEST_BLOCKS:
        rests = [total.plus(block, -1.0) for block in blocks]
        found = np.array([solver.solve(problem.centred(rest), z) for rest in rests])
        if not levels:
            predicted = sum(
                problem.residual(problem.centred(block, rest), one)
                for block, rest, one in zip(blocks, rests, found, strict=True)
            )
        inefficiency = _inefficiency(problem, problem.centred(total), z, found)
        length = float(np.mean([block.frames for block in blocks]))
        levels.append(FitErrors(found, length, inefficiency, levelled=True))
        blocks = [sum_of(blocks[k : k + 2]) for k in range(0, len(blocks), 2)]
    return levels, predicted


def _inefficiency(problem: LeastSquares, sums: FrameSums, z: Floats, found: Floats) -> float:
    """Mean variance of the parameters, relative to that of independent frames."""
    noise = problem.residual(sums, z) / (problem.covariances.n_components - problem.n_free)
    spread = [problem.dynamical(one) for one in found - found.mean(axis=0)]
    weights = problem.weights[:, None, None]
    variance = sum(float(np.vdot(d, weights * (d @ sums.uu)).real) for d in spread)
    share = (len(found) - 1) / len(found)
    return variance / noise * share / problem.n_free if noise > 0.0 else np.nan


def _quality(
    problem: LeastSquares, residual: float, predicted: float, expansion: Expansion
) -> FitQuality:
    covariances = problem.covariances
    n_components = covariances.n_components
    square = covariances.force_square
    order = OrderQuality(
        order=2,
        cutoff=str(expansion.cutoffs[1] or "supercell"),
        n_parameters=problem.n_free,
        r_squared=1.0 - residual / square,
        rms_residual=float(np.sqrt(max(residual, 0.0) / n_components)),
        rms_predicted=float(np.sqrt(max(predicted, 0.0) / n_components)),
        scheme_distance=np.nan,
    )
    return FitQuality(
        n_parameters=problem.n_free,
        rank=problem.n_free,
        condition=np.nan,
        n_frames=covariances.n_frames,
        r_squared=order.r_squared,
        rms_force=float(np.sqrt(square / n_components)),
        rms_residual=order.rms_residual,
        first_order=np.zeros((covariances.space.supercell.crystal.n_sites, 3)),
        orders=(order,),
        scheme=problem.options.scheme,
        constraints=problem.options.constraints.names,
    )


def _without_constant(
    problem: LeastSquares, expansion: Expansion, total: FrameSums, z: Floats
) -> float | None:
    """R² of the force constants without Φ1; None where no Φ1 is fitted."""
    rows = constraint_rows(expansion.bases[0], problem.options.constraints)
    if not (problem.options.constant_force and null_space(rows).shape[1]):
        return None
    return 1.0 - problem.residual(total, z) / problem.covariances.force_square


def _convergence(
    problem: LeastSquares, solver: Solver, z: Floats
) -> tuple[Convergence, Floats]:
    """Convergence with run length, and (c, p, 3, 3) Φ2 of each growing part of the run."""
    total, n_forces = problem.covariances.n_frames, problem.covariances.n_forces
    fractions, found = [], []
    for part, frames in _growing(problem.blocks):
        if part is None:
            values = z
        elif problem.options.regularised or frames / total * n_forces > 2 * problem.n_free:
            values = solver.solve(problem.centred(part), z)
        else:
            continue
        fractions.append(frames / total)
        found.append(values)
    changes = np.linalg.norm(np.array(found) - z, axis=1) / np.linalg.norm(z)
    return Convergence(np.array(fractions), changes[:, None]), problem.basis.expand(
        np.array(found)
    )


def _growing(blocks: tuple[FrameSums, ...]) -> Iterator[tuple[FrameSums | None, float]]:
    """FrameSums of growing parts of the run, and their frames; None for the whole run."""
    for k in range(1, _PARTS):
        part = sum_of(blocks[: max(1, len(blocks) * k // _PARTS)])
        yield part, part.frames
    yield None, sum(block.frames for block in blocks)
