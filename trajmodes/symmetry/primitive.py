"""Primitive cells, and sites symmetrised by the space group."""

from dataclasses import dataclass, replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import wrap
from trajmodes.notes import Note
from trajmodes.symmetry.operations import SpaceGroup


@dataclass(frozen=True, slots=True)
class ReducedCrystal:
    """A primitive crystal, and notes on its reduction from a larger cell."""

    crystal: Crystal
    notes: tuple[Note, ...]
    """Remarks for the user."""


def on_symmetric_sites(group: SpaceGroup) -> tuple[Crystal, float]:
    """Symmetrise the sites of a crystal by its space group.

    Returns
    -------
    The crystal, with every site at the mean of the images that fall on it, and the largest
    displacement of a site in Å. A crystal symmetric to rounding is returned unchanged.
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


def fold_atoms(lattice: Floats, whole: Crystal, classes: Ints) -> tuple[Crystal, float]:
    """Fold a large cell into a smaller one: each class of translated atoms becomes a site.

    Parameters
    ----------
    lattice
        (3, 3) vectors of the small cell in Å, as rows, in the axes of the large one.
    whole
        The large cell.
    classes
        (a,) label of the site of each atom.

    Returns
    -------
    The small crystal, with sites in the order of their first atoms and positions and masses
    averaged over the atoms, and the largest distance in Å of an atom from its site.
    """
    if np.linalg.det(lattice) < 0.0:
        lattice = -lattice
    labels, first = np.unique(classes, return_index=True)
    order = np.argsort(first)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(labels))
    site = rank[np.searchsorted(labels, classes)]
    first = first[order]
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
