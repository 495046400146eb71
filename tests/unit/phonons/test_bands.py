"""Bands along a path."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.bands import Bands
from trajmodes.data.crystal import Crystal
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError
from trajmodes.phonons.bands import dispersion, spectral_map
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.symmetry.translations import build_supercell, half_space


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


def test_jumps_of_a_path_are_labelled(crystals):
    path = band_path(crystals["bcc"], 0.1)
    # Γ–H–N–Γ–P–H|P–N: one jump, at no distance.
    (here,) = path.jumps
    assert path.distance[here] == pytest.approx(path.distance[here - 1])
    assert np.abs(path.qpoints[here] - path.qpoints[here - 1]).max() > 0.1
    assert "H|P" in path.ticks()[1]


def test_the_spectral_map_is_the_sum_of_its_branches(crystals, springs):
    constants = springs(crystals["bcc"], 4.0)
    space = half_space(build_supercell(crystals["bcc"], 3 * np.eye(3, dtype=int)))
    modes = modes_at(constants, space.qpoints, space.weights)
    # The spectrum of each set is its label plus one.
    power_gw = np.arange(1.0, modes.n_sets + 1.0)[:, None] * np.ones(4)
    spectra = PowerSpectra(np.arange(4.0), power_gw, np.ones(modes.n_sets), 16, 0.01)
    found = spectral_map(band_path(crystals["bcc"], 0.1), modes, spectra)
    sums = {float((row + 1.0).sum()) for row in modes.sets if (row >= 0).all()}
    assert set(found.power[:, 0].tolist()) <= sums
    np.testing.assert_array_equal(found.power, found.branches.sum(axis=1))
    assert (np.diff(found.distance) >= 0.0).all()
