"""The atoms, the same in all frames, from the first frame of an XYZ file."""

import re
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError, UsageError
from trajmodes.notes import Note
from trajmodes.readers.atom_table import AtomTable, is_symbol
from trajmodes.readers.units import UnitFactors, unit_factors
from trajmodes.readers.xyz.comment import parse_integer, parse_real
from trajmodes.readers.xyz.first_frame import FirstFrame
from trajmodes.units import BOLTZMANN, DALTON

_TYPE = re.compile(r"[0-9]{1,9}")


class XyzAtoms(NamedTuple):
    """What the first frame says about the atoms."""

    table: AtomTable
    row_types: Ints
    """(a,) what the column of types, or else of atomic numbers, must hold; empty without."""
    notes: tuple[Note, ...]


def describe_atoms(first: FirstFrame, mass_factor: float, where: str) -> XyzAtoms:
    """Read ids, types, species and masses.

    Momenta are useless without masses: where those are not in the file, they are the standard
    ones, as ASE itself takes them.

    Parameters
    ----------
    first
        The first frame.
    mass_factor
        One unit of mass of the file in eV ps²/Å².
    where
        The file, for messages.

    Raises
    ------
    DataError
        If a column holds what it must not, or momenta come without any way to know the masses.
    """
    fields = first.fields
    notes: list[Note] = []
    types = _integers(first, fields.types, "an atom type", where)
    numbers = _integers(first, fields.numbers, "an atomic number", where)
    species = None
    if fields.species is not None:
        names = first.column(fields.species)
        if all(map(is_symbol, set(names))):
            species = names
        elif types is None and all(_TYPE.fullmatch(name) for name in set(names)):
            types = np.array([int(name) for name in names], dtype=np.int64)
            text = "the species are numbers: they are taken as types, not as elements"
            notes.append(Note("warning", text))
        else:
            text = "the species are not chemical symbols, and are ignored"
            notes.append(Note("warning", text))
    if species is None and numbers is not None:
        species = _symbols(numbers, where)
    masses = None
    if fields.mass is not None:
        masses = np.array(_reals(first, fields.mass, 1, "a mass", where)[:, 0]) * mass_factor
        if not (masses > 0.0).all():
            raise DataError("a mass is not positive", where=f"{where}, frame 0")
        notes += _odd_masses(masses, species)
    elif fields.velocity_name == "momenta":
        masses = _standard_masses(species)
        if masses is None:
            raise DataError("momenta without masses or species", where=where)
        text = "velocities are the momenta divided by standard atomic masses"
        notes.append(Note("warning", text))
    none = np.empty(0, dtype=np.int64)
    row_types = _integers(first, fields.types, "", where)
    table = AtomTable(
        ids=first.ids if len(first.ids) else None, types=types, species=species, masses=masses
    )
    kinds = next((found for found in (row_types, numbers) if found is not None), none)
    return XyzAtoms(table, kinds, tuple(notes))


def _integers(first: FirstFrame, column: int | None, name: str, where: str) -> Ints | None:
    if column is None:
        return None
    try:
        values = [parse_integer(text, name) for text in first.column(column)]
    except DataError as error:
        raise DataError(error.what, where=f"{where}, frame 0") from error
    return np.array(values, dtype=np.int64)


def _reals(first: FirstFrame, column: int, count: int, name: str, where: str) -> Floats:
    """Read (a, count) numbers from a column on."""
    try:
        values = [
            [parse_real(text, name) for text in first.column(c)]
            for c in range(column, column + count)
        ]
    except DataError as error:
        raise DataError(error.what, where=f"{where}, frame 0") from error
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


def _odd_masses(masses: Floats, species: tuple[str, ...] | None) -> list[Note]:
    """Say where masses are far from those of the elements: perhaps another unit."""
    standard = _standard_masses(species)
    if standard is None or species is None:
        return []
    ratio = masses / standard
    worst = int(np.argmax(np.abs(np.log(ratio))))
    if 0.25 < ratio[worst] < 4.0:
        return []
    text = f"the mass of {species[worst]} is {ratio[worst]:.4g} times that of the element"
    return [Note("warning", text, fix="--units quip, if masses are in eV fs²/Å²")]


def refuse_wrong_style(
    first: FirstFrame, style: str, factors: UnitFactors, atoms: AtomTable, where: str
) -> None:
    """Hold the velocities of a LAMMPS file against the temperature in its comment.

    LAMMPS does not name its unit style in this format, but prints the kinetic temperature.

    Parameters
    ----------
    first
        The first frame.
    style
        The unit style that is supposed.
    factors
        Its factors.
    atoms
        The atoms.
    where
        The file, for messages.

    Raises
    ------
    UsageError
        If the temperatures disagree by more than a factor of three.
    """
    column, masses = first.fields.velocity, atoms.masses
    masses = _standard_masses(atoms.species) if masses is None else masses
    if column is None or masses is None or style == "lj" or len(masses) < 2:
        return
    try:
        written = parse_real(first.values.get("temperature", "0"), "Temperature")
    except DataError as error:
        raise DataError(error.what, where=f"{where}, frame 0") from error
    velocities = _reals(first, column, 3, "a velocity", where)
    freedom = (3 * len(masses) - 3) * BOLTZMANN
    # Absurd numbers may overflow, and then agree with no temperature.
    with np.errstate(over="ignore"):
        squared = float(np.sum(masses[:, None] * velocities**2)) / freedom

    def agrees(velocity: float) -> bool:
        return bool(written / 3.0 < squared * velocity**2 < written * 3.0)

    if written < 1e-3 or squared == 0.0 or agrees(factors.velocity):
        return
    others = [name for name in ("metal", "real", "si") if agrees(unit_factors(name).velocity)]
    kelvin = squared * factors.velocity**2
    raise UsageError(
        f"the velocities give {kelvin:.4g} K in units {style}, the comment says "
        f"{written:.4g} K",
        where=where,
        why="the run used another unit style, or other masses",
        fix=f"--units {others[0]}" if others else "--units with the style of the LAMMPS run",
    )
