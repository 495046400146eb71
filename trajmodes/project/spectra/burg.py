"""Maximum-entropy spectra of mode velocities, by Burg's recursion.

A segment is modelled as autoregressive, Σ_j a_j Q̇_{t−j} = noise with a₀ = 1, and the spectrum
is that of this process. The coefficients follow from reflection coefficients, one for each
order,

    k = −2 Σ f_t b_{t−1} / Σ (f_t² + b_{t−1}²),     f' = f + k b₋₁,     b' = b₋₁ + k f,

where f and b are the prediction errors forwards and backwards in time, both initially the
segment itself; the sums run over t = m … T − 1 at order m. Levinson's step then extends a to
the next order (J. P. Burg, thesis, Stanford 1975; N. Andersen, Geophysics 39, 69 (1974)). All
|k| < 1: the process is stable, and its variance r_0 is that of the segment for any order:

    S(ω) = (Δt/2π) ⟨|Q̇|²⟩ Π(1 − k²) / |Σ_j a_j e^{−iωjΔt}|²,   ∫₀^{π/Δt} S dω = ½⟨|Q̇|²⟩.

The integral is exact. The peaks may be much narrower than the spacing of a grid, and samples of
S would then not give their weight. S is therefore computed from the covariances r_m =
−Σ_{j>0} a_j r_{m−j} up to one period of the grid, tapered by Parzen's window. The result is S
convolved with a non-negative kernel about two bins wide, and its sum over the bins is exact on
every grid.

The members of a set have one spectrum and hence one k: their sums are pooled before the
division. In equilibrium +ω and −ω, the two directions of travel, also have the same spectrum.
Pooling a series with its conjugate leaves the real part of the sums, which is the same as
treating real and imaginary parts as two members. Pooling before the recursion doubles the data
for each coefficient, and no line can split between +ω and −ω.

Use these spectra where runs are short and lines sharp: they are not limited by the resolution
of a window. They are for inspection only. They have no error bars, peaks shift and split if the
order is too high, and widths depend on the order, so no lifetime is derived from them.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.errors import DataError
from trajmodes.kernels import inner_kernel, kernel

_LEAST = 1e-14
"""The recursion ends when the noise is this fraction of the variance: the rest is rounding
error."""


def burg_power(
    segment_mt: Complexes,
    order: int,
    interval_ps: float,
    n_freq: int,
    weights: Floats | None = None,
) -> Floats:
    """Compute the maximum-entropy spectrum of the members of one set in one segment.

    Parameters
    ----------
    segment_mt
        (m, t) velocities Q̇ of the members, in √eV; not windowed.
    order
        Number of coefficients; a line requires two, its background many more. Orders above a
        third of the segment are of little use.
    n_freq
        Number of frequencies πk/((n_freq − 1)Δt), from zero to Nyquist.
    weights
        (m,) weight of each member; all equal if None.

    Returns
    -------
    (w,) one-sided spectrum in eV ps/rad, as in `PowerSpectra`: Σ S Δω is the mean of ½|Q̇|² over
    the segment.

    Raises
    ------
    DataError
        If the order is not between 1 and the number of frames minus one.
    """
    process = autoregression(segment_mt, order, weights)
    length = 2 * (n_freq - 1)
    tapered = process.extended(length) * _parzen(length)
    tapered[1:] *= 2.0
    # Factors 2 for ±ω and ½ for ½|Q̇|²; zero and Nyquist are their own mirror images.
    power: Floats = interval_ps / (2.0 * np.pi) * np.maximum(np.fft.rfft(tapered).real, 0.0)
    power[[0, -1]] *= 0.5
    return power


class Autoregression(NamedTuple):
    """Autoregressive process, which predicts each value from those before it."""

    coefficients: Floats
    """(j,) coefficients of the prediction error, a₀ = 1."""
    noise: float
    """Variance of the prediction error."""
    covariances: Floats
    """(j,) covariances r_m of the process at lags m from 0 to its order; r_0 is its
    variance."""

    def extended(self, n_lags: int) -> Floats:
        """Return the covariances (m,) at lags from 0 to n_lags − 1."""
        return _extended(self.coefficients, self.covariances, n_lags)


def _parzen(n_lags: int) -> Floats:
    """Parzen's window at lags from 0 to n_lags − 1; its transform is non-negative."""
    x_m = np.arange(n_lags) / n_lags
    taper: Floats = np.where(
        x_m < 0.5, 1.0 - 6.0 * x_m**2 * (1.0 - x_m), 2.0 * (1.0 - x_m) ** 3
    )
    return taper


