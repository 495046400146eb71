r"""Coulomb energy of point charges in a periodic cell by Ewald's method, with derivatives.

With k = e²/4πε₀, charges z at r, waves K = q + G, and a width η on which no result depends,

    E = ½ k Σ' z z' erfc(ηr)/r + (2πk/V) Σ_{G≠0} |S_G|² e^{−G²/4η²}/G² − kη/√π Σ z²,
    S_G = Σ z e^{iG·r}.

Particles of one atom, a core and its shell, do not interact: their 1/r in the home cell is
subtracted, which leaves −erf(ηr)/r of the first sum, finite also where they coincide. Second
derivatives at q are

    B(q) = z z' [−k Σ_R ∇∇ erfc(ηr)/r e^{iq·r} + (4πk/V) Σ_K KK e^{−K²/4η²}/K² e^{iG·(r−r')}];

self terms follow from the sum rule at q = 0. There the term K = 0 is left out, so that there is
no macroscopic field (Born and Huang, Dynamical Theory of Crystal Lattices, §30).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import erf, erfc

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.lattice import cells_within
from trajmodes.errors import DataError
from trajmodes.potentials.terms.pairs import radial_blocks, radial_sum
from trajmodes.potentials.terms.particles import Blocks, Derivatives, Particles, lengths
from trajmodes.units import COULOMB

_REACH = 5.2
"""Both sums end where their Gaussians are e^{−27}."""
_WIDTH = 2.0
"""η V^(1/3), which balances the cost of the sums."""
_SMALL = 0.05
"""ηr below which erf(ηr)/r is a series."""
_NEUTRAL = 1e-6
_AT_GAMMA = 1e-9


@dataclass(frozen=True, slots=True)
class Ewald:
    """The two sums for charges (n) near a cell; the lists may serve slightly strained cells."""

    charges: Floats
    """(n,), unit: e."""
    width: float
    """η in 1/Å."""
    first: Ints
    """(k,) particle in the home cell; each pair is listed once."""
    second: Ints
    """(k,) other particle."""
    lattice: Ints
    """(k, 3) its cell."""
    own: Ints
    """(m, 2) pairs of one atom, which do not interact."""
    waves: Ints
    """(g, 3) reciprocal lattice vectors for q in [−½, ½]³, the zero vector among them."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, charges="n")
        freeze(self, {}, np.int64, first="k", second="k", lattice="k 3", own="m 2", waves="g 3")

    def derivatives(self, particles: Particles) -> Derivatives:
        """Compute energy, gradient and virial."""
        z, eta = self.charges, self.width
        near = self._near(particles)
        inside = self._inside(particles)
        g_gx, s_g, weight = self._structure(particles)
        power = np.abs(s_g) ** 2
        factor = 2.0 * np.pi * COULOMB / particles.volume
        square = (g_gx**2).sum(axis=1)
        # ∂|S|²/∂r_i = 2 z_i Re[iG e^{iG·r_i} S*]
        phase = np.exp(1j * particles.positions @ g_gx.T)
        slope = -2.0 * z[:, None] * (phase * s_g.conj()).imag
        total = factor * (weight * power).sum()
        twice = 2.0 * factor * weight * power * (1.0 / square + 0.25 / eta**2)
        far = Derivatives(
            float(total) - COULOMB * eta / np.sqrt(np.pi) * float(z @ z),
            factor * (slope * weight) @ g_gx,
            (twice * g_gx.T) @ g_gx - total * np.eye(3),
        )
        return near + inside + far

    def blocks(self, particles: Particles) -> Blocks:
        """Compute the second derivatives of the sum over cells."""
        apart = particles.apart(self.first, self.second, self.lattice)
        zz = COULOMB * self.charges[self.first] * self.charges[self.second]
        r = lengths(apart)
        _, slope, curve = _complement(r, self.width)
        near = radial_blocks(apart, zz * slope / r, zz * curve)
        one, two = self.own.T
        inner = particles.positions[two] - particles.positions[one]
        strength = -COULOMB * self.charges[one] * self.charges[two]
        _, over, inside = _error(lengths(inner), self.width)
        own = radial_blocks(inner, strength * over, strength * inside)
        return Blocks.joined(
            [
                Blocks(self.first, self.second, self.lattice, near),
                Blocks(one, two, np.zeros((len(one), 3), dtype=np.int64), own),
            ]
        )

    def waves_at(
        self, particles: Particles, qpoints: Floats, sites: Floats, *, field: bool = True
    ) -> Complexes:
        """(q, 3n, 3n) second derivatives of the sum over waves, without self terms.

        Phases are those of the reduced ``sites`` (n, 3); a shell has the phase of its core.
        Without ``field`` the wave K = q, the macroscopic field, is left out.
        """
        reciprocal = particles.reciprocal
        reduced = particles.positions @ np.linalg.inv(particles.cell)
        count = particles.count
        found = np.empty((len(qpoints), 3 * count, 3 * count), dtype=complex)
        factor = 4.0 * np.pi * COULOMB / particles.volume
        # G·r of each particle; q acts on the offset of a shell from its core too.
        wave_ng = np.exp(2j * np.pi * reduced @ self.waves.T) * self.charges[:, None]
        for q, matrix in zip(qpoints, found, strict=True):
            k_gx = (q + self.waves) @ reciprocal
            square = (k_gx**2).sum(axis=1)
            zero = np.abs(q + self.waves).max(axis=1) < _AT_GAMMA
            if not field:
                zero |= ~self.waves.any(axis=1)
            weight = np.where(zero, 0.0, np.exp(-0.25 * square / self.width**2))
            weight = np.sqrt(factor * weight / np.where(zero, 1.0, square))
            offset = np.exp(2j * np.pi * (reduced - sites) @ q)
            rows = (offset[:, None] * wave_ng)[:, None, :] * (k_gx * weight[:, None]).T
            flat = rows.reshape(3 * count, -1)
            matrix[:] = flat @ flat.conj().T
        return found

    def field_at(self, particles: Particles, direction: Floats) -> Floats:
        """(3n, 3n) term K = 0 as q → 0 along a direction: the macroscopic field."""
        along = direction / np.linalg.norm(direction)
        row = (self.charges[:, None] * along).ravel()
        return 4.0 * np.pi * COULOMB / particles.volume * np.outer(row, row)

    def _near(self, particles: Particles) -> Derivatives:
        apart = particles.apart(self.first, self.second, self.lattice)
        zz = COULOMB * self.charges[self.first] * self.charges[self.second]
        value, slope, _ = _complement(lengths(apart), self.width)
        return radial_sum(particles, (self.first, self.second), apart, (zz * value, zz * slope))

    def _inside(self, particles: Particles) -> Derivatives:
        one, two = self.own.T
        apart = particles.positions[two] - particles.positions[one]
        strength = -COULOMB * self.charges[one] * self.charges[two]
        r = lengths(apart)
        value, over, _ = _error(r, self.width)
        return radial_sum(particles, (one, two), apart, (strength * value, strength * over * r))

    def _structure(self, particles: Particles) -> tuple[Floats, Complexes, Floats]:
        """Waves G ≠ 0 (g, 3), their structure factors and e^{−G²/4η²}/G²."""
        kept = self.waves.any(axis=1)
        g_gx: Floats = self.waves[kept] @ particles.reciprocal
        square = (g_gx**2).sum(axis=1)
        phase = np.exp(1j * (g_gx @ particles.positions.T))
        s_g = np.asarray(phase @ self.charges, dtype=complex)
        weight: Floats = np.exp(-0.25 * square / self.width**2) / square
        return g_gx, s_g, weight


