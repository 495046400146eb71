"""Thermodynamic and elastic properties of a crystal in its harmonic approximation."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.bands import Bands
from trajmodes.data.crystal import Crystal
from trajmodes.notes import Note


@dataclass(frozen=True, slots=True)
class ThermalFunctions:
    """Thermodynamic functions of the phonons of one primitive cell, at temperatures (t)."""

    free_energy: Floats
    """(t,), unit: eV. Helmholtz free energy F = U − TS."""
    energy: Floats
    """(t,), unit: eV. Internal energy U, with the zero-point energy if quantum."""
    entropy: Floats
    """(t,), unit: eV/K. nan for classical statistics at 0 K, where it is −∞."""
    heat_capacity: Floats
    """(t,), unit: eV/K. At constant volume."""
    free_energy_sem: Floats | None = None
    """(t,) standard error; None where the force constants have none."""
    energy_sem: Floats | None = None
    """(t,)."""
    entropy_sem: Floats | None = None
    """(t,)."""
    heat_capacity_sem: Floats | None = None
    """(t,)."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        names = ("free_energy", "energy", "entropy", "heat_capacity")
        for name in names:
            freeze(self, sizes, float, **{name: "t", f"{name}_sem": "t"})


@dataclass(frozen=True, slots=True)
class PhononDensity:
    """Density of states of the phonons of one primitive cell, at frequencies (w)."""

    omega: Floats
    """(w,), unit: rad/ps. Negative for imaginary modes."""
    total: Floats
    """(w,), unit: ps/rad. Its integral is the number of branches."""
    number: Floats
    """(w,) mean number of branches below each frequency."""
    sites: Floats
    """(s, 3, w), unit: ps/rad. Part of each site along each Cartesian direction."""
    species: Floats
    """(k, w), unit: ps/rad. Part of each species, in the order of the sites."""
    width: float
    """Standard deviation of the Gaussian in rad/ps; 0 for linear tetrahedra."""
    total_sem: Floats | None = None
    """(w,), unit: ps/rad. Standard error of a density smeared by 1 % of the range of
    frequencies; None where the force constants have none."""
    number_sem: Floats | None = None
    """(w,) standard error, without smearing."""
    sites_sem: Floats | None = None
    """(s, 3, w), unit: ps/rad. With smearing, as that of the total."""
    species_sem: Floats | None = None
    """(k, w), unit: ps/rad. The same."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, omega="w", total="w", number="w", sites="s 3 w")
        freeze(self, sizes, float, total_sem="w", number_sem="w", sites_sem="s 3 w")
        freeze(self, sizes, float, species="k w", species_sem="k w")


@dataclass(frozen=True, slots=True)
class Slab:
    """The atomic layers (l) of a slab, counted from the lower surface."""

    layers: Ints
    """(s,) layer of each site, from 0."""
    heights: Floats
    """(l,), unit: Å. Above the lowest layer."""
    density: Floats
    """(l, w), unit: ps/rad. Density of states of each layer, at the frequencies of that of the
    crystal."""
    mean_omega: Floats
    """(l,), unit: rad/ps. Root of the mean ω² of each layer."""
    outer: int
    """Number of layers that are counted as each surface."""
    bands: Bands
    weight: Floats
    """(q, m, 2) part of each mode in the outer layers of the lower and the upper surface."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, layers="s")
        freeze(self, sizes, float, heights="l", density="l w", mean_omega="l")
        freeze(self, sizes, float, weight="q m 2")


