"""Force constants between the atoms of a periodic supercell, summed over periodic images."""

from collections.abc import Iterator

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.symmetry.translations import atom_at


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