def ewald_sum(particles: Particles, charges: Floats, own: Ints, width: float = _WIDTH) -> Ewald:
    """Construct the sums; results do not depend on ``width``, η V^(1/3).

    Raises
    ------
    DataError
        If the cell is not neutral.
    """
    total = float(charges.sum())
    if abs(total) > _NEUTRAL:
        raise DataError(
            f"the cell has a charge of {total:.6g} e",
            why="a charge or the number of atoms is wrong",
            fix="charges of the cell must add up to zero",
        )
    eta = width / np.cbrt(particles.volume)
    first, second, lattice = all_pairs(particles, _REACH / eta)
    same = {tuple(row) for row in own.tolist()} | {tuple(row[::-1]) for row in own.tolist()}
    at_home = ~lattice.any(axis=1)
    inner = np.array(
        [pair in same for pair in zip(first.tolist(), second.tolist(), strict=True)]
    )
    kept = ~(at_home & inner) if len(first) else np.zeros(0, dtype=bool)
    waves = cells_within(particles.reciprocal, 2.0 * _REACH * eta)
    # q of the first zone adds at most half of a diagonal of the reciprocal cell.
    corners = np.array(list(product((-0.5, 0.5), repeat=3))) @ particles.reciprocal
    longest = 2.0 * _REACH * eta + float(np.linalg.norm(corners, axis=1).max())
    waves = waves[np.linalg.norm(waves @ particles.reciprocal, axis=1) < longest]
    return Ewald(charges, eta, first[kept], second[kept], lattice[kept], own, waves)


