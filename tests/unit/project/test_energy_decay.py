import numpy as np
import pytest
from scipy.linalg import expm

from trajmodes.project.energies.decay_fit import averaged_decay, energy_decay, mean_bias


def _wick(gamma: float, actual: float, used: float, t: float) -> tuple[float, float]:
    """Covariances of travelling and standing energies from the propagator of the motion."""
    step = expm(np.array([[0.0, 1.0], [-(actual**2), -gamma]]) * t)
    # ⟨x(t) x(0)ᵀ⟩ of (ωQ, Q̇) at k_BT = 1.
    scale = np.diag([used, 1.0])
    c = scale @ step @ np.diag([actual**-2, 1.0]) @ scale
    standing = 0.5 * (c**2).sum()
    # A complex Q is circular: cov |a|²/2 = |⟨a*a(t)⟩|²/4 with a = ωQ + iQ̇.
    wave = c[0, 0] + c[1, 1] + 1j * (c[1, 0] - c[0, 1])
    return 0.25 * abs(wave) ** 2, standing


@pytest.mark.parametrize("gamma", [0.01, 1.0, 2.5])
@pytest.mark.parametrize("used", [4.0, 5.0, 6.0])
def test_model_agrees_with_wicks_theorem(gamma: float, used: float) -> None:
    for standing in (0.0, 1.0):
        p, parts = energy_decay(*(np.array([x]) for x in (gamma, 5.0, used, standing)))
        for t in (0.0, 0.1, 0.37, 2.0):
            found = (parts * np.exp(p * t)).sum().real
            assert found == pytest.approx(_wick(gamma, 5.0, used, t)[int(standing)], rel=1e-10)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_degenerate_standing_waves_agree_with_wicks_theorem(d: int) -> None:
    """Monte Carlo: Σ M_ij(0) M_ij*(t), M = ½aa†, of d real oscillators, per component."""
    gamma, actual, used, t = 1.0, 5.0, 8.0, 0.2
    rng = np.random.default_rng(d)
    step = expm(np.array([[0.0, 1.0], [-(actual**2), -gamma]]) * t)
    root = np.diag([1.0 / actual, 1.0])
    kick = np.linalg.cholesky(root**2 - step @ root**2 @ step.T)
    first, noise = rng.normal(size=(2, 2, d * 400_000))
    ends = root @ first, step @ root @ first + kick @ noise
    waves = [(used * q + 1j * v).reshape(d, -1) for q, v in ends]
    early, late = (0.5 * np.einsum("it,jt->ijt", a, a.conj()) for a in waves)
    mean = 0.5 * ((used / actual) ** 2 + 1.0) * np.eye(d)[..., None]
    found = np.einsum("ijt,ijt->t", early - mean, (late - mean).conj()).real / d**2
    p, parts = energy_decay(*(np.array([x]) for x in (gamma, actual, used, 1.0 / d)))
    expected = (parts * np.exp(p * t)).sum().real
    assert found.mean() == pytest.approx(expected, abs=4.0 * found.std() / 400_000**0.5)
    assert found.std() / 400_000**0.5 < 0.01 * abs(expected)


def test_a_wrong_frequency_enters_in_second_order_only() -> None:
    """An error of 5 %: the oscillation at 2ω is 0.1 % of the covariance."""
    _, parts = energy_decay(*(np.array([x]) for x in (0.01, 5.0, 5.25, 0.5)))
    assert 1e-4 < abs(parts[1, 0]) / parts[0, 0].real < 3e-3


def test_averaged_decay_equals_averages_over_frames() -> None:
    p, dt = np.array([-0.3 + 7.0j, -2.0 + 0.0j]), 0.02
    steps, size = np.array([0, 1, 4, 5]), np.array([4, 4, 8, 32])
    found = averaged_decay(p, steps, size, dt)
    for k in range(4):
        apart = np.subtract.outer(np.arange(size[k]), np.arange(size[k]))
        frames = np.abs(steps[k] * size[k] + apart)
        expected = np.exp(p[:, None, None] * dt * frames).mean(axis=(1, 2))
        assert np.allclose(found[:, k], expected, rtol=1e-10)


def test_the_loss_due_to_the_mean_equals_its_fluctuations() -> None:
    n, lag, rate = 1500, 260, 5e-3
    c = np.exp(-rate * np.abs(np.subtract.outer(np.arange(n), np.arange(n))))
    with_mean = c.mean(axis=1)
    expected = with_mean[: n - lag].mean() + with_mean[lag:].mean() - c.mean()
    found = mean_bias(np.array([rate]), np.array([float(lag)]), np.array([float(n)]))
    assert found[0, 0] == pytest.approx(expected, rel=1e-3)


def test_ranges_are_independent() -> None:
    rate, lag = np.array([0.5]), np.array([1.0])
    one = mean_bias(rate, lag, np.array([40.0]))
    assert np.allclose(mean_bias(rate, lag, np.array([40.0, 40.0])), 0.5 * one)
