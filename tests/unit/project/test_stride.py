"""Every n-th frame, counted from the start of each segment."""

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.project.sampling import StridedMotion

SEGMENTS = ((0, 10), (10, 17), (17, 18))


def read(start: int, stop: int) -> MotionBlock:
    """Displacements, velocities and forces that encode their frame."""
    frames = np.arange(start, stop, dtype=float)[:, None, None] * np.ones((1, 2, 3))
    return MotionBlock(start, frames, 10.0 * frames, 100.0 * frames)


def test_every_third_frame_of_each_segment_is_used() -> None:
    motion = StridedMotion(read, SEGMENTS, 3)
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
    motion = StridedMotion(read, SEGMENTS, 3)
    cuts = [(0, 4), (4, 5), (5, 10), (10, 12), (12, 17), (17, 18)]
    blocks = motion.blocks(cuts)
    assert blocks == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 8)]
    frames = [motion(*block).displacements[:, 0, 0] for block in blocks]
    assert np.concatenate(frames).tolist() == motion.frames.tolist()


def test_a_stride_of_one_changes_nothing() -> None:
    motion = StridedMotion(read, SEGMENTS, 1)
    assert motion.segments == SEGMENTS
    assert motion.blocks([(0, 10), (10, 17)]) == [(0, 10), (10, 17)]
    assert np.array_equal(motion(2, 9).displacements, read(2, 9).displacements)


def test_no_block_spans_the_end_of_a_segment() -> None:
    motion = StridedMotion(read, SEGMENTS, 3)
    with pytest.raises(DataError, match="frames 3 to 5 do not lie within one"):
        motion(3, 5)
    with pytest.raises(DataError, match="frames 7 to 9"):
        motion(7, 9)
