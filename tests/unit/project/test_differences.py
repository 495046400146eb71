"""Energies, spectra and widths from differenced positions agree with those of velocities."""

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import curve_fit

from trajmodes.project.sampling import (
    attenuation,
    energy_factor,
    frequency_from_ratio,
    spectrum_factor,
)
from trajmodes.units import THZ

INTERVAL_PS = 0.01
SEGMENT = 4096


def _differences(q_kt: np.ndarray) -> np.ndarray:
    return (q_kt[:, 2:] - q_kt[:, :-2]) / (2.0 * INTERVAL_PS)


@pytest.fixture(scope="module")
def damped():
    """Q and Q̇ (k, t) of damped oscillators, 15 THz and 1/γ = 2 ps, k_BT = 1, exact in time."""
    omega, gamma, n_series, n_frames = 15.0 * THZ, 0.5, 48, 6 * SEGMENT
    rng = np.random.default_rng(12)
    drift = np.array([[0.0, 1.0], [-(omega**2), -gamma]])
    step = expm(drift * INTERVAL_PS)
    spread = np.diag([1.0 / omega**2, 1.0])
    noise = np.linalg.cholesky(spread - step @ spread @ step.T)
    state = np.sqrt(spread) @ rng.normal(size=(2, n_series))
    series = np.empty((n_frames, 2, n_series))
    for t in range(n_frames):
        series[t] = state
        state = step @ state + noise @ rng.normal(size=(2, n_series))
    return omega, gamma, series[:, 0].T, series[:, 1].T


