"""Central differences of displacements within segments; every n-th frame of each segment."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.matching.displacements import Displacer
from trajmodes.matching.match import match
from trajmodes.project.sampling import DifferencedMotion, StridedMotion

SEGMENTS = ((0, 10), (10, 12), (12, 13), (13, 24))
INTERVAL_PS = 0.005


class Source:
    """Displacements that are cubic in time within each segment, and jump between them."""

    def __init__(self, *, forces=True):
        rng = np.random.default_rng(5)
        times = INTERVAL_PS * np.arange(24)[:, None, None]
        powers = [rng.normal(size=(4, 3)) for _ in range(4)]
        self.u_tax = sum(p * times**k for k, p in enumerate(powers))
        self.v_tax = sum(k * p * times ** (k - 1) for k, p in enumerate(powers) if k)
        self.cubic = powers[3]
        jumps = np.searchsorted([stop for _, stop in SEGMENTS], np.arange(24), side="right")
        self.u_tax = self.u_tax + 7.0 * jumps[:, None, None]
        self.f_tax = rng.normal(size=self.u_tax.shape) if forces else None

    def __call__(self, start, stop):
        forces = None if self.f_tax is None else self.f_tax[start:stop]
        return MotionBlock(start, self.u_tax[start:stop], None, forces)


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def motion(source):
    return DifferencedMotion(source, SEGMENTS, INTERVAL_PS)


def test_segments_shrink_by_a_frame_at_each_end(motion):
    assert motion.segments == ((0, 8), (8, 17))
    assert motion.n_frames == 17
    assert motion.frames.tolist() == [*range(1, 9), *range(14, 23)]


def test_velocities_are_central_differences_within_a_segment(motion, source):
    """For a cubic they are the derivative plus Δ² times the cubic coefficient."""
    block = motion(0, motion.n_frames)
    kept = motion.frames
    expected = source.v_tax[kept] + source.cubic * INTERVAL_PS**2
    assert block.first_frame == 0
    assert block.velocities == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(block.displacements, source.u_tax[kept])
    assert np.array_equal(block.forces, source.f_tax[kept])


def test_no_difference_spans_a_gap(motion):
    """The jump of 7 Å between segments would be 700 Å/ps."""
    assert np.abs(motion(0, 17).velocities).max() < 10.0


@pytest.mark.parametrize("cuts", [(1, 7), (8,), (5, 12, 16)])
def test_results_do_not_depend_on_blocks(motion, cuts):
    whole = motion(0, 17)
    edges = [0, *cuts, 17]
    parts = [motion(a, b) for a, b in pairwise(edges)]
    assert [part.first_frame for part in parts] == edges[:-1]
    for name in ("displacements", "velocities", "forces"):
        joined = np.concatenate([getattr(part, name) for part in parts])
        assert np.array_equal(joined, getattr(whole, name))


def test_it_works_in_workers_and_threads(motion):
    again = pickle.loads(pickle.dumps(motion))
    with ThreadPoolExecutor(4) as pool:
        blocks = list(pool.map(again, range(16), range(1, 17)))
    joined = np.concatenate([block.velocities for block in blocks])
    assert np.array_equal(joined, motion(0, 16).velocities)


def test_forces_may_be_absent():
    motion = DifferencedMotion(Source(forces=False), SEGMENTS, INTERVAL_PS)
    assert motion(2, 12).forces is None


def test_invalid_input_is_refused(motion, source):
    with pytest.raises(DataError, match="no three frames are consecutive"):
        DifferencedMotion(source, ((0, 2), (2, 4)), INTERVAL_PS)
    with pytest.raises(DataError, match=r"frames 0 ps apart"):
        DifferencedMotion(source, SEGMENTS, 0.0)
    with pytest.raises(DataError, match="frames 5 to 18 exceed a run of 17"):
        motion(5, 18)


def test_missing_frames_are_refused(source):
    def holes(start, stop):
        block = source(start, stop)
        kept = np.arange(start, stop) != 5
        return replace(
            block,
            displacements=block.displacements[kept],
            forces=block.forces[kept],
            frames=np.arange(start, stop)[kept],
        )

    motion = DifferencedMotion(holes, SEGMENTS, INTERVAL_PS)
    assert motion(6, 8).n_frames == 2
    with pytest.raises(DataError, match=r"left its site were omitted"):
        motion(2, 6)


def test_velocities_of_a_run_are_recovered(crystals, einstein):
    """Through the reader: attenuated only by sin(ωΔ)/(ωΔ), 0.99 at 8 THz and 5 fs."""
    run = einstein(crystals["rock salt"], [[2, 1, 0], [-1, 2, 1], [0, 1, 3]])
    displacer = Displacer(match(crystals["rock salt"], run))
    whole = displacer(run.read(0, run.n_frames))
    bare = replace(run, velocities=None)
    motion = DifferencedMotion(
        lambda start, stop: displacer(bare.read(start, stop)), run.segments, run.interval_ps
    )
    kept = np.sinc(2.0 * 8.0 * 0.005)
    block = motion(0, motion.n_frames)
    assert block.velocities == pytest.approx(kept * whole.velocities[1:-1], abs=1e-9)
    assert kept == pytest.approx(0.9895, abs=1e-4)


RANGES = ((0, 10), (10, 17), (17, 18))


def read(start: int, stop: int) -> MotionBlock:
    """Displacements, velocities and forces that encode their frame."""
    frames = np.arange(start, stop, dtype=float)[:, None, None] * np.ones((1, 2, 3))
    return MotionBlock(start, frames, 10.0 * frames, 100.0 * frames)


def test_every_third_frame_of_each_segment_is_used() -> None:
    motion = StridedMotion(read, RANGES, 3)
    assert motion.segments == ((0, 4), (4, 7), (7, 8))
    assert motion.frames.tolist() == [0, 3, 6, 9, 10, 13, 16, 17]
    assert motion.n_frames == 8
    for start, stop in ((0, 4), (1, 3), (4, 7), (6, 7), (7, 8)):
        block = motion(start, stop)
        assert block.first_frame == start
        wanted = motion.frames[start:stop]
        assert block.displacements[:, 0, 0].tolist() == wanted.tolist()
        assert block.velocities[:, 1, 2].tolist() == (10 * wanted).tolist()
        assert block.forces[:, 1, 0].tolist() == (100 * wanted).tolist()


def test_blocks_of_the_run_hold_each_frame_once() -> None:
    motion = StridedMotion(read, RANGES, 3)
    cuts = [(0, 4), (4, 5), (5, 10), (10, 12), (12, 17), (17, 18)]
    blocks = motion.blocks(cuts)
    assert blocks == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 8)]
    frames = [motion(*block).displacements[:, 0, 0] for block in blocks]
    assert np.concatenate(frames).tolist() == motion.frames.tolist()


def test_a_stride_of_one_changes_nothing() -> None:
    motion = StridedMotion(read, RANGES, 1)
    assert motion.segments == RANGES
    assert motion.blocks([(0, 10), (10, 17)]) == [(0, 10), (10, 17)]
    assert np.array_equal(motion(2, 9).displacements, read(2, 9).displacements)


def test_no_block_spans_the_end_of_a_segment() -> None:
    motion = StridedMotion(read, RANGES, 3)
    with pytest.raises(DataError, match="frames 3 to 5 do not lie within one"):
        motion(3, 5)
    with pytest.raises(DataError, match="frames 7 to 9"):
        motion(7, 9)
