"""Static relaxation: no forces and stress are left, at the lowest energy."""

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.optimize import minimize_scalar

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.potentials.relaxation import relaxed


def displaced(crystal, size):
    noise = np.random.default_rng(8).normal(size=crystal.sites.shape)
    places = crystal.positions + size * noise
    return replace(crystal, sites=places @ np.linalg.inv(crystal.cell))


def test_displaced_atoms_return_to_their_sites(alloy):
    atoms = bulk("NiAl", "cesiumchloride", a=2.75) * (2, 2, 1)
    ideal = Crystal.from_ase(atoms)
    found = relaxed(alloy, displaced(ideal, 0.05))
    assert np.abs(alloy.state(found).forces).max() < 1e-8
    apart = found.positions - ideal.positions
    np.testing.assert_allclose(apart - apart.mean(axis=0), 0.0, atol=1e-7)
    np.testing.assert_array_equal(found.cell, ideal.cell)


def test_a_slab_relaxes(alloy, slab):
    found = relaxed(alloy, slab)
    assert np.abs(alloy.state(slab).forces).max() > 0.1
    assert np.abs(alloy.state(found).forces).max() < 1e-8
    assert alloy.state(found).energy < alloy.state(slab).energy


def test_the_cell_relaxes_to_the_lattice_parameter_of_lowest_energy(alloy):
    def cubic(a):
        return Crystal.from_ase(bulk("Ni", a=a, cubic=True))

    lowest = minimize_scalar(lambda a: alloy.state(cubic(a)).energy, (3.3, 3.6), tol=1e-10).x
    start = cubic(1.03 * lowest)
    sheared = replace(start, cell=start.cell @ (np.eye(3) + 0.01 * np.eye(3, k=1)))
    found = relaxed(alloy, sheared, cell=True)
    np.testing.assert_allclose(found.cell @ found.cell.T, lowest**2 * np.eye(3), atol=1e-6)
    assert np.abs(alloy.state(found).stress).max() < 1e-8


def test_a_start_without_a_minimum_is_refused(alloy):
    class Falling:
        """An energy that falls for ever."""

        def state(self, crystal):
            state = alloy.state(crystal)
            push = np.zeros_like(state.forces)
            push[0], push[1] = 1e3, -1e3
            return replace(state, forces=push, energy=0.0)

        def force_constants(self, crystal, order=2):
            return alloy.force_constants(crystal, order)

        def hessian(self, crystal):
            return alloy.hessian(crystal)

    atoms = Atoms(
        "NiAl", cell=2.75 * np.eye(3), scaled_positions=[[0, 0, 0], 3 * [0.5]], pbc=True
    )
    with pytest.raises(DataError, match="does not relax"):
        relaxed(Falling(), Crystal.from_ase(atoms))