def _spectrum(v_kt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pieces = v_kt[:, : v_kt.shape[1] // SEGMENT * SEGMENT].reshape(-1, SEGMENT)
    window = np.sin(np.pi * np.arange(SEGMENT) / SEGMENT) ** 2
    power = (np.abs(np.fft.rfft(pieces * window)) ** 2).mean(axis=0)
    return THZ * np.fft.rfftfreq(SEGMENT, INTERVAL_PS), power


def _width(omega: np.ndarray, power: np.ndarray, centre: float) -> tuple[float, float]:
    """Frequency and full width at half maximum of a Lorentzian."""
    near = np.abs(omega - centre) < THZ

    def line(w, area, place, width):
        return area * width / ((w - place) ** 2 + 0.25 * width**2)

    start = (power[near].sum() * (omega[1] - omega[0]), centre, 0.1 * THZ)
    found, _ = curve_fit(line, omega[near], power[near], start)
    return found[1], abs(found[2])


def test_without_correction_a_tenth_is_lost() -> None:
    """10 THz every 10 fs: K × 0.875."""
    kept = attenuation(np.array([[10.0 * THZ]]), INTERVAL_PS)
    assert kept**2 == pytest.approx(0.875, abs=1e-3)


@pytest.mark.parametrize("freq_thz", [0.5, 5.0, 10.0, 15.0, 18.0])
def test_sinusoids_are_exact(freq_thz: float) -> None:
    omega = freq_thz * THZ
    phase = omega * INTERVAL_PS * np.arange(5000) + 0.3
    differences = _differences(np.exp(-1j * phase)[None])
    kept = attenuation(np.array([omega]), INTERVAL_PS)
    true = -1j * omega * np.exp(-1j * phase[1:-1])
    assert np.allclose(differences / kept, true, rtol=1e-12)


def test_imaginary_modes_are_not_corrected() -> None:
    assert attenuation(np.array([-20.0, 0.0]), INTERVAL_PS).tolist() == [1.0, 1.0]


def test_an_anharmonic_shift_is_found_and_corrected() -> None:
    """Harmonic 14.5 THz, actually 15: K would be 2 % wrong, the frequency 1 %."""
    omega, harmonic = 15.0 * THZ, np.array([14.5 * THZ])
    phase = omega * INTERVAL_PS * np.arange(20_000)
    kept = attenuation(harmonic, INTERVAL_PS)
    differences = _differences(np.exp(-1j * phase)[None]) / kept
    ratio = np.sqrt((np.abs(differences) ** 2).mean(axis=1))
    found = frequency_from_ratio(ratio, kept, INTERVAL_PS)
    assert found == pytest.approx(omega, rel=1e-10)
    kinetic = (np.abs(differences) ** 2).mean(axis=1) / omega**2
    assert kinetic == pytest.approx(0.98, abs=0.003)
    assert kinetic * energy_factor(found, kept, INTERVAL_PS) == pytest.approx(1.0, rel=1e-10)


def test_a_ratio_that_differences_cannot_give_is_unknown() -> None:
    found = frequency_from_ratio(np.array([90.0, 101.0]), np.ones(2), INTERVAL_PS)
    assert np.isfinite(found).tolist() == [True, False]
    assert energy_factor(found, np.ones(2), INTERVAL_PS)[1] == 1.0


def test_energies_of_damped_oscillators_are_those_of_their_velocities(damped) -> None:
    """Up to −2γΔ/3 = −0.3 %, the part of a damped oscillator above the Nyquist frequency."""
    omega, gamma, q_kt, v_kt = damped
    kept = attenuation(np.array([omega]), INTERVAL_PS)
    plain = _differences(q_kt)
    true = (v_kt[:, 1:-1] ** 2).mean()
    assert (plain**2).mean() / true == pytest.approx(0.738, abs=0.004)
    square = (q_kt[:, 1:-1] ** 2).mean()
    ratio = np.sqrt((plain**2).mean() / square) / kept
    found = frequency_from_ratio(ratio, kept, INTERVAL_PS)
    corrected = (plain**2).mean() / kept**2 * energy_factor(found, kept, INTERVAL_PS)
    lost = -2.0 * gamma * INTERVAL_PS / 3.0
    assert corrected / true == pytest.approx(1.0 + lost, abs=2e-3)
    assert found == pytest.approx(np.sqrt(true / square), rel=3e-3)


def test_spectra_of_damped_oscillators_are_those_of_their_velocities(damped) -> None:
    centre, _, q_kt, v_kt = damped
    omega, plain = _spectrum(_differences(q_kt))
    _, true = _spectrum(v_kt[:, 1:-1])
    corrected = plain * spectrum_factor(omega, INTERVAL_PS)
    near = np.abs(omega - centre) < 0.5 * THZ
    # The same noise is in both: bins agree one by one.
    assert corrected[near] == pytest.approx(true[near], rel=0.02)
    assert corrected[near].sum() == pytest.approx(true[near].sum(), rel=1e-3)
    assert plain[near].sum() == pytest.approx(0.738 * true[near].sum(), rel=0.01)


def test_linewidths_of_damped_oscillators_are_those_of_their_velocities(damped) -> None:
    centre, gamma, q_kt, v_kt = damped
    omega, plain = _spectrum(_differences(q_kt))
    corrected = plain * spectrum_factor(omega, INTERVAL_PS)
    place, width = _width(omega, corrected, centre)
    true_place, true_width = _width(*_spectrum(v_kt[:, 1:-1]), centre)
    assert width == pytest.approx(true_width, rel=3e-3)
    assert place == pytest.approx(true_place, abs=1e-4 * THZ)
    # And of the order that the oscillators have: the window adds to it.
    assert gamma < true_width < 1.7 * gamma


def test_spectra_of_corrected_amplitudes_need_the_remaining_factor(damped) -> None:
    centre, _, q_kt, _ = damped
    kept = attenuation(np.array([centre]), INTERVAL_PS)
    omega, plain = _spectrum(_differences(q_kt))
    _, scaled = _spectrum(_differences(q_kt) / kept)
    factor = spectrum_factor(omega, INTERVAL_PS)
    assert scaled * factor * kept**2 == pytest.approx(plain * factor, rel=1e-12)


def test_noise_beyond_the_lines_is_not_amplified() -> None:
    factor = spectrum_factor(THZ * np.array([0.0, 22.5, 30.0, 49.9, 50.0]), INTERVAL_PS)
    assert factor[0] == 1.0
    assert factor[1:] == pytest.approx(np.full(4, 1.0 / 0.49), rel=3e-3)
