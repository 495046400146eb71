"""Anharmonic properties: Grüneisen parameters, self-energies, linewidths, conductivity.

The lattice thermal conductivity in the relaxation-time approximation is κ = Σ C v⊗v τ / V.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, freeze
from trajmodes.data.bands import Bands


@dataclass(frozen=True, slots=True)
class MeanGruneisen:
    """Grüneisen parameters averaged over a mesh of q points."""

    temperatures: Floats
    """(k,), unit: K."""
    quantum: Floats
    """(k,) mean weighted by quantum heat capacities."""
    quantum_sem: Floats | None
    """(k,) standard error; None where the force constants have none."""
    classical: float
    """Mean with equal heat capacities."""
    classical_sem: float | None
    """Standard error; None where the force constants have none."""
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector."""
    left_out: float
    """Fraction of the modes without a Grüneisen parameter because ω² is not positive. The
    acoustic modes at Γ are left out too, but not counted."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, temperatures="k", quantum="k", quantum_sem="k")


@dataclass(frozen=True, slots=True)
class GruneisenParameters:
    """Mode Grüneisen parameters γ = −(V/ω) ∂ω/∂V from third-order force constants.

    Those of a layer refer to its area A: γ = −(A/ω) ∂ω/∂A.
    """

    path: Floats
    """(n, m) at the points of a band path; nan where ω² is not positive."""
    path_sem: Floats | None
    """(n, m) standard error; None where the force constants have none."""
    sets: Floats
    """(g,) of each set of modes; nan where ω² is not positive."""
    sets_sem: Floats | None
    """(g,) standard error; None where the force constants have none."""
    mean: MeanGruneisen
    """Mean over the zone, at the temperature of the force constants if it is known."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, path="n m", path_sem="n m", sets="g", sets_sem="g")


@dataclass(frozen=True, slots=True)
class PerturbativeWidths:
    """Linewidths of three-phonon scattering at a list of q points.

    A linewidth is the full width at half maximum γ of a line in angular frequency. The energy
    decays as e^{−γt}.
    """

    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector in the sum over scattering."""
    qpoints: Floats
    """(q, 3), reduced coordinates, no 2π."""
    omega: Floats
    """(q, m), unit: rad/ps. Negative means imaginary."""
    quantum: Floats
    """(q, m), unit: rad/ps. Linewidth with Bose–Einstein occupation; nan for imaginary modes
    and the acoustic modes at Γ."""
    classical: Floats
    """(q, m), unit: rad/ps. Linewidth with the classical occupation k_BT/ħω."""
    left_out: float
    """Fraction of the modes of the mesh that are left out because they are imaginary. The three
    acoustic modes at Γ are left out too, but not counted."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", omega="q m", quantum="q m", classical="q m")


@dataclass(frozen=True, slots=True)
class SelfEnergies:
    """Self-energies Δ − iΓ of three-phonon scattering at a list of q points.

    Γ is linear between the frequencies of the grid, and zero beyond its end.
    """

    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector in the sum over scattering."""
    qpoints: Floats
    """(q, 3), reduced coordinates, no 2π."""
    omega: Floats
    """(q, m), unit: rad/ps. Harmonic frequencies; negative means imaginary."""
    omega_sem: Floats | None
    """(q, m), unit: rad/ps. Standard error; None where the force constants have none."""
    grid: Floats
    """(w,), unit: rad/ps. Frequencies from 0 to above twice the highest of the crystal."""
    quantum: Floats
    """(q, m, w), unit: rad/ps. Γ with Bose–Einstein occupation; nan for imaginary modes and the
    acoustic modes at Γ."""
    classical: Floats
    """(q, m, w), unit: rad/ps. Γ with the classical occupation k_BT/ħω."""
    quantum_error: Floats | None
    """(q, m) relative standard error of Γ at the harmonic frequency; None where the force
    constants have none."""
    classical_error: Floats | None
    """(q, m) the same with classical occupation."""
    left_out: float
    """Fraction of the modes of the mesh that are left out because they are imaginary."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, qpoints="q 3", omega="q m", omega_sem="q m", grid="w")
        freeze(self, sizes, float, quantum="q m w", classical="q m w")
        freeze(self, sizes, float, quantum_error="q m", classical_error="q m")


