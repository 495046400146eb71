"""Time and memory of the fit beside hiPhive and symfc: silicon, pairs 8.0 Å, triplets 4.5 Å.

By default a small crystal and few frames. ``TRAJMODES_BENCH_DUMP`` may name a dump of silicon
(units metal, 4 × 4 × 4 conventional cells of 5.431 Å): the numbers are then those that the
documentation quotes, take some five minutes and, for symfc, 8 GB.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from ase import Atoms
from threadpoolctl import threadpool_limits

from trajmodes.api.runs import open_run
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows, default_blocks
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.fit.harmonic import ForceCovariance
from trajmodes.fit.model import model_of
from trajmodes.fit.solution import FitOptions
from trajmodes.streaming.schedule import cut_blocks, stream
from trajmodes.symmetry.constraints import Constraints
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell, half_space

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore")]

DUMP = os.environ.get("TRAJMODES_BENCH_DUMP")
CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
CUTOFFS = {2: 8.0, 3: 4.5} if DUMP else {2: 5.2, 3: 4.2}
QUARTETS = 3.0 if DUMP else 2.5
REPEATS = 4 if DUMP else 2
PEER_FRAMES = 20
DIAMOND = (
    "0 0 0\n0 .5 .5\n.5 0 .5\n.5 .5 0\n.25 .25 .25\n.25 .75 .75\n.75 .25 .75\n.75 .75 .25\n"
)
LARGE = """
import resource, time
import numpy as np
from threadpoolctl import threadpool_limits
from trajmodes.data.crystal import Crystal
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceRows
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.fit import fit_equations
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.translations import build_supercell

fcc = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
sites = np.array([[0.0] * 3, [0.25] * 3])
crystal = Crystal(2.7155 * fcc, sites, ("Si", "Si"), np.ones(2))
matrix = 8 * np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
rng, start, cut = np.random.default_rng(0), time.perf_counter(), []
with threadpool_limits(1):
    supercell = build_supercell(crystal, matrix)
    expansion = expansion_of(space_group(crystal), supercell, {2: 8.0, 3: 4.5})
    reduction = ForceRows(expansion, supercell, 20)
    u_tax, f_tax = rng.normal(size=(2, 20, supercell.n_atoms, 3))
    state = reduction.chunk(MotionBlock(0, u_tax, None, f_tax))
    fit = fit_equations(reduction.finalize(state))
