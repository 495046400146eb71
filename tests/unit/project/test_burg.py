import numpy as np
import pytest

from trajmodes.errors import DataError
from trajmodes.project.spectra.burg import autoregression, burg_power

INTERVAL = 0.02


def _textbook(x: np.ndarray, order: int) -> tuple[np.ndarray, float]:
    """Burg's recursion of one complex series, as in textbooks."""
    f, b = x[1:].copy(), x[:-1].copy()
    a, noise = np.array([1.0 + 0j]), np.mean(np.abs(x) ** 2)
    for _ in range(order):
        k = -2 * np.vdot(b, f) / (np.vdot(f, f) + np.vdot(b, b)).real
        padded = np.append(a, 0.0)
        a = padded + k * padded[::-1].conj()
        noise *= 1 - abs(k) ** 2
        f, b = (f + k * b)[1:], (b + np.conj(k) * f)[:-1]
    return a, noise


def _process(rng, poles: list[complex], n_frames: int, members: int = 1) -> np.ndarray:
    """Real autoregressive series (m, t) with these poles and their conjugates."""
    a = np.poly([*poles, *np.conj(poles)]).real
    series = rng.normal(size=(members, n_frames + 2000))
    for t in range(len(a) - 1, series.shape[1]):
        series[:, t] -= series[:, t - len(a) + 1 : t] @ a[:0:-1]
    return series[:, 2000:]


@pytest.mark.parametrize("order", [1, 2, 5, 17])
def test_recursion_equals_the_textbook_one(order: int) -> None:
    x = _process(np.random.default_rng(1), [0.95 * np.exp(0.7j)], 64)[0]
    a, noise, _ = autoregression(x[None], order)
    expected, left = _textbook(x.astype(complex), order)
    assert np.allclose(a, expected, rtol=0, atol=1e-12)
    assert noise == pytest.approx(left, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 5, 17])
