import numpy as np
import pytest

from trajmodes.data.crystal import Crystal
from trajmodes.symmetry.clusters import cluster_orbits
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.tensors import symmetry_basis

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


def free_parameters(crystal, cutoff, order=2, **constraints):
    """Basis of one order and its free parameters z = N x under all constraints."""
    basis = symmetry_basis(cluster_orbits(space_group(crystal), order, cutoff))
    return basis, null_space(constraint_rows(basis, Constraints(**constraints)))


# hiPhive 1.5 and symfc 1.7 count the same (see tests/peers)
@pytest.mark.parametrize(
    ("name", "order", "cutoff", "n_parameters"),
    [
        ("diamond", 2, 8.0, 31),
        ("diamond", 3, 4.5, 27),
        ("rock salt", 2, 5.0, 10),
        ("quartz", 2, 6.0, 508),
    ],
)
def test_numbers_of_free_parameters(crystals, name, order, cutoff, n_parameters):
    _, free = free_parameters(crystals[name], cutoff, order)
    assert free.shape[1] == n_parameters


def test_nearest_neighbours_of_diamond_have_two_constants(crystals):
    basis, free = free_parameters(crystals["diamond"], 2.5)
    # α and β of the bond; the parameter of the self term follows by the sum rule
    np.testing.assert_array_equal(basis.counts, [1, 2])
    assert free.shape == (3, 2)


def test_free_parameters_are_orthonormal_and_solve_the_rows(crystals):
    basis, free = free_parameters(crystals["wurtzite"], 4.5)
    np.testing.assert_allclose(free.T @ free, np.eye(free.shape[1]), atol=1e-13)
    assert np.abs(constraint_rows(basis, Constraints()) @ free).max() < 1e-13


@pytest.mark.parametrize(("order", "cutoff"), [(2, 6.0), (3, 2.8), (4, 1.8)])
def test_sums_over_the_last_member_vanish_in_quartz(crystals, order, cutoff):
    basis, free = free_parameters(crystals["quartz"], cutoff, order)
    values = basis.expand(free @ np.random.default_rng(2).normal(size=free.shape[1]))
    orbits = basis.orbits
    others = np.column_stack(
        [orbits.sites[:, :-1], orbits.lattice[:, :-1].reshape(-1, 3 * order - 3)]
    )
    _, choice = np.unique(others, axis=0, return_inverse=True)
    sums = np.zeros((choice.max() + 1, *values.shape[1:]))
    np.add.at(sums, choice.ravel(), values)
    assert np.abs(sums).max() < 1e-12
    assert np.abs(values).max() > 0.05


def test_conventional_cell_has_the_parameters_of_the_primitive_one(crystals):
    primitive = crystals["diamond"]
    matrix = CONVENTIONAL
    cells = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    positions = (cells[:, None] @ primitive.cell + primitive.positions).reshape(-1, 3)
    cell = matrix @ primitive.cell
    crystal = Crystal(cell, positions @ np.linalg.inv(cell), ("Si",) * 8, np.ones(8))
    assert space_group(crystal).n_operations == 192
    for order, cutoff, count in ((2, 8.0, 31), (3, 4.5, 27)):
        _, free = free_parameters(crystal, cutoff, order)
        assert free.shape[1] == count


def test_hermiticity_is_an_option(crystals):
    # in P1 only this constraint makes Σ_j Φ_ij symmetric: 3 parameters for each site
    hermitian, unconstrained = (
        free_parameters(crystals["triclinic"], 4.0, hermitian=switch)[1].shape[1]
        for switch in (True, False)
    )
    # 3 antisymmetric components for each of 3 sites; those of the sum over all sites vanish
    assert unconstrained - hermitian == 9 - 3
    basis, free = free_parameters(crystals["diamond"], 4.0, hermitian=False)
    assert free.shape[1] == free_parameters(crystals["diamond"], 4.0)[1].shape[1]
    assert np.abs(constraint_rows(basis, Constraints()) @ free).max() < 1e-13


def test_cubic_symmetry_implies_rotational_constraints(crystals):
    _, plain = free_parameters(crystals["diamond"], 5.0)
    _, both = free_parameters(crystals["diamond"], 5.0, born_huang=True, huang=True)
    assert plain.shape == both.shape


@pytest.mark.parametrize("name", ["wurtzite", "quartz", "triclinic"])
def test_rotational_constraints_reduce_the_parameters(crystals, name):
    basis, plain = free_parameters(crystals[name], 4.0)
    _, rotated = free_parameters(crystals[name], 4.0, born_huang=True)
    _, both = free_parameters(crystals[name], 4.0, born_huang=True, huang=True)
    assert plain.shape[1] > rotated.shape[1] >= both.shape[1] > 0
    # each is a subspace of the previous one
    for wide, narrow in ((plain, rotated), (rotated, both)):
        np.testing.assert_allclose(wide @ (wide.T @ narrow), narrow, atol=1e-10)
    assert basis.n_parameters > plain.shape[1]


def test_constraints_have_names():
    assert Constraints().names == ("hermitian",)
    assert Constraints(hermitian=False, huang=True).names == ("huang",)


def test_without_rows_all_parameters_are_free():
    np.testing.assert_array_equal(null_space(np.zeros((0, 3))), np.eye(3))
    np.testing.assert_array_equal(null_space(np.zeros((2, 3))), np.eye(3))
    assert null_space(np.eye(3)).shape == (3, 0)
