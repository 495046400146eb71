"""Constants on a supercell and by lattice vector."""

import numpy as np
import pytest

from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats.folding import (
    AtomOrder,
    SupercellTriplets,
    canonical_order,
    fold_pairs,
    fold_triplets,
    grid_order,
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
    # What is spread is the part that is symmetric under exchange.
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


def test_an_order_without_some_atom_is_refused(crystals):
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
