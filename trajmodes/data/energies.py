"""Energies of modes: means, heat capacities and covariances."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, Ints, freeze


@dataclass(frozen=True, slots=True)
class ModeEnergies:
    """Mean energies of each set (g) of symmetry-equivalent modes, with standard errors."""

    members: Ints
    """(g,) number of real degrees of freedom pooled: star, ±q and degenerate branches."""
    kinetic: Floats
    """(g,), unit: eV. ½⟨|Q̇|²⟩ of one mode."""
    kinetic_sem: Floats
    """(g,), unit: eV."""
    potential: Floats
    """(g,), unit: eV. ½ω²⟨|Q|²⟩; nan for an imaginary mode."""
    potential_sem: Floats
    """(g,), unit: eV."""
    virial: Floats | None
    """(g,), unit: eV. −½⟨Re Q*𝓕⟩; None where the run has no forces."""
    virial_sem: Floats | None
    """(g,), unit: eV."""
    omega_displacement: Floats
    """(g,), unit: rad/ps. From ω² = k_BT/⟨|Q|²⟩ at the kinetic temperature of the run."""
    omega_displacement_sem: Floats
    """(g,), unit: rad/ps."""
    omega_ratio: Floats
    """(g,), unit: rad/ps. From ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩, independent of the temperature."""
    omega_ratio_sem: Floats
    """(g,), unit: rad/ps."""
    temperature: float
    """Kinetic temperature of the run in K, without the centre of mass."""
    temperature_sem: float
    """Its standard error in K."""
    anharmonicity: Floats | None
    """(g,) W/U − 1; None where the run has no forces, nan for an imaginary mode."""
    anharmonicity_sem: Floats | None
    """(g,) standard error, with the correlation of U and W."""
    heat_capacity_kb: Floats
    """(g,), unit: k_B. Heat capacity of a mode from fluctuations of K + U; nan if imaginary."""
    heat_capacity_kb_sem: Floats
    """(g,), unit: k_B."""
    single: Floats
    """(k, q, m), unit: eV. K, U and, if the run has forces, W (k) of every single mode, as
    defined for the sets; nan for the acoustic modes at Γ."""
    single_sem: Floats
    """(k, q, m), unit: eV."""
    travelling: Floats
    """(2, q, m), unit: eV. Mean energies ⟨E±⟩ = ⟨½|ωQ ± iQ̇|²⟩ of the waves of every mode that
    travel along +q and −q; both are K + U where q = −q. nan for imaginary modes and the
    acoustic modes at Γ."""
    travelling_sem: Floats
    """(2, q, m), unit: eV."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, members="g")
        freeze(self, sizes, float, kinetic="g", potential="g", virial="g")
        freeze(self, sizes, float, kinetic_sem="g", potential_sem="g", virial_sem="g")
        freeze(self, sizes, float, omega_displacement="g", omega_displacement_sem="g")
        freeze(self, sizes, float, omega_ratio="g", omega_ratio_sem="g")
        freeze(self, sizes, float, anharmonicity="g", anharmonicity_sem="g")
        freeze(self, sizes, float, heat_capacity_kb="g", heat_capacity_kb_sem="g")
        freeze(self, sizes, float, single="k q m", single_sem="k q m")
        freeze(self, sizes, float, travelling="2 q m", travelling_sem="2 q m")


@dataclass(frozen=True, slots=True)
class EnergyCovariance:
    """Covariance of the energies of modes."""

    modes: Floats
    """(n, n), unit: eV². Covariance of E = K + U of single modes, n = (q, m), one q of
    each pair ±q; nan for imaginary modes and the acoustic modes at Γ."""
    correlation: Floats
    """(g, g) mean of cov(E, E') over the pairs of different modes of two sets, divided by the
    geometric mean of their mean variances. The diagonal is the correlation between different
    members of one set, nan if it has one. Degenerate modes of one q are correlated by the
    arbitrary choice of their eigenvectors."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, modes="n n", correlation="g g")
