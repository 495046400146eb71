"""All results of a run, and their provenance.

The stages compute the parts, the pipeline combines them, and the report shows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.anharmonic import (
    Conductivity,
    GruneisenParameters,
    ModeSpectra,
    PerturbativeWidths,
    WidthComparison,
)
from trajmodes.data.bands import Bands, RenormalisedBands, SpectralMap
from trajmodes.data.charges import PolarModes
from trajmodes.data.crystal import Occupation, Supercell
from trajmodes.data.energies import (
    Anharmonicity,
    EnergyCovariance,
    Ensemble,
    Equipartition,
    FreeEnergy,
    ModeEnergies,
)
from trajmodes.data.force_constants import (
    Convergence,
    FitErrors,
    ForceConstants,
    Reference,
    Shells,
)
from trajmodes.data.imperfect.species_constants import SpeciesConstants
from trajmodes.data.modes import Modes, RunLength, Stability
from trajmodes.data.motion import BoxMotion
from trajmodes.data.spectra import (
    EnergyLifetimes,
    LineData,
    LineFits,
    MaximumEntropySpectra,
    OnePhonon,
    PowerSpectra,
    StructureFactor,
    Wavevectors,
    Weights,
)
from trajmodes.data.static.energies import StaticProjection
from trajmodes.data.thermo import (
    Bending,
    Elasticity,
    PhononDensity,
    RunDisplacements,
    Slab,
    ThermalExpansion,
    Thermodynamics,
)
from trajmodes.errors import DataError
from trajmodes.notes import Note


class Finding(NamedTuple):
    """A number found by a check of the input."""

    value: float
    """nan if the check gives text only."""
    unit: str
    """Empty for a dimensionless number."""
    text: str
    """Short description."""


class InputFile(NamedTuple):
    """A file that was read."""

    name: str
    n_bytes: int
    sha256: str
    has_grown: bool = False
    """Whether a program appended to it while it was read."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Inputs, program versions and command of the results.

    There are no time stamps: the same input gives the same file.
    """

    versions: Mapping[str, str]
    """Program and library → version; ``trajmodes`` among them."""
    inputs: tuple[InputFile, ...]
    command: str
    """The command line, or the call."""
    run_file: str
    """Text of run.toml with all options."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))


@dataclass(frozen=True, slots=True)
class Projection:
    """Results of the projection for each set (g) of symmetry-equivalent modes."""

    energies: ModeEnergies
    spectra: PowerSpectra | None = None
    """Up to the Nyquist frequency; None where frames are too few or uneven."""
    lines: LineFits | None = None
    """None without spectra."""
    line_data: LineData | None = None
    """Data and model of each line fit; None without spectra."""
    lifetimes: EnergyLifetimes | None = None
    """From the autocorrelation of the mode energies."""
    density: Floats | None = None
    """(s, 3, w), unit: eV ps/rad. Velocity spectra of an atom on each site (s) along each
    direction, at the frequencies of `spectra`: ∫₀^∞ S dω = ½M⟨v_x²⟩. The sum over sites and
    directions equals the sum over all modes of one primitive cell."""
    anharmonicity: Anharmonicity | None = None
    """σ about the force constants of the modes; None where the run has no forces."""
    equipartition: Equipartition | None = None
    ensemble: Ensemble | None = None
    covariance: EnergyCovariance | None = None
    maximum_entropy: MaximumEntropySpectra | None = None
    spectral_map: SpectralMap | None = None
    timestep_ps: float | None = None
    """Time step of the simulation; None if unknown, or if velocities are differences."""

    def __post_init__(self) -> None:
        parts = (
            self.energies.members,
            self.spectra.power if self.spectra else None,
            self.lines.verdicts if self.lines else None,
            self.line_data.omega if self.line_data else None,
            self.lifetimes.verdicts if self.lifetimes else None,
            self.equipartition.z if self.equipartition else None,
            self.covariance.correlation if self.covariance else None,
            self.anharmonicity.by_set if self.anharmonicity else None,
            self.maximum_entropy.power if self.maximum_entropy else None,
        )
        counts = {len(part) for part in parts if part is not None}
        if len(counts) > 1:
            raise DataError(f"energies, spectra and lines have {sorted(counts)} sets of modes")
        grid = {} if self.spectra is None else {"w": len(self.spectra.omega)}
        freeze(self, grid, float, density="s 3 w")

    @property
    def disagreement(self) -> Floats | None:
        """(g,) difference of the two lifetimes of a set in combined standard errors.

        The lifetime from the energy autocorrelation minus that from the linewidth. Both come
        from one run, so that the errors added in quadrature are an upper bound. nan where one
        is not resolved; None without spectra.
        """
        one, other = self.lines, self.lifetimes
        if one is None or other is None:
            return None
        apart: Floats = other.lifetime_ps - one.lifetime_ps
        return apart / np.hypot(other.lifetime_ps_sem, one.lifetime_ps_sem)


