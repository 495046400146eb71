"""Free energy of a uniaxial crystal as a polynomial in ln a and ln c.

With x = (ln a/a₀, ln c/c₀) from the mean of the cells, the forms are all powers of x up to the
second degree (6 parameters) or the third (10 parameters). Both are linear in their parameters,
so that a fit by weighted least squares is an interpolation f(x) = Σ_i L_i(x) f_i of the values
at the cells. Free energy, entropy and heat capacity share the weights L_i, and the fitted S is
−∂F/∂T of the fitted F.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.errors import DataError

AxisFormName = Literal["cubic in ln a and ln c", "quadratic in ln a and ln c"]

ALONG = np.array([2.0, 1.0])
"""Derivative of ln V by ln a and ln c."""
LEAST_CELLS = 6
_DEGREES: dict[AxisFormName, tuple[int, int]] = {
    "cubic in ln a and ln c": (3, 12),
    "quadratic in ln a and ln c": (2, LEAST_CELLS),
}
"""Degree, and the least number of cells: for the third two more than parameters."""
_INDEPENDENT = 0.02
"""Least singular value of the columns of a fit relative to the largest, at unit deviations."""


@dataclass(frozen=True, slots=True)
class AxisForm:
    """A polynomial fitted at cells (v), which interpolates any values there."""

    name: AxisFormName
    axes: Floats
    """(v, 2), unit: Å. Lengths a and c."""
    volumes: Floats
    """(v,), unit: Å³. Of the primitive cell."""
    powers: Ints
    """(k, 2) powers of ln a/a₀ and ln c/c₀ in each term."""
    inverse: Floats
    """(k, v) coefficients of the terms per value at each cell."""

    @property
    def reference(self) -> Floats:
        """(2,) mean of ln a and ln c, where x = 0."""
        found: Floats = np.log(self.axes).mean(axis=0)
        return found

    @property
    def places(self) -> Floats:
        """(v, 2) x of the cells."""
        found: Floats = np.log(self.axes) - self.reference
        return found

    def volume(self, x: Floats) -> Floats:
        """Volumes (…) of the primitive cell at x (…, 2)."""
        origin = np.exp((np.log(self.volumes) - self.places @ ALONG).mean())
        found: Floats = origin * np.exp(x @ ALONG)
        return found

    def uniform_slopes(self, place: int) -> Floats:
        """Weights (v,) of values in their derivative by ln V at a cell, at fixed c/a."""
        _, gradient, _ = self.basis(self.places[place])
        found: Floats = gradient.sum(axis=-1) / 3.0 @ self.inverse
        return found

    def coefficients(self, values: Floats) -> Floats:
        """Coefficients (…, k) of the terms for values (…, v)."""
        found: Floats = values @ self.inverse.T
        return found

    def basis(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Terms (…, k) at x (…, 2), their gradients (…, k, 2) and second derivatives."""
        orders = [_power(x[..., None, :], self.powers, order) for order in range(3)]
        value, first, second = (one[..., 0] for one in orders)
        value_c, first_c, second_c = (one[..., 1] for one in orders)
        mixed = first * first_c
        gradient = np.stack([first * value_c, value * first_c], axis=-1)
        curvature = np.stack([second * value_c, mixed, mixed, value * second_c], axis=-1)
        return value * value_c, gradient, curvature.reshape(*mixed.shape, 2, 2)

    def residuals(self, values: Floats) -> Floats:
        """Residuals (t, v) of values (t, v)."""
        found: Floats = self.coefficients(values) @ self.basis(self.places)[0].T - values
        return found

    def left_out(self, values: Floats) -> Floats:
        """Errors (t, v) of the prediction of each value from the others.

        They are nan if there are as many cells as parameters.
        """
        kept = 1.0 - np.einsum("vk,kv->v", self.basis(self.places)[0], self.inverse)
        known = kept > 1e-6
        found: Floats = np.where(
            known, self.residuals(values) / np.where(known, kept, 1.0), np.nan
        )
        return found


def axis_forms(axes: Floats, volumes: Floats, weights: Floats) -> list[AxisForm]:
    """Forms that cells (v, 2) with weights (v,) determine, that of highest degree first.

    The volumes (v,) are those of the primitive cell.

    Raises
    ------
    DataError
        If there are fewer than six cells, or these do not determine the second degree.
    """
    if len(axes) < LEAST_CELLS:
        raise DataError(
            f"c/a differs between the cells, and there are {len(axes)} of them: a quadratic "
            f"form in ln a and ln c needs {LEAST_CELLS}",
            fix="add force constants and energies at other a and c, such as three values of "
            "each, or give cells of one c/a for a minimum over the volume alone",
        )
    names = (name for name, (_, least) in _DEGREES.items() if len(axes) >= least)
    found = [
        form for name in names if (form := _form(name, axes, volumes, weights)) is not None
    ]
    if not found:
        raise DataError(
            f"the {len(axes)} cells do not determine a quadratic form in ln a and ln c",
            why="too few of their a and c are independent, or all cells are near one curve",
            fix="add force constants and energies at other a and c, such as three values of "
            "each, or give cells of one c/a for a minimum over the volume alone",
        )
    return found


def _form(
    name: AxisFormName, axes: Floats, volumes: Floats, weights: Floats
) -> AxisForm | None:
    """Fit a form; None if the cells do not determine the parameters."""
    degree, _ = _DEGREES[name]
    powers = np.array([(i, n - i) for n in range(degree + 1) for i in range(n, -1, -1)])
    x = np.log(axes) - np.log(axes).mean(axis=0)
    # In these coordinates deviations are independent and of unit size, whatever the cells.
    deviations, shape = np.linalg.svd(x, full_matrices=False)[1:]
    if deviations[1] < 1e-6 * deviations[0] or deviations[0] == 0.0:
        return None
    rounded = x @ shape.T / deviations * np.sqrt(len(x))
    columns = _power(rounded[:, None], powers, 0).prod(axis=-1)
    columns = columns / np.linalg.norm(columns, axis=0)
    singular = np.linalg.svd(columns, compute_uv=False)
    if singular[-1] < _INDEPENDENT * singular[0]:
        return None
    root = np.sqrt(weights / weights.max())
    rows = _power(x[:, None], powers, 0).prod(axis=-1) * root[:, None]
    norms = np.linalg.norm(rows, axis=0)
    inverse = np.linalg.pinv(rows / norms) / norms[:, None] * root
    return AxisForm(name, axes, volumes, powers, inverse)


def _power(x: Floats, powers: Ints, order: int) -> Floats:
    """Take a derivative of x^n: n(n − 1)… x^(n − order)."""
    factor = np.ones(powers.shape)
    for k in range(order):
        factor = factor * (powers - k)
    found: Floats = factor * x ** np.maximum(powers - order, 0)
    return found
