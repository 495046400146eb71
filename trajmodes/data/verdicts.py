"""Verdicts on stability, run length, equipartition and ensemble."""

import math
from dataclasses import dataclass
from enum import StrEnum

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.labels import point, two_digits
from trajmodes.units import THZ

DECISIVE = 3.0
"""Standard errors by which ω² must differ from zero for a verdict on stability."""

_DOUBTFUL, _VIOLATED = 0.05, 1e-3
"""p-values below which equipartition is doubtful, and fails."""


@dataclass(frozen=True, slots=True)
class Stability:
    """The verdict on the stability of a crystal, and the mode that decides it."""

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
    """ω² over its standard error; infinite where the error is unknown."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def text(self) -> str:
        """The verdict and its reason in one sentence."""
        where = f"at q = {point(self.qpoint)}, branch {self.branch + 1}"
        sem = None if self.squared_sem is None else self.squared_sem / THZ**2
        square = f"{_number(self.squared / THZ**2, sem)} THz²"
        far = f"{two_digits(abs(self.significance))} standard errors"
        if sem is None:
            return f"{self.verdict}: the lowest ω² is {square} {where}; its error is unknown"
        if self.verdict == "stable":
            return f"stable: the lowest ω² is {square} {where}, {far} above zero"
        if self.verdict == "unstable":
            return f"unstable: ω² = {square} {where}, {far} below zero"
        return f"not decided: ω² = {square} {where} is zero within {DECISIVE:g} standard errors"


@dataclass(frozen=True, slots=True)
class RunLength:
    """Length of run at which the frequencies have a given standard error."""

    wanted: float
    """Required standard error of a frequency in rad/ps."""
    duration: float
    """Length of the run in ps."""
    worst: float
    """Largest standard error of a frequency in rad/ps."""
    typical: float
    """Median standard error in rad/ps."""
    worst_factor: float
    """Required length over the length of the run, for the slowest mode."""
    typical_factor: float
    """The same for the median mode."""
    qpoint: Floats
    """(3,) reduced coordinates of the slowest mode."""
    branch: int
    """Branch of this mode, from 0."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")

    @property
    def worst_duration(self) -> float:
        """Length of run in ps at which every mode has the required error."""
        return self.worst_factor * self.duration

    @property
    def typical_duration(self) -> float:
        """Length of run in ps at which half of the modes have the required error."""
        return self.typical_factor * self.duration

    @property
    def text(self) -> str:
        """The errors reached and the length required, in one sentence."""
        goal = f"±{self.wanted / THZ:g} THz"
        if self.worst_factor <= 1.0:
            return (
                f"every frequency is known to better than {goal}, the worst to "
                f"±{self.worst / THZ:.2g} THz"
            )
        half = (
            "half of them have it already"
            if self.typical_factor <= 1.0
            else f"half of them at {two_digits(self.typical_duration)} ps"
        )
        return (
            f"all frequencies are known to {goal} after a run of "
            f"{two_digits(self.worst_duration)} ps, {two_digits(self.worst_factor)} times as "
            f"long as this one, {half}; slowest is branch {self.branch + 1} at "
            f"q = {point(self.qpoint)}"
        )


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
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, z="g", probability="g")
        freeze(self, sizes, int, failing="f")

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


def _number(value: float, sem: float | None) -> str:
    """Round a number to the second digit of its error, with a minus sign."""
    if sem is None or not sem > 0.0:
        return f"{value:.4g}".replace("-", "−")
    digits = max(0, 1 - math.floor(math.log10(sem)))
    return f"{value:.{digits}f} ± {sem:.{digits}f}".replace("-", "−")
