"""The options of runs, in the groups that the stages take; see `result_groups` for the others.

To add an option, add a field here: the command line, the job file, the keywords in Python and
``docs/options.md`` follow. ``commands`` names the commands that take the options of a group;
in Python, `trajmodes.open` takes those of ``check``.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from trajmodes.config import kinds
from trajmodes.config.option import Group, option
from trajmodes.errors import UsageError

CRYSTAL = "check run live fit project sed sqw"
"""Commands that read a run of a crystal."""

LammpsUnits = Literal["metal", "real", "si", "lj", "electron", "micro", "nano", "cgs"]
ProgramUnits = Literal["ase", "gpumd", "quip"]
Acceptable = Literal["temperature", "time-step", "volume", "structure", "masses", "periodic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions(Group):
    """How to read the trajectory, and what its file does not contain."""

    title: ClassVar = "Reading the trajectory"
    commands: ClassVar = f"{CRYSTAL} molecule convert"

    timestep_fs: float | None = option(
        "Time step of the simulation in fs; the time between frames if the file does not "
        "number its steps.",
        commands=f"{CRYSTAL} molecule convert series init",
        metavar="FS",
        unset="from the file",
    )
    units: Literal[LammpsUnits, ProgramUnits] | None = option(
        "Unit style of LAMMPS, or the program that wrote an extended XYZ file (ase, gpumd, "
        "quip).",
        commands=f"{CRYSTAL} molecule convert init",
        unset="from the file",
    )
    lj: tuple[float, float, float] | None = option(
        "ε in eV, σ in Å and the mass in Da that define the unit style lj.",
        kind=kinds.LJ_UNITS,
        metavar="EV,Å,DA",
    )
    box: tuple[float, ...] | Literal["average"] | None = option(
        "Box in Å for a file without one: three lengths, or nine numbers for three vectors. "
        "The word average is for a run at constant pressure: displacements are counted in the "
        "average box.",
        kind=kinds.BOX,
        metavar="A,B,C|average",
        keyword_type='"npt.ArrayLike | None"',
        unset="from the file",
    )
    supercell: str | None = option(
        "Supercell without displacements, for a file that holds displacements only (DFSET).",
        commands=CRYSTAL,
        metavar="FILE",
        is_path=True,
    )
    forces_from: str | None = option(
        "Forces and velocities of the same run in another file, or a pattern of files; frames "
        "are matched by step, atoms by id.",
        metavar="FILE",
        is_path=True,
    )
    frames: tuple[int, int | None, int] = option(
        "Frames to use, such as 2000: to skip the first two thousand, or ::10 for every tenth.",
        default=(0, None, 1),
        kind=kinds.FRAMES,
        metavar="START:STOP:STRIDE",
        unset="all",
    )
    trust_order: bool = option(
        "Accept atoms without ids, in the order of the file; otherwise an error.", default=False
    )
    strict: bool = option(
        "Treat an incomplete last frame as an error; otherwise it is left out.", default=False
    )
    allow_partial: bool = option(
        "Use the frames before the damage in a compressed file; otherwise damage is an error.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchOptions(Group):
    """How to match the trajectory to its crystal."""

    title: ClassVar = "Crystal"
    commands: ClassVar = CRYSTAL

    cell: str | None = option(
        "File with the crystal or a supercell: POSCAR, CIF, LAMMPS data, or what ASE reads; in "
        "Python ASE Atoms too. For a run without positions, a structure of its own atoms.",
        commands=f"{CRYSTAL} series init",
        metavar="FILE",
        keyword_type='"str | PathLike[str] | Atoms | None"',
        unset="found from the average structure",
        is_path=True,
    )
    symprec: float | None = option(
        "Distance in Å within which atoms of the cell file are moved to symmetric positions.",
        kind=kinds.number(1e-6, 1.0),
        metavar="Å",
        unset="0.001; a cell without symmetry is compared with the average structure",
    )
    species: tuple[str, ...] = option(
        "Chemical symbols of atom types 1, 2, …, such as Ga,N; of a file without types one for "
        "all atoms, or one for each.",
        default=(),
        kind=kinds.SYMBOLS,
        commands=f"{CRYSTAL} molecule init",
        metavar="SYMBOLS",
        unset="from the file",
    )
    imperfect: bool = option(
        "Take an alloy, isotopes, vacancies or interstitials: the cell is that of the perfect "
        "crystal, whose sites may have other elements or masses or be empty; atoms on no site "
        "are left out; otherwise an error.",
        default=False,
        commands="check run fit project",
    )
    hops: Literal["refuse", "exclude"] = option(
        "Treat frames in which an atom has left its site as an error, or exclude them.",
        default="refuse",
        commands="check fit",
    )
    outliers: Literal["refuse", "drop"] = option(
        "Treat frames with a value beyond any thermal motion as an error, or drop them.",
        default="refuse",
        commands="check fit",
    )
    accept: tuple[Acceptable, ...] = option(
        "Use a run although its temperatures disagree, of velocities and forces or of the "
        "species; although its motion shows another time step; although its volume is far "
        "from that of the cell file, which is scaled to it; although its atoms are far from "
        "the sites; although atoms on equivalent sites differ in mass, of which the mean is "
        "taken; or although a molecule is bonded to its images. May be repeated; the results "
        "say so.",
        default=(),
        commands=f"{CRYSTAL} molecule",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceConstantOptions(Group):
    """How to fit force constants."""

    title: ClassVar = "Fit of force constants"
    commands: ClassVar = "run live fit sctdep"

    cutoff2: float | str | None = option(
        "Cutoff in Å of the second-order force constants, or supercell for all pairs in it. "
        'Pairs of species may have cutoffs of their own: "8 Si-O:5".',
        kind=kinds.CUTOFF_OR_ALL,
        commands="run live fit sctdep series",
        also=("cutoff",),
        metavar="Å|supercell",
        unset="the largest that the supercell admits, with 4096 neighbours at most, or "
        "supercell if that predicts better",
    )
    cutoff3: float | str | None = option(
        "Cutoff in Å of the third-order force constants, or supercell for all triplets in it. "
        "Beyond the sphere inscribed in the supercell, nearest images share the constants.",
        kind=kinds.CUTOFF_OR_ALL,
        metavar="Å|supercell",
        unset="no third order",
    )
    cutoff4: float | str | None = option(
        "Cutoff in Å of the fourth-order force constants, or supercell for all quartets in it; "
        "needs cutoff3.",
        kind=kinds.CUTOFF_OR_ALL,
        metavar="Å|supercell",
        unset="no fourth order",
    )
    by_species: bool = option(
        "Also fit second-order force constants of an alloy for each pair of species; needs "
        "--imperfect and --cutoff2.",
        default=False,
        commands="run fit",
    )
    scheme: Literal["sequential", "joint"] | None = option(
        "Fit each order to the forces that the lower orders leave, or all orders at once.",
        unset="sequential; joint for a fit to displaced supercells of different sizes",
        commands="run live fit scan sctdep",
    )
    constraints: tuple[Literal["born-huang", "huang", "no-hermitian"], ...] = option(
        "Impose rotational invariance (born-huang) or zero stress (huang), or do not require "
        "that D(q) is Hermitian (no-hermitian). May be repeated.",
        default=(),
        also=("constraint",),
    )
    no_constant_force: bool = option(
        "Do not fit the constant force Φ1 that symmetry may allow on a site. Other programs do "
        "not by default (hiPhive, symfc, ALAMODE, TDEP).",
        default=False,
        commands="run live fit scan sctdep",
    )
    method: Literal["least-squares", "ridge", "lasso", "adaptive-lasso"] = option(
        "Method of the fit; the regularised ones are for few frames.", default="least-squares"
    )
    strength: float | None = option(
        "Strength of the regularisation.",
        kind=kinds.number(1e-30, 1e30),
        metavar="X",
        unset="chosen by cross-validation over blocks of time, or over groups of atoms where "
        "there are fewer than five frames",
    )
    minimum_norm: bool = option(
        "Where the frames leave force constants undetermined, take those of smallest norm; "
        "otherwise an error.",
        default=False,
    )
    displacements_from: Literal["auto", "average", "given"] = option(
        "Count displacements from the average structure, or from the given one that snapshots "
        "were displaced from; auto: the given one where it is known.",
        default="auto",
        commands="run live fit",
    )
    errors: Literal["jackknife", "sandwich"] = option(
        "Estimator of the error bars of the force constants.", default="jackknife"
    )
    require_stable: bool = option(
        "Fail if a mode is imaginary, or may be within its error.", default=False
    )
    append: str | None = option(
        "Normal equations of an earlier fit, to which the runs are added.",
        commands="fit",
        metavar="NORMAL_EQUATIONS",
        is_path=True,
    )

    def __post_init__(self) -> None:
        Group.__post_init__(self)
        if self.errors == "sandwich" and self.method != "least-squares":
            raise UsageError(
                "the sandwich estimator gives no error bars for a regularised fit",
                fix="use errors = jackknife",
            )
        if self.cutoff4 is not None and self.cutoff3 is None:
            raise UsageError(
                "a cutoff of the fourth order is given, but none of the third",
                fix="give cutoff3 too",
            )
        if self.by_species:
            self._require_species()

    def _require_species(self) -> None:
        """Refuse what force constants by pair of species are not fitted with."""
        if self.cutoff2 in (None, "supercell"):
            raise UsageError(
                "force constants by pair of species need a cutoff in Å",
                why="their orbits are chosen before the run is read, and atoms beyond half the "
                "supercell share constants among their images",
                fix="give --cutoff2 in Å",
            )
        others = (self.cutoff3, self.append, *({"born-huang", "huang"} & {*self.constraints}))
        if any(one is not None for one in others):
            raise UsageError(
                "force constants by pair of species are of second order, of the runs that are "
                "read, and obey no rotational invariance",
                fix="leave out --by-species, or --cutoff3, --append and --constraint",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhononOptions(Group):
    """What to calculate from force constants."""

    title: ClassVar = "Phonons"
    commands: ClassVar = "run live fit project"

    perturbation: int | None = option(
        "Also calculate linewidths by perturbation theory, on a mesh of N × N × N points "
        "(needs phono3py).",
        kind=kinds.whole(1, kinds.LARGEST_MESH),
        metavar="N",
    )
    temperature: float | None = option(
        "Temperature in K of the force constants, at which quantum averages are taken.",
        metavar="K",
        unset="the kinetic temperature",
    )
    path: str = option(
        'Path through the Brillouin zone: auto, or points such as "G X W | 0,0,0 1/2,1/2,1/2". '
        "For sed, auto is the part of the standard path on which q of the supercell lie.",
        default="auto",
        commands="run live project sed series",
        metavar="POINTS",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionOptions(Group):
    """How to project the run on modes, and what to calculate from the projection."""

    title: ClassVar = "Projection on modes"
    commands: ClassVar = "run live project"

    force_constants: str | None = option(
        "Force constants that define the modes: a results folder, FORCE_CONSTANTS, fc2.hdf5, "
        "or those of TDEP.",
        commands="live project sed sqw",
        also=("constants",),
        metavar="FILE|FOLDER",
        is_path=True,
    )
    resolution_thz: float | None = option(
        "Resolution of the spectra in THz.",
        commands="run live project sed sqw one-phonon molecule",
        metavar="THZ",
        unset="chosen for each line from several segment lengths; one for all in sed and sqw",
        defaults={"one-phonon": "a hundredth of the highest frequency drawn"},
    )
    line: Literal["oscillator", "fano", "two-oscillators"] = option(
        "Line shape of the fits: a damped oscillator, one with Fano asymmetry, or two that "
        "overlap.",
        default="oscillator",
        commands="run live project molecule",
    )
    baseline: bool = option(
        "Fit a constant background below each line too.",
        default=False,
        commands="run live project molecule",
    )
    maximum_entropy: int | None = option(
        "Number of poles of maximum-entropy spectra (Burg), calculated in addition.",
        metavar="POLES",
    )
    energy_covariance: bool = option(
        "Keep the covariance of the energies of all pairs of modes.", default=False
    )
    save_amplitudes: tuple[str, ...] = option(
        'Save the amplitudes Q(t) and velocities of these modes, such as "1/2 1/2 0:4", '
        '"X:4-6", "0 0 0:all", or "all" for all modes at all q. May be repeated.',
        default=(),
        commands="run live project molecule",
        metavar='"Q:BRANCHES"',
    )
    conductivity: int | Literal["auto"] | None = option(
        "Calculate the thermal conductivity from the lifetimes, on a mesh of at least "
        "N × N × N points that includes the q points of the supercell; auto, or no number: a "
        "mesh that is fine enough.",
        kind=kinds.MESH,
        metavar="[N]",
        keyword_type='int | Literal["auto", True] | None',
        bare=kinds.FINE_MESH,
    )
    thickness: float | None = option(
        "Thickness in Å of a layer (a crystal with vacuum), which its thermal conductivity "
        "refers to.",
        kind=kinds.number(0.01, 1e6),
        metavar="Å",
        unset="an error for a layer",
    )

    def __post_init__(self) -> None:
        Group.__post_init__(self)
        if self.thickness is not None and self.conductivity is None:
            raise UsageError(
                "a thickness is given, but nothing that depends on it",
                fix="give --conductivity too",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MoleculeOptions(Group):
    """Files of a molecule beside its run, and what to write."""

    title: ClassVar = "Molecule"
    commands: ClassVar = "molecule"

    reference: str | None = option(
        "Geometry that displacements are counted from, atoms in the order of the run.",
        metavar="FILE",
        unset="the average structure",
        is_path=True,
    )
    hessian: str | None = option(
        "Second derivatives in eV/Å² at the reference (.npy or text).",
        metavar="FILE",
        unset="fitted to the forces",
        is_path=True,
    )
    series: bool = option(
        "Write the normal coordinates and their velocities for every frame.", default=False
    )

    def __post_init__(self) -> None:
        Group.__post_init__(self)
        if self.hessian is not None and self.reference is None:
            raise UsageError(
                "a Hessian is given, but not the geometry that it belongs to",
                why="the average structure has another position and orientation",
                fix="give --reference FILE, atoms in the order of the trajectory",
            )
