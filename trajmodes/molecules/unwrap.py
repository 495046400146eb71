"""Molecules cut by periodic boundaries are made whole along a minimum spanning tree.

The N − 1 links of the tree connect all atoms of the reference with the least total length. A
link nearly keeps its length when the molecule rotates. If its length in a frame differs much,
the image of nearest length is taken, and all atoms beyond the link move along. Frames without a
box are not changed.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.lattice import minimum_image
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError

_STRETCH = 0.5
"""Largest relative change of the length of a link by a vibration; beyond it the link is cut by
a boundary, or broken."""
_CUT = 0.8
"""Ratio of the longest link with periodic images to that without, below which the molecule is
cut by a boundary."""
_SHORTEST = 0.5
"""Å. Every bond is longer."""
_IMAGES = np.array(sorted(product((-1, 0, 1), repeat=3), key=lambda n: sum(map(abs, n))))


@dataclass(frozen=True, slots=True)
class BondTree:
    """Links between atoms, directed away from the root."""

    parents: Ints
    """(e,) first atom of each link."""
    children: Ints
    """(e,) second atom."""
    lengths: Floats
    """(e,), unit: Å. Lengths in the reference."""
    beyond: Floats
    """(a, e) 1 if the link is between the root and the atom, else 0."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, parents="e", children="e")
        freeze(self, sizes, float, lengths="e", beyond="a e")

    def whole(self, block: FrameBlock) -> Floats:
        """Positions (t, a, 3) in Å of whole molecules.

        Raises
        ------
        DataError
            If a link is broken for every image.
        """
        positions = block.positions
        d_tey = positions[:, self.children] - positions[:, self.parents]
        cut: Bools = _strain(d_tey, self.lengths) > _STRETCH
        t, e = np.nonzero(cut)
        if len(t) == 0:
            return positions
        boxes = block.cells[t]
        # Cells are nan if there is no box.
        has_box = np.isfinite(boxes).all(axis=(1, 2), keepdims=True)
        shifts = np.einsum("ix,lxy->liy", _IMAGES, np.where(has_box, boxes, 0.0))
        images = d_tey[t, e][:, None] + shifts
        strain = _strain(images, self.lengths[e][:, None])
        best: Ints = strain.argmin(axis=1)
        rows = np.arange(len(t))
        worst = int(strain[rows, best].argmax())
        if strain[worst, best[worst]] > _STRETCH:
            self._refuse(block, int(t[worst]), int(e[worst]), images[worst, best[worst]])
        shifts_tey = np.zeros_like(d_tey)
        shifts_tey[t, e] = shifts[rows, best]
        whole: Floats = positions + np.einsum("ae,tey->tay", self.beyond, shifts_tey)
        return whole

    def _refuse(self, block: FrameBlock, t: int, e: int, d: Floats) -> None:
        one, two = int(self.parents[e]), int(self.children[e])
        raise DataError(
            f"atoms {one} and {two} are {np.linalg.norm(d):.2f} Å apart, but "
            f"{self.lengths[e]:.2f} Å in the reference",
            where=f"frame {block.first_frame + t}, step {block.steps[t]}; atoms from 0",
            why="a bond broke, the cluster melted, atoms have exchanged sites, or the "
            "reference is another molecule",
            fix="choose frames where every atom keeps its neighbours, give a --reference with "
            "atoms in the order of the trajectory, or lower the temperature",
        )


def _strain(vectors: Floats, lengths: Floats) -> Floats:
    """Magnitude of |d|/length − 1."""
    distances: Floats = np.linalg.norm(vectors, axis=-1)
    strain: Floats = np.abs(distances / lengths - 1.0)
    return strain


def bond_tree(positions: Floats, box: Floats | None = None) -> BondTree:
    """Links of a molecule with positions (a, 3) in Å.

    With a box (3, 3), minimum images are used if the longest link then becomes much shorter,
    and none becomes shorter than a bond, as happens in a box fitted tightly around a cluster.

    Raises
    ------
    DataError
        If two atoms coincide.
    """
    d_abx = positions[:, None] - positions[None]
    tree = _spanning_tree(np.linalg.norm(d_abx, axis=2))
    if box is not None and len(positions) > 1:
        periodic = _spanning_tree(np.linalg.norm(minimum_image(d_abx, box), axis=2))
        shorter = periodic.lengths.max() < _CUT * tree.lengths.max()
        if shorter and periodic.lengths.min() > _SHORTEST:
            return periodic
    if tree.lengths.min(initial=np.inf) < 1e-3:
        e = int(tree.lengths.argmin())
        one, two = sorted((int(tree.parents[e]), int(tree.children[e])))
        raise DataError(f"atoms {one} and {two} coincide", where="reference; atoms from 0")
    return tree


def _spanning_tree(distances: Floats) -> BondTree:
    """Links of least total length, from distances (a, a)."""
    n = len(distances)
    # In scipy a zero means no link.
    tree = minimum_spanning_tree(np.maximum(distances, 1e-6))
    order, before = breadth_first_order(tree, 0, directed=False)
    children = order[1:].astype(np.int64)
    parents = before[children].astype(np.int64)
    beyond = np.zeros((n, n - 1))
    for e, (parent, child) in enumerate(zip(parents, children, strict=True)):
        beyond[child] = beyond[parent]
        beyond[child, e] = 1.0
    return BondTree(parents, children, distances[parents, children], beyond)
