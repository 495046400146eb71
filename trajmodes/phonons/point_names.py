"""Names of the special points of the zone, for q points that lie in their stars."""

import numpy as np
import numpy.typing as npt

from trajmodes.data import Crystal
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.phonons.qpoints import SAME_Q, special_points
from trajmodes.symmetry.stars import star_images

__all__ = ["point_names"]


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
