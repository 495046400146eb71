"""The order in which another program keeps the atoms of a supercell.

A program numbers the atoms its own way, and some put them in other periodic images. A site and
a lattice vector say which atom is meant whatever the order; vectors that differ by a vector of
the supercell mean the same atom.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Ints, freeze
from trajmodes.data import Supercell
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import atom_at


@dataclass(frozen=True, slots=True)
class AtomOrder:
    """Site and lattice vector of each atom of a supercell, in another program's order.

    Raises
    ------
    DataError
        If an atom of the supercell is missing or there twice.
    """

    supercell: Supercell
    sites: Ints
    """(a,) site of each atom."""
    cells: Ints
    """(a, 3) lattice vector of each atom's cell."""

    def __post_init__(self) -> None:
        freeze(self, {"a": self.supercell.n_atoms}, np.int64, sites="a", cells="a 3")
        if (
            len(np.unique(atom_at(self.supercell, self.sites, self.cells)))
            != self.supercell.n_atoms
        ):
            raise DataError(
                "the atoms of the file are not those of the supercell",
                where=f"matrix {self.supercell.matrix.tolist()}",
                fix="give the cells that the constants belong to",
            )

    def atoms(self, sites: npt.ArrayLike, cells: npt.ArrayLike) -> Ints:
        """Numbers, in this order, of the atoms at the given sites and lattice vectors.

        Parameters
        ----------
        sites
            (…,) sites.
        cells
            (…, 3) lattice vectors.
        """
        place = np.empty(self.supercell.n_atoms, dtype=np.int64)
        place[atom_at(self.supercell, self.sites, self.cells)] = np.arange(
            self.supercell.n_atoms
        )
        numbers: Ints = place[atom_at(self.supercell, sites, cells)]
        return numbers


def canonical_order(supercell: Supercell) -> AtomOrder:
    """Our own order: cells in canonical order, sites fastest."""
    cells = np.repeat(supercell.cells, supercell.crystal.n_sites, axis=0)
    return AtomOrder(supercell, supercell.site_index, cells)


def grid_order(supercell: Supercell) -> AtomOrder:
    """Sites slowest, then the third, second and first lattice vector of a diagonal supercell.

    Raises
    ------
    DataError
        If the matrix of the supercell is not diagonal.
    """
    n1, n2, n3 = (int(n) for n in np.diag(supercell.matrix))
    if np.any(supercell.matrix != np.diag([n1, n2, n3])):
        raise DataError(f"the matrix {supercell.matrix.tolist()} is not diagonal")
    grid = np.indices((n3, n2, n1)).reshape(3, -1).T[:, ::-1]
    n_sites = supercell.crystal.n_sites
    sites = np.repeat(np.arange(n_sites), supercell.n_cells)
    return AtomOrder(supercell, sites, np.tile(grid, (n_sites, 1)))
