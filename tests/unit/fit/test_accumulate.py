import pickle

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.accumulate import ForceRows, default_blocks
from trajmodes.fit.expansion import expansion_of
from trajmodes.streaming.reduction import BlockSums
from trajmodes.symmetry.operations import space_group


@pytest.fixture
def reduction(wurtzite):
    def make(n_frames, n_blocks=32, cutoffs=None):
        expansion = expansion_of(space_group(wurtzite.crystal), wurtzite, cutoffs or {2: 2.1})
        return ForceRows(expansion, wurtzite, n_frames, n_blocks)

    return make


def test_sums_over_blocks_equal_direct_sums(wurtzite, reduction, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 50)
    reduce = reduction(50, 3)
    equations = reduce.finalize(reduce.chunk(MotionBlock(0, u_tax, None, f_tax)))
    np.testing.assert_array_equal(equations.frames, [17, 17, 16])
    np.testing.assert_array_equal(equations.run, [0, 0, 0])
    inside = slice(17, 34)
    assert equations.square[1] == pytest.approx((f_tax[inside] ** 2).sum())
    for sums, frames in ((equations.displacement_sum, u_tax), (equations.force_sum, f_tax)):
        by_site = frames[inside].reshape(17, wurtzite.n_cells, 4, 3)
        np.testing.assert_allclose(sums[1], by_site.mean(axis=1).sum(axis=0), atol=1e-12)
    # the column of order 1 is minus the force on each site
    singles = equations.expansion.bases[0]
    site_sums = equations.force_sum[1] * wurtzite.n_cells
    units = singles.expand(np.eye(singles.n_parameters))
    np.testing.assert_allclose(
        equations.moment[1, : singles.n_parameters],
        -np.einsum("zcx,cx->z", units, site_sums[singles.orbits.sites[:, 0]]),
    )
    np.testing.assert_allclose(equations.gram, equations.gram.swapaxes(1, 2), rtol=1e-12)


def test_blocks_of_time_are_cut_by_frame_number(wurtzite, reduction, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 12)
    state = reduction(24, 4).chunk(MotionBlock(9, u_tax, None, f_tax))
    assert {k: part.frames for k, part in state.by_block.items()} == {1: 3, 2: 6, 3: 3}


def test_state_does_not_change_when_combined(wurtzite, reduction, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 6)
    reduce = reduction(12, 1)
    first = reduce.chunk(MotionBlock(0, u_tax, None, f_tax))
    second = reduce.chunk(MotionBlock(6, f_tax, None, u_tax))
    before = first.by_block[0].gram.copy()
    both = reduce.combine(first, second)
    np.testing.assert_array_equal(first.by_block[0].gram, before)
    assert both.by_block[0].frames == 12
    np.testing.assert_array_equal(
        both.by_block[0].gram, first.by_block[0].gram + second.by_block[0].gram
    )


def test_reduction_survives_pickling(wurtzite, reduction, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 5)
    reduce = reduction(5, cutoffs={2: 3.3, 3: 2.1})
    block = MotionBlock(0, u_tax, None, f_tax)
    again = pickle.loads(pickle.dumps(reduce))
    one, other = (part.chunk(block).by_block[0] for part in (reduce, again))
    np.testing.assert_array_equal(one.gram, other.gram)


def test_missing_forces_raise(wurtzite, reduction, random_frames):
    u_tax, _ = random_frames(wurtzite, 2)
    with pytest.raises(DataError, match=r"no forces[\s\S]*add fx fy fz to the dump"):
        reduction(2).chunk(MotionBlock(0, u_tax, None, None))
    with pytest.raises(DataError, match="no frames to sum over"):
        reduction(2).finalize(BlockSums())


def test_many_parameters_have_fewer_blocks():
    assert default_blocks(10) == 32
    assert default_blocks(1200) == 23
    assert default_blocks(8000) == 8
    assert default_blocks(10, 4) == 8
    assert default_blocks(10, 100) == 1
