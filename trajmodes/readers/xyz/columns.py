"""Columns of an extended XYZ file that are read, and their units.

The format fixes the names of columns but not their units, and the programs that write
velocities disagree: LAMMPS ``vel`` is in its unit style, GPUMD ``vel`` in Å/fs, QUIP ``velo``
in Å/fs, and ASE writes ``momenta`` in √(u eV). If the comment does not identify the program,
the unit must be given. Sources: LAMMPS src/EXTRA-DUMP/dump_extxyz.cpp, GPUMD
src/measure/dump_xyz.cu and dump_exyz.cu, quippy/convert.py, ASE ase/io/extxyz.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

from trajmodes.errors import DataError, UnitsError
from trajmodes.readers.units import LennardJonesUnits, UnitFactors, unit_factors
from trajmodes.readers.xyz.comment import Property
from trajmodes.units import ASE_TIME, DALTON, FEMTOSECOND

_PER_FEMTOSECOND = 1.0 / FEMTOSECOND
_PROGRAMS = {
    # ASE defines no key for the time, so a user's "time" has no unit.
    "ase": UnitFactors(1.0, nan, 1.0 / ASE_TIME, 1.0, DALTON),
    "gpumd": UnitFactors(1.0, FEMTOSECOND, _PER_FEMTOSECOND, 1.0, DALTON),
    # QUIP's unit of mass is eV fs²/Å².
    "quip": UnitFactors(1.0, FEMTOSECOND, _PER_FEMTOSECOND, 1.0, FEMTOSECOND**2),
}


@dataclass(frozen=True, slots=True)
class Fields:
    """Index of the first column of each field, counted from 0; None where there is none."""

    n_columns: int
    species: int | None
    numbers: int | None
    """Atomic numbers, used where there are no species."""
    ids: int | None
    types: int | None
    mass: int | None
    position: int
    velocity: int | None
    force: int | None
    velocity_name: str
    """Name of the velocities; ``momenta`` are divided by the masses."""
    force_name: str
    unwrapped: bool
    """Whether the positions are continuous in time."""
    ignored: tuple[str, ...]
    """Names of other forces, which are not read."""


# Names in lower case, the preferred one first.
_POSITIONS = ("unwrapped_position", "pos", "positions", "position")
_FORCES = ("forces", "force", "mace_forces", "ref_forces")
_VELOCITIES = ("momenta", "velo", "vel", "velocities", "velocity")
_SPECIES = ("species", "element", "elements", "symbols", "symbol")
_NUMBERS = ("z", "numbers", "atomic_numbers")


def choose_fields(properties: Mapping[str, Property]) -> Fields:
    """Choose the columns to read from those of a frame, given by name in lower case.

    Raises
    ------
    DataError
        If there are no positions, or a field has the wrong kind or number of columns.
    """

    def first(names: tuple[str, ...], kinds: str, count: int) -> tuple[int | None, str]:
        for name in names:
            if name in properties:
                found = properties[name]
                if found.kind not in kinds or found.count != count:
                    raise DataError(
                        f"Properties contains {found.name}:{found.kind}:{found.count}",
                        why=f"{found.name} should have {count} columns of kind {kinds}",
                    )
                return found.first, name
        return None, ""

    position, position_name = first(_POSITIONS, "R", 3)
    if position is None:
        raise DataError(
            f"Properties names no positions among {', '.join(properties)}",
            fix="write the positions as pos:R:3",
        )
    velocity, velocity_name = first(_VELOCITIES, "R", 3)
    force, force_name = first(_FORCES, "R", 3)
    last = max(properties.values(), key=lambda item: item.first)
    return Fields(
        n_columns=last.first + last.count,
        species=first(_SPECIES, "S", 1)[0],
        numbers=first(_NUMBERS, "I", 1)[0],
        ids=first(("id", "ids"), "I", 1)[0],
        types=first(("type", "types"), "I", 1)[0],
        mass=first(("mass", "masses"), "R", 1)[0],
        position=position,
        velocity=velocity,
        force=force,
        velocity_name=velocity_name,
        force_name=force_name,
        unwrapped=position_name == "unwrapped_position",
        ignored=tuple(n for n in _FORCES if n in properties and n != force_name),
    )


def recognise_program(values: Mapping[str, str], properties: Mapping[str, Property]) -> str:
    """Name of the program whose units a frame is in; empty if it is unknown.

    OVITO keeps the units of the file it read, whatever they were, but adds the key ``Origin``;
    such a file is not attributed to the program whose keys it copies. ``values`` are the pairs
    of the comment line, and keys are in lower case.
    """
    if "origin" in values:
        return ""
    if "momenta" in properties:
        return "ase"
    if values.get("timestep", "").isdecimal() and "velo" not in properties:
        return "lammps"
    if {"time", "energy", "virial", "stress"} <= values.keys():
        return "gpumd"
    return "quip" if "velo" in properties else ""


def choose_units(
    units: str | None,
    program: str,
    velocity_name: str,
    lj: LennardJonesUnits | None,
    *,
    where: str = "",
) -> tuple[str, UnitFactors]:
    """Name and factors of the units of a file.

    Parameters
    ----------
    units
        Choice of the user: a unit style of LAMMPS, ``ase``, ``gpumd`` or ``quip``; None for the
        units of the program. LAMMPS does not name its style in this format; metal is the
        default.
    program
        Result of `recognise_program`.
    velocity_name
        Name of the column of velocities; empty if there is none.
    lj
        ε, σ and m of units lj.

    Raises
    ------
    UnitsError
        If the unit of the velocities is unknown, or there is no such unit style.
    """
    name = units or {"lammps": "metal"}.get(program, program)
    if not name and velocity_name:
        raise UnitsError(
            f"the unit of the velocities {velocity_name!r} is unknown",
            where=where,
            why="the comment line does not identify the program that wrote the file",
            fix="give it: --units metal (Å/ps), gpumd or quip (Å/fs), or another LAMMPS style",
        )
    name = name or "ase"
    return name, _PROGRAMS[name] if name in _PROGRAMS else unit_factors(name, lj)
