"""Convert force constants by lattice vector to force constants of a supercell, and back.

Order: each program numbers the atoms of a supercell in its own way, and some place them in
other periodic images. A site and a lattice vector identify an atom in any order; lattice
vectors that differ by a vector of the supercell identify the same atom.

Images: a program that stores force constants between the atoms of a periodic supercell knows
only their sum over the images. To interpolate between commensurate q, it assigns each to the
nearest image, in equal parts if several are equally near (Parlinski, Li and Kawazoe, Phys. Rev.
Lett. 78, 4063 (1997)).

Folding adds the contributions of the periodic images of an atom. Spreading divides the sum
among the nearest images. Folding always undoes spreading; spreading undoes folding for force
constants that act at nearest images only.

For a triplet, three choices exist for the atom from which the images of the other two are
nearest. phono3py (4.0 and later, `make_r0_average`) averages over the three, which keeps the
symmetry under exchange of members; `spread_triplets` does the same. The choices agree where all
three atoms are nearest images of each other, as within any cutoff that fits the supercell.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.lattice import nearest_images, shortest_vector
from trajmodes.errors import DataError
from trajmodes.symmetry import translations
from trajmodes.symmetry.translations import atom_at, build_supercell, cell_rank

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
        """Numbers, in this order, of the atoms at sites (…,) and lattice vectors (…, 3)."""
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


@dataclass(frozen=True, slots=True)
class Images:
    """Nearest images of every pair of atoms of a supercell, by site, site and cell."""

    supercell: Supercell
    start: Ints
    """(s, s, c) first row in ``lattice`` of the images of a pair."""
    count: Ints
    """(s, s, c) number of equally near images."""
    lattice: Ints
    """(n, 3) lattice vectors from the cell of the first atom to that of the second's image."""
    distance: Floats
    """(s, s, c), unit: Å. Distance of the nearest image."""


def images_of_pairs(supercell: Supercell) -> Images:
    """Find the nearest images of all pairs of atoms."""
    crystal = supercell.crystal
    apart = crystal.sites[None, :] - crystal.sites[:, None]
    vector_ijcx = supercell.cells + apart[:, :, None, :]
    shape = vector_ijcx.shape[:3]
    found = nearest_images(vector_ijcx.reshape(-1, 3), supercell, _TIE)
    count = np.bincount(found.owner).reshape(shape)
    start = np.cumsum(count).reshape(shape) - count
    lattice = supercell.cells[found.owner % supercell.n_cells] + found.shift
    return Images(supercell, start, count, lattice, found.distance.reshape(shape))


class Clusters(NamedTuple):
    """Clusters of one order n with their force constants."""

    sites: Ints
    """(c, n) site of each member."""
    lattice: Ints
    """(c, n, 3) lattice vector of each member; zero for the first."""
    values: Floats
    """(c, 3, …, 3), unit: eV/Åⁿ."""


def clusters_by_order(constants: ForceConstants) -> dict[int, Clusters]:
    """Force constants of the orders 2, 3 and 4, as far as there are any, in one form."""
    sites = np.stack([constants.first, constants.second], axis=1)
    lattice = np.stack([np.zeros_like(constants.lattice), constants.lattice], axis=1)
    found = {2: Clusters(sites, lattice, constants.values)}
    for more in (constants.triplets, constants.quartets):
        if more is not None:
            found[more.order] = Clusters(more.sites, more.lattice, more.values)
    return found


def beyond_nearest(constants: ForceConstants, supercell: Supercell) -> tuple[str, ...]:
    """Names of the orders with clusters that do not consist of nearest images.

    Clusters whose force constants are zero are ignored.
    """
    images, names = images_of_pairs(supercell), {2: "pairs", 3: "triplets", 4: "quartets"}
    by_order = clusters_by_order(constants).items()
    return tuple(names[n] for n, clusters in by_order if _is_beyond(images, clusters))


