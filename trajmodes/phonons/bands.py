"""Dispersion along a band path."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data import ForceConstants
from trajmodes.errors import DataError
from trajmodes.phonons.diagonalize import frequencies_at
from trajmodes.phonons.qpoints import BandPath

__all__ = ["Bands", "dispersion"]


@dataclass(frozen=True, slots=True)
class Bands:
    """Frequencies along a path, branches in order of frequency at every point."""

    path: BandPath
    """Where the points are, their distances, sections and labels."""
    omega: Floats
    """(q, m), unit: rad/ps. Negative means imaginary."""
    omega_sem: Floats | None
    """(q, m), unit: rad/ps. Standard error; None where the constants have none."""

    def __post_init__(self) -> None:
        sizes = {"q": len(self.path.distance)}
        freeze(self, sizes, float, omega="q m", omega_sem="q m")


def dispersion(constants: ForceConstants, path: BandPath) -> Bands:
    """Bands of the force constants along a path.

    Parameters
    ----------
    constants
        The force constants; error bars come from their replicates.
    path
        The path, made for the same crystal by `band_path`.

    Raises
    ------
    DataError
        If the path was made for another cell, or the constants are not symmetric under exchange
        of their indices.
    """
    if not np.allclose(path.crystal.cell, constants.crystal.cell, rtol=0.0, atol=1e-6):
        raise DataError(
            "the band path was made for another cell than the force constants",
            fix="make it with band_path(constants.crystal, spacing)",
        )
    omega, omega_sem = frequencies_at(constants, path.qpoints)
    return Bands(path, omega, omega_sem)
