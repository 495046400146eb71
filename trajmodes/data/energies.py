"""Energies of modes, equipartition, the ensemble of a run, and its free energy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.units import BOLTZMANN

_DOUBTFUL, _VIOLATED = 0.05, 1e-3
"""p-values below which equipartition is doubtful, and fails."""


@dataclass(frozen=True, slots=True)
class ModeEnergies:
    """Mean energies of each set (g) of symmetry-equivalent modes; without positions only K."""

    members: Ints
    """(g,) number of real degrees of freedom pooled: star, ±q and degenerate branches."""
    kinetic: Floats
    """(g,), unit: eV. ½⟨|Q̇|²⟩ of one mode."""
    kinetic_sem: Floats
    """(g,), unit: eV."""
    potential: Floats | None
    """(g,), unit: eV. ½ω²⟨|Q|²⟩; nan for an imaginary mode."""
    potential_sem: Floats | None
    """(g,), unit: eV."""
    virial: Floats | None
    """(g,), unit: eV. −½⟨Re Q*𝓕⟩; None where the run has no forces."""
    virial_sem: Floats | None
    """(g,), unit: eV."""
    omega_displacement: Floats | None
    """(g,), unit: rad/ps. From ω² = k_BT/⟨|Q|²⟩ at the kinetic temperature of the run."""
    omega_displacement_sem: Floats | None
    """(g,), unit: rad/ps."""
    omega_ratio: Floats | None
    """(g,), unit: rad/ps. From ω² = ⟨|Q̇|²⟩/⟨|Q|²⟩, independent of the temperature; without the
    end terms of |Q̇|², if the frames follow one another."""
    omega_ratio_sem: Floats | None
    """(g,), unit: rad/ps."""
    temperature: float
    """Kinetic temperature of the run in K, without the centre of mass."""
    temperature_sem: float
    """Its standard error in K."""
    anharmonicity: Floats | None
    """(g,) W/U − 1; None where the run has no forces, nan for an imaginary mode."""
    anharmonicity_sem: Floats | None
    """(g,) standard error, with the correlation of U and W."""
    heat_capacity_kb: Floats | None
    """(g,), unit: k_B. Heat capacity of a mode from fluctuations of K + U; nan if imaginary."""
    heat_capacity_kb_sem: Floats | None
    """(g,), unit: k_B."""
    single: Floats
    """(k, q, m), unit: eV. K, with positions U and, if the run has forces too, W (k) of every
    single mode, as defined for the sets; nan for the acoustic modes at Γ."""
    single_sem: Floats
    """(k, q, m), unit: eV."""
    travelling: Floats | None
    """(2, q, m), unit: eV. Mean energies ⟨E±⟩ = ⟨½|ωQ ± iQ̇|²⟩ of the waves of every mode that
    travel along +q and −q; both are K + U where q = −q. nan for imaginary modes and the
    acoustic modes at Γ."""
    travelling_sem: Floats | None
    """(2, q, m), unit: eV."""
    lifetimes_in_run: float = np.nan
    """Length of the run in lifetimes of the mode energies, from the scatter of their block
    means (geometric mean over the modes); nan if unknown."""
    share: Floats | None = None
    """(g,) w = Σ_b |e_b|² c_b where a fraction c_b of the sites b have an atom; None without
    vacancies. In equipartition ⟨|Q̇|²⟩ = w k_BT, in place of k_BT above."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, members="g")
        of_energy = ("kinetic", "potential", "virial", "anharmonicity", "heat_capacity_kb")
        for name in (*of_energy, "omega_displacement", "omega_ratio"):
            freeze(self, sizes, float, **{name: "g", f"{name}_sem": "g"})
        freeze(self, sizes, float, single="k q m", single_sem="k q m", share="g")
        freeze(self, sizes, float, travelling="2 q m", travelling_sem="2 q m")

    @property
    def mode_temperature(self) -> Floats:
        """(g,), unit: K. 2⟨K⟩/k_B, divided by `share` beside vacancies."""
        return self._kelvin(self.kinetic)

    @property
    def mode_temperature_sem(self) -> Floats:
        """(g,), unit: K."""
        return self._kelvin(self.kinetic_sem)

    def _kelvin(self, kinetic: Floats) -> Floats:
        return 2.0 / BOLTZMANN * kinetic / (1.0 if self.share is None else self.share)


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
        freeze(self, {"e": len(self.species)}, float, by_species="e", by_species_sem="e")
        freeze(self, {}, float, by_set="g", by_set_sem="g", by_time="b", time_ps="b")

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
    """(g,) deviation in standard errors, transformed to a normal variate; nan if unknown."""
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
            sets = "set " if len(self.failing) == 1 else "sets "
            sets += ", ".join(str(g) for g in self.failing[:8])
            sets += f" and {len(self.failing) - 8} more" if len(self.failing) > 8 else ""
            return f"equipartition fails in {sets} ({statistics})"
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


