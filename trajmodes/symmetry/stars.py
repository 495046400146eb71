"""Stars of q points, and sets of symmetry-equivalent modes.

The star of q consists of its images under the point group of the crystal and time reversal.
A rotation W of reduced positions (x' = W x) maps reduced wave vectors to q' = W⁻ᵀ q, which
leaves q·x invariant. Over a whole group the inverse makes no difference, and in rows the images
are q @ W. Time reversal adds −q. W has integer elements, so that rational q remain on the same
lattice of fractions, and images are compared as integers.

A set of modes consists of the degenerate branches at all q of one star, ±q included. The
acoustic modes at Γ belong to no set. A group consists of the degenerate branches at one q
and at −q.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.modes import Modes
from trajmodes.symmetry.operations import space_group

_STEPS = 4096 * 3**2 * 5 * 7 * 11 * 13 * 17 * 19
"""Common denominator of q. All denominators up to 22 and powers of two up to 4096 divide it.
Other fractions down to a thousandth differ from a rounding edge (½ of a step) by more than the
error of double precision, 1e-4 of a step."""


def star_images(crystal: Crystal, qpoints: npt.ArrayLike) -> Floats:
    """(g, q, 3) all images of q points (q, 3), the identity first, not folded into a zone.

    Images repeat where q has symmetry.
    """
    q_qx = np.asarray(qpoints, dtype=float).reshape(-1, 3)
    rotations = point_group(crystal)
    images = np.einsum("qi,gij->gqj", q_qx, rotations)
    return np.concatenate([images, -images])


def star_labels(crystal: Crystal, qpoints: npt.ArrayLike) -> Ints:
    """(q,) index of the first of the q points (q, 3) that is in the same star as each.

    Two q points are in one star when a point-group operation, time reversal and a reciprocal
    lattice vector map one to the other. The list need not contain whole stars.
    """
    keys = _keys(star_images(crystal, qpoints))
    # All members of a star have the same images, hence the same first image in the order of
    # the three components.
    smallest = np.empty(keys.shape[1:], dtype=np.int64)
    is_candidate = np.ones(keys.shape[:2], dtype=bool)
    for axis in range(3):
        component = np.where(is_candidate, keys[..., axis], _STEPS)
        smallest[:, axis] = component.min(axis=0)
        is_candidate &= component == smallest[:, axis]
    _, first, star = np.unique(smallest, axis=0, return_index=True, return_inverse=True)
    labels: Ints = first[star.reshape(-1)]
    return labels


def _keys(qpoints: Floats) -> Ints:
    """Integers, equal for q points that differ by a reciprocal lattice vector."""
    keys: Ints = np.rint(qpoints * _STEPS).astype(np.int64) % _STEPS
    return keys


def point_group(crystal: Crystal) -> Ints:
    """(g, 3, 3) rotations W of the space group that preserve the masses, the identity first."""
    group = space_group(crystal)
    same_mass = (crystal.masses[group.permutations] == crystal.masses).all(axis=1)
    rotations: Ints = np.unique(group.rotations[same_mass], axis=0)
    identity = (rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
    return np.concatenate([rotations[identity], rotations[~identity]])


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


class ModeGroups(NamedTuple):
    """Modes n = (q, m), sorted by group: the modes of a set at one q and at −q."""

    order: Ints
    """(n,) modes, those of one group consecutive."""
    starts: Ints
    """(groups + 1,) position of the first mode of each group in that order."""
    labels: Ints
    """(groups,) set of each group; −1 for drift and imaginary modes."""
    weights: Floats
    """(groups,) 2 if the group represents ±q, 1 if q = −q."""
    omega: Floats
    """(n,), unit: rad/ps."""


def mode_groups(modes: Modes) -> ModeGroups:
    """Find the groups; drift and imaginary modes have no label."""
    n_q, n_m = modes.omega.shape
    counted = np.where(modes.oscillating, modes.sets, -1).ravel()
    q_n = np.repeat(np.arange(n_q), n_m)
    order = np.lexsort((counted, q_n))
    key = q_n[order] * (modes.n_sets + 1) + counted[order] + 1
    first = np.flatnonzero(np.diff(key, prepend=-1))
    return ModeGroups(
        order,
        np.append(first, len(order)),
        counted[order[first]],
        modes.weights[q_n[order[first]]],
        modes.omega.ravel(),
    )


def group_sizes(modes: Modes) -> Floats:
    """Count the real degrees of freedom in the group of each mode, as (q, m)."""
    groups = mode_groups(modes)
    lengths = np.diff(groups.starts)
    sizes = np.empty(len(groups.order))
    sizes[groups.order] = np.repeat(lengths * groups.weights, lengths)
    return sizes.reshape(modes.omega.shape)


def set_members(modes: Modes) -> Ints:
    """(g,) number of real degrees of freedom in each set; their sum is 3N − 3.

    A complex amplitude of ±q counts as two, its real and imaginary parts; where q = −q it
    counts as one.
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
