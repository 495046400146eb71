from functools import partial

import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.fit.model import model_of, reduced_equations
from trajmodes.fit.solve import determined, estimate, solve_positive
from trajmodes.symmetry.constraints import Constraints


@pytest.fixture
def system_of(wurtzite, equations_of, random_frames):
    def make(n_frames, flatten=None, cutoffs=None, scheme="sequential"):
        u_tax, f_tax = random_frames(wurtzite, n_frames)
        if flatten is not None:
            u_tax = u_tax * flatten
        equations = equations_of(wurtzite, cutoffs or {2: 4.4}, u_tax, f_tax)
        model = model_of(equations.expansion, constraints=Constraints(), scheme=scheme)
        return reduced_equations(equations, model)

    return make


def solved(system, solver=solve_positive, **options):
    found = determined(system, **options)
    sums = found.equations.gram.sum(0), found.equations.moment.sum(0)
    return found, estimate(found.equations, *sums, solver)


def test_solution_is_least_squares(system_of):
    system = system_of(12)
    found, x = solved(system)
    direct = np.linalg.solve(system.gram.sum(0), system.moment.sum(0))
    np.testing.assert_allclose(x, direct, rtol=1e-10)
    assert found.n_undetermined == 0
    assert found.undetermined == ()
    assert len(found.conditions) == 1
    assert 1.0 < found.conditions[0] < 100.0


def test_stages_are_fitted_to_the_residual_of_earlier_ones(system_of):
    system = system_of(20, cutoffs={2: 3.3, 3: 2.1, 4: 2.1})
    found, x = solved(system)
    gram, moment = system.gram.sum(0), system.moment.sum(0)
    one, two, three = system.model.stages
    assert len(found.conditions) == 3
    first = np.linalg.solve(gram[np.ix_(one, one)], moment[one])
    second = np.linalg.solve(
        gram[np.ix_(two, two)], moment[two] - gram[np.ix_(two, one)] @ first
    )
    rest = moment[three] - gram[np.ix_(three, one)] @ first - gram[np.ix_(three, two)] @ second
    third = np.linalg.solve(gram[np.ix_(three, three)], rest)
    np.testing.assert_allclose(x, np.concatenate([first, second, third]), rtol=1e-9)
    _, joint = solved(system_of(20, cutoffs={2: 3.3, 3: 2.1, 4: 2.1}, scheme="joint"))
    # the constant force of the joint scheme is one for all orders
    own = system.model.order > 1
    np.testing.assert_allclose(joint[own], np.linalg.solve(gram, moment)[own], rtol=1e-8)
    assert np.abs(joint - x)[own].max() > 1e-6


def test_columns_of_later_stages_have_no_mean_force(system_of):
    system = system_of(20, cutoffs={2: 3.3, 3: 2.1, 4: 2.1})
    constant, later = system.model.order == 1, system.model.stage > 0
    mixed = system.gram.sum(0)[np.ix_(constant, later)]
    scale = np.sqrt(np.diag(system.gram.sum(0)))
    assert np.abs(mixed / np.outer(scale[constant], scale[later])).max() < 1e-12


def test_solution_does_not_depend_on_units(system_of):
    gram = system_of(12).gram.sum(0)
    scale = 10.0 ** np.linspace(-6, 6, len(gram))
    moment = np.ones(len(gram))
    scaled = solve_positive(gram * np.outer(scale, scale), scale * moment)
    np.testing.assert_allclose(scaled * scale, solve_positive(gram, moment), rtol=1e-9)


def test_undetermined_shells_are_named_and_refused(system_of):
    # motion along c alone does not determine the force constants across it
    system = system_of(12, flatten=[0.0, 0.0, 1.0])
    with pytest.raises(DataError, match=r"parameters are undetermined[\s\S]*Ga–N \d\.\d{3} Å"):
        determined(system)


def test_undetermined_triplets_are_named_and_refused(system_of):
    system = system_of(12, flatten=[0.0, 0.0, 1.0], cutoffs={2: 2.1, 3: 2.1})
    with pytest.raises(DataError, match=r"undetermined[\s\S]*Ga–Ga–N \d\.\d{3} Å"):
        determined(system)


def test_minimum_norm_solution(system_of):
    system = system_of(12, flatten=[0.0, 0.0, 1.0])
    found, x = solved(system, minimum_norm=True)
    gram, moment = system.gram.sum(0), system.moment.sum(0)
    n_free = system.model.n_parameters
    assert n_free - found.n_undetermined == np.linalg.matrix_rank(gram) < n_free
    assert np.isinf(found.conditions[0]) or found.conditions[0] > 1e12
    z = found.equations.model.null_space @ x
    expected = system.model.null_space @ (np.linalg.pinv(gram, rcond=1e-10) @ moment)
    np.testing.assert_allclose(z, expected, atol=1e-9)


def test_minimum_norm_by_stages(system_of):
    system = system_of(12, flatten=[0.0, 0.0, 1.0], cutoffs={2: 3.3, 3: 2.1})
    found, x = solved(system, minimum_norm=True)
    z = found.equations.model.null_space @ x
    gram, moment = system.gram.sum(0), system.moment.sum(0)
    one, two = system.model.stages
    first = np.linalg.pinv(gram[np.ix_(one, one)], rcond=1e-10) @ moment[one]
    rest = moment[two] - gram[np.ix_(two, one)] @ first
    second = np.linalg.pinv(gram[np.ix_(two, two)], rcond=1e-10) @ rest
    expected = system.model.null_space @ np.concatenate([first, second])
    np.testing.assert_allclose(z, expected, atol=1e-8)


def test_ridge_solves_undetermined_systems(system_of):
    system = system_of(12, flatten=[0.0, 0.0, 1.0])
    ridge = partial(solve_positive, ridge=1e-3)
    found, x = solved(system, solver=ridge, regularised=True)
    assert found.n_undetermined == 0
    gram, moment = system.gram.sum(0), system.moment.sum(0)
    # The constant force is not regularised: it is eliminated first.
    constant = system.model.order == 1
    assert constant.any()
    cross, own = gram[np.ix_(constant, ~constant)], gram[np.ix_(constant, constant)]
    rest = gram[np.ix_(~constant, ~constant)] - cross.T @ np.linalg.solve(own, cross)
    right = moment[~constant] - cross.T @ np.linalg.solve(own, moment[constant])
    diagonal = np.where(np.diag(rest) > 0.0, np.diag(rest), 1.0)
    direct = np.linalg.solve(rest + 1e-3 * np.diag(diagonal), right)
    np.testing.assert_allclose(x[~constant], direct, atol=1e-10)
    np.testing.assert_allclose(
        own @ x[constant] + cross @ x[~constant], moment[constant], atol=1e-10
    )


def test_singular_matrices_are_refused():
    with pytest.raises(np.linalg.LinAlgError):
        solve_positive(np.ones((2, 2)), np.ones(2))
    nearly = np.ones((2, 2)) + 1e-14 * np.eye(2)
    with pytest.raises(np.linalg.LinAlgError, match="singular to rounding"):
        solve_positive(nearly, np.ones(2))
