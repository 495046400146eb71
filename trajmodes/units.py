"""The one unit system: eV, Å, ps, K, e; and the factors that lead into it.

Multiply by a factor to come in, divide by it to go out:
``omega = 15.0 * THZ`` is 15 THz in rad/ps, ``omega / THZ`` is in THz again.
All factors come from CODATA by way of ``scipy.constants``.
"""

from math import pi, sqrt

from scipy import constants as _codata

_J_PER_EV = _codata.electron_volt
# A mass unit of eV ps²/Å² in kg: (J/eV) (s/ps)² / (m/Å)².
_KG_PER_MASS = _J_PER_EV * _codata.pico**2 / _codata.angstrom**2

DALTON = _codata.atomic_mass / _KG_PER_MASS
"""One dalton in eV ps²/Å²."""

BOLTZMANN = _codata.Boltzmann / _J_PER_EV
"""Boltzmann's constant in eV/K."""

BOHR = _codata.physical_constants["Bohr radius"][0] / _codata.angstrom
"""One bohr in Å."""

RYDBERG = _codata.physical_constants["Rydberg constant times hc in eV"][0]
"""One Rydberg in eV."""

ASE_TIME = sqrt(DALTON)
"""ASE's unit of time, Å √(Da/eV), in ps."""

HBAR = _codata.hbar / _J_PER_EV / _codata.pico
"""Planck's reduced constant in eV ps."""

THZ = 2.0 * pi
"""One THz, a cyclic frequency, as an angular frequency in rad/ps."""

FEMTOSECOND = 1e-3
"""One fs in ps."""

W_MK = _codata.pico * _codata.angstrom / _J_PER_EV
"""One W/(m K) in eV/(K Å ps)."""

MEV = 1e-3
"""One meV in eV."""
