"""Expected Hann-windowed periodograms of a damped oscillator and of a Fano line.

Closed forms. Model of one mode: Q̈ + γQ̇ + ω₀²Q = noise. The velocity autocorrelation is

    C(t)/C(0) = Σ_j A_j e^{p_j t},  p = −γ/2 ± i√(ω₀² − γ²/4),  A₁ = p₁/(p₁ − p₂), A₂ = 1 − A₁,

if underdamped or overdamped. The expected periodogram of a segment is the Fourier sum of C(τΔt)
times the autocorrelation b(τ) of the window, at the sampled times; it contains aliasing,
leakage and finite resolution (Sykulski et al., Biometrika 106, 251 (2019)). For the Hann
window, with θ = 2π/L,

    b(τ) = (L − τ)(¼ + ⅛ cos θτ) + (¼ cot θ/2 − ⅛ cot θ) sin θτ,

so the sum consists of geometric sums in y = e^{p Δt − iωΔt}, shifted by one bin for e^{±iθτ}:

    g₀ = Σ_{τ=1}^{L−1} y^τ = (y − Y)/(1 − y),                         Y = y^L = e^{p LΔt},
    g₁ = Σ (L − τ) y^τ = L y/(1 − y) − y(1 − Y)/(1 − y)²,
    g₂ = Σ τ(L − τ) y^τ = y dg₁/dy,  and  y dg₀/dy = L g₀ − g₁.

Fano line. With κ = (ω² − ω₀²)/(γω₀) the oscillator's spectrum is multiplied by (1 + aκ)²:

    S(ω) = K · (2γ/π) ω²/((ω² − ω₀²)² + γ²ω²) · (1 + aκ)²,               a = 1/q_F.

The asymmetry a = 0 gives the oscillator. For a > 0 the line is skewed to high frequencies, with
a zero below it; a < 0 gives the mirror image. The continuum around the line is a² of the height
of the oscillator (Fano, Phys. Rev. 124, 1866 (1961); with ω² in place of ω, as for oscillators,
Gallinet and Martin, Phys. Rev. B 83, 235427 (2011)). K is the kinetic energy of the oscillator
alone; the integral over the interference diverges because the continuum does not end.

Polynomial division leaves spectra whose windowed forms are known. With V and U the spectra of
the velocity and of ω₀Q, both of area 1,

    S/K = c_V V + c_U U + c₀ + c₂ω²,
    c_V = 1 + 2a(ω₀/γ − γ/ω₀) − a²(2 − γ²/ω₀²),      c_U = a² − 2aω₀/γ,
    c₀ = (4a/ω₀ − 2γa²/ω₀²)/π,                       c₂ = 2a²/(πγω₀²).

The Hann window leaves a constant unchanged and turns ω² into ω² + θ²/3 with θ one bin. The part
of the oscillator beyond the Nyquist frequency is aliased; the interference, which is meaningful
only around the line, must not be. The aliasing of (c_V − 1) V is therefore subtracted,

    (2γ/π)(c_V − 1) Σ_{k≠0} (ω + kΩ)⁻²,                                  Ω = 2π/Δt.

U falls faster, and its aliasing is negligible.
"""

from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Complexes, Floats
from trajmodes.kernels import inner_kernel

_CRITICAL = 1e-8
"""Smallest |ω₀² − γ²/4| in γ². Closer to critical damping the two poles are kept this far
apart, which changes the spectrum equally little."""


class Grid(NamedTuple):
    """Consecutive bins at which the kernels compute a spectrum, and one more on each side."""

    first: int
    """The bin before the first one."""
    turns: Complexes
    """(w + 2,) e^{−iωΔt}."""
    length: int
    """Frames in a segment."""
    interval: float
    """Time between frames in ps."""

    @staticmethod
    def of(first: int, last: int, segment_frames: int, interval_ps: float) -> "Grid":
        """Return the grid of all bins from the first to the last."""
        turns = np.exp(-2j * np.pi / segment_frames * np.arange(first - 1, last + 2))
        return Grid(int(first) - 1, turns, int(segment_frames), float(interval_ps))


