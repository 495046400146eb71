import numpy as np
import pytest

from trajmodes.project.lineshape.oscillator import expected_power
from trajmodes.project.spectra.segments import hann

LENGTH, INTERVAL = 128, 0.01


def _by_summation(omega: float, gamma: float) -> np.ndarray:
    """Fourier sum of window autocorrelation times velocity autocorrelation, bin by bin."""
    lags = np.arange(LENGTH)
    times = lags * INTERVAL
    root = np.sqrt(complex(omega**2 - gamma**2 / 4))
    decay = np.exp(-gamma * times / 2)
    correlation = (
        decay * (np.cos(root * times) - gamma / (2 * root) * np.sin(root * times)).real
    )
    window = hann(LENGTH)
    overlap = np.correlate(window, window, "full")[LENGTH - 1 :]
    product = overlap * correlation
    bins = np.arange(1, LENGTH // 2)
    cosines = np.cos(2 * np.pi * np.outer(bins, lags[1:]) / LENGTH)
    return INTERVAL / np.pi / overlap[0] * (product[0] + 2 * cosines @ product[1:])


CASES = [(40.0, 3.0), (40.0, 0.1), (40.0, 1e-3), (5.0, 30.0), (250.0, 20.0), (40.0, 79.9)]


@pytest.mark.parametrize(("omega", "gamma"), CASES)
def test_closed_form_equals_the_sum(omega: float, gamma: float) -> None:
    bins = np.arange(1, LENGTH // 2)[None]
    power, slopes = expected_power(np.array([omega]), np.array([gamma]), bins, LENGTH, INTERVAL)
    truth = _by_summation(omega, gamma)
    assert np.allclose(power[0], truth, rtol=0, atol=1e-12 * truth.max())
    h = 1e-5
    by_omega = (_by_summation(omega + h, gamma) - _by_summation(omega - h, gamma)) / (2 * h)
    grown, shrunk = gamma * np.exp(h), gamma * np.exp(-h)
    by_gamma = (_by_summation(omega, grown) - _by_summation(omega, shrunk)) / (2 * h)
    assert np.allclose(slopes[0, 0], by_omega, rtol=0, atol=1e-6 * np.abs(by_omega).max())
    assert np.allclose(slopes[0, 1], by_gamma, rtol=0, atol=1e-6 * np.abs(by_gamma).max())


def test_area_is_the_kinetic_energy_and_width_is_gamma() -> None:
    """A broad, well resolved line: ω²γ/((ω² − ω₀²)² + γ²ω²) has FWHM γ."""
    length, interval, omega, gamma = 8192, 2e-3, 60.0, 6.0
    bins = np.arange(1, length // 2)[None]
    power = expected_power(np.array([omega]), np.array([gamma]), bins, length, interval)[0][0]
    spacing = 2 * np.pi / (length * interval)
    assert power.sum() * spacing == pytest.approx(1.0, abs=1e-3)
    w = bins[0] * spacing
    above = w[power > 0.5 * power.max()]
    assert above[-1] - above[0] + spacing == pytest.approx(gamma, abs=2 * spacing)
    # The integral over ω > 0 is 1.
    model = 2 / np.pi * gamma * w**2 / ((w**2 - omega**2) ** 2 + gamma**2 * w**2)
    near = np.abs(w - omega) < 3 * gamma
    assert np.allclose(power[near], model[near], rtol=2e-2)
