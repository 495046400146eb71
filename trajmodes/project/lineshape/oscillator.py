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

_CRITICAL = 1e-8
"""Least |ω₀² − γ²/4| in γ²: nearer to critical damping the two poles are kept this far apart,
which moves the spectrum by as little."""


class Grid(NamedTuple):
    """Consecutive bins at which the kernels compute a spectrum, and one more on each side."""

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
        return Grid(int(first) - 1, turns, int(segment_frames), float(interval_ps))


class Room(NamedTuple):
    """Arrays that the kernels fill anew for each line."""

    weights_kn: Floats
    """(4, 5) c_V, c_U and the continuum (see `fano`), and their derivatives."""
    factors_kn: Floats
    """(4, 5) what one pole adds to the spectrum and to its derivatives: real and imaginary
    parts of the factors of the two window sums, and the constant of the lag zero."""
    sums_nw: Complexes
    """(5, w + 2) g₀, g₁, g₂ of the module's text, Σ_τ b(τ) y^τ and its derivative by ln y."""

    @staticmethod
    def of(n_bins: int) -> "Room":
        """Room for spectra of so many bins."""
        sums_nw = np.empty((5, n_bins + 2), dtype=np.complex128)
        return Room(np.zeros((4, 5)), np.empty((4, 5)), sums_nw)


@njit(nogil=True, cache=True, inline="always")
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
    room = Room.of(bins.shape[1])
    room.weights_kn[0, 0] = 1.0
    for g, (first, last) in enumerate(bins[:, [0, -1]]):
        grid = Grid.of(first, last, segment_frames, interval_ps)
        add_poles(omega[g], gamma[g], grid, room, spectra[g])
    return spectra[:, 0], spectra[:, 1:]


@njit(nogil=True, cache=True, error_model="numpy")
def add_poles(omega: float, gamma: float, grid: Grid, room: Room, spectra_kw: Floats) -> None:
    """Put in c_V V + c_U U as windowed and sampled, per THz, and its derivatives.

    V and U are the spectra of velocity and of ω₀Q, both of area 1: 4γω²/((ω² − ω₀²)² + γ²ω²),
    and the same with ω₀² in place of the ω² above the line.

    Parameters
    ----------
    omega, gamma
        ω₀ and γ in rad/ps.
    grid
        The bins.
    room
        With c_V and c_U in the first two columns of the weights, and below them their
        derivatives by ω₀, by ln γ, and by what else they depend on.
    spectra_kw
        Where the spectrum and its derivatives are put.
    """
    square, least = omega**2 - 0.25 * gamma**2, _CRITICAL * gamma**2
    if abs(square) < least:
        square = np.copysign(least, square)
    root, n_bins = np.sqrt(complex(square)), len(grid.turns) - 2
    factors, sums = room.factors_kn, room.sums_nw
    for j in range(2):
        pole = _place_factors(omega, gamma, (1.0 - 2.0 * j) * root, grid, room)
        _geometric_sums(grid.interval * pole, grid, sums)
        _window_sums(grid.length, n_bins, sums)
        for k in range(len(spectra_kw)):
            a, b = complex(factors[k, 0], factors[k, 1]), complex(factors[k, 2], factors[k, 3])
            for w in range(n_bins):
                before = 0.0 if j == 0 else spectra_kw[k, w]
                real = a.real * sums[3, w].real - a.imag * sums[3, w].imag
                real += b.real * sums[4, w].real - b.imag * sums[4, w].imag
                spectra_kw[k, w] = before + factors[k, 4] + real


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _place_factors(
    omega: float, gamma: float, root: complex, grid: Grid, room: Room
) -> complex:
    """Put in the factors of one pole p = −γ/2 + i·root, and return it."""
    weights, factors = room.weights_kn, room.factors_kn
    pole, other = -0.5 * gamma + 1j * root, -0.5 * gamma - 1j * root
    split = 2j * root
    # C(t)/C(0) = (p₁ e^{p₁t} − p₂ e^{p₂t})/(p₁ − p₂); that of ω₀Q has the shares exchanged.
    velocity, displacement = pole / split, -other / split
    # Two for the pooled ±f, two for the negative lags, Σ w² = 3L/8.
    scale = 4.0 * grid.interval / (0.375 * grid.length)
    whole = weights[0, 0] * velocity + weights[0, 1] * displacement
    for k in range(4):
        share = weights[k, 0] * velocity + weights[k, 1] * displacement
        moved = 0.0j
        if 0 < k <= 2:
            moved, against = 1j * omega / root, -1j * omega / root
            if k == 2:
                bent = 0.25j * gamma**2 / root
                moved, against = -0.5 * gamma - bent, -0.5 * gamma + bent
            # d(p₁/(p₁ − p₂)) = (p₁ dp₂ − p₂ dp₁)/(p₁ − p₂)².
            change = (pole * against - other * moved) / (split * split)
            share += (weights[0, 0] - weights[0, 1]) * change
        growth = scale * grid.interval * whole * moved
        factors[k, 0], factors[k, 1] = scale * share.real, scale * share.imag
        factors[k, 2], factors[k, 3] = growth.real, growth.imag
        factors[k, 4] = 2.0 * grid.interval * share.real
    return pole


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _geometric_sums(step: complex, grid: Grid, sums_nw: Complexes) -> None:
    """Put in g₀, g₁, g₂ of the module's text, for y = e^step at ω = 0."""
    g0, g1, g2 = sums_nw[0], sums_nw[1], sums_nw[2]
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


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _window_sums(length: int, n_bins: int, sums_nw: Complexes) -> None:
    """Put in Σ_τ b(τ) y^τ for each bin, and its derivative by ln y."""
    g0, g1, g2, sums, growth = sums_nw[0], sums_nw[1], sums_nw[2], sums_nw[3], sums_nw[4]
    theta = 2.0 * np.pi / length
    sine = 0.5 * (0.25 / np.tan(0.5 * theta) - 0.125 / np.tan(theta))
    for w in range(n_bins):
        # e^{+iθτ} moves to the bin before, e^{−iθτ} to the one after.
        edge = g0[w + 2] - g0[w]
        # y dg₀/dy = L g₀ − g₁, and y dg₁/dy = g₂.
        bent = length * edge - (g1[w + 2] - g1[w])
        linear = 0.25 * g1[w + 1] + 0.0625 * (g1[w] + g1[w + 2])
        square = 0.25 * g2[w + 1] + 0.0625 * (g2[w] + g2[w + 2])
        sums[w] = linear + sine * complex(-edge.imag, edge.real)
        growth[w] = square + sine * complex(-bent.imag, bent.real)
