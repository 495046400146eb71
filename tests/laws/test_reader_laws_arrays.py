"""Laws of frames in memory: moving boxes, frames with hops, known reference structures."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import special_ortho_group

from trajmodes.data.motion import FrameBlock
from trajmodes.matching.average import average_structure
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import match
from trajmodes.readers.arrays import trajectory_of_arrays
from trajmodes.symmetry.translations import build_supercell

MATRICES = {
    "rock salt": [[2, 1, 0], [-1, 2, 1], [0, 1, 3]],
    "wurtzite": [[2, 0, 0], [1, 2, 0], [0, 1, 2]],
    "triclinic": [[2, 1, 0], [0, 2, 0], [-1, 0, 3]],
}
SETTINGS = settings(max_examples=8, deadline=None, derandomize=True)
NAMES, SEEDS = st.sampled_from(sorted(MATRICES)), st.integers(0, 999)


def moving(crystal, matrix, rng, n_frames=12):
    """Box, ideal positions, reduced coordinates and fields of a run, in a rotated frame."""
    supercell = build_supercell(crystal, matrix)
    turn = special_ortho_group.rvs(3, random_state=rng)
    box, ideal = supercell.cell @ turn, supercell.positions @ turn
    shape = (n_frames, supercell.n_atoms, 3)
    u, v, f = (rng.normal(size=shape) * size for size in (0.05, 3.0, 1.0))
    return supercell, box, ideal, (ideal + u) @ np.linalg.inv(box), v, f


def breathing(box, rng, n_frames):
    """Boxes (t, 3, 3) strained and sheared by some per cent about the given mean box."""
    strain = rng.normal(size=(n_frames, 3, 3)) * 0.005
    return box @ (np.eye(3) + strain - strain.mean(axis=0))


def run_of(supercell, cells, reduced, v, f):
    return trajectory_of_arrays(
        reduced @ cells, cells, supercell.species, velocities=v, forces=f
    )


@given(NAMES, SEEDS)
@SETTINGS
def test_a_moving_box_gives_the_motion_in_the_mean_box(crystals, name, seed):
    rng = np.random.default_rng(seed)
    crystal = crystals[name]
    supercell, box, _, reduced, v, f = moving(crystal, MATRICES[name], rng)
    cells = breathing(box, rng, len(v))
    still = run_of(supercell, np.broadcast_to(box, cells.shape), reduced, v, f)
    # A moving origin and atoms wrapped into the box change nothing.
    folded = (reduced + rng.normal(size=(len(v), 1, 3))) % 1.0
    npt = run_of(supercell, cells, folded, v, f)
    found, moves = (
        match(crystal, still),
        match(crystal, npt, average=average_structure(npt, box="average")),
    )
    assert found.box_motion is None
    assert moves.box == pytest.approx(box, abs=1e-10)
    assert moves.strain == pytest.approx(found.strain, abs=1e-9)
    assert (moves.supercell.matrix == found.supercell.matrix).all()
    motion, moved = Displacer(found)(still.read(0, 12)), Displacer(moves)(npt.read(0, 12))
    turned = moves.rotation @ found.rotation.T
    assert turned == pytest.approx(np.eye(3), abs=1e-9)
    # The origin cell is arbitrary: use the velocities to bring both to one order.
    order = np.empty(len(found.permutation), dtype=int)
    order[found.permutation] = moves.permutation
    for field in ("displacements", "velocities", "forces"):
        ours = getattr(moved, field)[:, order]
        assert ours == pytest.approx(getattr(motion, field), abs=1e-9)


@given(SEEDS)
@SETTINGS
def test_frames_with_hops_are_left_out_for_any_block_size(crystals, seed):
    rng = np.random.default_rng(seed)
    crystal = crystals["rock salt"]
    supercell, box, _, reduced, v, f = moving(crystal, MATRICES["rock salt"], rng, 40)
    found = match(crystal, run_of(supercell, box, reduced, v, f))
    hopped = np.sort(rng.choice(40, 6, replace=False))
    jump = np.linalg.solve(box.T, np.array([2.5, 0.3, 0.0]))
    reduced[hopped, rng.integers(0, supercell.n_atoms, 6)] += jump
    run = run_of(supercell, box, reduced, v, f)
    displacer = Displacer(found, hops="exclude")
    whole, figures = displacer.measure(run.read(0, 40))
    assert np.array_equal(np.setdiff1d(np.arange(40), whole.indices), hopped)
    assert whole.n_frames == 34
    assert figures.net_force.shape == (34, 3)
    cuts = [0, *sorted(rng.integers(0, 41, 9).tolist()), 40]
    pieces = [displacer.measure(run.read(a, b)) for a, b in pairwise(cuts)]
    for field in ("displacements", "velocities", "forces"):
        joined = np.concatenate([getattr(motion, field) for motion, _ in pieces])
        assert (joined == getattr(whole, field)).all()
    assert (np.concatenate([motion.indices for motion, _ in pieces]) == whole.indices).all()


def test_a_block_without_usable_frames_is_empty(crystals):
    rng = np.random.default_rng(1)
    crystal = crystals["rock salt"]
    supercell, box, _, reduced, v, f = moving(crystal, MATRICES["rock salt"], rng)
    run = run_of(supercell, box, reduced, v, f)
    found = match(crystal, run)
    block = run.read(3, 5)
    positions = block.positions.copy()
    positions[:, 4, 0] += 2.5
    far = FrameBlock(3, block.steps, block.cells, positions, None, block.forces, unwrapped=True)
    motion = Displacer(found, hops="exclude")(far)
    assert (motion.n_frames, motion.first_frame) == (0, 3)
    assert motion.forces.shape == (0, supercell.n_atoms, 3)
    assert motion.velocities is None


@given(NAMES, SEEDS, st.floats(0.05, 0.25))
@SETTINGS
def test_displacements_from_a_known_structure_are_recovered(crystals, name, seed, size):
    """One frame is enough, and a nonzero mean of a few large displacements does no harm."""
    rng = np.random.default_rng(seed)
    crystal = crystals[name]
    supercell, box, ideal, _, _, f = moving(crystal, MATRICES[name], rng, 2)
    u = rng.normal(size=f.shape) * size
    run = trajectory_of_arrays(ideal + u, box, supercell.species, forces=f, ideal=ideal)
    found = match(crystal, run)
    assert average_structure(run).exact
    assert found.residual_max < 1e-9
    motion = Displacer(found)(run.read(0, 2))
    share = supercell.masses / supercell.masses.sum()
    expected = (u - np.einsum("a,tax->tx", share, u)[:, None]) @ found.rotation
    assert motion.displacements[:, found.permutation] == pytest.approx(expected, abs=1e-9)


def test_sites_take_the_positions_of_the_known_structure(crystals):
    """The free height of wurtzite differs between the cell file and the supercell."""
    crystal = crystals["wurtzite"]
    rng = np.random.default_rng(0)
    sites = crystal.sites.copy()
    sites[2:, 2] += 0.004
    other = type(crystal)(crystal.cell, sites, crystal.species, crystal.masses)
    supercell, box, ideal, _, _, f = moving(other, MATRICES["wurtzite"], rng, 3)
    u = rng.normal(size=f.shape) * 0.1
    run = trajectory_of_arrays(ideal + u, box, supercell.species, forces=f, ideal=ideal)
    relaxed, kept = match(crystal, run), match(crystal, run, relax=False)
    shift = 0.004 * 5.189
    assert relaxed.residual_max < 1e-9
    assert np.ptp(relaxed.relaxation[:, 2]) == pytest.approx(shift, abs=1e-9)
    assert (kept.relaxation == 0.0).all()
    assert kept.supercell.crystal.sites == pytest.approx(crystal.sites, abs=1e-12)
    assert kept.residual_max == pytest.approx(0.5 * shift, abs=1e-9)
