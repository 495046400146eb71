"""Molecules that the walls of a box have cut are put together along their shortest links.

The links are a minimum spanning tree of the reference: N − 1 pairs that hold all atoms
together by the shortest ways. A link keeps its length, more or less, however the molecule
turns. One that is far from its length in a frame is replaced by the image that is nearest to
it, and what hangs on it moves along. Frames without a box are taken as they are.
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
"""Relative change of the length of a link that a vibration may make; more, and it is another
image, or broken."""
_CUT = 0.8
"""Longest link through the walls over that inside, below which the walls cut the molecule."""
_SHORTEST = 0.5
"""Å. No bond is as short."""
_IMAGES = np.array(sorted(product((-1, 0, 1), repeat=3), key=lambda n: sum(map(abs, n))))


@dataclass(frozen=True, slots=True)
class BondTree:
    """Links between atoms, each from an atom that is nearer to the root."""

    parents: Ints
    """(e,) atoms that the links begin at."""
    children: Ints
    """(e,) atoms that they end at."""
    lengths: Floats
    """(e,), unit: Å. Lengths in the reference."""
    hangs: Floats
    """(a, e) 1 where the atom hangs on the link, else 0."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, parents="e", children="e")
        freeze(self, sizes, float, lengths="e", hangs="a e")

    def whole(self, block: FrameBlock) -> Floats:
        """Positions (t, a, 3) in Å of molecules in one piece.

        Parameters
        ----------
        block
            The frames; cells are nan where there is no box.

        Raises
        ------
        DataError
            If a link is broken, whatever the image.
        """
        positions = block.positions
        apart_tey = positions[:, self.children] - positions[:, self.parents]
        loose: Bools = _strain(apart_tey, self.lengths) > _STRETCH
        t, e = np.nonzero(loose)
        if len(t) == 0:
            return positions
        boxes = block.cells[t]
        inside = np.isfinite(boxes).all(axis=(1, 2), keepdims=True)
        shifts = np.einsum("ix,lxy->liy", _IMAGES, np.where(inside, boxes, 0.0))
        images = apart_tey[t, e][:, None] + shifts
        strain = _strain(images, self.lengths[e][:, None])
        best: Ints = strain.argmin(axis=1)
        rows = np.arange(len(t))
        worst = int(strain[rows, best].argmax())
        if strain[worst, best[worst]] > _STRETCH:
            self._refuse(block, int(t[worst]), int(e[worst]), images[worst, best[worst]])
        moves_tey = np.zeros_like(apart_tey)
        moves_tey[t, e] = shifts[rows, best]
        mended: Floats = positions + np.einsum("ae,tey->tay", self.hangs, moves_tey)
        return mended

    def _refuse(self, block: FrameBlock, t: int, e: int, apart: Floats) -> None:
        one, two = int(self.parents[e]), int(self.children[e])
        raise DataError(
            f"atoms {one} and {two} are {np.linalg.norm(apart):.2f} Å apart, and "
            f"{self.lengths[e]:.2f} Å in the reference",
            where=f"frame {block.first_frame + t}, step {block.steps[t]}; atoms from 0",
            why="a bond broke, the cluster melted, atoms have changed places, or the reference "
            "is another molecule",
            fix="choose frames where every atom keeps its neighbours, give a --reference with "
            "atoms in the order of the trajectory, or lower the temperature",
        )


def _strain(apart: Floats, lengths: Floats) -> Floats:
    """|d|/length − 1, without its sign."""
    distances: Floats = np.linalg.norm(apart, axis=-1)
    strain: Floats = np.abs(distances / lengths - 1.0)
    return strain


def bond_tree(positions: Floats, box: Floats | None = None) -> BondTree:
    """Links of a molecule.

    Parameters
    ----------
    positions
        (a, 3) in Å.
    box
        (3, 3) box vectors as rows, if its walls may cut the molecule. Links then go through
        the walls if that makes the longest one much shorter, and none shorter than a bond can
        be: in a box that is wrapped tightly around a cluster they would.

    Raises
    ------
    DataError
        If two atoms are at one place.
    """
    apart = positions[:, None] - positions[None]
    tree = _spanning_tree(np.linalg.norm(apart, axis=2))
    if box is not None and len(positions) > 1:
        through = _spanning_tree(np.linalg.norm(minimum_image(apart, box), axis=2))
        shorter = through.lengths.max() < _CUT * tree.lengths.max()
        if shorter and through.lengths.min() > _SHORTEST:
            return through
    if tree.lengths.min(initial=np.inf) < 1e-3:
        e = int(tree.lengths.argmin())
        one, two = sorted((int(tree.parents[e]), int(tree.children[e])))
        raise DataError(
            f"atoms {one} and {two} are at one place", where="reference; atoms from 0"
        )
    return tree


def _spanning_tree(distances: Floats) -> BondTree:
    """Links of least total length, from distances (a, a)."""
    n = len(distances)
    # scipy takes what is near zero for no link at all.
    tree = minimum_spanning_tree(np.maximum(distances, 1e-6))
    order, before = breadth_first_order(tree, 0, directed=False)
    children = order[1:].astype(np.int64)
    parents = before[children].astype(np.int64)
    hangs = np.zeros((n, n - 1))
    for e, (parent, child) in enumerate(zip(parents, children, strict=True)):
        hangs[child] = hangs[parent]
        hangs[child, e] = 1.0
    return BondTree(parents, children, distances[parents, children], hangs)
