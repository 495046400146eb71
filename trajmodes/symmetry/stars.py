"""Stars of q points: the images of q under the point group of the crystal and time reversal.

A rotation W of reduced positions (x' = W x) maps reduced wave vectors to q' = W⁻ᵀ q, which
leaves q·x invariant. Over a whole group the inverse makes no difference, and in rows the images
are q @ W. Time reversal adds −q. W has integer elements, so that rational q remain on the same
lattice of fractions, and images are compared as integers.
"""

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.symmetry.operations import space_group

_STEPS = 4096 * 3**2 * 5 * 7 * 11 * 13 * 17 * 19
"""Common denominator of q. All denominators up to 22 and powers of two up to 4096 divide it.
Other fractions down to a thousandth stay farther from a rounding edge (½ of a step) than the
1e-4 of a step that double precision can be wrong by."""


def star_images(crystal: Crystal, qpoints: npt.ArrayLike) -> Floats:
    """List all images of q points (q, 3); images repeat where q has symmetry.

    Returns
    -------
    (g, q, 3) reduced coordinates, the identity first, not folded into a zone.
    """
    q_qx = np.asarray(qpoints, dtype=float).reshape(-1, 3)
    rotations = point_group(crystal)
    images = np.einsum("qi,gij->gqj", q_qx, rotations)
    return np.concatenate([images, -images])


def star_labels(crystal: Crystal, qpoints: npt.ArrayLike) -> Ints:
    """Label each of the q points (q, 3) by the first one of the list in the same star.

    Two q points are in one star when a point-group operation, time reversal and a reciprocal
    lattice vector map one to the other. The list need not contain whole stars.

    Returns
    -------
    (q,) indices into the list, equal within a star.
    """
    keys = _keys(star_images(crystal, qpoints))
    n_images, n_qpoints, _ = keys.shape
    _, ranks = np.unique(keys.reshape(-1, 3), axis=0, return_inverse=True)
    # All members of a star have the same images, hence the same smallest key.
    smallest = ranks.reshape(n_images, n_qpoints).min(axis=0, initial=len(keys) * n_qpoints)
    _, first, star = np.unique(smallest, return_index=True, return_inverse=True)
    labels: Ints = first[star]
    return labels


def _keys(qpoints: Floats) -> Ints:
    """Integers, equal for q points that differ by a reciprocal lattice vector."""
    keys: Ints = np.rint(qpoints * _STEPS).astype(np.int64) % _STEPS
    return keys


def point_group(crystal: Crystal) -> Ints:
    """List the rotations W of the space group that preserve the masses, the identity first.

    Returns
    -------
    (g, 3, 3) acting on columns of reduced positions.

    Raises
    ------
    DataError
        If no space group is found.
    """
    group = space_group(crystal)
    same_mass = (crystal.masses[group.permutations] == crystal.masses).all(axis=1)
    rotations: Ints = np.unique(group.rotations[same_mass], axis=0)
    identity = (rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
    return np.concatenate([rotations[identity], rotations[~identity]])
