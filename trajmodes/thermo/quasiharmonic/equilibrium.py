"""Volume at pressure and temperature, and the properties that follow from F(V, T).

The volume is where −∂F/∂V = p. With the interpolated free energy F, entropy S and heat capacity
C_V at this volume (Wallace, Thermodynamics of Crystals (1972), §2),

K_T = V ∂²F/∂V²,   α = (1/3V) ∂V/∂T = (1/3K_T) ∂S/∂V,   C_p = C_V + 9α² K_T V T,
G = F + pV,   γ = 3α K_T V/C_V,   K_S = K_T C_p/C_V.

No derivative with respect to temperature is numerical: α is exact for the interpolated S.
Errors are of first order (`trajmodes.thermo.quasiharmonic.stationary`).
"""

from itertools import pairwise

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data.quasiharmonic import Equilibrium
from trajmodes.errors import DataError
from trajmodes.thermo.quasiharmonic.equations_of_state import Interpolation
from trajmodes.thermo.quasiharmonic.stationary import first_order_sem, stationary
from trajmodes.units import GIGAPASCAL

_GRID = 401
"""Volumes at which a minimum is looked for."""


def equilibrium(
    equation: Interpolation, values: Floats, kelvin: Floats, pressures: Floats
) -> Equilibrium:
    """Equilibrium at pressures (p,) in eV/Å³ and temperatures (t,) of values (3, t, v).

    The values are free energy, entropy and heat capacity at the volumes of the equation.

    Raises
    ------
    DataError
        If there is no minimum between the volumes at a temperature and pressure.
    """
    coefficients = equation.coefficients(values)
    start = _minimum(equation, coefficients[0], kelvin, pressures)
    volume = _newton(equation, coefficients[0], start, pressures)
    return Equilibrium(*_properties(equation, coefficients, volume, kelvin, pressures))


def equilibrium_errors(
    equation: Interpolation,
    values: Floats,
    deviations: Floats,
    kelvin: Floats,
    pressures: Floats,
    found: Equilibrium,
) -> Equilibrium:
    """Compute standard errors of an equilibrium from deviations (m, 3, t, v) of the values."""

    def fields_of(moved: Floats) -> tuple[Floats, ...]:
        coefficients = equation.coefficients(np.moveaxis(moved, -3, 0))
        volume = _newton(equation, coefficients[0], found.volume, pressures)
        return _properties(equation, coefficients, volume, kelvin, pressures)

    return Equilibrium(*first_order_sem(fields_of, values, deviations))


def _minimum(
    equation: Interpolation, free: Floats, kelvin: Floats, pressures: Floats
) -> Floats:
    """Volumes (p, t) of a grid that are closest to the lowest minimum of F + pV."""
    low, high = float(equation.volumes.min()), float(equation.volumes.max())
    grid = np.linspace(low, high, _GRID)
    value, slope, _ = equation.basis(np.broadcast_to(grid[:, None], (_GRID, len(kelvin))))
    gibbs = np.einsum("gtk,tk->tg", value, free) + pressures[:, None, None] * grid
    slopes = np.einsum("gtk,tk->tg", slope, free) + pressures[:, None, None]
    rises = (slopes[..., :-1] < 0.0) & (slopes[..., 1:] >= 0.0)
    lacks = ~rises.any(axis=-1)
    if lacks.any():
        raise _outside(equation, slopes, lacks, kelvin, pressures)
    place = np.where(rises, gibbs[..., :-1], np.inf).argmin(axis=-1)
    found: Floats = 0.5 * (grid[place] + grid[place + 1])
    return found


def _outside(
    equation: Interpolation, slopes: Floats, lacks: Bools, kelvin: Floats, pressures: Floats
) -> DataError:
    """Error for a minimum that is outside the volumes."""
    p, t = map(int, np.argwhere(lacks)[0])
    volumes = np.sort(equation.volumes)
    low, high = float(volumes[0]), float(volumes[-1])
    widest = max(float(b - a) for a, b in pairwise(volumes))
    falls = bool(slopes[p, t, -1] < 0.0)
    least, most = (pressures[p] - slopes[p, t, [-1, 0]]) / GIGAPASCAL
    wanted = high + widest if falls else low - widest
    side = "larger" if falls else "smaller"
    edge = high if falls else low
    first = f"{kelvin[t]:g} K and {pressures[p] / GIGAPASCAL:.3g} GPa"
    stable = kelvin[~lacks[p]]
    span = (
        f", or temperatures from {stable.min():g} to {stable.max():g} K alone"
        if len(stable)
        else ""
    )
    return DataError(
        f"at {first} the equilibrium volume is not between the smallest volume {low:.4f} Å³ "
        f"and the largest one {high:.4f} Å³ of a primitive cell",
        why=f"F + pV still falls towards {side} volumes at {edge:.4f} Å³; at {kelvin[t]:g} K "
        f"the volumes reach pressures from {least:.2f} to {most:.2f} GPa",
        fix=f"add force constants and the energy at a {side} volume, such as {wanted:.4f} Å³ "
        f"(lattice vectors {100.0 * ((wanted / edge) ** (1.0 / 3.0) - 1.0):+.2f} %){span}",
    )


def _newton(equation: Interpolation, free: Floats, start: Floats, pressures: Floats) -> Floats:
    """Volumes (…, p, t) at which −∂F/∂V = p, from nearby volumes and coefficients (…, t, k)."""

    def step(volume: Floats) -> Floats:
        _, slope, curvature = (
            np.einsum("...ptk,...tk->...pt", one, free) for one in equation.basis(volume)
        )
        found: Floats = (slope + pressures[:, None]) / curvature
        return found

    start = np.broadcast_to(start, (*free.shape[:-2], *start.shape[-2:]))
    return stationary(step, start, 1e-13 * float(equation.volumes.min()))


def _properties(
    equation: Interpolation,
    coefficients: Floats,
    volume: Floats,
    kelvin: Floats,
    pressures: Floats,
) -> tuple[Floats, ...]:
    """Fields of `Equilibrium` at volumes (…, p, t), from coefficients (3, …, t, k)."""
    value, slope, curvature = equation.basis(volume)
    free, entropy, capacity = np.einsum("...ptk,f...tk->f...pt", value, coefficients)
    entropy_slope = np.einsum("...ptk,...tk->...pt", slope, coefficients[1])
    modulus = volume * np.einsum("...ptk,...tk->...pt", curvature, coefficients[0])
    expansion = entropy_slope / (3.0 * modulus)
    gap = 9.0 * expansion**2 * modulus * volume * kelvin
    gap = np.where(kelvin > 0.0, gap, 0.0)
    warm = capacity > 0.0
    safe = np.where(warm, capacity, 1.0)
    ratio = np.where(warm, 1.0 + gap / safe, 1.0)
    gruneisen = np.where(warm, volume * entropy_slope / safe, np.nan)
    return (
        volume,
        expansion,
        modulus,
        modulus * ratio,
        capacity,
        capacity + gap,
        entropy,
        free,
        free + pressures[:, None] * volume,
        gruneisen,
    )
