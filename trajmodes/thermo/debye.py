"""Moments of the frequencies, and Debye temperatures.

A Debye spectrum g(ω) ∝ ω² up to ω_D has the moments ⟨ωⁿ⟩ = 3 ω_Dⁿ/(n + 3). Hence each moment
of the crystal gives a Debye temperature Θ_n = (ħ/k_B) [(n + 3)⟨ωⁿ⟩/3]^{1/n}, with the limit
Θ_0 = (ħ/k_B) exp(⅓ + ⟨ln ω⟩). Θ_2 describes the heat capacity at high temperature, Θ_1 the
zero-point energy, Θ_0 the entropy at high temperature, Θ_−2 the mean square displacement
(Barron, Berg, Morrison, Proc. R. Soc. A 242, 478 (1957); Grimvall, Thermophysical Properties
of Materials (1999), ch. 6).

The heat capacity of N atoms with a Debye spectrum is 9Nk_B t³ ∫₀^{1/t} x⁴ eˣ/(eˣ − 1)² dx at
t = T/Θ. Θ(T) is the Debye temperature with the heat capacity of the crystal at T. As T → 0 it
becomes that of the velocities of sound, Θ = (ħ/k_B) (6π²N/V)^{1/3} v with v⁻³ the mean of v⁻³
over the directions and the three branches.
"""

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.thermo import DebyeTemperatures, ThermalFunctions
from trajmodes.units import BOLTZMANN, HBAR

ORDERS = np.array([-2, -1, 0, 1, 2, 4])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
# Debye temperatures between these multiples of T are looked for.
_LEAST, _MOST = 1e-3, 1e5


def debye_capacity(reduced: Floats) -> Floats:
    """Heat capacity per mode in k_B of a Debye spectrum at Θ/T (…)."""
    top = np.minimum(reduced, 60.0)
    x = 0.5 * top[..., None] * (1.0 + _NODES)
    integrand = (0.5 * x / np.sinh(0.5 * np.maximum(x, 1e-8))) ** 2 * x**2
    integral = 0.5 * top * (integrand @ _WEIGHTS)
    found: Floats = 3.0 * integral / np.maximum(reduced, 1e-8) ** 3
    return found


def debye_of_capacity(capacity: Floats, kelvin: Floats) -> Floats:
    """Debye temperature (t,) with the same heat capacity per mode in k_B, by bisection.

    It is nan at 0 K, and where no Debye spectrum has this heat capacity.
    """
    low, high = np.full(kelvin.shape, _LEAST), np.full(kelvin.shape, _MOST)
    for _ in range(60):
        middle = 0.5 * (low + high)
        larger = debye_capacity(middle) > capacity
        low, high = np.where(larger, middle, low), np.where(larger, high, middle)
    inside = (capacity > debye_capacity(np.array(_MOST))) & (
        capacity < debye_capacity(np.array(_LEAST))
    )
    return np.where(inside & (kelvin > 0.0), 0.5 * (low + high) * kelvin, np.nan)


def moments_of(
    omega: Floats, weights: Floats, counted: Bools, changes: Floats
) -> tuple[Floats, Floats]:
    """⟨ωⁿ⟩ (o,) of the counted modes (n,), ⟨ln ω⟩ for n = 0, and changes (o, b).

    ``changes`` (b, n) are those of ω².
    """
    share = np.where(counted, weights, 0.0) / weights[counted].sum()
    positive = np.where(counted, omega, 1.0)
    n = ORDERS[:, None]
    values = np.where(n == 0, np.log(positive), positive ** n.astype(float))
    slopes = np.where(n == 0, 1.0, n * values) / (2.0 * positive**2)
    return values @ share, (slopes * share) @ changes.T


def temperatures_of_moments(moments: Floats) -> Floats:
    """Debye temperatures (o, …) of moments (o, …)."""
    n = ORDERS.reshape(-1, *[1] * (moments.ndim - 1)).astype(float)
    power = np.where(n == 0.0, 1.0, n)
    root = ((power + 3.0) / 3.0 * np.where(n == 0.0, 1.0, moments)) ** (1.0 / power)
    cutoff = np.where(n == 0.0, np.exp(1.0 / 3.0 + moments * (n == 0.0)), root)
    found: Floats = HBAR / BOLTZMANN * cutoff
    return found


def debye_temperatures(
    moments: tuple[Floats, Floats],
    functions: ThermalFunctions,
    kelvin: Floats,
    n_modes: int,
    elastic: tuple[float, float | None],
) -> DebyeTemperatures:
    """Collect the Debye temperatures; ``elastic`` is that of sound and its error."""
    values, changes = moments
    theta = temperatures_of_moments(values)
    unit = n_modes * BOLTZMANN
    capacity = functions.heat_capacity / unit
    of_capacity = debye_of_capacity(capacity, kelvin)
    warm = np.where(kelvin > 0.0, kelvin, 1.0)
    curve = np.where(kelvin > 0.0, unit * debye_capacity(theta[ORDERS == 2][0] / warm), 0.0)
    errors: dict[str, Floats] = {}
    if changes.shape[1]:
        sem = jackknife_sem(changes.T)
        # Θ ∝ ⟨ωⁿ⟩^(1/n), or exp⟨ln ω⟩: to first order, as all errors.
        relative = sem / np.where(ORDERS == 0, 1.0, np.abs(ORDERS * values))
        errors |= {"moments_sem": sem, "from_moments_sem": theta * relative}
    if functions.heat_capacity_sem is not None:
        errors["from_capacity_sem"] = _error_of_capacity(
            of_capacity / warm, functions.heat_capacity_sem / unit, warm
        )
    return DebyeTemperatures(
        ORDERS, values, theta, of_capacity, elastic[0], curve, elastic_sem=elastic[1], **errors
    )


def _error_of_capacity(reduced: Floats, capacity_sem: Floats, kelvin: Floats) -> Floats:
    """Error in K from that of the heat capacity, by the slope of the Debye function."""
    step = 1e-4 * reduced
    slope = (debye_capacity(reduced + step) - debye_capacity(reduced - step)) / (2.0 * step)
    found: Floats = kelvin * capacity_sem / np.abs(slope)
    return found
