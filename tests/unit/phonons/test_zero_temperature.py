"""Constants and frequencies of fits at several temperatures, extrapolated to 0 K."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from trajmodes.data.crystal import Crystal
from trajmodes.phonons.born_von_karman.projection import shell_constants
from trajmodes.phonons.born_von_karman.shells import nearest_shells
from trajmodes.phonons.born_von_karman.zero_temperature import (
    constants_at_zero,
    intercept_weights,
    reduced_chi2,
    values_at_zero,
)

SHELLS = nearest_shells(Crystal.from_ase(bulk("Fe", "bcc", a=2.87)), 2)
STATIC = np.array([1.0, 0.7, 0.5, 0.1])
SLOPE = np.array([-2e-4, 1e-4, 0.0, 3e-4])
KELVIN = np.array([100.0, 200.0, 400.0])
SEM = np.array([1e-3, 2e-3, 4e-3])


def _fits(rng):
    """Fits whose replicates are those of the means of independent blocks."""
    fits = []
    for kelvin, sem, blocks in zip(KELVIN, SEM, (6, 10, 15), strict=True):
        samples = sem * np.sqrt(blocks) * rng.normal(size=(blocks, 4))
        mean = STATIC + SLOPE * kelvin + samples.mean(axis=0)
        replicates = mean - (samples - samples.mean(axis=0)) / (blocks - 1)
        fits.append(shell_constants(SHELLS, mean, replicates=replicates))
    return fits


def test_the_weighted_line_is_that_of_polyfit():
    rng = np.random.default_rng(1)
    values, sems = rng.normal(size=(3, 5)), rng.uniform(0.5, 2.0, (3, 5))
    found, error = values_at_zero(KELVIN, values, sems)
    for n in range(5):
        line, covariance = np.polyfit(
            KELVIN, values[:, n], 1, w=1.0 / sems[:, n], cov="unscaled"
        )
        assert found[n] == pytest.approx(line[1], rel=1e-9)
        assert error[n] == pytest.approx(np.sqrt(covariance[1, 1]), rel=1e-9)
    parts = [
        np.polyfit(KELVIN, values[:, n], 1, w=1.0 / sems[:, n], full=True)[1][0]
        for n in range(5)
    ]
    assert reduced_chi2(KELVIN, values, sems) == pytest.approx(np.mean(parts))
    assert reduced_chi2(KELVIN[:2], values[:2], sems[:2]) is None


def test_errors_at_zero_are_those_of_repeated_runs():
    rng = np.random.default_rng(2)
    deviations = []
    for _ in range(100):
        found = constants_at_zero(KELVIN, _fits(rng), SHELLS, np.zeros((3, 4)))
        deviations.append((found.values - STATIC) / found.values_sem)
    # Errors from a dozen blocks are themselves uncertain: t rather than z.
    assert 0.95 < np.sqrt(np.mean(np.square(deviations))) < 1.3
    assert abs(np.mean(deviations)) < 0.2


def test_errors_at_zero_follow_from_those_of_the_fits():
    fits = _fits(np.random.default_rng(3))
    found = constants_at_zero(KELVIN, fits, SHELLS, np.zeros((3, 4)))
    _, error = values_at_zero(
        KELVIN,
        np.array([one.values for one in fits]),
        np.array([one.values_sem for one in fits]),
    )
    np.testing.assert_allclose(found.values_sem, error, rtol=1e-9)
    # Correlations are kept: r̂·K·r̂ of the bond (1, 1, 1) is α1 + 2 β1.
    covariances = [
        np.cov(one.replicates.T, bias=True) * (len(one.replicates) - 1) for one in fits
    ]
    factors = intercept_weights(KELVIN, np.array([one.values_sem for one in fits]))
    along = np.array([1.0, 2.0])
    wanted = sum(
        (along * f[:2]) @ c[:2, :2] @ (along * f[:2])
        for f, c in zip(factors, covariances, strict=True)
    )
    assert found.axial_sem[0, 0] == pytest.approx(np.sqrt(wanted), rel=1e-9)


def test_changes_between_crystals_are_added_before_the_line():
    fits = _fits(np.random.default_rng(4))
    change = np.random.default_rng(5).normal(size=(3, 4))
    moved = [replace(one, values=one.values - d) for one, d in zip(fits, change, strict=True)]
    moved = [
        replace(one, replicates=one.replicates - d)
        for one, d in zip(moved, change, strict=True)
    ]
    np.testing.assert_allclose(
        constants_at_zero(KELVIN, moved, SHELLS, change).values,
        constants_at_zero(KELVIN, fits, SHELLS, np.zeros((3, 4))).values,
        atol=1e-12,
    )


def test_constants_without_errors_stay_zero():
    fits = _fits(np.random.default_rng(6))
    keep = np.array([1.0, 1.0, 1.0, 0.0])
    fits = [replace(o, values=o.values * keep, replicates=o.replicates * keep) for o in fits]
    found = constants_at_zero(KELVIN, fits, SHELLS, np.zeros((3, 4)))
    assert found.values[3] == 0.0
    assert found.values_sem[3] == 0.0
