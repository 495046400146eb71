"""Force constants of an alloy by pair of species."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.force_constants import FitQuality, jackknife_sem


@dataclass(frozen=True, slots=True)
class SpeciesConstants:
    """Second-order force constants of the pairs (k) of an alloy, nearest first.

    Each stands for all pairs of two species that the symmetry of the parent crystal makes
    equivalent.
    """

    species: tuple[str, ...]
    """(k,) such as Ge–Si; the first species is that of the first atom."""
    sites: Ints
    """(k, 2) sites of one of the pairs."""
    bonds: Floats
    """(k, 3), unit: Å. Vector from the first to the second site of this pair."""
    mean_distances: Floats
    """(k,), unit: Å. Mean distance of the mean positions of the atoms of all pairs."""
    counts: Ints
    """(k,) number of pairs in the supercells of all runs."""
    values: Floats
    """(k, 3, 3), unit: eV/Å². Φ of this pair, axes (direction of first, of second)."""
    quality: FitQuality
    """Quality of the fit of these constants."""
    replicates: Floats | None = None
    """(b, k, 3, 3), unit: eV/Å². Jackknife replicates; None without error bars."""
    absent: tuple[str, ...] = ()
    """Pairs within the cutoff that no run has."""

    def __post_init__(self) -> None:
        sizes = {"k": len(self.species)}
        freeze(self, sizes, np.int64, sites="k 2", counts="k")
        freeze(self, sizes, float, bonds="k 3", mean_distances="k", values="k 3 3")
        freeze(self, sizes, float, replicates="b k 3 3")

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        errors = "" if self.replicates is None else ", with error bars"
        names = ", ".join(dict.fromkeys(self.species))
        return f"<SpeciesConstants of {len(self.species)} orbits: {names}{errors}>"

    @property
    def distances(self) -> Floats:
        """(k,), unit: Å. Distance of the sites."""
        length: Floats = np.linalg.norm(self.bonds, axis=1)
        return length

    @property
    def longitudinal(self) -> Floats:
        """(k,), unit: eV/Å². −r̂·Φ·r̂ along the bond r̂; positive for a spring."""
        return self._longitudinal(self.values)

    @property
    def transverse(self) -> Floats:
        """(k,), unit: eV/Å². −(Tr Φ − r̂·Φ·r̂)/2, the mean across the bond."""
        return self._transverse(self.values)

    @property
    def values_sem(self) -> Floats | None:
        """(k, 3, 3) standard errors."""
        return None if self.replicates is None else jackknife_sem(self.replicates)

    @property
    def longitudinal_sem(self) -> Floats | None:
        """(k,) standard errors."""
        return self._sem(self._longitudinal)

    @property
    def transverse_sem(self) -> Floats | None:
        """(k,) standard errors."""
        return self._sem(self._transverse)

    def _sem(self, function: Callable[[Floats], Floats]) -> Floats | None:
        return None if self.replicates is None else jackknife_sem(function(self.replicates))

    def _longitudinal(self, values: Floats) -> Floats:
        unit_kx = self.bonds / self.distances[:, None]
        along: Floats = -np.einsum("kx,...kxy,ky->...k", unit_kx, values, unit_kx)
        return along

    def _transverse(self, values: Floats) -> Floats:
        whole = -np.trace(values, axis1=-2, axis2=-1)
        across: Floats = 0.5 * (whole - self._longitudinal(values))
        return across
