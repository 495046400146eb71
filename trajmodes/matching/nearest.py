"""Search for nearest atoms in a large cell, with trees of its atoms and their images."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal


@dataclass(frozen=True, slots=True)
class AtomSearch:
    """The atoms of a cell, and search trees of them with their images near the cell."""

    whole: Crystal
    kinds: Ints
    """(a,) label of the species, its index in alphabetical order."""
    spacing: float
    """Shortest distance of two atoms in Å."""
    trees: tuple[cKDTree, ...]
    """One for each species."""

    def nearest(self, points: Floats, kind: int) -> Floats:
        """Vectors (k, 3) in Å from the nearest atoms of a species to points."""
        cell = self.whole.cell
        reduced = points @ np.linalg.inv(cell)
        inside = (reduced - np.floor(reduced)) @ cell
        _, index = self.trees[kind].query(inside)
        vectors: Floats = inside - self.trees[kind].data[index]
        return vectors

    def offsets(self, points: Floats, kinds: Ints) -> Floats:
        """Vectors (k, 3) in Å from the nearest atoms of the species of each point."""
        vectors = np.empty(points.shape)
        for kind in np.unique(kinds):
            own = kinds == kind
            vectors[own] = self.nearest(points[own], kind)
        return vectors


def search_tree(whole: Crystal) -> AtomSearch:
    """Make the search trees of a cell, which should be reduced."""
    names = sorted(set(whole.species))
    kinds = np.array([names.index(symbol) for symbol in whole.species])
    inside = whole.sites - np.floor(whole.sites)
    images = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    reduced = (inside[:, None] + images).reshape(-1, 3)
    # Half a cell on each side exceeds the distance to the nearest atom in any lattice.
    near = ((reduced > -0.5) & (reduced < 1.5)).all(axis=1)
    points, labels = reduced[near] @ whole.cell, np.repeat(kinds, len(images))[near]
    trees = tuple(cKDTree(points[labels == kind]) for kind in range(len(names)))
    distance, _ = cKDTree(points).query(inside @ whole.cell, k=2)
    return AtomSearch(whole, kinds, float(distance[:, 1].min()), trees)
