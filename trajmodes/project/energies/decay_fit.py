"""Decay rate of the energy autocorrelation of every set, with its standard error.

Model of one mode: Q̈ + γQ̇ + ω₀²Q = noise. With Ω² = ω₀² − γ²/4, a = γ/2Ω, c, s = cos, sin Ωt

    ⟨QQ(t)⟩ ∝ ω₀⁻²e^{−γt/2}(c + as),  ⟨QQ̇(t)⟩ ∝ −Ω⁻¹e^{−γt/2}s,  ⟨Q̇Q̇(t)⟩ ∝ e^{−γt/2}(c − as),

and the motion is Gaussian. By Wick's theorem the energies of `travelling_waves`, computed with
a frequency ω that need not equal ω₀, r = ω²/ω₀², have the covariances

    travelling   e^{−γt} {¼[(r + 1)c + (r − 1)as]² + (ω/Ω)² s²},
    standing     e^{−γt} {½[r²(c + as)² + (c − as)²] + (ω/Ω)² s²},

in (k_BT)². Of the d² components of d degenerate standing waves, ½d(d + 1) have the second form
(energies and √2 Re M_ij), and the others twice the first minus the second: on average the
second has weight 1/d. Both are e^{−γt} to first order in γ/ω₀ and in r − 1; the terms that
oscillate at 2Ω are of second order. Each is a sum of three exponentials e^{pt}. Averages over B
frames at t and at t + nBΔt turn each exponential, with y = e^{pΔt}, into

    y^{(n−1)B+1} [(1 − y^B)/(B(1 − y))]²,  n ≥ 1.

The mean is taken over the same run and the same M series, and fluctuates with them. This lowers
the correlation by (C₀/M)(2c̄ − h), with x = γT, u = γt,

    h = 2(x − 1 + e^{−x})/x²,   c̄ = (1/x)[2 − (1 − e^{−(x−u)} + e^{−u} − e^{−x})/(x − u)],

the variance of the mean and its covariance with E(t), averaged over the times of a pair.

Fit. The frequencies are known, and the only rate is γ. With weights w = Δt e^{−2γt} over the
lags t, the two moments of the correlation C,

    β = Σ w C   and   α = Σ w γt C,

depend on amplitude and decay; γ is chosen so that their ratio is that of the model. The
amplitude is free, so that a part that decorrelates at once has no effect. Any weights give a
result without bias to first order. These give long lags less weight than least squares
(e^{−γt}) would, and the variance is 0.6 times as large. Weights that decay faster would reduce
the variance further if the model were exact, but they rely on the first few lags, where a
crystal differs from the model.

Errors. Energies of a Gaussian motion are exponentially distributed, and the covariance of their
correlations at two lags is a sum over the derangements of four times (two pairs, and six cycles
of four; the third pair is the product of means). With the weights it gives

    var(γ)/γ² = c/(M γT),  c = 5.67 + 3.20 (d + 1/d)

for M components and γT ≫ 1, d² of them for every d degenerate waves. Each derangement counts d
to the power of its number of closed index loops: d² for the two pairs, d³ for four of the
cycles and d for the other two, relative to d⁴. Simulated damped oscillators have the same c,
within their scatter, down to γT = 20. To second order ln γ is too large by c/(3MγT), as found
from such runs; this is subtracted.

Members of a star exchange energy with one another and are then more alike than independent
members. The scatter of the time blocks of the run measures this. Blocks are at least six
lifetimes long; their variance is averaged with the theoretical one, which has the weight of
eight blocks. Where the run has fewer than four such blocks, the theory is used alone.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.project.energies.autocorrelation import EnergyCorrelations

_LEAST_OSCILLATION = 0.1
"""Smallest Ω²/ω₀²; closer to critical damping there is no line."""


def energy_decay(
    gamma: Floats, omega_ratio: Floats, omega: Floats, standing: Floats
) -> tuple[Complexes, Complexes]:
    """Exponents and amplitudes of the covariance of energies at k_BT = 1.

    Parameters
    ----------
    gamma
        (g,), unit: 1/ps.
    omega_ratio, omega, standing
        As in `EnergyCorrelations`: the frequencies ω₀ of the motion and ω in the energy.

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
    """Correlation (…, k) of averages over frames of e^{pt}, for exponents p (…,) in 1/ps.

    `steps` and `average_frames` (k,) are those of `EnergyCorrelations`.
    """
    p = interval_ps * exponents[..., None]
    mean = np.expm1(p * average_frames) / (average_frames * np.expm1(p))
    decay = (mean**2 * np.exp(p * ((steps - 1) * average_frames + 1))).astype(complex)
    for place in np.flatnonzero(steps == 0):
        length = int(average_frames[place])
        apart = np.arange(1, length)
        pairs = np.exp(p * apart) @ (length - apart)
        decay[..., place] = (length + 2.0 * pairs) / length**2
    return decay


