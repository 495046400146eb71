"""Whether a cell file beside force constants is of the crystal that these belong to."""

from collections import Counter
from math import gcd

import numpy as np
from ase.geometry import minkowski_reduce

from trajmodes.arrays import Floats
from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.formats import load_crystal

__all__ = ["require_same_crystal"]

_ALIKE = 0.1
"""Relative difference of lengths and of volumes per atom that one crystal may have: of another
temperature or pressure, or from another method."""


def require_same_crystal(known: Crystal, path: str) -> None:
    """Refuse a cell file of another crystal than that of given constants.

    Composition and volume per atom must agree, and the shortest lattice vectors where the
    cells have as many sites: a choice of the cell does not matter.

    Parameters
    ----------
    known
        The crystal of the constants.
    path
        The cell file.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it is of another crystal.
    """
    given = load_crystal(path).crystal
    if _alike(known, given):
        return
    raise DataError(
        f"the cell file is of {_told(given)}, the constants are of {_told(known)}",
        where=path,
        why="constants know the crystal that they belong to, and another cell does not go "
        "with them",
        fix="leave out the cell, or give the constants of this crystal",
    )


def _alike(known: Crystal, given: Crystal) -> bool:
    if _proportions(known) != _proportions(given):
        return False
    pairs = [(known.volume / known.n_sites, given.volume / given.n_sites)]
    if known.n_sites == given.n_sites:
        pairs += zip(_lengths(known), _lengths(given), strict=True)
    return all(abs(one / two - 1.0) < _ALIKE for one, two in pairs)


def _proportions(crystal: Crystal) -> dict[str, int]:
    counts = Counter(crystal.species)
    common = gcd(*counts.values())
    return {name: count // common for name, count in counts.items()}


def _lengths(crystal: Crystal) -> Floats:
    """(3,) lengths of the shortest lattice vectors in Å; no choice of the cell changes them."""
    cell, _ = minkowski_reduce(crystal.cell)
    lengths: Floats = np.sort(np.linalg.norm(cell, axis=1))
    return lengths


def _told(crystal: Crystal) -> str:
    lengths = ", ".join(f"{x:.4g}" for x in _lengths(crystal))
    return (
        f"{crystal.formula} ({lengths} Å, {crystal.volume / crystal.n_sites:.4g} Å³ per atom)"
    )
