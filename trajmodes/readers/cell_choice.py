"""One cell for one lattice: of all reduced cells the same is taken whatever the noise.

Many reduced cells have vectors of the same lengths, and which of them a reduction ends in hangs
on rounding: runs of one crystal at two temperatures would be told in different axes. Here
angles are all acute where they can be, else right or obtuse (the two types of Niggli,
Krystallographische Grundlagen, 1928), and of those cells the one is taken whose vectors go
farthest along a fixed direction.
"""

from itertools import product

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.lattice import reduced_cell

__all__ = ["chosen_cell"]

_ALIKE = 5e-3
"""Relative: lengths that differ by less are equal, and cosines below it zero."""
_FORWARD = np.array([1.0, 0.6, 0.3])
"""No two short vectors of a lattice along the axes go equally far along it."""


def chosen_cell(lattice: Floats) -> Floats:
    """Choose a reduced, right-handed primitive cell of a lattice.

    Parameters
    ----------
    lattice
        (3, 3) any primitive cell, rows in Å.

    Returns
    -------
    (3, 3) rows in Å, ascending in length.
    """
    reduced, _ = reduced_cell(lattice)
    volume = abs(float(np.linalg.det(reduced)))
    steps = np.array([n for n in product((-1, 0, 1), repeat=3) if any(n)])
    vectors = steps @ reduced
    lengths = np.linalg.norm(vectors, axis=1)
    alike = [np.abs(lengths / np.linalg.norm(row) - 1.0) < _ALIKE for row in reduced]
    places = np.array(list(product(*(np.flatnonzero(one) for one in alike))))
    cells = vectors[places]
    cells = cells[np.linalg.det(cells) > 0.5 * volume]
    cosines = _cosines(cells)
    for wanted in ((cosines > _ALIKE).all(axis=1), (cosines < _ALIKE).all(axis=1)):
        if wanted.any():
            cells = cells[wanted]
            break
    along = cells @ _FORWARD
    chosen: Floats = cells[np.lexsort(along.T[::-1])[-1]]
    return chosen


def _cosines(cells: Floats) -> Floats:
    """(n, 3) cosines of the three angles."""
    unit = cells / np.linalg.norm(cells, axis=2, keepdims=True)
    cosines: Floats = np.einsum("nix,nix->ni", unit, np.roll(unit, -1, axis=1))
    return cosines
