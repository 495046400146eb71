"""Periodic images in a supercell: orbits of all its pairs, and force constants folded to it."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.lattice import nearest_images
from trajmodes.symmetry.clusters import SHELL_TOLERANCE, Orbits, classify
from trajmodes.symmetry.operations import SpaceGroup, supercell_group
from trajmodes.symmetry.translations import atom_at, cell_rank


def supercell_pair_orbits(group: SpaceGroup, supercell: Supercell) -> Orbits:
    """Find the orbits of all pairs of a supercell, each at its nearest image or images.

    Pairs that are equal modulo the supercell are identified. Equally near images share the
    force constant equally (Wigner–Seitz). Only operations that map the supercell onto itself
    are used.
    """
    group = supercell_group(group, supercell)
    n_sites, n_cells = group.crystal.n_sites, supercell.n_cells
    labels = np.indices((n_sites, n_sites, n_cells)).reshape(3, -1)
    sites = labels[:2].T.astype(np.int64)
    lattice = np.zeros((len(sites), 2, 3), dtype=np.int64)
    lattice[:, 1] = supercell.cells[labels[2]]

    def folded(cells: Ints) -> Ints:
        return cell_rank(supercell, cells)[:, None]

    return _share_images(classify(group, sites, lattice, folded), supercell)


def _share_images(orbits: Orbits, supercell: Supercell) -> Orbits:
    """Replace every pair by all its nearest images modulo the supercell, with equal shares."""
    crystal = supercell.crystal
    apart = (
        crystal.sites[orbits.sites[:, 1]]
        + orbits.lattice[:, 1]
        - crystal.sites[orbits.sites[:, 0]]
    )
    pair, move, nearest = nearest_images(apart, supercell, SHELL_TOLERANCE)
    # Sort by the supercell vectors that lead to the images: independent of the basis searched.
    steps = np.rint(move @ np.linalg.inv(supercell.matrix))
    order = np.lexsort((*steps.T[::-1], pair))
    pair, move = pair[order], move[order]
    lattice = orbits.lattice[pair].copy()
    lattice[:, 1] += move
    shared = replace(
        orbits,
        sites=orbits.sites[pair],
        lattice=lattice,
        share=1.0 / np.bincount(pair)[pair],
        orbit=orbits.orbit[pair],
        operation=orbits.operation[pair],
        permutation=orbits.permutation[pair],
        representatives=np.searchsorted(pair, orbits.representatives),
        radii=np.bincount(orbits.orbit, nearest) / np.bincount(orbits.orbit),
    )
    return shared.selected(np.ones(shared.n_orbits, dtype=bool))


def fold_pairs(constants: ForceConstants, supercell: Supercell) -> Floats:
    """(s, a, 3, 3) Φ2 in eV/Å² between the home cell and all atoms, in canonical order."""
    folded = np.zeros((supercell.crystal.n_sites, supercell.n_atoms, 3, 3))
    others = atom_at(supercell, constants.second, constants.lattice)
    np.add.at(folded, (constants.first, others), constants.values)
    return folded


def fold_triplets(
    triplets: ClusterConstants, supercell: Supercell
) -> Iterator[tuple[int, int, Floats]]:
    """Sum Φ3 over periodic images, one pair of atoms at a time; vanishing pairs are left out.

    Yields
    ------
    Site of the home cell, second atom in canonical order, (a, 3, 3, 3) Φ3 in eV/Å³.
    """
    first, second, third = triplets.sites.T
    one = atom_at(supercell, second, triplets.lattice[:, 1])
    two = atom_at(supercell, third, triplets.lattice[:, 2])
    for site in range(supercell.crystal.n_sites):
        mine = np.flatnonzero(first == site)
        for atom in np.unique(one[mine]):
            chosen = mine[one[mine] == atom]
            phi3_axyz = np.zeros((supercell.n_atoms, 3, 3, 3))
            np.add.at(phi3_axyz, two[chosen], triplets.values[chosen])
            yield site, int(atom), phi3_axyz
