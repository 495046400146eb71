"""Timings of peer programs for several benchmarks."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from trajmodes.pipeline.load import LoadedRun


@pytest.fixture
def dynasors_seconds() -> Callable[[LoadedRun], float]:
    """Seconds per frame for Q and P of all modes by dynasor's projector, in memory."""
    module = pytest.importorskip("dynasor.modes.mode_projector")
    atoms = pytest.importorskip("ase").Atoms

    def seconds(run: LoadedRun) -> float:
        supercell, crystal = run.supercell, run.supercell.crystal
        n = supercell.n_atoms
        hessian = np.eye(3 * n) - np.kron(np.full((n, n), 1.0 / n), np.eye(3))
        peer = module.ModeProjector(
            atoms(crystal.species, positions=crystal.positions, cell=crystal.cell, pbc=True),
            atoms(
                supercell.species, positions=supercell.positions, cell=supercell.cell, pbc=True
            ),
            hessian.reshape(n, 3, n, 3).swapaxes(1, 2),
        )
        block = run.motion(0, min(50, run.n_frames))
        start = time.perf_counter()
        for u_ax, v_ax in zip(block.displacements, block.velocities, strict=True):
            peer.set_u(u_ax)
            peer.set_v(v_ax)
            peer.get_Q()
            peer.get_P()
        return (time.perf_counter() - start) / block.n_frames

    return seconds