@dataclass(frozen=True, slots=True)
class EnergyDifferences:
    """Potential energies of frames (t) of a run minus those of its force constants."""

    harmonic: Floats
    """(t,), unit: eV. U − U_h in order of time, of the frames with an energy."""
    higher: Floats | None = None
    """(t,), unit: eV. U_3 + U_4; None without force constants of these orders."""
    changes: Floats | None = None
    """(b, t), unit: eV. Change of U_h by each replicate of the force constants, from the mean
    of all; None without replicates."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, harmonic="t", higher="t", changes="b t")

    @classmethod
    def joined(cls, parts: Sequence["EnergyDifferences"]) -> "EnergyDifferences":
        """Those of several runs, one after the other."""

        def all_of(name: str) -> Floats | None:
            values = [getattr(part, name) for part in parts]
            return None if values[0] is None else np.concatenate(values, axis=-1)

        harmonic = np.concatenate([part.harmonic for part in parts])
        return cls(harmonic, all_of("higher"), all_of("changes"))


@dataclass(frozen=True, slots=True)
class FreeEnergyTerms:
    """Expansion of the free energy of a run about that of its force constants, per atom."""

    temperature: float
    """In K."""
    n_atoms: int
    """Atoms of the supercell, whose fluctuations are measured."""
    n_frames: int
    """Frames with an energy."""
    terms: Floats
    """(4,), unit: eV per atom. U0 and the terms of second, third and fourth order."""
    terms_sem: Floats
    """(4,) standard error."""
    sums_sem: Floats
    """(3,) standard error of `sums`, with the covariance of the terms."""
    converges: bool
    """Whether no term of higher order is larger than the one before."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, terms="4", terms_sem="4", sums_sem="3")

    @property
    def sums(self) -> Floats:
        """(3,), unit: eV per atom. Sum of the terms up to first, second and third order."""
        sums: Floats = np.cumsum(self.terms[:3])
        return sums


@dataclass(frozen=True, slots=True)
class AnharmonicReference:
    """Free energy of a run about second-, third- and fourth-order constants, per atom."""

    orders: tuple[int, ...]
    """Orders of the force constants above the second."""
    model: FreeEnergyTerms
    """Terms of F_34 − F_h, by sampling the harmonic crystal."""
    rest: FreeEnergyTerms
    """Terms of U − U_h − U_3 − U_4 in the run."""
    integrated: float
    """In eV per atom. F − F_h by integration between the harmonic crystal and the run."""
    integrated_sem: float
    """Its standard error, without that of the force constants."""


@dataclass(frozen=True, slots=True)
class FreeEnergy:
    """Free energy of a run per atom, to first, second and third order."""

    terms: FreeEnergyTerms
    mesh: tuple[int, int, int]
    """Mesh of the harmonic free energy."""
    harmonic: Floats
    """(2,), unit: eV per atom. Harmonic free energy on the mesh, classical and quantum."""
    harmonic_sem: Floats
    """(2,) standard error; nan if unknown."""
    commensurate: Floats
    """(2,), unit: eV per atom. The same at the q points of the supercell alone."""
    total_sem: Floats
    """(2, 3), unit: eV per atom. Standard error of `total`; the force constants are varied in
    the harmonic part and in the terms together."""
    order: int
    """Highest order that the run resolves; 0 if none."""
    left_out: float
    """Fraction of the modes of the mesh that are left out because they are imaginary."""
    energies: EnergyDifferences
    """Those of all frames, for the supercell."""
    anharmonic: AnharmonicReference | None = None
    """None without force constants of third or fourth order."""
    sums_changes: Floats | None = None
    """(b, 3), unit: eV per atom. Change of the terms up to each order as a block of time is
    left out together with its replicate of the force constants; None without replicates."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, harmonic="2", harmonic_sem="2", commensurate="2")
        freeze(self, {}, float, total_sem="2 3", sums_changes="b 3")

    def __repr__(self) -> str:
        """Summarise without the arrays."""
        place = max(self.order, 1) - 1
        values = zip(self.total[:, place], self.total_sem[:, place], strict=True)
        classical, quantum = (_with_error(value, error) for value, error in values)
        return (
            f"<FreeEnergy at {self.terms.temperature:.4g} K to order {place + 1}: {classical} "
            f"(classical), {quantum} (quantum) eV per atom>"
        )

    @property
    def total(self) -> Floats:
        """(2, 3), unit: eV per atom. Classical and quantum F to first, second, third order."""
        total: Floats = self.harmonic[:, None] + self.terms.sums
        return total

    @property
    def anharmonic_total(self) -> Floats | None:
        """(2, 3), unit: eV per atom. As `total`, about force constants of all orders."""
        if self.anharmonic is None:
            return None
        both = self.anharmonic.model.sums + self.anharmonic.rest.sums
        total: Floats = self.harmonic[:, None] + both
        return total

    @property
    def anharmonic_total_sem(self) -> Floats | None:
        """(2, 3), unit: eV per atom. Standard error, with that of the force constants."""
        if self.anharmonic is None:
            return None
        # The model is sampled independently of the run.
        own = np.hypot(self.anharmonic.model.sums_sem, self.anharmonic.rest.sums_sem)
        sem: Floats = np.hypot(self.total_sem[:, :1], own)
        return sem

    @property
    def integrated(self) -> Floats | None:
        """(2,), unit: eV per atom. F by integration between the harmonic crystal and the run.

        Classical and quantum; None without force constants of third or fourth order.
        """
        if self.anharmonic is None:
            return None
        total: Floats = self.harmonic + self.anharmonic.integrated
        return total

    @property
    def integrated_sem(self) -> Floats | None:
        """(2,), unit: eV per atom. Standard error, with that of the force constants."""
        if self.anharmonic is None:
            return None
        sem: Floats = np.hypot(self.total_sem[:, 0], self.anharmonic.integrated_sem)
        return sem


def _with_error(value: float, error: float) -> str:
    """Value to the first digit of its error, with at least four decimals."""
    digits = max(4, -int(np.floor(np.log10(error)))) if error > 0.0 else 4
    return f"{value:.{digits}f} ± {error:.{digits}f}"
