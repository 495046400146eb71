"""The noun Results: everything that a run gave, as plain arrays.

The pipeline fills it from what the stages return; the rest of this room reads it through
`trajmodes.report.to_dataset`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data import (
    ForceConstants,
    LineFits,
    ModeEnergies,
    Modes,
    PowerSpectra,
    Supercell,
)
from trajmodes.errors import DataError

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = [
    "Bands",
    "Convergence",
    "Finding",
    "InputFile",
    "Projection",
    "Provenance",
    "Results",
    "SpectralMap",
]


class Finding(NamedTuple):
    """One figure that a check of the input gave."""

    value: float
    """The number; nan where only the text says something."""
    unit: str
    """Its unit, empty for a pure number."""
    text: str
    """What it means, in a few words."""


class InputFile(NamedTuple):
    """A file that was read."""

    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the results were made from, and with what.

    It holds no time of day: the same input gives the same file.
    """

    versions: Mapping[str, str]
    """Program and library → version; ``trajmodes`` among them."""
    inputs: tuple[InputFile, ...]
    command: str
    """The command line, or the call."""
    run_file: str
    """Text of run.toml as resolved."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))
        object.__setattr__(self, "inputs", tuple(InputFile(*item) for item in self.inputs))


@dataclass(frozen=True, slots=True)
class Bands:
    """Frequencies along a path through the Brillouin zone."""

    distance: Floats
    """(n,), unit: 1/Å. Length of the path up to each point, 2π included."""
    qpoints: Floats
    """(n, 3), reduced coordinates, no 2π."""
    freq_thz: Floats
    """(n, m), unit: THz. Negative means imaginary."""
    freq_thz_sem: Floats | None
    """(n, m), unit: THz; None where the constants have no error bars."""
    breaks: Ints
    """(j,) index of the first point of each segment that does not join the one before."""
    tick_positions: Floats
    """(k,), unit: 1/Å. Distance of each named point, ascending; two at a break."""
    tick_labels: tuple[str, ...]
    """(k,) names of the points, such as GAMMA or X."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tick_labels", tuple(self.tick_labels))
        sizes = {"k": len(self.tick_labels)}
        freeze(self, sizes, float, distance="n", qpoints="n 3", tick_positions="k")
        freeze(self, sizes, float, freq_thz="n m", freq_thz_sem="n m")
        freeze(self, sizes, int, breaks="j")


@dataclass(frozen=True, slots=True)
class SpectralMap:
    """Velocity spectra summed over branches at the commensurate points of the band path."""

    distance: Floats
    """(k,), unit: 1/Å. Place on the path, on the scale of `Bands.distance`."""
    freq_thz: Floats
    """(w,), unit: THz."""
    power: Floats
    """(k, w), unit: eV/THz."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, distance="k", freq_thz="w", power="k w")


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the fit settles while the run grows."""

    fraction: Floats
    """(c,) part of the run used, ascending, the last one 1."""
    change: Floats
    """(c,) |x − x_full|/|x_full| of the fitted parameters."""
    freq_change_thz: Floats | None = None
    """(c,), unit: THz. Root mean square change of the commensurate frequencies."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, fraction="c", change="c", freq_change_thz="c")


@dataclass(frozen=True, slots=True)
class Projection:
    """What the projection on the modes gave for each set (g) of symmetry-equal modes."""

    energies: ModeEnergies
    spectra: PowerSpectra
    lines: LineFits
    line_models: Floats
    """(g, w), unit: eV/THz. Fitted lines on the grid of the spectra; nan outside the window."""
    spectral_map: SpectralMap | None = None

    def __post_init__(self) -> None:
        n_sets, n_bins = self.spectra.power.shape
        freeze(self, {"g": n_sets, "w": n_bins}, float, line_models="g w")
        counts = {len(self.energies.members), n_sets, len(self.lines.verdicts)}
        if len(counts) > 1:
            raise DataError(f"energies, spectra and lines have {sorted(counts)} sets of modes")


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a run gave. A stage that was left out is None."""

    supercell: Supercell
    constants: ForceConstants
    modes: Modes
    """At the commensurate q points."""
    bands: Bands
    provenance: Provenance
    projection: Projection | None = None
    convergence: Convergence | None = None
    diagnosis: Mapping[str, Finding] = field(default_factory=dict)
    """Name → figure of the input check."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Stage → seconds. Shown, but not stored: the same input gives the same file."""

    def __post_init__(self) -> None:
        findings = {name: Finding(*item) for name, item in self.diagnosis.items()}
        object.__setattr__(self, "diagnosis", MappingProxyType(findings))
        object.__setattr__(self, "timings", MappingProxyType(dict(self.timings)))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        object.__setattr__(self, "notes", tuple(self.notes))
        n_sets = self.modes.n_sets
        if self.projection is not None and len(self.projection.energies.members) != n_sets:
            raise DataError(
                f"the modes form {n_sets} sets, but "
                f"{len(self.projection.energies.members)} were projected on"
            )

    def to_dataset(self) -> "Dataset":
        """All results as one xarray Dataset; see `trajmodes.report.to_dataset`."""
        from trajmodes.report.dataset import to_dataset  # noqa: PLC0415 - it imports this file

        return to_dataset(self)
