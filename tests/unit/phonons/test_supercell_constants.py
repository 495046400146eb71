"""Folding onto supercells, and the smallest supercell that loses nothing."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.phonons.renormalised.supercell_constants import (
    dense_triplets,
    joined_axes,
    pair_reach,
    smallest_supercell,
    triplet_reach,
)
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.folding import fold_pairs
from trajmodes.symmetry.translations import build_supercell

NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"]


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
    assert pair_reach(constants) == pytest.approx(2.87 * np.sqrt(2), rel=1e-9)
    sites, lattice = np.zeros((2, 3), int), np.zeros((2, 3, 3), int)
    lattice[0, 1], lattice[0, 2] = [1, 0, 0], [-1, 0, 0]
    lattice[1, 1] = [5, 0, 0]
    values = np.zeros((2, 3, 3, 3))
    values[0] = 1.0
    found = triplet_reach(replace(constants, triplets=ClusterConstants(sites, lattice, values)))
    assert found == pytest.approx(2 * np.linalg.norm(crystal.cell[0]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reach", [2.0, 4.9])
def test_the_smallest_supercell_holds_the_reach_and_no_smaller_one_does(name, reach, crystals):
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


def test_axes_that_symmetry_mixes_go_together(crystals):
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
