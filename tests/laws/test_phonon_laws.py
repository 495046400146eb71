"""Laws of lattice dynamics that hold for any harmonic crystal."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trajmodes.data.crystal import Crystal
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import commensurate
from trajmodes.symmetry.stars import star_images
from trajmodes.symmetry.translations import build_supercell, half_space, lattice_transform

NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "triclinic"]
names = st.sampled_from(NAMES)
wave_vectors = st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=3, max_size=3)
matrices = st.lists(st.integers(-2, 2), min_size=9, max_size=9).map(
    lambda numbers: np.reshape(numbers, (3, 3))
)
quick = settings(max_examples=25, deadline=None, derandomize=True, database=None)


def square(omega: np.ndarray) -> np.ndarray:
    return omega * np.abs(omega)


def turned(crystal: Crystal, turn: np.ndarray) -> Crystal:
    return Crystal(crystal.cell @ turn, crystal.sites, crystal.species, crystal.masses)


def rotation(seed: int) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turn * np.linalg.det(turn)


@quick
@given(name=names, q=wave_vectors)
def test_d_is_hermitian_and_conjugate_at_minus_q(name, q, crystals, springs):
    constants = springs(crystals[name], 4.5)
    plus, minus = dynamical_matrices(lattice_sum(constants), [q, np.negative(q)])
    scale = np.abs(plus).max()
    np.testing.assert_allclose(plus, plus.conj().T, rtol=0, atol=1e-14 * scale)
    np.testing.assert_allclose(minus, plus.conj(), rtol=0, atol=1e-14 * scale)


@quick
@given(name=names, q=wave_vectors, shift=st.tuples(*[st.integers(-3, 3)] * 3))
def test_frequencies_have_the_period_of_the_reciprocal_lattice(
    name, q, shift, crystals, springs
):
    constants = springs(crystals[name], 4.5)
    here, there = square(frequencies_at(constants, [q, np.add(q, shift)])[0])
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-11 * here.max())


@pytest.mark.parametrize("name", NAMES)
def test_three_modes_at_gamma_move_the_crystal_as_a_whole(name, crystals, springs):
    modes = modes_at(springs(crystals[name], 4.5), [[0, 0, 0], [0.5, 0.3, 0.1]])
    acoustic = modes.sets[0] == -1
    assert acoustic.sum() == 3
    zero = square(modes.omega[0, acoustic])
    assert np.abs(zero).max() < 1e-12 * square(modes.omega).max()
    # rigid: displacement e/√M equal on every site
    moved = modes.vectors[0, acoustic] / np.sqrt(crystals[name].masses)[:, None]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1], moved.shape), atol=1e-9)


@quick
@given(name=names, q=wave_vectors)
def test_vectors_are_complete_and_orthonormal(name, q, crystals, springs):
    vectors = modes_at(springs(crystals[name], 4.5), [q]).vectors[0]
    e_mk = vectors.reshape(len(vectors), -1)
    one = np.eye(len(vectors))
    np.testing.assert_allclose(e_mk.T @ e_mk.conj(), one, atol=1e-13)
    np.testing.assert_allclose(e_mk.conj() @ e_mk.T, one, atol=1e-13)


@quick
@given(name=names, q=wave_vectors, seed=st.integers(0, 99))
def test_a_rotated_crystal_has_the_same_frequencies(name, q, seed, crystals, springs):
    crystal, turn = crystals[name], rotation(seed)
    plain = modes_at(springs(crystal, 4.5), [q, [0.5, 0, 0]])
    again = modes_at(springs(turned(crystal, turn), 4.5), [q, [0.5, 0, 0]])
    scale = square(plain.omega).max()
    np.testing.assert_allclose(
        square(again.omega), square(plain.omega), rtol=0, atol=1e-10 * scale
    )
    np.testing.assert_array_equal(again.sets, plain.sets)


@quick
@given(name=names, q=wave_vectors)
def test_a_star_has_one_spectrum(name, q, crystals, springs):
    crystal = crystals[name]
    images = star_images(crystal, [q])[:, 0]
    found = square(frequencies_at(springs(crystal, 4.5), images)[0])
    np.testing.assert_allclose(
        found, np.broadcast_to(found[0], found.shape), rtol=0, atol=1e-10 * found.max()
    )


@pytest.mark.parametrize("name", NAMES)
def test_q_points_of_a_star_share_their_sets(name, crystals, springs):
    crystal = crystals[name]
    images = star_images(crystal, [[0.1, 0.27, -0.4]])[:, 0]
    labels = modes_at(springs(crystal, 4.5), images).sets
    np.testing.assert_array_equal(labels, np.broadcast_to(labels[0], labels.shape))


@quick
@given(name=names, matrix=matrices.filter(lambda m: 1 <= round(np.linalg.det(m)) <= 12))
def test_commensurate_modes_are_those_of_the_whole_supercell(
    name, matrix, crystals, springs, hessian_of
):
    constants = springs(crystals[name], 4.0)
    supercell = build_supercell(crystals[name], matrix)
    root = np.repeat(np.sqrt(supercell.masses), 3)
    wanted = np.linalg.eigvalsh(hessian_of(constants, supercell) / np.outer(root, root))
    qpoints, weights = commensurate(supercell)
    omega, _ = frequencies_at(constants, qpoints)
    found = np.sort(np.repeat(square(omega), weights.astype(int), axis=0), axis=None)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-11 * wanted.max())


@quick
@given(
    name=names,
    matrix=matrices.filter(lambda m: 1 <= round(np.linalg.det(m)) <= 12),
    seed=st.integers(0, 99),
)
def test_mode_energies_add_up_to_the_energy_of_the_supercell(
    name, matrix, seed, crystals, springs, hessian_of
):
    """Q = N_c^-½ Σ √M e*·u e^{−iq·r} with these vectors: Σ ½ω²|Q|² = ½uΦu, mode by mode."""
    constants = springs(crystals[name], 4.0)
    space = half_space(build_supercell(crystals[name], matrix))
    supercell = space.supercell
    modes = modes_at(constants, space.qpoints, space.weights)
    u_ax = np.random.default_rng(seed).normal(size=(supercell.n_atoms, 3))
    weighted = u_ax * np.sqrt(supercell.masses)[:, None]
    wave_qk = lattice_transform(space, weighted[None])[:, 0]
    q_qm = np.einsum("qmk,qk->qm", modes.vectors.conj().reshape(*modes.sets.shape, -1), wave_qk)
    hessian = hessian_of(constants, supercell)
    energy = 0.5 * u_ax.ravel() @ hessian @ u_ax.ravel()
    parts = 0.5 * square(modes.omega) * np.abs(q_qm) ** 2 * modes.weights[:, None]
    assert parts.sum() == pytest.approx(energy, rel=1e-11)
    # The mass-weighted force is −D times the wave: 𝓕 = −ω²Q, each mode for itself.
    force = (-hessian @ u_ax.ravel()).reshape(-1, 3) / np.sqrt(supercell.masses)[:, None]
    f_qm = np.einsum(
        "qmk,qk->qm",
        modes.vectors.conj().reshape(*modes.sets.shape, -1),
        lattice_transform(space, force[None])[:, 0],
    )
    scale = np.abs(f_qm).max()
    np.testing.assert_allclose(f_qm, -square(modes.omega) * q_qm, rtol=0, atol=1e-10 * scale)


@quick
@given(name=names, q=wave_vectors, shift=wave_vectors, factor=st.floats(0.1, 10.0))
def test_origin_does_not_matter_and_units_scale_frequencies(
    name, q, shift, factor, crystals, springs
):
    constants = springs(crystals[name], 4.5)
    crystal = constants.crystal
    moved = Crystal(
        crystal.cell, crystal.sites + shift, crystal.species, crystal.masses * factor
    )
    plain = square(frequencies_at(constants, [q])[0])
    again = square(frequencies_at(replace(constants, crystal=moved), [q])[0])
    # At Γ every ω² of a crystal of one site is zero up to rounding on this scale.
    scale = lattice_sum(constants).scale
    np.testing.assert_allclose(again * factor, plain, rtol=0, atol=1e-11 * scale)


@quick
@given(name=names, q=wave_vectors, seed=st.integers(0, 99))
def test_basis_of_the_lattice_does_not_matter(name, q, seed, crystals, springs):
    crystal = crystals[name]
    step = np.random.default_rng(seed).integers(-1, 2, 3)
    change = np.array([[1, step[0], step[1]], [0, 1, step[2]], [0, 0, 1]])
    order = np.random.default_rng(seed).permutation(crystal.n_sites)
    other = Crystal(
        change @ crystal.cell,
        (crystal.sites @ np.linalg.inv(change))[order],
        tuple(crystal.species[s] for s in order),
        crystal.masses[order],
    )
    plain = square(frequencies_at(springs(crystal, 4.5), [q])[0])
    again = square(frequencies_at(springs(other, 4.5), [change @ q])[0])
    np.testing.assert_allclose(again, plain, rtol=0, atol=1e-11 * plain.max())
