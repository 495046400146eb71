"""A harmonic crystal in a small supercell, and motion of it at equilibrium."""

from typing import NamedTuple

import numpy as np
import pytest

from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.motion import MotionBlock
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN


class Harmonic(NamedTuple):
    """Exact normal modes of a whole supercell, from its Hessian."""

    constants: ForceConstants
    supercell: Supercell
    omega: np.ndarray
    """(i,) of the modes that move."""
    shapes: np.ndarray
    """(i, a, 3) displacements of a mode of unit amplitude."""
    kelvin: float = 30.0

    @property
    def covariance(self) -> np.ndarray:
        """(3a, 3a) ⟨u u⟩ in Å² at `kelvin`, classical."""
        flat = self.shapes.reshape(len(self.omega), -1)
        return (flat.T * (BOLTZMANN * self.kelvin / self.omega**2)) @ flat

    def motion(self, n_runs: int, times: np.ndarray, seed: int) -> MotionBlock:
        """Independent runs in thermal equilibrium, one after the other."""
        rng = np.random.default_rng(seed)
        scale = np.sqrt(BOLTZMANN * self.kelvin) / self.omega
        blocks = []
        for _ in range(n_runs):
            a, b = rng.normal(size=(2, len(self.omega))) * scale
            turn = np.outer(times, self.omega)
            q = a * np.cos(turn) + b * np.sin(turn)
            v = self.omega * (b * np.cos(turn) - a * np.sin(turn))
            blocks.append([np.tensordot(one, self.shapes, axes=1) for one in (q, v)])
        u, v = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        return MotionBlock(0, u, v, None)


@pytest.fixture(scope="session")
def harmonic(crystals, springs, hessian_of) -> Harmonic:
    constants = springs(crystals["rock salt"], 4.5)
    supercell = build_supercell(constants.crystal, [[2, 0, 0], [0, 2, 0], [1, 0, 3]])
    root = np.sqrt(np.repeat(supercell.masses, 3))
    square, vectors = np.linalg.eigh(hessian_of(constants, supercell) / np.outer(root, root))
    moving = square > 1e-6 * square.max()
    assert moving.sum() == 3 * supercell.n_atoms - 3
    shapes = (vectors[:, moving] / root[:, None]).T.reshape(-1, supercell.n_atoms, 3)
    return Harmonic(constants, supercell, np.sqrt(square[moving]), shapes)