@dataclass(frozen=True, slots=True)
class Results:
    """All results of a run; stages that did not run are None.

    `trajmodes.results.dataset.to_dataset` converts them to an xarray Dataset.
    """

    supercell: Supercell
    constants: ForceConstants
    modes: Modes
    """At the commensurate q points."""
    bands: Bands
    provenance: Provenance
    point_names: tuple[str, ...] = ()
    """(q,) names of special points among the commensurate q points; empty for others."""
    shells: tuple[Shells, ...] = ()
    """The force constants by neighbour shell, for each order."""
    occupation: Occupation | None = None
    """Atoms on the sites; None in a perfect crystal."""
    by_species: SpeciesConstants | None = None
    """Force constants of an alloy by pair of species; None unless they were asked for."""
    box: BoxMotion | None = None
    """Mean box and its fluctuation; None if the box is fixed."""
    projection: Projection | None = None
    displaced: StaticProjection | None = None
    """Of displacements alone, in place of the projection of a run without velocities."""
    run_displacements: RunDisplacements | None = None
    """⟨uu⟩ of the sites; None where the run is not projected."""
    renormalised: tuple[RenormalisedBands, ...] = ()
    conductivity: Conductivity | None = None
    covariance_frames: int | None = None
    """Frames from whose displacements the force constants come; None for those of forces."""
    convergence: Convergence | None = None
    fit_errors: FitErrors | None = None
    """Replicates from which the error bars of the force constants are computed."""
    reference: Reference | None = None
    scheme_omega_distance: float | None = None
    """Root mean square difference in rad/ps between the commensurate frequencies of joint and
    sequential fits."""
    gruneisen: GruneisenParameters | None = None
    density: PhononDensity | None = None
    """Density of states of the force constants; None with very many branches."""
    polar: PolarModes | None = None
    """Optic modes at Γ with and without macroscopic field; None without Born charges."""
    perturbation: PerturbativeWidths | None = None
    comparison: WidthComparison | None = None
    """Linewidths of the run compared with perturbation theory."""
    stability: Stability | None = None
    run_length: RunLength | None = None
    """Length of run required for a given standard error of the frequencies."""
    diagnosis: Mapping[str, Finding] = field(default_factory=dict)
    """Name → finding of a check of the input."""
    not_done: tuple[Note, ...] = ()
    """What was not computed, why not, and how to write a run that allows it."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    """Stage → seconds; shown, but not stored, so that files are reproducible."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "diagnosis", MappingProxyType(dict(self.diagnosis)))
        object.__setattr__(self, "timings", MappingProxyType(dict(self.timings)))
        self._check_sets()
        self._check_path()
        self._check_orders()

    def _check_sets(self) -> None:
        counts = {
            "were projected on": self.projection and len(self.projection.energies.members),
            "were displaced": self.displaced and len(self.displaced.energies.members),
            "have a Grüneisen parameter": self.gruneisen and len(self.gruneisen.sets),
            "have a mean free path": self.conductivity and len(self.conductivity.free_path),
        }
        for one in self.renormalised:
            counts[f"are in the bands from {one.kind}"] = (
                None if one.own is None else len(one.own)
            )
        n_sets = self.modes.n_sets
        n_q, names = len(self.modes.qpoints), len(self.point_names)
        if names not in (0, n_q):
            raise DataError(f"{n_q} q points are given, but {names} names")
        for what, count in counts.items():
            if count is not None and count != n_sets:
                raise DataError(f"the modes form {n_sets} sets, but {count} {what}")
        widths = self.perturbation
        if widths is not None and not self.modes.are_at(widths.qpoints):
            raise DataError(
                "the perturbative linewidths and the modes have different q points",
                fix="compute them with perturbative_linewidths(…, qpoints=modes.qpoints)",
            )

    def _check_path(self) -> None:
        """Check that all data along the path have the points and branches of the bands."""
        shape = self.bands.omega.shape
        shapes = {f"bands from {one.kind}": one.bands.omega.shape for one in self.renormalised}
        if self.gruneisen is not None:
            shapes["Grüneisen parameters"] = self.gruneisen.path.shape
        for name, other in shapes.items():
            if other != shape:
                raise DataError(f"the bands have shape {shape}, but the {name} {other}")

    def _check_orders(self) -> None:
        quality = self.constants.quality
        known = len(quality.orders) if quality is not None else 0
        if self.convergence is not None and self.convergence.change.shape[1] != known:
            raise DataError(
                f"the convergence has {self.convergence.change.shape[1]} orders, but the "
                f"quality has {known}"
            )

    def __repr__(self) -> str:
        """Summarise; `trajmodes.results.dataset.to_dataset` gives the numbers."""
        parts = ["constants", "modes", "bands"]
        parts += [
            name
            for name in ("projection", "gruneisen", "perturbation", "conductivity")
            if getattr(self, name) is not None
        ]
        return f"<Results: {', '.join(parts)}; {self.constants!r}>"


