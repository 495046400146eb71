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

The decay rate of the correlation of energies, with its error, for all sets at once.

The model is that of `energy_decay`: one rate γ, frequencies being known. With weights
w = Δt e^{−2γt} over the lags t the two moments of the correlation C,

    β = Σ w C   and   α = Σ w γt C,

depend on amplitude and decay; γ is where their ratio is that of the model. The amplitude is
free: what decorrelates at once does not count. Any weights give a result without bias to first
order. These weigh long lags less than least squares (e^{−γt}) would, and have 0.6 times its
variance. Weights that fall faster still, or the inverse covariance of the lags, would gain
more for the motion of the model alone: by trust in the first few lags, where a crystal differs.

Errors. Energies of a Gaussian motion are exponentially distributed, and the covariance of
their correlations at any two lags is a sum over the derangements of four times (two pairs, and
six cycles of four; the third pair is the product of means). Through the weights it gives

    var(γ)/γ² = c/(M γT),  c = 5.67 + 3.20 (d + 1/d)

for M components and γT ≫ 1, d² of them for every d degenerate waves. Each derangement counts d
to the power of the closed loops of indices in it: d² the two pairs, d³ four of the cycles and d
the other two, of d⁴. Runs of exact damped oscillators have the same c, within their scatter,
down to γT = 20. To second order ln γ comes out too large by c/(3MγT), found from such runs, and
taken off.

Members of a star exchange energy among themselves, and are then more alike than independent
ones: the scatter of blocks of time of the same run tells how much. Blocks are six lifetimes or
longer; their variance and that of the theory are averaged, theory counting as much as eight
blocks. Where the run has no four such blocks theory stands alone.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.project.lifetimes.autocorrelation import EnergyCorrelations

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


