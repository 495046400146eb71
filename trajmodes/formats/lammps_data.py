"""Data files of LAMMPS (`read_data`, `write_data`) as cell files: box, atoms by id, masses.

The header may give an orthogonal, a restricted triclinic or a general triclinic box. The atom
style is the word after ``Atoms #``; without it, the style is inferred from the columns.
Elements are those that the user names for the atom types, the type labels or the comments
beside the masses if these are chemical symbols, or else those of nearest standard mass. Lengths
and masses are in the units that `write_data` names in the first line, by default those of the
style metal.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.text.tables import require_line_end
from trajmodes.readers.units import unit_factors
from trajmodes.units import DALTON

if TYPE_CHECKING:
    from ase import Atoms

_COLUMNS = {
    "atomic": (1, 2),
    "spin": (1, 2),
    "hybrid": (1, 2),
    "charge": (1, 3),
    "dipole": (1, 3),
    "sphere": (1, 4),
    "ellipsoid": (1, 4),
    "body": (1, 4),
    "bond": (2, 3),
    "angle": (2, 3),
    "molecular": (2, 3),
    "full": (2, 4),
}
"""Atom style → columns of the type and of x, from 0."""
_BY_LENGTH = {5: "atomic", 8: "atomic", 7: "full", 10: "full"}
"""Number of columns → atom style; charge and molecular both have six or nine."""
_UNITS = re.compile(r"\bunits = (\w+)")
_NEAR_MASS = 0.5
"""Da. Largest difference of a mass from the standard one of its element."""

Lines = dict[str, tuple[str, list[tuple[int, list[str]]]]]
"""Section → the word in its comment, and its numbered lines as words."""


def read_lammps_data(file: Path, species: tuple[str, ...] = ()) -> "Atoms":
    """Read the atoms of a data file, sorted by id, with its masses and the array ``id``.

    ``species`` are the chemical symbols of the atom types 1, 2, …

    Raises
    ------
    UsageError
        If the elements, the atom style or the units are not known.
    DataError
        If the file is damaged.
    """
    from ase import Atoms  # noqa: PLC0415 - ase loads slowly

    text = file.read_bytes()
    require_line_end(text, str(file))
    title, *rows = text.decode("utf-8", errors="replace").splitlines()
    header, sections = _divided(rows)
    named = _UNITS.search(title)
    if named is not None and named[1] == "lj":
        raise UsageError(
            "the data file is in Lennard-Jones units",
            where=str(file),
            fix="give the cell in Å, for example as POSCAR",
        )
    units = unit_factors(named[1] if named is not None else "metal")
    ids, types, positions = _atoms(file, header, sections)
    masses = {kind: mass * units.mass / DALTON for kind, mass in _masses(file, sections)}
    elements = _elements(sections, masses, species)
    missing = sorted(set(types) - set(elements))
    if missing:
        raise UsageError(
            f"the elements of atom types {', '.join(missing)} are not known",
            where=str(file),
            why="the file names neither the element nor a mass near that of an element",
            fix="name the elements of types 1, 2, …, such as --species Ga,N",
        )
    order = np.argsort(ids, kind="stable")
    atoms = Atoms(
        [elements[types[k]] for k in order],
        positions=positions[order] * units.length,
        cell=_box(file, header) * units.length,
        pbc=True,
    )
    atoms.set_array("id", np.array(ids)[order])
    if set(types) <= set(masses):
        atoms.set_masses([masses[types[k]] for k in order])
    return atoms


def _divided(rows: list[str]) -> tuple[dict[str, list[str]], Lines]:
    """Divide the lines below the title into the header and sections.

    The header is keyed by its words: ``"atoms"``, ``"xlo xhi"``. Sections begin with a word in
    a line of its own.
    """
    header: dict[str, list[str]] = {}
    sections: Lines = {}
    lines: list[tuple[int, list[str]]] | None = None
    for number, row in enumerate(rows, start=2):
        content, _, comment = row.partition("#")
        words = content.split()
        if not words:
            continue
        if words[0].isalpha() and words[0][0].isupper() and not _is_labelled(lines, words):
            lines = []
            sections[" ".join(words)] = (comment.strip(), lines)
        elif lines is not None:
            lines.append((number, [*words, f"#{comment.strip()}"]))
        else:
            numbers = [word for word in words if not word[0].isalpha()]
            header[" ".join(words[len(numbers) :])] = numbers
    return header, sections


def _is_labelled(lines: list[tuple[int, list[str]]] | None, words: list[str]) -> bool:
    """Whether a line that begins with a letter continues a section: a label and numbers."""
    return lines is not None and len(words) > 1 and not words[1].isalpha()


def _damaged(file: Path, what: str, number: int | None = None) -> DataError:
    return DataError(
        what,
        where=str(file) if number is None else f"{file}, line {number}",
        why="the data file of LAMMPS is truncated or was changed",
        fix="write it again: write_data FILE",
    )


def _numbers(file: Path, header: Mapping[str, list[str]], key: str, count: int) -> list[float]:
    try:
        numbers = [float(word) for word in header[key]]
    except (KeyError, ValueError):
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise _damaged(file, f"the header has no line of {count} numbers and “{key}”")
    return numbers


def _box(file: Path, header: Mapping[str, list[str]]) -> Floats:
    """Box vectors (3, 3) as rows, in the unit of the file."""
    if "avec" in header:
        return np.array([_numbers(file, header, f"{name}vec", 3) for name in "abc"])
    lengths = []
    for x in "xyz":
        low, high = _numbers(file, header, f"{x}lo {x}hi", 2)
        lengths.append(high - low)
    box = np.diag(lengths)
    if "xy xz yz" in header:
        box[1, 0], box[2, 0], box[2, 1] = _numbers(file, header, "xy xz yz", 3)
    return box


def _atoms(
    file: Path, header: Mapping[str, list[str]], sections: Lines
) -> tuple[list[int], list[str], Floats]:
    """Ids, types as written or as numbers of their labels, and positions (a, 3)."""
    style, lines = sections.get("Atoms", ("", []))
    n_atoms = int(_numbers(file, header, "atoms", 1)[0])
    if len(lines) != n_atoms or not lines:
        raise _damaged(file, f"{n_atoms} atoms are announced, {len(lines)} are listed")
    kind, x = _columns(file, style, [words[:-1] for _, words in lines])
    labels = {label: number for number, label in _labels(sections)}
    ids, types, positions = [], [], np.empty((n_atoms, 3))
    for row, (number, words) in enumerate(lines):
        try:
            ids.append(int(words[0]))
            types.append(str(int(labels.get(words[kind], words[kind]))))
            positions[row] = [float(word) for word in words[x : x + 3]]
        except (ValueError, IndexError):
            raise _damaged(file, "an atom has no id, type and position", number) from None
    if len(set(ids)) != n_atoms:
        raise _damaged(file, "two atoms have the same id")
    return ids, types, positions


def _columns(file: Path, style: str, rows: list[list[str]]) -> tuple[int, int]:
    """Columns of the type and of x."""
    found, length = style.partition(" ")[0], len(rows[0])
    if not found and length in (6, 9):
        # Charges are written with a point, types are not.
        found = "charge" if any("." in row[2] for row in rows) else "molecular"
    found = found or _BY_LENGTH.get(length, "")
    if found not in _COLUMNS:
        raise UsageError(
            f"the atom style is {f'“{found}”, which is not read' if found else 'not known'}",
            where=str(file),
            fix="name it behind the word Atoms, such as: Atoms # charge",
        )
    return _COLUMNS[found]


def _labels(sections: Lines) -> Iterator[tuple[str, str]]:
    """Type and label of a line."""
    for _, words in sections.get("Atom Type Labels", ("", []))[1]:
        yield words[0], words[1]


def _masses(file: Path, sections: Lines) -> Iterator[tuple[str, float]]:
    """Type and mass of a line, in the unit of the file."""
    labels = {label: number for number, label in _labels(sections)}
    for number, words in sections.get("Masses", ("", []))[1]:
        try:
            mass = float(words[1])
        except (ValueError, IndexError):
            mass = np.nan
        if not 0.0 < mass < np.inf:
            raise _damaged(file, "a type has no positive mass", number)
        yield labels.get(words[0], words[0]), mass


def _elements(
    sections: Lines, masses: Mapping[str, float], species: tuple[str, ...]
) -> dict[str, str]:
    """Type → chemical symbol, as far as known."""
    if species:
        return {str(kind): symbol for kind, symbol in enumerate(species, start=1)}
    named = dict(_labels(sections))
    numbers = {label: number for number, label in named.items()}
    for _, words in sections.get("Masses", ("", []))[1]:
        named.setdefault(numbers.get(words[0], words[0]), words[-1][1:].strip())
    found = {}
    for kind in {*named, *masses}:
        word = named.get(kind, "")
        if atomic_numbers.get(word, 0) > 0:
            found[kind] = word
        elif kind in masses:
            apart = np.abs(atomic_masses[1:] - masses[kind])
            if apart.min() < _NEAR_MASS:
                found[kind] = chemical_symbols[1 + int(apart.argmin())]
    return found
