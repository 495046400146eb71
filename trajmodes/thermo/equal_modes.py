"""Differences between symmetry-equivalent modes that are due to the force constants.

ω at q and at its images under the point group of the crystal are equal if the force constants
have the symmetry of the crystal. Sums over the zone use one q of each star for all.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import layer_of
from trajmodes.phonons.modes import frequencies_at
from trajmodes.symmetry.operations import space_group

_GENERAL = np.array([0.13, 0.29, 0.41])
"""A point of the zone that no operation of a point group but the identity leaves in place."""


class UnequalModes(NamedTuple):
    """Frequencies at the images of a general q point, minus their mean over the images."""

    qpoints: Floats
    """(i, 3) images, in reduced coordinates."""
    differences: Floats
    """(i, m), unit: rad/ps."""
    differences_sem: Floats | None
    """(i, m) standard error; None where the force constants have none."""
    highest: float
    """Highest frequency, in rad/ps."""
    is_layer: bool


def unequal_modes(constants: ForceConstants) -> UnequalModes:
    """Compare the frequencies at all images of a general q point, in the plane of a layer."""
    crystal = constants.crystal
    layer, q = layer_of(crystal.cell, crystal.sites), _GENERAL.copy()
    if layer is not None:
        q[layer.axis] = 0.0
    rotations = np.unique(space_group(crystal).rotations, axis=0)
    images = q @ np.linalg.inv(rotations)
    plain = replace(constants, replicates=None)
    values = () if constants.replicates is None else constants.replicates
    omega, *others = (
        frequencies_at(one, images)[0]
        for one in (plain, *(replace(plain, values=one) for one in values))
    )
    changes = [one - one.mean(axis=0) for one in others]
    sem = jackknife_sem(changes) if changes else None
    highest, is_layer = float(np.abs(omega).max()), layer is not None
    return UnequalModes(images, omega - omega.mean(axis=0), sem, highest, is_layer)
