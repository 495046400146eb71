"""Free energy, energy, entropy and heat capacity of harmonic oscillators.

With x = ħω/k_BT and n = 1/(eˣ − 1), one quantum oscillator has (Wallace, Thermodynamics of
Crystals (1972), §10)

F = ħω/2 + k_BT ln(1 − e⁻ˣ),   U = ħω(n + ½),   S = k_B[x n − ln(1 − e⁻ˣ)],
C = k_B x² n(n + 1),

and one classical oscillator F = k_BT ln x, U = k_BT, S = k_B(1 − ln x), C = k_B. The changes
with frequency are ω ∂F/∂ω = U, ω ∂S/∂ω = −C, ω ∂U/∂ω = U − TC and, for a quantum oscillator,
ω ∂C/∂ω = C[2 − x(2n + 1)].
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Floats
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.modes import Modes
from trajmodes.data.thermo import ThermalFunctions
from trajmodes.errors import UsageError
from trajmodes.units import BOLTZMANN, HBAR

# Largest ħω/k_BT, above which an oscillator is in its ground state in double precision.
_COLDEST = 700.0


class OscillatorFunctions(NamedTuple):
    """F, U, S and C of oscillators (…) at temperatures (t), and ω ∂/∂ω of each."""

    values: Floats
    """(4, t, …), unit: eV, eV, eV/K, eV/K. F and S of a classical oscillator are nan at 0 K."""
    slopes: Floats
    """(4, t, …), the same units."""


def checked_temperatures(temperatures: npt.ArrayLike) -> Floats:
    """Convert temperatures to an array (t,); raise a `UsageError` if one is below 0 K."""
    kelvin = np.atleast_1d(np.asarray(temperatures, dtype=float))
    if kelvin.ndim != 1 or not kelvin.size or not (np.isfinite(kelvin) & (kelvin >= 0)).all():
        raise UsageError(f"temperatures are numbers of 0 K or more, got {kelvin.tolist()}")
    return kelvin


def quantum_functions(omega: Floats, kelvin: Floats) -> OscillatorFunctions:
    """Functions of quantum oscillators with positive frequencies (…) in rad/ps."""
    energy = HBAR * omega
    heat = (BOLTZMANN * kelvin).reshape(-1, *[1] * omega.ndim)
    x = np.full((len(kelvin), *omega.shape), _COLDEST)
    np.divide(energy, heat, out=x, where=energy < _COLDEST * heat)
    # Exactly zero in the ground state
    n = np.where(x < _COLDEST, 1.0 / np.expm1(x), 0.0)
    log = np.where(x < _COLDEST, np.log1p(-np.exp(-x)), 0.0)
    u = energy * (n + 0.5)
    c = BOLTZMANN * x**2 * n * (n + 1.0)
    s = BOLTZMANN * (x * n - log)
    f = 0.5 * energy + heat * log
    t = heat / BOLTZMANN
    return OscillatorFunctions(
        np.stack([f, u, s, c]), np.stack([u, u - t * c, -c, c * (2.0 - x * (2.0 * n + 1.0))])
    )


def classical_functions(omega: Floats, kelvin: Floats) -> OscillatorFunctions:
    """Functions of classical oscillators with positive frequencies (…) in rad/ps."""
    shape = (len(kelvin), *omega.shape)
    heat = np.broadcast_to((BOLTZMANN * kelvin).reshape(-1, *[1] * omega.ndim), shape)
    warm = np.where(heat > 0.0, heat, np.nan)
    log = np.log(HBAR * omega / warm)
    one = np.full(shape, BOLTZMANN)
    zero = np.zeros(shape)
    free = np.where(heat > 0.0, heat * log, 0.0)
    return OscillatorFunctions(
        np.stack([free, heat, BOLTZMANN * (1.0 - log), one]), np.stack([heat, zero, -one, zero])
    )


def summed(
    functions: OscillatorFunctions, omega: Floats, weights: Floats, changes: Floats
) -> tuple[Floats, Floats]:
    """Weighted sums (4, t) over oscillators (n), and their changes (4, t, b).

    ``changes`` (b, n) are those of ω² in (rad/ps)².
    """
    slopes = functions.slopes * (weights / (2.0 * omega**2))
    return functions.values @ weights, slopes @ changes.T


def thermal_functions(values: Floats, changes: Floats) -> ThermalFunctions:
    """Thermal functions of values (4, t), with errors from changes (4, t, b) by replicates."""
    if not changes.shape[2]:
        return ThermalFunctions(*values)
    return ThermalFunctions(*values, *jackknife_sem(np.moveaxis(changes, 2, 0)))


@dataclass(frozen=True, slots=True)
class ModeFunctions:
    """Quantum thermodynamic functions of single modes, at temperatures (t)."""

    modes: Modes
    """The modes at the q points."""
    free_energy: Floats
    """(t, q, m), unit: eV. nan for imaginary modes and the acoustic modes at Γ."""
    energy: Floats
    """(t, q, m), unit: eV."""
    entropy: Floats
    """(t, q, m), unit: eV/K."""
    heat_capacity: Floats
    """(t, q, m), unit: eV/K."""
    sem: Floats | None
    """(4, t, q, m) standard errors in this order; None where the modes have none."""


def mode_functions(modes: Modes, temperatures: npt.ArrayLike) -> ModeFunctions:
    """Functions of each mode at temperatures (t,) in K, with errors of their frequencies."""
    kelvin = checked_temperatures(temperatures)
    counted = modes.oscillating
    omega = np.where(counted, modes.omega, 1.0)
    found = quantum_functions(omega, kelvin)
    f, u, s, c = np.where(counted, found.values, np.nan)
    sem: Floats | None = None
    if modes.omega_sem is not None:
        sem = np.where(counted, np.abs(found.slopes) * modes.omega_sem / omega, np.nan)
    return ModeFunctions(modes, f, u, s, c, sem)
