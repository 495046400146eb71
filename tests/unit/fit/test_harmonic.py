import pickle
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.fit.expansion import expansion_of
from trajmodes.fit.harmonic import ForceCovariance, harmonic_equations
from trajmodes.streaming.reduction import BlockSums
from trajmodes.symmetry.operations import space_group, supercell_group
from trajmodes.symmetry.pairs import stars_of_pairs
from trajmodes.symmetry.translations import build_supercell, half_space, lattice_transform


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
    assert covariances.square[1] == pytest.approx((f_tax[inside] ** 2).sum())
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


@pytest.mark.parametrize("name", ["wurtzite", "triclinic"])
@pytest.mark.parametrize("reach", ["supercell", 3.3])
def test_sums_equal_those_of_the_design_matrix(
    crystals, hessian_of, reduce_frames, random_frames, name, reach
):
    crystal = crystals[name]
    supercell = build_supercell(crystal, [[3, 0, 0], [0, 3, 0], [0, 1, 2]])
    expansion = expansion_of(space_group(crystal), supercell, {2: reach})
    singles, pairs = expansion.bases
    u_tax, f_tax = random_frames(supercell, 5)
    equations = harmonic_equations(
        reduce_frames(supercell, u_tax, f_tax, n_blocks=2), expansion
    )
    assert equations.gram.shape == (2, expansion.n_parameters, expansion.n_parameters)
    # column z: forces of constants with the parameter z alone
    constant_zsx = -singles.expand(np.eye(singles.n_parameters))
    order = np.argsort(singles.orbits.sites[:, 0])
    pushes = [
        np.tile(one[order], (supercell.n_cells, 1)).ravel() * np.ones((5, 1))
        for one in constant_zsx
    ]
    # relative displacements: the self term is minus the sum of all others
    own = (pairs.orbits.sites[:, 0] == pairs.orbits.sites[:, 1]) & (
        pairs.orbits.lattice[:, 1] == 0
    ).all(axis=1)
    pulls = []
    for unit in np.eye(pairs.n_parameters)[:25]:
        constants = pairs.constants(unit)
        values = np.where(own[:, None, None], 0.0, constants.values)
        sums = np.zeros((crystal.n_sites, 3, 3))
        np.add.at(sums, constants.first, values)
        values[own] = -sums[constants.first[own]]
        hessian = hessian_of(replace(constants, values=values), supercell)
        pulls.append(-u_tax.reshape(5, -1) @ hessian.T)
    design_ztx = np.stack([*pushes, *pulls])
    n = len(design_ztx)
    for b, frames in enumerate([slice(0, 3), slice(3, 5)]):
        rows_zr = design_ztx[:, frames].reshape(n, -1)
        np.testing.assert_allclose(equations.gram[b, :n, :n], rows_zr @ rows_zr.T, atol=1e-9)
        np.testing.assert_allclose(
            equations.moment[b, :n], rows_zr @ f_tax[frames].ravel(), atol=1e-9
        )
        assert equations.square[b] == pytest.approx((f_tax[frames] ** 2).sum())


def test_both_reductions_make_the_same_normal_equations(
    wurtzite, reduce_frames, equations_of, random_frames
):
    u_tax, f_tax = random_frames(wurtzite, 40)
    rows = equations_of(wurtzite, {2: 4.4}, u_tax, f_tax, n_blocks=4)
    covariances = reduce_frames(wurtzite, u_tax, f_tax, n_blocks=4)
    waves = harmonic_equations(covariances, rows.expansion)
    for name in ("gram", "moment", "square", "displacement_sum", "force_sum"):
        one, other = getattr(rows, name), getattr(waves, name)
        np.testing.assert_allclose(one, other, atol=1e-10 * np.abs(one).max(), err_msg=name)
    np.testing.assert_array_equal(rows.frames, waves.frames)


def test_the_sum_over_pairs_of_pairs_needs_one_pair_of_each_star(wurtzite):
    supercell = build_supercell(wurtzite.crystal, np.diag([3, 3, 2]))
    expansion = expansion_of(space_group(wurtzite.crystal), supercell, {2: 3.3})
    orbits = expansion.bases[1].orbits
    group = supercell_group(orbits.group, supercell)
    assert group.n_operations == 12
    members = stars_of_pairs(group, orbits.sites, orbits.lattice[:, 1])
    assert members.sum() == len(members)
    assert np.count_nonzero(members) < len(members) / 4
    assert set(12 % members[members > 0]) == {0}
