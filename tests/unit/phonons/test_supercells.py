"""Dynamical matrices and force constants of supercells, and the smallest supercell."""

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.linewidths import (
    dense_triplets,
    longest_side,
    smallest_supercell,
)
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import commensurate, joined_axes
from trajmodes.phonons.supercells import pair_list, star_mean
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.operations import space_group, supercell_group
from trajmodes.symmetry.stars import star_labels
from trajmodes.symmetry.translations import (
    build_supercell,
    fold_pairs,
    half_space,
    lattice_transform,
)

CASES = {
    "diamond": [[-2, 2, 2], [2, -2, 2], [2, 2, -2]],
    "wurtzite": [[3, 0, 0], [0, 3, 0], [0, 0, 2]],
    "rutile": [[2, 0, 0], [0, 2, 0], [0, 0, 3]],
    "triclinic": [[2, 0, 0], [0, 1, 0], [1, 0, 2]],
    "bcc": [[2, 0, 0], [0, 1, 0], [1, 0, 3]],
}
NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"]


@pytest.fixture(params=CASES)
def case(request, crystals, springs):
    crystal = crystals[request.param]
    return springs(crystal, 4.0), build_supercell(crystal, CASES[request.param])


def test_matrices_go_to_pairs_and_back(case):
    constants, supercell = case
    qpoints, _ = commensurate(supercell)
    given = dynamical_matrices(lattice_sum(constants), qpoints)
    pairs = pair_list(supercell)
    found = pairs.constants(pairs.values(given), None, 300.0)
    again = dynamical_matrices(lattice_sum(found), qpoints)
    np.testing.assert_allclose(again, given, rtol=0, atol=1e-12 * np.abs(given).max())
    np.testing.assert_allclose(
        fold_pairs(found, supercell), fold_pairs(constants, supercell), atol=1e-12
    )
    assert found.temperature == 300.0
    assert found.cutoff is None


def test_sum_rule_is_imposed(case):
    constants, supercell = case
    pairs = pair_list(supercell)
    given = dynamical_matrices(lattice_sum(constants), pairs.space.qpoints)
    given[0] += 1e-6 * np.abs(given).max() * np.eye(given.shape[1])
    values = pairs.values(given)
    sums = np.zeros((supercell.crystal.n_sites, 3, 3))
    np.add.at(sums, pairs.first, values)
    assert np.abs(sums).max() < 1e-14 * np.abs(values).max()


def test_symmetric_matrices_are_their_own_star_mean(case):
    constants, supercell = case
    space = half_space(supercell)
    given = dynamical_matrices(lattice_sum(constants), space.qpoints)
    np.testing.assert_allclose(
        star_mean(space, given), given, rtol=0, atol=1e-12 * np.abs(given).max()
    )


def test_star_means_have_one_spectrum_per_star(case):
    """Judged by what does not use it: phonons of the pairs that are made of it."""
    _, supercell = case
    space = half_space(supercell)
    field = np.random.default_rng(3).normal(size=(40, supercell.n_atoms, 3))
    wave_qtk = lattice_transform(space, field)
    given = np.einsum("qtk,qtl->qkl", wave_qtk, wave_qtk.conj())
    given[0] = 0.0  # at Γ pairs obey the sum rule, and random fields do not
    mean = star_mean(space, given[None])[0]
    np.testing.assert_allclose(star_mean(space, mean), mean, atol=1e-11)
    pairs = pair_list(supercell)
    omega = frequencies_at(pairs.constants(pairs.values(mean), None, None), space.qpoints)[0]
    group = space_group(supercell.crystal)
    if supercell_group(group, supercell).n_operations == group.n_operations:
        heads = star_labels(supercell.crystal, space.qpoints)
        square = omega * np.abs(omega)
        np.testing.assert_allclose(square, square[heads], rtol=0, atol=1e-10 * square.max())
    assert np.abs(mean - given).max() > 1e-3 or group.n_operations == 1


