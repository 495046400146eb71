"""Functions with derivatives from tables on an equidistant grid.

There are three interpolations: the cubic spline (second derivatives are continuous), the cubic
Hermite polynomials of LAMMPS with slopes of five points (second derivatives jump at the points
of the table), and a quintic spline fitted by least squares, which smooths tables of few digits.

Values of few digits have a rounding noise σ, and the second derivative of their cubic spline
has the noise c σ/h², where c² is the mean of [6(2 − 2 cos θ)/(4 + 2 cos θ)]²(2 + cos θ)/3 over
all waves θ: second derivatives at the points of the table are second differences divided by (4
+ 2 cos θ)/6 (de Boor, A Practical Guide to Splines, ch. IV), and linear in between. Knots at a
distance H retain waves up to π/H, and the noise is π² σ/H² (h/5H)^½. σ is found from
differences of eighth order, to which a smooth function contributes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import comb, factorial
from typing import Literal

import numpy as np
from scipy.interpolate import CubicHermiteSpline, CubicSpline, make_lsq_spline

from trajmodes.arrays import Floats
from trajmodes.errors import DataError, UsageError

Function = Callable[[Floats, int], Floats]
"""f(x, n): the n-th derivative at x."""

Interpolation = Literal["cubic", "lammps", "smooth"]

KNOTS = 0.01
"""Distance in Å of the knots of a smoothed function of distance."""

CORE = 1.0
"""Distance in Å below which no function is smoothed."""

_DIFFERENCE = 8
# Points of the table about x from which its noise is estimated.
_WINDOW = 48


@dataclass(frozen=True, slots=True)
class Table:
    """A function known at ``step · (0, 1, 2, …)``; errors contain its ``name``.

    Raises
    ------
    DataError
        If it is evaluated outside the table, and is not continued there.
    """

    name: str
    step: float
    values: Floats
    interpolation: Interpolation = "cubic"
    holds: bool = False
    """Whether the last value and its derivatives are kept beyond the table, as in LAMMPS."""
    _function: Function = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_function", _interpolant(self))

    def __call__(self, x: Floats, order: int = 0) -> Floats:
        """Compute the derivative of the given order, 0 for the value itself."""
        last = self.step * (len(self.values) - 1)
        if self.holds:
            x = np.minimum(x, last)
        if len(x) and (x.min() < 0.0 or x.max() > last):
            beyond = x.min() if x.min() < 0.0 else x.max()
            raise DataError(
                f"{self.name} is needed at {beyond:.6g}, and its table extends from 0 to "
                f"{last:.6g}",
                why="the atoms are too near to each other, or the cell is not that of the "
                "potential",
                fix="check lattice constant and species",
            )
        found: Floats = self._function(x, order)
        return found

    def noise(self, x: Floats) -> Floats:
        """Estimate the error of the second derivative at x due to rounding of the table."""
        n = len(self.values)
        if n < _DIFFERENCE + 1:
            return np.zeros(len(x))
        differences = np.abs(np.diff(self.values, _DIFFERENCE))
        centres = np.rint(x / self.step).astype(np.int64) - _DIFFERENCE // 2
        window = min(_WINDOW, len(differences))
        start = np.clip(centres - window // 2, 0, len(differences) - window)
        near = differences[start[:, None] + np.arange(window)]
        # The median of |z| of a normal variable is 0.6745 standard deviations.
        sigma = np.median(near, axis=1) / (0.6745 * np.sqrt(comb(2 * _DIFFERENCE, _DIFFERENCE)))
        if self.interpolation == "smooth":
            found: Floats = np.pi**2 * sigma * np.sqrt(self.step / (5.0 * KNOTS)) / KNOTS**2
        else:
            found = _SPLINE_NOISE * sigma / self.step**2
        return found


@dataclass(frozen=True, slots=True)
class OverDistance:
    """φ(r) = z(r)/r from a table of z, as pair potentials are listed in files."""

    table: Table

    def __call__(self, r: Floats, order: int = 0) -> Floats:
        """Compute a derivative by Leibniz' rule."""
        found = np.zeros_like(r)
        for k in range(order + 1):
            inverse = (-1.0) ** k * factorial(k) / r ** (k + 1)
            found += comb(order, k) * self.table(r, order - k) * inverse
        return found

    def noise(self, r: Floats) -> Floats:
        """Estimate the error of the second derivative at r due to rounding of the table."""
        found: Floats = self.table.noise(r) / r
        return found


def _interpolant(table: Table) -> Function:
    y = np.asarray(table.values, dtype=float)
    x = table.step * np.arange(float(len(y)))
    if len(y) < 5:
        raise DataError(f"{table.name} has {len(y)} points, and at least 5 are needed")
    if table.interpolation == "lammps":
        function: Function = CubicHermiteSpline(x, y, _slopes(y) / table.step)
        return function
    if table.interpolation == "smooth":
        return _smoothed(table, x, y)
    spline: Function = CubicSpline(x, y)
    return spline


def _slopes(y: Floats) -> Floats:
    """Slopes per point as in LAMMPS (``PairEAM::interpolate``)."""
    slopes = np.empty_like(y)
    slopes[0], slopes[-1] = y[1] - y[0], y[-1] - y[-2]
    slopes[1], slopes[-2] = 0.5 * (y[2] - y[0]), 0.5 * (y[-1] - y[-3])
    slopes[2:-2] = (y[:-4] - y[4:] + 8.0 * (y[3:-1] - y[1:-3])) / 12.0
    return slopes


def _smoothed(table: Table, x: Floats, y: Floats) -> Function:
    # Tables begin with values of any size at distances that do not occur: they are not fitted.
    far = x >= CORE
    n_knots = int((x[-1] - CORE) / KNOTS)
    if n_knots < 2 or far.sum() < 4 * n_knots:
        raise UsageError(
            f"{table.name} has points {table.step:.3g} apart: too few to smooth it over "
            f"{KNOTS:g} Å",
            fix="interpolate it by the cubic spline",
        )
    near = CubicSpline(x, y)
    x, y = x[far], y[far]
    inner = np.linspace(x[0], x[-1], n_knots + 1)[1:-1]
    knots = np.concatenate([6 * [x[0]], inner, 6 * [x[-1]]])
    spline = make_lsq_spline(x, y, knots, k=5)

    def function(at: Floats, order: int) -> Floats:
        found: Floats = np.where(at < x[0], near(at, order), spline(at, order))
        return found

    return function


def _spline_noise() -> float:
    theta = (np.arange(512) + 0.5) * np.pi / 512
    transfer = 6.0 * (2.0 - 2.0 * np.cos(theta)) / (4.0 + 2.0 * np.cos(theta))
    return float(np.sqrt(np.mean(transfer**2 * (2.0 + np.cos(theta)) / 3.0)))


_SPLINE_NOISE = _spline_noise()
