"""Constants of the crystal folded onto a periodic supercell, as programs of others keep them.

Between the atoms of the home cell and all atoms of the supercell, periodic images summed. As
long as no cluster reaches farther than half the shortest supercell vector, every folded
constant belongs to one image, the nearest one, and nothing is lost: a supercell much smaller
than that of the run then holds the same constants.
"""

import itertools
import math

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.folding import fold_triplets
from trajmodes.symmetry.stars import point_group
from trajmodes.symmetry.translations import build_supercell

# Å by which the inscribed sphere has to exceed the longest distance.
_MARGIN = 1e-3


def dense_triplets(triplets: ClusterConstants, supercell: Supercell) -> Floats:
    """Cubic constants between the home cell and twice any supercell of the same crystal.

    Returns
    -------
    (s, a, a, 3, 3, 3) in eV/Å³, atoms in canonical order.
    """
    n_atoms = supercell.n_atoms
    folded = np.zeros((supercell.crystal.n_sites, n_atoms, n_atoms, 3, 3, 3))
    for site, atom, slab in fold_triplets(triplets, supercell):
        folded[site, atom] = slab
    return folded


def pair_reach(constants: ForceConstants) -> float:
    """Largest distance in Å at which a pair constant is not zero."""
    strong = constants.values.any(axis=(1, 2))
    ends = constants.lattice + constants.crystal.sites[constants.second]
    vectors = (ends - constants.crystal.sites[constants.first]) @ constants.crystal.cell
    return float(np.linalg.norm(vectors[strong], axis=1).max(initial=0.0))


def triplet_reach(constants: ForceConstants) -> float:
    """Largest distance in Å between members of a triplet whose constants are not zero."""
    if constants.triplets is None:
        return 0.0
    clusters, crystal = constants.triplets, constants.crystal
    strong = clusters.values.any(axis=(1, 2, 3))
    places_cnx = (clusters.lattice + crystal.sites[clusters.sites])[strong] @ crystal.cell
    sides = places_cnx - np.roll(places_cnx, 1, axis=1)
    return float(np.linalg.norm(sides, axis=2).max(initial=0.0))


def smallest_supercell(crystal: Crystal, reach: float) -> Supercell:
    """Fewest repetitions of the cell in which all nearer pairs have one nearest image.

    Axes that the point group turns into each other are repeated alike.

    Parameters
    ----------
    crystal
        The crystal.
    reach
        Distance in Å that has to lie within the inscribed sphere.
    """
    wanted = reach + _MARGIN
    # With lattice planes farther apart than twice the distance, any cell is large enough.
    spacing = 1.0 / np.linalg.norm(np.linalg.inv(crystal.cell), axis=0)
    most = [math.ceil(2.0 * wanted / float(height)) for height in spacing]
    groups = joined_axes(crystal)
    top = [max(most[axis] for axis in group) for group in groups]
    choices = itertools.product(*(range(1, n + 1) for n in top))

    def repeated(choice: tuple[int, ...]) -> Supercell:
        counts = np.zeros(3, dtype=np.int64)
        for group, n in zip(groups, choice, strict=True):
            counts[list(group)] = n
        return build_supercell(crystal, np.diag(counts))

    found = sorted((repeated(choice) for choice in choices), key=lambda cell: cell.n_atoms)
    return next(cell for cell in found if inscribed_radius(cell) >= wanted)


def joined_axes(crystal: Crystal) -> list[tuple[int, ...]]:
    """Lattice vectors that the point group mixes: a mesh divides them alike."""
    mixed = (point_group(crystal) != 0).any(axis=0)
    linked = (
        np.linalg.matrix_power((mixed | mixed.T | np.eye(3, dtype=bool)).astype(int), 2) > 0
    )
    groups = {tuple(int(axis) for axis in np.flatnonzero(row)) for row in linked}
    return sorted(groups)
