"""Types of the keywords of the Python functions, for type checkers and editors (PEP 692).

Written by ``python -m trajmodes.config.reference``: change the declarations in `groups`.
"""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    import numpy.typing as npt
    from ase import Atoms

Units = Literal[
    "metal",
    "real",
    "si",
    "lj",
    "electron",
    "micro",
    "nano",
    "cgs",
    "ase",
    "gpumd",
    "quip",
]
Accept = Literal["temperature", "time-step", "volume", "structure", "masses", "periodic"]
Scheme = Literal["sequential", "joint"]
Constraints = Literal["born-huang", "huang", "no-hermitian"]
Method = Literal["least-squares", "ridge", "lasso", "adaptive-lasso"]
DisplacementsFrom = Literal["auto", "average", "given"]
Errors = Literal["jackknife", "sandwich"]
Interpolation = Literal["cubic", "lammps", "smooth"]
Relax = Literal["nothing", "positions", "cell"]
Equation = Literal["birch-murnaghan", "vinet", "polynomial"]
StaticPart = Literal["auto", "remove", "keep"]
Imaginary = Literal["refuse", "absolute"]
Hops = Literal["refuse", "exclude"]
Outliers = Literal["refuse", "drop"]
Axes = Literal["primitive", "conventional"]
Widths = Literal["measured", "phi3"]
Line = Literal["oscillator", "fano", "two-oscillators"]
Then = Literal["detach", "kill", "pause"]


class ReadKeywords(TypedDict, total=False):
    """Keywords of all functions that read a run."""

    timestep_fs: float | None
    units: Units | None
    lj: str | Sequence[float] | None
    box: "npt.ArrayLike | None"
    forces_from: str | PathLike[str] | None
    frames: str | Sequence[int | None]
    trust_order: bool
    strict: bool
    allow_partial: bool
    species: str | Sequence[str]
    accept: Accept | Sequence[Accept]


class ConstantsKeywords(TypedDict, total=False):
    """Keywords of all functions that fit force constants."""

    cutoff2: float | str | None
    cutoff3: float | str | None
    cutoff4: float | str | None
    by_species: bool
    scheme: Scheme | None
    constraints: Constraints | Sequence[Constraints]
    no_constant_force: bool
    method: Method
    strength: float | None
    minimum_norm: bool
    displacements_from: DisplacementsFrom
    errors: Errors
    require_stable: bool


class ConvertKeywords(TypedDict, total=False):
    """Keywords of `trajmodes.convert`."""

    timestep_fs: float | None
    units: Units | None
    lj: str | Sequence[float] | None
    box: "npt.ArrayLike | None"
    forces_from: str | PathLike[str] | None
    frames: str | Sequence[int | None]
    trust_order: bool
    strict: bool
    allow_partial: bool
    workers: int | None
    float32: bool
    force: bool


class ScanKeywords(TypedDict, total=False):
    """Keywords of `ForceConstants.scan`."""

    scheme: Scheme | None
    no_constant_force: bool
    output: str | PathLike[str] | None


class MovieKeywords(TypedDict, total=False):
    """Keywords of `ForceConstants.movie`."""

    frames: int
    amplitude: float | None
    temperature: float | None


class ThermoKeywords(TypedDict, total=False):
    """Keywords of `ForceConstants.thermodynamics`."""

    output: str | PathLike[str] | None
    temperatures: str | Sequence[float]
    mesh: int | Literal["auto"]
    width_thz: float | None
    cif_temperature: float | None


class ShellKeywords(TypedDict, total=False):
    """Keywords of `trajmodes.born_von_karman`."""

    output: str | PathLike[str] | None
    shells: int
    structure: str | None
    cell: str | PathLike[str] | None
    path: str


class PotentialKeywords(ShellKeywords, total=False):
    """Keywords of `trajmodes.potential`."""

    interpolation: Interpolation
    reach: float | None
    relax: Relax
    third_order: bool
    program: str


class MinimisationKeywords(TypedDict, total=False):
    """Keywords of `trajmodes.minimised`."""

    output: str | PathLike[str] | None
    structure: str | None
    cell: str | PathLike[str] | None
    interpolation: Interpolation
    reach: float | None
    pressures_gpa: str | Sequence[float]
    classical: bool
    temperatures: str | Sequence[float]
    scheme: str | Sequence[str]
    mesh: int
    compare: str | PathLike[str] | Sequence[str | PathLike[str]]
    program: str


class ElasticKeywords(TypedDict, total=False):
    """Keywords of `ForceConstants.elasticity`."""

    output: str | PathLike[str] | None


class QuasiharmonicKeywords(ElasticKeywords, total=False):
    """Keywords of `trajmodes.quasiharmonic`."""

    temperatures: str | Sequence[float]
    mesh: int | Literal["auto"]
    order: int
    pressures_gpa: str | Sequence[float]
    equation: Equation
    classical: bool


class SpectralKeywords(ElasticKeywords, total=False):
    """Keywords of `ForceConstants.spectral_functions`."""

    temperature: float | None
    mesh: int | Literal["auto"]
    qpoints: str | Sequence[str]
    path: str
    frequencies: int
    static_part: StaticPart
    measured: str | PathLike[str] | None


class SampleKeywords(TypedDict, total=False):
    """Keywords of `ForceConstants.sample`."""

    number: int
    quantum: bool
    supercell: str | Sequence[int] | Sequence[Sequence[int]] | None
    imaginary: Imaginary
    seed: int


