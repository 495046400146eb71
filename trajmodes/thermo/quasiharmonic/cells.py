"""Cells at which force constants are known: of one crystal, along one line or in a plane.

The cell of a uniaxial crystal (tetragonal, trigonal, hexagonal) has two lengths, a and c. If
c/a is the same in all cells, or varies smoothly with the volume (and the temperature of the
runs), the free energy is known along a line, as a function of the volume. Otherwise it is known
in the plane of ln a and ln c.
"""

from collections.abc import Sequence

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import SAME_CRYSTAL, crystal_difference, layer_of
from trajmodes.errors import DataError
from trajmodes.symmetry.operations import (
    TOLERANCE,
    UNIAXIAL_GROUPS,
    conventional_cell,
    symmetry_dataset,
)

SAME_CELL = 1e-5
"""Relative difference of volumes or lengths that are the same."""
_UNIAXIAL = 1e-3
"""Relative difference of a and b, and cosines of the angles between c and them, of runs whose
cells fluctuate."""
_OFF_LINE = 0.05
"""Deviation of ln(c/a) from a line, relative to the deviations of ln V, that is a plane."""
_OTHER_TEMPERATURE = 0.1
"""Relative range of temperatures that are not all the same."""


def require_same_crystal(one: Crystal, other: Crystal) -> None:
    """Raise a DataError if two crystals differ by more than a strain, or are layers."""
    if one.species != other.species:
        raise DataError(
            f"the force constants are of different crystals: {one.formula} and "
            f"{other.formula}, or their sites are in different order",
            fix="give those of one crystal, with the same primitive cell",
        )
    apart = crystal_difference(one, other)
    shift, strain = float(apart.shift.max()), abs(apart.largest_strain)
    if shift > SAME_CRYSTAL.site or strain > 2.0 * SAME_CRYSTAL.strain:
        raise DataError(
            f"the force constants at {one.volume:.4f} and {other.volume:.4f} Å³ are of "
            f"different structures: sites are {shift:.2g} Å apart, cells are strained by "
            f"{100.0 * strain:.2g} %",
            fix="give those of one crystal, with the same primitive cell",
        )
    if layer_of(one.cell, one.sites) is not None:
        raise DataError(
            "the crystal is a layer, whose volume depends on the vacuum of its cell",
            fix="give the force constants of a crystal that is periodic in three directions",
        )


def conventional_lengths(crystals: Sequence[Crystal]) -> Floats:
    """Lengths (v, 3) in Å of the vectors of the conventional cell of the same setting."""
    setting = conventional_cell(crystals[0])
    found: Floats = np.linalg.norm([setting @ one.cell for one in crystals], axis=2)
    return found


def axes_in_a_plane(constants: Sequence[ForceConstants]) -> Floats | None:
    """Lengths a and c (v, 2) in Å of uniaxial cells whose c/a varies independently.

    None if the crystal is not uniaxial, or its cells are along a line.
    """
    axes = uniaxial_axes([one.crystal for one in constants])
    if axes is None:
        return None
    log_a, log_c = np.log(axes).T
    volume = 2.0 * log_a + log_c
    volume = volume - volume.mean()
    columns = [np.ones_like(volume)]
    if volume.std() > SAME_CELL:
        columns += [volume, volume**2]
    kelvin = [one.temperature for one in constants]
    known = np.array([0.0 if one is None else one for one in kelvin])
    if None not in kelvin and np.ptp(known) > _OTHER_TEMPERATURE * known.max():
        columns += [known, known * volume]
    rows = np.stack(columns, axis=1)
    rows = rows / np.linalg.norm(rows, axis=0)
    ratio = log_c - log_a
    weights, *_ = np.linalg.lstsq(rows, ratio, rcond=SAME_CELL)
    off_line = float(np.sqrt(((ratio - rows @ weights) ** 2).mean()))
    return axes if off_line > max(_OFF_LINE * volume.std(), SAME_CELL) else None


def uniaxial_axes(crystals: Sequence[Crystal]) -> Floats | None:
    """Lengths a and c (v, 2) in Å in the setting of the first uniaxial crystal, if any."""
    for crystal in crystals:
        dataset = symmetry_dataset(crystal, TOLERANCE)
        if dataset is not None and dataset.number in UNIAXIAL_GROUPS:
            break
    else:
        return None
    setting = conventional_cell(crystal)
    cells = [setting @ one.cell for one in crystals]
    if not all(map(_is_uniaxial, cells)):
        return None
    lengths = np.linalg.norm(cells, axis=2)
    return np.stack([np.sqrt(lengths[:, 0] * lengths[:, 1]), lengths[:, 2]], axis=1)


def _is_uniaxial(cell: Floats) -> bool:
    """Whether a = b, c is normal to both, and their angle is 90° or 120°."""
    lengths = np.linalg.norm(cell, axis=1)
    cosines = cell @ cell.T / np.outer(lengths, lengths)
    between = float(np.abs(cosines[0, 1] - np.array([0.0, -0.5])).min())
    worst = max(
        abs(lengths[1] / lengths[0] - 1.0), abs(cosines[0, 2]), abs(cosines[1, 2]), between
    )
    return bool(worst < _UNIAXIAL)
