"""The first frame of an XYZ file, read as text: it fixes atoms and columns for all frames."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, UsageError, with_location
from trajmodes.notes import Note
from trajmodes.readers.text.source import BYTE_ORDER_MARK, TextSource
from trajmodes.readers.trajectory import AtomTable, is_symbol, order_by_id
from trajmodes.readers.units import UnitFactors, unit_factors
from trajmodes.readers.xyz.comment import (
    PLAIN_PROPERTIES,
    Fields,
    choose_fields,
    parse_comment,
    parse_integer,
    parse_properties,
    parse_real,
)
from trajmodes.units import BOLTZMANN, DALTON

NOT_XYZ = "this is not an XYZ file, or it is damaged"
_HEAD = 1 << 16
_LONGEST_LINE = 1 << 22
_SHORTEST_ROW = 2
"""Bytes of the shortest possible row; limits the number of atoms of a file."""
_TYPE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The first frame of a file, as text."""

    start: int
    """Byte offset of its count line."""
    values: Mapping[str, str]
    """Pairs of its comment line, keys in lower case."""
    properties: str
    fields: Fields
    rows: tuple[tuple[str, ...], ...]
    """(a, c) tokens."""
    ids: Ints
    """(a,) sorted ids; empty if there are none."""
    order: Ints
    """(a,) row of each atom."""

    def column(self, column: int) -> tuple[str, ...]:
        """Tokens of one column, in the order of the atoms."""
        return tuple(self.rows[row][column] for row in self.order.tolist())


def read_first_frame(source: TextSource) -> FirstFrame:
    """Read the first frame of a file.

    Raises
    ------
    DataError
        If the file does not begin with a complete XYZ frame.
    """
    path, size = source.stamp.path, min(source.size, _HEAD)
    while True:
        text = source.data(0, size)
        lines, newline = _first_lines(source, text), text.rfind(b"\n")
        if lines is None and len(text) - newline > _LONGEST_LINE:
            raise DataError(
                f"a line is longer than {_LONGEST_LINE} bytes",
                where=f"{path}, byte {newline + 1}",
                why=NOT_XYZ,
            )
        if lines is not None or size == source.size:
            break
        size = min(source.size, size * 8)
    if lines is None:
        raise DataError(
            "the first frame is not complete",
            where=f"{path}, byte {source.size}",
            why="the file is truncated, or its first line gives too many atoms",
        )
    start, comment, rows = lines
    above = text[:start].count(b"\n")
    try:
        values = parse_comment(comment)
        properties = values.get("properties", PLAIN_PROPERTIES)
        fields = choose_fields(parse_properties(properties))
    except DataError as error:
        raise with_location(error, f"{path}, frame 0, line {above + 2}") from error
    tokens = tuple(tuple(row.split()) for row in rows)
    for number, row in enumerate(tokens):
        if len(row) < fields.n_columns:
            raise DataError(
                f"the row {rows[number].strip()[:40]!r} has {len(row)} columns, not the "
                f"{fields.n_columns} of {properties}",
                where=f"{path}, frame 0, line {above + number + 3}",
            )
    ids, order = _ids_and_order(source, tokens, fields)
    return FirstFrame(start, values, properties, fields, tokens, ids, order)


def _first_lines(source: TextSource, text: bytes) -> tuple[int, str, list[str]] | None:
    """Start, comment and rows of the first frame; None if the text ends within it."""
    start = 3 if text.startswith(BYTE_ORDER_MARK) else 0
    start += len(text[start:]) - len(text[start:].lstrip())
    end = text.find(b"\n", start)
    if end < 0:
        return None
    count_line = text[start:end].decode("utf-8", "replace").strip()
    line = 1 + text[:start].count(b"\n")
    where = f"{source.stamp.path}, line {line}"
    try:
        n_atoms = parse_integer(count_line, "the number of atoms")
    except DataError as error:
        raise DataError(error.what, where=where, why=NOT_XYZ) from error
    left = source.size - end
    if not 0 < n_atoms <= left // _SHORTEST_ROW:
        what = f"the first frame should have {n_atoms} atoms, but only {left - 1} bytes follow"
        raise DataError(what, where=where)
    body = text[end + 1 :].split(b"\n", n_atoms + 1)
    if len(body) < n_atoms + 2:
        return None
    lines = [line.decode("utf-8", "surrogateescape") for line in body[: n_atoms + 1]]
    return start, lines[0], lines[1:]


def _ids_and_order(
    source: TextSource, rows: tuple[tuple[str, ...], ...], fields: Fields
) -> tuple[Ints, Ints]:
    if fields.ids is None:
        return np.empty(0, dtype=np.int64), np.arange(len(rows))
    with _in_first_frame(str(source.stamp.path)):
        ids = np.array([parse_integer(row[fields.ids], "an atom id") for row in rows])
    order = order_by_id(ids, f"{source.stamp.path}, frame 0")
    return ids[order].astype(np.int64), order


@contextmanager
def _in_first_frame(path: str) -> Iterator[None]:
    """Add the place to an error of a number."""
    try:
        yield
    except DataError as error:
        raise with_location(error, f"{path}, frame 0") from error


class XyzAtoms(NamedTuple):
    """Atoms of the first frame."""

    table: AtomTable
    row_types: Ints
    """(a,) required values of the column of types, or else of atomic numbers; empty without."""
    notes: tuple[Note, ...]


