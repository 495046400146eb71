"""LAMMPS unit styles in eV, Å, ps.

Each style is defined by its units of length, time, velocity, force and mass, as listed on the
``units`` page of the LAMMPS manual; the factors are CODATA's. One entry follows the program
where the page is misleading: in ``electron`` the velocity is in Bohr per femtosecond (the
integrator adds v·dt to positions in Bohr, with dt in fs).
"""

from dataclasses import dataclass
from math import sqrt

from scipy import constants as codata

from trajmodes.errors import UsageError
from trajmodes.units import DALTON

_METRE = 1.0 / codata.angstrom
_SECOND = 1.0 / codata.pico
_JOULE = 1.0 / codata.electron_volt
_NEWTON = _JOULE / _METRE
_KILOGRAM = _JOULE * _SECOND**2 / _METRE**2
_KCAL = codata.kilo * codata.calorie / codata.Avogadro * _JOULE
_BOHR = codata.value("Bohr radius") * _METRE
_HARTREE = codata.value("Hartree energy") * _JOULE
_FEMTO = codata.femto * _SECOND


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


def unit_factors(
    style: str, lj: LennardJonesUnits | None = None, *, where: str = ""
) -> UnitFactors:
    """Factors of a unit style of LAMMPS; ``lj`` is needed for the style ``lj`` only.

    Raises
    ------
    UsageError
        If there is no such style, or ε, σ and m of the style ``lj`` are not given.
    """
    if style == "lj":
        return _lennard_jones(lj)
    if style not in _FACTORS:
        raise UsageError(
            f"'{style}' is not a unit style of LAMMPS",
            where=where,
            fix=f"use one of {', '.join([*_FACTORS, 'lj'])}",
        )
    return _FACTORS[style]


def _lennard_jones(lj: LennardJonesUnits | None) -> UnitFactors:
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
