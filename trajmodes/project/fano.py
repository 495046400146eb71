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

from trajmodes.arrays import Floats, Ints
from trajmodes.project.oscillator import Poles, displacement_power, velocity_power

__all__ = ["expected_fano"]


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
    omega, gamma, lean = shape
    poles = Poles.of(omega, gamma, bins, segment_frames, interval_ps)
    velocity_gw, velocity_gnw = velocity_power(poles)
    displacement_gw, displacement_gnw = displacement_power(poles)
    theta = 2.0 * np.pi / (segment_frames * interval_ps)
    square_gw = theta**2 * (bins**2 + 1.0 / 3.0)
    omega_gw = theta * bins
    # Σ_k (ω + kΩ)⁻² = (π/Ω)²/sin²(πω/Ω).
    folded_gw = (0.5 * interval_ps / np.sin(0.5 * interval_ps * omega_gw)) ** 2
    folded_gw -= omega_gw**-2.0
    constant_gw = np.ones_like(square_gw)
    parts_gkw = np.stack(
        [velocity_gw, displacement_gw, constant_gw, square_gw, folded_gw], axis=1
    )
    weight_kg, change_nkg = _weights(omega, gamma, lean)
    power_gw = np.einsum("kg,gkw->gw", weight_kg, parts_gkw)
    slopes_gnw = np.einsum("nkg,gkw->gnw", change_nkg, parts_gkw)
    slopes_gnw[:, :2] += weight_kg[0, :, None, None] * velocity_gnw
    slopes_gnw[:, :2] += weight_kg[1, :, None, None] * displacement_gnw
    return power_gw, slopes_gnw


def _weights(omega: Floats, gamma: Floats, lean: Floats) -> tuple[Floats, Floats]:
    """Parts c_V, c_U, c₀, c₂, 4γ(1 − c_V) (k, g); derivatives (n, k, g) by ω₀, ln γ, a."""
    ratio, square = gamma / omega, lean**2
    curved = 4.0 * square / (gamma * omega**2)
    weight = [
        1.0 + 2.0 * lean * (1.0 / ratio - ratio) - square * (2.0 - ratio**2),
        square - 2.0 * lean / ratio,
        (8.0 * lean - 4.0 * square * ratio) / omega,
        curved,
    ]
    by_omega = [
        2.0 * lean * (1.0 / ratio + ratio) / omega - 2.0 * square * ratio**2 / omega,
        -2.0 * lean / gamma,
        (8.0 * square * ratio - 8.0 * lean) / omega**2,
        -2.0 * curved / omega,
    ]
    by_gamma = [
        2.0 * square * ratio**2 - 2.0 * lean * (1.0 / ratio + ratio),
        2.0 * lean / ratio,
        -4.0 * square * ratio / omega,
        -curved,
    ]
    by_lean = [
        2.0 * (1.0 / ratio - ratio) - 2.0 * lean * (2.0 - ratio**2),
        2.0 * lean - 2.0 / ratio,
        (8.0 - 8.0 * lean * ratio) / omega,
        8.0 * lean / (gamma * omega**2),
    ]
    weight.append(4.0 * gamma * (1.0 - weight[0]))
    by_omega.append(-4.0 * gamma * by_omega[0])
    by_gamma.append(weight[-1] - 4.0 * gamma * by_gamma[0])
    by_lean.append(-4.0 * gamma * by_lean[0])
    return np.array(weight), np.array([by_omega, by_gamma, by_lean])
