import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.symmetry.clusters import cluster_orbits, permutations_of
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.tensors import symmetry_basis


@pytest.mark.parametrize(("order", "cutoff"), [(2, 4.5), (3, 3.3), (4, 2.1)])
@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_basis_is_orthonormal(crystals, name, order, cutoff):
    basis = symmetry_basis(cluster_orbits(space_group(crystals[name]), order, cutoff))
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, basis.n_parameters))
    values = basis.expand(np.stack([one, other])).reshape(2, -1)
    np.testing.assert_allclose(
        values @ values.T, [[one @ one, one @ other], [one @ other, other @ other]]
    )


@pytest.mark.parametrize("order", [2, 3, 4])
def test_projection_of_any_tensors_is_the_mean_over_the_group(crystals, order):
    """Projection on the basis equals the mean over operations and permutations."""
    group = space_group(crystals["wurtzite"])
    orbits = cluster_orbits(group, order, 2.1)
    basis = symmetry_basis(orbits)
    values = np.random.default_rng(1).normal(size=(orbits.n_clusters, *(3,) * order))
    listed = zip(orbits.sites.tolist(), orbits.lattice.tolist(), strict=True)
    place = {(tuple(s), *map(tuple, r)): k for k, (s, r) in enumerate(listed)}
    mean = np.zeros_like(values)
    for g in range(group.n_operations):
        rotated = values
        for axis in range(1, order + 1):
            rotated = np.moveaxis(
                np.tensordot(rotated, group.cartesian[g], axes=(axis, 1)), -1, axis
            )
        sites = group.permutations[g][orbits.sites]
        cells = orbits.lattice @ group.rotations[g].T + group.shifts[g][orbits.sites]
        for pi in permutations_of(order):
            home = cells[:, pi] - cells[:, pi[:1]]
            for c, (s, r) in enumerate(zip(sites[:, pi].tolist(), home.tolist(), strict=True)):
                mean[place[(tuple(s), *map(tuple, r))]] += rotated[c].transpose(pi)
    mean /= group.n_operations * len(permutations_of(order))
    units = basis.expand(np.eye(basis.n_parameters)).reshape(basis.n_parameters, -1)
    projected = basis.expand(units @ values.ravel())
    np.testing.assert_allclose(projected, mean, atol=1e-12)


def test_same_input_gives_the_same_bits(crystals):
    first, second = (
        symmetry_basis(cluster_orbits(space_group(crystals["wurtzite"]), 2, 4.5))
        for _ in range(2)
    )
    assert first.tensors.tobytes() == second.tensors.tobytes()


@pytest.mark.parametrize(("order", "cutoff"), [(2, 5.0), (3, 3.3), (4, 2.1)])
def test_noise_in_the_sites_changes_no_count(crystals, order, cutoff):
    crystal = crystals["wurtzite"]
    sites = crystal.sites + 1e-6 * np.random.default_rng(1).normal(size=(4, 3))
    noisy = Crystal(crystal.cell, sites, crystal.species, crystal.masses)
    one, other = (
        symmetry_basis(cluster_orbits(space_group(c), order, cutoff)) for c in (crystal, noisy)
    )
    np.testing.assert_array_equal(one.counts, other.counts)
    np.testing.assert_array_equal(one.orbits.sites, other.orbits.sites)
    np.testing.assert_array_equal(one.orbits.lattice, other.orbits.lattice)


def test_selecting_orbits_keeps_their_tensors(crystals):
    basis = symmetry_basis(cluster_orbits(space_group(crystals["wurtzite"]), 3, 3.3))
    wanted = np.arange(basis.orbits.n_orbits) % 2 == 0
    part, mask = basis.selected(wanted)
    z = np.random.default_rng(2).normal(size=basis.n_parameters)
    kept = wanted[basis.orbits.orbit]
    np.testing.assert_array_equal(part.expand(z[mask]), basis.expand(z)[kept])
    np.testing.assert_array_equal(part.orbits.sites, basis.orbits.sites[kept])


def test_force_constants_hold_the_expanded_values(crystals):
    group = space_group(crystals["diamond"])
    pairs = symmetry_basis(cluster_orbits(group, 2, 4.0))
    triplets = symmetry_basis(cluster_orbits(group, 3, 2.5))
    z = np.ones(pairs.n_parameters)
    constants = pairs.constants(z)
    np.testing.assert_array_equal(constants.values, pairs.expand(z))
    np.testing.assert_array_equal(constants.second, pairs.orbits.sites[:, 1])
    z = np.ones(triplets.n_parameters)
    clusters = triplets.clusters(z)
    assert clusters.order == 3
    np.testing.assert_array_equal(clusters.lattice, triplets.orbits.lattice)
    np.testing.assert_array_equal(clusters.values, triplets.expand(z))
