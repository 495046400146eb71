"""Interpolation of linewidths between the q points of a supercell."""

import numpy as np
import pytest
from scipy import stats

from trajmodes.errors import DataError
from trajmodes.phonons.anharmonic.lifetime_mesh import (
    ModeLifetimes,
    all_strengths,
    lifetime_grid,
)
from trajmodes.phonons.modes import modes_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.symmetry.stars import set_mean, star_images
from trajmodes.symmetry.translations import build_supercell

CASES = {
    "diamond": [[-2, 2, 2], [2, -2, 2], [2, 2, -2]],
    "wurtzite": [[3, 0, 0], [0, 3, 0], [0, 0, 2]],
    "triclinic": [[3, 0, 0], [1, 3, 0], [4, 0, 2]],
}


def modes_of(crystal, springs, matrix):
    supercell = build_supercell(crystal, matrix)
    return modes_at(springs(crystal, 4.0), *commensurate(supercell)), supercell


@pytest.fixture(params=CASES)
def case(request, crystals, springs):
    return modes_of(crystals[request.param], springs, CASES[request.param])


def test_values_are_exact_at_the_q_points_of_the_supercell(case):
    modes, supercell = case
    grid = lifetime_grid(modes, supercell)
    values = np.random.default_rng(0).normal(size=modes.n_sets)
    for qpoints in (modes.qpoints, -modes.qpoints, modes.qpoints + np.array([1, -2, 0])):
        found = (grid.weights(qpoints) @ grid.extended(values)).reshape(modes.sets.shape)
        moving = modes.sets >= 0
        np.testing.assert_allclose(found[moving], values[modes.sets[moving]], rtol=1e-10)


def test_weights_add_up_and_have_the_symmetry_of_the_crystal(case):
    modes, supercell = case
    grid = lifetime_grid(modes, supercell)
    images = star_images(modes.crystal, [[0.13, 0.27, -0.4]])[:, 0]
    matrix = grid.weights(images)
    np.testing.assert_allclose(matrix @ np.ones(modes.n_sets + 3), 1.0, rtol=1e-12)
    assert matrix.min() >= 0.0
    values = grid.extended(np.random.default_rng(0).normal(size=modes.n_sets))
    found = (matrix @ values).reshape(len(images), -1)
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=1e-9)
    assert matrix.shape[0] * grid.entries_per_q // grid.sets.shape[1] >= matrix.nnz


def test_interpolation_error_is_of_second_order_in_the_spacing(crystals, springs):
    crystal = crystals["diamond"]

    def smooth(q_qx):
        """Symmetric and periodic: the mean of cos q·R over the images of q."""
        return np.cos(2.0 * np.pi * star_images(crystal, q_qx)[..., 0]).mean(axis=0)

    q_qx = np.random.default_rng(2).uniform(-0.5, 0.5, (60, 3))
    worst = []
    for n in (4, 8):
        modes, supercell = modes_of(crystal, springs, np.diag([n, n, n]))
        grid = lifetime_grid(modes, supercell)
        at_modes = np.broadcast_to(smooth(modes.qpoints)[:, None], modes.sets.shape)
        values = grid.extended(set_mean(at_modes, modes))
        found = (grid.weights(q_qx) @ values).reshape(len(q_qx), -1)
        worst.append(np.abs(found - smooth(q_qx)[:, None]).max())
    assert worst[1] < 0.35 * worst[0]
    assert worst[1] < 0.15


def test_acoustic_branches_at_gamma_are_extrapolated_as_even_functions(crystals, springs):
    modes, supercell = modes_of(crystals["bcc"], springs, np.diag([6, 6, 6]))
    grid = lifetime_grid(modes, supercell)
    far = np.linalg.norm(
        (modes.qpoints - np.rint(modes.qpoints)) @ np.linalg.inv(modes.crystal.cell).T, axis=1
    )
    values = set_mean(np.broadcast_to((1.5 + far**2)[:, None], modes.sets.shape), modes)
    np.testing.assert_allclose(grid.extended(values)[-3:], 1.5, rtol=1e-10)
    # derivatives have the same weights
    slopes = np.random.default_rng(1).normal(size=(modes.n_sets + 3, 2))
    back = values @ grid.contracted(slopes)
    np.testing.assert_allclose(back, grid.extended(values) @ slopes, rtol=1e-10)


def test_sets_without_a_lifetime_take_that_of_similar_frequencies(case):
    modes, _ = case
    omega = np.sqrt(set_mean(modes.omega**2, modes))
    lifetime = 2000.0 / omega**2
    rng = np.random.default_rng(3)
    lifetime *= np.exp(0.1 * rng.normal(size=len(omega)))
    sem = 0.05 * lifetime
    lifetime[:2] = np.nan
    sem[3] = np.nan
    found = all_strengths(ModeLifetimes(modes, lifetime, sem))
    assert found.filled.tolist() == [g in (0, 1, 3) for g in range(len(omega))]
    np.testing.assert_allclose(found.log_strength[found.filled], -np.log(2000.0), atol=0.2)
    np.testing.assert_allclose(found.sem[~found.filled], 0.05, rtol=1e-10)
    assert ((found.sem[found.filled] > 0.02) & (found.sem[found.filled] < 0.2)).all()
    np.testing.assert_allclose(found.model.sum(axis=1), 1.0, rtol=1e-12)


