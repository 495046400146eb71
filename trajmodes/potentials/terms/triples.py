"""Energies of triples: E = Σ f(r₁) g(r₂) h(cos θ) of the two bonds of a centre.

With the unit vectors s and c = cos θ the derivatives with respect to the vector of bond L are
(the other bond has a bar; M. B. Taylor, N. L. Allan, J. A. O. Bruno, G. D. Barrera, Phys. Rev.
B 59, 353 (1999))

    ∂r_L = s_L,   A_L = ∂c/∂r_L = (s_L̄ − s_L c)/r_L,
    ∂²c/∂r_L∂r_L = [(3 s_L s_L − 1) c − s_L s_L̄ − s_L̄ s_L]/r_L²,
    ∂²c/∂r_1∂r_2 = [s_1 s_2 c − s_1 s_1 − s_2 s_2 + 1]/(r_1 r_2).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.errors import DataError
from trajmodes.potentials.terms.functions import (
    Function,
    HarmonicAngle,
    constant,
    exponential,
)
from trajmodes.potentials.terms.particles import (
    Blocks,
    Derivatives,
    Particles,
    gathered,
)


class AngularFunction(NamedTuple):
    """f(r₁) g(r₂) h(cos θ) in eV."""

    first: Function
    second: Function
    cosine: Function


def bending(cosine: Function) -> AngularFunction:
    """Make an energy of the angle alone."""
    return AngularFunction(constant(1.0), constant(1.0), cosine)


def harmonic_exponential(
    k: float, degrees: float, first: float, second: float
) -> AngularFunction:
    """Make k exp(−r₁/R₁) exp(−r₂/R₂) (θ − θ₀)² with the lengths R₁ and R₂ in Å."""
    one, two = (exponential(1.0, -1.0 / length) for length in (first, second))
    return AngularFunction(one, two, HarmonicAngle(2.0 * k, degrees))


class _Geometry(NamedTuple):
    """Lengths, unit vectors and cosine of triples (k)."""

    vectors: tuple[Floats, Floats]
    lengths: tuple[Floats, Floats]
    units: tuple[Floats, Floats]
    cosine: Floats
    slopes: tuple[Floats, Floats]
    """(k, 3) A_1 and A_2."""


@dataclass(frozen=True, slots=True)
class TripleList:
    """Triples (k) that share a function, each angle listed once."""

    centre: Ints
    """(k,) particle in the home cell."""
    ends: Ints
    """(k, 2) the other particles."""
    lattice: Ints
    """(k, 2, 3) their cells."""
    function: AngularFunction
    names: tuple[str, ...] = ()
    """Name of each particle, for errors."""

    def __post_init__(self) -> None:
        freeze(self, {}, np.int64, centre="k", ends="k 2", lattice="k 2 3")

    def derivatives(self, particles: Particles) -> Derivatives:
        """Compute energy, gradient and virial."""
        found = _geometry(self.vectors(particles))
        f, g, h = self._values(found, 1)
        by_length = (f[1] * g[0] * h[0], f[0] * g[1] * h[0])
        by_cosine = f[0] * g[0] * h[1]
        gradient, virial = np.zeros((particles.count, 3)), np.zeros((3, 3))
        for side in range(2):
            pull = by_length[side][:, None] * found.units[side]
            pull = pull + by_cosine[:, None] * found.slopes[side]
            gradient += gathered(len(gradient), self.ends[:, side], pull)
            gradient -= gathered(len(gradient), self.centre, pull)
            virial += pull.T @ found.vectors[side]
        return Derivatives(float((f[0] * g[0] * h[0]).sum()), gradient, virial)

    def blocks(self, particles: Particles) -> Blocks:
        """Compute the second derivatives."""
        one, two, mixed = self._hessian(_geometry(self.vectors(particles)))
        # x_1 = r_a − r_c and x_2 = r_b − r_c: blocks (a, b), (c, a) and (c, b)
        step = self.lattice[:, 1] - self.lattice[:, 0]
        home = np.concatenate([self.ends[:, 0], self.centre, self.centre])
        away = np.concatenate([self.ends[:, 1], self.ends[:, 0], self.ends[:, 1]])
        lattice = np.concatenate([step, self.lattice[:, 0], self.lattice[:, 1]])
        to_first = -(one + mixed.swapaxes(1, 2))
        to_second = -(two + mixed)
        return Blocks(home, away, lattice, np.concatenate([mixed, to_first, to_second]))

    def vectors(self, particles: Particles) -> Floats:
        """(k, 2, 3) vectors in Å from the centre to the ends."""
        sides = (
            particles.apart(self.centre, self.ends[:, side], self.lattice[:, side])
            for side in range(2)
        )
        return np.stack(list(sides), axis=1)

    def values(self, vectors: Floats, order: int) -> list[list[Floats]]:
        """Evaluate f, g and h with their derivatives up to an order, for vectors (k, 2, 3).

        Raises
        ------
        DataError
            If three atoms of a harmonic angle are collinear.
        """
        return self._values(_geometry(vectors), order)

    def _values(self, found: _Geometry, order: int) -> list[list[Floats]]:
        """Evaluate f, g and h with their derivatives up to an order."""
        self._refuse_collinear(found.cosine)
        where = (*found.lengths, found.cosine)
        return [
            [function(x, n) for n in range(order + 1)]
            for function, x in zip(self.function, where, strict=True)
        ]

    def _refuse_collinear(self, c: Floats) -> None:
        h = self.function.cosine
        if not isinstance(h, HarmonicAngle) or not (bad := np.flatnonzero(h.diverges(c))).size:
            return
        k = bad[0]
        members = (self.ends[k, 0], self.centre[k], self.ends[k, 1])
        atoms = ", ".join(self.names[m] if self.names else f"particle {m}" for m in members)
        degrees = np.degrees(np.arccos(np.clip(c[k], -1.0, 1.0)))
        raise DataError(
            f"three atoms of a harmonic angle are collinear: {atoms}, {degrees:.4f}°",
            where=f"{bad.size} of {c.size} angles",
            why="a harmonic energy of θ has no second derivatives at 0 and 180°",
            fix="use the form cosine_harmonic, ½k(cos θ − cos θ₀)², for this angle",
        )

    def _hessian(self, found: _Geometry) -> tuple[Floats, Floats, Floats]:
        """(k, 3, 3) second derivatives with respect to x_1 x_1, x_2 x_2 and x_1 x_2."""
        f, g, h = self._values(found, 2)
        (s1, s2), (a1, a2), (r1, r2) = found.units, found.slopes, found.lengths
        c, unit = found.cosine, np.eye(3)

        def outer(weight: Floats, left: Floats, right: Floats) -> Floats:
            return weight[:, None, None] * left[:, :, None] * right[:, None, :]

        ones = np.ones_like(c)
        by_c = f[0] * g[0] * h[1]
        twice = f[0] * g[0] * h[2]
        same = []
        for s, other, a, r, first, second, mixed in (
            (s1, s2, a1, r1, f[1] * g[0] * h[0], f[2] * g[0] * h[0], f[1] * g[0] * h[1]),
            (s2, s1, a2, r2, f[0] * g[1] * h[0], f[0] * g[2] * h[0], f[0] * g[1] * h[1]),
        ):
            bend = outer(3.0 * c, s, s) - c[:, None, None] * unit
            bend = (bend - outer(ones, s, other) - outer(ones, other, s)) / r[
                :, None, None
            ] ** 2
            turn = (unit - outer(ones, s, s)) / r[:, None, None]
            same.append(
                outer(second, s, s)
                + outer(mixed, s, a) + outer(mixed, a, s) + outer(twice, a, a)
                + first[:, None, None] * turn + by_c[:, None, None] * bend
            )  # fmt: skip
        cross = outer(c, s1, s2) - outer(ones, s1, s1) - outer(ones, s2, s2) + unit
        cross = cross / (r1 * r2)[:, None, None]
        both = (
            outer(f[1] * g[1] * h[0], s1, s2) + outer(f[1] * g[0] * h[1], s1, a2)
            + outer(f[0] * g[1] * h[1], a1, s2) + outer(twice, a1, a2)
            + by_c[:, None, None] * cross
        )  # fmt: skip
        return same[0], same[1], both


def _geometry(vectors: Floats) -> _Geometry:
    """Lengths, unit vectors, cosine and its slopes of triples with vectors (k, 2, 3)."""
    lengths = np.sqrt(np.einsum("ksx,ksx->ks", vectors, vectors))
    units = vectors / lengths[:, :, None]
    c = np.einsum("kx,kx->k", units[:, 0], units[:, 1])
    slopes = (units[:, ::-1] - c[:, None, None] * units) / lengths[:, :, None]
    return _Geometry(
        (vectors[:, 0], vectors[:, 1]), (lengths[:, 0], lengths[:, 1]),
        (units[:, 0], units[:, 1]), c, (slopes[:, 0], slopes[:, 1]),
    )  # fmt: skip
