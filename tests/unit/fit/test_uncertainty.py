from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.force_constants import FitErrors
from trajmodes.fit.model import model_of, reduced_equations
from trajmodes.fit.quality import compared_with_lifetimes
from trajmodes.fit.solve import estimate, solve_positive
from trajmodes.fit.uncertainty import (
    fit_errors,
    growing_fits,
    left_out_solutions,
    longest_needed,
    predicted_squares,
)
from trajmodes.symmetry.constraints import Constraints


@pytest.fixture
def system(wurtzite, equations_of, random_frames):
    def make(n_frames, n_blocks=32, repeat=1, cutoffs=None, scheme="sequential"):
        frames = np.repeat(random_frames(wurtzite, n_frames), repeat, axis=1)
        equations = equations_of(wurtzite, cutoffs or {2: 3.4}, *frames, n_blocks=n_blocks)
        model = model_of(equations.expansion, constraints=Constraints(), scheme=scheme)
        return reduced_equations(equations, model)

    return make


def solution(equations):
    sums = equations.gram.sum(0), equations.moment.sum(0)
    return estimate(equations, *sums, solve_positive)


def errors_of(equations, **options):
    left_out = left_out_solutions(equations)
    return fit_errors(equations, solution(equations), left_out, **options)


@pytest.mark.parametrize("scheme", ["sequential", "joint"])
def test_replicates_leave_one_block_out(system, scheme):
    equations = system(64, cutoffs={2: 3.4, 3: 2.1}, scheme=scheme)
    errors = errors_of(equations)
    assert errors.n_blocks == 32
    assert errors.levelled
    assert errors.method == "jackknife"
    part = replace(equations, **{name: x[1:] for name, x in equations.arrays().items()})
    np.testing.assert_allclose(errors.parameters[0], solution(part), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("scheme", ["sequential", "joint"])
def test_sandwich_is_the_first_order_of_the_jackknife(system, scheme):
    equations = system(640, cutoffs={2: 3.4, 3: 2.1}, scheme=scheme)
    found = solution(equations)
    left_out, first = (
        errors_of(equations, method=method) for method in ("jackknife", "sandwich")
    )
    assert first.method == "sandwich"
    np.testing.assert_allclose(np.sqrt(first.variance), np.sqrt(left_out.variance), rtol=0.1)
    # The two agree replicate by replicate, not only in the mean.
    moved = left_out.parameters - found, first.parameters - found
    assert np.abs(moved[0] - moved[1]).max() < 0.2 * np.abs(moved[0]).max()
    assert first.inefficiency == pytest.approx(left_out.inefficiency, rel=0.1)


def test_independent_frames_have_inefficiency_one(system):
    equations = system(320)
    errors = errors_of(equations)
    assert errors.inefficiency == pytest.approx(1.0, abs=0.25)


def test_blocks_are_merged_until_the_error_levels_off(system):
    # Every frame occurs three times: blocks of two frames split the triples.
    equations = system(22, repeat=3)
    errors = errors_of(equations)
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
def test_a_plateau_counts_only_if_the_error_grows_no_further(seen, n_blocks, levelled):
    levels = [
        FitErrors(np.zeros((32 >> k, 31)), 10.0, x, levelled=True) for k, x in enumerate(seen)
    ]
    chosen = longest_needed(levels, 31)
    assert (chosen.n_blocks, chosen.levelled) == (n_blocks, levelled)


def test_blocks_shorter_than_the_lifetimes_give_lower_bounds():
    errors = FitErrors(np.zeros((8, 3)), 100.0, 2.0, levelled=True)
    lifetimes = np.array([1.0, 5.0, np.nan])
    same, nothing = compared_with_lifetimes(errors, 0.13, lifetimes)
    assert same.levelled
    assert nothing is None
    bounds, note = compared_with_lifetimes(errors, 0.11, lifetimes)
    assert not bounds.levelled
    assert "of 11 ps, shorter than 4 mean lifetimes of the modes (3 ps" in note.text
    unknown, nothing = compared_with_lifetimes(errors, 0.001, np.full(3, np.nan))
    assert unknown.levelled
    assert nothing is None


def test_too_few_blocks_give_no_error(system):
    equations = system(7)
    assert errors_of(equations) is None


def test_few_blocks_are_not_called_levelled(system):
    equations = system(60, n_blocks=10)
    assert not errors_of(equations).levelled


def test_convergence_ends_at_the_solution(system):
    equations = system(32)
    frames, parameters = growing_fits(equations)
    np.testing.assert_array_equal(frames, np.arange(2, 34, 2))
    z = equations.model.null_space @ solution(equations)
    np.testing.assert_allclose(parameters[-1], z, atol=1e-12)
    change = np.linalg.norm(parameters - z, axis=1)
    assert change[0] > 3.0 * change[-4] > 0.0


def test_undetermined_parts_have_no_convergence(system):
    equations = system(32)
    gram = equations.gram.copy()
    gram[:6] = 0.0
    frames, parameters = growing_fits(replace(equations, gram=gram))
    np.testing.assert_array_equal(frames, np.arange(8, 34, 2))
    assert np.isfinite(parameters).all()


def test_cross_validation_predicts_blocks_left_out(system):
    equations = system(32, n_blocks=4, cutoffs={2: 3.4, 3: 2.1})
    squares = predicted_squares(equations, left_out_solutions(equations))
    assert squares.shape == (4, 2)
    keep = [0, 1, 3]
    part = replace(equations, **{name: x[keep] for name, x in equations.arrays().items()})
    x = solution(part)
    for stage in (0, 1):
        used = np.where(equations.model.stage <= stage, x, 0.0)
        expected = equations.square[2] - 2 * equations.moment[2] @ used
        expected += used @ equations.gram[2] @ used
        assert squares[2, stage] == pytest.approx(expected)
    # Noise cannot be predicted: the residual exceeds it.
    assert squares[:, 1].sum() > equations.square.sum()


def test_blocks_of_different_runs_are_not_merged(system):
    equations = system(64, n_blocks=8)
    split = replace(equations, run=np.array([0, 0, 0, 1, 1, 1, 1, 1]))
    np.testing.assert_array_equal(split.merged(2).run, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(split.merged(2).frames, [16, 8, 16, 16, 8])