def test_lower_bounds_correct_the_bias_of_unresolved_long_lifetimes(crystals, springs):
    """The longest tenth is not resolved: the resolved ones alone give too short lifetimes."""
    modes, _ = modes_of(crystals["wurtzite"], springs, np.diag([4, 4, 3]))
    omega = np.sqrt(set_mean(modes.omega**2, modes))
    off = {True: [], False: []}
    for seed in range(20):
        scatter = 0.4 * np.random.default_rng(seed).normal(size=len(omega))
        true = 2000.0 / omega**2 * np.exp(scatter)
        longest = np.quantile(true, 0.9)
        seen = np.where(true < longest, true, np.nan)
        floor = np.where(true < longest, np.nan, longest)
        for limit, given in ((True, floor), (False, None)):
            found = all_strengths(ModeLifetimes(modes, seen, 0.1 * seen, given))
            missing = found.log_strength + np.log(true * omega**2)
            off[limit].append(missing[found.filled].mean())
    assert np.mean(off[False]) > 0.25
    assert abs(np.mean(off[True])) < 0.1


def test_bounded_sets_have_the_mean_of_a_truncated_normal_distribution(case):
    modes, _ = case
    omega = np.sqrt(set_mean(modes.omega**2, modes))
    scatter = 0.3 * np.random.default_rng(5).normal(size=len(omega))
    lifetime = 2000.0 / omega**2 * np.exp(scatter)
    three = [1, 4, 6]
    lifetime[three] = np.nan
    plain = all_strengths(ModeLifetimes(modes, lifetime, 0.1 * lifetime))
    model, sem = plain.log_strength[three], plain.sem[1]
    cut = np.array([-2.0, 0.5, np.inf])
    floor = np.full(len(omega), np.nan)
    floor[three[:2]] = np.exp(-(model + sem * cut)[:2]) / omega[three[:2]] ** 2
    found = all_strengths(ModeLifetimes(modes, lifetime, 0.1 * lifetime, floor))
    below = stats.truncnorm(-np.inf, cut, model, sem).mean()
    np.testing.assert_allclose(found.log_strength[three], below, rtol=1e-9)
    # The bound is fixed when the model changes.
    step = 1e-5
    higher = stats.truncnorm(-np.inf, cut - step / sem, model + step, sem).mean()
    np.testing.assert_allclose(found.model.sum(axis=1), (higher - below) / step, rtol=1e-3)


def test_one_lifetime_gives_no_error_of_the_others(case):
    modes, _ = case
    lifetime = np.full(modes.n_sets, np.nan)
    lifetime[2] = 3.0
    with pytest.raises(DataError, match="only one lifetime is resolved"):
        all_strengths(ModeLifetimes(modes, lifetime, 0.1 * lifetime))


def test_errors_of_filled_values_are_propagated_from_resolved_ones(case):
    modes, _ = case
    omega = np.sqrt(set_mean(modes.omega**2, modes))
    lifetime = 2000.0 / omega**2
    lifetime[0] = np.nan
    found = all_strengths(ModeLifetimes(modes, lifetime, 0.05 * lifetime))
    one = np.zeros(len(omega))
    one[0] = 1.0  # a function of the filled one alone
    variance = (found.deviations(one) ** 2).sum()
    wanted = 0.05**2 * (found.model[0] ** 2).sum() + found.sem[0] ** 2
    assert variance == pytest.approx(wanted, rel=1e-12)


def test_invalid_input_is_refused(crystals, springs):
    modes, _ = modes_of(crystals["diamond"], springs, np.diag([2, 2, 2]))
    nothing = np.full(modes.n_sets, np.nan)
    with pytest.raises(DataError, match="no lifetime is resolved"):
        all_strengths(ModeLifetimes(modes, nothing, nothing))
    soft = modes_at(
        springs(crystals["diamond"], 4.0, strength=-1.0), modes.qpoints, modes.weights
    )
    some = np.ones(soft.n_sets)
    with pytest.raises(DataError, match="no real frequency"):
        all_strengths(ModeLifetimes(soft, some, 0.1 * some))
    with pytest.raises(DataError, match="not at the q points of the supercell"):
        lifetime_grid(modes, build_supercell(modes.crystal, np.diag([3, 2, 2])))
    one, cell = modes_of(crystals["diamond"], springs, np.eye(3, dtype=int))
    with pytest.raises(DataError, match="use a larger supercell"):
        lifetime_grid(one, cell)