@dataclass(frozen=True, slots=True)
class ThermalDisplacements:
    """Mean square displacements ⟨u_x u_y⟩ of each site, at temperatures (t)."""

    quantum: Floats
    """(t, s, 3, 3), unit: Å². With Bose–Einstein occupation."""
    classical: Floats
    """(t, s, 3, 3), unit: Å². As in molecular dynamics."""
    cif: Floats
    """(t, s, 3, 3), unit: Å². The quantum tensors in the basis of CIF files."""
    b_iso: Floats
    """(t, s), unit: Å². Isotropic displacement parameter 8π²⟨u²⟩/3 of the quantum tensors."""
    b_iso_classical: Floats
    """(t, s), unit: Å². That of the classical tensors."""
    quantum_sem: Floats | None = None
    """(t, s, 3, 3), unit: Å². Standard error; None where the force constants have none."""
    classical_sem: Floats | None = None
    """(t, s, 3, 3), unit: Å²."""
    cif_sem: Floats | None = None
    """(t, s, 3, 3), unit: Å²."""
    b_iso_sem: Floats | None = None
    """(t, s), unit: Å²."""
    b_iso_classical_sem: Floats | None = None
    """(t, s), unit: Å²."""
    quantum_changes: Floats | None = None
    """(b, t, s, 3, 3), unit: Å². Change with each replicate of the force constants."""
    classical_changes: Floats | None = None
    """(b, t, s, 3, 3), unit: Å²."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, quantum="t s 3 3", classical="t s 3 3")
        freeze(self, sizes, float, quantum_sem="t s 3 3", classical_sem="t s 3 3")
        freeze(self, sizes, float, cif="t s 3 3", cif_sem="t s 3 3")
        for name in ("b_iso", "b_iso_classical"):
            freeze(self, sizes, float, **{name: "t s", f"{name}_sem": "t s"})
        changes = dict.fromkeys(("quantum_changes", "classical_changes"), "b t s 3 3")
        freeze(self, sizes, float, **changes)


@dataclass(frozen=True, slots=True)
class RunDisplacements:
    """Mean square displacements ⟨u_x u_y⟩ of each site in a run, about its mean structure."""

    measured: Floats
    """(s, 3, 3), unit: Å². Without the centre of mass."""
    measured_sem: Floats
    """(s, 3, 3), unit: Å². Standard error."""
    harmonic: Floats | None
    """(s, 3, 3), unit: Å². Classical, of the force constants at the q points and the
    temperature of the run; None if a mode is imaginary."""
    b_iso: Floats | None = None
    """(s,), unit: Å². Isotropic displacement parameter 8π²⟨u²⟩/3 of the measured tensors; None
    in results of earlier versions."""
    b_iso_sem: Floats | None = None
    """(s,), unit: Å². Standard error."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, measured="s 3 3", measured_sem="s 3 3", harmonic="s 3 3")
        freeze(self, sizes, float, b_iso="s", b_iso_sem="s")


@dataclass(frozen=True, slots=True)
class DebyeTemperatures:
    """Temperatures of the Debye spectra that share a property with the crystal."""

    orders: Ints
    """(o,) order n of each moment."""
    moments: Floats
    """(o,), unit: (rad/ps)ⁿ. Mean of ωⁿ over all modes; of ln ω, with n = 0."""
    from_moments: Floats
    """(o,), unit: K. Debye temperature with the same moment."""
    from_capacity: Floats
    """(t,), unit: K. Debye temperature with the same heat capacity; nan at 0 K."""
    elastic: float
    """In K, from the velocities of sound; nan for a layer or an unstable crystal."""
    curve: Floats
    """(t,), unit: eV/K. Heat capacity of the Debye spectrum with the moment of order 2."""
    moments_sem: Floats | None = None
    """(o,) standard error; None where the force constants have none."""
    from_moments_sem: Floats | None = None
    """(o,), unit: K."""
    from_capacity_sem: Floats | None = None
    """(t,), unit: K."""
    elastic_sem: float | None = None
    """In K."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, orders="o")
        freeze(self, sizes, float, moments="o", from_moments="o", from_capacity="t", curve="t")
        freeze(self, sizes, float, moments_sem="o", from_moments_sem="o", from_capacity_sem="t")


@dataclass(frozen=True, slots=True)
class Thermodynamics:
    """Thermodynamics of a crystal from its force constants."""

    crystal: Crystal
    temperatures: Floats
    """(t,), unit: K, ascending."""
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector."""
    quantum: ThermalFunctions
    """With Bose–Einstein occupation."""
    classical: ThermalFunctions
    """As in molecular dynamics."""
    displacements: ThermalDisplacements
    density: PhononDensity
    debye: DebyeTemperatures
    zero_point_energy: float
    """In eV for one primitive cell."""
    left_out: float
    """Fraction of the modes that are left out because they are imaginary."""
    zero_point_energy_sem: float | None = None
    notes: tuple[Note, ...] = ()
    """Notes on properties that could not be determined."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, temperatures="t")


@dataclass(frozen=True, slots=True)
class Moduli:
    """Isotropic averages of elastic constants; (v) is Voigt, Reuss and Hill.

    Those of a layer are per layer, in eV/Å².
    """

    bulk: Floats
    """(v,), unit: eV/Å³. Resistance to compression; of a layer, by area."""
    shear: Floats
    """(v,), unit: eV/Å³."""
    young: Floats
    """(v,), unit: eV/Å³."""
    poisson: Floats
    """(v,) ratio of Poisson."""
    anisotropy: float
    """Universal anisotropy 5G_V/G_R + K_V/K_R − 6, or 2G_V/G_R + K_V/K_R − 3 of a layer."""
    bulk_sem: Floats | None = None
    shear_sem: Floats | None = None
    young_sem: Floats | None = None
    poisson_sem: Floats | None = None
    anisotropy_sem: float | None = None

    def __post_init__(self) -> None:
        for name in ("bulk", "shear", "young", "poisson"):
            freeze(self, {}, float, **{name: "3", f"{name}_sem": "3"})


ZERO_VELOCITY = 1e-3
"""Velocities of sound below this fraction of the highest one are zero up to rounding."""


def strain_names(count: int) -> tuple[str, ...]:
    """Components of the strain of a crystal (6) or a layer (3), in the order of C_ij."""
    return ("xx", "yy", "zz", "yz", "xz", "xy") if count == 6 else ("xx", "yy", "xy")


@dataclass(frozen=True, slots=True)
class Elasticity:
    """Elastic constants and velocities of sound from force constants."""

    crystal: Crystal
    axes: Floats
    """(d, 3) Cartesian directions to which strain refers: x, y, z, or two in a layer."""
    stiffness: Floats
    """(c, c), unit: eV/Å³. C_ij in the order xx, yy, zz, yz, xz, xy, or xx, yy, xy of a layer,
    in eV/Å²."""
    eigenvalues: Floats
    """(c,), unit: eV/Å³ or eV/Å². Those of the tensor, ascending; all positive if stable."""
    moduli: Moduli
    huang: float
    """Part of the acoustic tensor that no elastic constants give, from initial stress or
    noise."""
    planes: tuple[str, ...]
    """(p,) planes of the slices, such as xy."""
    angles: Floats
    """(a,), unit: rad. Angle of the wave vector from the first axis of the plane."""
    velocities: Floats
    """(p, a, 3), unit: Å/ps. Velocities of sound, ascending; negative if unstable."""
    debye_temperature: float
    """In K; nan for a layer or an unstable crystal."""
    symmetric: Floats
    """(c, c) mean of the stiffness over the point group of the crystal. Both are equal if the
    force constants have the symmetry of the crystal."""
    stiffness_sem: Floats | None = None
    """(c, c) standard error; None where the force constants have none."""
    symmetric_sem: Floats | None = None
    """(c, c)."""
    asymmetry_sem: Floats | None = None
    """(c, c) standard error of stiffness − symmetric."""
    eigenvalues_sem: Floats | None = None
    """(c,)."""
    velocities_sem: Floats | None = None
    """(p, a, 3), unit: Å/ps."""
    debye_temperature_sem: float | None = None
    """In K."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, axes="d 3", stiffness="c c", stiffness_sem="c c")
        names = ("symmetric", "symmetric_sem", "asymmetry_sem")
        freeze(self, sizes, float, **dict.fromkeys(names, "c c"))
        freeze(self, sizes, float, eigenvalues="c", eigenvalues_sem="c", angles="a")
        freeze(self, sizes, float, velocities="p a 3", velocities_sem="p a 3")


