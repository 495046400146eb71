"""Verdicts on lines: whether a line is resolved, and what would resolve it.

A line is resolved if its width is not significantly below two resolutions and significantly
above one, if it has the fitted shape, and if the standard error of its width is below half of
the width. All widths are full widths at half maximum; the resolution is the width of an
infinitely narrow line. A line that is not resolved has a verdict and advice in place of a
width.

The relative scatter of the widths of lines that are one resolution wide is 0.71/√N for N
independent periodograms (measured on damped oscillators, N from 3 to 450). The error of a
fitted width is a poorer measure of the scatter, because widths that noise increases have
smaller errors.

A narrower line has a frequency but no width. Its spectrum is that of the window, times one
amplitude per segment. It determines the frequency better than the independent bins that the fit
assumes, so that the standard error is conservative.
"""

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.data.labels import two_digits
from trajmodes.data.spectra import NARROWEST, Verdict
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    places,
)
from trajmodes.project.lineshape.resolution import ChosenFits
from trajmodes.project.lineshape.second_maximum import SecondMaximum, second_maximum
from trajmodes.project.lineshape.segment_fits import SegmentSpectra, better_shapes
from trajmodes.units import THZ

_LARGEST_RELATIVE_SEM = 0.5
_NEAR = 2.0
"""Widths (with the resolution) within which power belongs to a line of unresolved width."""
_LEAST_SHARE = 0.5
"""One line must contain half the power of the spectrum."""
_ABOVE_ONE = 1.17
"""ln of a width in resolutions, times √N, that one in twenty lines of one resolution exceeds by
noise: 1.65 · 0.71."""


def segment_of(candidates: list[SegmentSpectra], chosen: ChosenFits) -> tuple[Floats, Floats]:
    """Resolution (g,) and length (g,) in ps of the segments chosen for each set."""
    lengths = [(spectra.resolution, spectra.band.duration_ps) for spectra in candidates]
    resolution, length = np.array(lengths).T[:, np.maximum(chosen.length_index, 0)]
    return resolution, length


def frequency_known(
    candidates: list[SegmentSpectra],
    chosen: ChosenFits,
    sem: Floats,
    shape: LineShape,
    verdicts: list[Verdict],
) -> Bools:
    """Whether each set has a line of the fitted shape with a known frequency (g,).

    The standard error of ω₀² must be below half of it. An overdamped line may fail this,
    because a relaxation slower than the length of a segment resembles free diffusion. The
    arguments are those of `judge_lines`, and its verdicts.
    """
    _, share = _shares(candidates, chosen, shape)
    # The window of one long segment selects its middle, where a mode may have less energy than
    # on average.
    share = np.fmax(share, _share_near(candidates[0], chosen))
    # The shape of the window is exact: a deviation from it is a second line.
    one = ~chosen.rejected & (share >= _LEAST_SHARE)
    placed = [
        verdict in (Verdict.RESOLVED, Verdict.OVERDAMPED)
        or (verdict in (Verdict.TOO_NARROW, Verdict.TOO_FEW) and alone)
        for verdict, alone in zip(verdicts, one, strict=True)
    ]
    return np.array(placed, dtype=bool) & _certain(chosen, sem)


def _share_near(whole: SegmentSpectra, chosen: ChosenFits) -> Floats:
    """Fraction of the power of a spectrum over all frequencies that is at the line (g,)."""
    near = whole.power_near(chosen.center, _NEAR * (chosen.width + whole.resolution))
    share: Floats = near / np.maximum(whole.total(), np.finfo(float).tiny)
    return share


def _certain(chosen: ChosenFits, sem: Floats) -> Bools:
    """Whether the standard error of ω₀² is below half of it (g,)."""
    certain: Bools = 2.0 * sem[:, OMEGA] < _LARGEST_RELATIVE_SEM * chosen.parameters[:, OMEGA]
    return certain


