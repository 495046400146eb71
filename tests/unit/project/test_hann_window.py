import numpy as np
import pytest
from scipy.signal import get_window

from trajmodes.project.spectra.segments import effective_segments, hann, resolution_of


def test_window_is_scipys_periodic_hann() -> None:
    assert np.allclose(hann(48), get_window("hann", 48), atol=1e-15)
    assert (hann(48) ** 2).sum() == pytest.approx(3 / 8 * 48)


def test_resolution_is_the_width_of_a_pure_tone() -> None:
    """Zero-padding resolves the main lobe; half its maximum lies half the resolution away."""
    length, interval, padded = 64, 0.01, 64 * 1024
    response = np.abs(np.fft.rfft(hann(length), padded)) ** 2
    freq = np.fft.rfftfreq(padded, interval)
    half_width = np.interp(-0.5 * response[0], -response[: 2 * 1024], freq[: 2 * 1024])
    assert resolution_of(length, interval) == pytest.approx(4 * np.pi * half_width, rel=1e-3)


def test_effective_number_of_overlapping_segments() -> None:
    """Variance of a Welch mean of white noise against the claimed number of averages."""
    rng = np.random.default_rng(5)
    length, n_segments = 64, 7
    noise = rng.normal(size=(4000, length * (n_segments + 1) // 2))
    spectra = [
        np.abs(np.fft.rfft(noise[:, s : s + length] * hann(length))[:, 5:25]) ** 2
        for s in range(0, noise.shape[1] - length + 1, length // 2)
    ]
    mean = np.mean(spectra, axis=0)
    worth = (mean.mean(axis=0) ** 2 / mean.var(axis=0)).mean()
    assert effective_segments([n_segments]) == pytest.approx(worth, rel=0.02)
    assert effective_segments([4, 3]) > effective_segments([7])
    assert effective_segments([1, 0]) == 1.0
