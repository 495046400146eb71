"""The internal units eV, Å, ps, K, e, and conversion factors.

Multiply by a factor to convert to internal units, divide by it to convert from them:
``omega = 15.0 * THZ`` is 15 THz in rad/ps, and ``omega / THZ`` is in THz again.
Measured and defined constants are CODATA values from ``scipy.constants``, which is loaded when
the first of them is used.
"""

from math import pi, sqrt
from typing import TYPE_CHECKING

THZ = 2.0 * pi
"""One THz, a cyclic frequency, as an angular frequency in rad/ps."""

FEMTOSECOND = 1e-3
"""One fs in ps."""

MEV = 1e-3
"""One meV in eV."""

KILOMETRE_PER_SECOND = 10.0
"""One km/s in Å/ps."""

DALTON: float
"""One dalton in eV ps²/Å²."""

BOLTZMANN: float
"""Boltzmann's constant in eV/K."""

BOHR: float
"""One bohr in Å."""

ATOMIC_AMPLITUDE: float
"""Bohr √(electron mass), the atomic unit of mode amplitudes, in √(eV) ps."""

RYDBERG: float
"""One Rydberg in eV."""

ASE_TIME: float
"""ASE's unit of time, Å √(Da/eV), in ps."""

WAVENUMBER: float
"""One cm⁻¹, a wave number ω/2πc, as an angular frequency in rad/ps."""

HBAR: float
"""Planck's reduced constant in eV ps."""

W_MK: float
"""One W/(m K) in eV/(K Å ps)."""

KILOJOULE_PER_MOLE: float
"""One kJ/mol in eV."""

GIGAPASCAL: float
"""One GPa in eV/Å³."""

NEWTON_PER_METRE: float
"""One N/m in eV/Å²."""

COULOMB_PER_SQUARE_METRE: float
"""One C/m² in elementary charges per Å²."""

COULOMB: float
"""e²/4πε₀, the energy of two elementary charges at a distance of 1 Å, in eV Å."""


def _codata() -> dict[str, float]:
    from scipy import constants as codata  # noqa: PLC0415 - scipy loads slowly

    joule = codata.electron_volt
    # A mass unit of eV ps²/Å² in kg: (J/eV) (s/ps)² / (m/Å)².
    mass = joule * codata.pico**2 / codata.angstrom**2
    dalton = codata.atomic_mass / mass
    bohr = codata.physical_constants["Bohr radius"][0] / codata.angstrom
    return {
        "DALTON": dalton,
        "BOLTZMANN": codata.Boltzmann / joule,
        "BOHR": bohr,
        "ATOMIC_AMPLITUDE": bohr * sqrt(codata.electron_mass / mass),
        "RYDBERG": codata.physical_constants["Rydberg constant times hc in eV"][0],
        "ASE_TIME": sqrt(dalton),
        "WAVENUMBER": THZ * 100.0 * codata.speed_of_light * codata.pico,
        "HBAR": codata.hbar / joule / codata.pico,
        "W_MK": codata.pico * codata.angstrom / joule,
        "KILOJOULE_PER_MOLE": codata.kilo / (codata.Avogadro * joule),
        "GIGAPASCAL": codata.giga * codata.angstrom**3 / joule,
        "NEWTON_PER_METRE": codata.angstrom**2 / joule,
        "COULOMB_PER_SQUARE_METRE": codata.angstrom**2 / codata.elementary_charge,
        "COULOMB": joule / (4.0 * pi * codata.epsilon_0 * codata.angstrom),
    }


if not TYPE_CHECKING:  # a type checker shall still refuse names that do not exist

    def __getattr__(name: str) -> float:
        if name.isupper():
            globals().update(_codata())
        if name not in globals():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return globals()[name]
