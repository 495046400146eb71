"""Lengths a and c at pressure and temperature, and the properties that follow.

With x = (ln a, ln c), u = (2, 1) and V ∝ a²c, G = F(x) + pV is minimal where its gradient ∇F +
pVu vanishes. There, with the matrix of second derivatives H = ∇∇F + pVuuᵀ,

dx/dT = H⁻¹ ∇S,   dx/dp = −V H⁻¹ u,

which are the linear expansions (α_a, α_c) and compressibilities. The volume expansion is
3α = 2α_a + α_c, and

K_T = 1/(V uᵀH⁻¹u),   C_p = C_x + T ∇Sᵀ H⁻¹ ∇S,   C_V = C_p − 9α²K_T V T

where C_x is the heat capacity of the cell at fixed a and c. At constant V the ratio c/a is free
(Wallace, Thermodynamics of Crystals (1972), §2). Errors are those of
`trajmodes.thermo.quasiharmonic.stationary`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import ConvexHull

from trajmodes.arrays import Bools, Floats
from trajmodes.data.quasiharmonic import AxisEquilibrium, Equilibrium
from trajmodes.errors import DataError
from trajmodes.thermo.quasiharmonic.axis_forms import ALONG, AxisForm
from trajmodes.thermo.quasiharmonic.stationary import first_order_sem, stationary
from trajmodes.units import GIGAPASCAL

_GRID = 41
"""Values of a and of c at which a minimum is looked for."""
_STILL = 1e-9
"""Largest step in ln a or ln c at a minimum."""


class AxisState(NamedTuple):
    """Equilibrium of a uniaxial crystal at pressures (p) and temperatures (t)."""

    equilibrium: Equilibrium
    axes: AxisEquilibrium


def axis_equilibrium(
    form: AxisForm, values: Floats, kelvin: Floats, pressures: Floats
) -> AxisState:
    """Equilibrium at pressures (p,) in eV/Å³ and temperatures (t,) of values (3, t, v).

    The values are free energy, entropy and heat capacity at the cells of the form.

    Raises
    ------
    DataError
        If there is no minimum between the cells at a temperature and pressure.
    """
    coefficients = form.coefficients(values)
    x = _newton(form, coefficients[0], _start(form, coefficients[0], pressures),
                pressures)  # fmt: skip
    gradient, curvature = _slopes(form, coefficients[0], x, pressures)
    is_still = np.abs(_solved(curvature, gradient)).max(axis=-1) < _STILL
    is_minimum = is_still & (np.linalg.eigvalsh(curvature)[..., 0] > 0.0)
    _require_inside(form, x, is_minimum, kelvin, pressures)
    return _split(_properties(form, coefficients, x, kelvin, pressures))


def axis_errors(
    form: AxisForm,
    values: Floats,
    deviations: Floats,
    kelvin: Floats,
    pressures: Floats,
    found: AxisState,
) -> AxisState:
    """Compute standard errors of an equilibrium from deviations (m, 3, t, v) of the values."""
    start = np.log(np.stack([found.axes.a, found.axes.c], axis=-1)) - form.reference

    def fields_of(moved: Floats) -> tuple[Floats, ...]:
        coefficients = form.coefficients(np.moveaxis(moved, -3, 0))
        x = _newton(form, coefficients[0], start, pressures)
        return _properties(form, coefficients, x, kelvin, pressures)

    return _split(first_order_sem(fields_of, values, deviations))


def _split(values: Sequence[Floats] | Floats) -> AxisState:
    """Divide the fields into both parts, in their order."""
    count = len(Equilibrium.__slots__)
    return AxisState(Equilibrium(*values[:count]), AxisEquilibrium(*values[count:]))


def _start(form: AxisForm, free: Floats, pressures: Floats) -> Floats:
    """Places (p, t, 2) of the lowest F + pV on a grid between the cells."""
    places = form.places
    sides = [np.linspace(low, high, _GRID) for low, high in zip(
        places.min(axis=0), places.max(axis=0), strict=True)]  # fmt: skip
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, 2)
    grid = np.concatenate([places, grid[_beyond(places, grid) <= 0.0]])
    energy = form.basis(grid)[0] @ free.T
    volume = form.volume(grid)
    return np.stack([
        grid[(energy + pressure * volume[:, None]).argmin(axis=0)] for pressure in pressures
    ])  # fmt: skip


def _beyond(places: Floats, x: Floats) -> Floats:
    """How far x (…, 2) is outside the convex hull of the cells, in units of its size."""
    size = np.ptp(places, axis=0)
    faces = ConvexHull(places / size).equations
    found: Floats = ((x / size) @ faces[:, :2].T + faces[:, 2]).max(axis=-1)
    return found


def _slopes(
    form: AxisForm, free: Floats, x: Floats, pressures: Floats
) -> tuple[Floats, Floats]:
    """Gradient (…, p, t, 2) and curvature of F + pV at x, from coefficients (…, t, k)."""
    _, first, second = form.basis(x)
    gradient = np.einsum("...ptkx,...tk->...ptx", first, free)
    curvature = np.einsum("...ptkxy,...tk->...ptxy", second, free)
    pressed = (pressures[:, None] * form.volume(x))[..., None]
    return (
        gradient + pressed * ALONG,
        curvature + pressed[..., None] * np.outer(ALONG, ALONG),
    )


def _newton(form: AxisForm, free: Floats, start: Floats, pressures: Floats) -> Floats:
    """Places (…, p, t, 2) at which the gradient of F + pV vanishes, from places nearby."""
    # Further away there is nothing but an extrapolated form.
    reach = np.ptp(form.places, axis=0)

    def step(x: Floats) -> Floats:
        gradient, curvature = _slopes(form, free, x, pressures)
        whole = np.clip(_solved(curvature, gradient), -reach, reach)
        found: Floats = x - np.clip(x - whole, -3.0 * reach, 3.0 * reach)
        return found

    start = np.broadcast_to(start, (*free.shape[:-2], *start.shape[-3:]))
    return stationary(step, start, 1e-14)


def _solved(matrix: Floats, vector: Floats) -> Floats:
    return np.asarray(np.linalg.solve(matrix, vector[..., None])[..., 0], dtype=float)


def _require_inside(
    form: AxisForm, x: Floats, is_minimum: Bools, kelvin: Floats, pressures: Floats
) -> None:
    """Raise an error that names the cell to add, if x is outside the cells."""
    lacks = ~is_minimum | (_beyond(form.places, x) > 1e-9)
    if not lacks.any():
        return
    p, t = map(int, np.argwhere(lacks)[0])
    low, high = form.axes.min(axis=0), form.axes.max(axis=0)
    stable = kelvin[~lacks[p]]
    span = (
        f", or temperatures from {stable.min():g} to {stable.max():g} K alone"
        if len(stable)
        else ""
    )
    if is_minimum[p, t]:
        a, c = np.exp(form.reference + x[p, t])
        why = f"the form {form.name} continues to a minimum at a = {a:.4f} Å, c = {c:.4f} Å"
        fix = f"add force constants and energies at cells around this one{span}"
    else:
        why = f"the form {form.name} has no minimum between the cells: energies may be wrong"
        fix = f"check the energies of the cells, and add cells at other a and c{span}"
    raise DataError(
        f"at {kelvin[t]:g} K and {pressures[p] / GIGAPASCAL:.3g} GPa the equilibrium is not "
        f"between the cells, whose a is {low[0]:.4f} to {high[0]:.4f} Å and c {low[1]:.4f} to "
        f"{high[1]:.4f} Å",
        why=why,
        fix=fix,
    )


def _properties(
    form: AxisForm,
    coefficients: Floats,
    x: Floats,
    kelvin: Floats,
    pressures: Floats,
) -> tuple[Floats, ...]:
    """Fields of `Equilibrium` and `AxisEquilibrium` at x, from coefficients (3, …, t, k)."""
    value, first, _ = form.basis(x)
    free, entropy, fixed = np.einsum("...ptk,f...tk->f...pt", value, coefficients)
    entropy_slope = np.einsum("...ptkx,...tk->...ptx", first, coefficients[1])
    _, curvature = _slopes(form, coefficients[0], x, pressures)
    alpha = _solved(curvature, entropy_slope)
    soft = _solved(curvature, np.broadcast_to(ALONG, alpha.shape)) @ ALONG
    volume = form.volume(x)
    modulus = 1.0 / (volume * soft)
    expansion = alpha @ ALONG / 3.0
    # At 0 K a classical crystal has no α, and both heat capacities are that of the cell.
    cold = kelvin <= 0.0
    capacity_p = fixed + np.where(cold, 0.0, kelvin * (entropy_slope * alpha).sum(axis=-1))
    gap = np.where(cold, 0.0, 9.0 * expansion**2 * modulus * volume * kelvin)
    capacity_v = capacity_p - gap
    warm = capacity_v > 0.0
    safe = np.where(warm, capacity_v, 1.0)
    a, c = np.moveaxis(np.exp(x + form.reference), -1, 0)
    return (
        volume,
        expansion,
        modulus,
        modulus * np.where(warm, 1.0 + gap / safe, 1.0),
        capacity_v,
        capacity_p,
        entropy,
        free,
        free + pressures[:, None] * volume,
        np.where(warm, 3.0 * expansion * modulus * volume / safe, np.nan),
        a,
        c,
        c / a,
        alpha[..., 0],
        alpha[..., 1],
    )