def describe_atoms(first: FirstFrame, mass_factor: float, where: str) -> XyzAtoms:
    """Read ids, types, species and masses.

    Momenta are useless without masses. If the file has no masses, the standard masses are used
    for them, as ASE does. ``mass_factor`` is one unit of mass of the file in eV ps²/Å².

    Raises
    ------
    DataError
        If a column has invalid values, or momenta come without masses or species.
    """
    fields = first.fields
    notes: list[Note] = []
    row_types = types = _integers(first, fields.types, "an atom type", where)
    numbers = _integers(first, fields.numbers, "an atomic number", where)
    species = None
    if fields.species is not None:
        names = first.column(fields.species)
        if all(map(is_symbol, set(names))):
            species = names
        elif types is None and all(_TYPE.fullmatch(name) for name in set(names)):
            types = np.array([int(name) for name in names], dtype=np.int64)
            text = "the species are numbers: they are read as types, not as elements"
            notes.append(Note("warning", text))
        else:
            text = "the species are not chemical symbols, and are ignored"
            notes.append(Note("warning", text))
    if species is None and numbers is not None:
        species = _symbols(numbers, where)
    masses = None
    if fields.mass is not None:
        masses = _reals(first, fields.mass, 1, "a mass", where)[:, 0] * mass_factor
        if not (masses > 0.0).all():
            raise DataError("a mass is not positive", where=f"{where}, frame 0")
        notes += _unusual_masses(masses, species)
    elif fields.velocity_name == "momenta":
        masses = _standard_masses(species)
        if masses is None:
            raise DataError("momenta without masses or species", where=where)
        text = "velocities are the momenta divided by standard atomic masses"
        notes.append(Note("warning", text))
    table = AtomTable(
        ids=first.ids if len(first.ids) else None, types=types, species=species, masses=masses
    )
    none = np.empty(0, dtype=np.int64)
    kinds = next((found for found in (row_types, numbers) if found is not None), none)
    return XyzAtoms(table, kinds, tuple(notes))


def _integers(first: FirstFrame, column: int | None, name: str, where: str) -> Ints | None:
    if column is None:
        return None
    with _in_first_frame(where):
        values = [parse_integer(text, name) for text in first.column(column)]
    return np.array(values, dtype=np.int64)


def _reals(first: FirstFrame, column: int, count: int, name: str, where: str) -> Floats:
    """Read (a, count) numbers from consecutive columns."""
    columns = range(column, column + count)
    with _in_first_frame(where):
        values = [[parse_real(text, name) for text in first.column(c)] for c in columns]
    return np.array(values).T


def _symbols(numbers: Ints, where: str) -> tuple[str, ...]:
    from ase.data import chemical_symbols  # noqa: PLC0415 - ase loads slowly

    if numbers.min() < 1 or numbers.max() >= len(chemical_symbols):
        raise DataError("an atomic number is of no element", where=f"{where}, frame 0")
    return tuple(chemical_symbols[number] for number in numbers.tolist())


def _standard_masses(species: tuple[str, ...] | None) -> Floats | None:
    from ase.data import atomic_masses, atomic_numbers  # noqa: PLC0415 - ase loads slowly

    if species is None or not set(species) <= atomic_numbers.keys():
        return None
    masses: Floats = atomic_masses[[atomic_numbers[name] for name in species]] * DALTON
    return masses


def _unusual_masses(masses: Floats, species: tuple[str, ...] | None) -> list[Note]:
    """Note masses far from those of the elements, which suggest another unit."""
    standard = _standard_masses(species)
    if standard is None or species is None:
        return []
    ratio = masses / standard
    worst = int(np.argmax(np.abs(np.log(ratio))))
    if 0.25 < ratio[worst] < 4.0:
        return []
    text = f"the mass of {species[worst]} is {ratio[worst]:.4g} times that of the element"
    return [Note("warning", text, fix="--units quip, if masses are in eV fs²/Å²")]


def check_unit_style(
    first: FirstFrame, style: str, factors: UnitFactors, atoms: AtomTable, where: str
) -> None:
    """Compare the velocities of a LAMMPS file with the temperature in its comment.

    LAMMPS does not name its unit style in this format, but prints the kinetic temperature.
    ``style`` is the assumed unit style.

    Raises
    ------
    UsageError
        If the temperatures differ by more than a factor of three.
    """
    column, masses = first.fields.velocity, atoms.masses
    masses = _standard_masses(atoms.species) if masses is None else masses
    if column is None or masses is None or style == "lj" or len(masses) < 2:
        return
    with _in_first_frame(where):
        written = parse_real(first.values.get("temperature", "0"), "Temperature")
    velocities = _reals(first, column, 3, "a velocity", where)
    freedom = (3 * len(masses) - 3) * BOLTZMANN
    # Absurd numbers may overflow; they then agree with no temperature.
    with np.errstate(over="ignore"):
        squared = float(np.sum(masses[:, None] * velocities**2)) / freedom

    def agrees(velocity: float) -> bool:
        return bool(written / 3.0 < squared * velocity**2 < written * 3.0)

    if written < 1e-3 or squared == 0.0 or agrees(factors.velocity):
        return
    others = [name for name in ("metal", "real", "si") if agrees(unit_factors(name).velocity)]
    kelvin = squared * factors.velocity**2
    raise UsageError(
        f"the velocities give {kelvin:.4g} K in units {style}, but the comment gives "
        f"{written:.4g} K",
        where=where,
        why="the run used another unit style, or other masses",
        fix=f"--units {others[0]}" if others else "--units with the style of the LAMMPS run",
    )