took = time.perf_counter() - start
assert fit.constants.quality.n_parameters == 58
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1]
print(supercell.n_atoms, took, float(peak) / 1e6)
"""


class Frames(NamedTuple):
    supercell: Supercell
    displacements: np.ndarray
    forces: np.ndarray

    def motion(self, start, stop):
        return MotionBlock(start, self.displacements[start:stop], None, self.forces[start:stop])


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    if DUMP is None:
        pytest.skip("needs TRAJMODES_BENCH_DUMP")
    cell = tmp_path_factory.mktemp("cell") / "POSCAR"
    box = "5.431 0 0\n0 5.431 0\n0 0 5.431\n"
    cell.write_text(f"silicon\n1.0\n{box}Si\n8\nDirect\n{DIAMOND}")
    return open_run(DUMP, cell=cell, units="metal", timestep_fs=1.0)


@pytest.fixture(scope="module")
def frames(crystals, request):
    if DUMP is not None:
        run = request.getfixturevalue("dump")
        block = run.motion(0, min(1600, run.n_frames))
        return Frames(run.supercell, block.displacements, block.forces)
    supercell = build_supercell(crystals["diamond"], REPEATS * CONVENTIONAL)
    shape = (2, 320, supercell.n_atoms, 3)
    return Frames(supercell, *np.random.default_rng(0).normal(scale=0.1, size=shape))


def expanded(supercell, cutoffs):
    return expansion_of(space_group(supercell.crystal), supercell, cutoffs)


def rows_seconds(frames, cutoffs, workers):
    """Seconds per frame of the rows and their products, kernels compiled."""
    expansion = expanded(frames.supercell, cutoffs)
    n_frames = len(frames.displacements)
    reduction = ForceRows(
        expansion, frames.supercell, n_frames, default_blocks(expansion.n_parameters)
    )
    stream(frames.motion, [(0, 32)], reduction, workers=1)
    blocks = cut_blocks([(0, n_frames)], frames.supercell.n_atoms)
    start = time.perf_counter()
    equations = stream(frames.motion, blocks, reduction, workers=workers)
    return (time.perf_counter() - start) / n_frames, equations


def report(what, ours, peer, name, unit="ms"):
    factor = {"ms": 1e3, "s": 1.0}[unit]
    times = f"ours {factor * ours:.3g} {unit}, {name} {factor * peer:.3g} {unit}"
    print(f"\n{what}: {times}, ratio {peer / ours:.3g}")  # noqa: T201 - a bench prints


def say(text):
    print(f"\n{text}")  # noqa: T201 - a bench prints


def basis_seconds(supercell, cutoffs):
    """Seconds for orbits, tensors and sum rules, and the number of free parameters."""
    start = time.perf_counter()
    expansion = expanded(supercell, cutoffs)
    model = model_of(expansion, constraints=Constraints(), scheme="sequential")
    counts = [model.count(order) for order in cutoffs]
    return time.perf_counter() - start, counts


def test_whole_run_from_the_dump(dump):
    """Reading the text included. First of all tests: the peak is that of the process."""
    for cutoffs in (CUTOFFS, CUTOFFS | {4: QUARTETS}):
        expansion = expanded(dump.supercell, cutoffs)
        reduction = ForceRows(expansion, dump.supercell, dump.n_frames)
        start = time.perf_counter()
        stream(dump.motion, dump.blocks, reduction, workers=2)
        took = time.perf_counter() - start
        status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        peak = next(float(line.split()[1]) for line in status if line.startswith("VmHWM"))
        say(
            f"{dump.n_frames} frames from the dump, orders to {max(cutoffs)}: {took:.1f} s, "
            f"{dump.n_frames / took:.0f}/s, peak {peak / 1e3:.0f} MB"
        )


def test_basis_frames_and_fit_beside_hiphive(frames):
    hiphive = pytest.importorskip("hiphive")
    supercell, crystal = frames.supercell, frames.supercell.crystal
    primitive = Atoms(
        crystal.species, cell=crystal.cell, scaled_positions=crystal.sites, pbc=True
    )
    ideal = Atoms(
        supercell.species, cell=supercell.cell, positions=supercell.positions, pbc=True
    )
    basis_seconds(supercell, CUTOFFS)
    ours, counts = basis_seconds(supercell, CUTOFFS)
    start = time.perf_counter()
    space = hiphive.ClusterSpace(primitive, [*CUTOFFS.values()])
    report(f"basis {counts}", ours, time.perf_counter() - start, "hiPhive", "s")
    assert space.n_dofs == sum(counts)
    container = hiphive.StructureContainer(space)
    times = []
    for u_ax, f_ax in zip(
        frames.displacements[:PEER_FRAMES], frames.forces[:PEER_FRAMES], strict=True
    ):
        frame = ideal.copy()
        frame.new_array("displacements", u_ax)
        frame.new_array("forces", f_ax)
        start = time.perf_counter()
        container.add_structure(frame)
        times.append(time.perf_counter() - start)
    for workers in (1, 2):
        each, equations = rows_seconds(frames, CUTOFFS, workers)
        # the first frame also compiles and sets up
        what = f"one frame of {supercell.n_atoms} atoms, {workers} threads ({1 / each:.0f}/s)"
        report(what, each, float(np.median(times[1:])), "hiPhive")
    start = time.perf_counter()
    fit_equations(equations)
    say(f"fit with error bars, both schemes: {time.perf_counter() - start:.3g} s")


def test_basis_frames_and_fit_beside_symfc(frames):
    symfc = pytest.importorskip("symfc")
    utils = pytest.importorskip("symfc.utils.utils")
    supercell = frames.supercell
    atoms = utils.SymfcAtoms(
        cell=supercell.cell,
        scaled_positions=supercell.positions @ np.linalg.inv(supercell.cell) % 1.0,
        numbers=[14] * supercell.n_atoms,
    )
    data = {
        "displacements": frames.displacements[:PEER_FRAMES],
        "forces": frames.forces[:PEER_FRAMES],
    }
    ours, counts = basis_seconds(supercell, CUTOFFS)
    solver = symfc.Symfc(atoms, cutoff=CUTOFFS, log_level=0, **data)
    start = time.perf_counter()
    for order in CUTOFFS:
        solver.compute_basis_set(order)
    basis = time.perf_counter() - start
    report(f"basis {counts}", ours, basis, "symfc", "s")
    start = time.perf_counter()
    solver.solve(orders=[*CUTOFFS])
    theirs = time.perf_counter() - start
    each, equations = rows_seconds(frames, CUTOFFS, 2)
    start = time.perf_counter()
    fit_equations(equations, options=FitOptions(scheme="joint"))
    own = PEER_FRAMES * each + time.perf_counter() - start
    # most of what symfc takes does not grow with the frames
    report(f"{PEER_FRAMES} frames and the fit", own, theirs, "symfc", "s")
    report(f"basis, {PEER_FRAMES} frames and the fit", ours + own, basis + theirs, "symfc", "s")


def test_quartets(frames):
    cutoffs = CUTOFFS | {4: QUARTETS}
    seconds, counts = basis_seconds(frames.supercell, cutoffs)
    say(f"basis with quartets to {QUARTETS} Å {counts}: {seconds:.3g} s")
    for workers in (1, 2):
        each, _ = rows_seconds(frames, cutoffs, workers)
        say(f"order 4, {frames.supercell.n_atoms} atoms, {workers} threads: {1 / each:.0f}/s")


def test_pairs_alone(frames, fit_harmonic):
    """The covariances of lattice waves, which serve every cutoff of the pairs."""
    reduction = ForceCovariance(half_space(frames.supercell), len(frames.displacements))
    blocks = cut_blocks([(0, len(frames.displacements))], frames.supercell.n_atoms)
    stream(frames.motion, blocks[:1], reduction, workers=1)
    start = time.perf_counter()
    covariances = stream(frames.motion, blocks, reduction, workers=2)
    each = (time.perf_counter() - start) / len(frames.displacements)
    start = time.perf_counter()
    with threadpool_limits(1):
        fit_harmonic(covariances, cutoff=CUTOFFS[2])
    say(f"pairs alone, 2 threads: {1 / each:.0f}/s, fit {time.perf_counter() - start:.3g} s")


@pytest.mark.skipif(DUMP is None, reason="needs TRAJMODES_BENCH_DUMP")
def test_large_supercell():
    done = subprocess.run(
        [sys.executable, "-c", LARGE], capture_output=True, text=True, check=True
    )
    n_atoms, took, peak = map(float, done.stdout.split())
    say(f"{n_atoms:.0f} atoms, 20 frames: {took:.1f} s in all, peak {peak:.2f} GB")


def test_low_symmetry(crystals):
    cutoffs = {2: 6.0, 3: 3.5} if DUMP else {2: 4.5, 3: 2.7}
    supercell = build_supercell(crystals["quartz"], np.diag([3, 3, 3]))
    seconds, counts = basis_seconds(supercell, cutoffs)
    say(f"α-quartz 3 × 3 × 3, cutoffs {cutoffs}: basis {counts} in {seconds:.2f} s")
