"""Spectra, line fits and lifetimes of each set of symmetry-equivalent modes."""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze

NARROWEST = 2.0
"""Smallest linewidth that is reported, in units of the resolution."""

DISAGREE = 2.0
"""Combined standard errors beyond which two lifetimes of a mode disagree. Both come from one
run, so that the combined error is an upper bound and the criterion is conservative."""


class Verdict(StrEnum):
    """Whether a line or lifetime is resolved, and if not, why."""

    RESOLVED = "resolved"
    TOO_NARROW = "not resolved: narrower than the resolution"
    TOO_BROAD = "not resolved: no line within the spectrum"
    TOO_FEW = "not resolved: too little data for an error bar"
    FAILED = "not resolved: the fit did not converge"
    NO_LINE = "not resolved: the spectrum does not have the shape of one line"
    OUTSIDE = "not resolved: the line lies outside the band that was kept"
    ALIASED = "not resolved: the frames are too far apart for a line of this frequency"
    OVERDAMPED = "overdamped: the mode is damped within a period, and no lifetime is defined"
    TOO_LONG = "not resolved: the run is too short for a lifetime as long"
    TOO_FAST = "not resolved: the energy decays from frame to frame"
    UNDEFINED = "not resolved: the harmonic frequency is imaginary, and the energy is undefined"


@dataclass(frozen=True, slots=True)
class PowerSpectra:
    """One-sided Welch spectra of the mode velocities: ∫₀^∞ S dω is the kinetic energy."""

    omega: Floats
    """(w,), unit: rad/ps."""
    power: Floats
    """(g, w), unit: eV ps/rad, mean over the members of each set (g)."""
    averages: Floats
    """(g,) number of independent periodograms in the mean (overlap of segments allowed for)."""
    segment_frames: int
    """Frames in one segment."""
    interval_ps: float
    """Time between frames in ps."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, omega="w", power="g w", averages="g")


@dataclass(frozen=True, slots=True)
class BandSpectra:
    """Welch spectra in a band of frequencies around the line of each set (g), for line fits.

    Bin w of set g has ω = 2π(first_bin_g + w)/(segment_frames · interval_ps).
    """

    first_bin: Ints
    """(g,) index of the first bin of the band."""
    power: Floats
    """(g, w), unit: eV ps/rad. One-sided: over all frequencies ∫₀^∞ S dω = ⟨K⟩. nan beyond the
    band of the set."""
    averages: Floats
    """(g,) number of independent periodograms in the mean (overlap of segments allowed for)."""
    segment_frames: int
    """Frames in one segment."""
    interval_ps: float
    """Time between the frames of a segment in ps."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, first_bin="g")
        freeze(self, sizes, float, power="g w", averages="g")

    @property
    def duration_ps(self) -> float:
        """Length of a segment in ps."""
        return self.segment_frames * self.interval_ps

    @property
    def omega(self) -> Floats:
        """(g, w), unit: rad/ps."""
        bins = self.first_bin[:, None] + np.arange(self.power.shape[1])
        return 2.0 * np.pi * (bins / self.duration_ps)


@dataclass(frozen=True, slots=True)
class MaximumEntropySpectra:
    """Spectra by Burg's recursion; without error bars, hence not used for lifetimes."""

    omega: Floats
    """(w,), unit: rad/ps."""
    power: Floats
    """(g, w), unit: eV ps/rad. One-sided: ∫₀^∞ S dω is the kinetic energy."""
    order: int
    """Number of poles."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, omega="w", power="g w")


@dataclass(frozen=True, slots=True)
class LineData:
    """Data and model of each line fit (g), for plots; nan beyond their number."""

    omega: Floats
    """(g, w), unit: rad/ps. Around the line, or around the harmonic frequency without one."""
    power: Floats
    """(g, w), unit: eV ps/rad. The fitted spectrum."""
    model: Floats
    """(g, w), unit: eV ps/rad. The model, convolved with the window; nan where not resolved."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, omega="g w", power="g w", model="g w")


