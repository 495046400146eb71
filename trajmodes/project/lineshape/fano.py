"""A line that interferes with a continuum: Fano's profile for a damped oscillator.

With κ = (ω² − ω₀²)/(γω₀) the damped oscillator's spectrum is multiplied by (1 + aκ)²:

    S(ω) = K · 4γω²/((ω² − ω₀²)² + γ²ω²) · (1 + aκ)²,                    a = 1/q_F,

so that a = 0 is the oscillator itself, a > 0 leans to high frequencies with a zero below the
line, a < 0 is its mirror image, and around the line the continuum is a² of the height of the
oscillator (Fano, Phys. Rev. 124, 1866 (1961); with ω² in place of ω, as oscillators want it,
Gallinet and Martin, Phys. Rev. B 83, 235427 (2011)). K is the kinetic energy of the oscillator
alone; the integral of the interference is not finite, for the continuum goes on.

Polynomial division leaves spectra whose windowed forms are known. With V and U the spectra of
velocity and of ω₀Q (`oscillator`), both of area 1,

    S/K = c_V V + c_U U + c₀ + c₂ω²,
    c_V = 1 + 2a(ω₀/γ − γ/ω₀) − a²(2 − γ²/ω₀²),      c_U = a² − 2aω₀/γ,
    c₀ = 8a/ω₀ − 4γa²/ω₀²,                           c₂ = 4a²/(γω₀²).

The Hann window leaves a constant as it is, and makes ω² into ω² + θ²/3 with θ one bin. What the
oscillator has beyond the Nyquist frequency is folded back, the interference is not: of it only
the surroundings of the line mean anything. So what folding adds to (c_V − 1) V is taken off
again, 4γ(c_V − 1) Σ_{k≠0} (ω + kΩ)⁻², Ω = 2π/Δt; U ends faster and has nothing to fold.
"""

import numpy as np
from numba import njit

from trajmodes.arrays import Floats, Ints
from trajmodes.project.lineshape.oscillator import Grid, Room, add_poles


def expected_fano(
    shape: tuple[Floats, Floats, Floats], bins: Ints, segment_frames: int, interval_ps: float
) -> tuple[Floats, Floats]:
    """Compute the expected one-sided Welch spectrum of an interfering line with K = 1.

    Parameters
    ----------
    shape
        (g,) each: ω₀ and γ in rad/ps, and the asymmetry a.
    bins
        (g, w) consecutive frequency bins, strictly between 0 and the Nyquist frequency.
    segment_frames, interval_ps
        Frames in a segment and the time between them.

    Returns
    -------
    (g, w) spectrum in 1/THz, and (g, 3, w) its derivatives by ω₀, ln γ and a.
    """
    spectra = np.empty((len(bins), 4, bins.shape[1]))
    room = Room.of(bins.shape[1])
    for g, line in enumerate(zip(*shape, strict=True)):
        grid = Grid.of(bins[g, 0], bins[g, -1], segment_frames, interval_ps)
        line_spectra(line, grid, room, spectra[g])
    return spectra[:, 0], spectra[:, 1:]


@njit(nogil=True, cache=True, error_model="numpy")
def line_spectra(
    line: tuple[float, float, float], grid: Grid, room: Room, spectra_kw: Floats
) -> None:
    """Put in the spectrum of a line (ω₀, γ, a) and its derivatives by ω₀, ln γ and a.

    With three rows a must be zero: the line is then the damped oscillator.
    """
    omega, gamma, lean = line
    _place_weights(omega, gamma, lean, room.weights_kn)
    add_poles(omega, gamma, grid, room, spectra_kw)
    if len(spectra_kw) > 3:
        _add_continuum(grid, room.weights_kn, spectra_kw)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _add_continuum(grid: Grid, weights: Floats, spectra_kw: Floats) -> None:
    """Add c₀ + c₂ω², and take off what folding adds to (c_V − 1) V."""
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


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _place_weights(omega: float, gamma: float, lean: float, weights: Floats) -> None:
    """Put in c_V, c_U, c₀, c₂, 4γ(1 − c_V), and their derivatives by ω₀, ln γ, a: (k, 5)."""
    ratio, square = gamma / omega, lean**2
    curved = 4.0 * square / (gamma * omega**2)
    weights[0, 0] = 1.0 + 2.0 * lean * (1.0 / ratio - ratio) - square * (2.0 - ratio**2)
    weights[0, 1] = square - 2.0 * lean / ratio
    weights[0, 2] = (8.0 * lean - 4.0 * square * ratio) / omega
    weights[0, 3] = curved
    weights[1, 0] = 2.0 * lean * (1.0 / ratio + ratio) / omega
    weights[1, 0] -= 2.0 * square * ratio**2 / omega
    weights[1, 1] = -2.0 * lean / gamma
    weights[1, 2] = (8.0 * square * ratio - 8.0 * lean) / omega**2
    weights[1, 3] = -2.0 * curved / omega
    weights[2, 0] = 2.0 * square * ratio**2 - 2.0 * lean * (1.0 / ratio + ratio)
    weights[2, 1] = 2.0 * lean / ratio
    weights[2, 2] = -4.0 * square * ratio / omega
    weights[2, 3] = -curved
    weights[3, 0] = 2.0 * (1.0 / ratio - ratio) - 2.0 * lean * (2.0 - ratio**2)
    weights[3, 1] = 2.0 * lean - 2.0 / ratio
    weights[3, 2] = (8.0 - 8.0 * lean * ratio) / omega
    weights[3, 3] = 8.0 * lean / (gamma * omega**2)
    for k in range(4):
        weights[k, 4] = -4.0 * gamma * weights[k, 0]
    weights[0, 4] += 4.0 * gamma
    weights[2, 4] += weights[0, 4]
