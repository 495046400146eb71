"""Meshes, sets and refusals of perturbative linewidths; their numbers are in the peer tests.

The supercells for phono3py contain every cluster.
"""

import sys
from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.anharmonic import three_phonon
from trajmodes.phonons.anharmonic.linewidths import perturbative_linewidths
from trajmodes.phonons.anharmonic.three_phonon import (
    dense_triplets,
    longest_side,
    smallest_supercell,
)
from trajmodes.phonons.qpoints import commensurate, joined_axes, shared_mesh
from trajmodes.symmetry.clusters import inscribed_radius
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.supercell_clusters import supercell_orbits
from trajmodes.symmetry.tensors import symmetry_basis
from trajmodes.symmetry.translations import build_supercell

NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"]
CUBE = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def with_nothing_cubic(constants: ForceConstants) -> ForceConstants:
    nothing = ClusterConstants(
        np.zeros((1, 3), int), np.zeros((1, 3, 3), int), np.zeros((1, 3, 3, 3))
    )
    return replace(constants, triplets=nothing)


@pytest.mark.parametrize(
    ("name", "matrix", "asked", "wanted"),
    [
        ("diamond", 4 * CUBE, (1, 1, 1), (8, 8, 8)),
        ("diamond", 4 * CUBE, (9, 9, 9), (16, 16, 16)),
        ("diamond", np.diag([2, 3, 1]), (1, 1, 1), (6, 6, 6)),
        ("wurtzite", np.diag([3, 3, 2]), (4, 1, 3), (6, 6, 4)),
        ("wurtzite", [[2, 0, 0], [0, 2, 0], [1, 0, 2]], (1, 1, 1), (2, 2, 4)),
        ("triclinic", np.diag([2, 3, 1]), (3, 3, 3), (4, 3, 3)),
    ],
)
def test_the_mesh_contains_all_q_points_of_the_supercell(name, matrix, asked, wanted, crystals):
    supercell = build_supercell(crystals[name], matrix)
    mesh = shared_mesh(supercell, asked)
    assert mesh == wanted
    places = commensurate(supercell)[0] * mesh
    np.testing.assert_allclose(places, np.rint(places), atol=1e-9)


def test_an_empty_mesh_is_refused(crystals):
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int))
    with pytest.raises(UsageError, match="three positive numbers"):
        shared_mesh(supercell, (4, 0, 4))


def test_missing_phono3py_is_reported(monkeypatch, crystals, springs):
    monkeypatch.setitem(sys.modules, "phono3py", None)
    constants = with_nothing_cubic(springs(crystals["bcc"], 3.0))
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int) * 2)
    with pytest.raises(UsageError, match=r"pip install 'trajmodes\[kappa\]'"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 300.0)


def test_invalid_input_is_refused(crystals, springs):
    plain = springs(crystals["bcc"], 3.0)
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int) * 2)
    with pytest.raises(DataError, match="no force constants of third order"):
        perturbative_linewidths(plain, supercell, (2, 2, 2), 300.0)
    constants = with_nothing_cubic(plain)
    with pytest.raises(UsageError, match="temperature must be positive"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 0.0)
    with pytest.raises(DataError, match="finite numbers of shape"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 300.0, [0.25, 0.0, 0.0])


@pytest.mark.peer
def test_points_beside_the_mesh_are_refused(crystals, springs):
    pytest.importorskip("phono3py")
    constants = with_nothing_cubic(springs(crystals["bcc"], 3.0))
    supercell = build_supercell(crystals["bcc"], np.eye(3, dtype=int) * 2)
    with pytest.raises(UsageError, match="q = 1/4 0 0 is not a point of the mesh"):
        perturbative_linewidths(constants, supercell, (2, 2, 2), 300.0, [[0.25, 0.0, 0.0]])


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


@pytest.mark.slow
def test_shared_triplets_scatter_in_the_supercell_of_the_run_as_at_their_images(
    crystals, springs, monkeypatch
):
    """phono3py shares fc3 among nearest images as the fit does, in a far smaller supercell."""
    pytest.importorskip("phono3py")
    crystal = crystals["diamond"]
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    orbits = supercell_orbits(space_group(crystal), 3, supercell)
    basis = symmetry_basis(orbits)
    free = null_space(constraint_rows(basis, Constraints()))
    x = np.random.default_rng(0).normal(size=free.shape[1])
    constants = replace(springs(crystal, 3.0), triplets=basis.clusters(free @ x))
    asked = constants, supercell, (4, 4, 4), 300.0, np.array([[0.25, 0, 0]])
    inside = perturbative_linewidths(*asked)
    monkeypatch.setattr(three_phonon, "are_of_nearest", lambda *_: False)
    apart = perturbative_linewidths(*asked)
    np.testing.assert_allclose(inside.quantum, apart.quantum, rtol=1e-6)
