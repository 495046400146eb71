"""Equations of state: functions of volume, fitted to values at several volumes.

With V₀ a volume of reference and u = (V/V₀)^ν − 1, the forms are

- Birch–Murnaghan: a polynomial in u with ν = −2/3, of third degree (Birch, Phys. Rev. 71, 809
  (1947)), or of second degree with three volumes, which is the form with B' = 4;
- polynomial: the same with ν = 1, of fourth degree with seven volumes or more;
- Vinet: a + (b + cu) e^{−du} with ν = 1/3 (Vinet, Smith, Ferrante, Rose, Phys. Rev. B 35, 1945
  (1987), in terms of its parameters: d = 3(B' − 1)/2 where V₀ is the volume without pressure).

All are linear in their parameters except d. To first order, a change of the data changes a
curve of Vinet's form by a function of the span of 1, e^{−du}, ue^{−du}, u²e^{−du}. At the best
d the fit in this span has no part along u²e^{−du}; d is determined by this condition. Every fit
is therefore an interpolation f(V) = Σ_i L_i(V) f_i of the values f_i at the volumes V_i, with
weights L_i that depend on the volumes alone (and on d). Free energy, entropy and heat capacity
share them.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.errors import DataError

EquationName = Literal["birch-murnaghan", "vinet", "polynomial"]

EQUATIONS: tuple[EquationName, ...] = ("birch-murnaghan", "vinet", "polynomial")

_PARAMETERS = 4
_DECAYS = np.linspace(0.5, 30.0, 119)
"""Where d is looked for: B' from 1.3 to 21."""
_USUAL = 4.5
"""d of a crystal with B' = 4, near which it is looked for first."""


class _Form(NamedTuple):
    exponent: float
    powers: tuple[int, ...]
    """Powers of u in the columns after the constant one."""


_FORMS: dict[EquationName, _Form] = {
    "birch-murnaghan": _Form(-2.0 / 3.0, (1, 2, 3)),
    "vinet": _Form(1.0 / 3.0, (0, 1, 2)),
    "polynomial": _Form(1.0, (1, 2, 3)),
}


@dataclass(frozen=True, slots=True)
class Interpolation:
    """An equation of state fitted at volumes (v), which interpolates any values there."""

    name: EquationName
    volumes: Floats
    """(v,), unit: Å³."""
    powers: tuple[int, ...]
    decay: Floats
    """(t,) d of Vinet's form at each temperature; zeros of the others."""
    inverse: Floats
    """(t, k, v) coefficients of the k basis functions per value at each volume."""

    @property
    def reference(self) -> float:
        """Volume V₀ in Å³ at which u = 0."""
        return float(self.volumes.mean())

    def coefficients(self, values: Floats) -> Floats:
        """Coefficients (…, t, k) of the basis functions for values (…, t, v)."""
        found: Floats = np.einsum("tkv,...tv->...tk", self.inverse, values)
        return found

    def basis(self, volume: Floats) -> tuple[Floats, Floats, Floats]:
        """Basis functions (…, t, k) at volumes (…, t), and two derivatives by volume."""
        return _basis(
            self.name, self.powers, self.decay, np.asarray(volume) / self.reference,
            self.reference,
        )  # fmt: skip

    def residuals(self, values: Floats) -> Floats:
        """Residuals (t, v) of values (t, v)."""
        found: Floats = self._smoothed(values) - values
        return found

    def left_out(self, values: Floats) -> Floats:
        """Errors (t, v) of the prediction of each value from the others.

        They are nan if there are as many volumes as parameters.
        """
        kept = 1.0 - np.einsum("tvv->tv", self._smoother())
        known = kept > 1e-6
        found: Floats = np.where(
            known, self.residuals(values) / np.where(known, kept, 1.0), np.nan
        )
        return found

    def _smoother(self) -> Floats:
        """(t, v, v) derivatives of the fitted values by the value at each volume."""
        n_t = len(self.decay)
        at = np.broadcast_to(self.volumes[:, None], (len(self.volumes), n_t))
        found: Floats = np.einsum("vtk,tkw->tvw", self.basis(at)[0], self.inverse)
        return found

    def _smoothed(self, values: Floats) -> Floats:
        found: Floats = np.einsum("tvw,tw->tv", self._smoother(), values)
        return found