def test_a_series_and_its_conjugate_are_pooled(order: int) -> None:
    """k of both together: the sums of a complex series and of its conjugate are added."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 40)) + 1j * rng.normal(size=(3, 40))
    x *= np.exp(0.3j * np.arange(40))
    weights = np.array([1.0, 2.0, 2.0])
    f, b = x[:, 1:].copy(), x[:, :-1].copy()
    a = np.ones(1)
    for _ in range(order):
        product = np.einsum("i,it,it", weights, f, b.conj())
        square = np.einsum("i,it->", weights, np.abs(f) ** 2 + np.abs(b) ** 2)
        k = -(product + product.conj()).real / square
        a = np.append(a, 0) + k * np.append(a, 0)[::-1]
        f, b = (f + k * b)[:, 1:], (b + k * f)[:, :-1]
    assert np.allclose(autoregression(x, order, weights)[0], a, rtol=0, atol=1e-12)


def test_poles_of_a_known_process_are_recovered() -> None:
    pole = 0.98 * np.exp(0.6j)
    series = _process(np.random.default_rng(3), [pole], 4000, members=20)
    a, noise, _ = autoregression(series, 2)
    found = np.roots(a)
    assert np.abs(found[found.imag > 0][0] - pole) < 1e-3
    assert noise == pytest.approx(1.0, rel=0.02)


def test_two_close_lines_of_a_short_run_are_resolved() -> None:
    """They are closer than the resolution of a Hann window on the same frames."""
    n_frames, split = 128, 1.2 / 128
    t = np.arange(n_frames)
    rng = np.random.default_rng(4)
    x = sum(
        np.exp(2j * np.pi * (f * t + rng.random((8, 1)))) for f in (0.2, 0.2 + split)
    ) + 1e-3 * rng.normal(size=(8, n_frames))
    power = burg_power(x, 24, 1.0, 8193)
    freq = np.linspace(0, 0.5, 8193)
    peaks = np.flatnonzero((power[1:-1] > power[2:]) & (power[1:-1] > power[:-2])) + 1
    strongest = np.sort(freq[peaks[np.argsort(power[peaks])[-2:]]])
    assert np.allclose(strongest, [0.2, 0.2 + split], rtol=0, atol=0.1 * split)


@pytest.mark.parametrize("order", [2, 9, 30])
@pytest.mark.parametrize("members", [1, 4])
def test_the_integral_is_the_kinetic_energy(order: int, members: int) -> None:
    rng = np.random.default_rng(order)
    x = _process(rng, [0.9 * np.exp(0.5j), 0.8 * np.exp(2j)], 200, 2 * members)
    x = x[:members] + 1j * x[members:]
    weights = rng.uniform(1, 2, members)
    kinetic = np.average(0.5 * np.mean(np.abs(x) ** 2, axis=1), weights=weights)
    for n_freq in (9, 130, 1 << 12):
        power = burg_power(x, order, INTERVAL, n_freq, weights)
        spacing = np.pi / INTERVAL / (n_freq - 1)
        assert power.sum() * spacing == pytest.approx(kinetic, rel=1e-10)


@pytest.mark.parametrize("n_freq", [17, 64, 1000])
def test_lines_narrower_than_the_grid_keep_weight_and_frequency(n_freq: int) -> None:
    """Two undamped waves: the energy of each lies in three bins, for any position between
    bins.
    """
    t = np.arange(400)
    x = np.sqrt([[3.0], [1.0]]) * np.exp(2j * np.pi * np.array([[0.1234], [0.3777]]) * t)
    power = burg_power(x.sum(axis=0)[None], 60, INTERVAL, n_freq)
    df = 0.5 / (n_freq - 1)
    freq = df * np.arange(n_freq)
    assert power.min() >= 0.0
    for place, weight in ((0.1234, 3.0), (0.3777, 1.0)):
        near = np.abs(freq - place) < 3.0 * df
        energy = power[near].sum() * 2 * np.pi * df / INTERVAL
        assert energy == pytest.approx(0.5 * weight, rel=0.02)
        assert freq[near] @ power[near] / power[near].sum() == pytest.approx(place, abs=df / 4)


def test_covariances_are_those_of_the_process() -> None:
    """r is the inverse transform of the all-pole spectrum."""
    x = _process(np.random.default_rng(8), [0.9 * np.exp(0.5j), 0.7 * np.exp(2j)], 300)
    process = autoregression(x, 9)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(4096) / 4096, np.arange(10)))
    spectrum = process.noise / np.abs(turns @ process.coefficients) ** 2
    wanted = np.fft.ifft(spectrum).real
    assert np.allclose(process.extended(200), wanted[:200], rtol=0, atol=1e-9 * wanted[0])
    assert np.allclose(process.covariances, wanted[:10], rtol=0, atol=1e-9 * wanted[0])


def test_spectrum_of_a_known_process_is_reproduced() -> None:
    """A known process: ±ω on one side."""
    pole = 0.9 * np.exp(0.8j)
    series = _process(np.random.default_rng(6), [pole], 20_000, members=2)
    x = series[:1] + 1j * series[1:]
    power = burg_power(x, 2, INTERVAL, 257)
    a = np.poly([pole, pole.conj()]).real
    turns = np.exp(-1j * np.pi * np.outer(np.arange(257) / 256, np.arange(3)))
    # |Q̇|² is that of two series of unit noise; half of it is kinetic energy, twice for ±ω.
    known = INTERVAL / np.pi / np.abs(turns @ a) ** 2
    assert np.allclose(power[1:-1], known[1:-1], rtol=0.1)
    assert np.allclose(power[[0, -1]], known[[0, -1]] / 2, rtol=0.1)


def test_a_mode_at_rest_has_no_power() -> None:
    assert (burg_power(np.zeros((2, 50), dtype=complex), 5, INTERVAL, 33) == 0).all()


@pytest.mark.parametrize("order", [0, 50])
def test_an_invalid_order_is_refused(order: int) -> None:
    with pytest.raises(DataError, match=f"order {order} cannot be fitted to 50 frames"):
        burg_power(np.ones((1, 50)), order, INTERVAL, 9)
