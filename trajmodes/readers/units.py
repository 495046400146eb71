"""Units of LAMMPS, and of the programs that write extended XYZ, in eV, Å, ps.

Each unit style is defined by its units of length, time, velocity, force and mass, as listed on
the ``units`` page of the LAMMPS manual; the factors are CODATA's. One entry follows the program
where the page is misleading: in ``electron`` the velocity is in Bohr per femtosecond (the
integrator adds v·dt to positions in Bohr, with dt in fs).

Extended XYZ fixes the names of columns but not their units, and the programs that write
velocities disagree: LAMMPS ``vel`` is in its unit style, GPUMD ``vel`` in Å/fs, QUIP ``velo``
in Å/fs, and ASE writes ``momenta`` in √(u eV). If the comment does not identify the program,
the unit must be given. Sources: LAMMPS src/EXTRA-DUMP/dump_extxyz.cpp, GPUMD
src/measure/dump_xyz.cu and dump_exyz.cu, quippy/convert.py, ASE ase/io/extxyz.py.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy import constants as codata

from trajmodes.arrays import Floats
from trajmodes.errors import UnitsError, UsageError
from trajmodes.units import ASE_TIME, DALTON, FEMTOSECOND

_METRE = 1.0 / codata.angstrom
_SECOND = 1.0 / codata.pico
_JOULE = 1.0 / codata.electron_volt
_NEWTON = _JOULE / _METRE
_KILOGRAM = _JOULE * _SECOND**2 / _METRE**2
_KCAL = codata.kilo * codata.calorie / codata.Avogadro * _JOULE
_BOHR = codata.value("Bohr radius") * _METRE
_HARTREE = codata.value("Hartree energy") * _JOULE
_FEMTO = codata.femto * _SECOND
_ATOMIC_TIME = codata.value("atomic unit of time") * _SECOND

LennardJonesUnits = tuple[float, float, float]
"""ε in eV, σ in Å and the mass in Da of a run with ``units lj``."""


@dataclass(frozen=True, slots=True)
class UnitFactors:
    """Factors that convert numbers of a unit style to internal units, by multiplication."""

    length: float
    """To Å."""
    time: float
    """To ps."""
    velocity: float
    """To Å/ps."""
    force: float
    """To eV/Å."""
    mass: float
    """To eV ps²/Å²."""


ATOMIC_UNITS = UnitFactors(
    length=_BOHR,
    time=_ATOMIC_TIME,
    velocity=_BOHR / _ATOMIC_TIME,
    force=_HARTREE / _BOHR,
    mass=codata.electron_mass * _KILOGRAM,
)
"""Hartree atomic units: bohr, ħ/hartree, hartree/bohr, electron mass."""
_FACTORS = {
    "metal": UnitFactors(1.0, 1.0, 1.0, 1.0, DALTON),
    "real": UnitFactors(1.0, _FEMTO, 1.0 / _FEMTO, _KCAL, DALTON),
    "si": UnitFactors(_METRE, _SECOND, _METRE / _SECOND, _NEWTON, _KILOGRAM),
    "cgs": UnitFactors(
        1e-2 * _METRE, _SECOND, 1e-2 * _METRE / _SECOND, 1e-5 * _NEWTON, 1e-3 * _KILOGRAM
    ),
    "electron": UnitFactors(_BOHR, _FEMTO, _BOHR / _FEMTO, _HARTREE / _BOHR, DALTON),
    "micro": UnitFactors(
        1e-6 * _METRE, 1e-6 * _SECOND, _METRE / _SECOND, 1e-9 * _NEWTON, 1e-15 * _KILOGRAM
    ),
    "nano": UnitFactors(
        1e-9 * _METRE, 1e-9 * _SECOND, _METRE / _SECOND, 1e-12 * _NEWTON, 1e-21 * _KILOGRAM
    ),
}
LAMMPS_STYLES = frozenset({*_FACTORS, "lj"})
_PROGRAMS = {
    # ASE defines no key for the time, so a user's "time" has no unit.
    "ase": UnitFactors(1.0, nan, 1.0 / ASE_TIME, 1.0, DALTON),
    "gpumd": UnitFactors(1.0, FEMTOSECOND, 1.0 / FEMTOSECOND, 1.0, DALTON),
    # QUIP's unit of mass is eV fs²/Å².
    "quip": UnitFactors(1.0, FEMTOSECOND, 1.0 / FEMTOSECOND, 1.0, FEMTOSECOND**2),
    "cp2k": UnitFactors(1.0, FEMTOSECOND, ATOMIC_UNITS.velocity, ATOMIC_UNITS.force, DALTON),
}


def unit_factors(
    style: str, lj: LennardJonesUnits | None = None, *, where: str = ""
) -> UnitFactors:
    """Factors of a unit style of LAMMPS; ``lj`` is needed for the style ``lj`` only.

    Raises
    ------
    UsageError
        If there is no such style, or ε, σ and m of the style ``lj`` are not given.
    """
    if style in _FACTORS:
        return _FACTORS[style]
    if style != "lj":
        raise UsageError(
            f"'{style}' is not a unit style of LAMMPS",
            where=where,
            fix=f"use one of {', '.join([*_FACTORS, 'lj'])}",
        )
    if lj is None:
        raise UsageError(
            "units lj are multiples of ε, σ and m, which a dump file does not contain",
            fix="give ε in eV, σ in Å and m in dalton",
        )
    energy, length, mass = lj[0], lj[1], lj[2] * DALTON
    if not min(energy, length, mass) > 0.0:
        raise UsageError(f"ε, σ and m of lj units must be positive, got {lj}")
    # The unit of velocity is √(ε/m), so τ = σ √(m/ε).
    velocity = sqrt(energy / mass)
    return UnitFactors(length, length / velocity, velocity, energy / length, mass)


def units_of_text(style: str, lj: LennardJonesUnits | None) -> UnitFactors | None:
    """Units of the numbers of a file in a unit style or of a program; None if it is neither."""
    if style == "lj" and lj is None:
        return None
    return _PROGRAMS.get(style) or (unit_factors(style, lj) if style in LAMMPS_STYLES else None)


def scaled(field: Floats, factor: float | Floats) -> Floats:
    """Multiply a field (t, a, 3) in place by a factor, or by factors (a, 1)."""
    if np.any(factor != 1.0):
        # Infinities are reported later, as outliers.
        with np.errstate(over="ignore"):
            field *= factor
    return field


def recognise_program(values: Mapping[str, str], columns: Container[str]) -> str:
    """Name of the program whose units a frame is in; empty if it is unknown.

    OVITO keeps the units of the file that it read, but adds the key ``Origin``. Such a file is
    not attributed to the program whose keys it copies. ``values`` are the pairs of the comment
    line, and keys are in lower case.
    """
    if "origin" in values:
        return ""
    if "cp2k" in values:
        return "cp2k"
    if "momenta" in columns:
        return "ase"
    if values.get("timestep", "").isdecimal() and "velo" not in columns:
        return "lammps"
    if {"time", "energy", "virial", "stress"} <= values.keys():
        return "gpumd"
    return "quip" if "velo" in columns else ""


def choose_units(
    units: str | None,
    program: str,
    velocity_name: str,
    lj: LennardJonesUnits | None,
    *,
    where: str = "",
) -> tuple[str, UnitFactors]:
    """Name and factors of the units of an extended XYZ file.

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
