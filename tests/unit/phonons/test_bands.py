"""Bands along a path, and group velocities against differences of frequencies."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.bands import Bands
from trajmodes.data.crystal import Crystal
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError
from trajmodes.phonons.bands import (
    branches_by_chunk,
    dispersion,
    group_velocities,
    spectral_map,
)
from trajmodes.phonons.modes import frequencies_at, modes_at
from trajmodes.phonons.qpoints import band_path
from trajmodes.symmetry.stars import star_images
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


NAMES = ["diamond", "rock salt", "bcc", "wurtzite", "rutile", "triclinic"]
STEP = 1e-5


def slopes(constants, q_qx, direction) -> np.ndarray:
    """(q, m) derivative of ω along a Cartesian direction, from both sides."""
    step = STEP * direction @ constants.crystal.cell.T / (2.0 * np.pi)
    ahead, behind = (frequencies_at(constants, q_qx + k * step)[0] for k in (1, -1))
    return (ahead - behind) / (2.0 * STEP)


@pytest.mark.parametrize("name", NAMES)
def test_velocities_are_derivatives_of_the_frequencies(name, crystals, springs):
    constants = springs(crystals[name], 4.5)
    q_qx = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3))
    found = group_velocities(constants, q_qx)
    np.testing.assert_allclose(
        found.omega, frequencies_at(constants, q_qx)[0], atol=1e-9 * found.omega.max()
    )
    wanted = np.stack([slopes(constants, q_qx, axis) for axis in np.eye(3)], axis=-1)
    np.testing.assert_allclose(found.velocity, wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "rutile"])
def test_velocities_of_degenerate_branches_are_one_sided_slopes(name, crystals, springs):
    constants = springs(crystals[name], 4.5)
    direction = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
    q_qx = np.array([[0.2, 0.2, 0.2], [0.3, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.5]])
    found = group_velocities(constants, q_qx)
    along = found.velocity @ direction
    # the order of branches behind a crossing is turned over: take both one-sided slopes
    step = STEP * direction @ constants.crystal.cell.T / (2.0 * np.pi)
    ahead = (frequencies_at(constants, q_qx + step)[0] - found.omega) / STEP
    np.testing.assert_allclose(
        np.sort(along, axis=1), np.sort(ahead, axis=1), atol=2e-3 * np.abs(ahead).max()
    )


@pytest.mark.parametrize("name", ["diamond", "wurtzite"])
def test_speed_is_equal_within_a_star(name, crystals, springs):
    constants = springs(crystals[name], 4.5)
    images = star_images(crystals[name], [[0.13, 0.27, -0.4]])[:, 0]
    speed = np.linalg.norm(group_velocities(constants, images).velocity, axis=2)
    np.testing.assert_allclose(speed, np.broadcast_to(speed[0], speed.shape), rtol=1e-7)


def test_uniform_shifts_have_no_velocity_and_imaginary_modes_a_negative_one(crystals, springs):
    constants = springs(crystals["diamond"], 4.5)
    found = group_velocities(constants, [[0, 0, 0], [1, 0, 0], [0.1, 0.2, 0.3]])
    assert np.isnan(found.velocity[:2, :3]).all()
    np.testing.assert_allclose(found.velocity[:2, 3:], 0.0, atol=1e-6)
    assert (found.omega[:2, :3] == 0.0).all()
    soft = springs(crystals["diamond"], 4.5, strength=-1.0)
    turned = group_velocities(soft, [[0.1, 0.2, 0.3]])
    assert (turned.omega < 0.0).all()
    np.testing.assert_allclose(turned.omega[0, ::-1], -found.omega[2], rtol=1e-10)
    np.testing.assert_allclose(
        turned.velocity[0, ::-1], -found.velocity[2], rtol=1e-6, atol=1e-6
    )


def test_results_do_not_depend_on_chunks(crystals, springs):
    constants = springs(crystals["rock salt"], 4.5)
    q_qx = np.random.default_rng(1).uniform(-0.5, 0.5, (7, 3))
    whole = group_velocities(constants, q_qx)
    parts = list(branches_by_chunk(constants, q_qx, 3))
    assert [part.start for part, _ in parts] == [0, 3, 6]
    for part, found in parts:
        np.testing.assert_allclose(found.velocity, whole.velocity[part], rtol=1e-9, atol=1e-9)


def test_invalid_q_points_are_refused(crystals, springs):
    constants = springs(crystals["bcc"], 3.0)
    with pytest.raises(DataError, match=r"finite numbers of shape \(q, 3\)"):
        group_velocities(constants, [0.0, 0.0, 0.0])
    with pytest.raises(DataError, match=r"finite numbers of shape \(q, 3\)"):
        group_velocities(constants, [[0.0, np.nan, 0.0]])