class Room(NamedTuple):
    """Work arrays of the kernels, overwritten for each line."""

    weights_kn: Floats
    """(4, 5) c_V, c_U and the coefficients of the continuum, and their derivatives."""
    factors_kn: Floats
    """(4, 5) contribution of one pole to the spectrum and to its derivatives: real and
    imaginary parts of the factors of the two window sums, and the constant at lag zero."""
    sums_nw: Complexes
    """(5, w + 2) g₀, g₁, g₂, Σ_τ b(τ) y^τ, and the derivative of the latter by ln y."""

    @staticmethod
    def of(n_bins: int) -> "Room":
        """Allocate work arrays for a number of bins."""
        sums_nw = np.empty((5, n_bins + 2), dtype=np.complex128)
        return Room(np.zeros((4, 5)), np.empty((4, 5)), sums_nw)


@inner_kernel(inline="always")
def part_of(grid: Grid, first: int, size: int) -> Grid:
    """Return a number of bins of a grid, from a first one on."""
    place = first - 1 - grid.first
    turns = grid.turns[place : place + size + 2]
    return Grid(first - 1, turns, grid.length, grid.interval)


@inner_kernel(error_model="numpy")
def _add_poles(omega: float, gamma: float, grid: Grid, room: Room, spectra_kw: Floats) -> None:
    """Store the windowed and sampled c_V V + c_U U, and its derivatives.

    V and U are the spectra of the velocity and of ω₀Q, both of area 1: (2γ/π) ω²/((ω² −
    ω₀²)² + γ²ω²), and the same with ω₀² in place of ω² in the numerator.

    The first two columns of the weights hold c_V and c_U, and in the rows below their
    derivatives by ω₀, ln γ, and the other parameters.
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


@inner_kernel(error_model="numpy", inline="always")
def _place_factors(
    omega: float, gamma: float, root: complex, grid: Grid, room: Room
) -> complex:
    """Store the factors of one pole p = −γ/2 + i·root, and return the pole."""
    weights, factors = room.weights_kn, room.factors_kn
    pole, other = -0.5 * gamma + 1j * root, -0.5 * gamma - 1j * root
    split = 2j * root
    # C(t)/C(0) = (p₁ e^{p₁t} − p₂ e^{p₂t})/(p₁ − p₂); that of ω₀Q has the shares exchanged.
    velocity, displacement = pole / split, -other / split
    # Two for the pooled ±ω, two for the negative lags, Σ w² = 3L/8; 1/2π for the density in ω.
    scale = 2.0 / np.pi * grid.interval / (0.375 * grid.length)
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
        factors[k, 4] = grid.interval / np.pi * share.real
    return pole


@inner_kernel(error_model="numpy", inline="always")
def _geometric_sums(step: complex, grid: Grid, sums_nw: Complexes) -> None:
    """Store g₀, g₁, g₂ of the module docstring, for y = e^step at ω = 0."""
    g0, g1, g2 = sums_nw[0], sums_nw[1], sums_nw[2]
    length, turns = grid.length, grid.turns
    once, whole = np.exp(step), np.exp(length * step)
    decay = 1.0 - whole
    rest = length - decay + length * whole
    for b in range(len(turns)):
        y = once * turns[b]
        # 1/(1 − y) in real arithmetic, much faster than a complex division.
        away = 1.0 - y
        gap = away.conjugate() * (1.0 / (away.real * away.real + away.imag * away.imag))
        ratio = y * gap
        g0[b] = ratio - whole * gap
        g1[b] = ratio * (length - decay * gap)
        g2[b] = ratio * gap * (rest - 2.0 * decay * ratio)


@inner_kernel(error_model="numpy", inline="always")
def _window_sums(length: int, n_bins: int, sums_nw: Complexes) -> None:
    """Store Σ_τ b(τ) y^τ for each bin, and its derivative by ln y."""
    g0, g1, g2, sums, growth = sums_nw[0], sums_nw[1], sums_nw[2], sums_nw[3], sums_nw[4]
    theta = 2.0 * np.pi / length
    sine = 0.5 * (0.25 / np.tan(0.5 * theta) - 0.125 / np.tan(theta))
    for w in range(n_bins):
        # e^{+iθτ} shifts to the bin before, e^{−iθτ} to the bin after.
        edge = g0[w + 2] - g0[w]
        # y dg₀/dy = L g₀ − g₁, and y dg₁/dy = g₂.
        bent = length * edge - (g1[w + 2] - g1[w])
        linear = 0.25 * g1[w + 1] + 0.0625 * (g1[w] + g1[w + 2])
        square = 0.25 * g2[w + 1] + 0.0625 * (g2[w] + g2[w + 2])
        sums[w] = linear + sine * complex(-edge.imag, edge.real)
        growth[w] = square + sine * complex(-bent.imag, bent.real)


@inner_kernel(error_model="numpy")
def line_spectra(
    line: tuple[float, float, float], grid: Grid, room: Room, spectra_kw: Floats
) -> None:
    """Store the spectrum of a line (ω₀, γ, a) and its derivatives by ω₀, ln γ and a.

    If `spectra_kw` has three rows, a must be zero, and the line is a damped oscillator.
    """
    omega, gamma, a = line
    _place_weights(omega, gamma, a, room.weights_kn)
    _add_poles(omega, gamma, grid, room, spectra_kw)
    if len(spectra_kw) > 3:
        _add_continuum(grid, room.weights_kn, spectra_kw)


@inner_kernel(error_model="numpy", inline="always")
def _add_continuum(grid: Grid, weights: Floats, spectra_kw: Floats) -> None:
    """Add c₀ + c₂ω², and subtract the aliasing of (c_V − 1) V."""
    theta = 2.0 * np.pi / (grid.length * grid.interval)
    for w in range(len(grid.turns) - 2):
        here = theta * (grid.first + w + 1)
        square = here**2 + theta**2 / 3.0
        # Σ_k (ω + kΩ)⁻² = (π/Ω)²/sin²(πω/Ω).
        folded = (0.5 * grid.interval / np.sin(0.5 * grid.interval * here)) ** 2
        folded -= 1.0 / here**2
        for k in range(4):
            continuum = weights[k, 2] + weights[k, 3] * square + weights[k, 4] * folded
            spectra_kw[k, w] += continuum


@inner_kernel(error_model="numpy", inline="always")
def _place_weights(omega: float, gamma: float, a: float, weights: Floats) -> None:
    """Store c_V, c_U, c₀, c₂, (2γ/π)(1 − c_V), and derivatives by ω₀, ln γ, a, as (k, 5)."""
    ratio, square = gamma / omega, a**2
    curved = 2.0 / np.pi * square / (gamma * omega**2)
    high = 4.0 / np.pi / omega
    weights[0, 0] = 1.0 + 2.0 * a * (1.0 / ratio - ratio) - square * (2.0 - ratio**2)
    weights[0, 1] = square - 2.0 * a / ratio
    weights[0, 2] = high * (a - 0.5 * square * ratio)
    weights[0, 3] = curved
    weights[1, 0] = 2.0 * a * (1.0 / ratio + ratio) / omega
    weights[1, 0] -= 2.0 * square * ratio**2 / omega
    weights[1, 1] = -2.0 * a / gamma
    weights[1, 2] = high * (square * ratio - a) / omega
    weights[1, 3] = -2.0 * curved / omega
    weights[2, 0] = 2.0 * square * ratio**2 - 2.0 * a * (1.0 / ratio + ratio)
    weights[2, 1] = 2.0 * a / ratio
    weights[2, 2] = -0.5 * high * square * ratio
    weights[2, 3] = -curved
    weights[3, 0] = 2.0 * (1.0 / ratio - ratio) - 2.0 * a * (2.0 - ratio**2)
    weights[3, 1] = 2.0 * a - 2.0 / ratio
    weights[3, 2] = high * (1.0 - a * ratio)
    weights[3, 3] = high * a / (gamma * omega)
    for k in range(4):
        weights[k, 4] = -2.0 / np.pi * gamma * weights[k, 0]
    weights[0, 4] += 2.0 / np.pi * gamma
    weights[2, 4] += weights[0, 4]