@dataclass(frozen=True, slots=True)
class SpectralFunctions:
    """Spectral functions A(ω) of the velocities of modes, of area 1, and their lines.

    All are nan for imaginary modes and the acoustic modes at Γ; A and its line are nan also
    for modes that their static self-energy makes imaginary.
    """

    mean: Floats
    """(q, m, w), unit: ps/rad. Means over the bins about the frequencies of the grid."""
    shift: Floats
    """(q, m, w), unit: rad/ps. Δ(ω) as it is used in A, at the frequencies of the grid."""
    static_shift: Floats
    """(q, m), unit: rad/ps. Δ(0) of the scattering, whether used or removed."""
    peak: Floats
    """(q, m), unit: rad/ps. Frequency of the highest maximum of A."""
    width: Floats
    """(q, m), unit: rad/ps. Full width of A at half of this maximum."""
    width_sem: Floats | None
    """(q, m), unit: rad/ps. Standard error from the force constants; None without it."""
    golden_rule: Floats
    """(q, m), unit: rad/ps. 2Γ at the harmonic frequency, the width to lowest order."""
    line_omega: Floats
    """(q, m, b), unit: rad/ps. Frequencies about each maximum."""
    line: Floats
    """(q, m, b), unit: ps/rad. A at these frequencies."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, mean="q m w", shift="q m w", static_shift="q m")
        freeze(self, sizes, float, peak="q m", width="q m", width_sem="q m", golden_rule="q m")
        freeze(self, sizes, float, line_omega="q m b", line="q m b")


@dataclass(frozen=True, slots=True)
class MeasuredSpectra:
    """Velocity spectra of a run beside spectral functions; nan at q that are not in the run."""

    temperature: float
    """Kinetic temperature of the run in K."""
    omega: Floats
    """(q, m), unit: rad/ps. Frequency of the fitted line; nan where it is not resolved."""
    omega_sem: Floats
    """(q, m), unit: rad/ps. Standard error."""
    width: Floats
    """(q, m), unit: rad/ps. Full width at half maximum of the fitted line."""
    width_sem: Floats
    """(q, m), unit: rad/ps. Standard error."""
    line_omega: Floats
    """(q, m, b), unit: rad/ps. Frequencies around each line."""
    line: Floats
    """(q, m, b), unit: eV ps/rad. Spectrum at these frequencies."""
    predicted: Floats
    """(q, m, b), unit: eV ps/rad. ½k_BT A as segments of the same length would show it."""
    map_omega: Floats
    """(v,), unit: rad/ps. Frequencies of the spectra on one axis."""
    map: Floats
    """(q, v), unit: eV ps/rad. Sum of the spectra of all branches."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, omega="q m", omega_sem="q m", width="q m", width_sem="q m")
        freeze(self, sizes, float, line_omega="q m b", line="q m b", predicted="q m b")
        freeze(self, sizes, float, map_omega="v", map="q v")


@dataclass(frozen=True, slots=True)
class ModeSpectra:
    """Self-energies and spectral functions of modes, and the spectra of a run beside them."""

    energies: SelfEnergies
    classical: SpectralFunctions
    quantum: SpectralFunctions
    static_part: Literal["removed", "kept"]
    """Whether Δ(0) is removed, because the force constants contain it."""
    names: tuple[str, ...]
    """(q,) names of special points; empty for other q points."""
    bands: Bands | None = None
    """Bands along the path on which the q points lie; None without a path."""
    distance: Floats | None = None
    """(q,), unit: 1/Å. Distance along the path; None without a path."""
    measured: MeasuredSpectra | None = None
    """None without a run."""

    def __post_init__(self) -> None:
        freeze(self, {"q": len(self.names)}, float, distance="q")


