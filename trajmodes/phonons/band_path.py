"""Names of the special points of the zone, for q points that lie in their stars.

Paths through the zone that a user names: by the letters of special points, or by numbers.

``auto`` is the path of `band_path`. Otherwise points between blanks, each a name of that path
(``GAMMA`` or ``G`` for Γ) or three numbers or fractions between commas; ``|`` starts anew::

    G X W | 0,0,0 1/2,1/2,1/2
"""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.bands import BandPath
from trajmodes.data.crystal import Crystal
from trajmodes.data.labels import point
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.errors import UsageError
from trajmodes.phonons.qpoints import SAME_Q, band_path, special_points, walk
from trajmodes.symmetry.stars import star_images


def point_names(crystal: Crystal, qpoints: npt.ArrayLike) -> tuple[str, ...]:
    """Name those q points that symmetry makes equal to a special point.

    Names are those of Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), by seekpath. Where
    two special points are of one star, such as U and K, the first in their order is told.

    Parameters
    ----------
    crystal
        The crystal; its cell is used as it is.
    qpoints
        (q, 3) reduced coordinates.

    Returns
    -------
    (q,) names such as ``Γ`` or ``X``, empty where a q has none.
    """
    images_gqx = star_images(crystal, qpoints)
    names = [""] * images_gqx.shape[1]
    for name, special in special_points(crystal).items():
        met = equal_modulo_lattice(images_gqx, special, SAME_Q).any(axis=0)
        for row in np.flatnonzero(met):
            names[row] = names[row] or name
    return tuple(names)


_FARTHEST = 100.0
"""Zones that a path may cross."""
_GAMMA = ("G", "Γ", "GAMMA", "Gamma")


def chosen_path(crystal: Crystal, text: str, spacing: float) -> BandPath:
    """Lay a path through the points that a text names.

    Parameters
    ----------
    crystal
        The crystal; coordinates are reduced ones of its cell.
    text
        ``auto``, or points: see the module's text.
    spacing
        Largest distance of neighbouring points in 1/Å, 2π included.

    Raises
    ------
    UsageError
        If a point is not known, or a path has fewer than two of them.
    """
    if text.strip().lower() == "auto":
        return band_path(crystal, spacing)
    named = special_points(crystal)
    corners, labels = [], []
    for stretch in text.split("|"):
        points = [_point(word, named) for word in stretch.split()]
        if len(points) < 2:
            raise UsageError(
                f'the path "{text}" has a stretch of fewer than two points',
                fix=f"give points such as: {' '.join(list(named)[:3])}",
            )
        for (q_start, start), (q_end, end) in pairwise(points):
            if np.allclose(q_start, q_end):
                raise UsageError(f'the path "{text}" stands still at {start}')
            corners.append([q_start, q_end])
            labels.append((start, end))
    return walk(crystal, np.array(corners), tuple(labels), spacing)


def zone_point(crystal: Crystal, text: str) -> Floats:
    """Reduced coordinates (3,) of a point by its name, or by three numbers or fractions.

    Parameters
    ----------
    crystal
        The crystal.
    text
        A name such as ``X``, or numbers between blanks or commas.

    Raises
    ------
    UsageError
        If it is neither.
    """
    return _point(",".join(text.replace(",", " ").split()), special_points(crystal))[0]


def _point(word: str, named: dict[str, Floats]) -> tuple[Floats, str]:
    """Coordinates and name of a point."""
    name = "Γ" if word in _GAMMA else word.replace("_", "")
    if name in named:
        return named[name], name
    try:
        numbers = np.array([float(Fraction(part)) for part in word.split(",")])
    except (ValueError, ZeroDivisionError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (3,) or not np.abs(numbers).max() < _FARTHEST:
        raise UsageError(
            f'"{word}" is no point of the zone',
            fix=f"give three numbers such as 1/2,0,1/2, or one of {' '.join(named)}; blanks "
            "part the points",
        )
    return numbers, point(numbers)
