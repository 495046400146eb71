"""Symmetry of the covariances of a supercell, and of pairs of sites.

Operations that map both crystal and supercell onto themselves leave the normal matrix of a
symmetric expansion unchanged if they are applied to the data. The covariances may therefore be
averaged over these operations, and the sum over all first pairs is a sum over inequivalent
pairs, each weighted with the number of members of its star.
"""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.symmetry.translations import cell_rank


def symmetrised(group: SpaceGroup, supercell: Supercell, values: Floats) -> Floats:
    """Average (c, s, s', 3, 3, b) over operations; c is the cell of s' relative to that of s.

    The operations must map the supercell onto itself.
    """
    sites = np.arange(supercell.crystal.n_sites)
    n_blocks = values.shape[-1]
    mean = np.zeros_like(values)
    flat = mean.reshape(-1, 9, n_blocks)
    for w, turn, image, shift in zip(
        group.rotations, group.cartesian, group.permutations, group.shifts, strict=True
    ):
        between = shift[None, :] - shift[:, None]
        cells_cst = (supercell.cells @ w.T)[:, None, None] + between
        moved = values[cell_rank(supercell, cells_cst), image[:, None], image[sites]]
        # Cᵀ U C, with the nine components as one index.
        flat += np.kron(turn.T, turn.T) @ moved.reshape(-1, 9, n_blocks)
    mean /= group.n_operations
    return mean


def stars_of_pairs(group: SpaceGroup, sites: Ints, lattice: Ints) -> Ints:
    """(p,) number of members of each star at its first pair; 0 at its other pairs.

    Parameters
    ----------
    sites
        (p, 2) sites of the pairs; the operations map each pair of the list to one of the list.
    lattice
        (p, 3) cell of the second site relative to that of the first.
    """
    keys = _keys(sites, lattice, lattice)
    order = np.argsort(keys)
    first = np.arange(len(keys))
    for w, image, shift in zip(group.rotations, group.permutations, group.shifts, strict=True):
        moved = lattice @ w.T + shift[sites[:, 1]] - shift[sites[:, 0]]
        found = order[np.searchsorted(keys, _keys(image[sites], moved, lattice), sorter=order)]
        np.minimum(first, found, out=first)
    members: Ints = np.bincount(first, minlength=len(first))
    return members


def _keys(sites: Ints, lattice: Ints, all_lattice: Ints) -> Ints:
    """(p,) one number for each pair."""
    low = all_lattice.min(axis=0)
    sizes = np.ptp(all_lattice, axis=0) + 1
    n_sites = int(sites.max()) + 1
    found = (sites[:, 0] * n_sites + sites[:, 1]).astype(np.int64)
    for x in range(3):
        found = found * sizes[x] + (lattice[:, x] - low[x])
    return found
