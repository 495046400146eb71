"""Spectral lines of runs that were projected on the same modes, without force constants."""

from dataclasses import dataclass

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.results import Provenance
from trajmodes.data.series.trends import SeriesSets
from trajmodes.notes import Note


@dataclass(frozen=True, slots=True)
class LineTrends:
    """Frequencies and linewidths of the lines of sets of modes (g) in runs (r), and fits."""

    line: Floats
    """(r, g), unit: rad/ps. Frequency; nan where not resolved."""
    line_sem: Floats
    """(r, g)."""
    linewidth: Floats
    """(r, g), unit: rad/ps. Full width at half maximum; nan where not resolved."""
    linewidth_sem: Floats
    """(r, g)."""
    curve_temperatures: Floats
    """(t,), unit: K."""
    curve: Floats
    """(t, g), unit: rad/ps. Fitted ω(T); nan outside the runs with a line."""
    curve_sem: Floats
    """(t, g); nan where unknown."""
    slope: Floats
    """(g,), unit: rad/(ps K). ∂ω/∂T at the middle of the temperatures with a line."""
    slope_sem: Floats
    """(g,)."""
    exponent: Floats
    """(g,) n of Γ ∝ Tⁿ; nan where fewer than two runs have a width."""
    exponent_sem: Floats
    """(g,)."""
    exponent_mean: float
    """Weighted mean of n; nan without any."""
    exponent_mean_sem: float

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, line="r g", line_sem="r g")
        freeze(self, sizes, float, linewidth="r g", linewidth_sem="r g")
        freeze(self, sizes, float, curve_temperatures="t", curve="t g", curve_sem="t g")
        freeze(self, sizes, float, slope="g", slope_sem="g", exponent="g", exponent_sem="g")


@dataclass(frozen=True, slots=True)
class LineSeries:
    """Results of a series of runs that were projected on the modes of one set of constants."""

    names: tuple[str, ...]
    """(r,) folders of the runs."""
    crystal: Crystal
    """Of the force constants."""
    temperatures: Floats
    """(r,), unit: K."""
    sets: SeriesSets
    lines: LineTrends
    provenance: Provenance
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, {"r": len(self.names)}, float, temperatures="r")
