"""Nearest images, and containers that hold constants."""

import itertools

import numpy as np
import pytest

from trajmodes.data.force_constants import ForceConstants
from trajmodes.formats.folding import beyond_nearest, diagonal_container, images_of_pairs
from trajmodes.symmetry.translations import build_supercell

MATRICES = [np.eye(3), np.diag([2, 2, 2]), [[1, 0, 0], [3, 2, 0], [0, 2, 2]]]


@pytest.mark.parametrize("matrix", MATRICES, ids=["one cell", "even", "very skew"])
@pytest.mark.parametrize("name", ["bcc", "wurtzite", "triclinic"])
def test_images_are_those_of_brute_force(name, matrix, crystals):
    crystal = crystals[name]
    supercell = build_supercell(crystal, matrix)
    images = images_of_pairs(supercell)
    box = np.array(list(itertools.product(range(-9, 10), repeat=3))) @ supercell.matrix
    for i, j, c in np.ndindex(images.count.shape):
        cells = supercell.cells[c] + box
        vectors = (cells + crystal.sites[j] - crystal.sites[i]) @ crystal.cell
        length = np.linalg.norm(vectors, axis=1)
        wanted = {tuple(x) for x in cells[length < length.min() + 1e-5]}
        start, count = images.start[i, j, c], images.count[i, j, c]
        assert {tuple(x) for x in images.lattice[start : start + count]} == wanted
        assert count == len(wanted)
        assert images.distance[i, j, c] == pytest.approx(length.min())


def test_shared_images_are_nearest_and_farther_ones_are_not(crystals):
    crystal = crystals["bcc"]
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    images = images_of_pairs(supercell)
    assert images.count.max() > 1
    zero = np.zeros(len(images.lattice), dtype=int)
    values = np.ones((len(zero), 3, 3))
    shared = ForceConstants(crystal, zero, zero, images.lattice, values)
    assert beyond_nearest(shared, supercell) == ()
    assert diagonal_container(shared, supercell) is supercell
    farther = ForceConstants(crystal, zero[:1], zero[:1], [[2, 0, 0]], values[:1])
    assert beyond_nearest(farther, supercell) == ("pairs",)
    nothing = ForceConstants(crystal, zero[:1], zero[:1], [[2, 0, 0]], 0 * values[:1])
    assert beyond_nearest(nothing, supercell) == ()


@pytest.mark.parametrize("name", ["diamond", "triclinic"])
def test_a_container_holds_every_pair_once(name, crystals, springs):
    crystal = crystals[name]
    supercell = build_supercell(crystal, [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    constants = springs(crystal, 7.0)
    container = diagonal_container(constants, supercell)
    assert not (container.matrix - np.diag(np.diag(container.matrix))).any()
    assert beyond_nearest(constants, container) == ()
    ends = (constants.lattice + crystal.sites[constants.second]) @ crystal.cell
    length = np.linalg.norm(ends - crystal.positions[constants.first], axis=1)
    images = images_of_pairs(container)
    assert (images.count[images.distance < length.max() + 1e-6] == 1).all()
