"""The noun Results: everything that a run gave, as plain arrays.

The pipeline fills it from what the stages return; the rest of this room reads it through
`trajmodes.report.to_dataset`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data import ForceConstants, Modes, Supercell
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.report.projection import Conductivity, Projection, RenormalisedBands

if TYPE_CHECKING:
    from xarray import Dataset

__all__ = [
    "Bands",
    "Convergence",
    "Finding",
    "FitErrors",
    "GruneisenParameters",
    "InputFile",
    "PerturbativeWidths",
    "Provenance",
    "Reference",
    "Results",
    "RunRequirement",
    "StabilityVerdict",
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
class Convergence:
    """How the fit settles while the run grows."""

    fraction: Floats
    """(c,) part of the run used, ascending, the last one 1."""
    change: Floats
    """(c,) |Φ − Φ_full|/|Φ_full| of the pair constants."""
    freq_change_thz: Floats | None = None
    """(c,), unit: THz. Root mean square change of the commensurate frequencies."""
    order_change: Floats | None = None
    """(c, o) |Φ − Φ_full|/|Φ_full| of the constants of each order; the orders are those of
    `FitQuality.orders`, pairs first."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, float, fraction="c", change="c", freq_change_thz="c")
        freeze(self, sizes, float, order_change="c o")


@dataclass(frozen=True, slots=True)
class FitErrors:
    """Where the error bars of the constants come from."""

    method: Literal["jackknife", "sandwich"]
    """Whether blocks were left out one at a time, or only to first order."""
    n_blocks: int
    block_frames: float
    """Mean number of frames in one block."""
    inefficiency: float
    """Number of frames per independent one."""
    levelled: bool
    """Whether the error was seen to stop growing with the length of the blocks."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How far the mean positions of the run lie from the reference structure."""

    shift: Floats
    """(s, 3), unit: Å. Mean displacement of each site as far as symmetry allows it."""
    shift_sem: Floats
    """(s, 3), unit: Å. Its standard error; nan if unknown."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, shift="s 3", shift_sem="s 3")


@dataclass(frozen=True, slots=True)
class GruneisenParameters:
    """Answers of the frequencies to volume, γ = −(V/ω) ∂ω/∂V, from the cubic constants."""

    path: Floats
    """(n, m) at the points of `Results.bands`; nan where ω² is not positive."""
    path_sem: Floats | None
    """(n, m); None where the constants have no error bars."""
    sets: Floats
    """(g,) mean over each set of symmetry-equal modes; nan where ω² is not positive."""
    sets_sem: Floats | None
    """(g,); None where the constants have no error bars."""
    temperature: float
    """Temperature of the quantum mean in K."""
    classical: float
    """Mean over the zone with the same heat capacity for all modes."""
    classical_sem: float | None
    quantum: float
    """Mean over the zone with Bose–Einstein heat capacities."""
    quantum_sem: float | None
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector of the means."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, path="n m", path_sem="n m", sets="g", sets_sem="g")


@dataclass(frozen=True, slots=True)
class PerturbativeWidths:
    """Linewidths of three-phonon scattering, to stand beside those of the run."""

    quantum_thz: Floats
    """(g,), unit: THz. Full width at half maximum, Bose–Einstein occupation; nan for none."""
    classical_thz: Floats
    """(g,), unit: THz. The same with the occupation k_BT/ħω of a classical crystal."""
    temperature: float
    """In K."""
    mesh: tuple[int, int, int]
    """Points along each reciprocal lattice vector of the sum over scattering partners."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, quantum_thz="g", classical_thz="g")