def least_width(
    candidates: list[SegmentSpectra], chosen: ChosenFits, relative: Floats
) -> Floats:
    """Least widths (g,) that are reported, for relative errors (g,) of the widths.

    They are not significantly below two resolutions, and significantly above one.
    """
    resolution, _ = segment_of(candidates, chosen)
    averages = np.array([spectra.band.averages for spectra in candidates])
    rows = np.arange(len(relative))
    above_one = _ABOVE_ONE / np.sqrt(averages[np.maximum(chosen.length_index, 0), rows])
    least: Floats = resolution * np.exp(above_one)
    return np.fmax(_not_below_two(resolution, relative), least)


def _not_below_two(resolution: Floats, relative: Floats) -> Floats:
    """Least widths (g,) that are not significantly below two resolutions."""
    least: Floats = resolution * NARROWEST / (1.0 + 2.0 * relative)
    return least


def judge_lines(
    candidates: list[SegmentSpectra],
    chosen: ChosenFits,
    sem: Floats,
    shape: LineShape,
    aliased: Bools,
) -> tuple[list[Verdict], list[str]]:
    """Return verdict and advice for each line, from standard errors (g, n) as well."""
    (resolution, segment_ps), known = segment_of(candidates, chosen), _certain(chosen, sem)
    nyquist = candidates[0].nyquist
    relative, width = sem[:, GAMMA], chosen.width
    center = chosen.center
    total, share = _shares(candidates, chosen, shape)
    finite = np.isfinite(chosen.parameters[:, :3]).all(axis=1) & np.isfinite(relative)
    least = least_width(candidates, chosen, relative)
    narrow = width < np.fmax(_not_below_two(resolution, relative), resolution)
    # A longer run has longer segments: its resolution is finer by the same factor.
    longer = np.fmax((np.fmin(relative, 1e3) / _LARGEST_RELATIVE_SEM) ** 2, least / width)
    second = _second_lines(candidates[0], chosen, shape)
    beyond = (width > 0.5 * nyquist) | (center > nyquist) | (center <= 0.0)
    # The first condition that holds gives the verdict.
    findings = [
        (Verdict.ALIASED, aliased),
        (Verdict.FAILED, ~finite | ~chosen.converged | ~(total > 0.0)),
        (Verdict.TOO_BROAD, beyond),
        (Verdict.OUTSIDE, ~chosen.covered | ((width < least) & chosen.missed)),
        (Verdict.NO_LINE, second.matters),
        (Verdict.TOO_NARROW, narrow),
        (Verdict.NO_LINE, chosen.rejected | (share < _LEAST_SHARE)),
        (Verdict.TOO_FEW, (relative > _LARGEST_RELATIVE_SEM) | (width < least)),
        (Verdict.OVERDAMPED, center < 0.5 * width),
    ]
    verdicts, advice = [], []
    for g in range(len(width)):
        verdict = next((kind for kind, holds in findings if holds[g]), Verdict.RESOLVED)
        line = (center[g], width[g], relative[g], longer[g], bool(known[g]))
        verdicts.append(verdict)
        advice.append(_advise(verdict, line, (resolution[g], segment_ps[g])))
    # If the fit is at neither maximum, it contains no information on the first.
    two = np.array([verdict is Verdict.NO_LINE for verdict in verdicts])
    two &= second.matters & (second.line_share >= second.share)
    if shape == LineShape():
        for g, text in _advise_on_shapes(candidates, chosen, verdicts, two).items():
            advice[g] = text
    for g in np.flatnonzero(two).tolist():
        advice[g] = (
            f"two lines, near {center[g] / THZ:.4g} THz with"
            f" {100.0 * second.line_share[g]:.0f} % of the power and near"
            f" {second.omega[g] / THZ:.4g} THz with {100.0 * second.share[g]:.0f} %;"
            " --line two-oscillators gives the widths of both if they are wider than the"
            " resolution"
        )
    return verdicts, advice


