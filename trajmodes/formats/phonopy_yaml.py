"""YAML of phonopy and phono3py as plain data; their data sets of displacements and forces.

The YAML of another program is read as numbers, text, lists and mappings. Nothing in a file is
constructed or executed. Before it is loaded, tags of Python objects, references within the file
and deep nesting are refused, so a small file can neither run code, nor expand in memory, nor
overflow the stack of the parser (libyaml composes nested nodes recursively, without a limit of
its own).

A data set of type 2 displaces all atoms of every supercell. One of type 1 displaces one atom
(phonopy) or up to two (phono3py); it is expanded here to all atoms. The files are interpreted
by phonopy's and phono3py's own loaders, after the yaml has been parsed to plain data.

The numbers of a data set of type 2 are parsed from the text, because a yaml parser needs 10 s
per million. phonopy and phono3py write them with one atom in a row::

    dataset:
      displacements:
      - # 1
        - [  0.0074,  -0.0194,  -0.0216 ]
        …
      forces:
      …
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.formats import SnapshotReader
from trajmodes.notes import Note
from trajmodes.readers.arrays import IdealStructure, displaced_frames
from trajmodes.readers.text.source import open_source
from trajmodes.readers.text.tables import (
    frames_of_rows,
    parse_rows,
    read_rows,
    require_line_end,
)
from trajmodes.readers.trajectory import Trajectory
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST = 32
_LARGEST = 1 << 30
"""Bytes of text. Ten million force constants take 0.3 GB."""
_OPENING = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
_CLOSING = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
_PROGRAMS = ("phonopy", "phono3py")
_BLOCK = re.compile(rb"^dataset:\n(?: .*\n)+", re.MULTILINE)
_FIELD = re.compile(
    rb"^  (displacements|forces):\n((?:  - *(?:#.*)?\n(?:    - \[[^\]\n]*\].*\n)+)+)",
    re.MULTILINE,
)
_FRAME = re.compile(rb"^  - ", re.MULTILINE)
_ROW = re.compile(rb"\[([^\]\n]*)\]")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a file whose top level is a mapping, as plain data.

    Raises
    ------
    UsageError
        If the file cannot be read.
    DataError
        If it is damaged, too long, not YAML, not a mapping, or contains more than plain data.
    """
    return _parse_yaml(_read_text(path), path)


def yaml_beside(path: Path, names: tuple[str, ...]) -> Path:
    """Find the phonopy.yaml-like file in the folder of the force constants."""
    for name in names:
        if (path.parent / name).exists():
            return path.parent / name
    raise DataError(
        "the file does not describe the crystal of its force constants",
        where=str(path),
        why=f"none of {', '.join(names)} is in its folder",
        fix="copy the phonopy.yaml-like file into its folder, or give the supercell",
    )


def _read_text(path: Path) -> bytes:
    """Read the text of a file, compressed or not; one that is too long is refused."""
    source = open_source(path)
    if source.size > _LARGEST:
        raise DataError(
            f"the file contains {source.size / 1e9:.1f} GB of text",
            where=str(path),
            why=f"YAML is read up to {_LARGEST / 1e9:.1f} GB",
            fix="give force constants as HDF5",
        )
    return source.data(0, source.size)


def _parse_yaml(text: bytes, path: Path) -> dict[str, Any]:
    """Parse text whose top level is a mapping; ``path`` is its source."""
    try:
        _require_plain(text, path)
        content = yaml.load(text, Loader=_LOADER)
    # A date or number out of the range of Python raises ValueError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split())
        raise DataError(
            f"the file is not YAML: {message}",
            where=str(path),
            why="it was truncated or changed, or is of another kind",
        ) from None
    if not isinstance(content, dict):
        raise DataError("the YAML file has no mapping at its top level", where=str(path))
    return content


