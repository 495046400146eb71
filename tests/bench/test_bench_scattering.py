"""Time of the density sums of structure factors beside dynasor: rock salt, 1728 atoms."""

import time

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from threadpoolctl import threadpool_limits

from trajmodes.data.motion import MotionBlock
from trajmodes.scattering.density import density_transform
from trajmodes.scattering.structure_factor import StructureFactorReduction
from trajmodes.scattering.wavevectors import commensurate_on, section
from trajmodes.scattering.weights import weights
from trajmodes.symmetry.translations import build_supercell

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CUBES = 6 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def _best(work, times: int = 3) -> float:
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("line", ((0, 0, 0), (4, 4, 0), None)),
        ("plane", ((0, 0, 0), (4, 4, 0), (4, 0, 4))),
    ],
)
@pytest.mark.parametrize("currents", [False, True])
def test_density_sums_beside_dynasor(crystals, kind, points, currents):
    """One thread each; with few Q both take the time of a few operations per atom."""
    reciprocal = pytest.importorskip("dynasor.core.reciprocal")
    numba = pytest.importorskip("numba")
    supercell = build_supercell(crystals["rock salt"], CUBES)
    waves = commensurate_on(section(supercell.crystal, *points), supercell)
    made = density_transform(supercell, waves, weights("equal", waves), currents=currents)
    u, v = 0.1 * np.random.default_rng(0).normal(size=(2, 8, supercell.n_atoms, 3))
    block = MotionBlock(0, u, v, None)
    positions, q_kx = supercell.positions + u, np.ascontiguousarray(waves.cartesian)

    def peer() -> None:
        for r_ax, v_ax in zip(positions, v, strict=True):
            if currents:
                reciprocal.calc_rho_j_q(r_ax, v_ax, q_kx)
            else:
                reciprocal.calc_rho_q(r_ax, q_kx)

    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    with threadpool_limits(1):
        made(block)
        peer()
        ours, theirs = (_best(one) / len(u) for one in (lambda: made(block), peer))
    numba.set_num_threads(threads)
    what = "density and current" if currents else "density"
    print(  # noqa: T201 - a bench prints
        f"\n{what} at {len(q_kx)} Q on a {kind}: ours {1e3 * ours:.2f} ms per frame, "
        f"dynasor {1e3 * theirs:.2f} ms, ratio {theirs / ours:.1f}"
    )
    if kind == "plane" and not currents:
        assert 1.5 * ours < theirs


def test_structure_factor_beside_dynasor(crystals, tmp_path):
    """The whole pass over 200 frames of 512 atoms; dynasor also reads them from a file."""
    dynasor = pytest.importorskip("dynasor")
    supercell = build_supercell(crystals["rock salt"], 4 * CUBES // 6)
    waves = commensurate_on(section(supercell.crystal, (0, 0, 0), (4, 4, 0)), supercell)
    amplitudes = weights("equal", waves)
    u = 0.1 * np.random.default_rng(0).normal(size=(200, supercell.n_atoms, 3))
    reduction = StructureFactorReduction(
        density_transform(supercell, waves, amplitudes), amplitudes, 128, 0.01, ((0, len(u)),)
    )
    write(
        tmp_path / "run.traj",
        [Atoms(supercell.species, r, cell=supercell.cell) for r in supercell.positions + u],
    )

    def ours() -> None:
        reduction.finalize(reduction.chunk(MotionBlock(0, u, None, None)))

    def peer() -> None:
        run = dynasor.Trajectory(str(tmp_path / "run.traj"), trajectory_format="ase")
        dynasor.compute_dynamic_structure_factors(run, waves.cartesian, dt=10.0, window_size=64)

    peer()
    ours()
    mine, theirs = _best(ours), _best(peer, 1)
    print(  # noqa: T201 - a bench prints
        f"\nS(Q, ω) at {len(waves.hkl)} Q: ours {mine:.3f} s, dynasor {theirs:.2f} s, "
        f"ratio {theirs / mine:.0f}"
    )
    assert 5.0 * mine < theirs
