"""Time of the harmonic fit beside hiPhive and symfc: silicon, 216 atoms, pairs to 8.0 Å."""

import time

import numpy as np
import pytest
from ase import Atoms

from trajmodes.data import MotionBlock
from trajmodes.fit import ForceCovariance, fit_harmonic
from trajmodes.symmetry import (
    build_supercell,
    half_space,
    pair_orbits,
    space_group,
    symmetry_basis,
)

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

CUTOFF = 8.0
MATRIX = 3 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


@pytest.fixture(scope="module")
def frames(crystals):
    supercell = build_supercell(crystals["diamond"], MATRIX)
    u_tax, f_tax = np.random.default_rng(0).normal(size=(2, 200, supercell.n_atoms, 3))
    return supercell, u_tax, f_tax


@pytest.fixture(scope="module")
def ours(frames):
    """Seconds for the basis, for each frame and for the fit, kernels compiled."""
    supercell, u_tax, f_tax = frames
    reduction = ForceCovariance(half_space(supercell), len(u_tax))
    block = MotionBlock(0, u_tax, None, f_tax)
    fit_harmonic(reduction.finalize(reduction.chunk(block)), cutoff=CUTOFF)
    start = time.perf_counter()
    symmetry_basis(pair_orbits(space_group(supercell.crystal), CUTOFF, supercell=supercell))
    basis = time.perf_counter()
    state = reduction.chunk(block)
    read = time.perf_counter()
    fit = fit_harmonic(reduction.finalize(state), cutoff=CUTOFF)
    done = time.perf_counter()
    assert fit.constants.quality.n_parameters == 31
    return basis - start, (read - basis) / len(u_tax), done - read


def report(what, ours, peer, name):
    times = f"ours {1e3 * ours:.3g} ms, {name} {1e3 * peer:.3g} ms"
    print(f"\n{what}: {times}, ratio {peer / ours:.3g}")  # noqa: T201 - a bench prints


def test_basis_and_frames_beside_hiphive(frames, ours):
    hiphive = pytest.importorskip("hiphive")
    supercell, u_tax, f_tax = frames
    crystal = supercell.crystal
    primitive = Atoms(
        crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True
    )
    ideal = Atoms(
        supercell.species, cell=supercell.cell, positions=supercell.positions, pbc=True
    )
    start = time.perf_counter()
    space = hiphive.ClusterSpace(primitive, [CUTOFF])
    basis = time.perf_counter() - start
    container = hiphive.StructureContainer(space)
    times = []
    for u_ax, f_ax in zip(u_tax[:6], f_tax[:6], strict=True):
        frame = ideal.copy()
        frame.new_array("displacements", u_ax)
        frame.new_array("forces", f_ax)
        start = time.perf_counter()
        container.add_structure(frame)
        times.append(time.perf_counter() - start)
    report("basis", ours[0], basis, "hiPhive")
    # the first frame also compiles and sets up
    report("one frame", ours[1], min(times[1:]), "hiPhive")


def test_whole_fit_beside_symfc(frames, ours):
    symfc = pytest.importorskip("symfc")
    supercell, u_tax, f_tax = frames
    atoms = pytest.importorskip("symfc.utils.utils").SymfcAtoms(
        cell=supercell.cell,
        scaled_positions=supercell.positions @ np.linalg.inv(supercell.cell) % 1.0,
        numbers=[14] * supercell.n_atoms,
    )
    start = time.perf_counter()
    solver = symfc.Symfc(
        atoms, displacements=u_tax[:20], forces=f_tax[:20], cutoff={2: CUTOFF}, log_level=0
    )
    solver.run(orders=[2])
    peer = time.perf_counter() - start
    own = ours[0] + 20 * ours[1] + ours[2]
    report("basis, 20 frames and fit with error bars", own, peer, "symfc (no error bars)")
