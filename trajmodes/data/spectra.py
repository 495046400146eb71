"""Spectra, line fits and lifetimes of each set of modes; structure factors of scattering."""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal

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
    """Decay of the energy autocorrelation function of each set (g) of modes."""

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
    error_factor: Floats
    """(g,) factor by which the errors exceed the statistical ones because the spectrum deviates
    from the model; 1 if it does not. The errors contain it."""
    verdicts: tuple[Verdict, ...]
    """(g,) resolved, or the reason why not."""
    advice: tuple[str, ...]
    """(g,) advice on how to resolve the line; for a resolved line, on a shape that fits better,
    or empty."""
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


@dataclass(frozen=True, slots=True)
class Wavevectors:
    """Scattering vectors Q = q + G on a straight line or in a plane."""

    crystal: Crystal
    hkl: Floats
    """(k, 3), in the reciprocal lattice units that the user chose, no 2π."""
    qpoints: Floats
    """(k, 3), the same Q in units of the reciprocal vectors of the primitive cell."""
    places: Floats
    """(k, d) position on the line (d = 1), or along both edges of the plane (d = 2), 0 to 1."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, hkl="k 3", qpoints="k 3", places="k d")

    @property
    def cartesian(self) -> Floats:
        """(k, 3), unit: 1/Å, 2π included."""
        waves: Floats = 2.0 * np.pi * self.qpoints @ np.linalg.inv(self.crystal.cell).T
        return waves

    @property
    def lengths(self) -> Floats:
        """(k,) |Q|, unit: 1/Å, 2π included."""
        lengths: Floats = np.linalg.norm(self.cartesian, axis=1)
        return lengths


@dataclass(frozen=True, slots=True)
class Weights:
    """Scattering amplitudes f of the species: lengths b of neutrons, form factors of X-rays."""

    species: tuple[str, ...]
    """(e,) the species."""
    values: Floats
    """(k, e) at each Q."""
    mean_square: Floats
    """(k,) mean of f² over the atoms, by which structure factors are divided."""
    unit: str
    """Unit of the values: fm, electrons, or 1."""

    def __post_init__(self) -> None:
        freeze(self, {"e": len(self.species)}, float, values="k e", mean_square="k")


@dataclass(frozen=True, slots=True)
class StructureFactor:
    """Coherent dynamic structure factor of a run, divided by the mean square of the weights.

    The spectra are even in ω; they are given for ω ≥ 0, and their integral is over both signs.
    """

    omega: Floats
    """(w,), unit: rad/ps."""
    power: Floats
    """(k, w), unit: ps/rad. S(Q, ω) per atom, without the elastic part."""
    power_sem: Floats
    """(k, w) standard error."""
    static: Floats
    """(k,) S(Q) = ⟨|ρ − ⟨ρ⟩|²⟩/N f², the integral of S(Q, ω) over ω."""
    static_sem: Floats
    """(k,) standard error."""
    bragg: Floats
    """(k,) elastic part |⟨ρ⟩|²/N f²."""
    segment_frames: int
    """Frames used in one segment."""
    interval_ps: float
    """Time between the frames used."""
    longitudinal: Floats | None = None
    """(k, w), unit: Å²/(ps rad). Spectrum of the current along Q; None where not computed, nan
    at Q = 0."""
    longitudinal_sem: Floats | None = None
    """(k, w) standard error."""
    transverse: Floats | None = None
    """(k, w), unit: Å²/(ps rad). Mean over the two directions normal to Q."""
    transverse_sem: Floats | None = None
    """(k, w) standard error."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, omega="w", power="k w", power_sem="k w")
        freeze(self, sizes, float, static="k", static_sem="k", bragg="k")
        freeze(self, sizes, float, longitudinal="k w", longitudinal_sem="k w")
        freeze(self, sizes, float, transverse="k w", transverse_sem="k w")


@dataclass(frozen=True, slots=True)
class OnePhonon:
    """One-phonon lines of the coherent structure factor of force constants, at each Q.

    Intensities are per atom, divided by the mean square of the weights. Those of degenerate
    branches are their mean.
    """

    omega: Floats
    """(k, m), unit: rad/ps, ascending. Negative means imaginary."""
    created: Floats
    """(k, m) intensity of the line at +ω, where a phonon is created. Zero for imaginary modes
    and for the acoustic modes at reciprocal lattice points."""
    annihilated: Floats
    """(k, m) intensity of the line at −ω."""
    debye_waller: Floats
    """(k, s) exp(−W) of each site."""
    omega_sem: Floats | None = None
    """(k, m), unit: rad/ps. Standard error; None where the force constants have none."""
    created_sem: Floats | None = None
    """(k, m) standard error."""
    width: Floats | None = None
    """(k, m), unit: rad/ps. Full width at half maximum of each line; nan: not known."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, omega="k m", created="k m", annihilated="k m")
        freeze(self, sizes, float, omega_sem="k m", created_sem="k m", width="k m")
        freeze(self, sizes, float, debye_waller="k s")