def mean_bias(gamma: Floats, lag_ps: Floats, range_ps: Floats) -> Floats:
    """Loss of correlation (…, k) due to the mean over the same data, for one series at C₀ = 1.

    Parameters
    ----------
    gamma
        (…,), unit: 1/ps.
    lag_ps
        (k,) lags.
    range_ps
        (r,) durations of the uninterrupted ranges, treated as independent.
    """
    loss = np.zeros((*gamma.shape, len(lag_ps)))
    total = range_ps.sum()
    lengths, counts = np.unique(range_ps, return_counts=True)
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
"""Part of c from the two pairs of times."""
_CYCLES = 3.20
"""Part of c from four of the cycles at d = 1; that of the two other cycles is equal."""
_SECOND_ORDER = 1.0 / 3.0
_GRID_PER_E = 12
_SLOWEST = 0.5
"""Smallest γ of the search, in units of 1/(length of the run)."""
_FASTEST = 2.0
"""Largest γ of the search, in units of 1/(shortest lag)."""
_MOST_STEPS = 20
_LONGEST_STEP = 0.3
_LIFETIMES_PER_BLOCK = 6.0
_FEWEST_BLOCKS = 4
_BLOCKS_IN_THEORY = 8.0


@dataclass(frozen=True, slots=True)
class CentredCorrelations:
    """Correlations of the energies about their mean, and the constants of the model."""

    sums: EnergyCorrelations
    blocks: Floats
    """(b, g, k), unit: eV². Contribution of each time block to the correlation."""
    shares: Floats
    """(b, k) its share of the number of pairs."""
    components: Floats
    """(g,) M, at least 1."""
    degeneracy: Floats
    """(g,) d, at least 1."""
    weights: Floats
    """(k,), unit: ps. Time interval that each lag represents; 0 for lags not used."""
    range_ps: Floats
    """(r,) durations of the uninterrupted ranges."""

    @property
    def correlation(self) -> Floats:
        """(g, k), unit: eV². Correlation of the whole run, with the bias due to the mean."""
        total: Floats = self.blocks.sum(axis=0)
        return total

    @property
    def run_ps(self) -> float:
        """Total duration of all ranges."""
        return float(self.range_ps.sum())

    @property
    def shortest_ps(self) -> float:
        """Duration of the shortest average, the first lag."""
        return float(self.sums.average_frames[0] * self.sums.interval_ps)


@dataclass(frozen=True, slots=True)
class DecayFits:
    """Decay rates of all sets (g)."""

    gamma: Floats
    """(g,), unit: 1/ps. At an end of the search range if the decay is slower or faster."""
    relative_sem: Floats
    """(g,) relative standard error of γ."""
    amplitude: Floats
    """(g,), unit: eV². Amplitude of the part that decays with γ."""
    converged: Bools
    """(g,)."""


def centred(correlations: EnergyCorrelations) -> CentredCorrelations:
    """Subtract the mean over the run and the set."""
    pairs_k = np.maximum(correlations.counts.sum(axis=0), 1.0)
    components = np.maximum(correlations.components, 1).astype(float)
    # Σ (E − μ)(E' − μ) of one component; coherences have no mean.
    centred_bkg = correlations.products - correlations.mean * correlations.sums
    centred_bkg += correlations.counts[..., None] * (
        correlations.members * correlations.mean**2
    )
    centred_bkg /= components
    # Lag 0 contains the part that decorrelates at once.
    weights = np.where(correlations.steps > 0, np.gradient(correlations.lag_ps), 0.0)
    return CentredCorrelations(
        sums=correlations,
        blocks=(centred_bkg / pairs_k[:, None]).swapaxes(1, 2),
        shares=correlations.counts / pairs_k,
        components=components,
        degeneracy=components / np.maximum(correlations.members, 1),
        weights=weights,
        range_ps=correlations.range_frames.astype(float) * correlations.interval_ps,
    )


def fit_decays(data: CentredCorrelations) -> DecayFits:
    """Fit γ and amplitude to the correlation of every set."""
    gamma, found = _initial_rates(data)
    converged = np.zeros(len(gamma), dtype=bool)
    for _ in range(_MOST_STEPS):
        balance = _moment_balance(data, gamma)
        # To first order the score is the slope times ln(true rate/γ).
        step = np.where(found, np.nan_to_num(balance.score / balance.slope), 0.0)
        converged = np.abs(step) < 1e-5
        if converged.all():
            break
        gamma = gamma * np.exp(np.clip(step, -_LONGEST_STEP, _LONGEST_STEP))
    balance = _moment_balance(data, gamma)
    variance = _variance(data, balance)
    late = _SECOND_ORDER * theory_variance(data, gamma)
    return DecayFits(
        gamma=np.where(found, gamma * np.exp(-np.minimum(late, 1.0)), gamma),
        relative_sem=np.sqrt(variance),
        amplitude=balance.amplitude,
        converged=converged & np.isfinite(data.correlation).all(axis=1),
    )


def expected(data: CentredCorrelations, gamma: Floats) -> Floats:
    """Compute the correlation (g, k) expected at k_BT = 1, minus the loss due to the mean."""
    sums = data.sums
    exponents, amplitudes = energy_decay(gamma, sums.omega_ratio, sums.omega, sums.standing)
    decay = averaged_decay(exponents, sums.steps, sums.average_frames, sums.interval_ps)
    whole: Floats = np.einsum("pg,pgk->gk", amplitudes, decay).real
    return whole - mean_loss(data, gamma)


