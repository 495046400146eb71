"""What a Hann-windowed periodogram of a damped oscillator is on average, in closed form.

Model of one mode: Q̈ + γQ̇ + ω₀²Q = noise. The velocity autocorrelation is

    C(t)/C(0) = Σ_j A_j e^{p_j t},  p = −γ/2 ± i√(ω₀² − γ²/4),  A₁ = p₁/(p₁ − p₂), A₂ = 1 − A₁,

over- or underdamped. The expected periodogram of a segment is the Fourier sum of C(τΔt) times
the autocorrelation b(τ) of the window, at the frames where it is sampled: aliasing, leakage and
finite resolution are all in it (Sykulski et al., Biometrika 106, 251 (2019)). For the Hann
window, θ = 2π/L,

    b(τ) = (L − τ)(¼ + ⅛ cos θτ) + (¼ cot θ/2 − ⅛ cot θ) sin θτ,

so the sum is made of geometric ones in y = e^{p Δt − iωΔt}, shifted by one bin for e^{±iθτ}:

    g₀ = Σ_{τ=1}^{L−1} y^τ = (y − Y)/(1 − y),                         Y = y^L = e^{p LΔt},
    g₁ = Σ (L − τ) y^τ = L y/(1 − y) − y(1 − Y)/(1 − y)²,
    g₂ = Σ τ(L − τ) y^τ = y dg₁/dy,  and  y dg₀/dy = L g₀ − g₁.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from trajmodes.arrays import Complexes, Floats, Ints

__all__ = [
    "Grid",
    "add_poles",
    "displacement_shares",
    "expected_power",
    "oscillator_line",
    "part_of",
    "place_poles",
    "velocity_shares",
]

_CRITICAL = 1e-8
"""Least |ω₀² − γ²/4| in γ²: nearer to critical damping the two poles are kept this far apart,
which moves the spectrum by as little."""


class Grid(NamedTuple):
    """Consecutive bins, of which the kernels tell the spectrum, and one more on each side."""

    first: int
    """The one that is before the first."""
    turns: Complexes
    """(w + 2,) e^{−iωΔt}."""
    length: int
    """Frames in a segment."""
    interval: float
    """Time between frames in ps."""

    @staticmethod
    def of(first: int, last: int, segment_frames: int, interval_ps: float) -> "Grid":
        """All bins from the first to the last one."""
        turns = np.exp(-2j * np.pi / segment_frames * np.arange(first - 1, last + 2))
        return Grid(first - 1, turns, segment_frames, interval_ps)


@njit(nogil=True, cache=True)
def part_of(grid: Grid, first: int, size: int) -> Grid:
    """Take so many of the bins, from this one on."""
    place = first - 1 - grid.first
    turns = grid.turns[place : place + size + 2]
    return Grid(first - 1, turns, grid.length, grid.interval)


def expected_power(
    omega: Floats, gamma: Floats, bins: Ints, segment_frames: int, interval_ps: float
) -> tuple[Floats, Floats]:
    """Compute the expected one-sided Welch spectrum of a line with ½⟨|Q̇|²⟩ = 1.

    Parameters
    ----------
    omega, gamma
        (g,) ω₀ and γ in rad/ps, both positive; any damping.
    bins
        (g, w) consecutive frequency bins, strictly between 0 and the Nyquist frequency.
    segment_frames, interval_ps
        Frames in a segment and the time between them.

    Returns
    -------
    (g, w) spectrum in 1/THz, and (g, 2, w) its derivatives by ω₀ and ln γ.
    """
    spectra = np.empty((len(bins), 3, bins.shape[1]))
    for g, (first, last) in enumerate(bins[:, [0, -1]]):
        grid = Grid.of(first, last, segment_frames, interval_ps)
        oscillator_line(omega[g], gamma[g], grid, spectra[g])
    return spectra[:, 0], spectra[:, 1:]


@njit(nogil=True, cache=True, error_model="numpy")
def oscillator_line(omega: float, gamma: float, grid: Grid, spectra_kw: Floats) -> None:
    """Spectrum of one line and its derivatives by ω₀ and ln γ: see `expected_power`."""
    poles, slopes = place_poles(omega, gamma)
    share, change = velocity_shares(poles, slopes)
    shares = np.empty((3, 2), np.complex128)
    shares[0], shares[1:] = share, change
    add_poles((poles, slopes), shares, grid, spectra_kw)


@njit(nogil=True, cache=True, error_model="numpy")
def place_poles(omega: float, gamma: float) -> tuple[Complexes, Complexes]:
    """Find the poles p_j in rad/ps and their derivatives (n, j) by ω₀ and ln γ."""
    square, least = omega**2 - 0.25 * gamma**2, _CRITICAL * gamma**2
    if abs(square) < least:
        square = np.copysign(least, square)
    root = np.sqrt(complex(square))
    poles, slopes = np.empty(2, np.complex128), np.empty((2, 2), np.complex128)
    for j in range(2):
        sign = 1.0 - 2.0 * j
        poles[j] = -0.5 * gamma + sign * 1j * root
        slopes[0, j] = sign * 1j * omega / root
        slopes[1, j] = -0.5 * gamma - sign * 0.25j * gamma**2 / root
    return poles, slopes


@njit(nogil=True, cache=True, error_model="numpy")
def velocity_shares(poles: Complexes, slopes: Complexes) -> tuple[Complexes, Complexes]:
    """Shares A_j of the poles in the velocity, and their derivatives (n, j).

    Its spectrum is 4γω²/((ω² − ω₀²)² + γ²ω²).
    """
    split = poles[0] - poles[1]
    share, change = np.empty(2, np.complex128), np.empty((2, 2), np.complex128)
    share[0], share[1] = poles[0] / split, 1.0 - poles[0] / split
    for n in range(2):
        # d(p₁/(p₁ − p₂)) = (p₁ dp₂ − p₂ dp₁)/(p₁ − p₂)².
        change[n, 0] = (poles[0] * slopes[n, 1] - poles[1] * slopes[n, 0]) / split**2
        change[n, 1] = -change[n, 0]
    return share, change


@njit(nogil=True, cache=True, error_model="numpy")
def displacement_shares(poles: Complexes, slopes: Complexes) -> tuple[Complexes, Complexes]:
    """Shares in ω₀Q, 4γω₀²/((ω² − ω₀²)² + γ²ω²), of the same area; derivatives alike."""
    # C(t)/C(0) = (p₁ e^{p₂t} − p₂ e^{p₁t})/(p₁ − p₂): the shares change places.
    share, change = velocity_shares(poles, slopes)
    return share[::-1].copy(), change[:, ::-1].copy()


@njit(nogil=True, cache=True, error_model="numpy")
def add_poles(
    poles: tuple[Complexes, Complexes],
    shares_kj: Complexes,
    grid: Grid,
    spectra_kw: Floats,
) -> None:
    """Put in the expected spectrum of Σ_j A_j e^{p_j t} and its derivatives, per THz.

    Parameters
    ----------
    poles
        p_j, and their derivatives (n, j) by ω₀ and ln γ.
    shares_kj
        A_j, and their derivatives: by ω₀ and ln γ, and by what else they depend on.
    grid
        The bins.
    spectra_kw
        Where the spectrum and its derivatives are put.
    """
    values, slopes = poles
    n_bins = spectra_kw.shape[1]
    g0, g1, g2, sums, growth = np.empty((5, n_bins + 2), np.complex128)
    # Two for the pooled ±f, two for the negative lags, Σ w² = 3L/8.
    scale = 4.0 * grid.interval / (0.375 * grid.length)
    for k in range(len(shares_kj)):
        # The lag zero is in each bin alike.
        spectra_kw[k] = 2.0 * grid.interval * shares_kj[k].sum().real
    for j in range(2):
        _geometric_sums(grid.interval * values[j], grid, (g0, g1, g2))
        _window_sums((g0, g1, g2), grid.length, sums, growth)
        for k in range(len(shares_kj)):
            a, b = scale * shares_kj[k, j], 0.0j
            if 0 < k <= 2:
                b = scale * grid.interval * shares_kj[0, j] * slopes[k - 1, j]
            for w in range(n_bins):
                real = a.real * sums[w].real - a.imag * sums[w].imag
                spectra_kw[k, w] += real + b.real * growth[w].real - b.imag * growth[w].imag


@njit(nogil=True, cache=True, error_model="numpy")
def _geometric_sums(
    step: complex, grid: Grid, geometric: tuple[Complexes, Complexes, Complexes]
) -> None:
    """Put in g₀, g₁, g₂ of the module's text."""
    g0, g1, g2 = geometric
    length, turns = grid.length, grid.turns
    once, whole = np.exp(step), np.exp(length * step)
    decay = 1.0 - whole
    rest = length - decay + length * whole
    for b in range(len(turns)):
        y = once * turns[b]
        # 1/(1 − y), in real numbers: far quicker than a division of complex ones.
        away = 1.0 - y
        gap = away.conjugate() * (1.0 / (away.real * away.real + away.imag * away.imag))
        ratio = y * gap
        g0[b] = ratio - whole * gap
        g1[b] = ratio * (length - decay * gap)
        g2[b] = ratio * gap * (rest - 2.0 * decay * ratio)


@njit(nogil=True, cache=True, error_model="numpy")
def _window_sums(
    geometric: tuple[Complexes, Complexes, Complexes],
    length: int,
    sums: Complexes,
    growth: Complexes,
) -> None:
    """Σ_τ b(τ) y^τ in each bin, and its derivative by the step ln y."""
    theta = 2.0 * np.pi / length
    sine = 0.5 * (0.25 / np.tan(0.5 * theta) - 0.125 / np.tan(theta))
    g0, g1, g2 = geometric
    for w in range(len(sums) - 2):
        # e^{+iθτ} moves to the bin before, e^{−iθτ} to the one after.
        edge = g0[w + 2] - g0[w]
        # y dg₀/dy = L g₀ − g₁, and y dg₁/dy = g₂.
        bent = length * edge - (g1[w + 2] - g1[w])
        linear = 0.25 * g1[w + 1] + 0.0625 * (g1[w] + g1[w + 2])
        square = 0.25 * g2[w + 1] + 0.0625 * (g2[w] + g2[w + 2])
        sums[w] = linear + sine * complex(-edge.imag, edge.real)
        growth[w] = square + sine * complex(-bent.imag, bent.real)
