"""The ordered pass: order, memory window, equal bits for any number of workers."""

import pytest

from simulations.passes import Sums, read
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.streaming.reduction import Together
from trajmodes.streaming.schedule import Begin, Reached, cut_blocks, kept_by, stream


def test_blocks_cover_the_frames_once_within_segments():
    blocks = cut_blocks([(0, 1000), (1000, 1003), (1003, 5000)], n_atoms=400)
    frames = [frame for start, stop in blocks for frame in range(start, stop)]
    assert frames == list(range(5000))
    assert all((start < 1000) == (stop <= 1000) for start, stop in blocks)
    assert (1000, 1003) in blocks


def test_results_do_not_depend_on_the_number_of_workers():
    blocks = [(i, min(i + 7, 500)) for i in range(0, 500, 7)]
    results = [stream(read, blocks, Sums(), workers=n) for n in (1, 2, 3)]
    assert results[0][0] == tuple(range(500))
    # One window of three workers holds more blocks than one of a single worker.
    assert results[0] == results[1] == results[2]


def test_progress_counts_every_frame():
    counted = []
    stream(read, [(i, i + 10) for i in range(0, 900, 10)], Sums(), progress=counted.append)
    assert sum(counted) == 900
    assert len(counted) > 1


def test_an_error_in_a_block_reaches_the_caller():
    def broken(start: int, stop: int) -> MotionBlock:
        if start >= 50:
            raise DataError("row is short", where="frame 50")
        return read(start, stop)

    with pytest.raises(DataError, match="row is short \\(frame 50\\)"):
        stream(broken, [(i, i + 10) for i in range(0, 100, 10)], Sums())


def test_two_reductions_share_one_read():
    reads = []

    def counted(start: int, stop: int) -> MotionBlock:
        reads.append(start)
        return read(start, stop)

    both = stream(counted, [(0, 5), (5, 9)], Together({"one": Sums(), "two": Sums()}))
    assert both["one"] == both["two"]
    assert sorted(reads) == [0, 5]


class Kept:
    """Keeps the states of a pass, from which the next one continues."""

    reached = Reached()

    def begin(self, reduction, _blocks):
        return Begin(reduction, self.reached)

    def folded(self, reached):
        self.reached = reached


@pytest.mark.parametrize("lengths", [(13, 14, 100), (43, 75, 100), (47, 63, 95), (64, 100)])
def test_a_run_that_has_grown_is_continued_on_the_same_tree(lengths):
    blocks = [(t, t + 3) for t in range(0, 300, 3)]
    kept = Kept()
    with kept_by(kept):
        for n in lengths:
            found = stream(read, blocks[:n], Sums(), workers=1)
    assert found == stream(read, blocks[: lengths[-1]], Sums(), workers=2)
    assert kept.reached.blocks == lengths[-1]
