"""Bands along a path."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data import Crystal
from trajmodes.errors import DataError
from trajmodes.phonons import Bands, band_path, dispersion, frequencies_at


def test_bands_are_the_frequencies_along_the_path(crystals, springs):
    constants = springs(crystals["diamond"], 4.5)
    path = band_path(crystals["diamond"], 0.1)
    bands = dispersion(constants, path)
    np.testing.assert_array_equal(bands.omega, frequencies_at(constants, path.qpoints)[0])
    assert bands.omega_sem is None
    assert bands.path is path
    # Both ends of a jump U|K lie in one star, so nothing jumps.
    jump = path.offsets[2]
    np.testing.assert_allclose(bands.omega[jump], bands.omega[jump - 1], rtol=1e-6)


def test_bands_carry_error_bars(crystals, springs):
    constants = springs(crystals["diamond"], 4.5)
    factors = np.array([0.99, 1.01, 1.02])[:, None, None, None]
    noisy = replace(constants, replicates=constants.values * factors)
    bands = dispersion(noisy, band_path(crystals["diamond"], 0.3))
    assert bands.omega_sem is not None
    far = bands.omega > 1.0
    spread = np.sqrt(2 * np.var(factors))
    np.testing.assert_allclose(bands.omega_sem[far], bands.omega[far] * spread / 2)


def test_bands_must_fit_their_path(crystals):
    path = band_path(crystals["bcc"], 0.5)
    with pytest.raises(DataError, match=r"Bands\.omega has shape"):
        Bands(path, np.zeros((len(path.distance) + 1, 3)), None)


def test_a_path_through_another_cell_is_refused(crystals, springs):
    bcc = crystals["bcc"]
    wider = Crystal(bcc.cell * 1.01, bcc.sites, bcc.species, bcc.masses)
    with pytest.raises(DataError, match="made for another cell"):
        dispersion(springs(bcc, 3.0), band_path(wider, 0.5))
