"""Choice of the segment length for each set of modes, and the fit on that length.

Long segments resolve narrow lines. Broad lines are measured better in short segments, because
the overlap of many short Hann windows recovers data that one long window suppresses. The
lengths are tried from the shortest upwards until the line is four resolutions wide; beyond
that, a longer window loses more data than the finer resolution gains. The choice depends on the
fitted width, but causes no bias of the width, because fits to short and long segments of the
same run scatter together (tested).

A length is skipped if its band does not cover the line, or if its χ² rejects the line shape
where a shorter length did not.
"""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import NARROWEST
from trajmodes.project.lineshape.models import (
    AREA,
    GAMMA,
    OMEGA,
    LineShape,
    extended,
    places,
)
from trajmodes.project.lineshape.segment_fits import (
    SegmentSpectra,
    fit_around,
    fit_between,
    fit_two,
    initial_guess,
    range_around,
)
from trajmodes.project.lineshape.shape_tests import ShapeTest
from trajmodes.project.lineshape.whittle import Lines

_RANGES = (4.0, 2.0, 1.0)
"""Half-ranges of the fit in widths (width of the line plus the resolution). Wings farther out
contain little information on the line, and other structure. The narrower ranges are for lines
whose wings differ significantly from the model or contain something else."""
_OTHER_WINGS = 1.0
"""Largest root-mean-square relative residual that wings of another shape may cause. Above it
the range contains another line, and the fit is not reliable."""
_LEAST_AREA = 2.0 / 3.0
"""Least area of a line fitted in a narrower range, relative to the fit in the wider one."""
_ROUNDS = 3
"""Number of fits: the first in a range around the first guess, the others in one around the
line of the previous fit."""
_MOVED = 0.03
"""Relative change of the range below which it is not fitted again."""
_WIDE_ENOUGH = 4.0
"""Width in resolutions at which no longer segment is needed."""
_AWAY_FROM_ZERO = 2.0
"""Distance of the lower half maximum from zero, in resolutions, at which no longer segment is
needed."""


@dataclass(frozen=True, slots=True)
class ChosenFits(ShapeTest):
    """The fit of each set (g) at the segment length chosen for it."""

    parameters: Floats
    """(g, n) parameters of the line shape."""
    variances: Floats
    """(g, n)."""
    converged: Bools
    """(g,)."""
    covered: Bools
    """(g,) whether the band covers the line."""
    narrow: Bools
    """(g,) whether the line is too narrow for this length to measure its width."""
    missed: Bools
    """(g,) whether longer segments were skipped because their bands do not cover the line."""
    length_index: Ints
    """(g,) index of the segment length."""

    @property
    def has_width(self) -> Bools:
        """Whether there is a line of the fitted shape, broad enough to have a width (g,)."""
        return self.converged & self.covered & ~self.narrow & ~self.rejected

    @property
    def width(self) -> Floats:
        """Full width at half maximum γ (g,)."""
        return np.exp(self.parameters[:, GAMMA])

    @property
    def center(self) -> Floats:
        """ω₀ (g,)."""
        return self.parameters[:, OMEGA]


def choose_segment_length(
    candidates: list[SegmentSpectra], expected: Floats, shape: LineShape
) -> ChosenFits:
    """Fit every set at the segment length that suits its line.

    The candidates are ordered by increasing length; ``expected`` are frequencies (g,) in
    rad/ps.
    """
    chosen = _empty_fits(len(expected), places(shape).count)
    theta = np.full((len(expected), 3), np.nan)
    position = theta.copy()
    pending = np.ones(len(theta), dtype=bool)
    every = np.arange(len(theta))
    for k, spectra in enumerate(candidates):
        looked = np.isnan(theta) & spectra.useful(every)[:, None]
        look = initial_guess(spectra, expected)
        position = np.where(looked, look, position)
        theta = np.where(looked, position, theta)
        center = theta[:, OMEGA]
        near = spectra.covers(every, center, np.zeros_like(center))
        chosen.missed[pending & ~near] = True
        rows = np.flatnonzero(pending & (near | looked[:, 0]))
        if len(rows) == 0:
            continue
        lines = _fit(spectra, rows, (theta[rows], look[rows]), shape)
        if shape.kind == "two-oscillators":
            known = chosen.parameters[rows]
            lines = fit_two(spectra, rows, lines, (position[rows], known), shape)
        assessment = _assess(spectra, rows, lines, shape)
        # A fit that does not converge does not locate the line.
        chosen.missed[rows] |= lines.converged & ~assessment.partly
        better = (
            assessment.whole
            | (assessment.partly & chosen.narrow[rows])
            | (chosen.length_index[rows] < 0)
        )
        better &= ~(assessment.rejected & chosen.has_width[rows])
        if shape.kind == "two-oscillators":
            better &= ~_misses_partner(spectra, rows, chosen.parameters[rows], shape)
        _store(chosen, (rows[better], lines.at(better)), assessment.at(better), k)
        sound = assessment.whole & ~assessment.rejected
        theta[rows[sound]] = lines.parameters[sound, :3]
        pending[rows[sound & assessment.wide]] = False
    return chosen


