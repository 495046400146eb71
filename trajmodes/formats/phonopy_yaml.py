"""Data sets of displacements and forces of phonopy and phono3py, in their YAML files.

A data set of type 2 displaces all atoms of every supercell. One of type 1 displaces one atom
(phonopy) or up to two (phono3py); it is expanded here to all atoms. The files are interpreted
by phonopy's and phono3py's own loaders, after the yaml has been parsed to plain data
(`trajmodes.readers.text.plain_yaml`). phono3py may have two data sets, for second order in a
larger supercell and for third order: they are two runs, which are fitted together.

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
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError, reading
from trajmodes.formats import SnapshotReader
from trajmodes.notes import Note
from trajmodes.readers.arrays import IdealStructure, displaced_frames
from trajmodes.readers.text.plain_yaml import parse_yaml, read_yaml_text
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

_reading = partial(
    reading,
    "the file",
    why="it is damaged, or written by a newer version of phonopy or phono3py",
)

_PROGRAMS = ("phonopy", "phono3py")
_FORCES = {"phonopy": "FORCE_SETS", "phono3py": "FORCES_FC3"}
_BLOCK = re.compile(rb"^((?:phonon_)?dataset):\n(?: .*\n)+", re.MULTILINE)
_FIELD = re.compile(
    rb"^  (displacements|forces):\n((?:  - *(?:#.*)?\n(?:    - \[[^\]\n]*\].*\n)+)+)",
    re.MULTILINE,
)
_FRAME = re.compile(rb"^  - ", re.MULTILINE)
_BLOCK_NAMES = (b"dataset", b"phonon_dataset")
_LISTED_ENERGIES = re.compile(rb"^  supercell_energies:\n((?:  - .*\n)+)", re.MULTILINE)
_ENERGY = re.compile(rb"^  supercell_energy: +(\S+)", re.MULTILINE)
_ENERGY_OF_PAIR = re.compile(rb"^    supercell_energy: +(\S+)", re.MULTILINE)
_CALCULATOR = re.compile(rb"^  calculator: +\"?(\w+)", re.MULTILINE)
_ROW = re.compile(rb"\[([^\]\n]*)\]")


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


def looks_like_phonopy(path: Path, head: bytes) -> bool:
    """Whether a text begins as a yaml file of phonopy or phono3py."""
    del path
    lines = head.splitlines()
    return any(line.strip() == f"{name}:".encode() for name in _PROGRAMS for line in lines)


def read_data_set(path: Path, options: ReadOptions) -> Trajectory:
    """Read displacements and forces of a yaml file, and of FORCE_SETS or FORCES_FC3 beside it.

    Forces in the yaml file take precedence. Supercells without forces (pairs that phono3py
    omitted) are left out. The options are not used: the file contains its units and supercell.
    phono3py may have a data set of its own for second order, `read_second_order`; it is read
    here if it is the only one.

    Raises
    ------
    UsageError
        If the file contains no supercell or no displacements, there are no forces, or phono3py
        is needed and not installed.
    DataError
        If the yaml is damaged, or its parts do not belong together.
    """
    del options
    data, units = _load(path)
    second = _second_order_set(data)
    main = _DataSet(data.supercell, data.dataset, _FORCES[data.command_name])
    if main.dataset is None and second is not None:
        main, second = second, None
    if main.cell is None or main.dataset is None:
        raise UsageError(
            f"the file has no {'supercell' if main.cell is None else 'displacements'}",
            where=str(path),
            why="it may hold a crystal or force constants alone",
            fix=f"give a {data.command_name}_params.yaml that has displacements and forces, or "
            f"{data.command_name}_disp.yaml with the forces beside it; for the analysis of a "
            "trajectory, give the trajectory first, and this file by --cell, or by "
            "--force-constants of `trajmodes project`",
        )
    found = _frames_of(main, path, data, units)
    if second is None:
        return found
    text = (
        f"{path.name}: the supercells of {len(second.cell.symbols)} atoms, displaced for "
        f"second order, are not used with those of {len(main.cell.symbols)} atoms"
    )
    fix = "trajmodes fit uses both"
    note = Note("warning", text, fix=fix, subject="other-sets")
    return replace(found, notes=(*found.notes, note))


def read_second_order(path: Path, options: ReadOptions) -> list[Trajectory]:
    """Read the second data set of phono3py, for second order, if there are two.

    Its forces are in the yaml file, or in FORCES_FC2 beside it; errors are those of
    `read_data_set`.
    """
    del options
    data, units = _load(path)
    second = _second_order_set(data)
    both = second is not None and data.dataset is not None
    return [_frames_of(second, path, data, units)] if second is not None and both else []


class _DataSet(NamedTuple):
    """Displaced supercells of a yaml file, as returned by its loader."""

    cell: Any
    """Supercell without displacements."""
    dataset: Any
    forces: str
    """Name of the file beside it with the forces, if the yaml file has none."""


def _second_order_set(data: Any) -> _DataSet | None:
    """Find the data set for second order in a supercell of its own; None if there is none."""
    cell, dataset = (getattr(data, f"phonon_{name}", None) for name in ("supercell", "dataset"))
    if cell is None or dataset is None:
        return None
    return _DataSet(cell, dataset, "FORCES_FC2")


def _frames_of(
    found: _DataSet, path: Path, data: Any, units: tuple[float, float]
) -> Trajectory:
    length, force = units
    with _reading(path):
        cell = found.cell
        positions = cell.scaled_positions @ cell.cell * length
        masses = cell.masses * DALTON
        ideal = IdealStructure(cell.cell * length, positions, tuple(cell.symbols), masses)
        u_tax, f_tax = _all_displacements(found.dataset, len(ideal.species), str(path))
        if f_tax is None:
            u_tax, f_tax = _forces_of_sibling(path, data.command_name, found.forces, u_tax)
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


def read_supercell_energies(path: Path) -> Floats:
    """(t,) energies in eV of the displaced supercells, in the order of `read_data_set`.

    Raises
    ------
    DataError
        If the file has none.
    """
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415

    text = read_yaml_text(path)
    blocks = {block[1]: block[0] for block in _BLOCK.finditer(text + b"\n")}
    listed = [_LISTED_ENERGIES.search(blocks.get(name, b"")) for name in _BLOCK_NAMES]
    found = next((re.findall(rb"- +(\S+)", one[1]) for one in listed if one), [])
    # Those of pairs of displaced atoms are indented further, and come last.
    found = found or [*_ENERGY.findall(text), *_ENERGY_OF_PAIR.findall(text)]
    if not found:
        raise DataError(
            "the file has no energies of the displaced supercells",
            where=str(path),
            why="phonopy writes them where it was given them, as supercell_energies",
            fix="give the energies in another file: --energies FILE",
        )
    calculator = _CALCULATOR.search(text)
    with _reading(path):
        units = get_calculator_physical_units(calculator and calculator[1].decode())
        return float(units.energy_to_eV) * np.array([float(one) for one in found])


def unit_cell_of(path: Path) -> "Atoms":
    """Read the unit cell of a yaml file of phonopy or phono3py, in Å, with its masses."""
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly

    data, (length, _) = _load(path)
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


def _load(path: Path) -> tuple[Any, tuple[float, float]]:
    """Read the file with phonopy's loader; return also its units of length and force."""
    from phonopy.interface.phonopy_yaml import load_phonopy_yaml  # noqa: PLC0415 - loads slowly
    from phonopy.physical_units import get_calculator_physical_units  # noqa: PLC0415

    text, rows = _cut_rows(read_yaml_text(path), str(path))
    content = parse_yaml(text, path)
    program = next((name for name in _PROGRAMS if name in content), None)
    if program is None:
        raise DataError("the yaml file is not one of phonopy or phono3py", where=str(path))
    load = load_phonopy_yaml if program == "phonopy" else _phono3py_loader(path)
    # The loaders warn of older layouts.
    with _reading(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = load(content)
    for name, arrays in rows.items():
        setattr(data, name, arrays)
    with _reading(path):
        units = get_calculator_physical_units(data.calculator)
    length, force = float(units.distance_to_A), float(units.force_to_eVperA)
    if program == "phono3py" and (length, force) != (1.0, 1.0):
        raise UsageError(
            f"a phono3py file in the units of {data.calculator} is not read",
            where=str(path),
            why="phono3py converts only some of its numbers to Å and eV/Å",
            fix="write it again with phono3py in Å and eV/Å, without a calculator",
        )
    return data, (length, force)


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
    dataset: Mapping[str, Any], n_atoms: int, where: str
) -> tuple[Floats, Floats | None]:
    """Displacements (t, a, 3) of the supercells of a data set, and forces if all have them.

    Supercells with one displaced atom come before those with two, as in FORCES_FC3.
    """
    if "displacements" in dataset:
        forces = dataset.get("forces")
        return np.asarray(dataset["displacements"], dtype=float), (
            None if forces is None else np.asarray(forces, dtype=float)
        )
    singles = dataset.get("first_atoms", ())
    moved: list[tuple[Mapping[str, Any], ...]] = [(one,) for one in singles]
    moved += [(one, other) for one in singles for other in one.get("second_atoms", ())]
    if not moved or any(len(one["displacement"]) != 3 for atoms in moved for one in atoms):
        raise DataError("displacements of three numbers are missing", where=where)
    u_tax = np.zeros((len(moved), n_atoms, 3))
    for u_ax, atoms in zip(u_tax, moved, strict=True):
        for atom in atoms:
            u_ax[atom["number"]] += atom["displacement"]
    if not all("forces" in atoms[-1] for atoms in moved):
        return u_tax, None
    return u_tax, np.array([atoms[-1]["forces"] for atoms in moved], dtype=float)


