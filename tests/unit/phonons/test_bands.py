"""Bands along a path, and group velocities against differences of frequencies."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from trajmodes.data.bands import Bands
from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.spectra import PowerSpectra
from trajmodes.errors import DataError
from trajmodes.phonons.bands import (
    branches_by_chunk,
    connected,
    dispersion,
    group_velocities,
    spectral_map,
    velocity_errors,
    velocity_operator,
)
from trajmodes.phonons.dynamical_matrix import (
    dynamical_matrices,
    lattice_sum,
    matrix_gradient,
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


Q_SOME = np.array([[0.13, 0.21, -0.34], [0.4, 0.1, 0.05]])


def polar(constants):
    """The same with charges that the symmetry of two equal sublattices of a salt allows."""
    born = np.array([1.2, -1.2])[:, None, None] * np.eye(3)
    return replace(constants, charges=Charges(born, 2.5 * np.eye(3)))


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic", "rock salt"])
def test_the_gradient_of_the_matrix_is_its_difference(name, crystals, springs):
    constants = springs(crystals[name], 4.5)
    total = lattice_sum(polar(constants) if name == "rock salt" else constants)
    found = matrix_gradient(total, Q_SOME)
    for x in range(3):
        step = np.zeros(3)
        step[x] = 1e-4  # 1/Å
        change = step @ constants.crystal.cell.T / (2.0 * np.pi)
        ahead, behind = (dynamical_matrices(total, Q_SOME + s * change) for s in (1, -1))
        wanted = (ahead - behind) / 2e-4
        np.testing.assert_allclose(found[:, x], wanted, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("name", ["diamond", "wurtzite", "triclinic"])
def test_the_velocity_operator_is_the_gradient_of_the_root_of_the_matrix(
    name, crystals, springs
):
    constants = springs(crystals[name], 4.5)
    total = lattice_sum(constants)
    found = velocity_operator(constants, Q_SOME)
    _, columns = np.linalg.eigh(dynamical_matrices(total, Q_SOME))

    def root(q: np.ndarray) -> np.ndarray:
        square, vectors = np.linalg.eigh(dynamical_matrices(total, q))
        return (vectors * np.sqrt(square)[:, None, :]) @ vectors.conj().swapaxes(1, 2)

    for x in range(3):
        step = np.zeros(3)
        step[x] = 1e-4
        change = step @ constants.crystal.cell.T / (2.0 * np.pi)
        slope = (root(Q_SOME + change) - root(Q_SOME - change)) / 2e-4
        wanted = columns.conj().swapaxes(1, 2) @ slope @ columns
        np.testing.assert_allclose(
            found.elements[..., x], wanted, atol=1e-5 * np.abs(wanted).max()
        )
    diagonal = np.einsum("qmmx->qmx", found.elements)
    np.testing.assert_allclose(diagonal.imag, 0.0, atol=1e-9)
    velocity = group_velocities(constants, Q_SOME).velocity
    np.testing.assert_allclose(diagonal.real, velocity, atol=1e-9 * np.abs(velocity).max())


def test_connected_bands_pass_through_crossings(crystals, springs):
    """Two sublattices that do not interact: every connected band belongs to one of them."""
    constants = springs(crystals["rock salt"], 4.5)
    alone = constants.first == constants.second
    values = constants.values * alone[:, None, None]
    at_home = alone & (constants.lattice == 0).all(axis=1)
    for site in (0, 1):
        own = constants.first == site
        rest = values[own].sum(axis=0)
        # One of them also oscillates about fixed points, so that its branches cross the others.
        held = 0.3 * np.eye(3) if site else np.zeros((3, 3))
        values[own & at_home] += held - rest
    apart = replace(constants, values=values)
    path = band_path(crystals["rock salt"], 0.02)
    branch = connected(apart, path)
    weight = (np.abs(modes_at(apart, path.qpoints).vectors) ** 2).sum(axis=3)[..., 1]
    along = np.take_along_axis(weight, branch, axis=1)
    np.testing.assert_array_equal(np.sort(branch, axis=1), np.arange(6) + 0 * branch)
    clear = np.abs(along - 0.5) > 0.4
    assert clear.mean() > 0.98
    starts = [0, *path.jumps, len(along)]
    crossed = False
    for start, stop in pairwise(starts):
        for m in range(6):
            own = along[start:stop, m][clear[start:stop, m]]
            assert np.ptp(own) < 0.2
            crossed |= bool(np.ptp(branch[start:stop, m]))
    assert crossed


def test_the_connection_does_not_depend_on_the_spacing(crystals, springs):
    constants = springs(crystals["wurtzite"], 4.5)
    coarse = band_path(crystals["wurtzite"], 0.02, "G M")
    middle = 0.5 * (coarse.qpoints[1:] + coarse.qpoints[:-1])
    both = np.empty((2 * len(coarse.qpoints) - 1, 3))
    both[::2], both[1::2] = coarse.qpoints, middle
    steps = np.interp(np.arange(len(both)) / 2, np.arange(len(middle) + 1), coarse.distance)
    fine = replace(coarse, qpoints=both, distance=steps, offsets=np.array([0, len(both)]))
    omega = frequencies_at(constants, coarse.qpoints)[0]
    found, wanted = (
        np.take_along_axis(omega, one, axis=1)[1:-1]
        for one in (connected(constants, coarse), connected(constants, fine)[::2])
    )
    np.testing.assert_allclose(found, wanted)
    assert np.ptp(connected(constants, coarse), axis=0).any()


# The second q of diamond and of rock salt has degenerate branches.
@pytest.mark.parametrize("name", ["diamond", "rock salt", "wurtzite", "triclinic"])
def test_errors_of_velocities_are_those_of_every_replicate(name, crystals, springs):
    whole, near = (springs(crystals[name], cutoff) for cutoff in (4.5, 3.0))
    places = {(*x,): k for k, x in enumerate(_pairs(whole))}
    other = np.zeros_like(whole.values)
    np.add.at(other, [places[(*x,)] for x in _pairs(near)], near.values)
    factors = 1e-4 * np.random.default_rng(5).standard_normal((6, 2))
    replicates = [whole.values * (1.0 + a) + b * other for a, b in factors]
    constants = replace(whole, replicates=np.array(replicates))
    q = [[0.1, 0.22, -0.31], [0.2, 0.2, 0.0]]
    anew = jackknife_sem(
        group_velocities(replace(whole, values=one), q).velocity for one in replicates
    )
    found = velocity_errors(constants, q)
    np.testing.assert_allclose(found, anew, rtol=0.02, atol=2e-3 * anew.max())
    assert np.isnan(velocity_errors(constants, [[0.0, 0.0, 0.0]])[0, :3]).all()


def _pairs(constants) -> list[list[int]]:
    return np.column_stack([constants.first, constants.second, constants.lattice]).tolist()


def test_velocities_have_no_errors_without_replicates(crystals, springs):
    with pytest.raises(DataError, match="at least two delete-one-block replicates"):
        velocity_errors(springs(crystals["bcc"], 3.0), [[0.1, 0.0, 0.0]])
