"""Sums in blocks of time do not depend on where a run is cut."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.streaming.reduction import (
    BlockReduction,
    BlockSums,
    Sums,
    Transformed,
    require_all_frames,
)
from trajmodes.streaming.schedule import stream

N_FRAMES = 61


@dataclass(frozen=True)
class Total(Sums):
    displacement: np.ndarray


@dataclass(frozen=True)
class Totals(BlockReduction[MotionBlock, Total]):
    n_frames: int = N_FRAMES
    n_blocks: int = 7

    def sums(self, block: MotionBlock) -> Total:
        return Total(block.n_frames, block.displacements.sum(axis=0))

    def finalize(self, state: BlockSums[Total]) -> BlockSums[Total]:
        return state


@pytest.fixture(scope="module")
def motion() -> MotionBlock:
    # Integers: their sums are exact in any order.
    u_tax = np.random.default_rng(0).integers(-99, 99, (N_FRAMES, 2, 3))
    return MotionBlock(0, u_tax, None, None)


def _same(one: BlockSums[Total], other: BlockSums[Total]) -> bool:
    return all(
        np.array_equal(one.stack(name), other.stack(name))
        for name in ("frames", "displacement")
    )


@given(st.sets(st.integers(1, N_FRAMES - 1)), st.integers(1, 100))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_sums_do_not_depend_on_cuts_or_order_of_combination(motion, cuts, n_blocks):
    totals = Totals(N_FRAMES, n_blocks)
    edges = [0, *sorted(cuts), N_FRAMES]
    states = [totals.chunk(motion.part(slice(a, b))) for a, b in pairwise(edges)]
    forwards, backwards = states[0], states[-1]
    for state in states[1:]:
        forwards = totals.combine(forwards, state)
    for state in states[-2::-1]:
        backwards = totals.combine(state, backwards)
    label = np.arange(N_FRAMES) * n_blocks // N_FRAMES
    assert sorted(forwards.by_block) == np.unique(label).tolist()
    assert forwards.stack("frames").sum() == N_FRAMES
    for b, sums in forwards.by_block.items():
        assert np.array_equal(sums.displacement, motion.displacements[label == b].sum(axis=0))
    assert _same(forwards, backwards)


def test_combination_is_pure_and_adds_shared_blocks_only(motion):
    totals = Totals(n_blocks=3)
    first, second = (totals.chunk(motion.part(part)) for part in (slice(30), slice(30, 61)))
    before = first.by_block[1].displacement.copy()
    both = totals.combine(first, second)
    assert both.by_block[0] is first.by_block[0]
    assert both.by_block[2] is second.by_block[2]
    assert np.array_equal(first.by_block[1].displacement, before)


def test_blocks_are_numbered_by_frames_of_the_whole_run():
    u_tax = np.ones((4, 1, 3))
    kept = MotionBlock(0, u_tax, None, None, frames=[3, 20, 21, 60])
    state = Totals(n_blocks=3).chunk(kept)
    assert {b: sums.frames for b, sums in state.by_block.items()} == {0: 2, 1: 1, 2: 1}
    assert kept.part(slice(1, 3)).indices.tolist() == [20, 21]


def test_transformed_reductions_reduce_the_transformed_blocks(motion):
    def read(start: int, stop: int) -> MotionBlock:
        return motion.part(slice(start, stop))

    def doubled(block: MotionBlock) -> MotionBlock:
        return MotionBlock(block.first_frame, 2.0 * block.displacements, None, None)

    cuts = [(0, 20), (20, 45), (45, N_FRAMES)]
    found = stream(read, cuts, Transformed(doubled, Totals()))
    plain = stream(read, cuts, Totals())
    assert np.array_equal(found.stack("displacement"), 2.0 * plain.stack("displacement"))


def test_missing_frames_are_refused():
    with pytest.raises(DataError, match="60 of 61 frames were summed"):
        require_all_frames(60, N_FRAMES)
    with pytest.raises(DataError, match="no frames to sum over"):
        BlockSums().in_time_order()
