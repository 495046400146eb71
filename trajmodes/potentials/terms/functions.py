"""Functions of distances and of the cosine of an angle: f(x, n) is the n-th derivative at x."""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial, prod

import numpy as np

from trajmodes.arrays import Bools, Floats

Function = Callable[[Floats, int], Floats]

_COLLINEAR = 1e-3
"""Sine of an angle below which its derivatives with respect to the cosine are too large."""


def buckingham(a: float, rho: float, c: float) -> Function:
    """Make A exp(−r/ρ) − C/r⁶."""
    return sum_of(exponential(a, -1.0 / rho), power(-c, -6))


def lennard_jones(epsilon: float, sigma: float) -> Function:
    """Make 4ε[(σ/r)¹² − (σ/r)⁶]."""
    near, far = 4.0 * epsilon * sigma**12, -4.0 * epsilon * sigma**6
    return sum_of(power(near, -12), power(far, -6))


def morse(depth: float, alpha: float, length: float) -> Function:
    """Make D[(1 − exp(−α(r − r₀)))² − 1]."""
    near, far = exponential(depth, -2.0 * alpha), exponential(-2.0 * depth, -alpha)
    return lambda r, n: near(r - length, n) + far(r - length, n)


def harmonic(k: float, length: float = 0.0) -> Function:
    """Make ½k(r − r₀)²: a strut, or the spring of a shell if r₀ is 0."""
    return polynomial((0.0, 0.0, k), length)


def polynomial(derivatives: tuple[float, ...], origin: float = 0.0) -> Function:
    """Make Σ d_m (x − x₀)^m/m! of derivatives d_m at x₀."""

    def function(x: Floats, n: int) -> Floats:
        total = np.zeros_like(x)
        for m in range(n, len(derivatives)):
            total = total + derivatives[m] * (x - origin) ** (m - n) / factorial(m - n)
        return total

    return function


def power(factor: float, exponent: float) -> Function:
    """Make a factor times x to a power."""

    def function(x: Floats, n: int) -> Floats:
        falling = prod(exponent - k for k in range(n))
        return factor * falling * x ** float(exponent - n)

    return function


def exponential(factor: float, rate: float) -> Function:
    """Make a factor times exp(rate x)."""
    return lambda x, n: factor * rate**n * np.exp(rate * x)


def screened(factor: float, width: float, end: float) -> Function:
    """Make a factor times exp[w/(x − end)], zero with all derivatives beyond the end."""

    def function(x: Floats, n: int) -> Floats:
        inside = x < end
        u = np.where(inside, 1.0 / np.where(inside, x - end, -1.0), -1.0)
        w = width
        # d/dx = −u² d/du of exp(w u), written out
        polynomials = (
            1.0,
            -w * u**2,
            (w * u) ** 2 * u**2 + 2.0 * w * u**3,
            -((w * u**2) ** 3) - 6.0 * w**2 * u**5 - 6.0 * w * u**4,
        )
        return np.where(inside, factor * polynomials[n] * np.exp(w * u), 0.0)

    return function


def product(one: Function, other: Function) -> Function:
    """Make the product of two functions of one variable, by Leibniz' rule."""

    def function(x: Floats, n: int) -> Floats:
        binomials = [factorial(n) // (factorial(k) * factorial(n - k)) for k in range(n + 1)]
        parts = [b * one(x, k) * other(x, n - k) for k, b in enumerate(binomials)]
        found: Floats = np.sum(parts, axis=0)
        return found

    return function


def sum_of(one: Function, other: Function) -> Function:
    """Make the sum of two functions of one variable."""
    return lambda x, n: one(x, n) + other(x, n)


def constant(value: float) -> Function:
    """Make a function with the same value everywhere."""
    return polynomial((value,))


def cosine_harmonic(k: float, degrees: float) -> Function:
    """Make ½k(cos θ − cos θ₀)² as a function of cos θ."""
    return polynomial((0.0, 0.0, k), float(np.cos(np.radians(degrees))))


@dataclass(frozen=True, slots=True)
class HarmonicAngle:
    """½k(θ − θ₀)² as a function of cos θ.

    Its derivatives with respect to cos θ diverge as θ → 0 and θ → 180°.
    """

    k: float
    """Force constant in eV/rad²."""
    degrees: float
    """θ₀ in degrees."""

    def diverges(self, c: Floats) -> Bools:
        """Find the angles so close to 0 or 180° that they have no derivatives."""
        return np.asarray(1.0 - c**2 < _COLLINEAR**2)

    def __call__(self, c: Floats, n: int) -> Floats:
        """Compute the n-th derivative with respect to the cosine."""
        sine: Floats = np.sqrt(1.0 - c**2)
        apart: Floats = np.arccos(np.clip(c, -1.0, 1.0)) - np.radians(self.degrees)
        if n == 0:
            return 0.5 * self.k * apart**2
        one = -1.0 / sine
        if n == 1:
            return self.k * apart * one
        two = -c / sine**3
        if n == 2:
            return self.k * (one**2 + apart * two)
        three = -(1.0 + 2.0 * c**2) / sine**5
        return self.k * (3.0 * one * two + apart * three)