@dataclass(frozen=True, slots=True)
class SpectralEnergy:
    """Spectral energy density of a run along a path."""

    supercell: Supercell
    bands: Bands
    """Bands along the path; without branches where there are no force constants."""
    map: SpectralMap
    provenance: Provenance
    not_done: tuple[Note, ...] = ()
    """What was not computed, why not, and what would allow it."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Scattering:
    """Coherent dynamic structure factor of a run, of force constants, or of both."""

    waves: Wavevectors
    """The scattering vectors Q; with a run, those that its supercell admits."""
    weights: Weights
    axes: str
    """Reciprocal lattice units of hkl: primitive or conventional."""
    omega: Floats
    """(w,), unit: rad/ps."""
    resolution: float
    """Full width at half maximum of a narrow line, in rad/ps."""
    provenance: Provenance
    supercell: Supercell | None = None
    """The simulated crystal; None without a run."""
    measured: StructureFactor | None = None
    """None without a run."""
    temperature: float | None = None
    """In K, of the occupations and of the Debye–Waller factor of the force constants."""
    quantum: bool | None = None
    """Whether the occupations are those of Bose and Einstein; None without force constants."""
    lines: OnePhonon | None = None
    """One-phonon lines at the Q; None without force constants."""
    power: Floats | None = None
    """(k, w), unit: ps/rad. One-phonon S(Q, ω) of the lines, as broad as the resolution."""
    power_sem: Floats | None = None
    """(k, w) standard error; None where the force constants have none."""
    path: Wavevectors | None = None
    """With a run and force constants on a line: Q between those of the run."""
    path_lines: OnePhonon | None = None
    """One-phonon lines there."""
    not_done: tuple[Note, ...] = ()
    """What was not computed, why not, and what would allow it."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        freeze(self, {}, float, omega="w", power="k w", power_sem="k w")


@dataclass(frozen=True, slots=True)
class CrystalProperties:
    """Properties of a crystal from its force constants alone."""

    constants: ForceConstants
    provenance: Provenance
    thermodynamics: Thermodynamics | None = None
    elasticity: Elasticity | None = None
    bending: Bending | None = None
    """None for crystals that are no layers."""
    slab: Slab | None = None
    """None for crystals that are no slabs of several atomic layers."""
    expansion: ThermalExpansion | None = None
    """None without force constants of third order."""
    spectra: ModeSpectra | None = None
    free_energy: FreeEnergy | None = None
    """That of the runs that the force constants were fitted to; None without energies."""
    run_displacements: RunDisplacements | None = None
    """None without a run."""
    warnings: tuple[Note, ...] = ()
    notes: tuple[Note, ...] = ()
