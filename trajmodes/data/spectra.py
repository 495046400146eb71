"""What a run says about each set of symmetry-equal modes."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.units import THZ

NARROWEST = 2.0
"""Least width of a line that is reported, in resolutions."""

DISAGREE = 2.0
"""Combined errors by which two lifetimes of a mode disagree. Both come from one run, so that
the combined error is an upper bound, and what is reported to disagree does so surely."""


class Verdict(StrEnum):
    """Whether a line could be measured, and if not, why."""

    RESOLVED = "resolved"
    TOO_NARROW = "not resolved: narrower than the resolution"
    TOO_BROAD = "not resolved: no line within the spectrum"
    TOO_FEW = "not resolved: too little data for an error bar"
    FAILED = "not resolved: the fit did not converge"
    NO_LINE = "not resolved: the spectrum does not have the shape of one line"
    OUTSIDE = "not resolved: the line lies outside the band that was kept"
    OVERDAMPED = "overdamped: it does not oscillate, and no lifetime is told"
    TOO_LONG = "not resolved: the run is too short for a lifetime as long"
    TOO_FAST = "not resolved: the energy decays from frame to frame"
    UNDEFINED = "not resolved: the harmonic frequency is imaginary, the energy not defined"


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
class BandSpectra:
    """Welch spectra in a band of frequencies around the line of each set (g).

    Bin w of set g is the frequency (first_bin_g + w)/(segment_frames · interval_ps). What a
    line is fitted to: long segments need no more than the surroundings of the line.
    """

    first_bin: Ints
    """(g,) number of the first bin of the band."""
    power: Floats
    """(g, w), unit: eV/THz. One-sided: where the band is the whole axis ∫₀^∞ S df = ⟨K⟩. nan
    for bins that the band of the set does not have."""
    averages: Floats
    """(g,) number of independent periodograms in the mean (overlap of segments allowed for)."""
    segment_frames: int
    """Frames in one segment."""
    interval_ps: float
    """Time between these frames in ps."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, int, first_bin="g")
        freeze(self, sizes, float, power="g w", averages="g")

    @property
    def duration_ps(self) -> float:
        """Length of a segment in ps."""
        return self.segment_frames * self.interval_ps

    @property
    def freq_thz(self) -> Floats:
        """(g, w), unit: THz."""
        bins = self.first_bin[:, None] + np.arange(self.power.shape[1])
        return bins / self.duration_ps


@dataclass(frozen=True, slots=True)
class MaximumEntropySpectra:
    """Spectra by Burg's recursion; they carry no error bars, so no lifetimes come of them."""

    freq_thz: Floats
    """(w,), unit: THz."""
    power: Floats
    """(g, w), unit: eV/THz. One-sided: ∫₀^∞ S df is the kinetic energy."""
    order: int
    """Number of poles."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, freq_thz="w", power="g w")


@dataclass(frozen=True, slots=True)
class LineData:
    """What each line (g) was fitted to, and the fit, for plots: nan beyond their number."""

    freq_thz: Floats
    """(g, w), unit: THz. Around the line, or around the expected frequency if there is none."""
    power: Floats
    """(g, w), unit: eV/THz. The spectrum that was taken for this set."""
    model: Floats
    """(g, w), unit: eV/THz. The fit, window convolved in; nan where not resolved."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, freq_thz="g w", power="g w", model="g w")


