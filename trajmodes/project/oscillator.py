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

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints

__all__ = ["Poles", "displacement_power", "expected_power", "velocity_power"]

_CRITICAL = 1e-8
"""Least |ω₀² − γ²/4| in γ²: nearer to critical damping the two poles are kept this far apart,
which moves the spectrum by as little."""


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
    return velocity_power(Poles.of(omega, gamma, bins, segment_frames, interval_ps))


@dataclass(frozen=True, slots=True)
class Poles:
    """The two poles (j) of each oscillator, and their sums under the window."""

    values: Complexes
    """(j, g) p_j in rad/ps."""
    slopes: Complexes
    """(n, j, g) derivatives by ω₀ and ln γ."""
    sums: Complexes
    """(j, g, w) Σ_τ b(τ) y^τ, per THz and so that C(0) = 1 gives the area 1."""
    growth: Complexes
    """(j, g, w) derivatives of the sums by p_j."""
    offset: float
    """What the lag zero adds to each bin."""

    @staticmethod
    def of(
        omega: Floats, gamma: Floats, bins: Ints, segment_frames: int, interval_ps: float
    ) -> "Poles":
        """Place the poles and sum over the lags; arguments of `expected_power`."""
        square = omega**2 - 0.25 * gamma**2
        least = _CRITICAL * gamma**2
        square = np.where(np.abs(square) < least, np.copysign(least, square), square)
        root = np.sqrt(square.astype(complex))
        turn_ng = np.stack([1j * omega / root, -0.25j * gamma**2 / root])
        slope_njg = np.stack([turn_ng, -turn_ng], axis=1)
        slope_njg[1] -= 0.5 * gamma
        values: Complexes = np.stack([-0.5 * gamma + 1j * root, -0.5 * gamma - 1j * root])
        sums, growth = _window_sums(values * complex(interval_ps), bins, segment_frames)
        # Two for the pooled ±f, two for the negative lags, Σ w² = 3L/8.
        scale = 4.0 * interval_ps / (0.375 * segment_frames)
        sums *= scale
        growth *= scale * interval_ps
        return Poles(values, slope_njg, sums, growth, 2.0 * interval_ps)

    def spectrum(self, share_jg: Complexes, change_njg: Complexes) -> tuple[Floats, Floats]:
        """Add the poles with their shares of C(0) = 1; derivatives (g, n, w)."""
        power_gw = self.offset + np.einsum("jg,jgw->gw", share_jg, self.sums).real
        slopes_gnw = np.einsum("njg,jgw->gnw", change_njg, self.sums).real
        weight_njg = share_jg * self.slopes
        slopes_gnw += np.einsum("njg,jgw->gnw", weight_njg, self.growth).real
        return power_gw, slopes_gnw

    def share(self) -> tuple[Complexes, Complexes]:
        """A₁ = p₁/(p₁ − p₂), (g,), and its derivatives (n, g) by ω₀ and ln γ."""
        first, second = self.values
        split = first - second
        # d(p₁/(p₁ − p₂)) = (p₁ dp₂ − p₂ dp₁)/(p₁ − p₂)².
        turned = first * self.slopes[:, 1] - second * self.slopes[:, 0]
        return first / split, turned / split**2


def velocity_power(poles: Poles) -> tuple[Floats, Floats]:
    """Spectrum of the velocity, 4γω²/((ω² − ω₀²)² + γ²ω²): see `expected_power`."""
    share, change = poles.share()
    return poles.spectrum(np.stack([share, 1.0 - share]), np.stack([change, -change], axis=1))


def displacement_power(poles: Poles) -> tuple[Floats, Floats]:
    """Spectrum of ω₀Q, 4γω₀²/((ω² − ω₀²)² + γ²ω²), of the same area; slopes alike."""
    share, change = poles.share()
    # C(t)/C(0) = (p₁ e^{p₂t} − p₂ e^{p₁t})/(p₁ − p₂): the shares change places.
    return poles.spectrum(np.stack([1.0 - share, share]), np.stack([-change, change], axis=1))


def _window_sums(
    steps_jg: Complexes, bins: Ints, segment_frames: int
) -> tuple[Complexes, Complexes]:
    """Σ_τ b(τ) y^τ for y = e^{step − iωΔt}, and its derivative by the step."""
    theta = 2.0 * np.pi / segment_frames
    sine = 0.25 / np.tan(0.5 * theta) - 0.125 / np.tan(theta)
    # One bin more on each side: e^{+iθτ} moves to the bin before, e^{−iθτ} to the one after.
    wider = np.concatenate([bins[:, :1] - 1, bins, bins[:, -1:] + 1], axis=1)
    g0, g1, g2 = _geometric_sums(steps_jg, np.exp(-1j * theta * wider), segment_frames)
    growth = segment_frames * g0 - g1

    def windowed(linear: Complexes, constant: Complexes) -> Complexes:
        cosine = linear[..., :-2] + linear[..., 2:]
        total: Complexes = 0.25 * linear[..., 1:-1] + 0.0625 * cosine
        total += 0.5j * sine * (constant[..., 2:] - constant[..., :-2])
        return total

    return windowed(g1, g0), windowed(g2, growth)


def _geometric_sums(
    steps_jg: Complexes, turns_gw: Complexes, length: int
) -> tuple[Complexes, Complexes, Complexes]:
    """g₀, g₁, g₂ of the module's text, (j, g, w) each."""
    y = np.exp(steps_jg)[..., None] * turns_gw
    whole = np.exp(length * steps_jg)[..., None]
    decay = 1.0 - whole
    gap = 1.0 / (1.0 - y)
    ratio = y * gap
    g0 = ratio - whole * gap
    g1 = ratio * (length - decay * gap)
    g2 = ratio * gap * (length - decay + length * whole - 2.0 * decay * ratio)
    return g0, g1, g2
