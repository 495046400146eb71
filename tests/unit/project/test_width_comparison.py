"""Comparison of the linewidths of a run with those of perturbation theory."""

import numpy as np
import pytest

from trajmodes.project.energies.lifetimes import compare_widths

PREDICTED = np.random.default_rng(3).permutation(np.geomspace(0.1, 6.0, 30))
WIDEST = np.argsort(-PREDICTED)


def lifetimes(resolved, factor=1.2):
    """Lifetimes of some sets, broader than predicted by a factor, with errors of 10 %."""
    lifetime = np.full(len(PREDICTED), np.nan)
    lifetime[resolved] = 1.0 / (factor * PREDICTED[resolved])
    return lifetime, 0.1 * lifetime


def test_widths_are_compared_where_most_are_resolved() -> None:
    """Only the broadest of the narrow lines are resolved; they would increase the ratio."""
    lifetime, sem = lifetimes(WIDEST[:10])
    for k in (12, 15):
        lifetime[WIDEST[k]] = 1.0 / (9.0 * PREDICTED[WIDEST[k]])
    found = compare_widths(lifetime, sem, PREDICTED)
    assert found.n_sets == 10
    # The mean of a rate of 10 % error is too large by half of its variance.
    assert found.ratio == pytest.approx(1.2 * 0.995)
    wide = PREDICTED[WIDEST[:10]]
    assert found.ratio_sem == pytest.approx(
        0.12 * 0.995**2 * np.sqrt((wide**2).sum()) / wide.sum()
    )


def test_one_line_in_ten_may_be_missing() -> None:
    lifetime, sem = lifetimes(np.delete(WIDEST[:20], [9, 14]))
    assert compare_widths(lifetime, sem, PREDICTED).n_sets == 18


def test_few_lines_give_no_ratio() -> None:
    found = compare_widths(*lifetimes(WIDEST[:4]), PREDICTED)
    assert np.isnan([found.ratio, found.ratio_sem]).all()
    assert found.n_sets == 4


def test_sets_without_a_prediction_are_excluded() -> None:
    unknown = PREDICTED.copy()
    unknown[WIDEST[:3]] = np.nan
    lifetime, sem = lifetimes(WIDEST[:10])
    assert compare_widths(lifetime, sem, unknown).n_sets == 7
