"""Reduced cells, nearest images, strain and rotation; comparison of crystals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from trajmodes.data.lattice import (
    common_shift,
    crystal_difference,
    deformation,
    equal_modulo_lattice,
    minimum_image,
    nearest_images,
    nearest_neighbour,
    reduced_cell,
    same_lattice,
    same_substance,
    shortest_vector,
)
from trajmodes.symmetry.translations import build_supercell

NAMES = ("diamond", "wurtzite", "quartz", "triclinic")
SKEW = np.array([[1, 3, 0], [0, 1, 4], [0, 0, 1]])


def _all_images(reduced, cell, reach):
    steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3), axis=-1).reshape(-1, 3)
    return np.linalg.norm((reduced + steps) @ cell, axis=-1)


@pytest.mark.parametrize("name", NAMES)
def test_a_reduced_cell_spans_the_same_lattice_with_the_shortest_vectors(name, crystals):
    cell = SKEW @ crystals[name].cell
    reduced, change = reduced_cell(cell)
    assert abs(round(np.linalg.det(change))) == 1
    np.testing.assert_allclose(change @ cell, reduced, atol=1e-12)
    shortest = np.sort(_all_images(np.zeros(3), crystals[name].cell, 3))[1]
    assert shortest_vector(cell) == pytest.approx(shortest, abs=1e-12)
    assert np.linalg.norm(reduced, axis=1).min() == pytest.approx(shortest, abs=1e-12)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_nearest_images_are_the_nearest_of_all(crystals, seed):
    rng = np.random.default_rng(seed)
    crystal = crystals["triclinic"]
    supercell = build_supercell(crystal, [[1, 2, 0], [0, 1, 3], [2, 0, 1]])
    skew = build_supercell(crystal, SKEW @ SKEW @ supercell.matrix)
    apart = rng.uniform(-6.0, 6.0, (5, 3))
    found = nearest_images(apart, skew, 1e-5)
    for n, vector in enumerate(apart):
        every = _all_images(vector @ np.linalg.inv(supercell.matrix), supercell.cell, 14)
        assert found.distance[n] == pytest.approx(every.min(), abs=1e-9)
        images = (vector + found.shift[found.owner == n]) @ crystal.cell
        assert len(images) == (every < every.min() + 1e-5).sum()
        np.testing.assert_allclose(np.linalg.norm(images, axis=1), every.min(), atol=1e-5)


def test_equally_near_images_are_all_listed(crystals):
    supercell = build_supercell(crystals["bcc"], 2 * np.eye(3, dtype=int))
    corner = np.array([[1, 0, 0], [1, 1, 1], [0, 0, 0]], dtype=float)
    found = nearest_images(corner, supercell, 1e-5)
    counts = [
        (np.abs(d - d.min()) < 1e-5).sum()
        for d in (_all_images(c / 2.0, supercell.cell, 3) for c in corner)
    ]
    assert np.bincount(found.owner).tolist() == counts
    assert counts[0] > 1


@pytest.mark.parametrize("name", NAMES)
def test_a_minimum_image_differs_by_a_lattice_vector_and_is_short(name, crystals):
    cell = crystals[name].cell
    far = np.random.default_rng(0).normal(scale=30.0, size=(50, 3))
    near = minimum_image(far, cell)
    assert equal_modulo_lattice(
        far @ np.linalg.inv(cell), near @ np.linalg.inv(cell), 1e-9
    ).all()
    assert np.abs(near @ np.linalg.inv(cell)).max() <= 0.5 + 1e-12


def test_the_nearest_neighbour_does_not_depend_on_the_cell(crystals):
    diamond = crystals["diamond"]
    skew = replace(diamond, cell=SKEW @ diamond.cell, sites=diamond.sites @ np.linalg.inv(SKEW))
    bond = np.sqrt(3.0) / 4.0 * 2.0 * diamond.cell.max()
    assert nearest_neighbour(diamond) == pytest.approx(bond, rel=1e-12)
    assert nearest_neighbour(skew) == pytest.approx(bond, rel=1e-12)


def test_a_common_shift_ignores_whole_lattice_vectors():
    rng = np.random.default_rng(1)
    moved = 0.01 * rng.normal(size=(40, 3))
    shift = np.array([0.3, -0.45, 0.02])
    whole = rng.integers(-5, 6, (40, 3))
    np.testing.assert_allclose(common_shift(moved + shift + whole), shift, atol=0.01)


@given(st.floats(0.0, 3.1), st.floats(-0.1, 0.1), st.floats(-0.1, 0.1))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_strain_and_rotation_are_recovered(angle, stretch, shear):
    rotation = Rotation.from_rotvec(angle * np.array([0.6, 0.0, 0.8])).as_matrix()
    strain = np.array([[stretch, shear, 0.0], [shear, -stretch, 0.0], [0.0, 0.0, 0.01]])
    found = deformation((np.eye(3) + strain) @ rotation)
    np.testing.assert_allclose(found.strain, strain, atol=1e-12)
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-12)
    assert found.angle == pytest.approx(angle, abs=1e-7)
    assert abs(found.largest) == pytest.approx(np.abs(np.linalg.eigvalsh(strain)).max())


def test_the_same_lattice_has_many_matrices():
    matrix = np.diag([2, 3, 4])
    assert same_lattice(matrix, SKEW @ matrix)
    assert not same_lattice(matrix, np.diag([2, 3, 2]))
    assert not same_lattice(np.diag([2, 3, 2]), matrix)


@pytest.mark.parametrize("name", NAMES)
def test_crystal_difference_recovers_the_changes(name, crystals):
    crystal = crystals[name]
    rotation = Rotation.from_rotvec([0.0, 0.0, 0.02]).as_matrix()
    sites = crystal.sites + np.array([0.3, 0.1, -0.7])
    sites[-1] += [1.0, 0.0, -2.0]
    other = replace(
        crystal, cell=1.01 * crystal.cell @ rotation, sites=sites, masses=1.2 * crystal.masses
    )
    found = crystal_difference(crystal, other)
    assert found.largest_strain == pytest.approx(0.01)
    assert found.angle == pytest.approx(0.02)
    np.testing.assert_allclose(found.shift, 0.0, atol=1e-9)
    assert (found.cells[-1] - found.cells[0]).tolist() == [1, 0, -2]
    np.testing.assert_allclose(found.mass, 0.2)


def test_a_substance_does_not_depend_on_the_choice_of_the_cell(crystals):
    diamond = crystals["diamond"]
    skew = replace(diamond, cell=SKEW @ diamond.cell, sites=diamond.sites @ np.linalg.inv(SKEW))
    assert same_substance(diamond, skew)
    assert same_substance(diamond, replace(skew, cell=1.03 * skew.cell))
    assert not same_substance(diamond, replace(skew, cell=1.06 * skew.cell))
    assert not same_substance(diamond, crystals["wurtzite"])
