"""Covariances of mode coordinates in time blocks."""

from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.phonons.modes import modes_at
from trajmodes.project.energies.covariances import DisplacementCovarianceReduction
from trajmodes.project.projector import Projector
from trajmodes.symmetry.translations import build_supercell, half_space

N_FRAMES = 50


@pytest.fixture(scope="module")
def projector(crystals, springs) -> Projector:
    crystal = crystals["wurtzite"]
    space = half_space(build_supercell(crystal, np.diag([2, 1, 2])))
    return Projector(space, modes_at(springs(crystal, 3.3), space.qpoints, space.weights))


@pytest.fixture(scope="module")
def motion(projector) -> MotionBlock:
    rng = np.random.default_rng(0)
    shape = (N_FRAMES, projector.space.supercell.n_atoms, 3)
    return MotionBlock(0, rng.normal(0.3, 1.0, shape), rng.normal(size=shape), None)


def part(motion: MotionBlock, start: int, stop: int) -> MotionBlock:
    frames = slice(start, stop)
    v_tax = None if motion.velocities is None else motion.velocities[frames]
    return MotionBlock(start, motion.displacements[frames], v_tax, None)


def test_blocks_hold_means_of_products(projector, motion):
    reduction = DisplacementCovarianceReduction(projector, N_FRAMES, n_blocks=3)
    found = reduction.finalize(reduction.chunk(projector.project(motion)))
    q_qmt = projector.coordinates(motion.displacements)
    v_qmt = projector.velocities(motion.velocities)
    q_qmt[0] -= q_qmt[0].mean(axis=-1, keepdims=True)  # Γ comes first
    drifting = projector.modes.sets < 0
    q_qmt[drifting] = v_qmt[drifting] = 0.0
    block = np.arange(N_FRAMES) * 3 // N_FRAMES
    np.testing.assert_array_equal(found.frames, np.bincount(block))
    for b in range(3):
        for series, product in ((q_qmt, found.covariance), (v_qmt, found.kinetic)):
            one = series[..., block == b]
            wanted = np.einsum("qmt,qnt->qmn", one, one.conj()) / one.shape[-1]
            np.testing.assert_allclose(product[b], wanted, atol=1e-12 * np.abs(wanted).max())


def test_block_cuts_do_not_matter(projector, motion):
    reduction = DisplacementCovarianceReduction(projector, N_FRAMES)
    whole = reduction.finalize(reduction.chunk(projector.project(motion)))
    edges = (0, 7, 8, 31, 50)
    parts = [reduction.chunk(projector.project(part(motion, *ab))) for ab in pairwise(edges)]
    for order in ("left", "right"):
        state = parts[0] if order == "left" else parts[-1]
        for one in parts[1:] if order == "left" else parts[-2::-1]:
            pair = (state, one) if order == "left" else (one, state)
            state = reduction.combine(*pair)
        found = reduction.finalize(state)
        scale = np.abs(whole.covariance).max()
        np.testing.assert_allclose(found.covariance, whole.covariance, atol=1e-12 * scale)
        np.testing.assert_allclose(found.kinetic, whole.kinetic, atol=1e-12)


def test_a_run_without_velocities_has_no_kinetic_part(projector, motion):
    reduction = DisplacementCovarianceReduction(projector, N_FRAMES)
    still = replace(motion, velocities=None)
    found = reduction.finalize(reduction.chunk(projector.project(still)))
    assert found.kinetic is None
    assert found.covariance.shape[0] == 16


def test_missing_frames_are_refused(projector, motion):
    reduction = DisplacementCovarianceReduction(projector, N_FRAMES)
    with pytest.raises(DataError, match="30 of 50 frames were summed"):
        reduction.finalize(reduction.chunk(projector.project(part(motion, 0, 30))))


def test_memory_does_not_grow_with_the_run(projector, motion):
    sizes = set()
    for n_frames in (50, 5000):
        reduction = DisplacementCovarianceReduction(projector, n_frames)
        amplitudes = projector.project(motion)
        parts = [replace(amplitudes, first_frame=first) for first in range(0, n_frames, 50)]
        whole = reduce(reduction.combine, map(reduction.chunk, parts))
        sizes.add(whole.stack("products").nbytes)
    assert len(sizes) == 1
