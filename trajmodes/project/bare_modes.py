"""A basis without force constants: each site along each direction, for spectra at any q."""

import numpy as np

from trajmodes.data import Modes
from trajmodes.symmetry import HalfSpace
from trajmodes.symmetry.stars import star_labels

__all__ = ["bare_modes"]


def bare_modes(space: HalfSpace) -> Modes:
    """Put unit vectors in place of polarisation vectors; all branches of a star are one set.

    Spectra of such modes are those of the velocities themselves: the sum over branches is what
    polarisation vectors would give, since these are only turned against each other.

    Parameters
    ----------
    space
        The commensurate q points.
    """
    crystal = space.supercell.crystal
    n_branches = 3 * crystal.n_sites
    vectors = np.eye(n_branches, dtype=complex).reshape(1, n_branches, crystal.n_sites, 3)
    _, stars = np.unique(star_labels(crystal, space.qpoints), return_inverse=True)
    return Modes(
        crystal=crystal,
        qpoints=space.qpoints,
        weights=space.weights,
        omega=np.zeros((space.n_qpoints, n_branches)),
        vectors=np.repeat(vectors, space.n_qpoints, axis=0),
        omega_sem=None,
        sets=np.repeat(stars[:, None], n_branches, axis=1),
    )
