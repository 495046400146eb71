"""Lifetimes of one mode from different sources: which is taken, and when they disagree."""

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints

__all__ = ["DISAGREE", "better_known", "widest_resolved"]

DISAGREE = 2.0
"""So many combined errors apart. Both come from one run, so that the combined error is an upper
bound, and what is told to disagree does so surely."""
_MOST_RESOLVED = 0.9


def better_known(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """Take for each mode the value whose relative error is smaller.

    Parameters
    ----------
    first, second
        Values and their errors; nan where not known.

    Returns
    -------
    Value and error; nan where both are not known.
    """
    (one, one_sem), (other, other_sem) = first, second
    ours, theirs = one_sem / one, other_sem / other
    by_other = np.isfinite(theirs) & ~(ours <= theirs)
    return np.where(by_other, other, one), np.where(by_other, other_sem, one_sem)


def widest_resolved(predicted: Floats, resolved: Bools) -> Ints:
    """Choose the modes in which a run can be compared with a theory of linewidths.

    A run resolves what is wide in it. Those it resolves out of modes of equal prediction are
    the wider ones, and their mean ratio to the theory is too large. So modes are taken from
    the widest prediction on as long as nine in ten of them are resolved.

    Parameters
    ----------
    predicted
        (g,) linewidths of the theory; nan where it has none.
    resolved
        (g,) whether the run has one.

    Returns
    -------
    (n,) modes that are resolved, the widest prediction first.
    """
    order = np.argsort(-np.nan_to_num(predicted), kind="stable")
    order = order[np.nan_to_num(predicted)[order] > 0.0]
    share = np.cumsum(resolved[order]) / np.arange(1, len(order) + 1)
    last = int(np.flatnonzero(share >= _MOST_RESOLVED).max(initial=-1))
    chosen: Ints = order[: last + 1]
    return chosen[resolved[chosen]]
