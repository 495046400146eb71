import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.symmetry.operations import invariant_part, space_group, supercell_group
from trajmodes.symmetry.translations import build_supercell


@pytest.mark.parametrize(
    ("name", "symbol", "order"),
    [
        ("diamond", "Fd-3m", 48),
        ("rock salt", "Fm-3m", 48),
        ("bcc", "Im-3m", 48),
        ("wurtzite", "P6_3mc", 12),
        ("triclinic", "P1", 1),
    ],
)
def test_group_of_known_crystals(crystals, name, symbol, order):
    group = space_group(crystals[name])
    assert (group.symbol, group.n_operations) == (symbol, order)


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_tables_agree_with_geometry(crystals, name):
    crystal = crystals[name]
    group = space_group(crystal)
    origin = group.translations @ crystal.cell
    for g in range(group.n_operations):
        moved = crystal.positions @ group.cartesian[g].T + origin[g]
        image = crystal.positions[group.permutations[g]] + group.shifts[g] @ crystal.cell
        np.testing.assert_allclose(moved, image, atol=1e-4)


def test_noise_in_the_cell_leaves_rotations_orthogonal_and_closed(crystals):
    crystal = crystals["diamond"]
    noise = 1e-5 * np.random.default_rng(0).normal(size=(3, 3))
    group = space_group(
        Crystal(crystal.cell + noise, crystal.sites, crystal.species, crystal.masses),
        tolerance=1e-3,
    )
    assert group.n_operations == 48
    rotations = group.cartesian
    np.testing.assert_allclose(
        rotations @ rotations.swapaxes(1, 2), np.tile(np.eye(3), (48, 1, 1)), atol=1e-13
    )
    products = (rotations[:, None] @ rotations).reshape(-1, 9)
    apart = np.abs(products[:, None] - rotations.reshape(-1, 9)).max(axis=2).min(axis=1)
    assert apart.max() < 1e-13


def test_conventional_cell_keeps_its_centring(crystals):
    primitive = crystals["bcc"]
    edge = 2.87
    sites = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    crystal = Crystal(edge * np.eye(3), sites, ("Fe", "Fe"), np.repeat(primitive.masses, 2))
    assert space_group(crystal).n_operations == 96


def test_supercell_group_maps_its_lattice_onto_itself(crystals):
    group = space_group(crystals["bcc"])
    cube = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert supercell_group(group, build_supercell(crystals["bcc"], cube)).n_operations == 48
    brick = np.diag([1, 1, 2]) @ cube
    assert supercell_group(group, build_supercell(crystals["bcc"], brick)).n_operations == 16


def test_invariant_part_of_wurtzite_lies_along_c(crystals):
    vectors = np.random.default_rng(1).normal(size=(4, 3))
    assert np.abs(invariant_part(space_group(crystals["diamond"]), vectors[:2])).max() < 1e-15
    kept = invariant_part(space_group(crystals["wurtzite"]), vectors)
    expected = np.zeros((4, 3))
    expected[:, 2] = np.repeat([vectors[:2, 2].mean(), vectors[2:, 2].mean()], 2)
    np.testing.assert_allclose(kept, expected, atol=1e-14)


def test_invariant_part_is_left_unchanged_by_every_operation(crystals):
    group = space_group(crystals["quartz"])
    kept = invariant_part(group, np.random.default_rng(2).normal(size=(9, 3)))
    # x of silicon, x y z of oxygen
    assert np.linalg.norm(kept[3:]) > 0.5
    for rotation, sites in zip(group.cartesian, group.permutations, strict=True):
        np.testing.assert_allclose(kept[sites], kept @ rotation.T, atol=1e-12)
    np.testing.assert_allclose(invariant_part(group, kept), kept, atol=1e-12)


def test_coinciding_sites_are_refused(crystals):
    crystal = crystals["diamond"]
    same = Crystal(crystal.cell, np.zeros((2, 3)), crystal.species, crystal.masses)
    with pytest.raises(DataError, match=r"no space group[\s\S]*two sites coincide"):
        space_group(same)
