"""The cell group of a supercell and its Fourier transform."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trajmodes.data.crystal import Crystal
from trajmodes.errors import DataError
from trajmodes.symmetry.translations import (
    build_supercell,
    cell_rank,
    half_space,
    lattice_transform,
    smith_normal_form,
)

CELL = np.array([[3.0, 0.1, 0.0], [0.2, 3.3, -0.1], [0.0, 0.5, 2.9]])
CRYSTAL = Crystal(
    CELL, np.array([[0.0, 0.0, 0.0], [0.31, 0.22, 0.43]]), ("Ga", "N"), np.array([1.0, 2.0])
)


def right_handed(matrix: np.ndarray) -> bool:
    return 1 <= round(np.linalg.det(matrix)) <= 60


matrices = arrays(np.int64, (3, 3), elements=st.integers(-4, 4)).filter(right_handed)
law = settings(max_examples=40, deadline=None, derandomize=True)


@law
@given(matrices)
def test_smith_form_divides_and_keeps_the_determinant(matrix):
    diagonal, transform = smith_normal_form(matrix)
    assert diagonal.prod() == round(np.linalg.det(matrix))
    assert diagonal[1] % diagonal[0] == 0
    assert diagonal[2] % diagonal[1] == 0
    assert abs(round(np.linalg.det(transform))) == 1
    # Each supercell vector is the neutral element of the cyclic groups.
    assert not ((matrix @ transform) % diagonal).any()


@law
@given(matrices, arrays(np.int64, (3,), elements=st.integers(-9, 9)))
def test_cells_are_counted_once_and_modulo_supercell_vectors(matrix, shift):
    supercell = build_supercell(CRYSTAL, matrix)
    ranks = cell_rank(supercell, supercell.cells + shift @ matrix)
    np.testing.assert_array_equal(ranks, np.arange(supercell.n_cells))


@law
@given(matrices)
def test_half_space_holds_every_commensurate_q_up_to_the_sign(matrix):
    space = half_space(build_supercell(CRYSTAL, matrix))
    phases = space.qpoints @ matrix.T
    np.testing.assert_allclose(phases, np.rint(phases), atol=1e-9)
    assert space.weights.sum() == round(np.linalg.det(matrix))
    np.testing.assert_array_equal(space.qpoints[0], 0.0)
    both = np.concatenate([space.qpoints, -space.qpoints[space.weights == 2.0]])
    assert len(np.unique(np.rint((both % 1.0) * 10_000) % 10_000, axis=0)) == len(both)


@law
@given(matrices, st.integers(0, 2**32 - 1))
def test_transform_equals_the_sum_over_atoms(matrix, seed):
    supercell = build_supercell(CRYSTAL, matrix)
    space = half_space(supercell)
    field_tax = np.random.default_rng(seed).normal(size=(2, supercell.n_atoms, 3))
    # reduced q times reduced ideal positions
    reduced_ax = (supercell.cells[:, None, :] + CRYSTAL.sites).reshape(-1, 3)
    phase_qa = np.exp(-2j * np.pi * space.qpoints @ reduced_ax.T)
    phase_qls = phase_qa.reshape(space.n_qpoints, supercell.n_cells, 2)
    field_tlsx = field_tax.reshape(2, supercell.n_cells, 2, 3)
    direct = np.einsum("qls,tlsx->qtsx", phase_qls, field_tlsx) / supercell.n_cells**0.5
    waves = lattice_transform(space, field_tax).reshape(direct.shape)
    np.testing.assert_allclose(waves, direct, atol=1e-12)


def test_parseval():
    supercell = build_supercell(CRYSTAL, [[3, 1, 0], [0, 2, 1], [1, 0, 3]])
    space = half_space(supercell)
    field = np.random.default_rng(5).normal(size=(3, supercell.n_atoms, 3))
    waves = lattice_transform(space, field)
    np.testing.assert_allclose(
        np.einsum("q,qtx->t", space.weights, abs(waves) ** 2),
        (field**2).sum(axis=(1, 2)),
        rtol=1e-13,
    )


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        ([[1, 0, 0], [0, 1, 0], [1, 1, 0]], "singular"),
        ([[1.5, 0, 0], [0, 1, 0], [0, 0, 1]], "3 × 3 integers"),
        ([[0, 1, 0], [1, 0, 0], [0, 0, 1]], "negative determinant"),
    ],
)
def test_invalid_supercell_matrices_are_refused(matrix, text):
    with pytest.raises(DataError, match=text):
        build_supercell(CRYSTAL, matrix)
