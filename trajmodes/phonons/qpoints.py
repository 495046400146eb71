"""Lists of q points and their names: those of a supercell, of a mesh, special points.

All are in reduced coordinates of the reciprocal lattice of the user's own primitive cell.
Special points and their names are those of Y. Hinuma et al., Comput. Mater. Sci. 128, 140
(2017), from seekpath.
"""

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import seekpath
import spglib
from seekpath import SupercellWarning
from seekpath.hpkot import EdgeCaseWarning

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.labels import point
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.errors import DataError, TrajmodesWarning, UsageError
from trajmodes.symmetry.stars import point_group, star_images
from trajmodes.symmetry.translations import half_space

# Distance in Å within which a site must meet its image, as in `space_group`.
_TOLERANCE = 1e-4
SAME_Q = 1e-4
"""Reduced coordinates that differ by less are equal. The corners of a path through a cell given
with few digits are not exact fractions; q points of a supercell are much farther apart."""
# Reduced coordinates of a point given by the user are smaller than this.
_FARTHEST = 100.0
_GAMMA = ("G", "Γ", "GAMMA", "Gamma")


def commensurate(supercell: Supercell) -> tuple[Floats, Floats]:
    """One of each pair ±q of a supercell's q points, Γ first, in the order of `half_space`.

    Returns
    -------
    qpoints
        (q, 3) reduced coordinates in [−½, ½).
    weights
        (q,) 2 where −q is another point, 1 where it is the same one.
    """
    space = half_space(supercell)
    return space.qpoints, space.weights


def mesh(crystal: Crystal, divisions: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """Irreducible points of a mesh through Γ, under point group and time reversal.

    Parameters
    ----------
    divisions
        Number of points along each reciprocal lattice vector.

    Returns
    -------
    qpoints
        (q, 3) reduced coordinates in [−½, ½).
    weights
        (q,) number of mesh points that each one represents.

    Raises
    ------
    UsageError
        If a number of points is not positive.
    """
    counts = np.asarray(divisions, dtype=np.int64)
    if counts.shape != (3,) or (counts < 1).any():
        raise UsageError(f"a mesh has three positive numbers of points, got {divisions}")
    with warnings.catch_warnings():
        # spglib 2 warns about one of its own settings on every call.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = spglib.get_stabilized_reciprocal_mesh(
            counts, point_group(crystal), is_dense=True
        )
    if found is None:
        raise DataError(f"spglib cannot reduce a mesh of {counts.tolist()} points")
    mapping, addresses = found
    chosen, members = np.unique(mapping, return_counts=True)
    half = counts // 2
    folded = (np.asarray(addresses, dtype=np.int64)[chosen] + half) % counts - half
    return folded / counts, members.astype(float)


def special_points(crystal: Crystal) -> tuple[dict[str, Floats], list[tuple[str, str]]]:
    """Find the special points of the zone and the sections of the standard path.

    The crystal's cell is used as it is, not a standardised one.

    Returns
    -------
    points
        Name → reduced coordinates (3,).
    sections
        Names of both ends of each section.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SupercellWarning)
        warnings.simplefilter("ignore", EdgeCaseWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # of spglib, as in `mesh`
        found: dict[str, Any] = seekpath.get_path_orig_cell(
            _seekpath_structure(crystal), symprec=_TOLERANCE
        )
    if any(issubclass(one.category, SupercellWarning) for one in caught):
        warnings.warn(
            "the crystal has a smaller primitive cell: the labels of the band path are those "
            "of that cell, and its bands are folded",
            TrajmodesWarning,
            stacklevel=3,
        )
    points = {
        _short_name(str(name)): np.array(q, dtype=float)
        for name, q in found["point_coords"].items()
    }
    sections = [(_short_name(str(a)), _short_name(str(b))) for a, b in found["path"]]
    return points, sections


def _short_name(label: str) -> str:
    """Γ for GAMMA, and subscripts without the underscore."""
    return "Γ" if label == "GAMMA" else label.replace("_", "")


def _seekpath_structure(crystal: Crystal) -> tuple[Floats, Floats, list[int]]:
    """Cell, sites and kinds for seekpath; kinds differ by species and by mass."""
    kinds = list(zip(crystal.species, crystal.masses.tolist(), strict=True))
    numbers = [kinds.index(kind) + 1 for kind in kinds]
    if crystal.n_sites == 0:
        raise DataError("the crystal has no sites")
    return crystal.cell, crystal.sites, numbers


def point_names(crystal: Crystal, qpoints: npt.ArrayLike) -> tuple[str, ...]:
    """Name the q points (q, 3) that symmetry makes equal to a special point.

    Names are such as ``Γ`` or ``X``, and empty for other q points. Where two special points
    belong to one star, such as U and K, the first in their order is used.
    """
    images_gqx = star_images(crystal, qpoints)
    names = [""] * images_gqx.shape[1]
    points, _ = special_points(crystal)
    for name, special in points.items():
        equal = equal_modulo_lattice(images_gqx, special, SAME_Q).any(axis=0)
        for row in np.flatnonzero(equal):
            names[row] = names[row] or name
    return tuple(names)


def zone_point(crystal: Crystal, text: str) -> Floats:
    """Reduced coordinates (3,) of a point given by its name, or by three numbers or fractions.

    Parameters
    ----------
    text
        A name such as ``X``, or numbers separated by blanks or commas.

    Raises
    ------
    UsageError
        If it is neither.
    """
    points, _ = special_points(crystal)
    return parse_point(",".join(text.replace(",", " ").split()), points)[0]


def parse_point(word: str, points: dict[str, Floats]) -> tuple[Floats, str]:
    """Reduced coordinates (3,) and label of one of the named points, or of ``x,y,z``."""
    name = "Γ" if word in _GAMMA else word.replace("_", "")
    if name in points:
        return points[name], name
    try:
        numbers = np.array([float(Fraction(part)) for part in word.split(",")])
    except (ValueError, ZeroDivisionError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (3,) or not np.abs(numbers).max() < _FARTHEST:
        raise UsageError(
            f'"{word}" is not a point of the zone',
            fix=f"give three numbers such as 1/2,0,1/2, or one of {' '.join(points)}; separate "
            "points by blanks",
        )
    return numbers, point(numbers)