def _misses_partner(
    spectra: SegmentSpectra, rows: Ints, known: Floats, shape: LineShape
) -> Bools:
    """Whether the band does not cover the second line (i, n) found at another length."""
    center = known[:, places(shape).lines[1] + OMEGA]
    misses: Bools = np.isfinite(center) & ~spectra.covers(rows, center, np.zeros(len(rows)))
    return misses


def _fit(
    spectra: SegmentSpectra, rows: Ints, starts: tuple[Floats, Floats], shape: LineShape
) -> Lines:
    """Fit one oscillator first, whose range follows the line; then the full line shape."""
    # A line that was narrow at coarse resolution may still have a width.
    least = np.log(0.5 * spectra.resolution)
    start, look = (theta.copy() for theta in starts)
    for theta in (start, look):
        theta[:, GAMMA] = np.maximum(theta[:, GAMMA], least)
    one = LineShape(baseline=shape.baseline)
    lines = _fit_in_narrowing_range(
        spectra, rows, (extended(start, one), extended(look, one)), one
    )
    if shape.kind == "fano":
        theta = extended(lines.parameters, shape)
        lines = _fit_in_narrowing_range(spectra, rows, (theta, extended(look, shape)), shape)
    return lines


def _fit_in_narrowing_range(
    spectra: SegmentSpectra, rows: Ints, starts: tuple[Floats, Floats], shape: LineShape
) -> Lines:
    """Fit in the widest range where the spectrum has the line shape, or in the narrowest range.

    `starts` holds two first guesses (i, n): the line as known so far, and the position of the
    power. A fit that was displaced by structure far from the line is not used as a first guess.
    """
    start, look = starts
    lines = _fit_tracking_the_line(spectra, rows, start, shape)
    for widths in _RANGES[1:]:
        some = np.flatnonzero(_deviates(lines))
        # Where only the wings differ, the present fit is the best first guess.
        rejected, contaminated = lines.rejected, lines.misfit > _OTHER_WINGS
        start = np.where(rejected[:, None], look, lines.parameters)
        for _ in range(2):
            if len(some) == 0:
                break
            nearer = fit_around(spectra, rows[some], start[some], shape, widths)
            nearer = fit_around(spectra, rows[some], nearer.parameters, shape, widths)
            wider = lines.at(some)
            better = ~_deviates(nearer) | (nearer.reduced_chi2 < wider.reduced_chi2)
            better &= nearer.converged & (~contaminated[some] | _separates(nearer, wider))
            lines = lines.replaced(some[better], nearer.at(better))
            some = some[_deviates(lines.at(some)) & rejected[some]]
            start = lines.parameters
    return lines


def _fit_tracking_the_line(
    spectra: SegmentSpectra, rows: Ints, start: Floats, shape: LineShape
) -> Lines:
    """Fit in the widest range, recentred on the line."""
    ends = range_around(spectra, rows, start, _RANGES[0])
    lines = fit_between(spectra, rows, start, shape, ends)
    for _ in range(_ROUNDS - 1):
        wanted = range_around(spectra, rows, lines.parameters, _RANGES[0])
        moved = sum(np.abs(new - old) for new, old in zip(wanted, ends, strict=True))
        some = np.flatnonzero(moved > _MOVED * (ends[1] - ends[0]))
        if len(some) == 0:
            break
        # Later rounds are for lines that were not at the expected frequency.
        new = (wanted[0][some], wanted[1][some])
        again = fit_between(spectra, rows[some], lines.parameters[some], shape, new)
        lines = lines.replaced(some, again)
        ends[0][some], ends[1][some] = new
    return lines


