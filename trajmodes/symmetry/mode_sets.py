"""Means over sets of symmetry-equal modes: the star of q, ±q and degenerate branches."""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import Modes

__all__ = ["set_mean", "set_members", "set_omega"]


def set_members(modes: Modes) -> Ints:
    """Count the real degrees of freedom in each set.

    A complex amplitude that stands for ±q is two, its real and its imaginary part; where
    q = −q it is one. The acoustic modes at Γ belong to no set.

    Returns
    -------
    (g,) counts; their sum is 3N − 3.
    """
    counts: Ints = np.rint(_totals(np.ones((1, modes.omega.size)), modes)[0]).astype(np.int64)
    return counts


def set_mean(values: Floats, modes: Modes) -> Floats:
    """Mean of a property of single modes over each set, every q of the full set counted once.

    Parameters
    ----------
    values
        (…, q, m) one value per mode.
    modes
        Modes with their sets.

    Returns
    -------
    (…, g) means.
    """
    rows = values.reshape(-1, modes.omega.size)
    means = _totals(rows, modes) / _totals(np.ones((1, modes.omega.size)), modes)
    shaped: Floats = means.reshape(*values.shape[:-2], modes.n_sets)
    return shaped


def set_omega(modes: Modes) -> Floats:
    """Frequency (g,) of each set in rad/ps, negative where imaginary.

    Parameters
    ----------
    modes
        Modes with their sets.
    """
    labels, first = np.unique(modes.sets, return_index=True)
    omega: Floats = modes.omega.ravel()[first[labels >= 0]]
    return omega


def _totals(rows: Floats, modes: Modes) -> Floats:
    """Weighted sums (r, g) of (r, q m) values; label −1 is counted apart and dropped."""
    labels = modes.sets.ravel() + 1
    weights = np.repeat(modes.weights, modes.omega.shape[1])
    sums = [np.bincount(labels, weights * row, modes.n_sets + 1)[1:] for row in rows]
    return np.array(sums)