@dataclass(frozen=True, slots=True)
class Bending:
    """Response of a layer to flexural waves along directions (k) in its plane."""

    directions: Floats
    """(k, 3) Cartesian unit vectors."""
    rigidity: Floats
    """(k,), unit: eV. Bending rigidity κ."""
    tension: Floats
    """(k,), unit: eV/Å². Tension σ; if it is negative, flexural waves with q² < −σ/κ are
    unstable."""
    rigidity_sem: Floats | None = None
    """(k,), unit: eV. Standard error; None where the force constants have none."""
    tension_sem: Floats | None = None
    """(k,), unit: eV/Å²."""

    def __post_init__(self) -> None:
        names = ("rigidity", "tension", "rigidity_sem", "tension_sem")
        freeze(self, {}, float, directions="k 3", **dict.fromkeys(names, "k"))


@dataclass(frozen=True, slots=True)
class ThermalExpansion:
    """Thermal expansion ∂ε/∂T of a crystal without stress; zero out of the plane of a layer."""

    quantum: Floats
    """(t, 3, 3), unit: 1/K. At each temperature, with Bose–Einstein heat capacities."""
    classical: Floats
    """(3, 3), unit: 1/K. With the heat capacity k_B of every mode."""
    mean: Floats
    """(t,), unit: 1/K. Mean over the directions in which the crystal is periodic."""
    mesh: tuple[int, int, int]
    """Number of points along each reciprocal lattice vector."""
    quantum_sem: Floats | None = None
    """(t, 3, 3), unit: 1/K. Standard error; None where the force constants have none."""
    classical_sem: Floats | None = None
    """(3, 3), unit: 1/K."""
    mean_sem: Floats | None = None
    """(t,), unit: 1/K."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, quantum="t 3 3", quantum_sem="t 3 3")
        freeze(self, sizes, float, mean="t", mean_sem="t")
        freeze(self, sizes, float, classical="3 3", classical_sem="3 3")
