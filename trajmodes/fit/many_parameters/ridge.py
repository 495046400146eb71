"""Ridge regression (Hoerl and Kennard, Technometrics 12, 55 (1970)) of many parameters.

Σ_t |f + Σ_n z_n a_n|² + λ Σ_n S_n z_n² is minimised, with a_n the forces of a unit of parameter
n from displacements relative to the atom, and S_n = Σ_t |a_n|². This is a ridge in which each
column of the design matrix has unit norm.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse

from trajmodes.arrays import Floats
from trajmodes.errors import DataError
from trajmodes.fit.many_parameters.conjugate_gradients import Solver
from trajmodes.fit.many_parameters.least_squares import FrameSums, LeastSquares, sum_of
from trajmodes.fit.solution import STRENGTHS, FitOptions, no_strength
from trajmodes.fit.uncertainty import FEWEST_BLOCKS

_BYTES = 1 << 26
"""Memory of the forces of some columns."""

_ACCURATE = 1e-4
"""Convergence of solutions that are compared by their residual in blocks left out."""


def solver_of(problem: LeastSquares, sums: FrameSums, options: FitOptions) -> Solver:
    """Return the solver for all parts of a run; the strength of a ridge must be known."""
    if not options.regularised:
        return Solver(problem, sums)
    return Solver(problem, sums, options.strength or 0.0, column_squares(problem, sums))


def column_squares(problem: LeastSquares, sums: FrameSums) -> Floats:
    """(z,) Σ_t |a|² of each column per frame; zero for self terms."""
    n = 3 * problem.basis.orbits.group.crystal.n_sites
    units = problem.units.tocoo()
    cell, row, column = units.row // n**2, units.row // n % n, units.row % n
    # Relative displacements: what acts on a neighbour acts on the atom itself, reversed.
    self_column = row - row % 3 + column % 3
    origin = np.full_like(cell, problem.origin)
    values = np.concatenate([units.data, -units.data])
    row, cell = np.tile(row, 2), np.concatenate([cell, origin])
    column = np.concatenate([column, self_column])
    # One row for each parameter and component of the force.
    label = np.tile(units.col, 2).astype(np.int64) * n + row
    order = np.argsort(label, kind="stable")
    found, place = np.unique(label[order], return_inverse=True)
    values, cell, column = values[order], cell[order], column[order]
    spread, vectors = np.linalg.eigh(sums.uu)
    roots = vectors * np.sqrt(np.maximum(spread, 0.0))[:, None]
    squares = np.zeros(len(found))
    together = max(1, _BYTES // (16 * n))
    for start in range(0, len(found), together):
        stop = min(start + together, len(found))
        own = slice(*np.searchsorted(place, [start, stop]))
        where = (place[own] - start, column[own])
        for weight, phases, root in zip(problem.weights, problem.phases, roots, strict=True):
            entries = values[own] * phases[cell[own]]
            matrix = scipy.sparse.csr_array((entries, where), shape=(stop - start, n))
            squares[start:stop] += weight * (np.abs(matrix @ root) ** 2).sum(axis=1)
    total: Floats = np.bincount(found // n, squares, problem.basis.n_parameters) / sums.frames
    return total


def with_strength_of_blocks(problem: LeastSquares) -> FitOptions:
    """Choose the strength of the ridge that best predicts blocks left out of the fit.

    Strengths are tried from the largest to smaller ones, until the prediction gets worse twice.

    Raises
    ------
    DataError
        If there is only one block.
    """
    options, blocks = problem.options, _few(problem.blocks)
    if not options.regularised or options.strength is not None:
        return options
    if len(blocks) < 2:
        raise no_strength()
    total = sum_of(blocks)
    rests = [total.plus(block, -1.0) for block in blocks]
    parts = [problem.centred(rest) for rest in rests]
    others = [problem.centred(*pair) for pair in zip(blocks, rests, strict=True)]
    centred = problem.centred(total)
    squares = column_squares(problem, centred)
    starts: list[Floats | None] = [None] * len(blocks)
    predicted: list[float] = []
    strengths = STRENGTHS[::-2]
    for strength in strengths:
        solver = Solver(problem, centred, strength, squares)
        try:
            found = [
                solver.solve(part, start, _ACCURATE)
                for part, start in zip(parts, starts, strict=True)
            ]
        except DataError:
            # Smaller strengths determine the parameters even less.
            break
        predicted.append(sum(map(problem.residual, others, found)))
        starts = [*found]
        if len(predicted) - int(np.argmin(predicted)) > 2:
            break
    if not predicted:
        raise no_strength()
    return replace(options, strength=strengths[int(np.argmin(predicted))])


def _few(blocks: Sequence[FrameSums]) -> list[FrameSums]:
    """Merge consecutive blocks into at most `FEWEST_BLOCKS`."""
    together = -(-len(blocks) // FEWEST_BLOCKS)
    return [sum_of(blocks[k : k + together]) for k in range(0, len(blocks), together)]
