import numpy as np
import pytest

from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.symmetry import pair_orbits, space_group, symmetry_basis

CONVENTIONAL = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])


# hiPhive 1.5 and symfc 1.7 count the same (see tests/peers and tests/oracles)
@pytest.mark.parametrize(
    ("name", "cutoff", "n_parameters"), [("diamond", 8.0, 31), ("rock salt", 5.0, 10)]
)
def test_numbers_of_free_parameters(crystals, name, cutoff, n_parameters):
    basis = symmetry_basis(pair_orbits(space_group(crystals[name]), cutoff))
    assert basis.n_parameters == n_parameters


def test_nearest_neighbours_of_diamond_have_two_constants(crystals):
    basis = symmetry_basis(pair_orbits(space_group(crystals["diamond"]), 2.5))
    # (α, β) of the bond; the self term has one and is tied by the sum rule
    np.testing.assert_array_equal(basis.counts, [1, 2])
    assert basis.n_parameters == 2


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_basis_is_orthonormal_and_projects_back(crystals, name):
    basis = symmetry_basis(pair_orbits(space_group(crystals[name]), 4.5))
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, basis.n_parameters))
    values = basis.expand(np.stack([one, other]))
    products = np.einsum("apxy,bpxy->ab", values, values)
    np.testing.assert_allclose(
        products, [[one @ one, one @ other], [one @ other, other @ other]]
    )
    np.testing.assert_allclose(basis.project(values[0]), one, atol=1e-12)


def test_same_input_gives_the_same_bits(crystals):
    first, second = (
        symmetry_basis(pair_orbits(space_group(crystals["wurtzite"]), 4.5)) for _ in range(2)
    )
    assert first.tensors.tobytes() == second.tensors.tobytes()
    assert first.null_space.tobytes() == second.null_space.tobytes()


def test_noise_in_the_sites_changes_no_count(crystals):
    crystal = crystals["wurtzite"]
    sites = crystal.sites + 1e-6 * np.random.default_rng(1).normal(size=(4, 3))
    noisy = Crystal(crystal.cell, sites, crystal.species, crystal.masses)
    counts = [
        symmetry_basis(pair_orbits(space_group(c), 5.0)).n_parameters for c in (crystal, noisy)
    ]
    assert counts[0] == counts[1]


def test_conventional_cell_has_the_parameters_of_the_primitive_one(crystals):
    primitive = crystals["diamond"]
    matrix = CONVENTIONAL
    cells = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    positions = (cells[:, None] @ primitive.cell + primitive.positions).reshape(-1, 3)
    cell = matrix @ primitive.cell
    crystal = Crystal(cell, positions @ np.linalg.inv(cell), ("Si",) * 8, np.ones(8))
    group = space_group(crystal)
    assert group.n_operations == 192
    assert symmetry_basis(pair_orbits(group, 8.0)).n_parameters == 31


def test_quartz_has_low_symmetry_and_many_constants(quartz):
    group = space_group(quartz)
    assert (group.symbol, group.n_operations) == ("P3_221", 6)
    basis = symmetry_basis(pair_orbits(group, 6.0))
    values = basis.expand(np.random.default_rng(2).normal(size=basis.n_parameters))
    sums = np.zeros((9, 3, 3))
    np.add.at(sums, basis.orbits.sites[:, 0], values)
    assert np.abs(sums).max() < 1e-12
    # hiPhive 1.5 counts the same
    assert basis.n_parameters == 508


def test_no_neighbours_are_refused(crystals):
    with pytest.raises(DataError, match="takes in no neighbour"):
        symmetry_basis(pair_orbits(space_group(crystals["diamond"]), 1.0))
