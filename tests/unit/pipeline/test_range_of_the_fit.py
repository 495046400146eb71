"""Without a cutoff of the second order the data choose it, at every order and for several runs.

The springs of the salt reach 6.5 Å, beyond the sphere of 3.99 Å inside the supercell.
"""

import numpy as np
import pytest

import trajmodes as tm
from trajmodes.phonons.modes import frequencies_at
from trajmodes.report.text.fit_line import fit_in_one_line
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import THZ


@pytest.fixture(scope="module")
def salt(crystals):
    return build_supercell(crystals["rock salt"], 2 * np.eye(3, dtype=int))


@pytest.fixture(scope="module")
def frames_of(salt, springs, hessian_of):
    def make(seed, n_frames=60):
        rng = np.random.default_rng(seed)
        u_tax = 0.03 * rng.normal(size=(n_frames, salt.n_atoms, 3))
        u_tax -= u_tax.mean(axis=1, keepdims=True)
        hessian = hessian_of(springs(salt.crystal, 6.5), salt)
        f_tax = -(u_tax.reshape(n_frames, -1) @ hessian).reshape(u_tax.shape)
        return tm.from_arrays(
            salt.positions + u_tax,
            salt.cell,
            list(salt.crystal.species) * salt.n_cells,
            forces=f_tax + 1e-3 * rng.normal(size=f_tax.shape),
        )

    return make


def test_all_pairs_are_taken_where_forces_reach_beyond_the_sphere(frames_of):
    fitted = frames_of(0).fit()
    assert fitted.cutoff is None
    assert fitted.quality.r_squared > 0.999


def test_a_cutoff_that_is_given_is_kept(frames_of):
    fitted = frames_of(0).fit(cutoff2=3.9)
    assert fitted.cutoff == 3.9
    assert fitted.quality.r_squared < 0.995


def test_higher_orders_take_the_range_of_the_second_order_as_well(frames_of):
    fitted = frames_of(0).fit(cutoff3=3.0)
    assert fitted.cutoff is None
    assert fitted.triplets is not None


def test_runs_choose_together(frames_of):
    fitted = tm.fit_runs([frames_of(0), frames_of(1)])
    assert fitted.cutoff is None
    assert fitted.quality.n_frames == 120


def test_one_frame_is_enough_to_choose_the_strength_of_a_ridge(salt, springs, hessian_of):
    """Of fewer than five frames, groups of atoms are left out instead of blocks of time."""
    rng = np.random.default_rng(5)
    u_ax = 0.03 * rng.normal(size=(salt.n_atoms, 3))
    hessian = hessian_of(springs(salt.crystal, 3.5), salt)
    f_ax = -(hessian @ u_ax.ravel()).reshape(u_ax.shape) + 0.05 * rng.normal(size=u_ax.shape)
    run = tm.from_arrays(
        (salt.positions + u_ax)[None],
        salt.cell,
        list(salt.species),
        forces=f_ax[None],
        ideal=salt.positions,
    )
    fitted = run.fit(cutoff2=3.9, method="ridge")
    omega = fitted.frequencies([[0.5, 0.5, 0.0]])
    truth, _ = frequencies_at(springs(salt.crystal, 3.5), np.array([[0.5, 0.5, 0.0]]))
    np.testing.assert_allclose(omega, truth / THZ, rtol=0.1)


@pytest.fixture
def run_in_one_cell(crystals, springs, hessian_of):
    """``run_in_one_cell(name)``: a run of the conventional cell of eight atoms."""

    def make(name):
        box = build_supercell(crystals[name], [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
        u_tax = 0.03 * np.random.default_rng(2).normal(size=(80, box.n_atoms, 3))
        hessian = hessian_of(springs(crystals[name], 3.5), box)
        f_tax = -(u_tax.reshape(80, -1) @ hessian).reshape(u_tax.shape)
        return tm.from_arrays(box.positions + u_tax, box.cell, list(box.species), forces=f_tax)

    return make


def test_all_triplets_of_a_small_box_are_fitted_and_named(run_in_one_cell):
    fitted = run_in_one_cell("diamond").fit(cutoff2="supercell", cutoff3="supercell")
    assert fitted.cutoff is None
    assert fitted.triplets.cutoff is None
    assert np.abs(fitted.triplets.values).max() < 1e-6 * np.abs(fitted.values).max()
    text = fit_in_one_line(fitted.to_dataset())
    assert "all pairs of the supercell (2nd order)" in text
    assert "all triplets of the supercell (3rd order)" in text


def test_all_pairs_are_the_default_where_neighbours_fill_the_box(run_in_one_cell):
    """In one cell of rock salt even nearest neighbours have two nearest images."""
    fitted = run_in_one_cell("rock salt").fit()
    assert fitted.cutoff is None
    assert fitted.quality.r_squared > 0.999
