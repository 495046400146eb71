"""The measured spectra around each line and the fitted lines in them, for plots and tables."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import BandSpectra, LineData, LineFits
from trajmodes.project.lineshape.goodness_of_fit import CHANCE_SIGMAS, largest_stray
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    model_of,
    places,
)
from trajmodes.project.lineshape.segment_spectra import Rung
from trajmodes.project.spectra.segments import resolution_thz
from trajmodes.units import THZ

_RANGES = (6.0, 4.0, 2.0, 1.0)
"""Widths, the resolution included, on both sides of a line that may be shown."""
_MOST_BINS = 400
_NONE = 1e-300
"""Strength of a second line that is not there."""


def line_models(ladder: Sequence[BandSpectra], lines: LineFits, guess_thz: Floats) -> LineData:
    """Compute the spectra expected of the fitted lines, beside the measured ones.

    Spectra are told within six widths of each line, its own plus the resolution; around the
    expected frequency where none was resolved. Models end where the measured wings surely are
    not theirs: there they were not fitted. Bins become means of neighbours where there are
    more than 400 of them.

    Parameters
    ----------
    ladder
        The spectra that the lines were fitted to.
    lines
        The fits.
    guess_thz
        (g,) where to look where no line was resolved.
    """
    n_sets = len(lines.verdicts)
    freq, power, model = (np.full((n_sets, _MOST_BINS), np.nan) for _ in range(3))
    for rung in map(Rung.of, ladder):
        rows = np.flatnonzero(np.isclose(lines.resolution_thz, rung.resolution, rtol=1e-9))
        for some in np.array_split(rows, len(rows) // 64 + 1):
            if len(some):
                freq[some], power[some], model[some] = _around(rung, lines, guess_thz, some)
    used = np.isfinite(freq).any(axis=0)
    return LineData(freq[:, used], power[:, used], model[:, used])


def _around(
    rung: Rung, lines: LineFits, guess_thz: Floats, rows: Ints
) -> tuple[Floats, Floats, Floats]:
    """Frequency, power and model (i, 400) of some sets."""
    resolved = np.isfinite(lines.linewidth_thz[rows])
    center = np.where(resolved, lines.freq_thz[rows], np.abs(guess_thz[rows]))
    center = np.nan_to_num(center)
    width = np.where(resolved, lines.linewidth_thz[rows], 0.05 * center)
    reach = _RANGES[0] * (width + rung.resolution) / rung.df
    first = np.floor(center / rung.df - reach).astype(int)
    last = np.ceil(center / rung.df + reach).astype(int)
    # Where the band does not reach there, all of it is shown.
    astray = (last < rung.lowest[rows]) | (first > rung.highest[rows])
    first = np.where(astray, rung.lowest[rows], np.maximum(first, rung.lowest[rows]))
    last = np.where(astray, rung.highest[rows], np.minimum(last, rung.highest[rows]))
    observed = rung.observe(rows, first, np.maximum(last, first))
    theta, shape = _parameters(lines, rows)
    theta = np.where(resolved[:, None], theta, 1.0)
    unit, _ = model_of(shape)(observed, theta)
    model = np.exp(theta[:, :1]) * unit
    inside = observed.inside
    freq = np.where(inside, observed.bins * rung.df, np.nan)
    power = np.where(inside, observed.power, np.nan)
    shown = _borne_out(observed, theta, model, shape) & resolved[:, None]
    model = np.where(shown, model, np.nan)
    # So many bins of each set become one.
    share = np.maximum(-(-(last - first + 1) // _MOST_BINS), 1)
    return _averaged(freq, share), _averaged(power, share), _averaged(model, share)


def _borne_out(observed: Observed, theta: Floats, model: Floats, shape: LineShape) -> Bools:
    """Bins (i, w) in which the model is shown: the widest range without a stray region."""
    df = 1.0 / (observed.segment_frames * observed.interval_ps)
    resolution = resolution_thz(observed.segment_frames, observed.interval_ps)
    away = np.full(model.shape, np.inf)
    for first in places(shape).lines:
        width = np.exp(theta[:, first + GAMMA]) / THZ + resolution
        center = theta[:, first + OMEGA, None] / THZ
        distance = np.abs(observed.bins * df - center) / width[:, None]
        # A second line that is not there shows nothing.
        there = (
            theta[:, first] > 0.9 * np.log(_NONE) if first else np.ones(len(theta), dtype=bool)
        )
        away = np.where(there[:, None], np.fmin(away, distance), away)
    with np.errstate(divide="ignore", invalid="ignore"):
        misfit = np.where(observed.inside, observed.power / model - 1.0, 0.0)
    shown = observed.inside & (away <= _RANGES[-1])
    wider = np.ones(len(theta), dtype=bool)
    for widths in reversed(_RANGES[:-1]):
        range_ = observed.inside & (away <= widths)
        part = replace(observed, inside=range_)
        wider &= largest_stray(part, theta, misfit * range_) < CHANCE_SIGMAS
        shown |= range_ & wider[:, None]
    return shown


def _averaged(values_iw: Floats, share: Ints) -> Floats:
    """Means of `share` (i,) neighbours each, (i, 400); nan where there is none."""
    row, column = np.nonzero(np.isfinite(values_iw))
    place = (row, column // share[row])
    total, count = np.zeros((2, len(values_iw), _MOST_BINS))
    np.add.at(total, place, values_iw[row, column])
    np.add.at(count, place, 1.0)
    return np.where(count > 0.0, total / np.maximum(count, 1.0), np.nan)


def _parameters(lines: LineFits, rows: Ints) -> tuple[Floats, LineShape]:
    """Parameters (i, n) of the lines that were told, and their shape."""
    shape = LineShape(_kind(lines), baseline=lines.baseline is not None)
    where = places(shape)
    theta = np.zeros((len(rows), where.count))
    area = lines.kinetic[rows]
    theta[:, AREA] = np.log(area)
    theta[:, OMEGA] = lines.freq_thz[rows] * THZ
    theta[:, GAMMA] = np.log(lines.linewidth_thz[rows] * THZ)
    if where.lean is not None and lines.asymmetry is not None:
        theta[:, where.lean] = lines.asymmetry[rows]
    if where.baseline is not None and lines.baseline is not None:
        theta[:, where.baseline] = lines.baseline[rows] / area
    if where.ratio is not None:
        theta[:, where.ratio :] = _partner(lines, rows)
    return theta, shape


def _kind(lines: LineFits) -> Literal["oscillator", "fano", "two-oscillators"]:
    if lines.partner_kinetic is not None:
        return "two-oscillators"
    return "oscillator" if lines.asymmetry is None else "fano"


def _partner(lines: LineFits, rows: Ints) -> Floats:
    """Parameters (i, 3) of the second lines; one of no strength where none was needed."""
    parts = (lines.partner_kinetic, lines.partner_freq_thz, lines.partner_linewidth_thz)
    kinetic, freq, width = (part[rows] for part in parts if part is not None)
    needed = np.isfinite(kinetic)
    safe = np.where(needed, kinetic / lines.kinetic[rows], _NONE)
    return np.stack(
        [
            np.log(safe),
            np.where(needed, freq, 1.0) * THZ,
            np.log(np.where(needed, width, 1.0) * THZ),
        ],
        axis=1,
    )
