"""The nouns of the modes: what the projection gave, and what was made of it.

The pipeline fills them from what the stages return; `g` counts sets of symmetry-equal modes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.data import (
    EnergyLifetimes,
    LineData,
    LineFits,
    MaximumEntropySpectra,
    ModeEnergies,
    PowerSpectra,
    VibrationalDensity,
)
from trajmodes.errors import DataError

__all__ = [
    "Conductivity",
    "EnergyCovariance",
    "EquipartitionTest",
    "MaximumEntropySpectra",
    "Projection",
    "RenormalisedBands",
    "SpectralMap",
    "ThermostatVerdict",
]


@dataclass(frozen=True, slots=True)
class SpectralMap:
    """Velocity spectra at the commensurate points (k) of a path through the zone."""

    distance: Floats
    """(k,), unit: 1/Å. Place on the path, on the scale of `Bands.distance`."""
    qpoints: Floats
    """(k, 3), reduced coordinates of the commensurate q, or of one that symmetry makes
    equal."""
    freq_thz: Floats
    """(w,), unit: THz."""
    power: Floats
    """(k, w), unit: eV/THz. Sum over all branches, or what is the same over all sites and
    directions; mean over the star of q."""
    branches: Floats | None = None
    """(k, m, w), unit: eV/THz. With eigenvectors: of each branch, mean over star and degenerate
    branches. None without force constants."""
    sites: Floats | None = None
    """(k, s, 3, w), unit: eV/THz. Without eigenvectors: of each site along each direction, at
    the very q of `qpoints`. None where not asked for."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, distance="k", qpoints="k 3", freq_thz="w", power="k w")
        sizes = {"k": len(self.distance), "w": len(self.freq_thz)}
        freeze(self, sizes, float, branches="k m w", sites="k s 3 w")


@dataclass(frozen=True, slots=True)
class EquipartitionTest:
    """Whether all sets have one temperature."""

    z: Floats
    """(g,) deviation of the mode temperature from the common one, in standard errors."""
    chi_squared: float
    freedom: int
    p_value: float
    """Probability of a χ² as large by chance."""
    text: str
    """The verdict in one sentence."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, z="g")


@dataclass(frozen=True, slots=True)
class ThermostatVerdict:
    """Whether the run was NVE, as far as the fluctuations of the kinetic energy tell."""

    verdict: str
    """``NVE``, ``thermostatted``, ``isokinetic`` or ``cannot be told``."""
    ratio: float
    """Variance of the kinetic energy over its canonical value: ½ for NVE, 1 for canonical."""
    ratio_sem: float
    text: str
    """The verdict and what it means, in one sentence."""


@dataclass(frozen=True, slots=True)
class EnergyCovariance:
    """How the energies of modes fluctuate together."""

    correlation: Floats
    """(g, g) mean correlation of the energies of a mode of one set and a mode of another."""
    modes: Floats
    """(n, n), unit: eV². Covariance of the energies of single modes, n = q · branches + branch
    over the commensurate q, one of each ±q."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, correlation="g g", modes="n n")


@dataclass(frozen=True, slots=True)
class RenormalisedBands:
    """Bands of force constants made from the motion itself, on the path of `Results.bands`."""

    kind: Literal["quasi-particles", "displacements"]
    """From the frequencies of the spectral lines put back on the eigenvectors, or from the
    covariance of displacements (Green's function)."""
    freq_thz: Floats
    """(n, m), unit: THz. Negative means imaginary."""
    freq_thz_sem: Floats | None
    """(n, m), unit: THz."""
    replaced: Bools | None = None
    """(g,) sets whose own frequency was used; the fitted one stands in for the others. None
    where all were."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, freq_thz="n m", freq_thz_sem="n m")
        freeze(self, {}, bool, replaced="g")


@dataclass(frozen=True, slots=True)
class Conductivity:
    """Lattice thermal conductivity in the relaxation-time picture, κ = Σ C v⊗v τ / V."""

    classical_w_mk: Floats
    """(3, 3), unit: W/(m K). Every mode has the heat capacity k_B."""
    classical_w_mk_sem: Floats
    """(3, 3)."""
    quantum_w_mk: Floats
    """(3, 3), unit: W/(m K). Bose–Einstein heat capacities, lifetimes of the classical run."""
    quantum_w_mk_sem: Floats
    """(3, 3)."""
    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector."""
    filled_share: float
    """Share of the classical κ that comes from modes whose lifetime was not resolved, but
    filled in by a power law of the frequency."""
    long_wave_share: float
    """Share of the classical κ that rests on linewidths continued towards Γ, for waves that
    are too long for the box of the run."""
    freq_thz: Floats
    """(f,), unit: THz. Grid of the spectral conductivity."""
    spectral_classical: Floats
    """(f,), unit: W/(m K THz). ∫ df is the mean of the diagonal of κ."""
    spectral_quantum: Floats
    """(f,), unit: W/(m K THz)."""
    path_length: Floats
    """(l,), unit: Å. Grid of mean free paths."""
    cumulative_classical: Floats
    """(l,), unit: W/(m K). From all modes with shorter mean free paths."""
    cumulative_quantum: Floats
    """(l,), unit: W/(m K)."""
    free_path: Floats
    """(g,), unit: Å. Mean free path |v|τ of each set; nan where not resolved."""
    free_path_sem: Floats
    """(g,), unit: Å."""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, {}, float, classical_w_mk="3 3", classical_w_mk_sem="3 3")
        freeze(self, {}, float, quantum_w_mk="3 3", quantum_w_mk_sem="3 3")
        freeze(self, {}, float, freq_thz="f", spectral_classical="f")
        sizes = {"f": len(self.freq_thz), "l": len(self.path_length)}
        freeze(self, sizes, float, spectral_quantum="f", path_length="l")
        freeze(self, sizes, float, cumulative_classical="l", cumulative_quantum="l")
        freeze(self, {}, float, free_path="g", free_path_sem="g")


@dataclass(frozen=True, slots=True)
class Projection:
    """What the projection on the modes gave for each set (g) of symmetry-equal modes."""

    energies: ModeEnergies
    spectra: PowerSpectra
    """On the whole axis of frequency."""
    lines: LineFits
    line_data: LineData
    """The spectrum that each line was fitted to, and the fit."""
    lifetimes: EnergyLifetimes | None = None
    """From the correlation of energies."""
    density: VibrationalDensity | None = None
    equipartition: EquipartitionTest | None = None
    thermostat: ThermostatVerdict | None = None
    covariance: EnergyCovariance | None = None
    maximum_entropy: MaximumEntropySpectra | None = None
    spectral_map: SpectralMap | None = None

    def __post_init__(self) -> None:
        counts = {
            len(self.energies.members),
            len(self.spectra.power),
            len(self.lines.verdicts),
            len(self.line_data.freq_thz),
        }
        if self.lifetimes is not None:
            counts.add(len(self.lifetimes.verdicts))
        if self.equipartition is not None:
            counts.add(len(self.equipartition.z))
        if self.covariance is not None:
            counts.add(len(self.covariance.correlation))
        if self.maximum_entropy is not None:
            counts.add(len(self.maximum_entropy.power))
        if len(counts) > 1:
            raise DataError(f"energies, spectra and lines have {sorted(counts)} sets of modes")
        if self.density is not None and not np.array_equal(
            self.density.freq_thz, self.spectra.freq_thz
        ):
            raise DataError("the density of states is on another grid than the spectra")