def _is_beyond(images: Images, clusters: Clusters) -> bool:
    """Whether two members of any cluster are farther apart than their nearest images."""
    crystal, n = images.supercell.crystal, clusters.sites.shape[1]
    strong = clusters.values.any(axis=tuple(range(1, n + 1)))
    sites, lattice = clusters.sites[strong], clusters.lattice[strong]
    for one, other in itertools.combinations(range(n), 2):
        i, j = sites[:, one], sites[:, other]
        step = lattice[:, other] - lattice[:, one]
        vector = (step + crystal.sites[j] - crystal.sites[i]) @ crystal.cell
        nearest = images.distance[i, j, cell_rank(images.supercell, step)]
        if (np.linalg.norm(vector, axis=1) > nearest + _TIE).any():
            return True
    return False


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

    They are between the atoms ``rows`` (r,) and all atoms.
    """
    folded = translations.fold_pairs(constants, order.supercell)
    return np.stack(
        [folded[order.sites[row], _numbers_relative_to(order, row)] for row in rows]
    )


def fold_triplets(
    triplets: ClusterConstants, order: AtomOrder, rows: Ints
) -> Iterator[tuple[int, int, Floats]]:
    """Third-order force constants of two atoms with all atoms, summed over images.

    Pairs of atoms without any are skipped.

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
    images = images_of_pairs(supercell)
    rank = cell_rank(supercell, apart[keep])
    pair, lattice, weight = _images_of(images, site_i[keep], site_j[keep], rank)
    chosen = keep[pair]
    return site_i[chosen], site_j[chosen], lattice, values[chosen] * weight[:, None, None]


def spread_triplets(found: SupercellTriplets, order: AtomOrder, rows: Ints) -> ClusterConstants:
    """Divide third-order force constants of a supercell among the nearest images.

    The result is the mean over the three atoms from which images are nearest. ``rows`` (s,) are
    the numbers of the first atoms, in the order of the sites.
    """
    supercell = order.supercell
    home = order.cells[rows][found.first]
    sites = np.stack([found.first, order.sites[found.second], order.sites[found.third]], axis=1)
    step_j = order.cells[found.second] - home
    step_k = order.cells[found.third] - home
    images = images_of_pairs(supercell)
    i, j, k = sites.T
    ij = (i, j, cell_rank(supercell, step_j))
    ik = (i, k, cell_rank(supercell, step_k))
    jk = (j, k, cell_rank(supercell, step_k - step_j))
    # From i: both nearest to i. From j: i and k nearest to j. From k: i and j nearest to k.
    o1, a1, b1, w1 = _two_images(images, ij, ik)
    o2, a2, b2, w2 = _two_images(images, ij, jk)
    o3, a3, b3, w3 = _two_images(images, ik, jk)
    owner = np.concatenate([o1, o2, o3])
    second = np.concatenate([a1, a2, a3 - b3])
    third = np.concatenate([b1, a2 + b2, a3])
    weight = np.concatenate([w1, w2, w3]) / 3.0
    owner, lattice, weight = _merge(owner, np.concatenate([second, third], axis=1), weight)
    home_too = np.concatenate([np.zeros_like(lattice[:, :3]), lattice], axis=1)
    return ClusterConstants(
        sites[owner],
        home_too.reshape(-1, 3, 3),
        found.values[owner] * weight[:, None, None, None],
    )


def _images_of(images: Images, i: Ints, j: Ints, rank: Ints) -> tuple[Ints, Ints, Floats]:
    """Images of pairs: index of the pair (n,), lattice vectors (n, 3), weights (n,)."""
    count = images.count[i, j, rank]
    owner = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    lattice = images.lattice[images.start[i, j, rank][owner] + within]
    return owner, lattice, 1.0 / count[owner]


def _two_images(
    images: Images, a: tuple[Ints, Ints, Ints], b: tuple[Ints, Ints, Ints]
) -> tuple[Ints, Ints, Ints, Floats]:
    """Every image of one pair with every image of another: owner, both vectors, weight."""
    owner, lattice_a, share_a = _images_of(images, *a)
    again, lattice_b, share_b = _images_of(images, *(x[owner] for x in b))
    return owner[again], lattice_a[again], lattice_b, share_a[again] * share_b


def _merge(owner: Ints, lattice: Ints, weight: Floats) -> tuple[Ints, Ints, Floats]:
    """Add up the weights of equal rows."""
    rows = np.concatenate([owner[:, None], lattice], axis=1)
    # One integer per row sorts much faster than the rows.
    low = rows.min(axis=0)
    span = rows.max(axis=0) - low + 1
    _, first, place = np.unique(
        np.ravel_multi_index(tuple((rows - low).T), tuple(span)),
        return_index=True,
        return_inverse=True,
    )
    total: Floats = np.bincount(place, weights=weight).astype(float)
    return owner[first], lattice[first], total
