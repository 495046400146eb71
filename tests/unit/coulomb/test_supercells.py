"""Dipole–dipole forces and force constants of a supercell."""

import numpy as np
import pytest

from trajmodes.coulomb.ewald import dipole_matrices, dipole_sum
from trajmodes.coulomb.supercells import dipole_forces, folded_dipoles
from trajmodes.symmetry.translations import (
    atom_at,
    build_supercell,
    half_space,
    lattice_transform,
)

MATRIX = [[2, 1, 0], [0, 2, 0], [0, 0, 3]]


@pytest.fixture(scope="module", params=["rock salt", "monoclinic", "triclinic"])
def polar(request, crystals, charges_of):
    crystal = crystals[request.param]
    return build_supercell(crystal, MATRIX), charges_of(crystal)


def test_forces_are_those_of_the_matrices_at_every_q(polar):
    supercell, charges = polar
    u = np.random.default_rng(0).normal(size=(3, supercell.n_atoms, 3))
    space = half_space(supercell)
    c_qkl = dipole_matrices(dipole_sum(supercell.crystal, charges), space.qpoints)
    wanted = -np.einsum("qkl,qtl->qtk", c_qkl, lattice_transform(space, u))
    found = lattice_transform(space, dipole_forces(supercell, charges)(u))
    np.testing.assert_allclose(found, wanted, atol=1e-12 * np.abs(wanted).max())


def test_forces_are_those_of_the_force_constants(polar):
    supercell, charges = polar
    folded = folded_dipoles(supercell, charges)
    u = np.random.default_rng(0).normal(size=(2, supercell.n_atoms, 3))
    forces = dipole_forces(supercell, charges)(u)
    n_sites = supercell.crystal.n_sites
    for atom in range(0, supercell.n_atoms, 7):
        cell, site = divmod(atom, n_sites)
        steps = np.repeat(supercell.cells - supercell.cells[cell], n_sites, axis=0)
        row = folded[site, atom_at(supercell, supercell.site_index, steps)]
        np.testing.assert_allclose(
            forces[:, atom], -np.einsum("axy,tay->tx", row, u), atol=1e-11
        )


def test_a_uniform_shift_exerts_no_force(polar):
    supercell, charges = polar
    u = np.broadcast_to([0.1, -0.2, 0.3], (1, supercell.n_atoms, 3))
    np.testing.assert_allclose(dipole_forces(supercell, charges)(u), 0.0, atol=1e-12)


def test_the_supercell_of_another_shape_has_the_same_forces(crystals, charges_of):
    """A periodic motion has the same forces in a supercell twice as large."""
    crystal = crystals["wurtzite"]
    charges = charges_of(crystal)
    small, large = (build_supercell(crystal, np.diag([1, 2, n])) for n in (1, 2))
    u = np.random.default_rng(0).normal(size=(1, small.n_atoms, 3))
    twice = atom_at(small, large.site_index, np.repeat(large.cells, crystal.n_sites, axis=0))
    np.testing.assert_allclose(
        dipole_forces(large, charges)(u[:, twice]),
        dipole_forces(small, charges)(u)[:, twice],
        atol=1e-12,
    )
