"""A job: everything that a run was asked for, from the command line or from a TOML file.

A job file has the same names as the options, with underscores; paths are relative to it::

    trajectory = ["run.lammpstrj"]
    cell = "POSCAR"
    timestep_fs = 1.0
    cutoff = 8.0
"""

import json
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeGuard

from trajmodes.errors import UsageError
from trajmodes.symmetry import parse_cutoff

__all__ = ["Job", "job_from_mapping", "read_job", "toml_text"]

AVERAGE_BOX = "average"
WHOLE_SUPERCELL = "supercell"
FINE_MESH = "auto"

PATHS = ("cell", "supercell", "append", "constants", "output")
"""Settings that name one file or folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to read, how to understand it, and what to make of it."""

    trajectory: tuple[str, ...]
    """Trajectory files of one run."""
    cell: str | None = None
    """File with the crystal (POSCAR, CIF, …); None: found from the average structure."""
    timestep_fs: float | None = None
    """Time step of the simulation in fs, where the file does not tell the time."""
    units: str | None = None
    """LAMMPS unit style, or ase, gpumd, quip for extended XYZ, where the file does not tell."""
    lj: tuple[float, ...] = ()
    """What ε in eV, σ in Å and the mass in Da are, for the unit style lj."""
    box: tuple[float, ...] | Literal["average"] = ()
    """Box in Å of a file that holds none, such as plain XYZ: three lengths or nine numbers;
    "average" where the box moves and displacements are to be counted in its average."""
    supercell: str | None = None
    """File with the supercell before it was displaced, for displacements alone."""
    trust_order: bool = False
    """Whether atoms without ids are taken in the order of the file."""
    species: tuple[str, ...] = ()
    """Chemical symbol of atom type 1, 2, …, where the file does not name them."""
    frames: tuple[int, int | None] = (0, None)
    """First frame to use and the one after the last."""
    hops: Literal["refuse", "exclude"] = "refuse"
    """Whether a frame in which an atom has left its site is an error, or is left out."""
    cutoff: float | str | None = None
    """Cutoff of the pair constants in Å, with others for pairs of species ("8 Si-O:5");
    "supercell" for all pairs of it; None for the largest that the supercell admits."""
    cutoff3: float | str | None = None
    """Cutoff of the triplet constants; None for none."""
    cutoff4: float | str | None = None
    """Cutoff of the quartet constants; None for none."""
    scheme: Literal["sequential", "joint"] = "sequential"
    """Whether each order is fitted to what the lower ones leave, or all at once."""
    constraints: tuple[str, ...] = ()
    """Relations to impose, born-huang and huang, or to leave out, no-hermitian."""
    method: Literal["least-squares", "ridge", "lasso", "adaptive-lasso"] = "least-squares"
    """How constants are fitted."""
    strength: float | None = None
    """Of the regularisation; None: what predicts blocks left out of the fit best."""
    minimum_norm: bool = False
    """Whether the solution of least norm is taken where the data leave a choice."""
    errors: Literal["jackknife", "sandwich"] = "jackknife"
    """How error bars of the constants are made."""
    require_stable: bool = False
    """Whether constants with an imaginary mode are an error."""
    reference: Literal["auto", "average", "given"] = "auto"
    """What displacements are counted from: the average structure, or the one that snapshots
    were displaced from; auto: the latter where it is known."""
    append: str | None = None
    """Ledger of earlier runs that these are added to."""
    perturbation: int | None = None
    """Points along each reciprocal lattice vector for three-phonon widths; None for none."""
    temperature: float | None = None
    """Temperature in K to label the constants with; None: the kinetic temperature."""
    constants: str | None = None
    """File or folder with force constants to project on; None: those fitted to the run."""
    resolution_thz: float | None = None
    """Wanted resolution of the spectra in THz; None: several at once, each line choosing."""
    line: Literal["oscillator", "fano", "two"] = "oscillator"
    """Shape that lines are fitted with: a damped oscillator, one with an asymmetry, or two."""
    baseline: bool = False
    """Whether a constant below the line is fitted too."""
    maximum_entropy: int | None = None
    """Number of poles of maximum-entropy spectra (Burg); None for none."""
    energy_covariance: bool = False
    """Whether the covariance of the energies of all pairs of modes is kept."""
    spill: tuple[str, ...] = ()
    """Modes whose amplitudes are written frame by frame, such as "1/2 1/2 0:4" or "X:4"."""
    conductivity: int | Literal["auto"] | None = None
    """Least number of points of the mesh of the thermal conductivity along each reciprocal
    lattice vector; auto for a mesh that is fine enough, None for no conductivity."""
    path: str = "auto"
    """Path through the zone: auto, or points by name or number ("G X | 0,0,0 1/2,1/2,1/2")."""
    strict: bool = False
    """Whether a cut last frame is an error."""
    allow_partial: bool = False
    """Whether the frames before damage in a compressed file may be used."""
    output: str = "results"
    """Folder of the results."""
    workers: int | None = None
    """Number of threads; None for all cores."""

    def __post_init__(self) -> None:
        for names, kind, words in _KINDS:
            for name in names:
                _check(name, getattr(self, name), kind, words)
        for cutoff in (self.cutoff, self.cutoff3, self.cutoff4):
            if isinstance(cutoff, str) and cutoff != WHOLE_SUPERCELL:
                parse_cutoff(cutoff)
        if self.errors == "sandwich" and self.method != "least-squares":
            raise UsageError(
                "errors of a regularised fit cannot be had by the sandwich",
                fix="take the jackknife",
            )
        if self.cutoff4 is not None and self.cutoff3 is None:
            raise UsageError(
                "a cutoff of quartets is given, but none of triplets", fix="give cutoff3 too"
            )
        first, last = self.frames
        if first < 0 or (last is not None and last <= first):
            raise UsageError(
                f"frames {first}:{'' if last is None else last} holds no frame",
                fix="give START:STOP with 0 ≤ START < STOP; either may be left out",
            )
        if not self.trajectory:
            raise UsageError("no trajectory was given", fix="name at least one trajectory file")


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_positive(value)


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _are_numbers(value: object, lengths: tuple[int, ...]) -> TypeGuard[tuple[float, ...]]:
    if not isinstance(value, tuple) or len(value) not in lengths:
        return False
    return all(type(item) in (int, float) and isfinite(item) for item in value)