def all_pairs(particles: Particles, reach: float) -> tuple[Ints, Ints, Ints]:
    """List all pairs of particles within a distance in Å once: first, second, its cell."""
    reduced = particles.positions @ np.linalg.inv(particles.cell)
    shift = np.floor(reduced).astype(np.int64)
    inside = reduced - shift
    cells = cells_within(particles.cell, reach, half=1.0)
    count = particles.count
    first, second = (place.ravel() for place in np.indices((count, count)))
    apart = (inside[second] - inside[first])[:, None] + cells
    near = np.linalg.norm(apart @ particles.cell, axis=2) < reach
    pair, cell = np.nonzero(near)
    one, two, step = first[pair], second[pair], cells[cell]
    step = step + shift[one] - shift[two]
    # One of each pair: the first particle, or the first cell of a particle and its images
    signs = np.sign(step)
    leading = np.select([signs[:, k] != 0 for k in range(3)], list(signs.T), 0)
    kept = (one < two) | ((one == two) & (leading > 0))
    return one[kept], two[kept], step[kept]


def _complement(r: Floats, eta: float) -> tuple[Floats, Floats, Floats]:
    """erfc(ηr)/r and its first and second derivative."""
    gauss = 2.0 * eta / np.sqrt(np.pi) * np.exp(-((eta * r) ** 2))
    value = erfc(eta * r) / r
    slope = -(value + gauss) / r
    return value, slope, -2.0 * slope / r + 2.0 * eta**2 * gauss


def _error(r: Floats, eta: float) -> tuple[Floats, Floats, Floats]:
    """erf(ηr)/r, its slope over r, and its second derivative, finite at r = 0."""
    x = eta * r
    safe = np.where(x < _SMALL, 1.0, r)
    gauss = 2.0 * eta / np.sqrt(np.pi) * np.exp(-((eta * safe) ** 2))
    value = erf(eta * safe) / safe
    slope = (gauss - value) / safe
    curve = -2.0 * slope / safe - 2.0 * eta**2 * gauss
    scale = 2.0 * eta / np.sqrt(np.pi)
    x2 = x**2
    series = (
        scale * (1.0 - x2 / 3.0 + x2**2 / 10.0 - x2**3 / 42.0),
        scale
        * eta**2
        * (-2.0 / 3.0 + 4.0 * x2 / 10.0 - 6.0 * x2**2 / 42.0 + 8.0 * x2**3 / 216.0),
        scale
        * eta**2
        * (-2.0 / 3.0 + 12.0 * x2 / 10.0 - 30.0 * x2**2 / 42.0 + 56.0 * x2**3 / 216.0),
    )
    near = x < _SMALL
    return (
        np.where(near, series[0], value),
        np.where(near, series[1], slope / safe),
        np.where(near, series[2], curve),
    )
