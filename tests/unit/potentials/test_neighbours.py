"""Bonds of a crystal, against ASE's list of neighbours."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.neighborlist import neighbor_list

from trajmodes.data.crystal import Crystal
from trajmodes.potentials.neighbours import bond_list, bonds_within


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


@pytest.mark.parametrize("atoms", [bulk("Au", a=4.08), skewed(), slab()])
def test_listed_bonds_are_all_bonds_of_crystals_near_by(atoms):
    """Also of crystals so far away that bonds enter from beyond the list."""
    rng = np.random.default_rng(1)
    crystal = Crystal.from_ase(atoms)
    listed = bond_list(crystal, 5.0)
    sizes = set()
    for size in (0.0, 0.01, 0.03, 0.1, 0.3):
        for sign in (-1.0, 1.0):
            linear = (1.0 + 0.5 * sign * size) * np.eye(3) + 0.1 * size * rng.normal(
                size=(3, 3)
            )
            moves = size * rng.normal(size=crystal.sites.shape)
            sites = crystal.sites + moves @ np.linalg.inv(crystal.cell)
            other = replace(crystal, cell=crystal.cell @ linear, sites=sites)
            found, expected = listed.of(other), bonds_within(other, 5.0)
            for name in ("first", "second", "lattice", "vectors"):
                np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
            sizes.add(len(expected.first))
    assert len(sizes) > 1