def _require_plain(text: bytes, path: Path) -> None:
    """Refuse tags, references and deep nesting, from the events of the parser."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        where = f"{path}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise DataError(
                "the YAML file refers to other parts of itself",
                where=where,
                why="phonopy writes no references, and a few of them can exceed all memory",
                fix="write the numbers out",
            )
        if "python" in (getattr(event, "tag", None) or ""):
            raise DataError(
                f"the YAML file requests a Python object: {event.tag}",
                where=where,
                why="such a file can execute code",
                fix="do not use the file unless you know who wrote it; remove the line",
            )
        depth += isinstance(event, _OPENING) - isinstance(event, _CLOSING)
        if depth > _DEEPEST:
            raise DataError(f"the YAML file is nested deeper than {_DEEPEST}", where=where)


def looks_like_phonopy(path: Path, head: bytes) -> bool:
    """Whether the first bytes of a text are those of a yaml file of phonopy or phono3py."""
    del path
    lines = head.splitlines()
    return any(line.strip() == f"{name}:".encode() for name in _PROGRAMS for line in lines)


def read_data_set(path: Path, options: ReadOptions) -> Trajectory:
    """Read displacements and forces of a yaml file, and of FORCE_SETS or FORCES_FC3 beside it.

    Forces in the yaml file take precedence. Supercells without forces (pairs that phono3py
    omitted) are left out. The options are not used: the file contains its units and supercell.

    Raises
    ------
    UsageError
        If the file contains no supercell or no displacements, there are no forces, or phono3py
        is needed and not installed.
    DataError
        If the yaml is damaged, or its parts do not belong together.
    """
    del options
    data, length, force = _load(path)
    if data.supercell is None or data.dataset is None:
        raise UsageError(
            f"the file has no {'supercell' if data.supercell is None else 'displacements'}",
            where=str(path),
            fix=f"give {data.command_name}_params.yaml, or {data.command_name}_disp.yaml with "
            "the forces beside it",
        )
    with _errors_name(path):
        cell = data.supercell
        positions = cell.scaled_positions @ cell.cell * length
        masses = cell.masses * DALTON
        ideal = IdealStructure(cell.cell * length, positions, tuple(cell.symbols), masses)
        u_tax, f_tax = _all_displacements(data.dataset, len(ideal.species))
        if f_tax is None:
            u_tax, f_tax = _forces_of_sibling(path, data.command_name, u_tax)
    if f_tax.shape != u_tax.shape:
        raise DataError(
            f"there are forces of {len(f_tax)} supercells and displacements of {len(u_tax)}",
            where=str(path),
            why="the forces belong to another set of displacements",
        )
    computed = np.abs(f_tax).max(axis=(1, 2)) > 0.0
    if not computed.any():
        raise DataError("all forces are zero", where=str(path))
    notes: tuple[Note, ...] = ()
    if not computed.all():
        text = (
            f"{path.name}: {int((~computed).sum())} of {len(computed)} displaced supercells "
            "have no forces and are left out"
        )
        notes = (Note("warning", text),)
    return displaced_frames(
        ideal,
        u_tax[computed] * length,
        f_tax[computed] * force,
        path,
        unit_style=data.calculator or data.command_name,
        notes=notes,
    )


def unit_cell_of(path: Path) -> "Atoms":
    """Read the unit cell of a yaml file of phonopy or phono3py, in Å, with its masses."""
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly

    data, length, _ = _load(path)
    cell = data.unitcell or data.primitive
    if cell is None:
        raise UsageError("the file has no unit cell", where=str(path), fix="give a cell file")
    return Atoms(
        symbols=cell.symbols,
        cell=cell.cell * length,
        scaled_positions=cell.scaled_positions,
        masses=cell.masses,
        pbc=True,
    )


def _load(path: Path) -> tuple[Any, float, float]:
    """Read the file with phonopy's loader; return also its units of length and force."""
    from phonopy.interface.phonopy_yaml import load_phonopy_yaml  # noqa: PLC0415 - loads slowly
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415

    text, rows = _cut_rows(_read_text(path), str(path))
    content = _parse_yaml(text, path)
    program = next((name for name in _PROGRAMS if name in content), None)
    if program is None:
        raise DataError("the yaml file is not one of phonopy or phono3py", where=str(path))
    load = load_phonopy_yaml if program == "phonopy" else _phono3py_loader(path)
    # The loaders warn of older layouts.
    with _errors_name(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load(content)
    if rows:
        data.dataset = rows
    with _errors_name(path):
        units = get_calculator_physical_units(data.calculator)
    length, force = float(units.distance_to_A), float(units.force_to_eVperA)
    if program == "phono3py" and (length, force) != (1.0, 1.0):
        raise UsageError(
            f"a phono3py file in the units of {data.calculator} is not read",
            where=str(path),
            why="phono3py converts only some of its numbers to Å and eV/Å",
            fix="write it again with phono3py in Å and eV/Å, without a calculator",
        )
    return data, length, force


def _phono3py_loader(path: Path) -> Any:
    try:
        return import_module("phono3py.interface.phono3py_yaml").load_phono3py_yaml
    except ImportError:
        raise UsageError(
            "phono3py is needed to read its files",
            where=str(path),
            fix="pip install 'trajmodes[kappa]'",
        ) from None


def _all_displacements(
    dataset: Mapping[str, Any], n_atoms: int
) -> tuple[Floats, Floats | None]:
    """Displacements (t, a, 3) of the supercells of a data set, and forces if all have them.

    Supercells with one displaced atom come before those with two, as in FORCES_FC3.
    """
    if "displacements" in dataset:
        forces = dataset.get("forces")
        return np.asarray(dataset["displacements"], dtype=float), (
            None if forces is None else np.asarray(forces, dtype=float)
        )
    singles = dataset["first_atoms"]
    moved: list[tuple[Mapping[str, Any], ...]] = [(one,) for one in singles]
    moved += [(one, other) for one in singles for other in one.get("second_atoms", ())]
    u_tax = np.zeros((len(moved), n_atoms, 3))
    for u_ax, atoms in zip(u_tax, moved, strict=True):
        for atom in atoms:
            u_ax[atom["number"]] += atom["displacement"]
    if not all("forces" in atoms[-1] for atoms in moved):
        return u_tax, None
    return u_tax, np.array([atoms[-1]["forces"] for atoms in moved], dtype=float)


def _forces_of_sibling(path: Path, program: str, u_tax: Floats) -> tuple[Floats, Floats]:
    """Displacements and forces (t, a, 3), the forces from the file that phonopy writes."""
    from phonopy.file_IO import parse_FORCE_SETS  # noqa: PLC0415 - loads slowly

    name = "FORCE_SETS" if program == "phonopy" else "FORCES_FC3"
    file, n_atoms = path.parent / name, u_tax.shape[1]
    if not file.is_file():
        raise UsageError(
            f"the file has no forces, and there is no {name} beside it",
            where=str(path),
            fix=f"copy {name} into its folder, or give {program}_params.yaml, which has both",
        )
    if program == "phono3py":
        with file.open(encoding="utf-8", errors="replace") as text:
            rows = (line.partition("#")[0].split() for line in text)
            columns = len(next(filter(None, rows), []))
        vectors = frames_of_rows(read_rows(file, max(1, columns // 3)), n_atoms, file)
        return (vectors[0], vectors[1]) if len(vectors) == 2 else (u_tax, vectors[0])
    require_line_end(file.read_bytes(), str(file))
    with _errors_name(file):
        u_tax, f_tax = _all_displacements(parse_FORCE_SETS(file, natom=n_atoms), n_atoms)
        if f_tax is None:
            raise DataError("there are no forces", where=str(file))
    return u_tax, f_tax


@contextmanager
def _errors_name(path: Path) -> Iterator[None]:
    """Turn any exception of a loader into an error that names the file."""
    try:
        yield
    except TrajmodesError:
        raise
    except Exception as error:
        raise DataError(
            f"the file cannot be read: {type(error).__name__}: {error}",
            where=str(path),
            why="it is damaged, or written by a newer version of phonopy or phono3py",
        ) from error


def _cut_rows(text: bytes, where: str) -> tuple[bytes, dict[str, Floats]]:
    """Cut the data set out of a yaml file and parse it.

    Returns the rest of the text, and displacements and forces (t, a, 3) of the data set as far
    as it has them. The whole text and nothing, if the data set is not laid out in rows.
    """
    block = _BLOCK.search(text + b"\n")
    fields = {} if block is None else {m[1].decode(): m[2] for m in _FIELD.finditer(block[0])}
    if block is None or "displacements" not in fields:
        return text, {}
    arrays = {}
    for name, rows in fields.items():
        n_frames = len(_FRAME.findall(rows))
        body = b"\n".join(_ROW.findall(rows)).replace(b",", b" ")
        vectors = parse_rows(body.split(b"\n"), 1, f"{where}, {name}, row")[0]
        if len(vectors) % n_frames:
            return text, {}
        arrays[name] = vectors.reshape(n_frames, -1, 3)
    return text[: block.start()] + text[block.end() :], arrays


SNAPSHOTS = SnapshotReader(
    looks_like_phonopy,
    read_data_set,
    lambda path: path,
    charges=("BORN",),
    holds_supercell=True,
)
"""Data sets of phonopy and of phono3py."""