_SHARPNESS = 2.0
_PAIRS = 5.67
"""Part of c of the two pairs of times, …"""
_CYCLES = 3.20
"""… and of four of the cycles at d = 1, or of the two others."""
_SECOND_ORDER = 1.0 / 3.0
_GRID_PER_E = 12
_SLOWEST = 0.5
"""Smallest γ that is tried, times the length of the run, …"""
_FASTEST = 2.0
"""… and the largest one, times the shortest lag."""
_MOST_STEPS = 20
_LONGEST_STEP = 0.3
_LIFETIMES_PER_BLOCK = 6.0
_FEWEST_BLOCKS = 4
_BLOCKS_IN_THEORY = 8.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Correlations about the mean, and what the model needs beside γ."""

    told: EnergyCorrelations
    blocks: Floats
    """(b, g, k), unit: eV². Share of each time block in the correlation."""
    shares: Floats
    """(b, k) its share in the number of pairs."""
    components: Floats
    """(g,) M, at least 1."""
    degeneracy: Floats
    """(g,) d, at least 1."""
    weights: Floats
    """(k,), unit: ps. Time that each lag stands for; 0 where lags are not used."""
    stretch_ps: Floats
    """(r,) durations of the stretches."""

    @property
    def correlation(self) -> Floats:
        """(g, k), unit: eV². As the run gives it."""
        total: Floats = self.blocks.sum(axis=0)
        return total

    @property
    def run_ps(self) -> float:
        """Duration of all stretches."""
        return float(self.stretch_ps.sum())


@dataclass(frozen=True, slots=True)
class DecayFits:
    """Decay rates of all sets."""

    gamma: Floats
    """(g,), unit: 1/ps. At an end of the range of rates that were tried if the decay is slower
    or faster."""
    relative_sem: Floats
    """(g,) standard error of γ, per γ."""
    amplitude: Floats
    """(g,), unit: eV². Of the part that decays with γ."""
    converged: Bools
    """(g,)."""


def seen(told: EnergyCorrelations) -> Seen:
    """Take the mean over the run and the set off.

    Parameters
    ----------
    told
        Sums over the run.
    """
    pairs_k = np.maximum(told.counts.sum(axis=0), 1.0)
    components = np.maximum(told.components, 1).astype(float)
    # Σ (E − μ)(E' − μ) of one component; coherences have no mean.
    centred_bkg = told.products - told.mean * told.sums
    centred_bkg += told.counts[..., None] * (told.members * told.mean**2)
    centred_bkg /= components
    # At lag 0 energies have what decorrelates at once in it.
    weights = np.where(told.steps > 0, np.gradient(told.lag_ps), 0.0)
    return Seen(
        told=told,
        blocks=(centred_bkg / pairs_k[:, None]).swapaxes(1, 2),
        shares=told.counts / pairs_k,
        components=components,
        degeneracy=components / np.maximum(told.members, 1),
        weights=weights,
        stretch_ps=told.stretch_frames.astype(float) * told.interval_ps,
    )


def fit_decays(data: Seen) -> DecayFits:
    """Fit γ and amplitude to the correlation of every set.

    Parameters
    ----------
    data
        Correlations about the mean.
    """
    gamma, found = _first_look(data)
    converged = np.zeros(len(gamma), dtype=bool)
    for _ in range(_MOST_STEPS):
        balance = _weigh(data, gamma)
        # To first order the score is the slope times ln of the true rate per γ.
        step = np.where(found, np.nan_to_num(balance.score / balance.slope), 0.0)
        converged = np.abs(step) < 1e-5
        if converged.all():
            break
        gamma = gamma * np.exp(np.clip(step, -_LONGEST_STEP, _LONGEST_STEP))
    balance = _weigh(data, gamma)
    variance = _variance(data, balance)
    late = _SECOND_ORDER * theory_variance(data, gamma)
    return DecayFits(
        gamma=np.where(found, gamma * np.exp(-np.minimum(late, 1.0)), gamma),
        relative_sem=np.sqrt(variance),
        amplitude=balance.amplitude,
        converged=converged & np.isfinite(data.correlation).all(axis=1),
    )


def expected(data: Seen, gamma: Floats) -> Floats:
    """Compute the correlation (g, k) at k_BT = 1, less what the mean of the run takes away.

    Parameters
    ----------
    data
        The run.
    gamma
        (g,) rates.
    """
    told = data.told
    exponents, amplitudes = energy_decay(gamma, told.omega_ratio, told.omega, told.standing)
    decay = averaged_decay(exponents, told.steps, told.average_frames, told.interval_ps)
    whole: Floats = np.einsum("pg,pgk->gk", amplitudes, decay).real
    return whole - lost(data, gamma)


def lost(data: Seen, gamma: Floats) -> Floats:
    """Compute what the mean of the same run takes away from the correlation (g, k)."""
    loss = mean_bias(gamma, data.told.lag_ps, data.stretch_ps)
    return loss / data.components[:, None]


def theory_variance(data: Seen, gamma: Floats) -> Floats:
    """Variance (g,) of γ/γ_true for independent levels."""
    scatter = _PAIRS + _CYCLES * (data.degeneracy + 1.0 / data.degeneracy)
    variance: Floats = scatter / (data.components * gamma * data.run_ps)
    return variance


@dataclass(frozen=True, slots=True)
class _Balance:
    """How far the ratio of moments is from that of the model with γ."""

    gamma: Floats
    weights: Floats
    """(g, k), whose sum with the model is zero."""
    score: Floats
    """(g,) their sum with the data."""
    slope: Floats
    """(g,) change of the score by ln of the true rate."""
    amplitude: Floats
    """(g,)."""
    model: Floats
    """(g, k)."""


def _moment_weights(data: Seen, gamma: Floats) -> tuple[Floats, Floats]:
    """Both weights, w γt and w, (…, k)."""
    u = gamma[..., None] * data.told.lag_ps
    below = data.weights * np.exp(-_SHARPNESS * u)
    return below * u, below


def _first_look(data: Seen) -> tuple[Floats, Bools]:
    """Rates where the ratio of moments is that of an exponential, and whether there is one."""
    told = data.told
    shortest = told.average_frames[0] * told.interval_ps
    slowest, fastest = np.log([_SLOWEST / data.run_ps, _FASTEST / shortest])
    grid = np.linspace(slowest, fastest, int(_GRID_PER_E * (fastest - slowest)) + 2)
    rates = np.exp(grid)
    above_jk, below_jk = _moment_weights(data, rates)
    whole_jk = averaged_decay(
        -rates + 0.0j, told.steps, told.average_frames, told.interval_ps
    ).real
    loss_jk = mean_bias(rates, told.lag_ps, data.stretch_ps)

    n_g = data.components

    def moment(weights_jk: Floats) -> Floats:
        wholes_jk, losses_jk = (weights_jk * part_jk for part_jk in (whole_jk, loss_jk))
        moment_jg: Floats = wholes_jk.sum(1)[:, None] - losses_jk.sum(1)[:, None] / n_g
        return moment_jg

    correlation_kg = np.nan_to_num(data.correlation).T
    beta_jg = below_jk @ correlation_kg
    score_jg = (above_jk @ correlation_kg) * moment(below_jk) - beta_jg * moment(above_jk)
    # The data have less at long lags than a rate that is too small. Of several balances the
    # one at the fastest rate rests on the lags that are known best.
    rises = (score_jg[:-1] < 0.0) & (score_jg[1:] >= 0.0) & (beta_jg[1:] > 0.0)
    found: Bools = np.any(rises, axis=0)
    place = len(rises) - 1 - np.argmax(rises[::-1], axis=0)
    sets = np.arange(len(found))
    low, high = score_jg[place, sets], score_jg[place + 1, sets]
    part = low / np.where(found, low - high, 1.0)
    start = np.exp(grid[place] + part * (grid[1] - grid[0]))
    missed = np.where(score_jg[-1] < 0.0, rates[-1], rates[0])
    return np.where(found, start, missed), found


def _weigh(data: Seen, gamma: Floats) -> _Balance:
    above_gk, below_gk = _moment_weights(data, gamma)
    model_gk, correlation_gk, step = expected(data, gamma), data.correlation, 1e-4
    faster, slower = expected(data, gamma * np.exp(step)), expected(data, gamma / np.exp(step))
    below_sum = (below_gk * model_gk).sum(axis=1)
    ratio = (above_gk * model_gk).sum(axis=1) / below_sum
    weights_gk = above_gk - ratio[:, None] * below_gk
    amplitude = (below_gk * correlation_gk).sum(axis=1) / below_sum
    return _Balance(
        gamma=gamma,
        weights=weights_gk,
        score=(weights_gk * correlation_gk).sum(axis=1),
        slope=amplitude * (weights_gk * (faster - slower)).sum(axis=1) / (2.0 * step),
        amplitude=amplitude,
        model=model_gk,
    )


def _variance(data: Seen, balance: _Balance) -> Floats:
    """Variance (g,) of γ̂/γ: theory, and blocks where there are enough of them."""
    result = theory_variance(data, balance.gamma)
    # Σ over lags of what each block adds to the score beyond its share.
    scale = balance.weights / balance.slope[:, None]
    parts_bg = np.einsum("gk,bgk->bg", scale, data.blocks)
    parts_bg -= np.einsum("gk,gk,bk->bg", scale, _fitted(balance), data.shares)
    theory, lifetimes = result, balance.gamma * data.run_ps
    n_blocks = len(parts_bg)
    while n_blocks >= _FEWEST_BLOCKS:
        scatter = n_blocks * parts_bg.var(axis=0, ddof=1)
        free = n_blocks - 1.0
        mixed = (_BLOCKS_IN_THEORY * theory + free * scatter) / (_BLOCKS_IN_THEORY + free)
        fits = lifetimes >= _LIFETIMES_PER_BLOCK * n_blocks
        finer = lifetimes >= 2.0 * _LIFETIMES_PER_BLOCK * n_blocks
        last = n_blocks == len(data.blocks)
        # Heavy tails make the scatter of few blocks too small more often than too large.
        result = np.where(fits & (last | ~finer), np.maximum(mixed, theory), result)
        if n_blocks % 2:
            break
        parts_bg = parts_bg[0::2] + parts_bg[1::2]
        n_blocks //= 2
    return result


def _fitted(balance: _Balance) -> Floats:
    fitted: Floats = balance.amplitude[:, None] * balance.model
    return fitted