def _forces_of_sibling(
    path: Path, program: str, name: str, u_tax: Floats
) -> tuple[Floats, Floats]:
    """Displacements and forces (t, a, 3); the forces are from the file that phonopy writes."""
    from phonopy.file_IO import parse_FORCE_SETS  # noqa: PLC0415 - loads slowly

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
    content = file.read_bytes()
    require_line_end(content, str(file))
    with _reading(file):
        dataset = parse_FORCE_SETS(file, natom=n_atoms)
        u_tax, f_tax = _all_displacements(dataset, n_atoms, str(file))
        if f_tax is None:
            raise DataError("there are no forces", where=str(file))
    # phonopy ignores what stands behind the rows that the counts announce.
    if "first_atoms" in dataset and len(content.split()) != 2 + len(u_tax) * (4 + 3 * n_atoms):
        raise DataError(
            f"there are more rows than those of {len(u_tax)} displacements of {n_atoms} atoms",
            where=str(file),
            why="a row was repeated: the forces behind it are those of other atoms",
            fix="write the file again with phonopy",
        )
    return u_tax, f_tax


def _cut_rows(text: bytes, where: str) -> tuple[bytes, dict[str, dict[str, Floats]]]:
    """Cut the data sets out of a yaml file and parse them.

    Returns the rest of the text, and the existing displacements and forces (t, a, 3) of each
    data set by name. A data set that is not laid out in rows remains in the text.
    """
    found = {}
    for block in reversed(list(_BLOCK.finditer(text + b"\n"))):
        arrays = _rows_of(block[0], where)
        if arrays:
            found[block[1].decode()] = arrays
            text = text[: block.start()] + text[block.end() :]
    return text, found


def _rows_of(block: bytes, where: str) -> dict[str, Floats]:
    """Displacements and forces of a data set; nothing if it is not laid out in rows."""
    fields = {m[1].decode(): m[2] for m in _FIELD.finditer(block)}
    if "displacements" not in fields:
        return {}
    arrays = {}
    for name, rows in fields.items():
        n_frames = len(_FRAME.findall(rows))
        body = b"\n".join(_ROW.findall(rows)).replace(b",", b" ")
        vectors = parse_rows(body.split(b"\n"), 1, f"{where}, {name}, row")[0]
        if len(vectors) % n_frames:
            return {}
        arrays[name] = vectors.reshape(n_frames, -1, 3)
    return arrays


SNAPSHOTS = SnapshotReader(
    looks_like_phonopy,
    read_data_set,
    lambda path: path,
    others=read_second_order,
    charges=("BORN",),
    holds_supercell=True,
)
"""Data sets of phonopy and of phono3py."""
