"""Maximum-entropy spectra of mode velocities, by Burg's recursion.

A segment is taken as autoregressive, Σ_j a_j Q̇_{t−j} = noise with a₀ = 1, and the spectrum is
that of this process. The coefficients come from reflections, one for each order,

    k = −2 Σ f_t b_{t−1} / Σ (f_t² + b_{t−1}²),     f' = f + k b₋₁,     b' = b₋₁ + k f,

with f and b the errors of prediction forwards and backwards in time, at first both the segment
itself; the sums run over t = m … T − 1 at order m. Then Levinson's step takes a to the next
order (J. P. Burg, thesis, Stanford 1975; N. Andersen, Geophysics 39, 69 (1974)). All |k| < 1:
the process is stable, and its variance r_0 is that of the segment, whatever the order:

    S(f) = Δt ⟨|Q̇|²⟩ Π(1 − k²) / |Σ_j a_j e^{−iωjΔt}|²,   ∫₀^{1/2Δt} S df = ½⟨|Q̇|²⟩  exactly.

Its peaks may be far narrower than any grid, and samples of S would then say nothing of their
weight. So S is made of the covariances r_m = −Σ_{j>0} a_j r_{m−j} up to one period of the grid,
tapered by Parzen's window: it is S as it stands, seen through a kernel of some two bins that is
nowhere negative, and its sum over the bins is exact on every grid.

Members of a set have one spectrum, so one k: their sums are pooled before the division. In
equilibrium +f and −f, the two directions of travel, have one spectrum as well: pooling a series
with its conjugate leaves the real part of the sums, which is the same as real and imaginary
parts being two members. Pooling before the recursion and not after it doubles the data that
each coefficient is made of, and no line can split between +f and −f.

Prefer it where runs are short and lines sharp: it is not bound to the resolution of a window.
It is a picture, not a measurement: it carries no error bar, peaks move and split when the order
is too high, widths depend on the order, and hence no lifetime is made of it.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from trajmodes.arrays import Complexes, Floats
from trajmodes.errors import DataError

_LEAST = 1e-14
"""Part of the variance that is left to noise where the recursion ends: rounding errors."""


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
        Number of coefficients; a line takes two, its surroundings many more. A third of the
        segment is about the most that is of use.
    interval_ps
        Time between frames.
    n_freq
        Number of frequencies k/(2(n_freq − 1)Δt), from zero to Nyquist.
    weights
        (m,) how often each member counts; all the same if None.

    Returns
    -------
    (w,) spectrum in eV/THz, both ±f on one side, as in `PowerSpectra`: Σ S df is the mean of
    ½|Q̇|² over the segment.

    Raises
    ------
    DataError
        If the order is not between 1 and the number of frames less one.
    """
    process = autoregression(segment_mt, order, weights)
    length = 2 * (n_freq - 1)
    tapered = process.extended(length) * _parzen(length)
    tapered[1:] *= 2.0
    # Two for ±f, half for ½|Q̇|²; zero and the Nyquist frequency are their own mirror images.
    power: Floats = interval_ps * np.maximum(np.fft.rfft(tapered).real, 0.0)
    power[[0, -1]] *= 0.5
    return power


class Autoregression(NamedTuple):
    """A process that predicts each value from those before it."""

    coefficients: Floats
    """(j,) of the prediction error, a₀ = 1."""
    noise: float
    """Variance of the prediction error."""
    covariances: Floats
    """(j,) r_m of the process at lags m of 0 to its order; r_0 is its variance."""

    def extended(self, n_lags: int) -> Floats:
        """Covariances (m,) at lags of 0 to n_lags − 1."""
        return _extended(self.coefficients, self.covariances, n_lags)


def _parzen(n_lags: int) -> Floats:
    """Parzen's window at lags of 0 to n_lags − 1; its transform is nowhere negative."""
    x_m = np.arange(n_lags) / n_lags
    taper: Floats = np.where(
        x_m < 0.5, 1.0 - 6.0 * x_m**2 * (1.0 - x_m), 2.0 * (1.0 - x_m) ** 3
    )
    return taper


def autoregression(
    segment_mt: Complexes, order: int, weights: Floats | None = None
) -> Autoregression:
    """Find the process that the members of one set are in one segment.

    Parameters
    ----------
    segment_mt, order, weights
        As of `burg_power`.

    Raises
    ------
    DataError
        If the order is not between 1 and the number of frames less one.
    """
    members, n_frames = segment_mt.shape
    if not 1 <= order < n_frames:
        raise DataError(
            f"an autoregression of order {order} cannot be had from {n_frames} frames",
            fix=f"give an order between 1 and {n_frames // 3}",
        )
    weight = np.ones(members) if weights is None else np.asarray(weights, dtype=float)
    parts = (segment_mt.real, segment_mt.imag) if np.iscomplexobj(segment_mt) else (segment_mt,)
    # The weight is quadratic in the series, so its root goes into it.
    root = np.sqrt(weight / (weight.sum() * n_frames))[:, None]
    series_mt = np.concatenate([root * part for part in parts]).astype(float)
    return Autoregression(*_recursion(series_mt, order))


@njit(nogil=True, cache=True)
def _recursion(series_mt: Floats, order: int) -> tuple[Floats, float, Floats]:
    """Burg's recursion of real series; the variance is Σ x² of all of them."""
    members, n_frames = series_mt.shape
    forward, backward = series_mt.copy(), series_mt.copy()
    coefficients = np.zeros(order + 1)
    coefficients[0] = 1.0
    variance = np.sum(series_mt**2)
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
            # Downwards, for b_t of this order needs b_{t−1} of the last.
            for t in range(n_frames - 1, m - 1, -1):
                ahead, behind = forward[i, t], backward[i, t - 1]
                forward[i, t] = ahead + k * behind
                backward[i, t] = behind + k * ahead
        mirrored = coefficients[m::-1].copy()
        coefficients[: m + 1] += k * mirrored
        noise *= 1.0 - k * k
        for j in range(1, m + 1):
            covariances[m] -= coefficients[j] * covariances[m - j]
        done = m
    # Where the recursion ended early, no later coefficient is other than zero.
    return coefficients, noise, _extended(coefficients, covariances[: done + 1], order + 1)


@njit(nogil=True, cache=True)
def _extended(coefficients: Floats, covariances: Floats, n_lags: int) -> Floats:
    """Go on with r_m = −Σ_{j>0} a_j r_{m−j}."""
    longer = np.zeros(n_lags)
    known = min(n_lags, len(covariances))
    longer[:known] = covariances[:known]
    for m in range(known, n_lags):
        for j in range(1, min(m + 1, len(coefficients))):
            longer[m] -= coefficients[j] * longer[m - j]
    return longer
