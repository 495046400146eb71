"""What a run says about each set of symmetry-equal modes."""

from dataclasses import dataclass
from enum import StrEnum

from trajmodes.arrays import Floats, Ints, freeze

__all__ = ["LineFits", "ModeEnergies", "PowerSpectra", "Verdict"]


class Verdict(StrEnum):
    """Whether a line could be measured, and if not, why."""

    RESOLVED = "resolved"
    TOO_NARROW = "not resolved: narrower than the resolution"
    TOO_BROAD = "not resolved: no line within the spectrum"
    TOO_FEW = "not resolved: too little data for an error bar"
    FAILED = "not resolved: the fit did not converge"
    NO_LINE = "not resolved: the spectrum does not have the shape of one line"


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

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, members="g")
        freeze(self, sizes, float, kinetic="g", potential="g", virial="g")
        freeze(self, sizes, float, kinetic_sem="g", potential_sem="g", virial_sem="g")
        freeze(self, sizes, float, omega_displacement="g", omega_displacement_sem="g")
        freeze(self, sizes, float, omega_ratio="g", omega_ratio_sem="g")


@dataclass(frozen=True, slots=True)
class PowerSpectra:
    """One-sided Welch spectra of the mode velocities: ∫₀^∞ S df is the kinetic energy."""

    freq_thz: Floats
    """(w,), unit: THz."""
    power: Floats
    """(g, w), unit: eV/THz, mean over the members of each set (g)."""
    averages: Floats
    """(g,) number of independent periodograms in the mean (overlap of segments allowed for)."""
    segment_frames: int
    """Frames in one segment."""
    interval_ps: float
    """Time between frames in ps."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, freq_thz="w", power="g w", averages="g")


@dataclass(frozen=True, slots=True)
class LineFits:
    """Damped-oscillator fits to the power spectra, one line for each set (g)."""

    freq_thz: Floats
    """(g,), unit: THz. ω0/2π; nan where not resolved."""
    freq_thz_sem: Floats
    """(g,), unit: THz."""
    linewidth_thz: Floats
    """(g,), unit: THz. Full width at half maximum, γ/2π; nan where not resolved."""
    linewidth_thz_sem: Floats
    """(g,), unit: THz."""
    lifetime_ps: Floats
    """(g,), unit: ps. Energy lifetime 1/γ; nan where not resolved."""
    lifetime_ps_sem: Floats
    """(g,), unit: ps."""
    kinetic: Floats
    """(g,), unit: eV. Area under the fitted line."""
    goodness: Floats
    """(g,) reduced Pearson χ² of the periodogram about the model; 1 for a perfect model."""
    verdicts: tuple[Verdict, ...]
    """(g,) resolved, or the reason why not."""
    advice: tuple[str, ...]
    """(g,) what would resolve it; empty where resolved."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.verdicts)}
        freeze(self, sizes, float, freq_thz="g", freq_thz_sem="g", linewidth_thz="g")
        freeze(self, sizes, float, linewidth_thz_sem="g", lifetime_ps="g", lifetime_ps_sem="g")
        freeze(self, sizes, float, kinetic="g", goodness="g")
