"""Energies of modes, and what they say on equipartition and on the ensemble of the run."""

from dataclasses import dataclass
from enum import StrEnum

from trajmodes.arrays import Floats, Ints, freeze

_DOUBTFUL, _VIOLATED = 0.05, 1e-3
"""p-values below which equipartition is doubtful, and fails."""


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
    """(g,), unit: rad/ps. From ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩, independent of the temperature; without the
    end terms of |Q̇|², if the frames follow one another."""
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
class Anharmonicity:
    """The measure σ = √(Σ⟨|F + Φu|²⟩/Σ⟨|F|²⟩) about given second-order force constants Φ.

    Knoop, Purcell, Scheffler, Carbogno, Phys. Rev. Materials 4, 083809 (2020).
    """

    whole: float
    """Over all atoms."""
    whole_sem: float
    """Its standard error."""
    species: tuple[str, ...]
    """(e,) species of the crystal."""
    by_species: Floats
    """(e,) over the atoms of each species."""
    by_species_sem: Floats
    """(e,) standard error."""
    by_set: Floats
    """(g,) of each set of modes: mode forces 𝓕 and −ω²Q in place of F and −Φu."""
    by_set_sem: Floats
    """(g,) standard error."""
    by_time: Floats
    """(b,) over all atoms in successive parts of the run."""
    time_ps: Floats | None
    """(b,) mean time of the frames of each part; None if unknown."""

    def __post_init__(self) -> None:
        sizes = {"e": len(self.species)}
        freeze(self, sizes, float, by_species="e", by_species_sem="e")
        freeze(self, sizes, float, by_set="g", by_set_sem="g", by_time="b", time_ps="b")

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        pairs = zip(self.species, self.by_species, strict=True)
        each = ", ".join(f"{name} {sigma:.3g}" for name, sigma in pairs)
        return f"<Anharmonicity σ = {self.whole:.3g} ± {self.whole_sem:.1g}: {each}>"


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


@dataclass(frozen=True, slots=True)
class Equipartition:
    """Test of equipartition: mode temperatures of all sets (g) against their common mean."""

    temperature: float
    """Mean temperature in K, weighted by inverse variances."""
    temperature_sem: float
    """Standard error in K."""
    z: Floats
    """(g,) deviation in standard errors, transformed to a normal variate; nan without error."""
    probability: Floats
    """(g,) two-sided p-value of each set under equipartition."""
    chi_squared: float
    """Σ z²."""
    freedom: int
    """Degrees of freedom: sets with an error bar, minus one for the mean."""
    p_value: float
    """p-value of χ² under equipartition."""
    failing: Ints
    """Sets that deviate significantly (1 %, Bonferroni-corrected)."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, z="g", probability="g")
        freeze(self, {}, int, failing="f")

    @property
    def holds(self) -> bool:
        """Whether the temperatures agree, all together and one by one."""
        return self.p_value >= _DOUBTFUL and not len(self.failing)

    @property
    def text(self) -> str:
        """The verdict in one sentence."""
        statistics = f"χ² = {self.chi_squared:.1f} for {self.freedom}, p = {self.p_value:.2g}"
        if len(self.failing):
            named = ", ".join(str(g) for g in self.failing[:8])
            more = f" and {len(self.failing) - 8} more" if len(self.failing) > 8 else ""
            return f"equipartition fails in set(s) {named}{more} ({statistics})"
        if self.p_value < _VIOLATED:
            return f"equipartition fails, though in no single set ({statistics})"
        word = "is doubtful" if self.p_value < _DOUBTFUL else "holds"
        return f"equipartition {word} ({statistics})"


class EnsembleVerdict(StrEnum):
    """Ensemble of a run according to the fluctuations of its energies."""

    NVE = "NVE"
    THERMOSTATTED = "thermostatted"
    BERENDSEN = "Berendsen"
    ISOKINETIC = "isokinetic"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Verdict on the ensemble of the run, and the drift of its temperature."""

    verdict: EnsembleVerdict
    text: str
    """The evidence for the verdict, and its meaning for linewidths."""
    energy_ratio: float
    """ρ_E, covariance of K and K + U over the canonical value."""
    energy_ratio_sem: float
    """Standard error; nan where the run is too short."""
    kinetic_ratio: float
    """ρ_K, variance of K over the canonical value."""
    kinetic_ratio_sem: float
    """Standard error; nan where the run is too short."""
    control_per_ps: float
    """1/τ of Berendsen's thermostat in 1/ps: rate at which the total energy follows a set
    kinetic energy; zero at constant energy and with a canonical thermostat."""
    control_per_ps_sem: float
    """Standard error in 1/ps."""
    temperature: float
    """Kinetic temperature in K."""
    drift_k_per_ps: float
    """Slope of (K + U)/(d k_B), U harmonic and without imaginary modes, in K/ps."""
    drift_k_per_ps_sem: float
    """Standard error in K/ps."""
    drift_text: str
    """Statement on a significant drift of the temperature by at least 1 %; else empty."""
    step_text: str
    """Statement on modes in phase, as after a start from the perfect lattice; else empty."""
