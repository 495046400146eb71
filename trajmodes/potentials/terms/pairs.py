"""Energies of pairs of particles: E = Σ φ(r) over bonds."""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.potentials.terms.functions import Function
from trajmodes.potentials.terms.particles import (
    Blocks,
    Derivatives,
    Particles,
    gathered,
    lengths,
)

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class PairList:
    """Bonds (k) that share a function, each listed once."""

    first: Ints
    """(k,) particle in the home cell."""
    second: Ints
    """(k,) other particle."""
    lattice: Ints
    """(k, 3) its cell."""
    function: Function
    """φ(r, n) in eV/Åⁿ."""

    def __post_init__(self) -> None:
        freeze(self, {}, np.int64, first="k", second="k", lattice="k 3")

    def derivatives(self, particles: Particles) -> Derivatives:
        """Compute energy, gradient and virial."""
        apart = particles.apart(self.first, self.second, self.lattice)
        r = lengths(apart)
        slope = self.function(r, 1)
        return radial_sum(
            particles, (self.first, self.second), apart, (self.function(r, 0), slope)
        )

    def blocks(self, particles: Particles) -> Blocks:
        """Compute the second derivatives."""
        apart = particles.apart(self.first, self.second, self.lattice)
        r = lengths(apart)
        along = self.function(r, 2)
        # A spring of zero length is equally stiff in all directions: φ'/r → φ''.
        across = np.where(r < _TINY, along, self.function(r, 1) / np.maximum(r, _TINY))
        blocks = radial_blocks(apart, across, along)
        return Blocks(self.first, self.second, self.lattice, blocks)


def radial_sum(
    particles: Particles, ends: tuple[Ints, Ints], apart: Floats, values: tuple[Floats, Floats]
) -> Derivatives:
    """Sum energies φ and slopes φ' of bonds (k) with vectors (k, 3)."""
    energy, slope = values
    pull = (slope / np.maximum(lengths(apart), _TINY))[:, None] * apart
    n = particles.count
    gradient = gathered(n, ends[1], pull) - gathered(n, ends[0], pull)
    return Derivatives(float(energy.sum()), gradient, pull.T @ apart)


def radial_blocks(apart: Floats, across: Floats, along: Floats) -> Floats:
    """(k, 3, 3) −[φ'/r 1 + (φ'' − φ'/r) r̂r̂], with ``across`` φ'/r and ``along`` φ''."""
    unit = apart / np.maximum(lengths(apart), _TINY)[:, None]
    blocks = -((along - across)[:, None, None] * unit[:, :, None] * unit[:, None, :])
    blocks -= across[:, None, None] * np.eye(3)
    result: Floats = blocks
    return result
