"""Convert force constants by lattice vector to force constants of a supercell, and back.

Order: each program numbers the atoms of a supercell in its own way, and some place them in
other periodic images. A site and a lattice vector identify an atom in any order; lattice
vectors that differ by a vector of the supercell identify the same atom.

Images: a program that stores force constants between the atoms of a periodic supercell knows
only their sum over the images. Folding adds the contributions of the periodic images of an
atom. Spreading divides the sum among the nearest images (`trajmodes.symmetry.images`). Folding
always undoes spreading; spreading undoes folding for force constants that act at nearest images
only.

The dipole–dipole part of a crystal with charges is folded with the rest, and subtracted before
the rest is spread, because other programs store the total second order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.coulomb.supercells import folded_dipoles
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.lattice import shortest_vector
from trajmodes.errors import DataError
from trajmodes.symmetry import translations
from trajmodes.symmetry.images import are_of_nearest, images_of_clusters, images_of_pairs
from trajmodes.symmetry.translations import atom_at, build_supercell

# Å; images within it are equally near. The tolerance of phonopy and phono3py.
_TIE = 1e-5


@dataclass(frozen=True, slots=True)
class AtomOrder:
    """Site and lattice vector of each atom of a supercell, in the order of another program.

    Raises
    ------
    DataError
        If an atom of the supercell is missing or occurs twice.
    """

    supercell: Supercell
    sites: Ints
    """(a,) site of each atom."""
    cells: Ints
    """(a, 3) lattice vector of each atom's cell."""

    def __post_init__(self) -> None:
        freeze(self, {"a": self.supercell.n_atoms}, np.int64, sites="a", cells="a 3")
        supercell = self.supercell
        if len(np.unique(atom_at(supercell, self.sites, self.cells))) != supercell.n_atoms:
            raise DataError(
                "the atoms of the file are not those of the supercell",
                where=f"matrix {supercell.matrix.tolist()}",
                fix="give the cells that the force constants belong to",
            )

    def atoms(self, sites: npt.ArrayLike, cells: npt.ArrayLike) -> Ints:
        """Numbers in this order of the atoms at sites (…,) and lattice vectors (…, 3)."""
        # The inverse of the permutation to the canonical order.
        place = np.argsort(atom_at(self.supercell, self.sites, self.cells))
        numbers: Ints = place[atom_at(self.supercell, sites, cells)]
        return numbers


def canonical_order(supercell: Supercell) -> AtomOrder:
    """Order of trajmodes: cells in canonical order, sites fastest."""
    cells = np.repeat(supercell.cells, supercell.crystal.n_sites, axis=0)
    return AtomOrder(supercell, supercell.site_index, cells)


def grid_order(supercell: Supercell) -> AtomOrder:
    """Order of a diagonal supercell: sites slowest, then the third, second and first vector."""
    n1, n2, n3 = (int(n) for n in np.diag(supercell.matrix))
    if np.any(supercell.matrix != np.diag([n1, n2, n3])):
        raise DataError(f"the matrix {supercell.matrix.tolist()} is not diagonal")
    grid = np.indices((n3, n2, n1)).reshape(3, -1).T[:, ::-1]
    n_sites = supercell.crystal.n_sites
    sites = np.repeat(np.arange(n_sites), supercell.n_cells)
    return AtomOrder(supercell, sites, np.tile(grid, (n_sites, 1)))


class Clusters(NamedTuple):
    """Clusters of one order n with their force constants."""

    sites: Ints
    """(c, n) site of each member."""
    lattice: Ints
    """(c, n, 3) lattice vector of each member; zero for the first."""
    values: Floats
    """(c, 3, …, 3), unit: eV/Åⁿ."""


def clusters_by_order(constants: ForceConstants) -> dict[int, Clusters]:
    """Force constants of the orders 2, 3 and 4 that exist, in one form."""
    sites = np.stack([constants.first, constants.second], axis=1)
    lattice = np.stack([np.zeros_like(constants.lattice), constants.lattice], axis=1)
    found = {2: Clusters(sites, lattice, constants.values)}
    for more in (constants.triplets, constants.quartets):
        if more is not None:
            found[more.order] = Clusters(more.sites, more.lattice, more.values)
    return found


def beyond_nearest(constants: ForceConstants, supercell: Supercell) -> tuple[str, ...]:
    """Names of the orders whose force constants are not those of nearest images.

    Those of nearest images are reproduced if the sum over the images of each cluster of atoms
    of the supercell is divided among its nearest images.
    """
    images, names = images_of_pairs(supercell, _TIE), {2: "pairs", 3: "triplets", 4: "quartets"}
    by_order = clusters_by_order(constants).items()
    return tuple(names[n] for n, found in by_order if not are_of_nearest(images, *found))


