"""Verdicts on stability, on the length of the run, on equipartition and on the ensemble."""

import math
from dataclasses import dataclass
from enum import StrEnum

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.labels import point
from trajmodes.units import THZ

DECISIVE = 3.0
"""Standard errors of ω² from zero that decide on stability."""

_DOUBTFUL, _VIOLATED = 0.05, 1e-3
"""p-values of equipartition below which it is in doubt, and fails."""


@dataclass(frozen=True, slots=True)
class Stability:
    """The mode that decides whether a crystal is stable, and the verdict."""

    verdict: str
    """``stable``, ``unstable`` or ``not decided``."""
    squared: float
    """Signed ω² of the mode in (rad/ps)²."""
    squared_sem: float | None
    """Its standard error in (rad/ps)²; None where unknown."""
    qpoint: Floats
    """(3,) reduced coordinates of the mode's q."""
    branch: int
    """Branch of the mode at that q, from 0."""
    significance: float
    """Standard errors from zero, negative below it; infinite where the error is not known."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def text(self) -> str:
        """The verdict and its reason in one sentence."""
        where = f"at q = {point(self.qpoint)}, branch {self.branch + 1}"
        sem = None if self.squared_sem is None else self.squared_sem / THZ**2
        square = f"{_number(self.squared / THZ**2, sem)} THz²"
        far = f"{float(f'{abs(self.significance):.2g}'):g} standard errors"
        if sem is None:
            return f"{self.verdict}: the lowest ω² is {square} {where}; its error is not known"
        if self.verdict == "stable":
            return f"stable: the lowest ω² is {square} {where}, {far} above zero"
        if self.verdict == "unstable":
            return f"unstable: ω² = {square} {where}, {far} below zero"
        return f"not decided: ω² = {square} {where} is zero within {DECISIVE:g} standard errors"


@dataclass(frozen=True, slots=True)
class RunLength:
    """Length of run at which frequencies have a wanted standard error."""

    wanted: float
    """The wanted standard error of a frequency in rad/ps."""
    duration: float
    """Length of the run so far in ps."""
    worst: float
    """Largest standard error of a frequency so far in rad/ps."""
    typical: float
    """Median of the standard errors so far in rad/ps."""
    worst_factor: float
    """How many times the run so far the mode takes that needs longest; below 1 if the run is
    longer than it takes."""
    typical_factor: float
    """The same for the median of the modes."""
    qpoint: Floats
    """(3,) reduced coordinates of the mode that needs longest."""
    branch: int
    """Its branch, from 0."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def worst_duration(self) -> float:
        """Length of run in ps at which every mode has the wanted error."""
        return self.worst_factor * self.duration

    @property
    def typical_duration(self) -> float:
        """Length of run in ps at which half of the modes have the wanted error."""
        return self.typical_factor * self.duration

    @property
    def text(self) -> str:
        """What is reached and what it takes, in one sentence."""
        goal = f"±{self.wanted / THZ:g} THz"
        if self.worst_factor <= 1.0:
            return (
                f"every frequency is known to better than {goal}, the worst to "
                f"±{self.worst / THZ:.2g} THz"
            )
        half = (
            "half of them have it already"
            if self.typical_factor <= 1.0
            else f"half of them at {_short(self.typical_duration)} ps"
        )
        return (
            f"all frequencies are known to {goal} after a run of {_short(self.worst_duration)} "
            f"ps, {_short(self.worst_factor)} times as long as this one, {half}; slowest is "
            f"branch {self.branch + 1} at q = {point(self.qpoint)}"
        )


@dataclass(frozen=True, slots=True)
class Equipartition:
    """Temperatures of all sets (g) beside the one they should have in common."""

    temperature: float
    """Common temperature in K: the mean over sets with inverse variances."""
    temperature_sem: float
    """Its standard error in K."""
    z: Floats
    """(g,) how many standard errors a set is off, made normal; nan without an error bar."""
    probability: Floats
    """(g,) chance that a set is as far off, on either side, where energy is shared equally."""
    chi_squared: float
    """Σ z²."""
    freedom: int
    """Degrees of freedom: sets with an error bar, less one for the common temperature."""
    p_value: float
    """Chance of a χ² at least as large where the energy is shared equally."""
    failing: Ints
    """Sets that are too far off even for the farthest of so many (Bonferroni, 1 in 100)."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, z="g", probability="g")
        freeze(self, sizes, int, failing="f")

    @property
    def holds(self) -> bool:
        """Whether the temperatures agree, all together and each of them."""
        return self.p_value >= _DOUBTFUL and not len(self.failing)

    @property
    def text(self) -> str:
        """The verdict in one sentence."""
        told = f"χ² = {self.chi_squared:.1f} for {self.freedom}, p = {self.p_value:.2g}"
        if len(self.failing):
            named = ", ".join(str(g) for g in self.failing[:8])
            more = f" and {len(self.failing) - 8} more" if len(self.failing) > 8 else ""
            return f"equipartition fails in set(s) {named}{more} ({told})"
        if self.p_value < _VIOLATED:
            return f"equipartition fails, though in no single set ({told})"
        word = "is doubtful" if self.p_value < _DOUBTFUL else "holds"
        return f"equipartition {word} ({told})"


class EnsembleVerdict(StrEnum):
    """What the fluctuations of the energies say of the run."""

    NVE = "NVE"
    THERMOSTATTED = "thermostatted"
    ISOKINETIC = "isokinetic"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True, slots=True)
class Ensemble:
    """How the run was made, as far as it shows, and how steady its temperature is."""

    verdict: EnsembleVerdict
    """NVE, thermostatted, isokinetic, or cannot be told."""
    text: str
    """What it is told from, and what it means for linewidths."""
    energy_ratio: float
    """ρ_E, covariance of K and K + U over the canonical one."""
    energy_ratio_sem: float
    """Its standard error; nan where the run is too short for one."""
    kinetic_ratio: float
    """ρ_K, variance of K over the canonical one."""
    kinetic_ratio_sem: float
    """Its standard error; nan where the run is too short for one."""
    temperature: float
    """Kinetic temperature in K."""
    drift_k_per_ps: float
    """Slope of (K + U)/(d k_B), U harmonic and without imaginary modes, in K/ps."""
    drift_k_per_ps_sem: float
    """Its standard error in K/ps."""
    drift_text: str
    """Told where the temperature drifts by 1 % and more over the run, surely; else empty."""
    step_text: str
    """Told where modes are in step as after a start from the perfect lattice; else empty."""


def _number(value: float, sem: float | None) -> str:
    """Write a number to the second digit of its error, with a true minus."""
    if sem is None or not sem > 0.0:
        return f"{value:.4g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(sem)))
    return f"{value:.{digits}f} ± {sem:.{digits}f}".replace("-", "−")


def _short(value: float) -> str:
    """Write two digits, without an exponent up to a million."""
    return f"{float(f'{value:.2g}'):g}"
