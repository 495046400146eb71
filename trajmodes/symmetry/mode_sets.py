"""Means over sets of symmetry-equivalent modes.

A set consists of the degenerate branches at all q of one star, ±q included. The acoustic modes
at Γ belong to no set.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.modes import Modes


class SetPlaces(NamedTuple):
    """Star, branches and frequency of each set (g)."""

    first: Ints
    """(g,) index into `Modes.qpoints` of the first q of the star."""
    star_size: Ints
    """(g,) number of q in the star, both signs counted."""
    degeneracy: Ints
    """(g,) number of branches at one q."""
    lowest: Ints
    """(g,) lowest branch, from 0."""
    highest: Ints
    """(g,) highest branch, from 0."""
    omega: Floats
    """(g,), unit: rad/ps. Mean over the branches; negative means imaginary."""
    omega_sem: Floats | None
    """(g,), unit: rad/ps. Mean standard error of the branches; None if unknown."""


def places_of_sets(modes: Modes) -> SetPlaces:
    """Find the star, the branches and the frequency of each set."""
    n_sets = modes.n_sets
    q_index, m_index = np.nonzero(modes.sets >= 0)
    label = modes.sets[q_index, m_index]
    # Rows are in the order of q: the first q of a star represents it.
    _, rows = np.unique(label, return_index=True)
    first = q_index[rows]
    here = q_index == first[label]
    label_here, m_here = label[here], m_index[here]
    degeneracy = np.bincount(label_here, minlength=n_sets)
    lowest = np.full(n_sets, modes.omega.shape[1])
    highest = np.zeros(n_sets, dtype=np.int64)
    np.minimum.at(lowest, label_here, m_here)
    np.maximum.at(highest, label_here, m_here)
    stars = np.unique(np.stack([label, q_index]), axis=1)

    def mean(values_qm: Floats) -> Floats:
        total = np.zeros(n_sets)
        np.add.at(total, label_here, values_qm[q_index[here], m_here])
        return total / degeneracy

    return SetPlaces(
        first=first,
        star_size=np.rint(np.bincount(stars[0], modes.weights[stars[1]])).astype(np.int64),
        degeneracy=degeneracy,
        lowest=lowest,
        highest=highest,
        omega=mean(modes.omega),
        omega_sem=None if modes.omega_sem is None else mean(modes.omega_sem),
    )


def set_members(modes: Modes) -> Ints:
    """Count the real degrees of freedom in each set.

    A complex amplitude of ±q counts as two, its real and imaginary parts; where q = −q it
    counts as one.

    Returns
    -------
    (g,) counts; their sum is 3N − 3.
    """
    counts: Ints = np.rint(_totals(np.ones((1, modes.omega.size)), modes)[0]).astype(np.int64)
    return counts


def set_mean(values: Floats, modes: Modes) -> Floats:
    """(…, g) mean over each set of (…, q, m) values per mode, all q of both signs counted."""
    rows = values.reshape(-1, modes.omega.size)
    means = _totals(rows, modes) / _totals(np.ones((1, modes.omega.size)), modes)
    shaped: Floats = means.reshape(*values.shape[:-2], modes.n_sets)
    return shaped


def set_omega(modes: Modes) -> Floats:
    """(g,) frequency of each set in rad/ps, negative where imaginary."""
    labels, first = np.unique(modes.sets, return_index=True)
    omega: Floats = modes.omega.ravel()[first[labels >= 0]]
    return omega


def _totals(rows: Floats, modes: Modes) -> Floats:
    """(r, g) weighted sums of (r, q m) values; modes with label −1 are left out."""
    labels = modes.sets.ravel() + 1
    weights = np.repeat(modes.weights, modes.omega.shape[1])
    sums = [np.bincount(labels, weights * row, modes.n_sets + 1)[1:] for row in rows]
    return np.array(sums)
