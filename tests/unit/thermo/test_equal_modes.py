"""Modes that symmetry makes equal, with springs that have or lack the symmetry."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.force_constants import jackknife_sem
from trajmodes.phonons.modes import frequencies_at
from trajmodes.pipeline.thermo.asymmetry import unequal_warnings
from trajmodes.thermo.equal_modes import unequal_modes
from trajmodes.units import THZ


def stretched(constants, factor):
    """Make springs along x of all bonds stiffer by a factor, which leaves the sum rule."""
    scale = np.diag([np.sqrt(factor), 1.0, 1.0])
    return replace(constants, values=scale @ constants.values @ scale)


@pytest.mark.parametrize("name", ["diamond", "bcc", "wurtzite", "quartz"])
def test_equal_modes_of_symmetric_springs_are_equal(name, crystals, springs):
    found = unequal_modes(springs(crystals[name], 4.5))
    assert np.abs(found.differences).max() < 1e-10 * found.highest
    assert unequal_warnings(found) == ()
    # The star of a general point has an image for each operation of the point group.
    orders = {"diamond": 48, "bcc": 48, "wurtzite": 12, "quartz": 6}
    assert len(np.unique(found.qpoints.round(9), axis=0)) == orders[name]


def test_springs_stiffer_along_x_make_equal_modes_differ(crystals, springs):
    """In a cubic crystal q and q with exchanged x and y have other frequencies."""
    plain = springs(crystals["bcc"], 4.5)
    found = unequal_modes(stretched(plain, 1.3))
    omega, _ = frequencies_at(stretched(plain, 1.3), found.qpoints)
    np.testing.assert_allclose(found.differences, omega - omega.mean(axis=0), atol=1e-12)
    (warning,) = unequal_warnings(found)
    largest = np.abs(found.differences).max() / THZ
    assert f"{largest:.4g} THz from its mean" in warning.text
    assert "n × n × n primitive cells" in warning.fix


def test_a_difference_within_its_error_is_no_warning(crystals, springs):
    plain = springs(crystals["bcc"], 4.5)
    noise = np.random.default_rng(3).standard_normal(8)
    for size, count in ((0.002, 1), (0.2, 0)):
        values = [stretched(plain, 1.05 + size * x).values for x in noise]
        found = unequal_modes(replace(stretched(plain, 1.05), replicates=np.array(values)))
        assert len(unequal_warnings(found)) == count
        anew = jackknife_sem(
            unequal_modes(replace(plain, values=one)).differences for one in values
        )
        np.testing.assert_allclose(found.differences_sem, anew, rtol=1e-9, atol=1e-12)
