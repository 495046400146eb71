"""Results from differenced positions become those of velocities, anharmonic shift included."""

from dataclasses import replace

import numpy as np
import pytest

from trajmodes.data.modes import Modes
from trajmodes.data.spectra import (
    BandSpectra,
    MaximumEntropySpectra,
    PowerSpectra,
)
from trajmodes.project.energies.estimates import EnergyReduction
from trajmodes.project.projector import Amplitudes, Projector
from trajmodes.project.sampling import (
    attenuation,
    correct_density,
    correct_energies,
    correct_spectra,
)
from trajmodes.symmetry.stars import set_mean
from trajmodes.symmetry.translations import HalfSpace
from trajmodes.units import THZ

INTERVAL_PS, N_FRAMES = 0.02, 4000


@pytest.fixture
def both(space: HalfSpace, modes: Modes):
    """Energies from velocities and from differences, modes 3 % above their harmonic
    frequency.
    """
    true = 1.03 * modes.omega[..., None]
    rng = np.random.default_rng(2)
    size = rng.normal(size=(2, *modes.omega.shape, 1))
    times = INTERVAL_PS * np.arange(-1, N_FRAMES + 1)
    wave = (size[0] + 1j * size[1]) * np.exp(-1j * true * times)
    kept = attenuation(modes.omega, INTERVAL_PS)
    differences = (wave[..., 2:] - wave[..., :-2]) / (2.0 * INTERVAL_PS)
    q_qmt, v_qmt = wave[..., 1:-1], -1j * true * wave[..., 1:-1]
    reduction = EnergyReduction(Projector(space, modes), N_FRAMES)
    results = [
        reduction.finalize(reduction.chunk(Amplitudes(0, q_qmt, v, None)))
        for v in (v_qmt, differences / kept[..., None])
    ]
    return *results, set_mean(kept, modes)


def test_energies_are_those_of_the_velocities(both, modes: Modes) -> None:
    exact, plain, kept = both
    found = correct_energies(plain, kept, INTERVAL_PS, modes.sets)
    for name in ("kinetic", "omega_ratio", "omega_displacement"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=1e-9), name
    assert found.temperature == pytest.approx(exact.temperature, rel=1e-9)
    assert np.abs(plain.kinetic / exact.kinetic - 1.0).max() > 0.02
    for name in ("single", "travelling"):
        corrected_values, true = getattr(found, name), getattr(exact, name)
        np.testing.assert_allclose(corrected_values, true, rtol=1e-9, atol=1e-12, err_msg=name)
        assert np.nanmax(np.abs(getattr(plain, name) / true - 1.0)) > 0.02
    assert np.array_equal(found.potential, plain.potential, equal_nan=True)


def test_error_bars_include_the_correction(both, modes: Modes) -> None:
    _, plain, kept = both
    plain = replace(
        plain,
        kinetic_sem=0.01 * plain.kinetic,
        omega_ratio_sem=0.01 * plain.omega_ratio,
    )
    found = correct_energies(plain, kept, INTERVAL_PS, modes.sets)
    assert (found.kinetic_sem > 0.01 * found.kinetic).all()
    # By hand: a ratio one standard error higher.
    higher = replace(plain, omega_ratio=plain.omega_ratio * 1.0001)
    moved = correct_energies(higher, kept, INTERVAL_PS, modes.sets)
    assert 100 * (moved.omega_ratio - found.omega_ratio) == pytest.approx(
        found.omega_ratio_sem, rel=2e-2
    )
    change = 100 * (moved.kinetic - found.kinetic)
    assert np.hypot(0.01 * found.kinetic, change) == pytest.approx(found.kinetic_sem, rel=2e-2)


def test_an_unknown_frequency_changes_nothing(both, modes: Modes) -> None:
    _, plain, kept = both
    lost = replace(plain, omega_ratio=np.full_like(plain.omega_ratio, 1.1 / INTERVAL_PS) / kept)
    found = correct_energies(lost, kept, INTERVAL_PS, modes.sets)
    assert np.array_equal(found.kinetic, lost.kinetic)
    assert np.array_equal(found.omega_ratio, lost.omega_ratio)
    np.testing.assert_array_equal(found.kinetic_sem, lost.kinetic_sem)


def test_spectra_get_the_remaining_correction() -> None:
    """None at the harmonic frequency, where amplitudes are already correct; more above it."""
    omega = np.array([0.0, 5.0, 8.0]) * THZ
    kept = attenuation(np.array([5.0, 8.0]) * THZ, INTERVAL_PS)
    whole = PowerSpectra(omega, np.ones((2, 3)), np.ones(2), 100, 0.04)
    power = correct_spectra(whole, kept, INTERVAL_PS).power
    assert power[0, 1] == pytest.approx(1.0)
    assert power[1, 2] == pytest.approx(1.0)
    assert power[0, 2] == pytest.approx((kept[0] / kept[1]) ** 2)
    assert power[:, 0] == pytest.approx(kept**2)
    bands = BandSpectra(np.array([20, 32]), np.ones((2, 5)), np.ones(2), 100, 0.04)
    power = correct_spectra(bands, kept, INTERVAL_PS).power
    assert bands.omega[:, 0] / THZ == pytest.approx([5.0, 8.0])
    assert power[:, 0] == pytest.approx([1.0, 1.0])
    assert (np.diff(power, axis=1) > 0.0).all()


def test_maximum_entropy_spectra_are_corrected_alike() -> None:
    omega = np.array([0.0, 5.0, 8.0]) * THZ
    kept = attenuation(np.array([5.0, 8.0]) * THZ, INTERVAL_PS)
    power = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
    whole = PowerSpectra(omega, power, np.ones(2), 100, 0.04)
    found = correct_spectra(MaximumEntropySpectra(omega, power, 20), kept, INTERVAL_PS)
    wanted = correct_spectra(whole, kept, INTERVAL_PS)
    np.testing.assert_array_equal(found.power, wanted.power)


def test_densities_sum_to_the_spectra_of_the_modes() -> None:
    rng = np.random.default_rng(5)
    omega, members = THZ * np.linspace(0.0, 9.0, 50), np.array([3, 24, 12])
    kept = attenuation(np.array([3.0, 5.0, 8.0]) * THZ, INTERVAL_PS)
    power = rng.random((3, 50))
    power[:, 7] = 0.0
    found = PowerSpectra(omega, power, np.ones(3), 98, 0.04)
    shares = rng.dirichlet(np.ones(6), 50).T.reshape(2, 3, 50)
    density = shares * (members @ found.power)
    corrected = correct_spectra(found, kept, INTERVAL_PS)
    corrected_density = correct_density(density, found, corrected, members)
    np.testing.assert_allclose(
        corrected_density.sum(axis=(0, 1)), members @ corrected.power, rtol=1e-12
    )
    there = np.arange(50) != 7
    corrected_density = corrected_density[..., there]
    np.testing.assert_allclose(
        corrected_density / corrected_density.sum(axis=(0, 1)), shares[..., there], rtol=1e-12
    )
