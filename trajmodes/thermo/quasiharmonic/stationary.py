"""Stationary points of F + pV, by Newton's method, and first-order errors of quantities there.

The values at the cells are F, S and C_V, which have independent sources of error. To first
order, a source with the deviation δ changes a function f of the values by (f(values + εδ) −
f(values))/ε with a small ε; the whole deviation could remove the minimum of F + pV. The
variance is the sum of the squares of these changes.
"""

from collections.abc import Callable, Sequence

import numpy as np

from trajmodes.arrays import Floats

_TOGETHER = 64
"""Sources of error whose equilibria are found together."""
_SMALL = 1e-3
"""Part ε of a deviation that is added to the values."""
_STEPS = 40
"""Most steps of Newton's method."""


def stationary(step: Callable[[Floats], Floats], start: Floats, tolerance: float) -> Floats:
    """Subtract the steps of Newton's method from the start until all are below a tolerance."""
    x = start
    for _ in range(_STEPS):
        change = step(x)
        x = x - change
        if (np.abs(change) < tolerance).all():
            break
    return x


def first_order_sem(
    fields_of: Callable[[Floats], Sequence[Floats]], values: Floats, deviations: Floats
) -> Floats:
    """Compute standard errors (f, p, t) from deviations (m, 3, t, v) of values (3, t, v).

    ``fields_of`` computes fields (f, …, p, t) from values (…, 3, t, v).
    """
    whole = np.stack(fields_of(values))
    variance = np.zeros_like(whole)
    for first in range(0, len(deviations), _TOGETHER):
        moved = np.stack(fields_of(values + _SMALL * deviations[first : first + _TOGETHER]))
        variance += (((moved - whole[:, None]) / _SMALL) ** 2).sum(axis=1)
    found: Floats = np.sqrt(variance)
    return found
