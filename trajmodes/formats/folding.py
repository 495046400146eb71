"""Constants by lattice vector → constants between the atoms of a supercell, and back.

Folding adds what the periodic images of an atom contribute. Spreading divides it among the
nearest images again (see `images`), so folding undoes spreading always, and spreading undoes
folding for constants that act at the nearest images only.

For a triplet there are three choices of the atom from which the other two are the nearest
images. phono3py (4.0 and later, `make_r0_average`) takes the mean over the three, which keeps
the symmetry under exchange of members; so does `spread_triplets`. Where all three atoms are
nearest images of each other, as within any cutoff that fits the supercell, the choices agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import ClusterConstants, ForceConstants
from trajmodes.formats.images import Images, images_of_pairs
from trajmodes.formats.order import AtomOrder
from trajmodes.symmetry import folding
from trajmodes.symmetry.translations import atom_at, cell_rank


@dataclass(frozen=True, slots=True)
class SupercellTriplets:
    """Cubic constants between atoms of a supercell, summed over images."""

    first: Ints
    """(o,) site of the first atom, which lies in the home cell."""
    second: Ints
    """(o,) number of the second atom in the order of the program."""
    third: Ints
    """(o,) number of the third atom."""
    values: Floats
    """(o, 3, 3, 3), unit: eV/Å³."""


def fold_pairs(constants: ForceConstants, order: AtomOrder, rows: Ints) -> Floats:
    """Constants between the atoms ``rows`` and all atoms, images summed.

    Parameters
    ----------
    constants
        The force constants.
    order
        Atoms of the supercell.
    rows
        (r,) numbers of the first atoms.

    Returns
    -------
    (r, a, 3, 3) in eV/Å².
    """
    folded = folding.fold_pairs(constants, order.supercell)
    return np.stack([folded[order.sites[row], _seen_from(order, row)] for row in rows])


def fold_triplets(
    triplets: ClusterConstants, order: AtomOrder, rows: Ints
) -> Iterator[tuple[int, int, Floats]]:
    """Cubic constants of two atoms with all atoms, images summed, where there are any.

    Parameters
    ----------
    triplets
        Cubic constants.
    order
        Atoms of the supercell.
    rows
        (r,) numbers of the first atoms.

    Yields
    ------
    Row, number of the second atom, (a, 3, 3, 3) constants in eV/Å³ with every third atom.
    """
    atoms = {row: _seen_from(order, row) for row in rows.tolist()}
    for site, second, slab in folding.fold_triplets(triplets, order.supercell):
        for place, row in enumerate(rows.tolist()):
            if order.sites[row] == site:
                yield place, int(np.flatnonzero(atoms[row] == second)[0]), slab[atoms[row]]


def _seen_from(order: AtomOrder, row: int) -> Ints:
    """Canonical number (a,) of every atom, counted from the cell of one of them."""
    return atom_at(order.supercell, order.sites, order.cells - order.cells[row])


def spread_pairs(
    folded: Floats, order: AtomOrder, rows: Ints
) -> tuple[Ints, Ints, Ints, Floats]:
    """Divide pair constants of a supercell among the nearest images.

    Of constants that are not symmetric under exchange of the two atoms the symmetric part is
    taken, as phonopy does when it makes its dynamical matrix Hermitian.

    Parameters
    ----------
    folded
        (s, a, 3, 3) constants in eV/Å² between one atom of each site and all atoms.
    order
        Atoms of the supercell.
    rows
        (s,) numbers of the first atoms, in the order of the sites.

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
    """Divide cubic constants of a supercell among the nearest images.

    Parameters
    ----------
    found
        Constants between the atoms of the supercell.
    order
        Atoms of the supercell.
    rows
        (s,) numbers of the first atoms, in the order of the sites.

    Returns
    -------
    Constants by lattice vector, the mean over the three atoms from which images are nearest.
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
    """Images of a list of pairs: whose they are (n,), lattice vectors (n, 3), shares (n,)."""
    count = images.count[i, j, rank]
    owner = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    lattice = images.lattice[images.start[i, j, rank][owner] + within]
    return owner, lattice, 1.0 / count[owner]


def _two_images(
    images: Images, a: tuple[Ints, Ints, Ints], b: tuple[Ints, Ints, Ints]
) -> tuple[Ints, Ints, Ints, Floats]:
    """Every image of one pair with every image of another: owner, both vectors, share."""
    owner, lattice_a, share_a = _images_of(images, *a)
    again, lattice_b, share_b = _images_of(images, *(x[owner] for x in b))
    return owner[again], lattice_a[again], lattice_b, share_a[again] * share_b


def _merge(owner: Ints, lattice: Ints, weight: Floats) -> tuple[Ints, Ints, Floats]:
    """Add up the weights of equal rows."""
    rows = np.concatenate([owner[:, None], lattice], axis=1)
    # One integer per row sorts much faster than rows do.
    low = rows.min(axis=0)
    span = rows.max(axis=0) - low + 1
    _, first, place = np.unique(
        np.ravel_multi_index(tuple((rows - low).T), tuple(span)),
        return_index=True,
        return_inverse=True,
    )
    total: Floats = np.bincount(place, weights=weight).astype(float)
    return owner[first], lattice[first], total
