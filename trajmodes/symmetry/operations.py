"""The space group of a crystal, the action of its operations on the sites, primitive cells.

An operation maps reduced coordinates x to W x + w, and site s of cell R to site p(s) of cell
W R + n(s); p and n are tabulated. Displacements and forces transform by the Cartesian matrix
C = Aᵀ W A⁻ᵀ, where the rows of A are the lattice vectors. A cell from a file or an average is
noisy, so that C would not be exactly orthogonal. C is therefore computed in the nearest cell
with the invariant metric mean_W Wᵀ (A Aᵀ) W.
"""

import warnings
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import spglib
from spglib import SpglibDataset
from spglib.error import SpglibError

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.lattice import wrap
from trajmodes.errors import DataError
from trajmodes.notes import Note

_CENTRING = {
    "A": np.array([[2, 0, 0], [0, 1, -1], [0, 1, 1]]) / 2,
    "C": np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 2]]) / 2,
    "F": np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2,
    "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "R": np.array([[2, -1, -1], [1, 1, -2], [1, 1, 1]]) / 3,
}
"""Letter of the centring → primitive vectors, as columns, in the vectors of the standard
conventional cell: spglib's definition, and that of ``auto`` of phonopy."""

TOLERANCE = 1e-4
"""Largest distance in Å between a site and the image of another."""
UNIAXIAL_GROUPS = range(75, 195)
"""Numbers of tetragonal, trigonal and hexagonal space groups."""


