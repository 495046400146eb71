"""Frequency, linewidth and lifetime of every set of modes from its power spectrum.

A damped oscillator convolved with the window is fitted to the bins around each line (`models`),
with the Whittle likelihood (`whittle`), at the segment length that suits the line
(`resolution`). Reported are ω₀, the full width at half maximum γ, and the energy lifetime 1/γ.
Standard errors are scaled by √χ² where the reduced χ² exceeds 1 by more than two standard
deviations, and at least by the root of the scatter from bin to bin in units of that of
independent periodograms.
`verdicts` decides which lines are resolved.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.energies import ModeEnergies
from trajmodes.data.spectra import BandSpectra, LineData, LineFits, Verdict
from trajmodes.errors import DataError
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    model_of,
    places,
)
from trajmodes.project.lineshape.resolution import ChosenFits, choose_segment_length
from trajmodes.project.lineshape.segment_fits import SegmentSpectra
from trajmodes.project.lineshape.shape_tests import CHANCE_SIGMAS, largest_deviation
from trajmodes.project.lineshape.verdicts import (
    frequency_known,
    judge_lines,
    least_width,
    may_be_aliased,
    segment_of,
)
from trajmodes.project.selection import without_selection
from trajmodes.project.spectra.segments import bin_spacing, resolution_of

_OSCILLATOR = LineShape()


def fit_lines(
    spectra_of_lengths: Sequence[BandSpectra],
    expected: Floats,
    shape: LineShape = _OSCILLATOR,
    energies: ModeEnergies | None = None,
) -> LineFits:
    """Fit one line to the spectrum of each set.

    Parameters
    ----------
    spectra_of_lengths
        Spectra of the same sets for several segment lengths, in any order. The band of the
        shortest should be the whole axis, because lines are searched for there first.
    expected
        (g,) expected frequencies in rad/ps. A line is searched for between half and 1.5 times
        this frequency, or everywhere if it is not positive.
    energies
        Energies of the sets in the same run, if known. Those of a run with positions contain
        the static frequencies from ⟨|Q̇|²⟩/⟨|Q|²⟩. These do not depend on the time between
        frames, and distinguish a line from its mirror image at the Nyquist frequency. Their
        error bars, from blocks of the run, include slow modulations by other modes, which a
        spectrum does not show; the error bar of a line is at least that of the static
        frequency.

    Raises
    ------
    DataError
        If there are no spectra.
    """
    if not spectra_of_lengths:
        raise DataError("there are no spectra to fit", fix="give at least one segment length")
    candidates = [SegmentSpectra.of(spectra) for spectra in spectra_of_lengths]
    candidates.sort(key=lambda spectra: spectra.resolution, reverse=True)
    chosen = choose_segment_length(candidates, expected, shape)
    ratio = None if energies is None else energies.omega_ratio
    static = expected if ratio is None else np.fmax(expected, ratio)
    aliased = may_be_aliased(chosen.center, static, candidates[0].nyquist)
    lines = _line_fits(candidates, chosen, shape, aliased)
    if energies is None or energies.omega_ratio_sem is None:
        return lines
    # An unknown frequency has no error.
    least = np.where(np.isfinite(lines.omega), energies.omega_ratio_sem, np.nan)
    return replace(lines, omega_sem=np.fmax(lines.omega_sem, least))


def _line_fits(
    candidates: list[SegmentSpectra], chosen: ChosenFits, shape: LineShape, aliased: Bools
) -> LineFits:
    """Report numbers where they are resolved, and verdicts elsewhere."""
    # In short segments a deviation of the shape also contributes to the scatter.
    lower = chosen.reduced_chi2 - 2.0 * chosen.scatter * chosen.reduced_chi2_sem
    deviating = np.sqrt(np.fmax(lower / chosen.scatter, 1.0))
    scale = np.sqrt(chosen.scatter) * deviating
    sem = np.sqrt(np.maximum(chosen.variances, 0.0)) * scale[:, None]
    verdicts, advice = judge_lines(candidates, chosen, sem, shape, aliased)
    oscillates = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
    resolved = oscillates | np.array([verdict is Verdict.OVERDAMPED for verdict in verdicts])

    def shown(values: Floats) -> Floats:
        return np.where(resolved, values, np.nan)

    known = frequency_known(candidates, chosen, sem, shape, verdicts)
    theta, relative = chosen.parameters, sem[:, GAMMA]
    resolution, segment_ps = segment_of(candidates, chosen)
    limit = np.log(least_width(candidates, chosen, relative))
    log_width, relative = without_selection(theta[:, GAMMA], relative, limit)
    # The error of a width that is not resolved may be any number.
    width = np.exp(shown(log_width))
    lifetime = np.where(oscillates, 1.0 / width, np.nan)
    where = places(shape)
    area = np.exp(theta[:, AREA])
    extra: dict[str, Floats] = {}
    if where.asymmetry is not None:
        extra["asymmetry"] = shown(theta[:, where.asymmetry])
        extra["asymmetry_sem"] = shown(sem[:, where.asymmetry])
    if where.baseline is not None:
        extra["baseline"] = shown(area * theta[:, where.baseline])
    if where.ratio is not None:
        extra["partner_omega"] = shown(theta[:, where.ratio + OMEGA])
        extra["partner_linewidth"] = shown(np.exp(theta[:, where.ratio + GAMMA]))
        extra["partner_kinetic"] = shown(area * np.exp(theta[:, where.ratio]))
    return LineFits(
        omega=np.where(known, chosen.center, np.nan),
        omega_sem=np.where(known, sem[:, OMEGA], np.nan),
        linewidth=width,
        linewidth_sem=width * relative,
        lifetime_ps=lifetime,
        lifetime_ps_sem=lifetime * relative,
        kinetic=shown(area),
        reduced_chi2=chosen.reduced_chi2,
        error_factor=deviating,
        verdicts=tuple(verdicts),
        advice=tuple(advice),
        segment_ps=segment_ps,
        resolution=resolution,
        **extra,
    )


_RANGES = (6.0, 4.0, 2.0, 1.0)
"""Half-ranges within which the model may be shown, in units of the width plus the
resolution."""
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
    averaged. Spectra and expected frequencies are those with which the lines were fitted.
    """
    omega, power, model = np.full((3, len(lines.verdicts), _MOST_BINS), np.nan)
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
    center = np.nan_to_num(np.where(resolved, lines.omega[rows], np.abs(expected[rows])))
    width = np.where(resolved, lines.linewidth[rows], 0.05 * center)
    reach = _RANGES[0] * (width + spectra.resolution) / spectra.spacing
    first = np.floor(center / spectra.spacing - reach).astype(int)
    last = np.ceil(center / spectra.spacing + reach).astype(int)
    # If the band does not cover the line, the whole band is shown.
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
    columns = [np.log(lines.kinetic), lines.omega, np.log(lines.linewidth)]
    kind: Literal["oscillator", "fano", "two-oscillators"] = "oscillator"
    if lines.asymmetry is not None:
        kind = "fano"
        columns.append(lines.asymmetry)
    if lines.baseline is not None:
        columns.append(lines.baseline / lines.kinetic)
    partner = (lines.partner_kinetic, lines.partner_omega, lines.partner_linewidth)
    present = [part for part in partner if part is not None]
    if present:
        kind = "two-oscillators"
        # Where no second line was needed, its area is negligible.
        needed = np.isfinite(present[0])
        ratio, omega, width = (np.where(needed, part, 1.0) for part in present)
        ratio = np.where(needed, ratio / lines.kinetic, _NONE)
        columns += [np.log(ratio), omega, np.log(width)]
    return np.stack(columns, axis=1)[rows], LineShape(kind, lines.baseline is not None)