def test_sites_of_different_mass_are_not_exchanged(crystals, springs):
    """Sites of one species that differ in mass are not exchanged by the mean."""
    crystal = crystals["diamond"]
    heavy = type(crystal)(
        crystal.cell, crystal.sites, crystal.species, crystal.masses * [1.0, 2.0]
    )
    supercell = build_supercell(heavy, np.diag([2, 2, 2]))
    space = half_space(supercell)
    given = dynamical_matrices(lattice_sum(springs(heavy, 4.0)), space.qpoints)
    np.testing.assert_allclose(
        star_mean(space, given), given, rtol=0, atol=1e-12 * np.abs(given).max()
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("matrix", [[[2, 0, 0], [0, 1, 0], [1, 0, 2]], np.eye(3, dtype=int)])
def test_folded_pairs_are_rows_of_the_hessian(name, matrix, crystals, springs, hessian_of):
    constants = springs(crystals[name], 4.5)
    supercell = build_supercell(crystals[name], matrix)
    n = supercell.n_atoms
    whole = hessian_of(constants, supercell).reshape(n, 3, n, 3).swapaxes(1, 2)
    home = crystals[name].n_sites
    np.testing.assert_allclose(fold_pairs(constants, supercell), whole[:home], atol=1e-12)


def random_triplets(crystal: Crystal, seed: int) -> ClusterConstants:
    rng = np.random.default_rng(seed)
    lattice = rng.integers(-2, 3, (60, 3, 3))
    lattice[:, 0] = 0
    sites = rng.integers(0, crystal.n_sites, (60, 3))
    return ClusterConstants(sites, lattice, rng.normal(size=(60, 3, 3, 3)))


def test_folded_triplets_give_the_same_forces(crystals):
    """Σ Φ3 u u of a periodic displacement does not know of the supercell."""
    crystal = crystals["wurtzite"]
    triplets = random_triplets(crystal, 1)
    supercell = build_supercell(crystal, [[2, 0, 0], [0, 1, 0], [1, 0, 2]])
    u_ax = np.random.default_rng(2).normal(size=(supercell.n_atoms, 3))
    folded = dense_triplets(triplets, supercell)
    found = np.einsum("sabijk,aj,bk->si", folded, u_ax, u_ax)
    # atom by atom: the displacement of a lattice vector is that of its supercell atom
    inverse = np.linalg.inv(supercell.matrix)
    apart = (triplets.lattice[:, :, None] - supercell.cells) @ inverse
    cell = np.abs(apart - np.rint(apart)).max(axis=-1).argmin(axis=-1)
    u_cnx = u_ax[cell * crystal.n_sites + triplets.sites]
    wanted = np.zeros_like(found)
    forces = np.einsum("cijk,cj,ck->ci", triplets.values, u_cnx[:, 1], u_cnx[:, 2])
    np.add.at(wanted, triplets.sites[:, 0], forces)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_reach_is_the_longest_side_that_is_not_zero(crystals, springs):
    crystal = crystals["bcc"]
    constants = springs(crystal, 4.5)
    assert longest_side(crystal, *constants.members, constants.values) == pytest.approx(
        2.87 * np.sqrt(2), rel=1e-9
    )
    sites, lattice = np.zeros((2, 3), int), np.zeros((2, 3, 3), int)
    lattice[0, 1], lattice[0, 2] = [1, 0, 0], [-1, 0, 0]
    lattice[1, 1] = [5, 0, 0]
    values = np.zeros((2, 3, 3, 3))
    values[0] = 1.0
    found = longest_side(crystal, sites, lattice, values)
    assert found == pytest.approx(2 * np.linalg.norm(crystal.cell[0]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reach", [2.0, 4.9])
def test_the_smallest_supercell_contains_the_reach(name, reach, crystals):
    crystal = crystals[name]
    found = smallest_supercell(crystal, reach)
    assert inscribed_radius(found) > reach
    counts = np.diag(found.matrix)
    for group in joined_axes(crystal):
        assert len(set(counts[list(group)].tolist())) == 1
        fewer = counts.copy()
        fewer[list(group)] -= 1
        if fewer.min() > 0:
            assert inscribed_radius(build_supercell(crystal, np.diag(fewer))) < reach + 0.01


def test_axes_mixed_by_symmetry_are_grouped(crystals):
    assert joined_axes(crystals["diamond"]) == [(0, 1, 2)]
    assert joined_axes(crystals["wurtzite"]) == [(0, 1), (2,)]
    assert joined_axes(crystals["triclinic"]) == [(0,), (1,), (2,)]


def test_folding_adds_images(crystals):
    crystal = crystals["bcc"]
    far = ForceConstants(
        crystal, np.zeros(3, int), np.zeros(3, int),
        np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0]]),
        np.array([-2 * np.eye(3), np.eye(3), np.eye(3)]),
    )  # fmt: skip
    one = build_supercell(crystal, np.eye(3, dtype=int))
    np.testing.assert_allclose(fold_pairs(far, one), np.zeros((1, 1, 3, 3)))