def diagonal_container(constants: ForceConstants, supercell: Supercell) -> Supercell:
    """Find a diagonal supercell in which every pair is the only nearest one of its images.

    This is the given supercell if it is diagonal and its pairs do not reach beyond their
    nearest images: force constants divided among equally near images are then divided in the
    same way.
    """
    crystal = constants.crystal
    diagonal = np.diag(np.abs(np.diag(supercell.matrix)))
    is_diagonal = np.array_equal(diagonal, supercell.matrix)
    if is_diagonal and "pairs" not in beyond_nearest(constants, supercell):
        return supercell
    strong = constants.values.any(axis=(1, 2))
    ends = constants.lattice[strong] + crystal.sites[constants.second[strong]]
    vectors = (ends - crystal.sites[constants.first[strong]]) @ crystal.cell
    reach = float(np.linalg.norm(vectors, axis=1).max(initial=0.0))
    lengths = np.linalg.norm(crystal.cell, axis=1)
    repeat = np.ones(3, dtype=np.int64)
    while shortest_vector(repeat[:, None] * crystal.cell) <= 2.001 * reach:
        repeat[np.argmin(repeat * lengths)] += 1
    return build_supercell(crystal, np.diag(repeat))


@dataclass(frozen=True, slots=True)
class SupercellTriplets:
    """Third-order force constants between atoms of a supercell, summed over images."""

    first: Ints
    """(o,) site of the first atom, which lies in the home cell."""
    second: Ints
    """(o,) number of the second atom in the order of the program."""
    third: Ints
    """(o,) number of the third atom."""
    values: Floats
    """(o, 3, 3, 3), unit: eV/Å³."""


def fold_pairs(constants: ForceConstants, order: AtomOrder, rows: Ints) -> Floats:
    """Second-order force constants (r, a, 3, 3) in eV/Å², summed over images.

    They are between the atoms ``rows`` (r,) and all atoms. The dipole–dipole part is included.
    """
    folded = translations.fold_pairs(constants, order.supercell)
    if constants.charges is not None:
        folded += folded_dipoles(order.supercell, constants.charges)
    return of_rows(folded, order, rows)


def of_rows(folded: Floats, order: AtomOrder, rows: Ints) -> Floats:
    """Rows (r, a, 3, 3) of some atoms from those (s, a, 3, 3) of the home cell."""
    return np.stack(
        [folded[order.sites[row], _numbers_relative_to(order, row)] for row in rows]
    )


def fold_triplets(
    triplets: ClusterConstants, order: AtomOrder, rows: Ints
) -> Iterator[tuple[int, int, Floats]]:
    """Third-order force constants of two atoms with all atoms, summed over images.

    Pairs of atoms without force constants are skipped.

    Yields
    ------
    Index into ``rows`` of the first atom, number of the second atom, and force constants (a, 3,
    3, 3) in eV/Å³ with every third atom.
    """
    atoms = {row: _numbers_relative_to(order, row) for row in rows.tolist()}
    for site, second, slab in translations.fold_triplets(triplets, order.supercell):
        for place, row in enumerate(rows.tolist()):
            if order.sites[row] == site:
                yield place, int(np.flatnonzero(atoms[row] == second)[0]), slab[atoms[row]]


def _numbers_relative_to(order: AtomOrder, row: int) -> Ints:
    """Canonical numbers (a,) of all atoms, relative to the cell of one of them."""
    return atom_at(order.supercell, order.sites, order.cells - order.cells[row])


def spread_pairs(
    folded: Floats, order: AtomOrder, rows: Ints
) -> tuple[Ints, Ints, Ints, Floats]:
    """Divide second-order force constants of a supercell among the nearest images.

    They are ``folded`` (s, a, 3, 3) in eV/Å², between one atom of each site, ``rows`` (s,), and
    all atoms. Of force constants that are not symmetric under exchange of the two atoms, the
    symmetric part is used, as phonopy does when it makes its dynamical matrix Hermitian.

    Returns
    -------
    First sites (p,), second sites (p,), lattice vectors (p, 3), values (p, 3, 3) in eV/Å².
    """
    supercell = order.supercell
    n_sites = supercell.crystal.n_sites
    site_i, atom = (x.ravel() for x in np.indices((n_sites, supercell.n_atoms)))
    site_j = order.sites[atom]
    apart = order.cells[atom] - order.cells[rows][site_i]
    partner = order.atoms(site_i, order.cells[rows][site_j] - apart)
    values = 0.5 * (folded[site_i, atom] + folded[site_j, partner].swapaxes(1, 2))
    keep = np.flatnonzero(values.any(axis=(1, 2)) | (atom == rows[site_i]))
    images = images_of_pairs(supercell, _TIE)
    pair, lattice, weight = images.of_pairs(site_i[keep], site_j[keep], apart[keep])
    chosen = keep[pair]
    return site_i[chosen], site_j[chosen], lattice, values[chosen] * weight[:, None, None]


def spread_triplets(found: SupercellTriplets, order: AtomOrder, rows: Ints) -> ClusterConstants:
    """Divide third-order force constants of a supercell among the nearest images.

    The result is the mean over the three atoms from which images are nearest. ``rows`` (s,) are
    the numbers of the first atoms, in the order of the sites.
    """
    home = order.cells[rows][found.first]
    sites = np.stack([found.first, order.sites[found.second], order.sites[found.third]], axis=1)
    others = [order.cells[atom] - home for atom in (found.second, found.third)]
    cells = np.stack([np.zeros_like(home), *others], axis=1)
    owner, lattice, share = images_of_clusters(
        images_of_pairs(order.supercell, _TIE), sites, cells
    )
    return ClusterConstants(
        sites[owner],
        lattice,
        found.values[owner] * share[:, None, None, None],
    )
