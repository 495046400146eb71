"""An isolated molecule or cluster: its cell, its rigid motions, links between its atoms.

A molecule is a `Supercell` of a single cell with empty space around it, and Γ is its only q. In
contrast to a crystal, its force constants vanish for infinitesimal rotations as well as for
translations,

    Φ t_x = 0,  t_x(a) = x̂,   and   Φ r_x = 0,  r_x(a) = x̂ × r_a,

with r_a the reference positions about the centre of mass. In mass-weighted coordinates √M u
these six vectors (five if all atoms are on a line, three for one atom) span the external space.
Its orthogonal complement contains the vibrations, and the displacements of every frame under
the Eckart conditions (Wilson, Decius & Cross, Molecular Vibrations, 1955, ch. 2 and 11).

Molecules cut by periodic boundaries are made whole along a minimum spanning tree. Its N − 1
links connect all atoms of the reference with the least total length. A link nearly keeps its
length when the molecule rotates. If its length in a frame differs by much, the image of nearest
length is used, and all atoms beyond the link are moved with it. Frames without a box are not
changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import (
    breadth_first_order,
    connected_components,
    minimum_spanning_tree,
)

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import minimum_image
from trajmodes.data.motion import FrameBlock
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import build_supercell

_ROOM = 20.0
"""Empty space in Å in addition to twice the extent; no result depends on it."""
_THIN = 1e-3
"""Ratio of thickness to length below which a molecule is linear."""


def isolated(species: Sequence[str], positions: Floats, masses: Floats) -> Supercell:
    """Put a molecule with positions (a, 3) in Å and masses in eV ps²/Å² into a cell.

    It is neither moved nor rotated.
    """
    edge = 2.0 * float(np.ptp(positions, axis=0).max()) + _ROOM
    crystal = Crystal(np.diag([edge] * 3), positions / edge, tuple(species), masses)
    return build_supercell(crystal, np.eye(3, dtype=np.int64))


def centred(positions: Floats, masses: Floats) -> Floats:
    """Positions (…, a, 3) about their centre of mass."""
    centre = np.einsum("a,...ax->...x", masses / masses.sum(), positions)
    about: Floats = positions - centre[..., None, :]
    return about


def line_of(positions: Floats, masses: Floats) -> Floats | None:
    """Find the direction (3,) of the line of all atoms; None without a line or for one atom."""
    rows = np.sqrt(masses)[:, None] * centred(positions, masses)
    _, lengths, axes = np.linalg.svd(rows, full_matrices=False)
    one_atom = lengths[0] < 1e-9 * np.sqrt(masses.sum())
    if one_atom or lengths[1:].max(initial=0.0) > _THIN * lengths[0]:
        return None
    axis: Floats = axes[0]
    return axis


def rigid_motions(molecule: Supercell) -> Floats:
    """Orthonormal basis (k, 3a) of translations and rotations in mass-weighted coordinates.

    Rows are √M t and √M r made orthonormal, translations first; k is 6, or 5 for a linear
    molecule, or 3 for one atom.
    """
    root = np.sqrt(molecule.masses)
    about = centred(molecule.positions, molecule.masses)
    shifts_xay = np.eye(3)[:, None, :] * (root / np.sqrt(molecule.masses.sum()))[:, None]
    rotations_xay = np.cross(np.eye(3)[:, None, :], about) * root[:, None]
    n = 3 * molecule.n_atoms
    _, lengths, rotations = np.linalg.svd(rotations_xay.reshape(3, n), full_matrices=False)
    # The squares of the lengths are moments of inertia; that about a line is zero.
    exists = lengths > _THIN * max(lengths[0], 1e-9 * np.sqrt(molecule.masses.sum()))
    rows: Floats = np.concatenate([shifts_xay.reshape(3, n), rotations[: len(exists)][exists]])
    return rows


def vibrational_space(molecule: Supercell) -> Floats:
    """Orthonormal basis (d, 3a) of the vibrations in mass-weighted coordinates.

    d is 3a − 6, or 3a − 5 for a linear molecule.
    """
    external = rigid_motions(molecule)
    full, _ = np.linalg.qr(external.T, mode="complete")
    rows: Floats = np.ascontiguousarray(full[:, len(external) :].T)
    return rows


_STRETCH = 0.5
"""Largest relative change of the length of a link by a vibration; beyond it the link is cut by
a boundary, or broken."""
_CUT = 0.8
"""Ratio of the longest link with periodic images to that without, below which the molecule is
cut by a boundary."""
_SHORTEST = 0.5
"""Length in Å that every bond exceeds."""
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
        """Return positions (t, a, 3) in Å of whole molecules.

        Raises
        ------
        DataError
            If a link is broken for every image.
        """
        positions = block.positions_or_raise()
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
    strain: Floats = np.abs(np.linalg.norm(vectors, axis=-1) / lengths - 1.0)
    return strain


def bond_tree(positions: Floats, box: Floats | None = None) -> BondTree:
    """Find the links of a molecule with positions (a, 3) in Å.

    With a box (3, 3), minimum images are used if the longest link then becomes much shorter,
    and no link becomes shorter than a bond, as in a box fitted tightly around a cluster.

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


_FARTHEST = 6.0
"""Distance in Å within which nearest neighbours are searched for."""
_LINKED = 1.15
"""Length of a link relative to the longest distance of an atom to its nearest neighbour."""


def is_bonded_to_images(positions: Floats, box: Floats) -> bool:
    """Whether atoms (a, 3) are linked to their own images in a periodic box (3, 3), in Å.

    This is so in a crystal, a layer, a chain and a liquid, but not in a molecule or cluster. If
    links connect a cell to its neighbour along a lattice vector, both together have fewer than
    twice as many connected parts as one.
    """
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly
    from ase.neighborlist import neighbor_list  # noqa: PLC0415

    atoms = Atoms(positions=positions, cell=box, pbc=True)
    spacing = 1.6 * float(np.cbrt(atoms.get_volume() / len(atoms)))
    first, second, apart, cell = neighbor_list("ijdS", atoms, min(spacing, _FARTHEST))
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, first, apart)
    known = nearest[np.isfinite(nearest)]
    if not known.size:
        return False
    linked = apart < _LINKED * known.max()
    first, second, cell = first[linked], second[linked], cell[linked]
    single = _n_parts(first, second, len(atoms))
    for along in range(3):
        ends = [
            (first + k * len(atoms), second + (k + cell[:, along]) % 2 * len(atoms))
            for k in (0, 1)
        ]
        one, other = (np.concatenate(end) for end in zip(*ends, strict=True))
        if _n_parts(one, other, 2 * len(atoms)) < 2 * single:
            return True
    return False


def _n_parts(first: Ints, second: Ints, n_atoms: int) -> int:
    """Count the connected parts of a graph of links."""
    links = coo_array((np.ones(len(first)), (first, second)), shape=(n_atoms, n_atoms))
    return int(connected_components(links, directed=False)[0])