def _are_lj_units(value: object) -> bool:
    return _are_numbers(value, (0, 3)) and min(value, default=1.0) > 0.0


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _are_frames(value: object) -> bool:
    kinds = [type(item) for item in value] if isinstance(value, tuple) else []
    return kinds in ([int, int], [int, type(None)])


def _is_cutoff(value: object) -> bool:
    return isinstance(value, str) or _is_positive(value)


def _one_of(*words: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in words, "one of " + ", ".join(words)


CONSTRAINTS = ("born-huang", "huang", "no-hermitian")
"""Relations between constants that can be switched."""

_KINDS: tuple[tuple[tuple[str, ...], Callable[[object], bool], str], ...] = (
    (
        ("timestep_fs", "temperature", "resolution_thz", "workers", "strength"),
        _is_positive,
        "a positive number",
    ),
    (
        ("perturbation", "maximum_entropy"),
        _is_count,
        "a positive whole number",
    ),
    (
        ("conductivity",),
        lambda v: v == FINE_MESH or _is_count(v),
        f"a positive whole number, or {FINE_MESH}",
    ),
    (("cutoff",), _is_cutoff, 'a positive number, or "supercell"'),
    (("cutoff3", "cutoff4"), _is_cutoff, "a positive number"),
    (
        ("cell", "units", "output", "supercell", "append", "constants", "path"),
        lambda v: isinstance(v, str),
        "text",
    ),
    (("trajectory", "species", "spill"), _are_texts, "a list of texts"),
    (
        ("lj",),
        _are_lj_units,
        "three positive numbers",
    ),
    (
        ("box",),
        lambda v: v == AVERAGE_BOX or _are_numbers(v, (0, 3, 9)),
        f"three or nine numbers, or {AVERAGE_BOX}",
    ),
    (
        (
            *("strict", "allow_partial", "trust_order", "minimum_norm", "require_stable"),
            *("baseline", "energy_covariance"),
        ),
        _is_switch,
        "true or false",
    ),
    (("frames",), _are_frames, "one or two whole numbers"),
    (("hops",), *_one_of("refuse", "exclude")),
    (("line",), *_one_of("oscillator", "fano", "two")),
    (("scheme",), *_one_of("sequential", "joint")),
    (("method",), *_one_of("least-squares", "ridge", "lasso", "adaptive-lasso")),
    (("errors",), *_one_of("jackknife", "sandwich")),
    (("reference",), *_one_of("auto", "average", "given")),
    (
        ("constraints",),
        lambda v: isinstance(v, tuple) and set(v) <= set(CONSTRAINTS),
        "a list of " + ", ".join(CONSTRAINTS),
    ),
)
"""Settings, what their values must be (None apart), and that in words."""


def _check(name: str, value: object, kind: Callable[[object], bool], words: str) -> None:
    if value is not None and not kind(value):
        raise UsageError(f"{name} is {value!r} but must be {words}")


_OTHER_NAMES = {"cutoff2": "cutoff", "constraint": "constraints"}
"""Name of an option → the setting that it stands for."""


def job_from_mapping(given: Mapping[str, Any], *, where: str = "") -> Job:
    """Make a job from names and values, refusing names that do not exist.

    Parameters
    ----------
    given
        Field names of `Job` and their values; lists stand for tuples.
    where
        Where the names come from, for error messages.

    Raises
    ------
    UsageError
        If a name is unknown, the trajectory is missing or a value is impossible.
    """
    given = {_OTHER_NAMES.get(name, name): value for name, value in given.items()}
    known = {field.name: field for field in fields(Job)}
    for name in given:
        if name not in known:
            raise UsageError(
                f'there is no setting "{name}"', where=where, fix=_instead_of(name, known)
            )
    needed = [name for name, field in known.items() if field.default is MISSING]
    missing = [name for name in needed if name not in given]
    if missing:
        raise UsageError(f"{missing[0]} is missing", where=where, fix=f"add {missing[0]} = …")
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in given.items()
    }
    if isinstance(values["trajectory"], str):
        values["trajectory"] = (values["trajectory"],)
    frames = values.get("frames")
    if isinstance(frames, tuple) and len(frames) == 1:
        values["frames"] = (*frames, None)
    try:
        return Job(**values)
    except UsageError as error:
        place = error.where or where
        raise UsageError(error.what, where=place, why=error.why, fix=error.fix) from None


