"""Nearest periodic images: where constants kept on a supercell are taken to act.

A program that keeps constants between the atoms of a periodic supercell knows their sum over
the images only. To interpolate between commensurate q it lets each act at the nearest image, in
equal parts where several are equally near (Parlinski, Li and Kawazoe, Phys. Rev. Lett. 78, 4063
(1997)). Constants that act nowhere else survive the way to such a program and back.
"""

from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce

from trajmodes.arrays import Floats, Ints
from trajmodes.data import ForceConstants, Supercell
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


def nearest_images(supercell: Supercell) -> Images:
    """Find the nearest images of all pairs, with a Minkowski-reduced cell.

    The supercell vectors are reduced first: the nearest images of a vector folded to the
    parallelepiped about the origin then lie in the 27 parallelepipeds around it.
    """
    crystal = supercell.crystal
    _, reduction = minkowski_reduce(supercell.cell)
    box = np.rint(reduction).astype(np.int64) @ supercell.matrix
    apart = crystal.sites[None, :] - crystal.sites[:, None]
    vector_ijcx = supercell.cells + apart[:, :, None, :]
    folded = np.rint(vector_ijcx @ np.linalg.inv(box)).astype(np.int64)
    near = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    shift_ijcnx = (near - folded[..., None, :]) @ box
    length = np.linalg.norm((vector_ijcx[..., None, :] + shift_ijcnx) @ crystal.cell, axis=-1)
    shortest = length.min(axis=-1)
    chosen = length < shortest[..., None] + _TIE
    count = chosen.sum(axis=-1)
    cells = np.broadcast_to(supercell.cells[:, None, :], shift_ijcnx.shape)
    start = np.cumsum(count).reshape(count.shape) - count
    return Images(supercell, start, count, (cells + shift_ijcnx)[chosen], shortest)


def beyond_nearest(constants: ForceConstants, supercell: Supercell) -> tuple[str, ...]:
    """Names of the orders whose clusters do not all consist of nearest images.

    Constants of theirs that are zero do not count.
    """
    images = nearest_images(supercell)
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
    while _shortest(repeat[:, None] * crystal.cell) <= 2.001 * reach:
        repeat[np.argmin(repeat * lengths)] += 1
    return build_supercell(crystal, np.diag(repeat))


def _shortest(cell: Floats) -> float:
    """Length of the shortest lattice vector, which is one of a reduced cell."""
    return float(np.linalg.norm(minkowski_reduce(cell)[0], axis=1).min())
