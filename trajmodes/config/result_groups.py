"""The options of commands that read results and not a run, declared as those in `groups`."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.live import LiveOptions
from trajmodes.config.option import Group, option
from trajmodes.config.quasiharmonic import MinimisationOptions, QuasiharmonicOptions
from trajmodes.config.running import ConvertOptions
from trajmodes.config.scattering import OnePhononOptions
from trajmodes.config.terminal import (
    CompletionOptions,
    InitOptions,
    PlotOptions,
    ReportOptions,
    TableOptions,
    TerminalOptions,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieOptions(Group):
    """Movie of a mode."""

    title: ClassVar = "Movie"
    commands: ClassVar = "movie"

    frames: int = option(
        "Frames in one period.", default=40, kind=kinds.whole(2, 100_000), metavar="N"
    )
    amplitude: float | None = option(
        "Largest displacement of an atom in Å.",
        metavar="Å",
        unset="0.3, or that at the temperature",
    )
    temperature: float | None = option(
        "Take the amplitude of the mode at this temperature in K.", metavar="K"
    )
    output: str = option("File of the movie.", default="mode.xyz", metavar="FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermoOptions(Group):
    """Thermodynamics of force constants."""

    title: ClassVar = "Thermodynamics"
    commands: ClassVar = "thermo"

    temperatures: tuple[float, ...] = option(
        "Temperatures in K: FIRST:LAST:STEP, or numbers separated by commas.",
        default=tuple(map(float, range(0, 1501, 10))),
        commands="thermo quasiharmonic",
        kind=kinds.TEMPERATURES,
        metavar="K:K:K",
        unset="0:1500:10",
    )
    mesh: int | Literal["auto"] = option(
        "Mesh of N × N × N points over the Brillouin zone; auto: one that is fine enough.",
        default=kinds.FINE_MESH,
        kind=kinds.MESH,
        commands="thermo free-energy quasiharmonic",
        metavar="N|auto",
    )
    width_thz: float | None = option(
        "Standard deviation in THz of Gaussians that smear the density of states.",
        kind=kinds.number(1e-6, 1e3),
        metavar="THZ",
        unset="none: linear tetrahedra",
    )
    cif_temperature: float | None = option(
        "Temperature in K of the mean square displacements in the CIF file; it is added to the "
        "temperatures.",
        kind=kinds.number(1e-6, 1e5),
        metavar="K",
        unset="that of the force constants, or 300",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesOptions(Group):
    """Runs at several temperatures."""

    title: ClassVar = "Series of runs"
    commands: ClassVar = "series"

    temperatures: tuple[float, ...] = option(
        "Temperatures in K of the runs, in their order.",
        default=(),
        kind=kinds.TEMPERATURES,
        metavar="K,K,K",
        unset="those of the force constants",
    )
    at: tuple[float, ...] = option(
        "Temperatures in K at which interpolated force constants are written.",
        default=(),
        kind=kinds.TEMPERATURES,
        metavar="K,K",
        unset="none",
    )
    at_volume: float | None = option(
        "Volume in Å³ of the primitive cell of these force constants, if runs of one "
        "temperature have different volumes.",
        kind=kinds.number(1e-3, 1e9),
        metavar="Å³",
        unset="the geometric mean of those of the runs",
    )
    at_ratio: float | None = option(
        "Axial ratio c/a of these force constants, if runs of one temperature and volume have "
        "different ones.",
        kind=kinds.number(1e-3, 1e3),
        metavar="RATIO",
        unset="the geometric mean of those of the runs",
    )
    extrapolate: bool = option(
        "Accept temperatures, volumes and c/a outside the range of the runs; otherwise an "
        "error.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectralOptions(Group):
    """Spectral functions of modes from third-order force constants."""

    title: ClassVar = "Spectral functions"
    commands: ClassVar = "spectral-function"

    temperature: float | None = option(
        "Temperature in K.",
        kind=kinds.number(1e-3, 1e5),
        metavar="K",
        unset="that of the measured run, or that of the force constants",
    )
    mesh: int | Literal["auto"] = option(
        "Mesh of at least N × N × N points in the sum over scattering that includes the q "
        "points of the supercell; auto: one for a first look. Compare two.",
        default=kinds.FINE_MESH,
        kind=kinds.MESH,
        metavar="N|auto",
    )
    qpoints: tuple[str, ...] = option(
        'Point of the mesh, such as X or "1/2 0 0". May be repeated.',
        default=(),
        metavar="Q",
        unset="the points of the mesh on the path",
    )
    path: str = option(
        'Path through the Brillouin zone: auto, or points such as "G X W | 0,0,0 1/2,1/2,1/2".',
        default="auto",
        metavar="POINTS",
    )
    frequencies: int = option(
        "Frequencies at which the self-energy is calculated, up to twice the highest of the "
        "crystal.",
        default=400,
        kind=kinds.whole(50, 100_000),
        metavar="N",
    )
    static_part: Literal["auto", "remove", "keep"] = option(
        "Remove the static part of the self-energy, which force constants fitted to a run "
        "contain, or keep it, for those of the potential minimum, of sctdep or of a joint fit; "
        "auto: by the origin in the file, or else remove it if there is a temperature.",
        default="auto",
    )
    measured: str | None = option(
        "Results of a projected run of the same crystal, whose spectra are drawn beside.",
        metavar="FOLDER",
        is_path=True,
        unset="the folder of the force constants, if it has spectra",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellOptions(Group):
    """Born–von Kármán constants of neighbour shells."""

    title: ClassVar = "Neighbour shells"
    commands: ClassVar = "bvk potential"

    shells: int = option(
        "Number of neighbour shells, nearest first.",
        default=5,
        kind=kinds.whole(1, 200),
        metavar="N",
    )
    compare: tuple[str, ...] = option(
        "Another model of the same crystal: force constants, or a table of constants. May be "
        "repeated.",
        default=(),
        is_path=True,
        metavar="SOURCE",
    )
    structure: str | None = option(
        "Crystal of a potential or of measured frequencies, such as fcc:4.08:Au, "
        "rocksalt:5.64:NaCl or hcp:3.21,5.21:Mg, lengths in Å.",
        commands="bvk potential qha",
        metavar="NAME:a:SYMBOLS",
    )
    cell: str | None = option(
        "Cell file of the crystal of a potential or of measured frequencies.",
        commands="bvk potential qha",
        metavar="FILE",
        is_path=True,
    )
    path: str = option(
        'Path through the Brillouin zone: auto, or points such as "G X W | 0,0,0 1/2,1/2,1/2".',
        default="auto",
        metavar="POINTS",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PotentialOptions(Group):
    """Potentials of files."""

    title: ClassVar = "Potential"
    commands: ClassVar = "potential"

    interpolation: Literal["cubic", "lammps", "smooth"] = option(
        "Interpolation of tables: cubic splines, polynomials as in LAMMPS, or smooth, a fit "
        "that removes the rounding of tables of few digits.",
        default="cubic",
        commands="potential qha",
    )
    reach: float | None = option(
        "Distance in Å at which a displaced atom changes forces of a potential of LAMMPS.",
        kind=kinds.number(0.1, 100.0),
        commands="potential qha",
        metavar="Å",
    )
    relax: Literal["nothing", "positions", "cell"] = option(
        "Relax the positions of the atoms, or positions and cell, before all else.",
        default="nothing",
    )
    third_order: bool = option(
        "Calculate force constants of third order too, and Grüneisen parameters of them.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions(Group):
    """Files for other programs."""

    title: ClassVar = "Export"
    commands: ClassVar = "export"

    to: tuple[str, ...] = option(
        "Program to write for: phonopy, phono3py, shengbte, tdep, alamode or hdf5. May be "
        "repeated.",
        default=(),
        metavar="PROGRAM",
        is_required=True,
    )
    output: str | None = option(
        "Folder to write to.", metavar="FOLDER", unset="export in the folder of the fit"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeEnergyOptions(Group):
    """Free energy of a run from its potential energies."""

    title: ClassVar = "Free energy"
    commands: ClassVar = "free-energy"

    energies: tuple[str, ...] = option(
        "Potential energies of the frames: a log of LAMMPS, its YAML output, extended XYZ, a "
        "yaml file of phonopy, or any file that ASE reads. May be repeated, once for each run.",
        default=(),
        is_path=True,
        metavar="FILE",
        unset="those in the trajectory",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions(Group):
    """Configurations drawn from the canonical distribution of force constants."""

    title: ClassVar = "Configurations"
    commands: ClassVar = "sample sctdep"

    temperature: float = option(
        "Temperature in K.", kind=kinds.NOT_NEGATIVE, metavar="K", is_required=True
    )
    number: int = option(
        "Number of configurations, in each iteration.",
        default=50,
        kind=kinds.whole(1, 1_000_000),
        metavar="N",
    )
    quantum: bool = option(
        "Occupy modes as Bose and Einstein, with zero-point motion; otherwise as Boltzmann.",
        default=False,
    )
    supercell: tuple[int, ...] | None = option(
        "Supercell in units of the primitive cell: three whole numbers, or nine for its "
        "vectors.",
        kind=kinds.SUPERCELL,
        metavar="A,B,C",
        keyword_type="str | Sequence[int] | Sequence[Sequence[int]] | None",
        unset="that of the force constants",
    )
    imaginary: Literal["refuse", "absolute"] = option(
        "Treat imaginary modes as an error, or give them the frequency |ω|.",
        default="refuse",
    )
    seed: int = option(
        "Seed of the random numbers; the same seed gives the same configurations.",
        default=1,
        kind=kinds.whole(0, 2**32 - 1),
        metavar="N",
    )
    to: Literal["xyz", "lammps", "vasp"] = option(
        "Extended XYZ (one file, with velocities), data files of LAMMPS (with velocities), or "
        "POSCARs.",
        default="xyz",
        commands="sample",
    )
    output: str = option(
        "Folder to write to.", default="configurations", commands="sample", metavar="FOLDER"
    )
    iterations: int = option(
        "Most iterations of configurations, forces and fit.",
        default=20,
        kind=kinds.whole(1, 1000),
        commands="sctdep",
        metavar="N",
    )
    lammps: tuple[str, ...] = option(
        'Command of LAMMPS that defines the potential, in units metal, such as "pair_style '
        'sw"; atom types are numbered in the order of the crystal. May be repeated.',
        default=(),
        commands="sctdep",
        metavar="COMMAND",
        is_required=True,
    )
    program: str = option(
        'Program that runs LAMMPS, such as "mpirun -np 4 lmp".',
        default="lmp",
        commands="sctdep potential qha",
        metavar="COMMAND",
    )


OF_OTHER_COMMANDS: tuple[type[Group], ...] = (
    InitOptions,
    CompletionOptions,
    TerminalOptions,
    ConvertOptions,
    TableOptions,
    ReportOptions,
    PlotOptions,
    MovieOptions,
    SpectralOptions,
    ThermoOptions,
    SeriesOptions,
    ShellOptions,
    PotentialOptions,
    ExportOptions,
    FreeEnergyOptions,
    QuasiharmonicOptions,
    MinimisationOptions,
    SampleOptions,
    OnePhononOptions,
    LiveOptions,
)
"""Options of commands that read results and not a run."""
