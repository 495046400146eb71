import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.fit.normal_equations import normal_equations
from trajmodes.fit.solve import solve, solve_positive
from trajmodes.symmetry import pair_orbits, space_group, symmetry_basis


@pytest.fixture
def equations(wurtzite, reduce_frames, random_frames):
    def make(n_frames, flatten=None):
        u_tax, f_tax = random_frames(wurtzite, n_frames)
        if flatten is not None:
            u_tax = u_tax * flatten
        basis = symmetry_basis(pair_orbits(space_group(wurtzite.crystal), 4.4))
        return normal_equations(reduce_frames(wurtzite, u_tax, f_tax), basis)

    return make


def test_solution_is_least_squares(equations):
    system = equations(12)
    solution = solve(system)
    direct = np.linalg.solve(system.gram.sum(0), system.moment.sum(0))
    np.testing.assert_allclose(solution.parameters, direct, rtol=1e-10)
    assert solution.rank == system.basis.n_parameters
    assert 1.0 < solution.condition < 100.0


def test_units_do_not_change_the_condition(equations):
    gram = equations(12).gram.sum(0)
    scale = 10.0 ** np.linspace(-6, 6, len(gram))
    moment = np.ones(len(gram))
    scaled = solve_positive(gram * np.outer(scale, scale), scale * moment)
    np.testing.assert_allclose(scaled * scale, solve_positive(gram, moment), rtol=1e-9)


def test_undetermined_shells_are_named_and_refused(equations):
    # atoms that move along c only tell nothing of the constants across it
    system = equations(12, flatten=[0.0, 0.0, 1.0])
    with pytest.raises(DataError, match=r"parameters undetermined[\s\S]*Ga–N \d\.\d{3} Å"):
        solve(system)


def test_minimum_norm_solution(equations):
    system = equations(12, flatten=[0.0, 0.0, 1.0])
    solution = solve(system, minimum_norm=True)
    gram, moment = system.gram.sum(0), system.moment.sum(0)
    assert solution.rank == np.linalg.matrix_rank(gram)
    assert solution.rank < system.basis.n_parameters
    expected = np.linalg.pinv(gram, rcond=1e-10) @ moment
    np.testing.assert_allclose(solution.parameters, expected, atol=1e-9)


def test_singular_matrix_is_noticed():
    with pytest.raises(np.linalg.LinAlgError):
        solve_positive(np.ones((2, 2)), np.ones(2))