def _instead_of(name: str, known: Collection[str]) -> str:
    """Name the settings that a word may stand for: those like it, or all."""
    like = get_close_matches(name, known)
    like += [one for one in known if one.startswith(f"{name}_") and one not in like]
    if like:
        return f"did you mean {' or '.join(like)}?"
    return "one of: " + ", ".join(known)


def read_job(path: Path) -> Job:
    """Read a job file; relative paths in it are relative to its folder.

    Raises
    ------
    UsageError
        If the file is missing, is not TOML, or has settings that do not exist.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read the job file: {error.strerror}", where=str(path)
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"not a TOML file: {error}", where=str(path)) from None
    job = job_from_mapping(given, where=str(path))
    values = asdict(job)
    values["trajectory"] = tuple(str(path.parent / name) for name in job.trajectory)
    for name in PATHS:
        if name in given:
            values[name] = str(path.parent / given[name])
    return Job(**values)


def toml_text(job: Job) -> str:
    """Text of a job file that asks for the same, wherever it is put: its paths are absolute.

    Settings that are None are left out.
    """
    given = asdict(job)
    given["trajectory"] = [str(Path(name).absolute()) for name in job.trajectory]
    for name in PATHS:
        if given[name] is not None:
            given[name] = str(Path(given[name]).absolute())
    lines = []
    for field in fields(Job):
        value = given[field.name]
        if value is not None and value != ():
            items = (
                [item for item in value if item is not None]
                if isinstance(value, tuple)
                else value
            )
            # The numbers, strings, booleans and flat lists of JSON are those of TOML.
            lines.append(f"{field.name} = {json.dumps(items, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"
