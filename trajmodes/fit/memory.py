"""Memory of a fit by normal equations, predicted before the trajectory is read.

Normal equations of z parameters in b blocks of time take 8 b z² bytes, and twice as much while
they are summed. The solution takes as much for the n free parameters (twice with higher orders,
for both schemes), and in addition the blocks merged for the error bars.
"""

import scipy.sparse

from trajmodes.errors import UsageError
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.solution import FitOptions
from trajmodes.machine import memory_bytes
from trajmodes.symmetry.constraints import sparse_constraint_rows

_MATRICES = 3
"""Matrices of all parameters beside those of the blocks: null space, decompositions."""


def fit_bytes(
    expansion: Expansion, options: FitOptions, n_blocks: int, *, n_copies: int = 1
) -> float:
    """Memory of summing and solving normal equations, at its peak.

    They exist in two copies if those of several runs are joined, or columns are selected.
    """
    n_free = expansion.n_parameters - sum(
        scipy.sparse.csgraph.structural_rank(sparse_constraint_rows(basis, options.constraints))
        for basis in expansion
    )
    return _peak(expansion, n_free, n_blocks, n_copies)


def why_too_large(
    expansion: Expansion, options: FitOptions, n_blocks: int, *, n_copies: int = 1
) -> UsageError | None:
    """Error of a fit whose normal equations need more memory than the computer has."""
    n_parameters, limit = expansion.n_parameters, memory_bytes()
    if _peak(expansion, n_parameters, n_blocks, n_copies) <= limit:
        return None
    needed = fit_bytes(expansion, options, n_blocks, n_copies=n_copies)
    if needed <= limit:
        return None
    order = expansion.orders[-1]
    fix = f"shorten the cutoff of order {order} (--cutoff{order})"
    if order == 2:
        fix += ", or use plain least squares or --method ridge, which take less"
    return UsageError(
        f"the fit of {n_parameters} parameters needs {needed / 1e9:.3g} GB of memory, of which "
        f"there are {limit / 1e9:.3g} GB",
        why="the cutoffs include many clusters that symmetry does not relate; normal equations "
        f"in {n_blocks} blocks of time take {8e-9 * n_blocks * n_parameters**2:.3g} GB, and "
        "their solution several times as much",
        fix=fix,
    )


def _peak(expansion: Expansion, n_free: int, n_blocks: int, n_copies: int) -> float:
    stored = 8.0 * n_blocks * expansion.n_parameters**2
    reduced = 8.0 * n_blocks * n_free**2
    copies = 2.0 if expansion.orders[-1] > 2 else 1.75
    solving = n_copies * stored + copies * reduced
    return max(2.0 * stored, solving) + 8.0 * _MATRICES * expansion.n_parameters**2
