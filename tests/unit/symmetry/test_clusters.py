import itertools

import numpy as np
import pytest

from trajmodes.errors import UsageError
from trajmodes.symmetry.clusters import (
    classify,
    cluster_orbits,
    inscribed_radius,
    permutations_of,
)
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.supercell_clusters import supercell_pair_orbits
from trajmodes.symmetry.translations import build_supercell

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def pairs_by_brute_force(crystal, cutoff, reach=6):
    found = set()
    for i, j in itertools.product(range(crystal.n_sites), repeat=2):
        for cell in itertools.product(range(-reach, reach + 1), repeat=3):
            vector = (crystal.sites[j] - crystal.sites[i] + cell) @ crystal.cell
            if np.linalg.norm(vector) < cutoff:
                found.add((i, j, *cell))
    return found


@pytest.mark.parametrize("name", ["diamond", "bcc", "wurtzite", "triclinic"])
def test_all_pairs_are_listed_once(crystals, name):
    orbits = cluster_orbits(space_group(crystals[name]), 2, 5.5)
    listed = [
        (*s, *r[1]) for s, r in zip(orbits.sites.tolist(), orbits.lattice.tolist(), strict=True)
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == pairs_by_brute_force(crystals[name], 5.5)


def test_shells_of_diamond(crystals):
    orbits = cluster_orbits(space_group(crystals["diamond"]), 2, 8.0)
    edge = 5.431
    squares = np.array([0, 3, 8, 11, 16, 19, 24, 27, 27, 32])
    np.testing.assert_allclose(orbits.radii, edge * np.sqrt(squares) / 4.0, atol=1e-9)
    counts = [1, 4, 12, 12, 6, 12, 24, 4, 12, 12]
    found = np.bincount(orbits.orbit) // 2
    assert sorted(found[:7]) == sorted(counts[:7])
    assert sorted(found[7:9]) == [4, 12]
    assert orbits.labels() == ("Si–Si",) * 10


@pytest.mark.parametrize("name", ["diamond", "wurtzite"])
def test_operations_and_permutations_map_representatives_to_pairs(crystals, name):
    crystal = crystals[name]
    group = space_group(crystal)
    orbits = cluster_orbits(group, 2, 5.0)
    vectors = (crystal.sites[orbits.sites[:, 1]] - crystal.sites[orbits.sites[:, 0]]
               + orbits.lattice[:, 1]) @ crystal.cell  # fmt: skip
    for c in range(orbits.n_clusters):
        start = orbits.representatives[orbits.orbit[c]]
        rotated = group.cartesian[orbits.operation[c]] @ vectors[start]
        rotated = -rotated if orbits.permutation[c] else rotated
        np.testing.assert_allclose(rotated, vectors[c], atol=1e-9)


def test_inscribed_radius_is_half_the_shortest_vector(crystals):
    crystal = crystals["diamond"]
    assert inscribed_radius(build_supercell(crystal, 4 * CONVENTIONAL)) == pytest.approx(10.862)
    # the same lattice, with long skew vectors
    skew = np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]) @ (4 * CONVENTIONAL)
    assert inscribed_radius(build_supercell(crystal, skew)) == pytest.approx(10.862)


def test_cutoff_beyond_the_inscribed_sphere_is_refused(crystals):
    crystal = crystals["diamond"]
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    group = space_group(crystal)
    with pytest.raises(UsageError, match=r"largest admissible cutoff is 5\.4310 Å"):
        cluster_orbits(group, 2, 5.5, supercell=supercell)
    with pytest.raises(UsageError, match="give a positive cutoff"):
        cluster_orbits(group, 2, 0.0)


def test_pairs_on_the_inscribed_sphere_are_left_out(crystals):
    crystal = crystals["diamond"]
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    orbits = cluster_orbits(space_group(crystal), 2, 5.431, supercell=supercell)
    assert orbits.radii[-1] < 5.43
    assert len(orbits.notes) == 1
    assert "5.4310 Å lies on the cutoff of 5.431 Å and is left out" in str(orbits.notes[0])


def test_shell_on_the_cutoff_is_reported(crystals):
    group = space_group(crystals["diamond"])
    second = 5.431 / np.sqrt(2.0)
    inside = cluster_orbits(group, 2, second + 5e-4)
    outside = cluster_orbits(group, 2, second - 5e-4)
    assert (inside.n_orbits, outside.n_orbits) == (3, 2)
    assert "is included" in str(inside.notes[0])
    assert "is left out" in str(outside.notes[0])
    assert cluster_orbits(group, 2, 4.5).notes == ()


def test_equally_near_images_share_equally(crystals):
    crystal = crystals["rock salt"]
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    orbits = supercell_pair_orbits(space_group(crystal), supercell)
    assert orbits.n_orbits == 16
    assert orbits.share.sum() == pytest.approx(2 * 2 * supercell.n_cells)
    corner = orbits.orbit == orbits.n_orbits - 1
    assert orbits.radii[-1] == pytest.approx(5.64 * np.sqrt(3.0))
    np.testing.assert_allclose(orbits.share[corner], 1 / 8)


