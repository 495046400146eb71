"""Frequencies, linewidths, bands and lattice parameters of a series of runs."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.bands import Bands
from trajmodes.data.crystal import Crystal
from trajmodes.data.results import Provenance
from trajmodes.data.series.runs import SeriesRun
from trajmodes.notes import Note


@dataclass(frozen=True, slots=True)
class SeriesSets:
    """Sets (g) of symmetry-equivalent modes that a series follows."""

    qpoints: Floats
    """(g, 3) one q of the star, reduced coordinates."""
    points: tuple[str, ...]
    """(g,) name of the q, empty for most."""
    star_size: Ints
    """(g,) number of q in the star."""
    degeneracy: Ints
    """(g,)."""
    lowest: Ints
    """(g,) lowest branch, from 0, at the middle of the temperatures."""
    highest: Ints
    """(g,) highest branch."""

    def __post_init__(self) -> None:
        sizes = {"g": len(self.points)}
        freeze(self, sizes, float, qpoints="g 3")
        names = ("star_size", "degeneracy", "lowest", "highest")
        freeze(self, sizes, np.int64, **dict.fromkeys(names, "g"))


@dataclass(frozen=True, slots=True)
class ModeTrends:
    """Frequencies and linewidths of sets of modes (g) in runs (r), with fits in temperature."""

    sets: SeriesSets
    squared: Floats
    """(r, g), unit: (rad/ps)². ω² of the runs, negative for imaginary modes."""
    squared_sem: Floats | None
    """(r, g)."""
    curve_squared: Floats
    """(t, g), unit: (rad/ps)². Fitted ω² at the temperatures of the curves."""
    curve_squared_sem: Floats | None
    """(t, g)."""
    probability: Floats
    """(g,) probability of a larger χ², mean over the polynomials; nan where unknown."""
    slope: Floats
    """(g,), unit: rad/(ps K). ∂ω/∂T at the middle of the temperatures; nan if imaginary."""
    slope_sem: Floats | None
    """(g,)."""
    gruneisen: Floats | None
    """(g,) −∂ln ω/∂ln V at constant T and c/a; None unless volumes differ at one T."""
    gruneisen_sem: Floats | None
    """(g,)."""
    axial_gruneisen: Floats | None
    """(g,) −∂ln ω/∂ln(c/a) at constant T and V; None unless runs at one T and V differ in
    c/a."""
    axial_gruneisen_sem: Floats | None
    """(g,)."""
    soft: Floats
    """(g,), unit: K. Zero of ω²(T) in or near the range; nan without one."""
    soft_sem: Floats
    """(g,), unit: K."""
    soft_order: Ints
    """(g,) order of the polynomial of greatest weight."""
    soft_verdict: tuple[str, ...]
    """(g,) resolved, or the reason why not; empty without a zero."""
    soft_grid: Floats
    """(k,), unit: K. Temperatures over which zeros are searched for."""
    soft_curve: Floats
    """(k, g), unit: (rad/ps)². ω² of the polynomials from which the zeros are found."""
    soft_curve_sem: Floats | None
    """(k, g)."""
    line: Floats | None = None
    """(r, g), unit: rad/ps. Frequency of the spectral line; None without projected runs."""
    line_sem: Floats | None = None
    """(r, g)."""
    linewidth: Floats | None = None
    """(r, g), unit: rad/ps. Full width at half maximum; nan where not resolved."""
    linewidth_sem: Floats | None = None
    """(r, g)."""
    exponent: Floats | None = None
    """(g,) n of Γ ∝ Tⁿ; nan where fewer than two runs have a width."""
    exponent_sem: Floats | None = None
    """(g,)."""
    exponent_mean: float | None = None
    """Weighted mean of n; None without linewidths."""
    exponent_mean_sem: float | None = None

    def __post_init__(self) -> None:
        sizes = {"g": len(self.sets.points)}
        for name in ("squared", "line", "linewidth"):
            freeze(self, sizes, float, **{name: "r g", f"{name}_sem": "r g"})
        freeze(self, sizes, float, curve_squared="t g", curve_squared_sem="t g")
        for name in ("slope", "gruneisen", "axial_gruneisen", "soft", "exponent"):
            freeze(self, sizes, float, **{name: "g", f"{name}_sem": "g"})
        freeze(self, sizes, float, probability="g", soft_grid="k")
        freeze(self, sizes, float, soft_curve="k g", soft_curve_sem="k g")
        freeze(self, sizes, np.int64, soft_order="g")


@dataclass(frozen=True, slots=True)
class LatticeTrend:
    """Lattice parameters of the runs (r), and their polynomials in temperature."""

    lengths: Floats
    """(r, 3), unit: Å. a, b, c of the conventional cell."""
    volumes: Floats
    """(r,), unit: Å³. Volume of the primitive cell."""
    curve: Floats
    """(t, 3), unit: Å. Fitted lengths at the temperatures of the curves."""
    curve_sem: Floats | None
    """(t, 3), from the scatter about the fit."""
    expansion: Floats
    """(3,), unit: 1/K. ∂ln a/∂T at the middle of the temperatures."""
    expansion_sem: Floats | None
    """(3,)."""
    kind: str
    """isochoric, isobaric or separable."""
    text: str
    """The same in a sentence."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, lengths="r 3", volumes="r", curve="t 3", curve_sem="t 3")
        freeze(self, sizes, float, expansion="3", expansion_sem="3")


@dataclass(frozen=True, slots=True)
class ElasticTrend:
    """Elastic constants of the runs (r), and their polynomials in temperature.

    In the Cartesian axes and the order of indices of `trajmodes.data.elasticity`.
    """

    stiffness: Floats
    """(r, 6, 6), unit: eV/Å³."""
    stiffness_sem: Floats | None
    """(r, 6, 6)."""
    curve: Floats
    """(t, 6, 6), unit: eV/Å³. At the temperatures of the curves."""
    curve_sem: Floats | None
    """(t, 6, 6)."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for name, axes in (("stiffness", "r 6 6"), ("curve", "t 6 6")):
            freeze(self, sizes, float, **{name: axes, f"{name}_sem": axes})


@dataclass(frozen=True, slots=True)
class TemperatureSeries:
    """All results of a series."""

    runs: tuple[SeriesRun, ...]
    crystal: Crystal
    """At the middle of the temperatures."""
    temperatures: Floats
    """(r,), unit: K."""
    curve_temperatures: Floats
    """(t,), unit: K."""
    order: int
    """Order in T of the polynomial of the force constants that has the greatest weight."""
    bases: tuple[str, ...]
    """(o,) terms of each polynomial that was averaged."""
    basis_weights: Floats
    """(o,)."""
    leave_one_out: Floats
    """(o,) mean square error of runs left out, in units of their variance."""
    modes: ModeTrends
    lattice: LatticeTrend
    bands: Bands
    """At the middle of the temperatures."""
    band_omega: Floats
    """(r, n, m), unit: rad/ps. Bands of each run along the same path."""
    provenance: Provenance
    elastic: ElasticTrend | None = None
    """None for a layer, and where the crystal has no restoring force against a strain."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        sizes = {"r": len(self.runs)}
        freeze(self, sizes, float, temperatures="r", curve_temperatures="t")
        freeze(self, sizes, float, leave_one_out="o", basis_weights="o", band_omega="r n m")
