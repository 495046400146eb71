"""Stars of q points."""

import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.symmetry.stars import point_group, star_images, star_labels
from trajmodes.symmetry.translations import build_supercell, half_space


def distinct(images: np.ndarray) -> int:
    return len(np.unique(np.rint(images[:, 0] * 720720).astype(int) % 720720, axis=0))


@pytest.mark.parametrize(
    ("name", "order"),
    [("diamond", 48), ("rock salt", 48), ("bcc", 48), ("wurtzite", 12), ("triclinic", 1)],
)
def test_point_groups_have_their_orders(name, order, crystals):
    rotations = point_group(crystals[name])
    assert len(rotations) == order
    np.testing.assert_array_equal(rotations[0], np.eye(3))


@pytest.mark.parametrize(
    ("name", "q", "members"),
    [
        ("diamond", [0, 0, 0], 1),
        ("diamond", [0.5, 0.5, 0], 3),
        ("diamond", [0.5, 0, 0], 4),
        ("diamond", [0.5, 0.25, 0.75], 6),
        ("diamond", [1 / 7, 2 / 7, 4 / 13], 48),
        ("bcc", [0.5, -0.5, 0.5], 1),
        ("bcc", [0.25, 0.25, 0.25], 2),
        ("wurtzite", [1 / 3, 1 / 3, 0], 2),
        ("wurtzite", [1 / 9, 2 / 11, 1 / 7], 24),
        ("triclinic", [1 / 9, 2 / 11, 1 / 7], 2),
    ],
)
def test_stars_have_their_sizes(name, q, members, crystals):
    assert distinct(star_images(crystals[name], [q])) == members


def test_images_have_equal_length(crystals):
    crystal = crystals["wurtzite"]
    images = star_images(crystal, [[0.1, 0.27, -0.4]]) @ np.linalg.inv(crystal.cell).T
    np.testing.assert_allclose(np.linalg.norm(images, axis=2), np.linalg.norm(images[0]))


def test_a_whole_star_is_one_label_in_every_zone(crystals):
    rng = np.random.default_rng(1)
    for name, crystal in crystals.items():
        images = star_images(crystal, [[0.1, 0.27, -0.4]])[:, 0]
        shifted = images + rng.integers(-2, 3, images.shape)
        np.testing.assert_array_equal(star_labels(crystal, shifted), 0, err_msg=name)


def test_labels_are_the_first_members(crystals):
    q = [[0.5, 0, 0], [0, 0, 0], [0, 0.5, 0], [0.5, 0.5, 0.5], [0.1, 0, 0], [0, -0.1, 0]]
    np.testing.assert_array_equal(star_labels(crystals["diamond"], q), [0, 1, 0, 0, 4, 4])


@pytest.mark.parametrize("name", ["diamond", "wurtzite"])
@pytest.mark.parametrize("n", [3, 4])
def test_the_number_of_stars_obeys_burnsides_lemma(name, n, crystals):
    # The number of orbits is the mean number of points that an operation fixes.
    crystal = crystals[name]
    space = half_space(build_supercell(crystal, n * np.eye(3)))
    rotations = point_group(crystal)
    group = np.unique(np.concatenate([rotations, -rotations]), axis=0)
    full = np.indices((n, n, n)).reshape(3, -1).T
    moved = (full @ group - full) % n
    fixed = (moved == 0).all(axis=2).sum()
    assert len(np.unique(star_labels(crystal, space.qpoints))) * len(group) == fixed


def test_general_points_are_stars_of_their_own(crystals):
    q = np.random.default_rng(2).uniform(-0.5, 0.5, (50, 3))
    np.testing.assert_array_equal(star_labels(crystals["diamond"], q), np.arange(50))
    np.testing.assert_array_equal(star_labels(crystals["diamond"], np.zeros((0, 3))), [])


def test_isotopes_on_equal_sites_lower_the_symmetry(crystals):
    diamond = crystals["diamond"]
    heavy = Crystal(diamond.cell, diamond.sites, diamond.species, diamond.masses * [1.0, 1.1])
    # No operation may exchange the sites: 24 of the 48 are left.
    assert len(point_group(heavy)) == 24