def _second_lines(whole: SegmentSpectra, chosen: ChosenFits, shape: LineShape) -> SecondMaximum:
    """Second maxima to which no second line was fitted."""
    found = second_maximum(whole, chosen.center, chosen.width)
    ratio = places(shape).ratio
    if ratio is None:
        return found
    fitted = np.isfinite(chosen.parameters[:, ratio])
    return found._replace(share=np.where(fitted, 0.0, found.share))


def _advise_on_shapes(
    candidates: list[SegmentSpectra],
    chosen: ChosenFits,
    verdicts: list[Verdict],
    two: Bools,
) -> dict[int, str]:
    """Advice on lines that are not those of one oscillator, with the shape that fits better.

    Returns
    -------
    Set → advice, for resolved lines whose shape χ² rejects, and for those without a line,
    except for two separate lines.
    """
    resolved = np.array([verdict is Verdict.RESOLVED for verdict in verdicts])
    other = np.array([verdict is Verdict.NO_LINE for verdict in verdicts])
    wanted = chosen.converged & ((resolved & chosen.significant) | other) & ~two
    found: dict[int, str] = {}
    for k, spectra in enumerate(candidates):
        rows = np.flatnonzero(wanted & (chosen.length_index == k))
        if len(rows) == 0:
            continue
        shapes = better_shapes(spectra, rows, chosen.parameters[rows, :3])
        for g, shape in zip(rows.tolist(), shapes, strict=True):
            percent = 100.0 * chosen.misfit[g]
            text = (
                f"the line deviates by {percent:.2g} % from a damped oscillator,"
                " and its error bars are increased accordingly"
                if resolved[g]
                else "several lines, or not the shape of a damped oscillator"
            )
            found[g] = f"{text}; {_better(shape)}"
    return found


def _better(shape: LineShape | None) -> str:
    if shape is None:
        return "no other shape (--line, --baseline) is better: look at the spectrum"
    option = "--baseline" if shape.baseline else f"--line {shape.kind}"
    return f"{option} describes the spectrum better"


def _shares(
    candidates: list[SegmentSpectra], chosen: ChosenFits, shape: LineShape
) -> tuple[Floats, Floats]:
    """Power (g,) in the broadest band, and the fraction of it in the lines."""
    totals = np.array([spectra.total() for spectra in candidates])
    widest, rows = np.argmax(totals, axis=0), np.arange(totals.shape[1])
    total = totals[widest, rows]
    area = np.exp(chosen.parameters[:, AREA])
    where = places(shape)
    if where.asymmetry is not None:
        # The continuum with which a Fano line interferes belongs to the line.
        return total, np.ones_like(total)
    rest = total
    if where.baseline is not None:
        breadth = np.array([spectra.breadth() for spectra in candidates])[widest, rows]
        rest = total - area * chosen.parameters[:, where.baseline] * breadth
    if where.ratio is not None:
        area = area * (1.0 + np.nan_to_num(np.exp(chosen.parameters[:, where.ratio])))
    return total, area / np.maximum(rest, np.finfo(float).tiny)


def _advise(
    verdict: Verdict,
    line: tuple[float, float, float, float, bool],
    segment: tuple[float, float],
) -> str:
    center, width, relative, times, omega_known = line
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
            "a line above the Nyquist frequency appears below it as its mirror image: write"
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


_SHIFT = 0.1
"""Largest relative distance of a line from the static frequency of its mode."""


def may_be_aliased(line: Floats, static: Floats, nyquist: float) -> Bools:
    """Whether lines may be mirror images of lines above the Nyquist frequency (g,).

    This is so if the static frequency is above the Nyquist frequency, or if the mirror image of
    the line is within a tenth of the static frequency.

    Parameters
    ----------
    line, static
        (g,) frequencies of line and mode; nan or negative where unknown.
    nyquist
        Nyquist frequency in the same unit.
    """
    image = 2.0 * nyquist - line
    aliased: Bools = (static >= nyquist) | (image < (1.0 + _SHIFT) * static)
    return aliased
