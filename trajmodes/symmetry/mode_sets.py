"""Means over sets of symmetry-equal modes: the star of q, ±q and degenerate branches."""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.modes import Modes


class SetPlaces(NamedTuple):
    """Where each set (g) lies in the zone, and its frequency."""

    first: Ints
    """(g,) the first q of its star, as an index into `Modes.qpoints`."""
    star_size: Ints
    """(g,) number of q of the full set in its star."""
    degeneracy: Ints
    """(g,) number of its branches at one q."""
    lowest: Ints
    """(g,) its lowest branch, from 0."""
    highest: Ints
    """(g,) its highest branch, from 0."""
    omega: Floats
    """(g,), unit: rad/ps. Mean over the branches; negative means imaginary."""
    omega_sem: Floats | None
    """(g,), unit: rad/ps. Their mean standard error; None where unknown."""


def places_of_sets(modes: Modes) -> SetPlaces:
    """Find where each set lies in the zone.

    Parameters
    ----------
    modes
        Modes with their sets.
    """
    n_sets = modes.n_sets
    q_index, m_index = np.nonzero(modes.sets >= 0)
    label = modes.sets[q_index, m_index]
    # Rows come in the order of q: the first q of a star represents all of it.
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
