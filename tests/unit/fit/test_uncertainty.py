import numpy as np
import pytest

from trajmodes.fit.normal_equations import normal_equations
from trajmodes.fit.solve import solve
from trajmodes.fit.uncertainty import Jackknife, _longest_needed, convergence, jackknife
from trajmodes.symmetry import pair_orbits, space_group, symmetry_basis


@pytest.fixture
def system(wurtzite, reduce_frames, random_frames):
    def make(n_frames, n_blocks=32, repeat=1):
        frames = np.repeat(random_frames(wurtzite, n_frames), repeat, axis=1)
        basis = symmetry_basis(pair_orbits(space_group(wurtzite.crystal), 3.4))
        return normal_equations(reduce_frames(wurtzite, *frames, n_blocks=n_blocks), basis)

    return make


def test_replicates_leave_one_block_out(system):
    equations = system(64)
    errors = jackknife(equations, solve(equations))
    assert errors.n_blocks == 32
    assert errors.levelled
    gram = equations.gram[1:].sum(0)
    expected = np.linalg.solve(gram, equations.moment[1:].sum(0))
    np.testing.assert_allclose(errors.replicates[0], expected, rtol=1e-9)


def test_independent_frames_have_inefficiency_one(system):
    equations = system(320)
    errors = jackknife(equations, solve(equations))
    assert errors.inefficiency == pytest.approx(1.0, abs=0.25)


def test_blocks_are_joined_until_the_error_levels_off(system):
    # every frame three times: blocks of two frames cut through the triples
    equations = system(22, repeat=3)
    errors = jackknife(equations, solve(equations))
    assert errors.n_blocks < 32
    assert errors.inefficiency == pytest.approx(3.0, rel=0.35)


@pytest.mark.parametrize(
    ("seen", "n_blocks", "levelled"),
    [
        ((1.0, 1.02, 0.97), 32, True),
        ((2.4, 2.35, 2.52, 2.75), 4, False),  # a false plateau first
        ((1.0, 1.5, 1.9, 1.85), 8, True),
        ((1.0, 1.5, 1.9), 8, False),
        ((1.3,), 32, False),
    ],
)
def test_a_plateau_is_believed_only_if_nothing_grows_later(seen, n_blocks, levelled):
    levels = [
        Jackknife(np.zeros((32 >> k, 31)), 10.0, x, levelled=True) for k, x in enumerate(seen)
    ]
    chosen = _longest_needed(levels, 31)
    assert (chosen.n_blocks, chosen.levelled) == (n_blocks, levelled)


def test_too_few_blocks_give_no_error(system):
    equations = system(7)
    assert jackknife(equations, solve(equations)) is None


def test_few_blocks_are_not_called_levelled(system):
    equations = system(60, n_blocks=10)
    assert not jackknife(equations, solve(equations)).levelled


def test_convergence_ends_at_the_solution(system):
    equations = system(32)
    course = convergence(equations)
    np.testing.assert_array_equal(course.frames, np.arange(1, 33))
    values = equations.basis.expand(solve(equations).parameters)
    np.testing.assert_allclose(course.values[-1], values, atol=1e-12)
    # pure noise: the fit explains as many parts of it as it has parameters
    explained = equations.moment.sum(0) @ solve(equations).parameters
    assert course.r_squared[-1] == pytest.approx(explained / equations.square.sum())
    assert course.r_squared[-1] < course.r_squared[0] / 10.0


def test_convergence_is_nan_where_undetermined(system):
    equations = system(32)
    gram = equations.gram.copy()
    gram[:3] = 0.0
    hollow = type(equations)(
        equations.basis,
        gram,
        equations.moment,
        equations.square,
        equations.frames,
        equations.n_components,
    )
    course = convergence(hollow)
    assert np.isnan(course.values[:3]).all()
    assert np.isfinite(course.values[3:]).all()
