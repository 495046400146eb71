"""Bonds of a crystal: pairs of atoms within a cutoff."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal

TOLERANCE = 1e-6
"""Length in Å by which a bond may exceed the cutoff, so that shells are not divided."""
_SPARE = 0.05
"""Fraction of the cutoff by which listed bonds may exceed it."""


@dataclass(frozen=True, slots=True)
class Bonds:
    """Bonds from the atoms of the home cell, each listed from both ends, in order of ``first``.

    An atom is bonded to its own periodic images, never to itself.
    """

    first: Ints
    """(b,) site in the home cell."""
    second: Ints
    """(b,) site of the neighbour."""
    lattice: Ints
    """(b, 3) lattice vector of the neighbour's cell."""
    vectors: Floats
    """(b, 3), unit: Å. From the first atom to the second."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, first="b", second="b", lattice="b 3")
        freeze(self, sizes, float, vectors="b 3")

    @property
    def lengths(self) -> Floats:
        """(b,) lengths in Å."""
        found: Floats = np.linalg.norm(self.vectors, axis=1)
        return found


@dataclass(frozen=True, slots=True)
class BondList:
    """Bonds of a crystal and longer pairs, with all bonds of crystals that differ little."""

    crystal: Crystal
    cutoff: float
    """Length in Å of the longest bond."""
    bonds: Bonds
    """All pairs that are at most `reach` long."""
    reach: float
    """Length in Å."""

    def of(self, crystal: Crystal) -> Bonds:
        """Find all bonds within the cutoff, with the result of the slower `bonds_within`."""
        if not self._has_all(crystal):
            return bonds_within(crystal, self.cutoff)
        first, second, lattice = self.bonds.first, self.bonds.second, self.bonds.lattice
        vectors = (crystal.sites[second] + lattice - crystal.sites[first]) @ crystal.cell
        kept = (vectors**2).sum(axis=1) <= (self.cutoff + TOLERANCE) ** 2
        return Bonds(first[kept], second[kept], lattice[kept], vectors[kept])

    def _has_all(self, crystal: Crystal) -> bool:
        """Whether no bond beyond the reach can have become as short as the cutoff."""
        if crystal.n_sites != self.crystal.n_sites:
            return False
        linear = np.linalg.solve(self.crystal.cell, crystal.cell)
        moved = (crystal.sites - self.crystal.sites) @ crystal.cell
        nearer = 2.0 * np.linalg.norm(moved - moved.mean(axis=0), axis=1).max()
        shortest = float(np.linalg.svd(linear, compute_uv=False).min()) * self.reach - nearer
        return bool(shortest > self.cutoff + TOLERANCE)


def bond_list(crystal: Crystal, cutoff: float) -> BondList:
    """List the bonds for crystals that are compressed by at most a few per cent."""
    reach = (1.0 + _SPARE) * cutoff
    return BondList(crystal, cutoff, bonds_within(crystal, reach), reach)


def bonds_within(crystal: Crystal, cutoff: float) -> Bonds:
    """Find all bonds that are at most ``cutoff`` Å long, in a cell of any size and shape.

    They are in order of first site, second site and lattice vector.
    """
    cutoff = cutoff + TOLERANCE
    home = np.floor(crystal.sites)
    inside = crystal.sites - home
    # Distances between lattice planes are the inverse lengths of the reciprocal vectors.
    margin = cutoff * np.linalg.norm(np.linalg.inv(crystal.cell), axis=0) + 1e-9
    low = np.floor(inside.min(axis=0) - margin).astype(np.int64)
    high = np.floor(inside.max(axis=0) + margin).astype(np.int64)
    axes = (np.arange(start, stop + 1) for start, stop in zip(low, high, strict=True))
    cells_cx = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (inside + cells_cx[:, None]).reshape(-1, 3)
    near = (images >= inside.min(axis=0) - margin) & (images <= inside.max(axis=0) + margin)
    listed = np.flatnonzero(near.all(axis=1))
    cell_index, second_all = np.divmod(listed, crystal.n_sites)
    trees = KDTree(inside @ crystal.cell), KDTree(images[listed] @ crystal.cell)
    found = trees[0].sparse_distance_matrix(trees[1], cutoff, output_type="ndarray")
    first, image = found["i"].astype(np.int64), found["j"].astype(np.int64)
    second, lattice = second_all[image], cells_cx[cell_index[image]]
    real = (first != second) | lattice.any(axis=1)
    first, second, lattice = first[real], second[real], lattice[real]
    lattice = lattice + (home[first] - home[second]).astype(np.int64)
    order = np.lexsort((*lattice.T[::-1], second, first))
    first, second, lattice = first[order], second[order], lattice[order]
    apart = crystal.sites[second] + lattice - crystal.sites[first]
    return Bonds(first, second, lattice, apart @ crystal.cell)
