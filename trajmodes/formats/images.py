"""Nearest periodic images: where constants kept on a supercell are taken to act.

A program that keeps constants between the atoms of a periodic supercell knows their sum over
the images only. To interpolate between commensurate q it lets each act at the nearest image, in
equal parts where several are equally near (Parlinski, Li and Kawazoe, Phys. Rev. Lett. 78, 4063
(1997)). Constants that act nowhere else survive the way to such a program and back.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import ForceConstants, Supercell
from trajmodes.data.lattice import nearest_images, shortest_vector
from trajmodes.symmetry.translations import build_supercell, cell_rank

# Å; images within it count as equally near. phonopy's and phono3py's tolerance.
_TIE = 1e-5


@dataclass(frozen=True, slots=True)
class Images:
    """Nearest images of every pair of atoms of a supercell, by site, site and cell."""

    supercell: Supercell
    start: Ints
    """(s, s, c) first row in ``lattice`` of the images of a pair."""
    count: Ints
    """(s, s, c) how many images are equally near."""
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


def beyond_nearest(constants: ForceConstants, supercell: Supercell) -> tuple[str, ...]:
    """Names of the orders whose clusters do not all consist of nearest images.

    Constants of theirs that are zero do not count.
    """
    images = images_of_pairs(supercell)
    found = []
    strong = constants.values.any(axis=(1, 2))
    sites = np.stack([constants.first, constants.second], axis=1)[strong]
    lattice = np.stack([np.zeros_like(constants.lattice), constants.lattice], axis=1)[strong]
    if _is_beyond(images, sites, lattice):
        found.append("pairs")
    for name, clusters in (("triplets", constants.triplets), ("quartets", constants.quartets)):
        if clusters is None:
            continue
        strong = clusters.values.any(axis=tuple(range(1, clusters.values.ndim)))
        if _is_beyond(images, clusters.sites[strong], clusters.lattice[strong]):
            found.append(name)
    return tuple(found)


def _is_beyond(images: Images, sites_cn: Ints, lattice_cnx: Ints) -> bool:
    """Whether two members of any cluster are farther apart than their nearest images."""
    crystal = images.supercell.crystal
    for m in range(1, sites_cn.shape[1]):
        for n in range(m):
            i, j = sites_cn[:, n], sites_cn[:, m]
            step = lattice_cnx[:, m] - lattice_cnx[:, n]
            vector = (step + crystal.sites[j] - crystal.sites[i]) @ crystal.cell
            nearest = images.distance[i, j, cell_rank(images.supercell, step)]
            if (np.linalg.norm(vector, axis=1) > nearest + _TIE).any():
                return True
    return False


def diagonal_container(constants: ForceConstants, supercell: Supercell) -> Supercell:
    """Find a diagonal supercell in which every pair is the only nearest of its images.

    The given supercell itself if it is diagonal and its pairs reach no farther than their
    nearest images: those that it shares among images are then shared alike.
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
