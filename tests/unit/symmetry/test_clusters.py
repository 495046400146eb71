import itertools

import numpy as np
import pytest

from trajmodes.errors import UsageError
from trajmodes.symmetry import (
    build_supercell,
    inscribed_radius,
    pair_orbits,
    space_group,
    supercell_pair_orbits,
)

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
    orbits = pair_orbits(space_group(crystals[name]), 5.5)
    listed = [
        (*s, *r[1]) for s, r in zip(orbits.sites.tolist(), orbits.lattice.tolist(), strict=True)
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == pairs_by_brute_force(crystals[name], 5.5)


def test_shells_of_diamond(crystals):
    orbits = pair_orbits(space_group(crystals["diamond"]), 8.0)
    edge = 5.431
    squares = np.array([0, 3, 8, 11, 16, 19, 24, 27, 27, 32])
    np.testing.assert_allclose(orbits.radii, edge * np.sqrt(squares) / 4.0, atol=1e-9)
    counts = [1, 4, 12, 12, 6, 12, 24, 4, 12, 12]
    found = np.bincount(orbits.orbit) // 2
    assert sorted(found[:7]) == sorted(counts[:7])
    assert sorted(found[7:9]) == [4, 12]
    assert orbits.labels() == ("Si–Si",) * 10


@pytest.mark.parametrize("name", ["diamond", "wurtzite"])
def test_operation_and_permutation_lead_to_each_pair(crystals, name):
    crystal = crystals[name]
    group = space_group(crystal)
    orbits = pair_orbits(group, 5.0)
    vectors = (crystal.sites[orbits.sites[:, 1]] - crystal.sites[orbits.sites[:, 0]]
               + orbits.lattice[:, 1]) @ crystal.cell  # fmt: skip
    for c in range(orbits.n_clusters):
        start = orbits.representatives[orbits.orbit[c]]
        turned = group.cartesian[orbits.operation[c]] @ vectors[start]
        turned = -turned if orbits.permutation[c] else turned
        np.testing.assert_allclose(turned, vectors[c], atol=1e-9)


def test_inscribed_radius_is_half_the_shortest_vector(crystals):
    crystal = crystals["diamond"]
    assert inscribed_radius(build_supercell(crystal, 4 * CONVENTIONAL)) == pytest.approx(10.862)
    # the same lattice by long skew vectors
    skew = np.array([[1, 0, 0], [3, 1, 0], [-2, 5, 1]]) @ (4 * CONVENTIONAL)
    assert inscribed_radius(build_supercell(crystal, skew)) == pytest.approx(10.862)


def test_cutoff_beyond_the_inscribed_sphere_is_refused(crystals):
    crystal = crystals["diamond"]
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    group = space_group(crystal)
    with pytest.raises(UsageError, match=r"largest admissible cutoff is 5\.4310 Å"):
        pair_orbits(group, 5.5, supercell=supercell)
    with pytest.raises(UsageError, match="give a positive cutoff"):
        pair_orbits(group, 0.0)


def test_pairs_on_the_limit_are_left_out(crystals):
    crystal = crystals["diamond"]
    supercell = build_supercell(crystal, 2 * CONVENTIONAL)
    orbits = pair_orbits(space_group(crystal), 5.431, supercell=supercell)
    assert orbits.radii[-1] < 5.43
    assert len(orbits.notes) == 1
    assert "5.4310 Å lies on the cutoff of 5.431 Å and is left out" in orbits.notes[0]


def test_shell_on_the_cutoff_is_reported(crystals):
    group = space_group(crystals["diamond"])
    second = 5.431 / np.sqrt(2.0)
    inside = pair_orbits(group, second + 5e-4)
    outside = pair_orbits(group, second - 5e-4)
    assert (inside.n_orbits, outside.n_orbits) == (3, 2)
    assert "is taken in" in inside.notes[0]
    assert "is left out" in outside.notes[0]
    assert pair_orbits(group, 4.5).notes == ()


def test_images_of_the_whole_supercell_share(crystals):
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
