import numpy as np
import pytest

from trajmodes.project.lineshape.oscillator import expected_fano, expected_power
from trajmodes.project.spectra.segments import hann

LENGTH, INTERVAL = 256, 0.01
BINS = np.arange(1, LENGTH // 2)[None]


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
    shape = tuple(np.array([x]) for x in (omega0, gamma, asymmetry))
    power, _ = expected_fano(shape, bins[None], length, interval)
    known = _convolved_with_window(bins, length, df, (omega0, gamma, asymmetry))
    assert np.allclose(power[0], known, rtol=1e-3, atol=3e-4 * known.max())


def test_zero_asymmetry_gives_the_oscillator() -> None:
    omega, gamma = np.array([60.0, 8.0]), np.array([4.0, 30.0])
    bins = np.repeat(BINS, 2, axis=0)
    fano, by_fano = expected_fano((omega, gamma, np.zeros(2)), bins, LENGTH, INTERVAL)
    plain, by_plain = expected_power(omega, gamma, bins, LENGTH, INTERVAL)
    assert np.allclose(fano, plain, rtol=1e-12)
    assert np.allclose(by_fano[:, :2], by_plain, rtol=1e-9, atol=1e-12)


def test_the_sign_of_the_asymmetry_gives_the_side_of_the_zero() -> None:
    """For a > 0 a zero below the line, at ω² = ω₀² − γω₀/a, and more power above it."""
    omega0, gamma = np.array([80.0]), np.array([8.0])
    power, _ = expected_fano((omega0, gamma, np.array([0.5])), BINS, LENGTH, INTERVAL)
    dark = np.sqrt(80.0**2 - 8.0 * 80.0 / 0.5) * LENGTH * INTERVAL / (2 * np.pi)
    assert abs(BINS[0][10:40][np.argmin(power[0][10:40])] - dark) <= 1
    assert BINS[0][np.argmax(power[0][:60])] > 80.0 * LENGTH * INTERVAL / (2 * np.pi)


@pytest.mark.parametrize("asymmetry", [0.0, 0.3, -0.4])
@pytest.mark.parametrize(("omega0", "gamma"), [(60.0, 4.0), (9.0, 30.0)])
def test_derivatives_equal_finite_differences(
    omega0: float, gamma: float, asymmetry: float
) -> None:
    def power(change: np.ndarray) -> np.ndarray:
        shape = (omega0 + change[0], gamma * np.exp(change[1]), asymmetry + change[2])
        columns = tuple(np.array([x]) for x in shape)
        return expected_fano(columns, BINS, LENGTH, INTERVAL)[0][0]

    columns = tuple(np.array([x]) for x in (omega0, gamma, asymmetry))
    slopes = expected_fano(columns, BINS, LENGTH, INTERVAL)[1][0]
    for n in range(3):
        h = 1e-5 * np.eye(3)[n]
        known = (power(h) - power(-h)) / 2e-5
        assert np.allclose(slopes[n], known, rtol=0, atol=1e-6 * np.abs(known).max())
