"""Expected spectra of damped oscillators and of Fano lines, from their definitions."""

import numpy as np
import pytest

from trajmodes.project.lineshape.models import LineShape, Observed, model_of
from trajmodes.project.spectra.segments import hann

LENGTH, INTERVAL = 128, 0.01
FANO_LENGTH = 256
BINS = np.arange(1, FANO_LENGTH // 2)[None]


def _expected(
    line: tuple[float, ...], bins: np.ndarray, length: int, interval: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spectrum (w,) of a line (ω₀, γ) or (ω₀, γ, a), and derivatives by ω₀, ln γ and a."""
    omega, gamma, *asymmetry = line
    shape = LineShape("fano" if asymmetry else "oscillator")
    inside, power = np.ones(bins.shape, bool), np.ones(bins.shape)
    observed = Observed(bins, inside, power, np.ones(1), length, interval)
    found, slopes = model_of(shape)(
        observed, np.array([[0.0, omega, np.log(gamma), *asymmetry]])
    )
    return found[0], slopes[0, 1:]


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
    power, slopes = _expected((omega, gamma), bins, LENGTH, INTERVAL)
    truth = _by_summation(omega, gamma)
    assert np.allclose(power, truth, rtol=0, atol=1e-12 * truth.max())
    h = 1e-5
    by_omega = (_by_summation(omega + h, gamma) - _by_summation(omega - h, gamma)) / (2 * h)
    grown, shrunk = gamma * np.exp(h), gamma * np.exp(-h)
    by_gamma = (_by_summation(omega, grown) - _by_summation(omega, shrunk)) / (2 * h)
    assert np.allclose(slopes[0], by_omega, rtol=0, atol=1e-6 * np.abs(by_omega).max())
    assert np.allclose(slopes[1], by_gamma, rtol=0, atol=1e-6 * np.abs(by_gamma).max())


def test_area_is_the_kinetic_energy_and_width_is_gamma() -> None:
    """A broad, well resolved line: ω²γ/((ω² − ω₀²)² + γ²ω²) has FWHM γ."""
    length, interval, omega, gamma = 8192, 2e-3, 60.0, 6.0
    bins = np.arange(1, length // 2)[None]
    power, _ = _expected((omega, gamma), bins, length, interval)
    spacing = 2 * np.pi / (length * interval)
    assert power.sum() * spacing == pytest.approx(1.0, abs=1e-3)
    w = bins[0] * spacing
    above = w[power > 0.5 * power.max()]
    assert above[-1] - above[0] + spacing == pytest.approx(gamma, abs=2 * spacing)
    # The integral over ω > 0 is 1.
    model = 2 / np.pi * gamma * w**2 / ((w**2 - omega**2) ** 2 + gamma**2 * w**2)
    near = np.abs(w - omega) < 3 * gamma
    assert np.allclose(power[near], model[near], rtol=2e-2)


def _profile(omega: np.ndarray, omega0: float, gamma: float, asymmetry: float) -> np.ndarray:
    shape = omega**2 / ((omega**2 - omega0**2) ** 2 + gamma**2 * omega**2)
    kappa = (omega**2 - omega0**2) / (gamma * omega0)
    return 2 / np.pi * gamma * shape * (1 + asymmetry * kappa) ** 2


def _convolved_with_window(
    bins: np.ndarray, length: int, df: float, shape: tuple
) -> np.ndarray:
    """The definition, convolved with the power response of the window on a fine grid."""
    fine, lobes = 16, 20
    response = np.fft.fftshift(np.abs(np.fft.fft(hann(length), fine * length)) ** 2)
    response /= response.sum()
    # Lobes further out are below 1e-9 of the first, but the continuum grows without bound.
    middle = fine * length // 2
    kernel = response[middle - lobes * fine : middle + lobes * fine + 1]
    steps = np.arange(-lobes * fine, lobes * fine + 1) / fine
    return _profile(2 * np.pi * df * (bins[:, None] + steps), *shape) @ kernel


@pytest.mark.parametrize("asymmetry", [0.3, -0.2, 0.02])
@pytest.mark.parametrize(("omega0", "gamma"), [(90.0, 6.0), (60.0, 20.0)])
def test_expected_fano_is_the_profile_convolved_with_the_window(
    omega0, gamma, asymmetry
) -> None:
    # Frames so close in time that there is no aliasing, which the definition lacks.
    length, interval = 2560, 1e-3
    df = 1 / (length * interval)
    bins = np.arange(1, 160)
    bins = bins[np.abs(2 * np.pi * bins * df - omega0) < 4 * gamma]
    line = (omega0, gamma, asymmetry)
    power, _ = _expected(line, bins[None], length, interval)
    known = _convolved_with_window(bins, length, df, line)
    assert np.allclose(power, known, rtol=1e-3, atol=3e-4 * known.max())


@pytest.mark.parametrize("line", [(60.0, 4.0), (8.0, 30.0)])
def test_zero_asymmetry_gives_the_oscillator(line: tuple[float, float]) -> None:
    fano, by_fano = _expected((*line, 0.0), BINS, FANO_LENGTH, INTERVAL)
    plain, by_plain = _expected(line, BINS, FANO_LENGTH, INTERVAL)
    assert np.allclose(fano, plain, rtol=1e-12)
    assert np.allclose(by_fano[:2], by_plain, rtol=1e-9, atol=1e-12)


def test_the_sign_of_the_asymmetry_gives_the_side_of_the_zero() -> None:
    """For a > 0 a zero below the line, at ω² = ω₀² − γω₀/a, and more power above it."""
    power, _ = _expected((80.0, 8.0, 0.5), BINS, FANO_LENGTH, INTERVAL)
    bins_per_omega = FANO_LENGTH * INTERVAL / (2 * np.pi)
    dark = np.sqrt(80.0**2 - 8.0 * 80.0 / 0.5) * bins_per_omega
    assert abs(BINS[0][10:40][np.argmin(power[10:40])] - dark) <= 1
    assert BINS[0][np.argmax(power[:60])] > 80.0 * bins_per_omega


@pytest.mark.parametrize("asymmetry", [0.0, 0.3, -0.4])
@pytest.mark.parametrize(("omega0", "gamma"), [(60.0, 4.0), (9.0, 30.0)])
def test_derivatives_equal_finite_differences(
    omega0: float, gamma: float, asymmetry: float
) -> None:
    def power(change: np.ndarray) -> np.ndarray:
        line = (omega0 + change[0], gamma * np.exp(change[1]), asymmetry + change[2])
        return _expected(line, BINS, FANO_LENGTH, INTERVAL)[0]

    _, slopes = _expected((omega0, gamma, asymmetry), BINS, FANO_LENGTH, INTERVAL)
    for n in range(3):
        h = 1e-5 * np.eye(3)[n]
        known = (power(h) - power(-h)) / 2e-5
        assert np.allclose(slopes[n], known, rtol=0, atol=1e-6 * np.abs(known).max())
