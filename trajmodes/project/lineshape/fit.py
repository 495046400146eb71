"""Frequency, linewidth and lifetime of every set of modes from its power spectrum.

A damped oscillator convolved with the window is fitted to the bins around each line (`models`),
with the Whittle likelihood (`whittle`), at the segment length that suits the line
(`resolution`). Reported are ω₀, the full width at half maximum γ, and the energy lifetime 1/γ.
Standard errors are scaled by √χ² where the reduced χ² significantly exceeds 1.

A line is resolved if its width is not significantly below two resolutions nor below one, if it
has the fitted shape, and if the standard error of its width is below half of it. All widths are
full widths at half maximum; the resolution is the width of an infinitely narrow line. A line
that is not resolved has a verdict and advice in place of a width.

A line narrower than that has a frequency but no width. Its bins are those of the window, made
of one amplitude per segment. They determine the frequency better than independent bins, which
the fit assumes; its standard error is conservative.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.labels import two_digits
from trajmodes.data.spectra import NARROWEST, BandSpectra, LineData, LineFits, Verdict
from trajmodes.errors import DataError
from trajmodes.project.lineshape.models import (
    AREA,
    CHANCE_SIGMAS,
    GAMMA,
    OMEGA,
    LineShape,
    Observed,
    largest_deviation,
    model_of,
    places,
)
from trajmodes.project.lineshape.resolution import ChosenFits, choose_segment_length
from trajmodes.project.lineshape.segment_fits import SegmentSpectra
from trajmodes.project.spectra.segments import bin_spacing, resolution_of
from trajmodes.units import THZ

_OSCILLATOR = LineShape()


def fit_lines(
    spectra_of_lengths: Sequence[BandSpectra],
    expected: Floats,
    shape: LineShape = _OSCILLATOR,
    static: Floats | None = None,
) -> LineFits:
    """Fit one line to the spectrum of each set.

    Parameters
    ----------
    spectra_of_lengths
        Spectra of the same sets for several segment lengths, in any order. The band of the
        shortest should be the whole axis, for lines are searched there first.
    expected
        (g,) expected frequencies in rad/ps. A line is searched between half and 1.5 times this
        frequency, or everywhere if it is not positive.
    static
        (g,) frequencies from ⟨|Q̇|²⟩/⟨|Q|²⟩ in rad/ps, if known. Frames far apart do not change
        them, so that they tell a line from its mirror image at the Nyquist frequency.

    Raises
    ------
    DataError
        If there are no spectra.
    """
    if not spectra_of_lengths:
        raise DataError("no spectra to fit lines to", fix="give at least one segment length")
    candidates = [SegmentSpectra.of(spectra) for spectra in spectra_of_lengths]
    candidates.sort(key=lambda spectra: spectra.resolution, reverse=True)
    chosen = choose_segment_length(candidates, expected, shape)
    known = np.fmax(expected, expected if static is None else static)
    aliased = may_be_aliased(chosen.center, known, candidates[0].nyquist)
    return _line_fits(candidates, chosen, shape, aliased)


_SHIFT = 0.1
"""Largest relative distance of a line from the static frequency of its mode."""


def may_be_aliased(line: Floats, static: Floats, nyquist: float) -> Bools:
    """Whether lines may be mirror images of lines above the Nyquist frequency (g,).

    They may be if the static frequency is above it, or if the mirror image of the line is
    within a tenth of the static frequency.

    Parameters
    ----------
    line, static
        (g,) frequencies of line and mode; nan or negative where unknown.
    nyquist
        In the same unit.
    """
    image = 2.0 * nyquist - line
    aliased: Bools = (static >= nyquist) | (image < (1.0 + _SHIFT) * static)
    return aliased


def _line_fits(
    candidates: list[SegmentSpectra], chosen: ChosenFits, shape: LineShape, aliased: Bools
) -> LineFits:
    """Report numbers where they are resolved, and verdicts elsewhere."""
    lower = chosen.reduced_chi2 - 2.0 * chosen.reduced_chi2_sem
    scale = np.sqrt(np.fmax(lower, 1.0))[:, None]
    sem = np.sqrt(np.maximum(chosen.variances, 0.0)) * scale
    verdicts, advice = judge_lines(candidates, chosen, sem, shape, aliased)
    oscillates = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
    resolved = oscillates | np.array([verdict is Verdict.OVERDAMPED for verdict in verdicts])

    def shown(values: Floats) -> Floats:
        return np.where(resolved, values, np.nan)

    known = frequency_known(candidates, chosen, sem, shape, verdicts)
    theta, width = chosen.parameters, chosen.width
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
    resolution, segment_ps = _segment_of(candidates, chosen)
    return LineFits(
        omega=np.where(known, chosen.center, np.nan),
        omega_sem=np.where(known, sem[:, OMEGA], np.nan),
        linewidth=shown(width),
        linewidth_sem=shown(width * sem[:, GAMMA]),
        lifetime_ps=lifetime,
        lifetime_ps_sem=lifetime * sem[:, GAMMA],
        kinetic=shown(area),
        reduced_chi2=chosen.reduced_chi2,
        verdicts=tuple(verdicts),
        advice=tuple(advice),
        segment_ps=segment_ps,
        resolution=resolution,
        **extra,
    )


_LARGEST_RELATIVE_SEM = 0.5
_LARGEST_RESIDUAL = 0.4
"""Largest root-mean-square relative residual of a line of unresolved width with a known
frequency."""
_LEAST_SHARE = 0.5
"""One line must contain half the power of the spectrum."""


def _segment_of(candidates: list[SegmentSpectra], chosen: ChosenFits) -> Floats:
    """Resolution and length in ps of the segments chosen for each set, (2, g)."""
    lengths = [(spectra.resolution, spectra.band.duration_ps) for spectra in candidates]
    segment: Floats = np.array(lengths).T[:, np.maximum(chosen.length_index, 0)]
    return segment


def frequency_known(
    candidates: list[SegmentSpectra],
    chosen: ChosenFits,
    sem: Floats,
    shape: LineShape,
    verdicts: list[Verdict],
) -> Bools:
    """Whether each set has a line of the fitted shape with a known frequency (g,).

    The standard error of ω₀² must be below half of it. An overdamped line may fail this, for a
    relaxation slower than the length of a segment looks like free diffusion. The arguments are
    those of `judge_lines`, and its verdicts.
    """
    _, share = _shares(candidates, chosen, shape)
    # The shape of the window is exact: a deviation from it is a second line.
    deviates = (
        np.maximum(chosen.reduced_chi2 - 1.0, 0.0) / chosen.averages > _LARGEST_RESIDUAL**2
    )
    deviates &= chosen.reduced_chi2 - CHANCE_SIGMAS * chosen.reduced_chi2_sem > 1.0
    one = ~chosen.rejected & ~deviates & (share >= _LEAST_SHARE)
    placed = [
        verdict in (Verdict.RESOLVED, Verdict.OVERDAMPED)
        or (verdict is Verdict.TOO_NARROW and alone)
        for verdict, alone in zip(verdicts, one, strict=True)
    ]
    return np.array(placed, dtype=bool) & _certain(chosen, sem)


def _certain(chosen: ChosenFits, sem: Floats) -> Bools:
    """Whether the standard error of ω₀² is below half of it (g,)."""
    certain: Bools = 2.0 * sem[:, OMEGA] < _LARGEST_RELATIVE_SEM * chosen.parameters[:, OMEGA]
    return certain


def judge_lines(
    candidates: list[SegmentSpectra],
    chosen: ChosenFits,
    sem: Floats,
    shape: LineShape,
    aliased: Bools,
) -> tuple[list[Verdict], list[str]]:
    """Return verdict and advice for each line, from standard errors (g, n) as well."""
    (resolution, segment_ps), known = _segment_of(candidates, chosen), _certain(chosen, sem)
    nyquist = candidates[0].nyquist
    relative, width = sem[:, GAMMA], chosen.width
    center = chosen.center
    total, share = _shares(candidates, chosen, shape)
    finite = np.isfinite(chosen.parameters[:, :3]).all(axis=1) & np.isfinite(relative)
    narrow = width < resolution
    narrow |= width * (1.0 + 2.0 * relative) < NARROWEST * resolution
    beyond = (width > 0.5 * nyquist) | (center > nyquist) | (center <= 0.0)
    # The first condition that holds gives the verdict.
    findings = [
        (Verdict.ALIASED, aliased),
        (Verdict.FAILED, ~finite | ~chosen.converged | ~(total > 0.0)),
        (Verdict.TOO_BROAD, beyond),
        (Verdict.OUTSIDE, ~chosen.covered | (narrow & chosen.missed)),
        (Verdict.TOO_NARROW, narrow),
        (Verdict.NO_LINE, chosen.rejected | (share < _LEAST_SHARE)),
        (Verdict.TOO_FEW, relative > _LARGEST_RELATIVE_SEM),
        (Verdict.OVERDAMPED, center < 0.5 * width),
    ]
    verdicts, advice = [], []
    for g in range(len(width)):
        verdict = next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        line = (center[g], width[g], relative[g], bool(known[g]))
        verdicts.append(verdict)
        advice.append(_advise(verdict, line, (resolution[g], segment_ps[g])))
    return verdicts, advice


def _shares(
    candidates: list[SegmentSpectra], chosen: ChosenFits, shape: LineShape
) -> tuple[Floats, Floats]:
    """Power (g,) in the broadest band, and the part of it in the lines."""
    totals = np.array([spectra.total() for spectra in candidates])
    widest, rows = np.argmax(totals, axis=0), np.arange(totals.shape[1])
    total = totals[widest, rows]
    area = np.exp(chosen.parameters[:, AREA])
    where = places(shape)
    if where.asymmetry is not None:
        # The continuum that a Fano line interferes with belongs to the line.
        return total, np.ones_like(total)
    rest = total
    if where.baseline is not None:
        breadth = np.array([spectra.breadth() for spectra in candidates])[widest, rows]
        rest = total - area * chosen.parameters[:, where.baseline] * breadth
    if where.ratio is not None:
        area = area * (1.0 + np.nan_to_num(np.exp(chosen.parameters[:, where.ratio])))
    return total, area / np.maximum(rest, np.finfo(float).tiny)


def _advise(
    verdict: Verdict, line: tuple[float, float, float, bool], segment: tuple[float, float]
) -> str:
    center, width, relative, omega_known = line
    times = max((min(relative, 1e3) / _LARGEST_RELATIVE_SEM) ** 2, 1.0)
    advice = {
        Verdict.RESOLVED: "",
        Verdict.TOO_NARROW: _longer_segments(width, *segment),
        Verdict.TOO_FEW: (
            f"the width is uncertain by {100 * relative:.0f} %; a run"
            f" {two_digits(1.2 * times)} times as long would resolve it"
        ),
        Verdict.NO_LINE: (
            "several lines, or not the shape of a damped oscillator: look at the spectrum;"
            " a larger supercell or a longer run may separate them"
        ),
        Verdict.TOO_BROAD: (
            "as broad as the spectrum: use frames closer in time, if it is not overdamped"
        ),
        Verdict.OUTSIDE: (
            f"the line is near {center / THZ:.3g} THz and about {width / THZ:.2g} THz wide, and"
            " extends beyond the band kept around the expected frequency: use force constants"
            " of this temperature, or a coarser --resolution-thz, whose band is wider"
        ),
        Verdict.ALIASED: (
            "a line above the Nyquist frequency appears below it as its mirror image: dump"
            " frames closer in time"
        ),
        Verdict.OVERDAMPED: (
            "relaxes without oscillating, most slowly in"
            f" {width / center**2:.3g} ps (γ/ω₀²): frequency and width are those of"
            " the damped oscillator"
        )
        if omega_known
        else "relaxes without oscillating, more slowly than the segments resolve",
        Verdict.FAILED: "look at the spectrum: the fit found no maximum of the likelihood",
    }
    return advice[verdict]


def _longer_segments(width: float, resolution: float, segment_ps: float) -> str:
    """Advice for a line that is too narrow."""
    floor = NARROWEST * resolution
    # A width far below the resolution is uncertain: limit the advised length.
    wanted = segment_ps * max(floor / max(width, 1e-3 * resolution), 1.0)
    return (
        f"narrower than {floor / THZ:.3g} THz, so it lives longer than"
        f" {1.0 / floor:.3g} ps; --resolution-thz"
        f" {two_digits(resolution / THZ * segment_ps / wanted)} and a run of"
        f" {two_digits(2.0 * wanted)} ps"
        f" would resolve it (segments of {two_digits(wanted)} ps, now {segment_ps:.3g} ps)"
    )


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
    averaged. Spectra and expected frequencies are those that the lines were fitted with.
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