@dataclass(frozen=True, slots=True)
class SpaceGroup:
    """Operations of a crystal modulo its lattice (g), and their action on its sites."""

    crystal: Crystal
    symbol: str
    """International symbol of the space group."""
    rotations: Ints
    """(g, 3, 3). W, acting on columns of reduced coordinates."""
    translations: Floats
    """(g, 3). w, in reduced coordinates."""
    cartesian: Floats
    """(g, 3, 3). C, orthogonal, acting on columns of Cartesian components."""
    permutations: Ints
    """(g, s) p: image of each site."""
    shifts: Ints
    """(g, s, 3) n: cell of the image of each home-cell site."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {"s": self.crystal.n_sites}
        freeze(self, sizes, np.int64, rotations="g 3 3", permutations="g s", shifts="g s 3")
        freeze(self, sizes, float, translations="g 3", cartesian="g 3 3")

    @property
    def n_operations(self) -> int:
        """Number of operations."""
        return len(self.rotations)

    def subgroup(self, keep: Bools) -> "SpaceGroup":
        """Keep the operations of a (g,) mask; they must form a group."""
        return replace(
            self,
            rotations=self.rotations[keep],
            translations=self.translations[keep],
            cartesian=self.cartesian[keep],
            permutations=self.permutations[keep],
            shifts=self.shifts[keep],
        )


def space_group(crystal: Crystal, *, tolerance: float = TOLERANCE) -> SpaceGroup:
    """Find the space group of a crystal with spglib.

    If its cell is not primitive, centring translations are among the operations. See A. Togo,
    K. Shinohara, I. Tanaka, Sci. Technol. Adv. Mater. Methods 4, 2384822 (2024).

    Parameters
    ----------
    tolerance
        Largest distance in Å between a site and the image of another.

    Raises
    ------
    DataError
        If two sites coincide or spglib finds no group at this tolerance.
    """
    dataset = symmetry_dataset(crystal, tolerance)
    if dataset is None:
        raise DataError(
            "spglib finds no space group",
            where=f"{crystal.n_sites} sites, tolerance {tolerance:g} Å",
            why="two sites coincide, or the tolerance exceeds the distance between sites",
            fix="check the cell file, or lower the tolerance",
        )
    rotations = np.asarray(dataset.rotations, dtype=np.int64)
    translations = np.asarray(dataset.translations, dtype=float)
    permutations, shifts = _site_images(crystal, rotations, translations, tolerance)
    cartesian = _cartesian(crystal.cell, rotations)
    symbol = str(dataset.international)
    return SpaceGroup(crystal, symbol, rotations, translations, cartesian, permutations, shifts)


def symmetry_dataset(crystal: Crystal, tolerance: float) -> SpglibDataset | None:
    """Find the symmetry of a crystal with spglib; None if it finds no group."""
    kinds = sorted(set(crystal.species))
    numbers = tuple(kinds.index(symbol) for symbol in crystal.species)
    return _dataset(crystal.cell.tobytes(), crystal.sites.tobytes(), numbers, tolerance)


# One job needs the symmetry of the same crystal many times, and each call of spglib takes
# milliseconds.
@lru_cache(maxsize=16)
def _dataset(
    cell: bytes, sites: bytes, numbers: tuple[int, ...], tolerance: float
) -> SpglibDataset | None:
    """Find the symmetry of vectors and reduced coordinates given as bytes of doubles."""
    vectors = np.frombuffer(cell).reshape(3, 3)
    places = np.frombuffer(sites).reshape(-1, 3)
    try:
        # spglib 2 warns about one of its own settings on every call.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            found = spglib.get_symmetry_dataset(
                (vectors.tolist(), places.tolist(), list(numbers)), symprec=tolerance
            )
    except SpglibError:
        return None
    if found is not None:
        for value in vars(found).values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
    return found


def conventional_cell(crystal: Crystal, *, tolerance: float = 1e-4) -> Floats:
    """(3, 3) M: the rows of M @ cell are the vectors of the standard conventional cell.

    M is the identity if spglib finds no symmetry.
    """
    dataset = symmetry_dataset(crystal, tolerance)
    if dataset is None:
        return np.eye(3)
    found: Floats = np.rint(np.linalg.inv(dataset.transformation_matrix)).T
    return found


def standard_primitive(dataset: SpglibDataset) -> Floats:
    """Rows (3, 3): vectors of the standard primitive cell in terms of those of the cell."""
    centring = _CENTRING.get(dataset.international[0], np.eye(3))
    vectors: Floats = (np.linalg.inv(dataset.transformation_matrix) @ centring).T
    return vectors


def conventional_vectors(crystal: Crystal) -> Floats:
    """Rows (3, 3): vectors of the conventional cell in terms of those of the crystal.

    It is that of spglib, in the orientation of the crystal. Raises a `DataError` as
    `space_group` does.
    """
    space_group(crystal)
    dataset = symmetry_dataset(crystal, TOLERANCE)
    assert dataset is not None
    vectors: Floats = np.array(np.linalg.inv(dataset.transformation_matrix).T.round(9))
    return vectors


def _site_images(
    crystal: Crystal, rotations: Ints, translations: Floats, tolerance: float
) -> tuple[Ints, Ints]:
    """(g, s) image site and (g, s, 3) image cell of every home-cell site."""
    images = np.einsum("gxy,sy->gsx", rotations, crystal.sites) + translations[:, None]
    # (g, s, candidate, 3) from each candidate site to the image, and the nearest cell to it
    apart = images[:, :, None] - crystal.sites
    cells = np.rint(apart)
    distance = np.linalg.norm((apart - cells) @ crystal.cell, axis=-1)
    species = np.array(crystal.species)
    distance[:, species[:, None] != species] = np.inf
    permutations = distance.argmin(axis=2)
    # spglib allows each site its own tolerance about a common origin.
    worst = float(distance.min(axis=2).max())
    bijective = (np.sort(permutations, axis=1) == np.arange(crystal.n_sites)).all()
    if worst > 4.0 * tolerance or not bijective:
        raise DataError(
            "a symmetry operation does not map sites to sites",
            where=f"nearest site {worst:.3g} Å away, tolerance {tolerance:g} Å",
            why="the cell obeys its symmetry only approximately",
            fix="symmetrise the cell file, or lower the tolerance",
        )
    shifts = np.take_along_axis(cells, permutations[:, :, None, None], axis=2)[:, :, 0]
    return permutations.astype(np.int64), np.rint(shifts).astype(np.int64)


def _cartesian(cell: Floats, rotations: Ints) -> Floats:
    """(g, 3, 3) rotations in Cartesian axes, orthogonal to rounding."""
    metric = np.einsum("gji,jk,gkl->il", rotations, cell @ cell.T, rotations) / len(rotations)
    # Columns of Aᵀ are the lattice vectors. Nearest A'ᵀ with A' A'ᵀ = metric: polar factor.
    root = np.linalg.cholesky(metric).T
    left, _, right = np.linalg.svd(cell.T @ np.linalg.inv(root))
    columns = left @ right @ root
    result: Floats = columns @ rotations @ np.linalg.inv(columns)
    return result


def supercell_group(group: SpaceGroup, supercell: Supercell) -> SpaceGroup:
    """Keep the operations that also map the lattice of a supercell onto itself."""
    # A supercell vector n (row) is mapped to n Wᵀ, an integer sum of supercell vectors.
    images = supercell.matrix @ group.rotations.swapaxes(1, 2)
    sums = images @ np.linalg.inv(supercell.matrix)
    return group.subgroup(np.abs(wrap(sums)).max(axis=(1, 2)) < 1e-6)


def loses_symmetry(supercell: Supercell) -> bool:
    """Whether a supercell lacks operations of its crystal, as a rectangle of graphene."""
    group = space_group(supercell.crystal)
    return supercell_group(group, supercell).n_operations < group.n_operations


def invariant_part(group: SpaceGroup, vectors: Floats) -> Floats:
    """Project (…, s, 3) Cartesian vectors, equal in all cells, onto their invariant part."""
    mean = np.zeros_like(vectors)
    for rotation, sites in zip(group.cartesian, group.permutations, strict=True):
        mean[..., sites, :] += vectors @ rotation.T
    return mean / group.n_operations


@dataclass(frozen=True, slots=True)
class ReducedCrystal:
    """A primitive crystal, and notes on its reduction from a larger cell."""

    crystal: Crystal
    notes: tuple[Note, ...]


def on_symmetric_sites(group: SpaceGroup) -> tuple[Crystal, float]:
    """Symmetrise the sites of a crystal: each becomes the mean of the images at this site.

    Also returns the largest displacement of a site in Å. A crystal symmetric to rounding is
    returned unchanged.
    """
    crystal = group.crystal
    # (g, s, 3) reduced image W x_s + w − n, near the site p(s)
    images = np.einsum("gxy,sy->gsx", group.rotations, crystal.sites)
    images += group.translations[:, None] - group.shifts
    sites = np.zeros_like(crystal.sites)
    for places, reduced in zip(group.permutations, images, strict=True):
        sites[places] += reduced
    sites /= group.n_operations
    moved = float(np.linalg.norm((sites - crystal.sites) @ crystal.cell, axis=1).max())
    if moved < 1e-9:
        return crystal, 0.0
    return replace(crystal, sites=sites), moved


def in_symmetric_cell(crystal: Crystal, group: SpaceGroup) -> Crystal:
    """Symmetrise a lattice: the metric becomes mean_W Wᵀ (A Aᵀ) W, without a rotation."""
    cell, w_gxy = crystal.cell, group.rotations
    metric = (w_gxy.swapaxes(1, 2) @ (cell @ cell.T) @ w_gxy).mean(axis=0)
    inverse = np.linalg.inv(cell)
    # The symmetric S with (A S)(A S)ᵀ = metric.
    squares, axes = np.linalg.eigh(inverse @ metric @ inverse.T)
    return replace(crystal, cell=cell @ (axes * np.sqrt(squares)) @ axes.T)


def fold_atoms(lattice: Floats, whole: Crystal, classes: Ints) -> tuple[Crystal, float]:
    """Fold a large cell into a smaller one; each class of translated atoms becomes a site.

    Parameters
    ----------
    lattice
        (3, 3) vectors of the small cell in Å, as rows, in the axes of the large one.
    classes
        (a,) label of the site of each atom.

    Returns
    -------
    The small crystal, with sites in the order of their first atoms and positions and masses
    averaged over the atoms, and the largest distance in Å of an atom from its site.
    """
    if np.linalg.det(lattice) < 0.0:
        lattice = -lattice
    _, first, label = np.unique(classes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    site, first = np.argsort(order)[label], first[order]
    counts = np.bincount(site)
    reduced = whole.positions @ np.linalg.inv(lattice)
    apart = wrap(reduced - reduced[first][site])
    # (s, 3) mean over the atoms of a class, relative to the first
    total = np.stack([np.bincount(site, apart[:, x]) for x in range(3)], axis=1)
    mean = total / counts[:, None]
    moved = float(np.linalg.norm((apart - mean[site]) @ lattice, axis=1).max())
    species = tuple(whole.species[a] for a in first)
    masses = np.bincount(site, whole.masses) / counts
    return Crystal(lattice, reduced[first] + mean, species, masses), moved
