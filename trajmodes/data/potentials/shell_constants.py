"""Born–von Kármán constants of the neighbour shells of a crystal."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.bands import Bands
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.results import Provenance
from trajmodes.notes import Note


@dataclass(frozen=True, slots=True)
class ShellConstants:
    """Independent constants (n) of shells (h): components of K = −Φ of one bond of each."""

    crystal: Crystal
    is_cubic: bool
    """Whether bonds are in units of half the lattice parameter and constants are named α, β, γ
    in the cubic axes; otherwise they are Cartesian components and bonds are in Å."""
    species: tuple[str, ...]
    """(h,) species of the ends, such as Na–Cl."""
    bonds: Floats
    """(h, 3) representative bond, in units of half the lattice parameter or in Å."""
    sites: Ints
    """(h, 2) sites of its ends."""
    lattice: Ints
    """(h, 3) cell of its second end relative to that of the first."""
    distances: Floats
    """(h,), unit: Å. Length of the bond."""
    multiplicity: Floats
    """(h,) bonds per site of the species of the first end."""
    names: tuple[str, ...]
    """(n,) names, such as α1."""
    shell: Ints
    """(n,) shell of each constant."""
    matrices: Floats
    """(n, 3, 3) K of the representative bond for a unit of each constant."""
    values: Floats
    """(n,), unit: eV/Å²."""
    replicates: Floats | None = None
    """(b, n), unit: eV/Å². Jackknife replicates as in `ForceConstants`."""
    residual: Floats | None = None
    """(h,) part of K that breaks the symmetry of the crystal: its norm over the norm of K. None
    where the constants are given, and not found in force constants."""
    given_sem: Floats | None = None
    """(n,), unit: eV/Å². Errors that a table gives, without their correlations."""

    def __post_init__(self) -> None:
        sizes = {"h": len(self.species), "n": len(self.names)}
        freeze(self, sizes, float, bonds="h 3", distances="h", multiplicity="h", residual="h")
        freeze(self, sizes, float, matrices="n 3 3", values="n", given_sem="n")
        freeze(self, sizes, float, replicates="b n")
        freeze(self, sizes, np.int64, sites="h 2", lattice="h 3", shell="n")

    @property
    def n_shells(self) -> int:
        """Number of shells."""
        return len(self.species)

    @property
    def values_sem(self) -> Floats | None:
        """(n,), unit: eV/Å². Standard errors; None if unknown."""
        if self.replicates is None:
            return self.given_sem
        return jackknife_sem(self.replicates)

    @property
    def axial(self) -> Floats:
        """(h, 2), unit: eV/Å². r̂·K·r̂ along the bond, and the mean across it."""
        return self._axial(self.values)

    @property
    def axial_sem(self) -> Floats | None:
        """(h, 2), unit: eV/Å². Their standard errors; None if correlations are unknown."""
        if self.replicates is None:
            return None
        return jackknife_sem(self._axial(row) for row in self.replicates)

    def _axial(self, values: Floats) -> Floats:
        k_hxy = np.zeros((self.n_shells, 3, 3))
        np.add.at(k_hxy, self.shell, values[:, None, None] * self.matrices)
        along_hx = self.bonds / np.linalg.norm(self.bonds, axis=1)[:, None]
        along = np.einsum("hx,hxy,hy->h", along_hx, k_hxy, along_hx)
        across = 0.5 * (np.trace(k_hxy, axis1=1, axis2=2) - along)
        return np.stack([along, across], axis=1)


@dataclass(frozen=True, slots=True)
class MeasuredFrequencies:
    """Frequencies (m) measured at points of the Brillouin zone."""

    qpoints: Floats
    """(m, 3) reduced coordinates in the primitive cell, no 2π."""
    omega: Floats
    """(m,), unit: rad/ps."""
    branch: tuple[str, ...]
    """(m,) number of the branch by ascending frequency from 1; in a crystal of one atom per
    cell also L, the branch polarised along q, or T, the two others where they are equal."""
    omega_sem: Floats | None = None
    """(m,), unit: rad/ps. Standard errors; None if unknown: then all are the same, and their
    scatter about the fit gives their size."""

    def __post_init__(self) -> None:
        freeze(self, {"m": len(self.branch)}, float, qpoints="m 3", omega="m", omega_sem="m")


@dataclass(frozen=True, slots=True)
class MeasuredFit:
    """Quality of constants that are fitted to measured frequencies."""

    measured: MeasuredFrequencies
    squared: Floats
    """(m,), unit: (rad/ps)². Fitted squared frequencies."""
    reduced_chi2: float | None
    """Reduced χ² of the squared frequencies; None where their errors are unknown, or where
    there are as many constants."""

    def __post_init__(self) -> None:
        freeze(self, {"m": len(self.measured.branch)}, float, squared="m")

    @property
    def fitted(self) -> Floats:
        """(m,), unit: rad/ps. Fitted frequencies; negative: imaginary."""
        return np.copysign(np.sqrt(np.abs(self.squared)), self.squared)


@dataclass(frozen=True, slots=True)
class SharedModes:
    """Frequencies of the same modes (g) of several models (k), all their force constants."""

    qpoints: Floats
    """(g, 3) reduced coordinates in the primitive cell, no 2π; one of each star."""
    branch: Ints
    """(g,) number of the branch by ascending frequency from 1, lowest of degenerate ones."""
    omega: Floats
    """(g, k), unit: rad/ps. nan for models that have constants of shells alone."""
    omega_sem: Floats
    """(g, k), unit: rad/ps. Standard errors; nan where they are unknown."""
    reference: Floats
    """(g, k), unit: rad/ps. As `ShellModels.reference`."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.branch)}
        freeze(self, sizes, float, qpoints="g 3", omega="g k", omega_sem="g k", reference="g k")
        freeze(self, sizes, np.int64, branch="g")


@dataclass(frozen=True, slots=True)
class ShellModels:
    """Born–von Kármán constants of one crystal from several sources, and their bands."""

    labels: tuple[str, ...]
    """(k,) names of the sources; the first is the one that was asked for."""
    models: tuple[ShellConstants, ...]
    """(k,) constants of the same shells."""
    bands: Bands
    """Bands of the first."""
    band_omega: Floats | None
    """(k, p, b), unit: rad/ps. Bands of all of them; None where they are not calculated."""
    provenance: Provenance
    temperatures: tuple[float | None, ...]
    """(k,), unit: K. Temperatures of the force constants; None where there is none."""
    whole_omega: Floats | None = None
    """(p, b), unit: rad/ps. Bands of the force constants from which the first model was found,
    with all pairs and without the average over stars; None where there are none."""
    measured: MeasuredFit | None = None
    """Quality of the fit of the first; None where it was not fitted to frequencies."""
    reference_label: str | None = None
    """Name of the model that the others are compared with."""
    reference: Floats | None = None
    """(n, k), unit: eV/Å². Constants with which those of each model are compared: of the
    potential in the crystal of the model, or at T → 0; nan for models that are not compared."""
    modes: SharedModes | None = None
    """Frequencies of fits, and of what they are compared with."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