def interpolation(
    name: EquationName, volumes: Floats, free_energies: Floats, weights: Floats
) -> Interpolation:
    """Fit an equation of state to free energies (t, v) at volumes (v,), with weights (v,).

    Raises
    ------
    DataError
        If there are too few volumes, or no curve of Vinet's form describes the values.
    """
    form, n_volumes = _FORMS[name], len(volumes)
    powers = form.powers
    if name == "polynomial" and n_volumes > _PARAMETERS + 2:
        powers = (*powers, 4)
    if n_volumes < _PARAMETERS:
        if name == "vinet" or n_volumes < 3:
            needed = _PARAMETERS if name == "vinet" else 3
            raise DataError(
                f"there are {n_volumes} volumes, and the equation of state {name} needs "
                f"{needed}",
                fix="add force constants and energies at more volumes",
            )
        powers = powers[:2]
    decay = np.zeros(len(free_energies))
    if name == "vinet":
        decay = _decays(volumes, free_energies, weights)
    return Interpolation(
        name, volumes, powers, decay, _inverse(name, powers, decay, volumes, weights)
    )


def _basis(
    name: EquationName, powers: tuple[int, ...], decay: Floats, ratio: Floats, scale: float
) -> tuple[Floats, Floats, Floats]:
    """Basis functions and derivatives at V/V₀ (…, t), with d (t,) and V₀."""
    nu = _FORMS[name].exponent
    u = ratio**nu - 1.0
    du = nu * ratio ** (nu - 1.0) / scale
    ddu = nu * (nu - 1.0) * ratio ** (nu - 2.0) / scale**2
    fall = np.exp(-decay * u)
    none = np.zeros(np.broadcast(u, decay).shape)
    columns = [(none + 1.0, none, none)]
    for k in powers:
        lower = k * u ** max(k - 1, 0)
        lowest = k * (k - 1) * u ** max(k - 2, 0)
        columns.append(
            (
                u**k * fall,
                (lower - decay * u**k) * fall,
                (lowest - 2.0 * decay * lower + decay**2 * u**k) * fall,
            )
        )
    value, first, second = (np.stack(one, axis=-1) for one in zip(*columns, strict=True))
    du, ddu = du[..., None], ddu[..., None]
    return value, first * du, second * du**2 + first * ddu


def _inverse(
    name: EquationName,
    powers: tuple[int, ...],
    decay: Floats,
    volumes: Floats,
    weights: Floats,
) -> Floats:
    """(t, k, v) solution of the weighted least squares for d (t,)."""
    scale = float(volumes.mean())
    at = np.broadcast_to((volumes / scale)[:, None], (len(volumes), len(decay)))
    rows = np.moveaxis(_basis(name, powers, decay, at, scale)[0], 1, 0)
    root = np.sqrt(weights / weights.max())
    rows = rows * root[:, None]
    # Columns of equal norm: their powers of u differ by orders of magnitude.
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    found: Floats = np.linalg.pinv(rows / norms) / norms.swapaxes(1, 2) * root
    return found


def _decays(volumes: Floats, free_energies: Floats, weights: Floats) -> Floats:
    """(t,) d at which the fit has no part along u²e^{−du}, by bisection."""
    powers = _FORMS["vinet"].powers
    centred = free_energies - free_energies.mean(axis=1, keepdims=True)
    along = _inverse("vinet", powers, _DECAYS, volumes, weights)[:, -1] @ centred.T
    changes = along[:-1] * along[1:] <= 0.0
    if not changes.any(axis=0).all():
        raise DataError(
            "no curve of Vinet's form is near the free energies",
            why="the change of the bulk modulus with pressure would be outside 1 to 20",
            fix="use another equation of state, or check the energies of the volumes",
        )
    distance = np.abs(_DECAYS[:-1] - _USUAL)[:, None]
    place = np.where(changes, distance, np.inf).argmin(axis=0)
    low, high = _DECAYS[place], _DECAYS[place + 1]
    sign = np.sign(along[place, np.arange(len(place))])
    for _ in range(50):
        middle = 0.5 * (low + high)
        inverse = _inverse("vinet", powers, middle, volumes, weights)[:, -1]
        is_same = np.sign(np.einsum("tv,tv->t", inverse, centred)) == sign
        low, high = np.where(is_same, middle, low), np.where(is_same, high, middle)
    found: Floats = 0.5 * (low + high)
    return found