def _deviates(lines: Lines) -> Bools:
    """Whether the spectrum differs significantly from the model anywhere in the range."""
    deviates: Bools = lines.converged & lines.deviates
    return deviates


def _separates(nearer: Lines, wider: Lines) -> Bools:
    """Whether the narrower fit may be the line alone, which the wider fit merged with another.

    It is then not broader than both together, and contains most of their area.
    """
    area, width = (nearer.parameters - wider.parameters)[:, [AREA, GAMMA]].T
    separates: Bools = (width <= 0.0) & (area >= np.log(_LEAST_AREA))
    return separates


@dataclass(frozen=True, slots=True)
class _Assessment:
    """Assessment of the lines (i,) fitted at one segment length."""

    whole: Bools
    """The fit converged, and the band covers the line and one width on both sides."""
    partly: Bools
    """The fit converged, and the band covers half a width on both sides."""
    wide: Bools
    """No longer segment is needed."""
    narrow: Bools
    """The line is too narrow for this length."""
    rejected: Bools
    """χ² rejects the line shape."""

    def at(self, rows: Bools) -> "_Assessment":
        return _Assessment(*(getattr(self, field.name)[rows] for field in fields(self)))


def _assess(spectra: SegmentSpectra, rows: Ints, lines: Lines, shape: LineShape) -> _Assessment:
    """Assess the lines of some sets."""
    whole, partly = lines.converged.copy(), lines.converged.copy()
    wide, narrow = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for first in places(shape).lines:
        center = lines.parameters[:, first + OMEGA]
        width = np.exp(lines.parameters[:, first + GAMMA])
        lower = np.sqrt(center**2 + 0.25 * width**2) - 0.5 * width
        # A second line that is not needed is nan and imposes no condition.
        free = np.isnan(center)
        reach = width + spectra.resolution
        whole &= free | spectra.covers(rows, center, reach)
        partly &= free | spectra.covers(rows, center, 0.5 * reach)
        enough = width >= _WIDE_ENOUGH * spectra.resolution
        wide &= free | (enough & (lower >= _AWAY_FROM_ZERO * spectra.resolution))
        narrow |= ~free & (width < NARROWEST * spectra.resolution)
    return _Assessment(whole, partly, wide, narrow, lines.rejected)


def _empty_fits(n_sets: int, n_parameters: int) -> ChosenFits:
    """Return empty rows, to be filled in."""
    return ChosenFits(
        **{field.name: np.full(n_sets, np.nan) for field in fields(ShapeTest)},
        parameters=np.full((n_sets, n_parameters), np.nan),
        variances=np.full((n_sets, n_parameters), np.nan),
        converged=np.zeros(n_sets, dtype=bool),
        covered=np.zeros(n_sets, dtype=bool),
        narrow=np.ones(n_sets, dtype=bool),
        missed=np.zeros(n_sets, dtype=bool),
        length_index=np.full(n_sets, -1),
    )


def _store(
    chosen: ChosenFits,
    lines: tuple[Ints, Lines],
    assessment: _Assessment,
    k: int,
) -> None:
    """Fill in the rows of sets that were fitted."""
    rows, fits = lines
    chosen.parameters[rows] = fits.parameters
    chosen.variances[rows] = np.diagonal(fits.covariance, axis1=1, axis2=2)
    for field in fields(ShapeTest):
        getattr(chosen, field.name)[rows] = getattr(fits, field.name)
    chosen.converged[rows] = fits.converged
    chosen.covered[rows] = assessment.partly
    chosen.narrow[rows] = assessment.narrow
    chosen.missed[rows] = fits.converged & ~assessment.partly
    chosen.length_index[rows] = k
