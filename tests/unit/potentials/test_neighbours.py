"""Bonds of a crystal, against ASE's list of neighbours."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.neighborlist import neighbor_list

from trajmodes.data.crystal import Crystal
from trajmodes.potentials.neighbours import bonds_within


def skewed() -> Atoms:
    rng = np.random.default_rng(3)
    cell = [[2.5, 0.0, 0.0], [6.1, 2.2, 0.0], [-3.0, 1.4, 4.0]]
    atoms = Atoms("NiAlNi", cell=cell, pbc=True)
    atoms.set_scaled_positions(rng.uniform(-2.0, 3.0, (3, 3)))
    return atoms


def slab() -> Atoms:
    atoms = fcc111("Au", (3, 2, 5), a=4.08, vacuum=6.0)
    atoms.pbc = True
    return atoms


@pytest.mark.parametrize("atoms", [bulk("Au", a=4.08), skewed(), slab()])
def test_bonds_are_those_of_ase(atoms):
    i, j, lattice, vectors = neighbor_list("ijSD", atoms, 7.3)
    order = np.lexsort((*lattice.T[::-1], j, i))
    bonds = bonds_within(Crystal.from_ase(atoms), 7.3)
    np.testing.assert_array_equal(bonds.first, i[order])
    np.testing.assert_array_equal(bonds.second, j[order])
    np.testing.assert_array_equal(bonds.lattice, lattice[order])
    np.testing.assert_allclose(bonds.vectors, vectors[order], atol=1e-10)


def test_a_shell_on_the_cutoff_is_bonded_whole():
    atoms = bulk("Au", a=4.08, cubic=True)
    assert len(bonds_within(Crystal.from_ase(atoms), 4.08).first) == 4 * (12 + 6)


def test_a_cutoff_below_the_shortest_distance_gives_no_bonds():
    assert len(bonds_within(Crystal.from_ase(bulk("Au", a=4.08)), 1.0).first) == 0
