"""Runs and timings of peer programs for several benchmarks.

``TRAJMODES_BENCH_DUMP`` may name a larger dump of silicon (units metal, conventional lattice
constant 5.431 Å, time step 1 fs); else the run of the examples is taken.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trajmodes.pipeline.load import LoadedRun

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
DIAMOND = (
    "0 0 0\n0 .5 .5\n.5 0 .5\n.5 .5 0\n.25 .25 .25\n.25 .75 .75\n.75 .25 .75\n.75 .75 .25\n"
)


@pytest.fixture(scope="session")
def words(tmp_path_factory) -> list[str]:
    given = os.environ.get("TRAJMODES_BENCH_DUMP")
    if not given:
        return [
            str(EXAMPLES / "silicon.lammpstrj.xz"),
            "--cell",
            str(EXAMPLES / "silicon.POSCAR"),
        ]
    cell = tmp_path_factory.mktemp("cell") / "POSCAR"
    box = "5.431 0 0\n0 5.431 0\n0 0 5.431\n"
    cell.write_text(f"silicon\n1.0\n{box}Si\n8\nDirect\n{DIAMOND}")
    return [given, "--cell", str(cell), "--units", "metal", "--timestep-fs", "1"]


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