def test_skew_supercell_vectors_do_not_matter(crystals):
    crystal = crystals["rock salt"]
    skew = np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]])
    group = space_group(crystal)
    one, other = (
        supercell_pair_orbits(group, build_supercell(crystal, matrix))
        for matrix in (2 * CONVENTIONAL, skew @ (2 * CONVENTIONAL))
    )
    assert one.n_clusters == other.n_clusters
    np.testing.assert_allclose(one.radii, other.radii)


def clusters_by_brute_force(crystal, order, reach):
    """List all clusters, the first atom in the home cell, with all distances within reach."""
    atoms = {
        (j, *cell) for _, j, *cell in pairs_by_brute_force(crystal, reach.max(), reach=3)
    } | {(j, 0, 0, 0) for j in range(crystal.n_sites)}

    def near(one, other):
        between = crystal.sites[other[0]] + other[1:] - crystal.sites[one[0]] - one[1:]
        return np.linalg.norm(between @ crystal.cell) < reach[one[0], other[0]]

    found = [((i, 0, 0, 0),) for i in range(crystal.n_sites)]
    for _ in range(order - 1):
        found = [
            (*members, atom)
            for members in found
            for atom in atoms
            if all(near(one, np.array(atom)) for one in map(np.array, members))
        ]
    return set(found)


def listed(orbits):
    rows = np.concatenate([orbits.sites[:, :, None], orbits.lattice], axis=2)
    return [tuple(map(tuple, row)) for row in rows.tolist()]


@pytest.mark.parametrize(
    ("name", "order", "cutoff"),
    [
        ("diamond", 3, 4.0),
        ("diamond", 4, 2.5),
        ("wurtzite", 3, 3.25),
        ("triclinic", 3, 3.0),
        ("triclinic", 4, 2.2),
        ("rutile", 3, Cutoff(2.0, {("O", "O"): 2.6})),
        ("rock salt", 3, Cutoff(3.0, {("Na", "Na"): 4.1})),
    ],
)
def test_all_clusters_are_listed_once(crystals, name, order, cutoff):
    crystal = crystals[name]
    orbits = cluster_orbits(space_group(crystal), order, cutoff)
    found = listed(orbits)
    assert len(found) == len(set(found))
    given = cutoff if isinstance(cutoff, Cutoff) else Cutoff(cutoff)
    assert set(found) == clusters_by_brute_force(crystal, order, given.matrix(crystal))


@pytest.mark.parametrize(
    ("name", "order", "cutoff"), [("diamond", 3, 4.0), ("wurtzite", 3, 3.3), ("rutile", 4, 2.1)]
)
def test_orbits_are_closed_under_operations_and_permutations(crystals, name, order, cutoff):
    group = space_group(crystals[name])
    orbits = cluster_orbits(group, order, cutoff)
    place = {key: k for k, key in enumerate(listed(orbits))}
    orders = permutations_of(order)
    # operation and permutation map the representative to each cluster
    start = orbits.representatives[orbits.orbit]
    for c, (g, pi) in enumerate(zip(orbits.operation, orders[orbits.permutation], strict=True)):
        sites, cells = orbits.sites[start[c]], orbits.lattice[start[c]]
        moved = cells @ group.rotations[g].T + group.shifts[g][sites]
        moved = moved[pi] - moved[pi[0]]
        there = zip(group.permutations[g][sites][pi].tolist(), moved.tolist(), strict=True)
        assert place[tuple((s, *r) for s, r in there)] == c
    # orbit–stabiliser theorem
    kept = orbits.stabilisers.sum(axis=(1, 2))
    sizes = np.bincount(orbits.orbit)
    np.testing.assert_array_equal(sizes * kept, group.n_operations * len(orders))
    assert (np.diff(orbits.radii) > -1e-6).all()


def test_clusters_of_one_member_are_the_sites(crystals):
    orbits = cluster_orbits(space_group(crystals["rutile"]), 1, 1.0)
    np.testing.assert_array_equal(orbits.sites[:, 0], np.arange(6))
    assert orbits.labels() == ("Ti", "O")


def test_incomplete_orbits_are_dropped(crystals):
    group = space_group(crystals["diamond"])
    orbits = cluster_orbits(group, 3, 4.0)
    kept = np.arange(orbits.n_clusters) != orbits.n_clusters - 1
    partly = classify(group, orbits.sites[kept], orbits.lattice[kept])
    lost = orbits.orbit != orbits.orbit[-1]
    assert listed(partly) == [key for key, k in zip(listed(orbits), lost, strict=True) if k]


def test_higher_orders_are_limited_by_the_inscribed_sphere(crystals):
    crystal = crystals["diamond"]
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    with pytest.raises(UsageError, match=r"cutoff of 5\.6 Å[\s\S]*is 5\.4310 Å"):
        cluster_orbits(space_group(crystal), 3, 5.6, supercell=supercell)
    wide = Cutoff(3.0, {("Si", "Si"): 5.6})
    with pytest.raises(UsageError, match=r"largest admissible cutoff is 5\.4310 Å"):
        cluster_orbits(space_group(crystal), 3, wide, supercell=supercell)
