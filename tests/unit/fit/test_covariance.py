import pickle

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.covariance import ForceCovariance
from trajmodes.streaming.reduction import BlockSums
from trajmodes.symmetry.translations import half_space, lattice_transform


def test_sums_over_blocks_equal_direct_sums(wurtzite, reduce_frames, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 50)
    covariances = reduce_frames(wurtzite, u_tax, f_tax, n_blocks=3)
    u_qtx, f_qtx = (lattice_transform(half_space(wurtzite), x) for x in (u_tax, f_tax))
    np.testing.assert_array_equal(covariances.frames, [17, 17, 16])
    inside = slice(17, 34)
    uu = np.einsum("qtx,qty->qxy", u_qtx[:, inside], u_qtx[:, inside].conj())
    fu = np.einsum("qtx,qty->qxy", f_qtx[:, inside], u_qtx[:, inside].conj())
    np.testing.assert_allclose(covariances.displacement[1], uu, atol=1e-12)
    np.testing.assert_allclose(covariances.force[1], fu, atol=1e-12)
    assert covariances.force_square[1] == pytest.approx((f_tax[inside] ** 2).sum())
    by_site = f_tax.reshape(50, wurtzite.n_cells, 4, 3)
    mean = covariances.force_sum.sum(axis=0) / covariances.n_frames
    np.testing.assert_allclose(mean, by_site.mean(axis=(0, 1)), atol=1e-14)


def test_state_does_not_change_when_combined(wurtzite, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 6)
    reduction = ForceCovariance(half_space(wurtzite), 12, 1)
    first = reduction.chunk(MotionBlock(0, u_tax, None, f_tax))
    second = reduction.chunk(MotionBlock(6, f_tax, None, u_tax))
    before = first.by_block[0].displacement.copy()
    both = reduction.combine(first, second)
    np.testing.assert_array_equal(first.by_block[0].displacement, before)
    assert both.by_block[0].frames == 12


def test_reduction_survives_pickling(wurtzite, random_frames):
    u_tax, f_tax = random_frames(wurtzite, 5)
    reduction = ForceCovariance(half_space(wurtzite), 5)
    block = MotionBlock(0, u_tax, None, f_tax)
    again = pickle.loads(pickle.dumps(reduction))
    np.testing.assert_array_equal(
        again.chunk(block).by_block[0].force, reduction.chunk(block).by_block[0].force
    )


def test_missing_forces_raise(wurtzite, random_frames):
    u_tax, _ = random_frames(wurtzite, 2)
    reduction = ForceCovariance(half_space(wurtzite), 2)
    with pytest.raises(DataError, match=r"no forces[\s\S]*add fx fy fz to the dump"):
        reduction.chunk(MotionBlock(0, u_tax, None, None))
    with pytest.raises(DataError, match="no frames to sum over"):
        reduction.finalize(BlockSums())
