"""Force constants of a supercell from dynamical matrices, and means over the space group."""

import numpy as np
import pytest

from trajmodes.data.force_constants import ForceConstants
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import frequencies_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.symmetry.operations import space_group, supercell_group
from trajmodes.symmetry.stars import star_labels
from trajmodes.symmetry.supercell_matrices import pair_list, star_mean
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


def test_folding_adds_images(crystals):
    crystal = crystals["bcc"]
    far = ForceConstants(
        crystal, np.zeros(3, int), np.zeros(3, int),
        np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0]]),
        np.array([-2 * np.eye(3), np.eye(3), np.eye(3)]),
    )  # fmt: skip
    one = build_supercell(crystal, np.eye(3, dtype=int))
    np.testing.assert_allclose(fold_pairs(far, one), np.zeros((1, 1, 3, 3)))
