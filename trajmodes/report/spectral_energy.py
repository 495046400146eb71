"""The noun SpectralEnergy: a map of the spectral energy, with or without force constants."""

from dataclasses import dataclass

from trajmodes.data import Supercell
from trajmodes.notes import Note
from trajmodes.report.projection import SpectralMap
from trajmodes.report.results import Bands, Provenance

__all__ = ["SpectralEnergy"]


@dataclass(frozen=True, slots=True)
class SpectralEnergy:
    """The spectral energy density of a run along a path."""

    supercell: Supercell
    bands: Bands
    """The path; without branches where there are no force constants."""
    map: SpectralMap
    provenance: Provenance
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
