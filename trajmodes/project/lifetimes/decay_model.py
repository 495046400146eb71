"""What the autocorrelation of the energy of a damped oscillator is, averages and all.

Model of one mode: Q̈ + γQ̇ + ω₀²Q = noise. With Ω² = ω₀² − γ²/4, a = γ/2Ω, c, s = cos, sin Ωt

    ⟨QQ(t)⟩ ∝ ω₀⁻²e^{−γt/2}(c + as),  ⟨QQ̇(t)⟩ ∝ −Ω⁻¹e^{−γt/2}s,  ⟨Q̇Q̇(t)⟩ ∝ e^{−γt/2}(c − as),

and the motion is Gaussian, so that by Wick's theorem the energies of `autocorrelation`, taken
with a frequency ω that need not be ω₀, r = ω²/ω₀², have the covariances

    travelling   e^{−γt} {¼[(r + 1)c + (r − 1)as]² + (ω/Ω)² s²},
    standing     e^{−γt} {½[r²(c + as)² + (c − as)²] + (ω/Ω)² s²},

in (k_BT)². Of the d² components of d degenerate standing waves ½d(d + 1) have the second one
(energies and √2 Re M_ij), and the others twice the first less the second: on average the second
counts 1/d. Both are e^{−γt} to the first order in γ/ω₀ and in r − 1: what oscillates at 2Ω is
of the second. All is a sum of three exponentials e^{pt}. Averages over B frames at t and at
t + nBΔt make of each of them, with y = e^{pΔt},

    y^{(n−1)B+1} [(1 − y^B)/(B(1 − y))]²,  n ≥ 1.

A mean that was taken over the same run and the same M series takes part in the fluctuations:
the correlation comes out lower by (C₀/M)(2c̄ − h), x = γT, u = γt,

    h = 2(x − 1 + e^{−x})/x²,   c̄ = (1/x)[2 − (1 − e^{−(x−u)} + e^{−u} − e^{−x})/(x − u)],

the variance of the mean and its covariance with E(t), averaged over the times of a pair.
"""

import numpy as np

from trajmodes.arrays import Complexes, Floats, Ints

_LEAST_OSCILLATION = 0.1
"""Ω²/ω₀² at least: nearer to critical damping there is no line to speak of."""


def energy_decay(
    gamma: Floats, omega_ratio: Floats, omega: Floats, standing: Floats
) -> tuple[Complexes, Complexes]:
    """Exponents and amplitudes of the covariance of energies at k_BT = 1.

    Parameters
    ----------
    gamma
        (g,) unit: 1/ps.
    omega_ratio
        (g,) ω₀, unit: rad/ps, of the motion.
    omega
        (g,) ω, unit: rad/ps, in the energy.
    standing
        (g,) standing members per component.

    Returns
    -------
    (2, g) p in 1/ps and their amplitudes; the covariance is the real part of the sum.
    """
    square = np.maximum(omega_ratio**2 - 0.25 * gamma**2, _LEAST_OSCILLATION * omega_ratio**2)
    turn = np.sqrt(square)
    a, r = 0.5 * gamma / turn, (omega / omega_ratio) ** 2
    # Covariance e^{−γt}(P c² + X cs + Y s²), of travelling and of standing waves.
    both = standing * 0.5 * (r**2 + 1.0)
    cosine = both + (1.0 - standing) * 0.25 * (r + 1.0) ** 2
    mixed = a * (r**2 - 1.0) * (0.5 + 0.5 * standing)
    sine = (omega / turn) ** 2 + a**2 * (both + (1.0 - standing) * 0.25 * (r - 1.0) ** 2)
    slow = 0.5 * (cosine + sine) + 0.0j
    fast = 0.5 * (cosine - sine) - 0.5j * mixed
    return np.stack([-gamma + 0.0j, -gamma + 2.0j * turn]), np.stack([slow, fast])


def averaged_decay(
    exponents: Complexes, steps: Ints, average_frames: Ints, interval_ps: float
) -> Complexes:
    """Correlate the averages over frames of e^{pt}.

    Parameters
    ----------
    exponents
        (…,) p, unit: 1/ps.
    steps
        (k,) lag, in averages.
    average_frames
        (k,) frames in one average.
    interval_ps
        Time between frames.

    Returns
    -------
    (…, k).
    """
    p = interval_ps * exponents[..., None]
    mean = np.expm1(p * average_frames) / (average_frames * np.expm1(p))
    decay = np.empty(mean.shape, dtype=complex)
    decay[...] = mean**2 * np.exp(p * ((steps - 1) * average_frames + 1))
    for place in np.flatnonzero(steps == 0):
        length = int(average_frames[place])
        apart = np.arange(1, length)
        pairs = np.exp(p * apart) @ (length - apart)
        decay[..., place] = (length + 2.0 * pairs) / length**2
    return decay


def mean_bias(gamma: Floats, lag_ps: Floats, stretch_ps: Floats) -> Floats:
    """Loss of correlation by a mean of the same data, for one series at C₀ = 1.

    Parameters
    ----------
    gamma
        (…,) unit: 1/ps.
    lag_ps
        (k,) lags.
    stretch_ps
        (r,) durations of the uninterrupted stretches, taken as independent.

    Returns
    -------
    (…, k).
    """
    loss = np.zeros((*gamma.shape, len(lag_ps)))
    total = stretch_ps.sum()
    lengths, counts = np.unique(stretch_ps, return_counts=True)
    for length, count in zip(lengths, counts, strict=True):
        x = gamma[..., None] * length
        u = gamma[..., None] * np.minimum(lag_ps, 0.9 * length)
        h = 2.0 * (x + np.expm1(-x)) / x**2
        edges = (np.exp(-u) - np.exp(-x) - np.expm1(u - x)) / (x - u)
        share = count * length / total
        loss += share * (length / total) * (2.0 * (2.0 - edges) / x - h)
    return loss
