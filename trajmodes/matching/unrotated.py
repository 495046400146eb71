"""Registration of a crystal with many sites, whose cell has the axes of the run.

A search over all orientations, as in `registration`, takes minutes for a cell of hundreds of
sites. Such a cell, with a defect or of an alloy, is usually the file that the run was started
from. The box is then an integer multiple of it, up to strain, and the atoms are in the same
order; or else one of the sites is that of the first atom.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import SAME_CRYSTAL, common_shift, deformation, reduced_cell
from trajmodes.matching.nearest import search_tree
from trajmodes.matching.registration import Registration, place_sites

_ANGLE = 0.02
"""Largest rotation in rad."""
_OFF = 0.35
"""Largest distance of an atom from its site, relative to the distance of neighbours."""


def register_unrotated(
    crystal: Crystal, box: Floats, positions: Floats, species: tuple[str, ...]
) -> Registration | None:
    """Register a crystal without a rotation; None if an atom is then far from every site.

    The box (3, 3) in Å is right-handed, the positions (a, 3) in Å are averages, and the species
    (a,) have the ratio of the crystal.
    """
    cell, basis = reduced_cell(crystal.cell)
    matrix = np.rint(box @ np.linalg.inv(cell)).astype(np.int64)
    if round(float(np.linalg.det(matrix))) * crystal.n_sites != len(positions):
        return None
    change = np.linalg.inv(matrix @ cell) @ box
    moved = deformation(change)
    if abs(moved.largest) > SAME_CRYSTAL.strain or moved.angle > _ANGLE:
        return None
    cell = cell @ change
    sites = crystal.positions @ change @ np.linalg.inv(cell)
    search = search_tree(replace(crystal, cell=cell, sites=sites))
    names = sorted(set(crystal.species))
    kinds = np.array([names.index(name) for name in species])
    for shift in _shifts(search.whole, search.kinds, positions, kinds):
        offset = search.offsets(positions - shift, kinds)
        mean = offset.mean(axis=0)
        if np.linalg.norm(offset - mean, axis=1).max() > _OFF * search.spacing:
            continue
        allowed = kinds[:, None] == search.kinds
        placed = place_sites(cell, sites, allowed, positions - shift - mean)
        placed = replace(placed, lattice=placed.lattice @ basis)
        return Registration(matrix @ basis, change, shift + mean, placed)
    return None


def _shifts(
    crystal: Crystal, site_kinds: Ints, positions: Floats, kinds: Ints
) -> Iterator[Floats]:
    """Origins (3,) in Å of the crystal that are possible, the most likely one first."""
    if np.array_equal(site_kinds, kinds):
        apart = (positions - crystal.positions) @ np.linalg.inv(crystal.cell)
        yield common_shift(apart) @ crystal.cell
    rarest = int(np.argmin(np.bincount(site_kinds)))
    anchor = int(np.flatnonzero(kinds == rarest)[0])
    for site in np.flatnonzero(site_kinds == rarest):
        yield positions[anchor] - crystal.positions[site]