def autoregression(
    segment_mt: Complexes, order: int, weights: Floats | None = None
) -> Autoregression:
    """Fit the process to the members of one set in one segment, as `burg_power` does."""
    members, n_frames = segment_mt.shape
    if not 1 <= order < n_frames:
        raise DataError(
            f"an autoregression of order {order} cannot be fitted to {n_frames} frames",
            fix=f"give an order between 1 and {n_frames // 3}",
        )
    weight = np.ones(members) if weights is None else np.asarray(weights, dtype=float)
    parts = (segment_mt.real, segment_mt.imag) if np.iscomplexobj(segment_mt) else (segment_mt,)
    # Sums are quadratic in the series, so each series is multiplied by the root of its weight.
    root = np.sqrt(weight / (weight.sum() * n_frames))[:, None]
    series_mt = np.concatenate([root * part for part in parts]).astype(float)
    return Autoregression(*_recursion(series_mt, order, float(np.sum(series_mt**2))))


@kernel()
def _recursion(series_mt: Floats, order: int, variance: float) -> tuple[Floats, float, Floats]:
    """Burg's recursion for real series; the variance is Σ x² over all of them."""
    members, n_frames = series_mt.shape
    forward, backward = series_mt.copy(), series_mt.copy()
    coefficients, mirrored = np.zeros(order + 1), np.empty(order + 1)
    coefficients[0] = 1.0
    noise = variance
    covariances = np.zeros(order + 1)
    covariances[0] = variance
    done = 0
    for m in range(1, order + 1):
        product, square = 0.0, 0.0
        for i in range(members):
            for t in range(m, n_frames):
                product += forward[i, t] * backward[i, t - 1]
                square += forward[i, t] ** 2 + backward[i, t - 1] ** 2
        if square <= 0.0 or noise <= _LEAST * variance:
            break
        k = -2.0 * product / square
        for i in range(members):
            # Downwards, because b_t of this order needs b_{t−1} of the previous one.
            for t in range(n_frames - 1, m - 1, -1):
                ahead, behind = forward[i, t], backward[i, t - 1]
                forward[i, t] = ahead + k * behind
                backward[i, t] = behind + k * ahead
        _reflect(coefficients, k, m, mirrored)
        noise *= 1.0 - k * k
        for j in range(1, m + 1):
            covariances[m] -= coefficients[j] * covariances[m - j]
        done = m
    # Where the recursion ended early, all later coefficients are zero.
    return coefficients, noise, _extended(coefficients, covariances[: done + 1], order + 1)


@inner_kernel()
def _reflect(coefficients: Floats, k: float, m: int, mirrored: Floats) -> None:
    """Raise the order of the recursion to m, with its reflection coefficient k."""
    for j in range(m + 1):
        mirrored[j] = coefficients[m - j]
    for j in range(m + 1):
        coefficients[j] += k * mirrored[j]


@kernel()
def _extended(coefficients: Floats, covariances: Floats, n_lags: int) -> Floats:
    """Extend the covariances by r_m = −Σ_{j>0} a_j r_{m−j}."""
    longer = np.zeros(n_lags)
    known = min(n_lags, len(covariances))
    for m in range(known):
        longer[m] = covariances[m]
    for m in range(known, n_lags):
        for j in range(1, min(m + 1, len(coefficients))):
            longer[m] -= coefficients[j] * longer[m - j]
    return longer
