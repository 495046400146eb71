"""Energies of modes: their means, and how they fluctuate together."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, Ints, freeze


@dataclass(frozen=True, slots=True)
class ModeEnergies:
    """Mean energies of every set (g) of symmetry-equal modes, with standard errors."""

    members: Ints
    """(g,) number of real degrees of freedom pooled: star, ±q and degenerate branches."""
    kinetic: Floats
    """(g,), unit: eV. ½⟨|Q̇|²⟩ of one mode."""
    kinetic_sem: Floats
    """(g,), unit: eV."""
    potential: Floats
    """(g,), unit: eV. ½ω²⟨|Q|²⟩; nan for an imaginary mode, for which it is undefined."""
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
    """(g,), unit: rad/ps. From ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩, free of the temperature."""
    omega_ratio_sem: Floats
    """(g,), unit: rad/ps."""
    temperature: float
    """Kinetic temperature of the whole run in K, without the centre of mass."""
    temperature_sem: float
    """Its standard error in K."""
    anharmonicity: Floats | None
    """(g,) W/U − 1; None where the run has no forces, nan for an imaginary mode."""
    anharmonicity_sem: Floats | None
    """(g,), what U and W share taken out."""
    heat_capacity_kb: Floats
    """(g,), unit: k_B. Of one mode, from fluctuations of K + U; nan for an imaginary one."""
    heat_capacity_kb_sem: Floats
    """(g,), unit: k_B."""
    single: Floats
    """(k, q, m), unit: eV. K, U and, where there are forces, W (k) of every single mode, as its
    set has them; nan for the acoustic modes at Γ."""
    single_sem: Floats
    """(k, q, m), unit: eV."""
    travelling: Floats
    """(2, q, m), unit: eV. Mean energies ⟨E±⟩ = ⟨½|ωQ ± iQ̇|²⟩ of the waves that run along +q
    and along −q, of every single mode; both are K + U where q = −q, and nan where
    ω² < 0, and for the acoustic modes at Γ."""
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
    """How the energies of modes fluctuate together."""

    modes: Floats
    """(n, n), unit: eV². Covariance of E = K + U of single modes, n = (q, m) over one of each
    pair ±q. nan for imaginary modes and for the acoustic ones at Γ."""
    correlation: Floats
    """(g, g) Σ cov(E, E') over the pairs of different modes of two sets, divided by their
    number and by the root of the mean variances of both sets. A mode is not paired with
    itself: on the diagonal stands what members of one set have in common, nan where a set has
    one only. Degenerate modes of one q share what their arbitrary mixture makes them share."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, modes="n n", correlation="g g")
