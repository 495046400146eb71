"""Measured spectra around each line and the fitted model, for plots and tables."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import BandSpectra, LineData, LineFits
from trajmodes.project.lineshape.goodness_of_fit import CHANCE_SIGMAS, largest_deviation
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    model_of,
    places,
)
from trajmodes.project.lineshape.segment_spectra import SegmentSpectra
from trajmodes.project.spectra.segments import bin_spacing, resolution_of

_RANGES = (6.0, 4.0, 2.0, 1.0)
"""Half-ranges, in widths plus resolution, within which the model may be shown."""
_MOST_BINS = 400
_NONE = 1e-300
"""Relative area of a second line that is absent."""


def line_models(
    spectra_of_lengths: Sequence[BandSpectra], lines: LineFits, expected: Floats
) -> LineData:
    """Compute the expected spectra of the fitted lines beside the measured ones.

    The spectra extend six widths (width plus resolution) around each line, or around the
    expected frequency where no line was resolved. The model is omitted in wings that differ
    significantly from it, because they were not fitted. Above 400 bins, neighbouring bins are
    averaged.

    Parameters
    ----------
    spectra_of_lengths
        The spectra that the lines were fitted to, one for each segment length.
    expected
        (g,) expected frequencies in rad/ps.
    """
    n_sets = len(lines.verdicts)
    omega, power, model = (np.full((n_sets, _MOST_BINS), np.nan) for _ in range(3))
    for spectra in map(SegmentSpectra.of, spectra_of_lengths):
        rows = np.flatnonzero(np.isclose(lines.resolution, spectra.resolution, rtol=1e-9))
        for some in np.array_split(rows, len(rows) // 64 + 1):
            if len(some):
                omega[some], power[some], model[some] = _curves_of_sets(
                    spectra, lines, expected, some
                )
    used = np.isfinite(omega).any(axis=0)
    return LineData(omega[:, used], power[:, used], model[:, used])


def _curves_of_sets(
    spectra: SegmentSpectra, lines: LineFits, expected: Floats, rows: Ints
) -> tuple[Floats, Floats, Floats]:
    """Frequency, power and model (i, 400) of some sets."""
    resolved = np.isfinite(lines.linewidth[rows])
    center = np.where(resolved, lines.omega[rows], np.abs(expected[rows]))
    center = np.nan_to_num(center)
    width = np.where(resolved, lines.linewidth[rows], 0.05 * center)
    reach = _RANGES[0] * (width + spectra.resolution) / spectra.spacing
    first = np.floor(center / spectra.spacing - reach).astype(int)
    last = np.ceil(center / spectra.spacing + reach).astype(int)
    # Where the band does not cover the line, the whole band is shown.
    outside = (last < spectra.lowest[rows]) | (first > spectra.highest[rows])
    first = np.where(outside, spectra.lowest[rows], np.maximum(first, spectra.lowest[rows]))
    last = np.where(outside, spectra.highest[rows], np.minimum(last, spectra.highest[rows]))
    observed = spectra.observe(rows, first, np.maximum(last, first))
    theta, shape = _parameters(lines, rows)
    theta = np.where(resolved[:, None], theta, 1.0)
    unit, _ = model_of(shape)(observed, theta)
    model = np.exp(theta[:, :1]) * unit
    inside = observed.inside
    omega = np.where(inside, observed.bins * spectra.spacing, np.nan)
    power = np.where(inside, observed.power, np.nan)
    shown = _supported_bins(observed, theta, model, shape) & resolved[:, None]
    model = np.where(shown, model, np.nan)
    # Number of bins that are averaged into one.
    share = np.maximum(-(-(last - first + 1) // _MOST_BINS), 1)
    return _averaged(omega, share), _averaged(power, share), _averaged(model, share)


def _supported_bins(
    observed: Observed, theta: Floats, model: Floats, shape: LineShape
) -> Bools:
    """Bins (i, w) in which the model is shown: the widest range without a deviating region."""
    spacing = bin_spacing(observed.segment_frames, observed.interval_ps)
    resolution = resolution_of(observed.segment_frames, observed.interval_ps)
    away = np.full(model.shape, np.inf)
    for first in places(shape).lines:
        width = np.exp(theta[:, first + GAMMA]) + resolution
        center = theta[:, first + OMEGA, None]
        distance = np.abs(observed.bins * spacing - center) / width[:, None]
        # An absent second line does not widen the range.
        there = (
            theta[:, first] > 0.9 * np.log(_NONE) if first else np.ones(len(theta), dtype=bool)
        )
        away = np.where(there[:, None], np.fmin(away, distance), away)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(observed.inside, observed.power / model - 1.0, 0.0)
    shown = observed.inside & (away <= _RANGES[-1])
    wider = np.ones(len(theta), dtype=bool)
    for widths in reversed(_RANGES[:-1]):
        range_ = observed.inside & (away <= widths)
        part = replace(observed, inside=range_)
        wider &= largest_deviation(part, theta, residual * range_) < CHANCE_SIGMAS
        shown |= range_ & wider[:, None]
    return shown


def _averaged(values_iw: Floats, share: Ints) -> Floats:
    """Means of `share` (i,) neighbours each, as (i, 400); nan where there are none."""
    row, column = np.nonzero(np.isfinite(values_iw))
    place = (row, column // share[row])
    total, count = np.zeros((2, len(values_iw), _MOST_BINS))
    np.add.at(total, place, values_iw[row, column])
    np.add.at(count, place, 1.0)
    return np.where(count > 0.0, total / np.maximum(count, 1.0), np.nan)


def _parameters(lines: LineFits, rows: Ints) -> tuple[Floats, LineShape]:
    """Parameters (i, n) of the fitted lines, and their line shape."""
    shape = LineShape(_kind(lines), baseline=lines.baseline is not None)
    where = places(shape)
    theta = np.zeros((len(rows), where.count))
    area = lines.kinetic[rows]
    theta[:, AREA] = np.log(area)
    theta[:, OMEGA] = lines.omega[rows]
    theta[:, GAMMA] = np.log(lines.linewidth[rows])
    if where.asymmetry is not None and lines.asymmetry is not None:
        theta[:, where.asymmetry] = lines.asymmetry[rows]
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
    """Parameters (i, 3) of the second lines; the area is negligible where none was needed."""
    parts = (lines.partner_kinetic, lines.partner_omega, lines.partner_linewidth)
    kinetic, omega, width = (part[rows] for part in parts if part is not None)
    needed = np.isfinite(kinetic)
    safe = np.where(needed, kinetic / lines.kinetic[rows], _NONE)
    return np.stack(
        [
            np.log(safe),
            np.where(needed, omega, 1.0),
            np.log(np.where(needed, width, 1.0)),
        ],
        axis=1,
    )
