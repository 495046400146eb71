"""The mean box of a crystal whose box moves: as symmetric as the crystal, and told to the user.

The mean of a fluctuating box is strained by noise, and a cubic crystal in it no longer cubic.
As with the mean positions of atoms, only the part of the strain that the point group allows
counts, ε → Σ_g C ε Cᵀ / |G|; unless the rest is larger than the fluctuation of single frames,
which is no noise.
"""

from dataclasses import replace

import numpy as np

from trajmodes.data.lattice import deformation
from trajmodes.notes import Note
from trajmodes.readers.box_motion import BoxMotion
from trajmodes.readers.reference import AverageStructure
from trajmodes.readers.registration import Registration
from trajmodes.symmetry.operations import SpaceGroup

__all__ = ["box_notes", "symmetric_box"]


def symmetric_box(
    group: SpaceGroup, average: AverageStructure, found: Registration
) -> tuple[AverageStructure, Registration]:
    """Carry an average structure into the box of the allowed strain.

    Parameters
    ----------
    group
        Space group of the crystal.
    average
        The average structure, in its mean box.
    found
        Where the crystal lies in it.

    Returns
    -------
    Both in the symmetric box; as they are if the box is fixed, or the strain is no noise.
    """
    if average.motion is None:
        return average, found
    strain, turn = deformation(found.map)
    turned = group.cartesian @ strain @ group.cartesian.swapaxes(1, 2)
    allowed = turned.mean(axis=0)
    if not np.abs(strain - allowed).max() <= average.motion.rms:
        return average, found
    even = (np.eye(3) + allowed) @ turn
    carry = np.linalg.inv(found.map) @ even
    box = average.box @ carry
    moved = replace(
        average,
        box=box,
        positions=average.positions @ carry,
        deviations=average.deviations @ carry,
        motion=replace(average.motion, mean=box),
    )
    placement = replace(found.placement, offset=found.placement.offset @ carry)
    return moved, replace(found, map=even, shift=found.shift @ carry, placement=placement)


def box_notes(motion: BoxMotion | None) -> tuple[Note, ...]:
    """Tell the user the mean box and how the box moves about it.

    Parameters
    ----------
    motion
        Mean and motion of the box; None if it is fixed.
    """
    if motion is None:
        return ()
    lengths = np.linalg.norm(motion.mean, axis=1)
    sides = " × ".join(f"{length:.5g}" for length in lengths)
    unit = motion.mean / lengths[:, None]
    cosines = np.clip((unit @ unit.T)[[1, 2, 0], [2, 0, 1]], -1.0, 1.0)
    angles = ", ".join(f"{angle:.2f}°" for angle in np.degrees(np.arccos(cosines)))
    text = (
        f"the box moves ({motion.told}): displacements are those of reduced coordinates in the "
        f"mean box, {sides} Å, {angles}"
    )
    return (Note("warning", text),)
