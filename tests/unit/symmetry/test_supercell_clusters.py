"""Clusters of the atoms of a supercell: all of them, at their nearest images."""

import numpy as np
import pytest

from trajmodes.errors import UsageError
from trajmodes.symmetry.clusters import cluster_orbits, inscribed_radius
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.images import are_of_nearest, images_of_clusters
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.supercell_clusters import supercell_orbits
from trajmodes.symmetry.tensors import symmetry_basis
from trajmodes.symmetry.translations import atom_at, build_supercell

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
CASES = [("diamond", np.diag([2, 2, 2])), ("triclinic", [[2, 1, 0], [0, 1, 0], [0, 0, 1]])]


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize(("name", "matrix"), CASES, ids=["diamond", "triclinic"])
def test_every_cluster_of_atoms_is_listed_once_and_shared_completely(
    crystals, name, matrix, order
):
    supercell = build_supercell(crystals[name], matrix)
    orbits = supercell_orbits(space_group(crystals[name]), order, supercell)
    atoms = atom_at(supercell, orbits.sites, orbits.lattice)
    assert len(np.unique(atoms, axis=0)) == orbits.n_clusters
    assert orbits.n_clusters == crystals[name].n_sites * supercell.n_atoms ** (order - 1)
    owner, lattice, share = images_of_clusters(orbits.images, orbits.sites, orbits.lattice)
    np.testing.assert_allclose(np.bincount(owner, share), 1.0)
    np.testing.assert_array_equal(
        atom_at(supercell, orbits.sites[owner], lattice), atoms[owner]
    )
    # one member of each image has all others at their nearest images
    sites = orbits.sites[owner]
    places = (crystals[name].sites[sites] + lattice) @ crystals[name].cell
    apart = np.linalg.norm(places[:, :, None] - places[:, None, :], axis=-1)
    nearest = orbits.images.distances(sites, lattice)
    assert (apart > nearest - 1e-9).all()
    assert ((apart < nearest + 2e-3).all(axis=2)).any(axis=1).all()


@pytest.mark.parametrize(("name", "matrix"), CASES, ids=["diamond", "triclinic"])
def test_shared_constants_are_symmetric_under_exchange_and_recognised(crystals, name, matrix):
    supercell = build_supercell(crystals[name], matrix)
    orbits = supercell_orbits(space_group(crystals[name]), 3, supercell)
    basis = symmetry_basis(orbits)
    rng = np.random.default_rng(0)
    found = basis.clusters(rng.normal(size=basis.n_parameters))
    rows = np.column_stack([found.sites, found.lattice.reshape(-1, 9)])
    turned = found.lattice[:, [1, 2, 0]] - found.lattice[:, [1]]
    other = np.column_stack([found.sites[:, [1, 2, 0]], turned.reshape(-1, 9)])
    one, two = np.lexsort(rows.T), np.lexsort(other.T)
    np.testing.assert_array_equal(rows[one], other[two])
    values = found.values.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(found.values[one], values[two], atol=1e-12)
    assert are_of_nearest(orbits.images, found.sites, found.lattice, found.values)
    share = images_of_clusters(orbits.images, orbits.sites, orbits.lattice).share
    changed = found.values.copy()
    changed[share.argmin()] *= 0.9
    assert not are_of_nearest(orbits.images, found.sites, found.lattice, changed)


def test_within_the_inscribed_sphere_clusters_are_those_of_the_crystal(crystals):
    crystal = crystals["diamond"]
    group, supercell = space_group(crystal), build_supercell(crystal, 2 * CONVENTIONAL)
    whole = supercell_orbits(group, 3, supercell, Cutoff(6.5))
    assert whole.radii.max() > inscribed_radius(supercell)
    inside = whole.selected(whole.within(Cutoff(4.0)))
    plain = cluster_orbits(group, 3, 4.0, supercell=supercell)
    np.testing.assert_allclose(inside.radii, plain.radii)
    assert inside.n_clusters == plain.n_clusters
    one, two = symmetry_basis(inside), symmetry_basis(plain)
    np.testing.assert_array_equal(one.counts, two.counts)
    found = one.clusters(np.ones(one.n_parameters))
    assert found.n_clusters == plain.n_clusters


def test_clusters_that_exceed_the_memory_are_refused(crystals):
    supercell = build_supercell(crystals["diamond"], 3 * CONVENTIONAL)
    group = space_group(crystals["diamond"])
    with pytest.raises(UsageError, match=r"too many quartets[\s\S]*--cutoff4"):
        supercell_orbits(group, 4, supercell)
    with pytest.raises(UsageError, match="too many triplets"):
        supercell_orbits(group, 3, build_supercell(crystals["diamond"], 6 * CONVENTIONAL))
