"""Lines narrower than the window have no width, but a frequency with a valid error."""

import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.data.spectra import BandSpectra, Verdict
from trajmodes.project.lineshape.fit import fit_lines
from trajmodes.project.spectra.segments import effective_segments, hann, resolution_of
from trajmodes.units import THZ

INTERVAL, LENGTH, SEGMENTS, SETS, MEMBERS = 0.02, 256, 7, 150, 6
RESOLUTION = resolution_of(LENGTH, INTERVAL)


def velocities(omega: np.ndarray, width: float, rng: np.random.Generator) -> np.ndarray:
    """Exact damped oscillators (g, m, t) in a heat bath; widths are in resolutions."""
    gamma = width * RESOLUTION
    n_frames = LENGTH // 2 * (SEGMENTS + 1)
    rate = np.zeros((len(omega), 2, 2))
    rate[:, 0, 1], rate[:, 1, 0], rate[:, 1, 1] = 1.0, -(omega**2), -gamma
    step = np.array([expm(one) for one in INTERVAL * rate])
    equal = np.zeros_like(step)
    equal[:, 0, 0], equal[:, 1, 1] = omega**-2, 1.0
    kicks = np.linalg.cholesky(equal - step @ equal @ step.swapaxes(1, 2))
    state = np.sqrt(equal) @ rng.normal(size=(len(omega), 2, MEMBERS))
    found = np.empty((len(omega), MEMBERS, n_frames))
    for t in range(n_frames):
        state = step @ state + kicks @ rng.normal(size=state.shape)
        found[:, :, t] = state[:, 1]
    return found


def spectra_of(*parts: np.ndarray) -> BandSpectra:
    """Welch spectra of modes (g, m, t), all parts of a set pooled."""
    half, window = LENGTH // 2, hann(LENGTH)
    power = np.zeros((SETS, half + 1))
    for k in range(SEGMENTS):
        here = np.s_[..., k * half : k * half + LENGTH]
        waves = np.fft.rfft(np.concatenate([part[here] for part in parts], axis=1) * window)
        power += np.mean(np.abs(waves) ** 2, axis=1) / SEGMENTS
    averages = np.full(SETS, effective_segments([SEGMENTS]) * len(parts) * MEMBERS)
    power *= INTERVAL / (2.0 * np.pi * 0.375 * LENGTH)
    return BandSpectra(np.zeros(SETS, dtype=int), power, averages, LENGTH, INTERVAL)


@pytest.mark.parametrize("width", [0.0005, 0.05, 0.5])
def test_frequency_errors_of_unresolved_lines_agree_with_the_scatter(width: float) -> None:
    """For several widths in resolutions."""
    rng = np.random.default_rng(11)
    freq = THZ * rng.uniform(5.0, 7.0, SETS)
    spectra = spectra_of(velocities(freq, width, rng))
    found = fit_lines([spectra], freq + THZ * rng.normal(0.0, 0.2, SETS))
    narrow = [verdict is Verdict.TOO_NARROW for verdict in found.verdicts]
    # Some fits to the bare window do not converge.
    assert np.mean(narrow) > (0.95 if width < 0.01 else 0.999)
    assert np.isnan(found.linewidth).all()
    assert np.isfinite(found.omega).mean() > 0.95
    z = (found.omega - freq) / found.omega_sem
    assert abs(np.nanmean(z)) < 0.3
    # Bins of one amplitude scatter less than the fit assumes.
    assert 0.2 < np.nanstd(z) < 1.2
    assert np.nanmax(found.omega_sem) < 0.15 * RESOLUTION


@pytest.mark.parametrize("apart", [1.0, 2.0])
def test_two_narrow_lines_have_no_common_frequency(apart: float) -> None:
    """One or two resolutions apart."""
    rng = np.random.default_rng(12)
    freq = THZ * rng.uniform(5.0, 7.0, SETS)
    below, above = (
        velocities(freq + half * apart * RESOLUTION, 0.05, rng) for half in (-0.5, 0.5)
    )
    found = fit_lines([spectra_of(below, above)], freq)
    assert np.isfinite(found.omega).mean() < 0.1