class SelfConsistentKeywords(SampleKeywords, total=False):
    """Keywords of `trajmodes.self_consistent`."""

    cutoff2: float | str | None
    cutoff3: float | str | None
    cutoff4: float | str | None
    scheme: Scheme | None
    constraints: Constraints | Sequence[Constraints]
    no_constant_force: bool
    method: Method
    strength: float | None
    minimum_norm: bool
    errors: Errors
    require_stable: bool
    born: str | PathLike[str] | None
    born_charges: str | Sequence[str]
    dielectric: "npt.ArrayLike | None"
    workers: int | None
    iterations: int


class SeriesKeywords(TypedDict, total=False):
    """Keywords of `trajmodes.series`."""

    timestep_fs: float | None
    cell: "str | PathLike[str] | Atoms | None"
    cutoff2: float | str | None
    path: str
    temperatures: str | Sequence[float]
    at_volume: float | None
    at_ratio: float | None


class ArraysKeywords(TypedDict, total=False):
    """Keywords of `trajmodes.from_arrays`."""

    cell: "str | PathLike[str] | Atoms | None"
    symprec: float | None
    imperfect: bool
    hops: Hops
    outliers: Outliers
    accept: Accept | Sequence[Accept]


class OpenKeywords(ReadKeywords, total=False):
    """Keywords of `trajmodes.open`."""

    supercell: str | PathLike[str] | None
    cell: "str | PathLike[str] | Atoms | None"
    symprec: float | None
    imperfect: bool
    hops: Hops
    outliers: Outliers


class FitKeywords(ConstantsKeywords, ElasticKeywords, total=False):
    """Keywords of `Run.fit`."""

    append: str | PathLike[str] | None
    born: str | PathLike[str] | None
    born_charges: str | Sequence[str]
    dielectric: "npt.ArrayLike | None"
    no_charges: bool
    perturbation: int | None
    temperature: float | None
    workers: int | None
    scheduler: str | None
    checkpoint_every: float | Literal["never"] | None
    max_hours: float | None


class SedKeywords(ElasticKeywords, total=False):
    """Keywords of `Run.sed`."""

    born: str | PathLike[str] | None
    born_charges: str | Sequence[str]
    dielectric: "npt.ArrayLike | None"
    path: str
    resolution_thz: float | None
    workers: int | None
    scheduler: str | None
    checkpoint_every: float | Literal["never"] | None
    max_hours: float | None


class SqwKeywords(ElasticKeywords, total=False):
    """Keywords of `Run.sqw`."""

    born: str | PathLike[str] | None
    born_charges: str | Sequence[str]
    dielectric: "npt.ArrayLike | None"
    resolution_thz: float | None
    q_from: str | Sequence[float] | None
    q_to: str | Sequence[float] | None
    q_across: str | Sequence[float] | None
    axes: Axes
    weights: str
    currents: bool
    widths: Widths | None
    workers: int | None
    scheduler: str | None
    checkpoint_every: float | Literal["never"] | None
    max_hours: float | None


class OnePhononKeywords(ElasticKeywords, total=False):
    """Keywords of `ForceConstants.one_phonon`."""

    resolution_thz: float | None
    q_from: str | Sequence[float] | None
    q_to: str | Sequence[float] | None
    q_across: str | Sequence[float] | None
    axes: Axes
    weights: str
    widths: Widths | None
    temperature: float | None
    classical: bool
    points: int | None


class ProjectKeywords(SedKeywords, total=False):
    """Keywords of `Run.project`."""

    perturbation: int | None
    temperature: float | None
    line: Line
    baseline: bool
    maximum_entropy: int | None
    energy_covariance: bool
    save_amplitudes: str | Sequence[str]
    conductivity: int | Literal["auto", True] | None
    thickness: float | None


class FitRunsKeywords(FitKeywords, OpenKeywords, total=False):
    """Keywords of `trajmodes.fit_runs`."""


class RunKeywords(ProjectKeywords, ConstantsKeywords, ReadKeywords, total=False):
    """Keywords of `trajmodes.run`."""

    supercell: str | PathLike[str] | None
    cell: "str | PathLike[str] | Atoms | None"
    symprec: float | None
    imperfect: bool
    no_charges: bool


class LiveKeywords(ReadKeywords, ScanKeywords, total=False):
    """Keywords of `trajmodes.live`."""

    supercell: str | PathLike[str] | None
    cell: "str | PathLike[str] | Atoms | None"
    symprec: float | None
    cutoff2: float | str | None
    cutoff3: float | str | None
    cutoff4: float | str | None
    constraints: Constraints | Sequence[Constraints]
    method: Method
    strength: float | None
    minimum_norm: bool
    displacements_from: DisplacementsFrom
    errors: Errors
    require_stable: bool
    born: str | PathLike[str] | None
    born_charges: str | Sequence[str]
    dielectric: "npt.ArrayLike | None"
    no_charges: bool
    perturbation: int | None
    temperature: float | None
    path: str
    force_constants: str | PathLike[str] | None
    resolution_thz: float | None
    line: Line
    baseline: bool
    maximum_entropy: int | None
    energy_covariance: bool
    save_amplitudes: str | Sequence[str]
    conductivity: int | Literal["auto", True] | None
    thickness: float | None
    workers: int | None
    until: str
    then: Then
    record: str | PathLike[str] | None
    renew: float
    wait: float


class MoleculeKeywords(ReadKeywords, ElasticKeywords, total=False):
    """Keywords of `trajmodes.molecule`."""

    resolution_thz: float | None
    line: Line
    baseline: bool
    save_amplitudes: str | Sequence[str]
    reference: str | PathLike[str] | None
    hessian: str | PathLike[str] | None
    series: bool
    workers: int | None
    scheduler: str | None
    checkpoint_every: float | Literal["never"] | None
    max_hours: float | None
