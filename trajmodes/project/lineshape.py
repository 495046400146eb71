"""Frequency, linewidth and lifetime of every set of modes from its power spectrum.

A damped oscillator, seen through the window that was used, is fitted to the bins around each
line (see `oscillator` for the model, `whittle` for the statistics). Reported are ω₀/2π, the
full width at half maximum γ/2π in THz, and the energy lifetime 1/γ. Errors grow by √χ² where
the line is surely not quite of the model's shape. A line that the spectrum cannot show gives
no number but a verdict, and what would resolve it: see `verdicts`.
"""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data import LineFits, PowerSpectra, Verdict
from trajmodes.project.verdicts import judge
from trajmodes.project.whittle import Lines, Observed, fit_whittle
from trajmodes.project.window import resolution_thz
from trajmodes.units import THZ

__all__ = ["fit_lines"]

# A line is fitted within this many widths (its own plus the resolution) on both sides: wings
# further out hold little information on it, and structure that is not its own.
_WIDTHS = 4.0
_FEWEST_BINS = 4
# The first round looks where the power is, the others where the line is.
_ROUNDS = 3
_BATCH_BINS = 100_000


def fit_lines(spectra: PowerSpectra, guess_thz: Floats) -> LineFits:
    """Fit one damped oscillator to the spectrum of each set.

    Parameters
    ----------
    spectra
        One-sided Welch spectra of the mode velocities.
    guess_thz
        (g,) where to look: the line is sought between half and 1.5 times this frequency,
        everywhere if it is not positive.
    """
    theta = _start(spectra, guess_thz)
    for _ in range(_ROUNDS):
        lines = _fit_around(spectra, theta)
        theta = lines.parameters
    variances = np.diagonal(lines.covariance, axis1=1, axis2=2)
    surely = lines.goodness - 2.0 * lines.goodness_sem
    scale = np.sqrt(np.maximum(surely, 1.0))[:, None]
    sem = np.sqrt(np.maximum(variances, 0.0)) * scale
    width = np.exp(theta[:, 2]) / THZ
    verdicts, advice = judge(spectra, lines, width, sem[:, 2])
    resolved = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])

    def shown(values: Floats) -> Floats:
        return np.where(resolved, values, np.nan)

    lifetime = 1.0 / np.exp(theta[:, 2])
    return LineFits(
        freq_thz=shown(theta[:, 1] / THZ),
        freq_thz_sem=shown(sem[:, 1] / THZ),
        linewidth_thz=shown(width),
        linewidth_thz_sem=shown(width * sem[:, 2]),
        lifetime_ps=shown(lifetime),
        lifetime_ps_sem=shown(lifetime * sem[:, 2]),
        kinetic=shown(np.exp(theta[:, 0])),
        goodness=lines.goodness,
        verdicts=tuple(verdicts),
        advice=tuple(advice),
    )


def _start(spectra: PowerSpectra, guess_thz: Floats) -> Floats:
    """First guess (g, n) from the quartiles of the power, which wings and noise hardly move."""
    freq = spectra.freq_thz
    guess = np.where(np.isfinite(guess_thz) & (guess_thz > 0.0), guess_thz, np.nan)[:, None]
    near = (np.isnan(guess) | (np.abs(freq / guess - 1.0) < 0.5)) & (freq > 0.0)
    power = np.where(near & np.isfinite(spectra.power), spectra.power, 0.0)
    power = np.where((power.sum(axis=1) > 0.0)[:, None], power, near.astype(float))
    cumulated = np.cumsum(power, axis=1)
    share = cumulated / cumulated[:, -1:]
    low, center, high = (freq[(share < level).sum(axis=1)] for level in (0.25, 0.5, 0.75))
    resolution = resolution_thz(spectra.segment_frames, spectra.interval_ps)
    width = np.maximum(high - low, 0.5 * resolution)
    area = cumulated[:, -1] * freq[1]
    return np.stack([np.log(area), center * THZ, np.log(width * THZ)], axis=1)


def _fit_around(spectra: PowerSpectra, theta: Floats) -> Lines:
    """Fit all lines, each on its own range of bins, in batches of ranges of like length."""
    n_bins = len(spectra.freq_thz)
    df, length = spectra.freq_thz[1], spectra.segment_frames
    resolution = resolution_thz(length, spectra.interval_ps)
    reach = _WIDTHS * (np.exp(theta[:, 2]) / THZ + resolution) / df
    middle = np.clip(theta[:, 1] / THZ / df, 1, n_bins - 2)
    # Zero and the Nyquist frequency are one-sided already: they are left out.
    first = np.clip(np.floor(middle - reach), 1, n_bins - 1 - _FEWEST_BINS).astype(int)
    last = np.clip(np.ceil(middle + reach), first + _FEWEST_BINS - 1, n_bins - 2).astype(int)
    order = np.argsort(last - first, kind="stable")
    parts, start = [], 0
    while start < len(order):
        size = max(1, _BATCH_BINS // int((last - first)[order[start:]].min() + 1))
        rows = order[start : start + size]
        parts.append(fit_whittle(_observe(spectra, rows, first, last), theta[rows]))
        start += size
    place = np.argsort(order, kind="stable")
    return Lines(
        *(
            np.concatenate([getattr(part, name) for part in parts])[place]
            for name in Lines.__dataclass_fields__
        )
    )


def _observe(spectra: PowerSpectra, rows: Ints, first: Ints, last: Ints) -> Observed:
    width = int((last - first)[rows].max()) + 1
    bins = first[rows, None] + np.arange(width)
    inside = bins <= last[rows, None]
    within = np.minimum(bins, len(spectra.freq_thz) - 1)
    power = spectra.power[rows[:, None], within]
    return Observed(
        bins=bins,
        inside=inside,
        power=np.where(inside & np.isfinite(power), power, 0.0),
        averages=spectra.averages[rows],
        segment_frames=spectra.segment_frames,
        interval_ps=spectra.interval_ps,
    )
