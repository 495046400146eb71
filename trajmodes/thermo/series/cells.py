"""Cells of the runs: lengths of the conventional cell, c/a, and cells of a given strain."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.symmetry.operations import UNIAXIAL_GROUPS, conventional_cell, symmetry_dataset
from trajmodes.thermo.series.conditions import Conditions

_TOLERANCE = 1e-3
"""Distance in Å within which sites are on symmetric positions."""


def conventional_lengths(crystals: Sequence[Crystal]) -> Floats:
    """(r, 3) a, b, c in Å of the conventional cell of the same setting."""
    setting = conventional_cell(crystals[0], tolerance=_TOLERANCE)
    lengths: Floats = np.linalg.norm([setting @ one.cell for one in crystals], axis=2)
    return lengths


def conditions_of(temperatures: Floats, crystals: Sequence[Crystal]) -> Conditions:
    """Temperatures, volumes and, of uniaxial crystals, c/a of the runs."""
    dataset = symmetry_dataset(crystals[0], _TOLERANCE)
    ratios = None
    if dataset is not None and dataset.number in UNIAXIAL_GROUPS:
        lengths = conventional_lengths(crystals)
        ratios = lengths[:, 2] / lengths[:, 0]
    return Conditions(temperatures, np.array([one.volume for one in crystals]), ratios)


def strained(crystal: Crystal, conditions: Conditions, strains: Floats) -> Crystal:
    """Strain a crystal to a volume and axial ratio, where these are separate variables (s,)."""
    known = dict(zip(conditions.strain_names, strains.tolist(), strict=True))
    cell = crystal.cell
    if "ln c/a" in known:
        axes = conventional_cell(crystal, tolerance=_TOLERANCE) @ cell
        lengths = np.linalg.norm(axes, axis=1)
        factor = conditions.ratio * np.exp(known["ln c/a"]) * lengths[0] / lengths[2]
        axis = axes[2] / lengths[2]
        longer = cell + (factor - 1.0) * (cell @ axis)[:, None] * axis
        cell = longer / np.cbrt(factor)
    if "ln V" in known:
        wanted = conditions.volume * np.exp(known["ln V"])
        cell = cell * np.cbrt(wanted / crystal.volume)
    return replace(crystal, cell=cell)