def mean_loss(data: CentredCorrelations, gamma: Floats) -> Floats:
    """Compute the loss of correlation (g, k) due to the mean over the same run."""
    loss = mean_bias(gamma, data.sums.lag_ps, data.range_ps)
    return loss / data.components[:, None]


def theory_variance(data: CentredCorrelations, gamma: Floats) -> Floats:
    """Variance (g,) of γ̂/γ for independent levels."""
    scatter = _PAIRS + _CYCLES * (data.degeneracy + 1.0 / data.degeneracy)
    variance: Floats = scatter / (data.components * gamma * data.run_ps)
    return variance


@dataclass(frozen=True, slots=True)
class _Balance:
    """Difference between the ratio of moments of the data and that of the model with γ."""

    gamma: Floats
    weights: Floats
    """(g, k); their sum with the model is zero."""
    score: Floats
    """(g,) sum of the weights with the data."""
    slope: Floats
    """(g,) derivative of the score with respect to the logarithm of the true rate."""
    amplitude: Floats
    """(g,)."""
    model: Floats
    """(g, k)."""


def _moment_weights(data: CentredCorrelations, gamma: Floats) -> tuple[Floats, Floats]:
    """Return both weights, w γt and w, (…, k)."""
    u = gamma[..., None] * data.sums.lag_ps
    below = data.weights * np.exp(-_SHARPNESS * u)
    return below * u, below


def _initial_rates(data: CentredCorrelations) -> tuple[Floats, Bools]:
    """Rates (g,) at which the moments of a pure exponential balance, and whether they exist."""
    sums = data.sums
    slowest, fastest = np.log([_SLOWEST / data.run_ps, _FASTEST / data.shortest_ps])
    grid = np.linspace(slowest, fastest, int(_GRID_PER_E * (fastest - slowest)) + 2)
    rates = np.exp(grid)
    above_jk, below_jk = _moment_weights(data, rates)
    whole_jk = averaged_decay(
        -rates + 0.0j, sums.steps, sums.average_frames, sums.interval_ps
    ).real
    loss_jk = mean_bias(rates, sums.lag_ps, data.range_ps)

    def moment(weights_jk: Floats) -> Floats:
        whole_j, loss_j = ((weights_jk * part).sum(1)[:, None] for part in (whole_jk, loss_jk))
        moment_jg: Floats = whole_j - loss_j / data.components
        return moment_jg

    correlation_kg = np.nan_to_num(data.correlation).T
    beta_jg = below_jk @ correlation_kg
    score_jg = (above_jk @ correlation_kg) * moment(below_jk) - beta_jg * moment(above_jk)
    # If the trial rate is too small, the data are below the model at long lags. Of several
    # solutions the fastest is based on the lags with the smallest errors.
    rises = (score_jg[:-1] < 0.0) & (score_jg[1:] >= 0.0) & (beta_jg[1:] > 0.0)
    found: Bools = np.any(rises, axis=0)
    place = len(rises) - 1 - np.argmax(rises[::-1], axis=0)
    sets = np.arange(len(found))
    low, high = score_jg[place, sets], score_jg[place + 1, sets]
    part = low / np.where(found, low - high, 1.0)
    start = np.exp(grid[place] + part * (grid[1] - grid[0]))
    missed = np.where(score_jg[-1] < 0.0, rates[-1], rates[0])
    return np.where(found, start, missed), found


def _moment_balance(data: CentredCorrelations, gamma: Floats) -> _Balance:
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


def _variance(data: CentredCorrelations, balance: _Balance) -> Floats:
    """Variance (g,) of γ̂/γ: theory, averaged with the blocks where there are enough."""
    result = theory_variance(data, balance.gamma)
    # Contribution of each block to the score beyond its share, summed over lags.
    scale = balance.weights / balance.slope[:, None]
    parts_bg = np.einsum("gk,bgk->bg", scale, data.blocks)
    parts_bg -= np.einsum(
        "gk,gk,bk->bg", scale, balance.amplitude[:, None] * balance.model, data.shares
    )
    theory, lifetimes = result, balance.gamma * data.run_ps
    n_blocks = len(parts_bg)
    while n_blocks >= _FEWEST_BLOCKS:
        scatter = n_blocks * parts_bg.var(axis=0, ddof=1)
        free = n_blocks - 1.0
        mixed = (_BLOCKS_IN_THEORY * theory + free * scatter) / (_BLOCKS_IN_THEORY + free)
        fits = lifetimes >= _LIFETIMES_PER_BLOCK * n_blocks
        finer = lifetimes >= 2.0 * _LIFETIMES_PER_BLOCK * n_blocks
        last = n_blocks == len(data.blocks)
        # With heavy tails the scatter of few blocks is more often too small than too large.
        result = np.where(fits & (last | ~finer), np.maximum(mixed, theory), result)
        if n_blocks % 2:
            break
        parts_bg = parts_bg[0::2] + parts_bg[1::2]
        n_blocks //= 2
    return result
