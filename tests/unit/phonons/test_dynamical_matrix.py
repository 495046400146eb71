"""The Fourier sum of the force constants."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.coulomb.ewald import dipole_matrices, dipole_sum
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.phonons import dynamical_matrix
from trajmodes.phonons.bands import group_velocities
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum, q_chunks
from trajmodes.phonons.modes import frequencies_at


def test_linear_chain_has_its_textbook_dispersion():
    mass, stiff = 0.003, 2.5
    crystal = Crystal(3.0 * np.eye(3), np.array([[0.1, 0.2, 0.3]]), ("X",), np.array([mass]))
    values = np.zeros((3, 3, 3))
    values[:, 0, 0] = [2 * stiff, -stiff, -stiff]
    lattice = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0]])
    zero = np.zeros(3, dtype=int)
    chain = ForceConstants(crystal, zero, zero, lattice, values)
    q = np.linspace(-0.7, 0.7, 11)
    omega, _ = frequencies_at(chain, np.column_stack([q, q, 0 * q]))
    wanted = 2 * np.sqrt(stiff / mass) * np.abs(np.sin(np.pi * q))
    np.testing.assert_allclose(omega[:, 2], wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(np.abs(omega[:, :2]), 0.0)


def test_every_element_follows_the_convention(crystals, springs):
    constants = springs(crystals["triclinic"], 5.0)
    crystal = constants.crystal
    q = np.array([0.21, -0.37, 0.45])
    wanted = np.zeros((3, 3, 3, 3), dtype=complex)
    for i, j, cell, value in zip(
        constants.first, constants.second, constants.lattice, constants.values, strict=True
    ):
        separation = cell + crystal.sites[j] - crystal.sites[i]
        phase = np.exp(2j * np.pi * q @ separation)
        wanted[i, :, j, :] += value * phase / np.sqrt(crystal.masses[i] * crystal.masses[j])
    found = dynamical_matrices(lattice_sum(constants), [q])[0]
    np.testing.assert_allclose(found, wanted.reshape(9, 9), atol=1e-12 * np.abs(wanted).max())


def test_pairs_may_be_listed_in_any_order_and_in_parts(crystals, springs):
    constants = springs(crystals["wurtzite"], 4.0)
    order = np.random.default_rng(3).permutation(constants.n_pairs)
    twice = ForceConstants(
        constants.crystal,
        np.tile(constants.first[order], 2),
        np.tile(constants.second[order], 2),
        np.tile(constants.lattice[order], (2, 1)),
        np.tile(constants.values[order] / 2, (2, 1, 1)),
    )
    q = np.random.default_rng(4).uniform(-1, 1, (5, 3))
    wanted = dynamical_matrices(lattice_sum(constants), q)
    np.testing.assert_allclose(dynamical_matrices(lattice_sum(twice), q), wanted, atol=1e-10)


def test_results_do_not_depend_on_chunks(crystals, springs, monkeypatch):
    constants = springs(crystals["wurtzite"], 4.0)
    q = np.random.default_rng(5).uniform(-1, 1, (13, 3))
    # Backwards, so that freed memory cannot pass for a result.
    whole = frequencies_at(constants, q[::-1])[0][::-1].copy()
    monkeypatch.setattr(dynamical_matrix, "_CHUNK_BYTES", 60_000)
    assert len(list(q_chunks(lattice_sum(constants), len(q)))) > 2
    np.testing.assert_allclose(frequencies_at(constants, q)[0], whole, rtol=1e-10)


def test_an_empty_list_gives_an_empty_result(crystals, springs):
    constants = springs(crystals["bcc"], 3.0)
    assert dynamical_matrices(lattice_sum(constants), np.zeros((0, 3))).shape == (0, 3, 3)


def test_asymmetric_force_constants_are_refused(crystals, springs):
    constants = springs(crystals["diamond"], 3.0)
    values = constants.values.copy()
    values[-1, 0, 1] += 1e-3
    with pytest.raises(DataError, match="not transposes of each other"):
        dynamical_matrices(lattice_sum(replace(constants, values=values)), [[0, 0, 0]])


def test_a_pair_listed_in_one_direction_only_is_refused(crystals, springs):
    full = springs(crystals["diamond"], 3.0)
    keep = np.arange(full.n_pairs - 1)
    constants = ForceConstants(
        full.crystal, full.first[keep], full.second[keep], full.lattice[keep], full.values[keep]
    )
    with pytest.raises(DataError, match="list every pair in both directions"):
        dynamical_matrices(lattice_sum(constants), [[0, 0, 0]])


def test_rounding_of_the_constants_leaves_d_hermitian(crystals, springs):
    constants = springs(crystals["wurtzite"], 4.0)
    noise = np.random.default_rng(6).normal(size=constants.values.shape)
    rough = replace(constants, values=constants.values + 1e-8 * noise)
    d_qkl = dynamical_matrices(
        lattice_sum(rough), np.random.default_rng(7).uniform(-1, 1, (5, 3))
    )
    scale = np.abs(d_qkl).max()
    np.testing.assert_allclose(d_qkl, d_qkl.conj().swapaxes(1, 2), rtol=0, atol=1e-14 * scale)


def test_constants_must_be_finite(crystals, springs):
    constants = springs(crystals["diamond"], 3.0)
    values = constants.values.copy()
    values[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        dynamical_matrices(lattice_sum(replace(constants, values=values)), [[0, 0, 0]])


@pytest.mark.parametrize("name", ["rock salt", "wurtzite", "monoclinic"])
def test_charges_add_the_dipole_part_weighted_by_mass(name, crystals, springs, charges_of):
    crystal = crystals[name]
    constants = springs(crystal, 3.5)
    polar = replace(constants, charges=charges_of(crystal))
    q = np.random.default_rng(3).uniform(-1, 1, (3, 3))
    c_qkl = dipole_matrices(dipole_sum(crystal, polar.charges), q)
    root = np.repeat(np.sqrt(crystal.masses), 3)
    added = dynamical_matrices(lattice_sum(polar), q) - dynamical_matrices(
        lattice_sum(constants), q
    )
    np.testing.assert_allclose(added * np.outer(root, root), c_qkl, atol=1e-11)


@pytest.mark.parametrize("name", ["rock salt", "wurtzite", "monoclinic"])
def test_group_velocities_of_a_polar_crystal_are_slopes(name, crystals, springs, charges_of):
    crystal = crystals[name]
    polar = replace(springs(crystal, 3.5, 8.0), charges=charges_of(crystal))
    q, step = np.array([[0.11, 0.23, -0.31]]), 1e-5
    found = group_velocities(polar, q)
    for x in range(3):
        dq = step * crystal.cell[:, x] / (2.0 * np.pi)
        change = frequencies_at(polar, q + dq)[0] - frequencies_at(polar, q - dq)[0]
        np.testing.assert_allclose(
            found.velocity[..., x], change / (2.0 * step), rtol=1e-5, atol=1e-3
        )
