"""Files that are often given by mistake, recognised by their name and first bytes.

They contain no trajectory, or no structure. An error says what they are, and what to give.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from trajmodes.errors import DataError, UsageError
from trajmodes.readers.text.source import read_head

Wanted = Literal["trajectory", "structure"]

_DUMP = "dump 1 all custom 10 run.lammpstrj id type xu yu zu vx vy vz fx fy fz"
_WRITE_DUMP = (
    f"give the dump of that run; this command in the input of LAMMPS writes it:\n{_DUMP}"
)
_STRUCTURE = "a POSCAR, a CIF, a data file of LAMMPS, or one frame of the run"
GIVE_TRAJECTORY = (
    "give the trajectory: a dump of LAMMPS, an extended XYZ file, or another of the formats in "
    "docs/formats.md"
)
_COMMAND = re.compile(
    rb"^[ \t]*(units|dimension|boundary|atom_style|lattice|region|create_box|create_atoms"
    rb"|read_data|pair_style|pair_coeff|mass|velocity|fix|thermo|timestep|dump|dump_modify"
    rb"|run)[ \t]+\S",
    re.MULTILINE,
)
_LOG = re.compile(rb"\ALAMMPS \(|^(Per MPI rank memory|Created orthogonal box)", re.MULTILINE)
_RESULTS = re.compile(rb"trajmodes (results|force constants|normal equations)")
_FEWEST_COMMANDS = 3
_COUNT = re.compile(rb"^\s*\d+\s+atoms\s*$", re.MULTILINE)
_BOX = re.compile(rb"^[^#\n]*(\bxlo\s+xhi\b|\bavec\b)", re.MULTILINE)
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"%PDF", b"GIF8", b"<svg")
_BINARY_RUNS = (b"\x00\x00\x07\xcb", b"\x00\x00\x07\xc9", b"\x00\x00\x07\xcd")
"""First bytes of XTC, TRR, and XTC of many atoms."""
_CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_LONGEST = 50
_OF_RESULTS = ("results.nc", "force_constants.h5", "normal_equations.nc")


class _Kind(NamedTuple):
    """A kind of file."""

    what: str
    is_it: Callable[[Path, bytes], bool]
    """Whether a file with this name and these decompressed first bytes is one."""
    instead: dict[Wanted, str]
    """What to give in its place; the file may be right where there is nothing."""


def is_data_file(head: bytes) -> bool:
    """Whether the head of a file gives a number of atoms and a box as LAMMPS does."""
    return _COUNT.search(head) is not None and _BOX.search(head) is not None


def _commands(_: Path, head: bytes) -> bool:
    return len(set(_COMMAND.findall(head))) >= _FEWEST_COMMANDS


def _is_results(folder: Path) -> bool:
    """Whether a folder contains the results of a command of trajmodes."""
    return (folder / "run.toml").is_file() and any(
        (folder / name).is_file() for name in _OF_RESULTS
    )


def _cell_of(folder: Path) -> str:
    """Advice on the structure of a results folder."""
    crystal = folder / "phonopy_params.yaml"
    return f"the crystal of these results: --cell {crystal}" if crystal.is_file() else ""


_KINDS = (
    _Kind(
        "a file of results of trajmodes",
        lambda _, head: head.startswith(b"\x89HDF") and _RESULTS.search(head) is not None,
        {
            "trajectory": f"{GIVE_TRAJECTORY}\n`trajmodes show FILE` prints results.nc",
            "structure": f"give {_STRUCTURE}, or phonopy_params.yaml beside the results",
        },
    ),
    _Kind(
        "the log of a LAMMPS run, with thermodynamic output",
        lambda _, head: _LOG.search(head) is not None,
        {
            "trajectory": _WRITE_DUMP,
            "structure": f"give {_STRUCTURE}; LAMMPS writes one by\nwrite_data run.data",
        },
    ),
    _Kind(
        "a restart file of LAMMPS",
        lambda _, head: head.startswith(b"LammpS RestartT"),
        {
            "trajectory": f"it has one state of the run; {_WRITE_DUMP}",
            "structure": "write a data file from it: lmp -restart2data FILE run.data",
        },
    ),
    _Kind(
        "a data file of LAMMPS, which has one structure",
        lambda _, head: is_data_file(head),
        {"trajectory": f"{_WRITE_DUMP}\nThe data file may be the structure: --cell FILE"},
    ),
    _Kind(
        "an input script of LAMMPS",
        _commands,
        {
            "trajectory": _WRITE_DUMP,
            "structure": f"give {_STRUCTURE}; LAMMPS writes one by\nwrite_data run.data",
        },
    ),
    _Kind(
        "a picture or a PDF",
        lambda _, head: head.startswith(_PICTURES),
        {"trajectory": GIVE_TRAJECTORY, "structure": f"give {_STRUCTURE}"},
    ),
    _Kind(
        "a JSON file",
        lambda _, head: re.match(rb"\s*[{\[]\s*([\"{\[\d-]|\Z)", head) is not None,
        {
            "trajectory": f"{GIVE_TRAJECTORY}\nASE converts its database:"
            " ase convert FILE OUT.extxyz",
            "structure": f"give {_STRUCTURE}; ase convert FILE OUT.cif converts a structure",
        },
    ),
    _Kind(
        "a job file in TOML",
        lambda path, _: path.suffix == ".toml",
        {
            "trajectory": "trajmodes run FILE runs the job; otherwise give a trajectory",
            "structure": f"give the file that the job names as cell, or {_STRUCTURE}",
        },
    ),
    _Kind(
        "a file of forces without their supercell",
        lambda path, _: path.name.startswith(("FORCE_SETS", "FORCES_FC3")),
        {
            "trajectory": "give the yaml file (phonopy_disp.yaml); the forces beside it are "
            "read with it",
            "structure": f"give {_STRUCTURE}; with phonopy, phonopy_disp.yaml",
        },
    ),
    _Kind(
        "a file of force constants",
        lambda path, _: path.name.startswith("FORCE_CONSTANTS"),
        {
            "trajectory": "give the trajectory first, and this file by --force-constants of "
            "`trajmodes project`",
            "structure": f"give {_STRUCTURE}; with phonopy, phonopy_params.yaml",
        },
    ),
    _Kind(
        "a binary trajectory, which has no elements",
        lambda _, head: head.startswith((*_BINARY_RUNS, *_CLASSIC)) or head[4:8] == b"CORD",
        {"structure": f"give {_STRUCTURE} as text, or no cell: the average is then used"},
    ),
)


def refuse_other_kind(path: Path, head: bytes, wanted: Wanted) -> None:
    """Raise UsageError if a file is recognised as another kind than the one that is wanted.

    ``head`` is the decompressed head of the file.
    """
    if path.name in _OF_RESULTS and _is_results(path.parent):
        _refuse(
            "a file of results of trajmodes",
            path,
            wanted,
            _instead_of_results(path.parent)[wanted],
        )
    text = head.removeprefix(b"\xef\xbb\xbf")
    for kind in _KINDS:
        if wanted in kind.instead and kind.is_it(path, text):
            _refuse(kind.what, path, wanted, kind.instead[wanted])


def refuse_folder(path: Path, wanted: Wanted) -> None:
    """Raise UsageError that says what a folder is, and what to give."""
    if _is_results(path):
        _refuse(
            "a results folder of trajmodes", path, wanted, _instead_of_results(path)[wanted]
        )
    instead = {
        "trajectory": f"give the files in it, for instance {path}/*.lammpstrj",
        "structure": f"give the file in it that has the structure: {_STRUCTURE}",
    }
    _refuse("a folder", path, wanted, instead[wanted])


def _instead_of_results(folder: Path) -> dict[Wanted, str]:
    return {
        "trajectory": f"give the trajectory, which {folder / 'run.toml'} names; "
        f"`trajmodes show {folder}` prints the results",
        "structure": _cell_of(folder) or f"give {_STRUCTURE}",
    }


def _refuse(what: str, path: Path, wanted: Wanted, fix: str) -> None:
    raise UsageError(
        f"this is {what}, not a {wanted}{' file' if what.endswith('folder') else ''}",
        where=str(path),
        fix=fix.replace("FILE", path.name),
    )


def unreadable(path: Path, error: Exception) -> DataError:
    """Error for a file that a library refuses as a trajectory, with its first line."""
    start = "" if path.is_dir() else f"; {beginning(read_head(path))}"
    return DataError(
        f"the file cannot be read as a trajectory{start}",
        where=str(path),
        why="it is damaged, or ASE and MDAnalysis do not know the format "
        f"({type(error).__name__}: {error})",
        fix=GIVE_TRAJECTORY,
    )


def beginning(head: bytes) -> str:
    """First line of a file for an error, shortened, or a statement that it is no text."""
    if not head.strip():
        return "it is empty"
    lines = head.decode("utf-8", errors="replace").split("\n")
    first = next((line.strip() for line in lines if line.strip()), "")
    if b"\0" in head or not first.isprintable() or "\ufffd" in first:
        return "its content is binary"
    short = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
    return f"it begins with “{short}”"
