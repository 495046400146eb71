"""Nearest periodic images of the pairs and clusters of atoms of a supercell.

The forces of a periodic supercell determine only the sum of a force constant over the images of
its atoms. To interpolate between commensurate q, it is assigned to the nearest image, in equal
parts if several are equally near (Parlinski, Li and Kawazoe, Phys. Rev. Lett. 78, 4063 (1997)).

In a cluster of three or more atoms, images can be nearest to any one of them. phono3py (4.0 and
later, `make_r0_average`) averages over the choices, which keeps the symmetry under exchange of
members, and so does `images_of_clusters`. The choices agree if all atoms are nearest images of
each other, as within any cutoff that fits into the supercell. The sum of the shared constants
over the last member vanishes only after the sum over images.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.lattice import nearest_images
from trajmodes.symmetry.translations import cell_rank

_SAME = 1e-6
"""Difference of force constants, relative to the largest, below which they are equal."""


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

    def distances(self, sites: Ints, lattice: Ints) -> Floats:
        """(c, n, n) distances in Å between the nearest images of the members of clusters."""
        step = lattice[:, None, :] - lattice[:, :, None]
        ranks = cell_rank(self.supercell, step)
        found: Floats = self.distance[sites[:, :, None], sites[:, None, :], ranks]
        return found

    def of_pairs(self, first: Ints, second: Ints, step: Ints) -> tuple[Ints, Ints, Floats]:
        """Images of pairs of sites (p,) that are cells (p, 3) apart.

        Returns the pair (n,) of each image, its lattice vector (n, 3), and its share (n,).
        """
        ranks = cell_rank(self.supercell, step)
        count = self.count[first, second, ranks]
        owner = np.repeat(np.arange(len(count)), count)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        lattice = self.lattice[self.start[first, second, ranks][owner] + within]
        return owner, lattice, 1.0 / count[owner]


def images_of_pairs(supercell: Supercell, tolerance: float) -> Images:
    """Find the nearest images of all pairs; equally near are those within a tolerance in Å."""
    crystal = supercell.crystal
    apart = crystal.sites[None, :] - crystal.sites[:, None]
    vector_ijcx = supercell.cells + apart[:, :, None, :]
    shape = vector_ijcx.shape[:3]
    found = nearest_images(vector_ijcx.reshape(-1, 3), supercell, tolerance)
    count = np.bincount(found.owner).reshape(shape)
    start = np.cumsum(count).reshape(shape) - count
    lattice = supercell.cells[found.owner % supercell.n_cells] + found.shift
    return Images(supercell, start, count, lattice, found.distance.reshape(shape))


class ClusterImages(NamedTuple):
    """Nearest images of clusters; the shares of the images of each cluster add up to 1."""

    owner: Ints
    """(k,) cluster of each image, ascending."""
    lattice: Ints
    """(k, n, 3) lattice vectors of the members; zero for the first."""
    share: Floats
    """(k,) share of the image in the force constants of the cluster."""


def images_of_clusters(images: Images, sites: Ints, lattice: Ints) -> ClusterImages:
    """Find the images of clusters with sites (c, n) and cells (c, n, 3).

    The images are nearest to one of the members, and are averaged over the choice of this
    member.
    """
    n_clusters, order = sites.shape
    parts = []
    for centre in range(order):
        owner, placed = np.arange(n_clusters), np.zeros((n_clusters, order, 3), dtype=np.int64)
        share = np.full(n_clusters, 1.0 / order)
        for other in (k for k in range(order) if k != centre):
            step = lattice[:, other] - lattice[:, centre]
            again, found, part = images.of_pairs(
                sites[owner, centre], sites[owner, other], step[owner]
            )
            owner, share = owner[again], share[again] * part
            placed = placed[again]
            placed[:, other] = found
        parts.append((owner, placed - placed[:, :1], share))
    return _merged(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _merged(owner: Ints, lattice: Ints, share: Floats) -> ClusterImages:
    """Add up the shares of equal images."""
    rows = np.column_stack([owner, lattice.reshape(len(owner), -1)])
    # One integer per row sorts much faster than the rows.
    low = rows.min(axis=0, initial=0)
    span = rows.max(axis=0, initial=0) - low + 1
    keys = np.ravel_multi_index(tuple((rows - low).T), tuple(span))
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    total: Floats = np.zeros(len(first))
    np.add.at(total, place.reshape(-1), share)
    return ClusterImages(owner[first], lattice[first], total)


def are_of_nearest(images: Images, sites: Ints, lattice: Ints, values: Floats) -> bool:
    """Whether force constants (c, 3, …) are those of nearest images, shared as here.

    This is so if the sums over the images of each cluster of atoms of the supercell, shared
    among its nearest images, reproduce the force constants.
    """
    flat = values.reshape(len(values), -1)
    listed = np.flatnonzero(flat.any(axis=1))
    sites, lattice, flat = sites[listed], lattice[listed], flat[listed]
    if not len(listed):
        return True
    ranks = cell_rank(images.supercell, lattice)
    _, first, same = np.unique(
        np.column_stack([sites, ranks]), axis=0, return_index=True, return_inverse=True
    )
    same = same.reshape(-1)
    sums = np.zeros((len(first), flat.shape[1]))
    np.add.at(sums, same, flat)
    owner, placed, share = images_of_clusters(images, sites[first], lattice[first])
    ours = np.column_stack([same, lattice.reshape(len(listed), -1)])
    theirs = np.column_stack([owner, placed.reshape(len(owner), -1)])
    known, place = np.unique(np.concatenate([ours, theirs]), axis=0, return_inverse=True)
    place = place.reshape(-1)
    given, expected = np.zeros((2, len(known), flat.shape[1]))
    np.add.at(given, place[: len(ours)], flat)
    np.add.at(expected, place[len(ours) :], share[:, None] * sums[owner])
    return bool(np.abs(given - expected).max() <= _SAME * np.abs(flat).max())
