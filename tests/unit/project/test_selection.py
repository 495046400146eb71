import numpy as np
import pytest

from trajmodes.project.selection import without_selection


@pytest.mark.parametrize("above", [-1.0, 0.0, 1.0, 3.0])
def test_estimates_above_a_limit_are_corrected_for_their_selection(above: float) -> None:
    """Truth and noise in units of 0.2: without the correction those kept are too large."""
    rng = np.random.default_rng(31)
    truth, sem, limit = 0.2 * above, 0.2, 0.0
    seen = truth + sem * rng.normal(size=20_000)
    seen = seen[seen > limit]
    sems, limits = np.full(len(seen), sem), np.full(len(seen), limit)
    found, wider = without_selection(seen, sems, limits)
    z = (found - truth) / wider
    assert abs(z.mean()) < 0.5
    assert 0.8 < z.std() < 1.3
    assert np.all(wider >= sem)
    uncorrected = np.mean(seen - truth) / sem
    assert above > 0.5 or uncorrected > 0.75


def test_estimates_far_above_the_limit_stay_as_they_are() -> None:
    value, sem = np.array([3.0, 5.0, np.nan]), np.array([0.1, 0.2, 0.1])
    found, wider = without_selection(value, sem, np.zeros(3))
    assert np.array_equal(found, value, equal_nan=True)
    assert wider == pytest.approx(sem, rel=1e-12)