@dataclass(frozen=True, slots=True)
class VibrationalDensity:
    """Spectra of the atoms' velocities on each site (s) along each direction (x)."""

    freq_thz: Floats
    """(w,), unit: THz."""
    power: Floats
    """(s, 3, w), unit: eV/THz. ∫₀^∞ S df = ½M⟨v_x²⟩ of one atom on the site; the sum over sites
    and directions is the sum of the spectra of all modes of one primitive cell."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, freq_thz="w", power="s 3 w")


@dataclass(frozen=True, slots=True)
class EnergyLifetimes:
    """How fast the energy of each set (g) of modes forgets: the decay of its correlation."""

    lifetime_ps: Floats
    """(g,), unit: ps. 1/γ of e^{−γt}; nan where not resolved."""
    lifetime_ps_sem: Floats
    """(g,), unit: ps."""
    chi2_ratio: Floats
    """(g,) reduced χ² of the correlation about the decay, relative to its 95 % quantile. Above 1
    the standard error of the lifetime is multiplied by its root. nan where not resolved."""
    floor_ps: Floats
    """(g,), unit: ps. What a lifetime for which the run is too short is longer than; nan where
    it is known, or not known for another reason."""
    verdicts: tuple[Verdict, ...]
    """(g,) resolved, or the reason why not."""
    advice: tuple[str, ...]
    """(g,) what would resolve it; empty where resolved."""
    lag_ps: Floats
    """(g, k), unit: ps. Lags that the correlation is told at, nan beyond their number."""
    correlation: Floats
    """(g, k) ⟨δE(0)δE(t)⟩/⟨δE²⟩, bias of the finite run removed."""
    correlation_sem: Floats
    """(g, k)."""
    model: Floats
    """(g, k) what was fitted; nan where not resolved, or outside the lags of the fit."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.verdicts)}
        freeze(self, sizes, float, lifetime_ps="g", lifetime_ps_sem="g", chi2_ratio="g")
        freeze(self, sizes, float, floor_ps="g", lag_ps="g k", model="g k")
        freeze(self, sizes, float, correlation="g k", correlation_sem="g k")


@dataclass(frozen=True, slots=True)
class LineFits:
    """Damped-oscillator fits to the power spectra, one line for each set (g)."""

    freq_thz: Floats
    """(g,), unit: THz. ω0/2π; nan where not resolved, but told of lines too narrow for their
    width to be."""
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
    reduced_chi2: Floats
    """(g,) reduced Pearson χ² of the periodogram about the model; 1 for a perfect model."""
    verdicts: tuple[Verdict, ...]
    """(g,) resolved, or the reason why not."""
    advice: tuple[str, ...]
    """(g,) what would resolve it; empty where resolved."""
    segment_ps: Floats
    """(g,), unit: ps. Length of the segments whose spectrum was taken for this set."""
    resolution_thz: Floats
    """(g,), unit: THz. Full width at half maximum that they give to a line of no width."""
    asymmetry: Floats | None = None
    """(g,) 1/q_F of a Fano line, 0 for a symmetric one; None unless such lines were fitted."""
    asymmetry_sem: Floats | None = None
    """(g,)."""
    baseline: Floats | None = None
    """(g,), unit: eV/THz. Constant below the line; None unless it was fitted."""
    partner_freq_thz: Floats | None = None
    """(g,), unit: THz. Frequency of the weaker of two lines; None unless two were fitted."""
    partner_linewidth_thz: Floats | None = None
    """(g,), unit: THz."""
    partner_kinetic: Floats | None = None
    """(g,), unit: eV. Area under it."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.verdicts)}
        freeze(
            self,
            sizes,
            float,
            segment_ps="g",
            resolution_thz="g",
            asymmetry="g",
            asymmetry_sem="g",
        )
        freeze(self, sizes, float, baseline="g", partner_freq_thz="g")
        freeze(self, sizes, float, partner_linewidth_thz="g", partner_kinetic="g")
        freeze(self, sizes, float, freq_thz="g", freq_thz_sem="g", linewidth_thz="g")
        freeze(self, sizes, float, linewidth_thz_sem="g", lifetime_ps="g", lifetime_ps_sem="g")
        freeze(self, sizes, float, kinetic="g", reduced_chi2="g")

    @property
    def floor_ps(self) -> Floats:
        """(g,), unit: ps. What the lifetime of a line too narrow for a width is longer than.

        Its width is below `NARROWEST`; nan for all other lines.
        """
        narrow = [verdict is Verdict.TOO_NARROW for verdict in self.verdicts]
        floor: Floats = np.where(narrow, 1.0 / (NARROWEST * THZ * self.resolution_thz), np.nan)
        return floor
