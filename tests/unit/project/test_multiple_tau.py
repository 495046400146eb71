import numpy as np
import pytest

from trajmodes.project.energies.multiple_tau import (
    Boundary,
    add_pairs,
    averages,
    count_pairs,
    join_levels,
    lag_levels,
    level_ends,
)

LEVELS = 7


def test_four_lags_per_octave_up_to_a_third_of_the_run() -> None:
    plan = lag_levels(1, 1000)
    lags = plan.steps << plan.level
    assert lags.tolist()[:12] == [0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28]
    assert (np.diff(lags) > 0).all()
    assert 250 < lags[-1] <= 333
    assert plan.steps[plan.places(3)].tolist() == [4, 5, 6, 7]


def test_lags_of_the_longest_runs_are_few() -> None:
    assert len(lag_levels(0, 10**7).steps) <= 100
    assert len(lag_levels(3, 10**6).steps) <= 64


def test_the_shortest_run_has_some_lags() -> None:
    assert lag_levels(0, 16).steps.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("first", [0, 5, 12])
def test_averages_are_counted_from_the_start_of_the_range(first: int) -> None:
    series = np.random.default_rng(0).normal(size=(2, 53))
    padded = np.concatenate([np.full((2, first), np.nan), series], axis=1)
    for level, (begin, found) in enumerate(averages(series, first, LEVELS)):
        size = 1 << level
        whole = padded[:, : padded.shape[1] // size * size].reshape(2, -1, size).mean(axis=2)
        expected = whole[:, np.isfinite(whole[0])]
        assert np.allclose(found, expected)
        assert begin == -(-first // size)


@pytest.mark.parametrize(("first", "middle", "stop"), [(0, 31, 64), (3, 4, 90), (6, 7, 8)])
def test_joined_blocks_equal_the_whole(first: int, middle: int, stop: int) -> None:
    series = np.random.default_rng(1).normal(size=(1, stop - first))
    whole = averages(series, first, LEVELS)
    parts = [
        [level_ends(*found) for found in averages(part, start, LEVELS)]
        for part, start in (
            (series[:, : middle - first], first),
            (series[:, middle - first :], middle),
        )
    ]
    boundary = None
    for level, (begin, expected) in enumerate(whole):
        both, boundary = join_levels(parts[0][level], parts[1][level], boundary, middle, level)
        whole_ends = level_ends(begin, expected)
        assert (both.first, both.size) == (begin, expected.shape[1])
        assert np.allclose(both.head, whole_ends.head)
        assert np.allclose(both.tail, whole_ends.tail)
        inside = boundary.first - begin + np.arange(boundary.averages.shape[1])
        assert np.allclose(boundary.averages, expected[:, inside])


def test_pairs_across_a_boundary_and_on_both_sides_are_all_pairs() -> None:
    x = np.random.default_rng(2).normal(size=(3, 20))
    lags, edges = np.arange(8), np.array([0, 9, 30])
    sets = np.array([0, 1, 0])

    def sums(boundary: Boundary):
        total = np.zeros((2, 2, 8, 2))
        add_pairs(boundary, sets, 2, edges, lags, total)
        return total

    whole = sums(Boundary(0, x, 0, 20))
    parts = (
        Boundary(0, x[:, :8], 0, 8),
        Boundary(9, x[:, 9:], 0, 11),
        Boundary(1, x[:, 1:16], 7, 1),
    )
    assert np.allclose(sum(sums(part) for part in parts), whole)
    # The third series has no mean: it is in the products only.
    late = [k for k in range(20 - 5) if k + 5 >= 9]
    product = sum(x[[0, 2], k] @ x[[0, 2], k + 5] for k in late)
    assert whole[1, 0, 5, 0] == pytest.approx(product)
    assert whole[1, 1, 5, 1] == pytest.approx(sum(x[1, k] + x[1, k + 5] for k in late))
    assert whole[1, 1, 5, 0] == pytest.approx(sum(x[0, k] + x[0, k + 5] for k in late))
    assert count_pairs(20, edges, lags)[1, 5] == len(late)


def test_one_side_alone_has_no_pairs_across_a_boundary() -> None:
    x, lags = np.ones((1, 6)), np.arange(8)
    for boundary in (Boundary(0, x, 6, 0), Boundary(0, x, 0, 0)):
        total = np.zeros((1, 2, 8, 1))
        add_pairs(boundary, np.zeros(1, dtype=int), 1, np.array([0, 100]), lags, total)
        assert not total.any()
