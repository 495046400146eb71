"""A small crystal of low symmetry in a non-diagonal supercell, and modes for it."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.modes import Modes
from trajmodes.symmetry.translations import HalfSpace, build_supercell, half_space
from trajmodes.units import DALTON, THZ

SUPERCELL = [[2, 1, 0], [0, 3, 1], [-1, 0, 2]]


@pytest.fixture
def space() -> HalfSpace:
    crystal = Crystal(
        np.array([[3.1, 0.0, 0.2], [0.4, 2.9, 0.0], [-0.3, 0.5, 4.2]]),
        np.array([[0.02, 0.0, 0.0], [0.31, 0.42, 0.23]]),
        ("Na", "Cl"),
        np.array([23.0, 35.5]) * DALTON,
    )
    return half_space(build_supercell(crystal, SUPERCELL))


@pytest.fixture
def modes(space: HalfSpace) -> Modes:
    """Random orthonormal vectors; the acoustic ones at Γ are translations."""
    rng = np.random.default_rng(11)
    n_q, n_m = space.n_qpoints, 3 * space.supercell.crystal.n_sites
    root_masses = np.sqrt(np.repeat(space.supercell.crystal.masses, 3))
    vectors = np.empty((n_q, n_m, n_m), dtype=complex)
    for q, weight in enumerate(space.weights):
        matrix = rng.normal(size=(n_m, n_m)) + 0j
        if weight == 2.0:
            matrix += 1j * rng.normal(size=(n_m, n_m))
        if q == 0:
            matrix[:, :3] = root_masses[:, None] * np.tile(np.eye(3), (2, 1))
        orthonormal = np.linalg.qr(matrix)[0].T
        if weight == 1.0:
            # Real in the gauge of the cells; the phase of the atoms goes on top.
            orthonormal = orthonormal * np.repeat(space.phases[q], 3)
        vectors[q] = orthonormal
    sets = np.arange(n_q * n_m).reshape(n_q, n_m) - 3
    sets[0, :3] = -1
    omega = np.sort(rng.uniform(2.0, 9.0, (n_q, n_m)), axis=1) * THZ
    omega[0, :3] = 0.0
    shaped = vectors.reshape(n_q, n_m, -1, 3)
    crystal = space.supercell.crystal
    return Modes(crystal, space.qpoints, space.weights, omega, shaped, None, sets)


@pytest.fixture
def paired(modes: Modes) -> Modes:
    """The same modes with every two neighbouring branches in one degenerate set."""
    sets = modes.sets.copy()
    sets[sets >= 0] //= 2
    sets[0, 3:] = [modes.sets.max() // 2 + 1] * 3
    labels = np.unique(sets[sets >= 0])
    sets = np.where(sets >= 0, np.searchsorted(labels, sets), -1)
    return replace(modes, sets=sets)