@dataclass(frozen=True, slots=True)
class StabilityVerdict:
    """The mode that decides whether the crystal is stable."""

    verdict: str
    """``stable``, ``unstable`` or ``not decided``."""
    text: str
    """The verdict and its reason, in one sentence."""
    square_thz: float
    """Signed (ω/2π)² of the mode in THz²."""
    square_thz_sem: float | None
    """Its standard error in THz²; None where unknown."""
    qpoint: Floats
    """(3,) reduced coordinates of the mode's q."""
    branch: int
    """Branch of the mode at that q, from 0."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoint="3")


@dataclass(frozen=True, slots=True)
class RunRequirement:
    """How long a run must be for frequencies of a wanted error."""

    text: str
    """What is reached and what it takes, in one sentence."""
    wanted_thz: float
    """The wanted standard error of a frequency in THz."""
    duration: float
    """Length of the run so far in ps."""
    worst_thz: float
    """Largest standard error of a frequency so far in THz."""
    typical_thz: float
    """Median of the standard errors so far in THz."""
    worst_factor: float
    """How many times the run so far the mode takes that needs longest."""
    typical_factor: float
    """The same for the median of the modes."""


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a run gave. A stage that was left out is None."""

    supercell: Supercell
    constants: ForceConstants
    modes: Modes
    """At the commensurate q points."""
    bands: Bands
    provenance: Provenance
    point_names: tuple[str, ...] = ()
    """(q,) names of the special points among the commensurate q points, empty elsewhere."""
    projection: Projection | None = None
    renormalised: tuple[RenormalisedBands, ...] = ()
    conductivity: Conductivity | None = None
    convergence: Convergence | None = None
    fit_errors: FitErrors | None = None
    reference: Reference | None = None
    scheme_freq_distance_thz: float | None = None
    """Root mean square difference in THz between the commensurate frequencies of a joint fit
    and of a sequential one."""
    gruneisen: GruneisenParameters | None = None
    perturbation: PerturbativeWidths | None = None
    stability: StabilityVerdict | None = None
    requirement: RunRequirement | None = None
    diagnosis: Mapping[str, Finding] = field(default_factory=dict)
    """Name → figure of the input check."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Stage → seconds. Shown, but not stored: the same input gives the same file."""

    def __post_init__(self) -> None:
        findings = {name: Finding(*item) for name, item in self.diagnosis.items()}
        object.__setattr__(self, "diagnosis", MappingProxyType(findings))
        object.__setattr__(self, "timings", MappingProxyType(dict(self.timings)))
        object.__setattr__(self, "warnings", tuple(self.warnings))
        object.__setattr__(self, "notes", tuple(self.notes))
        object.__setattr__(self, "renormalised", tuple(self.renormalised))
        self._check_sets()
        self._check_path()
        self._check_orders()

    def _check_sets(self) -> None:
        counts = {
            "were projected on": self.projection and len(self.projection.energies.members),
            "have a Grüneisen parameter": self.gruneisen and len(self.gruneisen.sets),
            "have a perturbative width": self.perturbation
            and len(self.perturbation.quantum_thz),
            "have a mean free path": self.conductivity and len(self.conductivity.free_path),
        }
        n_sets = self.modes.n_sets
        n_q, names = len(self.modes.qpoints), len(self.point_names)
        if names not in (0, n_q):
            raise DataError(f"{n_q} q points are given, but {names} names")
        for what, count in counts.items():
            if count is not None and count != n_sets:
                raise DataError(f"the modes form {n_sets} sets, but {count} {what}")

    def _check_path(self) -> None:
        """Check that what lies on the path has the points and branches of the bands."""
        shape = self.bands.freq_thz.shape
        shapes = {f"bands from {one.kind}": one.freq_thz.shape for one in self.renormalised}
        if self.gruneisen is not None:
            shapes["Grüneisen parameters"] = self.gruneisen.path.shape
        for name, other in shapes.items():
            if other != shape:
                raise DataError(f"the bands have shape {shape}, but the {name} {other}")
        for one in self.renormalised:
            if one.replaced is not None and len(one.replaced) != self.modes.n_sets:
                raise DataError(
                    f"the modes form {self.modes.n_sets} sets, but the bands from {one.kind} "
                    f"name {len(one.replaced)}"
                )

    def _check_orders(self) -> None:
        quality = self.constants.quality
        known = len(quality.orders) if quality is not None else 0
        change = None if self.convergence is None else self.convergence.order_change
        if change is not None and change.shape[1] != known:
            raise DataError(
                f"the change of {change.shape[1]} orders is given, but the quality of {known}"
            )

    def __repr__(self) -> str:
        """Say what there is; see `to_dataset` for the numbers."""
        parts = ["constants", "modes", "bands"]
        parts += [
            name
            for name in ("projection", "gruneisen", "perturbation", "conductivity")
            if getattr(self, name) is not None
        ]
        return f"<Results: {', '.join(parts)}; {self.constants!r}>"

    def to_dataset(self) -> "Dataset":
        """All results as one xarray Dataset; see `trajmodes.report.to_dataset`."""
        from trajmodes.report.dataset import to_dataset  # noqa: PLC0415 - it imports this file

        return to_dataset(self)