@dataclass(frozen=True, slots=True)
class WidthComparison:
    """Linewidths of a run compared with perturbation theory, for the widest modes."""

    ratio: float
    """Mean width in the run over the mean perturbative width of the same sets; nan without
    sets."""
    ratio_sem: float
    n_sets: int
    """Number of sets compared."""


@dataclass(frozen=True, slots=True)
class HeatFlow:
    """Conductivity for one kind of heat capacity, and its contributions."""

    kappa: Floats
    """(3, 3), unit: eV/(K Å ps), Cartesian."""
    kappa_sem: Floats
    """(3, 3), unit: eV/(K Å ps). Standard error from the lifetimes and their
    interpolation, and from the force constants where they have replicates."""
    by_frequency: Floats
    """(3, 3), unit: eV/(K Å ps). κ with lifetimes interpolated by frequency alone. Its
    difference from κ is a part of the standard error."""
    isotropic: float
    """Trace of κ over `dimensions` in eV/(K Å ps): the average over orientations."""
    isotropic_sem: float
    """Its standard error in eV/(K Å ps)."""
    long_wave_share: float
    """Fraction of the trace from linewidths extrapolated to Γ from the longest waves of the
    supercell."""
    filled_share: float
    """Fraction of the trace from sets without a measured lifetime."""
    edges: Floats
    """(w + 1,), unit: rad/ps. Edges of the bins in frequency, from 0."""
    below_frequency: Floats
    """(w + 1, 3, 3), unit: eV/(K Å ps). Contribution of modes below each edge."""
    length: Floats
    """(l,), unit: Å. Mean free paths |v|τ, ascending."""
    below_length: Floats
    """(l, 3, 3), unit: eV/(K Å ps). Contribution of modes with shorter mean free paths."""
    dimensions: int = 3
    """Number of directions in which heat can flow: 2 in a layer."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, kappa="3 3", kappa_sem="3 3", by_frequency="3 3")
        freeze(self, {}, float, edges="w", below_frequency="w 3 3")
        freeze(self, {}, float, length="l", below_length="l 3 3")

    @property
    def omega(self) -> Floats:
        """(w,) centre of each bin in rad/ps."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    @property
    def spectral(self) -> Floats:
        """(w,) spectral conductivity in eV/(K Å), isotropic part; its integral is κ."""
        return np.diff(self._mean(self.below_frequency)) / np.diff(self.edges)

    @property
    def cumulative(self) -> Floats:
        """(l,) isotropic part of `below_length` in eV/(K Å ps)."""
        return self._mean(self.below_length)

    def _mean(self, tensors: Floats) -> Floats:
        return 3.0 / self.dimensions * isotropic(tensors)


@dataclass(frozen=True, slots=True)
class Conductivity:
    """Lattice thermal conductivity in the relaxation-time approximation.

    Both kinds of heat capacity are combined with the lifetimes of the classical run.
    """

    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector."""
    classical: HeatFlow
    """With the heat capacity k_B of every mode, as in the run."""
    quantum: HeatFlow
    """With the heat capacity of a quantum oscillator."""
    filled: Bools
    """(g,) sets without a measured lifetime: τ ~ ω⁻² through sets of similar frequency."""
    speed: Floats
    """(g,), unit: Å/ps. Root-mean-square group velocity of the modes of each set."""
    free_path: Floats
    """(g,), unit: Å. Mean free path |v|τ of each set; nan where the lifetime is unknown."""
    free_path_sem: Floats
    """(g,), unit: Å. Standard error, from the lifetime."""
    thickness: float | None = None
    """Thickness of the layer in Å that κ refers to; None for a bulk crystal."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, bool, filled="g")
        freeze(self, sizes, float, speed="g", free_path="g", free_path_sem="g")


def isotropic(tensors: Floats) -> Floats:
    """One third of the trace of tensors (…, 3, 3)."""
    return np.asarray(np.trace(tensors, axis1=-2, axis2=-1) / 3.0)