@dataclass(frozen=True, slots=True)
class EnergyLifetimes:
    """Decay of the energy autocorrelation of each set (g) of modes."""

    lifetime_ps: Floats
    """(g,), unit: ps. 1/γ of e^{−γt}; nan where not resolved."""
    lifetime_ps_sem: Floats
    """(g,), unit: ps."""
    chi2_ratio: Floats
    """(g,) reduced χ² of the correlation about the decay, relative to its 95 % quantile. Above
    1 the standard error of the lifetime is multiplied by its root. nan where not resolved."""
    floor_ps: Floats
    """(g,), unit: ps. Lower bound of a lifetime too long for the run; nan otherwise."""
    verdicts: tuple[Verdict, ...]
    """(g,) resolved, or the reason why not."""
    advice: tuple[str, ...]
    """(g,) advice for resolving it; empty where resolved."""
    lag_ps: Floats
    """(g, k), unit: ps. Lags of the correlation; nan beyond their number."""
    correlation: Floats
    """(g, k) ⟨δE(0)δE(t)⟩/⟨δE²⟩, corrected for the bias of a finite run."""
    correlation_sem: Floats
    """(g, k)."""
    model: Floats
    """(g, k) fitted decay; nan where not resolved, or outside the range of the fit."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.verdicts)}
        freeze(self, sizes, float, lifetime_ps="g", lifetime_ps_sem="g", chi2_ratio="g")
        freeze(self, sizes, float, floor_ps="g", lag_ps="g k", model="g k")
        freeze(self, sizes, float, correlation="g k", correlation_sem="g k")


@dataclass(frozen=True, slots=True)
class LineFits:
    """Damped-oscillator fits to the power spectra, one line for each set (g)."""

    omega: Floats
    """(g,), unit: rad/ps. ω0; nan where not resolved, except for lines that are only too narrow
    for a width."""
    omega_sem: Floats
    """(g,), unit: rad/ps."""
    linewidth: Floats
    """(g,), unit: rad/ps. Full width at half maximum, γ; nan where not resolved."""
    linewidth_sem: Floats
    """(g,), unit: rad/ps."""
    lifetime_ps: Floats
    """(g,), unit: ps. Energy lifetime 1/γ; nan where not resolved."""
    lifetime_ps_sem: Floats
    """(g,), unit: ps."""
    kinetic: Floats
    """(g,), unit: eV. Area under the fitted line."""
    reduced_chi2: Floats
    """(g,) reduced χ² of the spectrum about the model, in cells of a quarter of the width; 1
    for a perfect model."""
    verdicts: tuple[Verdict, ...]
    """(g,) resolved, or the reason why not."""
    advice: tuple[str, ...]
    """(g,) advice for resolving it; where resolved, on a shape that fits better, or empty."""
    segment_ps: Floats
    """(g,), unit: ps. Length of the segments of the fitted spectrum."""
    resolution: Floats
    """(g,), unit: rad/ps. Full width at half maximum of an infinitely narrow line."""
    asymmetry: Floats | None = None
    """(g,) 1/q_F of a Fano line, 0 for a symmetric one; None unless Fano lines were fitted."""
    asymmetry_sem: Floats | None = None
    """(g,)."""
    baseline: Floats | None = None
    """(g,), unit: eV ps/rad. Constant below the line; None unless it was fitted."""
    partner_omega: Floats | None = None
    """(g,), unit: rad/ps. Frequency of the weaker of two lines; None unless two were fitted."""
    partner_linewidth: Floats | None = None
    """(g,), unit: rad/ps."""
    partner_kinetic: Floats | None = None
    """(g,), unit: eV. Area under the weaker line."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.verdicts)}
        numbers = {field.name for field in fields(self)} - {"verdicts", "advice"}
        freeze(self, sizes, float, **dict.fromkeys(numbers, "g"))

    @property
    def floor_ps(self) -> Floats:
        """(g,), unit: ps. Lower bound of the lifetime of a line too narrow for a width.

        The width is below `NARROWEST` resolutions; nan for all other lines.
        """
        narrow = [verdict is Verdict.TOO_NARROW for verdict in self.verdicts]
        floor: Floats = np.where(narrow, 1.0 / (NARROWEST * self.resolution), np.nan)
        return floor
