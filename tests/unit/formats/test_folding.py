"""Nearest images, and force constants of a supercell and by lattice vector."""

import itertools

import numpy as np
import pytest

from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats.folding import (
    AtomOrder,
    SupercellTriplets,
    beyond_nearest,
    canonical_order,
    diagonal_container,
    fold_pairs,
    fold_triplets,
    grid_order,
    images_of_pairs,
    spread_pairs,
    spread_triplets,
)
from trajmodes.symmetry.translations import build_supercell


@pytest.fixture
def shuffled(crystals):
    """``shuffled(name, matrix)``: atoms in random order and images, and a row per site."""

    def make(name, matrix):
        rng = np.random.default_rng(4)
        supercell = build_supercell(crystals[name], matrix)
        plain = canonical_order(supercell)
        turn = rng.permutation(supercell.n_atoms)
        shift = rng.integers(-2, 3, (supercell.n_atoms, 3)) @ supercell.matrix
        order = AtomOrder(supercell, plain.sites[turn], plain.cells[turn] + shift)
        rows = np.array(
            [np.flatnonzero(order.sites == s)[1] for s in range(order.sites.max() + 1)]
        )
        return order, rows

    return make


MATRICES = [np.diag([2, 2, 2]), [[2, 0, 0], [1, 3, 0], [0, 0, 2]]]


@pytest.mark.parametrize("matrix", MATRICES, ids=["even", "skew"])
def test_folding_undoes_spreading_of_pairs(matrix, shuffled):
    order, rows = shuffled("wurtzite", matrix)
    n = order.supercell.n_atoms
    folded = np.random.default_rng(1).normal(size=(len(rows), n, 3, 3))
    spread = ForceConstants(order.supercell.crystal, *spread_pairs(folded, order, rows))
    again = fold_pairs(spread, order, rows)
    # Only the part that is symmetric under exchange is spread.
    once_more = ForceConstants(order.supercell.crystal, *spread_pairs(again, order, rows))
    np.testing.assert_allclose(fold_pairs(once_more, order, rows), again, atol=1e-14)
    first = order.cells[rows][:, None]
    partner = order.atoms(np.arange(len(rows))[:, None], first + first.swapaxes(0, 1) * 0)
    assert (partner[:, 0] == rows).all()
    apart = order.cells - first
    other = order.atoms(np.arange(len(rows))[:, None], order.cells[rows][order.sites] - apart)
    wanted = 0.5 * (folded + folded[order.sites, other].swapaxes(2, 3))
    np.testing.assert_allclose(again, wanted, atol=1e-14)


@pytest.mark.parametrize("matrix", MATRICES, ids=["even", "skew"])
def test_folding_undoes_spreading_of_triplets(matrix, shuffled):
    order, rows = shuffled("triclinic", matrix)
    n, rng = order.supercell.n_atoms, np.random.default_rng(2)
    first, second, third = rng.integers(len(rows), size=30), *rng.integers(n, size=(2, 30))
    found = SupercellTriplets(first, second, third, rng.normal(size=(30, 3, 3, 3)))
    wanted = np.zeros((len(rows), n, n, 3, 3, 3))
    np.add.at(wanted, (first, second, third), found.values)
    spread = spread_triplets(found, order, rows)
    assert spread.n_clusters > 30
    again = np.zeros_like(wanted)
    for row, atom, slab in fold_triplets(spread, order, rows):
        again[row, atom] = slab
    np.testing.assert_allclose(again, wanted, atol=1e-14)


def test_an_order_with_a_missing_atom_is_refused(crystals):
    supercell = build_supercell(crystals["bcc"], np.diag([2, 2, 2]))
    cells = np.zeros((8, 3), dtype=int)
    with pytest.raises(DataError, match="not those of the supercell"):
        AtomOrder(supercell, np.zeros(8, dtype=int), cells)


def test_the_first_lattice_vector_is_fastest_in_a_grid(crystals):
    order = grid_order(build_supercell(crystals["diamond"], np.diag([3, 2, 2])))
    assert order.cells[:4].tolist() == [[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0]]
    assert order.sites.tolist() == [0] * 12 + [1] * 12


def test_a_grid_needs_a_diagonal_supercell(crystals):
    skew = build_supercell(crystals["bcc"], [[2, 1, 0], [0, 2, 0], [0, 0, 2]])
    with pytest.raises(DataError, match="is not diagonal"):
        grid_order(skew)


IMAGE_MATRICES = [np.eye(3), np.diag([2, 2, 2]), [[1, 0, 0], [3, 2, 0], [0, 2, 2]]]


@pytest.mark.parametrize("matrix", IMAGE_MATRICES, ids=["one cell", "even", "very skew"])
@pytest.mark.parametrize("name", ["bcc", "wurtzite", "triclinic"])
def test_nearest_images_equal_a_search_by_brute_force(name, matrix, crystals):
    crystal = crystals[name]
    supercell = build_supercell(crystal, matrix)
    images = images_of_pairs(supercell, 1e-5)
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


def test_only_nearest_images_count_as_nearest(crystals):
    crystal = crystals["bcc"]
    supercell = build_supercell(crystal, np.diag([2, 2, 2]))
    images = images_of_pairs(supercell, 1e-5)
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
def test_a_diagonal_container_holds_every_pair_once(name, crystals, springs):
    crystal = crystals[name]
    supercell = build_supercell(crystal, [[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    constants = springs(crystal, 7.0)
    container = diagonal_container(constants, supercell)
    assert not (container.matrix - np.diag(np.diag(container.matrix))).any()
    assert beyond_nearest(constants, container) == ()
    ends = (constants.lattice + crystal.sites[constants.second]) @ crystal.cell
    length = np.linalg.norm(ends - crystal.positions[constants.first], axis=1)
    images = images_of_pairs(container, 1e-5)
    assert (images.count[images.distance < length.max() + 1e-6] == 1).all()
