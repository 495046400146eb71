"""Which length of segments shows a line best: the choice is made anew for every set.

Long segments resolve narrow lines. Broad ones are better seen in short segments: the wings that
one long Hann window throws away come back with the overlap of many short ones. The lengths are
tried from the shortest on, until the line is four resolutions wide: then the window costs less
than the data it saves. The choice is made by the width that was fitted; fits to short and long
segments of the same run scatter together, so that it leaves no bias in the width (tested).

A length whose band does not hold the line is passed over, and so is one that shows an odd shape
where a shorter one did not.
"""

from dataclasses import dataclass, fields

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.spectra import NARROWEST
from trajmodes.project.lineshape.goodness_of_fit import CHANCE_SIGMAS, is_odd
from trajmodes.project.lineshape.models import AREA, GAMMA, OMEGA, LineShape, extended, places
from trajmodes.project.lineshape.segment_spectra import (
    Rung,
    first_look,
    fit_around,
    fit_between,
    range_around,
)
from trajmodes.project.lineshape.two_lines import fit_two
from trajmodes.project.lineshape.whittle import Lines
from trajmodes.units import THZ

_RANGES = (4.0, 2.0, 1.0)
"""A line is fitted within this many widths (its own plus the resolution) on both sides: wings
further out hold little information on it, and structure that is not its own. The nearer ones
are for lines whose wings are surely not those of the model, or have something else in them."""
_OTHER_WINGS = 1.0
"""Misfit, root mean square and relative, that other wings may make: beyond, there is something
else in the range, and the fit may be anywhere."""
_MOST = 2.0 / 3.0
"""Part of what was fitted in such a range that its line must be."""
_ROUNDS = 3
"""The first round looks where the power is, the others where the line is, …"""
_MOVED = 0.03
"""… if that changes more than this part of the range."""
_WIDE_ENOUGH = 4.0
"""Width in resolutions from which on no longer segment is asked for, …"""
_AWAY_FROM_ZERO = 2.0
"""… if its lower half maximum is this many resolutions away from zero."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The fit of each set (g) on the length that was chosen for it."""

    parameters: Floats
    """(g, n) of the shape."""
    variances: Floats
    """(g, n)."""
    goodness: Floats
    """(g,) reduced Pearson χ²."""
    goodness_sem: Floats
    """(g,) its standard deviation if the model is true."""
    converged: Bools
    """(g,)."""
    held: Bools
    """(g,) whether the band reaches over the line."""
    narrow: Bools
    """(g,) whether the line is narrower than this length can tell."""
    missed: Bools
    """(g,) whether longer segments were passed over, for their bands do not hold the line."""
    averages: Floats
    """(g,) of the spectrum that was fitted."""
    rung: Ints
    """(g,) which length."""

    @property
    def odd(self) -> Bools:
        """Whether the spectrum is surely not of the shape (g,)."""
        return is_odd(self.goodness, self.goodness_sem, self.averages)

    @property
    def seen(self) -> Bools:
        """Whether there is a line of the shape, and broad enough to be told (g,)."""
        return self.converged & self.held & ~self.narrow & ~self.odd

    @property
    def width_thz(self) -> Floats:
        """Full width at half maximum (g,)."""
        return np.exp(self.parameters[:, GAMMA]) / THZ

    @property
    def center_thz(self) -> Floats:
        """ω₀/2π (g,)."""
        return self.parameters[:, OMEGA] / THZ


def climb(rungs: list[Rung], guess_thz: Floats, shape: LineShape) -> Chosen:
    """Fit every set on the length that suits its line.

    Parameters
    ----------
    rungs
        Spectra of segments of growing length.
    guess_thz
        (g,) where to look.
    shape
        What is fitted.
    """
    chosen = _nothing(len(guess_thz), places(shape).count)
    theta = np.full((len(guess_thz), 3), np.nan)
    outlook = theta.copy()
    pending = np.ones(len(theta), dtype=bool)
    every = np.arange(len(theta))
    for k, rung in enumerate(rungs):
        looked = np.isnan(theta) & rung.useful(every)[:, None]
        look = first_look(rung, guess_thz)
        outlook = np.where(looked, look, outlook)
        theta = np.where(looked, outlook, theta)
        center = theta[:, OMEGA] / THZ
        near = rung.holds(every, center, np.zeros_like(center))
        chosen.missed[pending & ~near] = True
        rows = np.flatnonzero(pending & (near | looked[:, 0]))
        if len(rows) == 0:
            continue
        lines = _fit(rung, rows, (theta[rows], look[rows]), shape)
        if shape.kind == "two-oscillators":
            known = chosen.parameters[rows]
            lines = fit_two(rung, rows, lines, (outlook[rows], known), shape)
        found = _found(rung, rows, lines, shape)
        chosen.missed[rows] |= ~found.partly
        better = found.whole | (found.partly & chosen.narrow[rows]) | (chosen.rung[rows] < 0)
        better &= ~(found.odd & chosen.seen[rows])
        _put(chosen, (rows[better], lines.at(better)), found.at(better), rung, k)
        sound = found.whole & ~found.odd
        theta[rows[sound]] = lines.parameters[sound, :3]
        pending[rows[sound & found.wide]] = False
    return chosen


def _fit(rung: Rung, rows: Ints, starts: tuple[Floats, Floats], shape: LineShape) -> Lines:
    """Fit one oscillator first, whose range of bins follows the line; then with more to it."""
    # A line that a coarse look saw as a spike may have some width after all.
    least = np.log(0.5 * rung.resolution * THZ)
    start, look = (theta.copy() for theta in starts)
    for theta in (start, look):
        theta[:, GAMMA] = np.maximum(theta[:, GAMMA], least)
    one = LineShape(baseline=shape.baseline)
    lines = _within(rung, rows, (extended(start, one), extended(look, one)), one)
    if shape.kind == "fano":
        theta = extended(lines.parameters, shape)
        lines = _within(rung, rows, (theta, extended(look, shape)), shape)
    return lines


def _within(rung: Rung, rows: Ints, starts: tuple[Floats, Floats], shape: LineShape) -> Lines:
    """Fit on the widest range in which the line has the shape; on the narrowest one else.

    There are two first guesses (i, n): the line as it is known, and where the power is. A fit
    that something far out has drawn astray is no guess of where the line is.
    """
    start, look = starts
    lines = _following(rung, rows, start, shape)
    for widths in _RANGES[1:]:
        some = np.flatnonzero(_strays(lines))
        # Where only the wings are other ones, the fit knows the line best.
        averages = rung.spectra.averages[rows]
        odd = is_odd(lines.goodness, lines.goodness_sem, averages)
        drawn = lines.goodness - 1.0 > _OTHER_WINGS**2 * averages
        start = np.where(odd[:, None], look, lines.parameters)
        for _ in range(2):
            if len(some) == 0:
                break
            nearer = fit_around(rung, rows[some], start[some], shape, widths)
            nearer = fit_around(rung, rows[some], nearer.parameters, shape, widths)
            wider = lines.at(some)
            better = ~_strays(nearer) | (nearer.goodness < wider.goodness)
            better &= nearer.converged & (~drawn[some] | _stands_out(nearer, wider))
            lines = lines.replaced(some[better], nearer.at(better))
            some = some[_strays(lines.at(some)) & odd[some]]
            start = lines.parameters
    return lines


def _following(rung: Rung, rows: Ints, start: Floats, shape: LineShape) -> Lines:
    """Fit on the widest range, which goes after the line."""
    ends = range_around(rung, rows, start, _RANGES[0])
    lines = fit_between(rung, rows, start, shape, ends)
    for _ in range(_ROUNDS - 1):
        wanted = range_around(rung, rows, lines.parameters, _RANGES[0])
        moved = sum(np.abs(new - old) for new, old in zip(wanted, ends, strict=True))
        some = np.flatnonzero(moved > _MOVED * (ends[1] - ends[0]))
        if len(some) == 0:
            break
        # Later rounds are for lines that were not where they were thought to be.
        new = (wanted[0][some], wanted[1][some])
        again = fit_between(rung, rows[some], lines.parameters[some], shape, new)
        lines = lines.replaced(some, again)
        ends[0][some], ends[1][some] = new
    return lines


def _strays(lines: Lines) -> Bools:
    """Whether the spectrum is surely not that of the line everywhere."""
    surely = lines.goodness - 1.0 > CHANCE_SIGMAS * lines.goodness_sem
    strays: Bools = lines.converged & (surely | (lines.stray > CHANCE_SIGMAS))
    return strays


def _stands_out(nearer: Lines, wider: Lines) -> Bools:
    """Whether a line may be what was fitted in a wider range together with something else.

    It is narrower than both together then, and most of them.
    """
    area, width = (nearer.parameters - wider.parameters)[:, [AREA, GAMMA]].T
    stands: Bools = (width <= 0.0) & (area >= np.log(_MOST))
    return stands


@dataclass(frozen=True, slots=True)
class _Found:
    """What became of the lines (i,) that were sought in one length."""

    whole: Bools
    """The fit converged, and the band reaches a width over the line on both sides."""
    partly: Bools
    """It converged, and the band holds half a width."""
    wide: Bools
    """No longer segment is asked for."""
    narrow: Bools
    """A longer one must be."""
    odd: Bools
    """It is not of the shape."""

    def at(self, rows: Bools) -> "_Found":
        return _Found(*(getattr(self, field.name)[rows] for field in fields(self)))


def _found(rung: Rung, rows: Ints, lines: Lines, shape: LineShape) -> _Found:
    whole, partly = lines.converged.copy(), lines.converged.copy()
    wide, narrow = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for first in places(shape).lines:
        omega = lines.parameters[:, first + OMEGA]
        gamma = np.exp(lines.parameters[:, first + GAMMA])
        center, width = omega / THZ, gamma / THZ
        lower = (np.sqrt(omega**2 + 0.25 * gamma**2) - 0.5 * gamma) / THZ
        # A second line that is not needed is nan, and asks for nothing.
        free = np.isnan(omega)
        reach = width + rung.resolution
        whole &= free | rung.holds(rows, center, reach)
        partly &= free | rung.holds(rows, center, 0.5 * reach)
        enough = width >= _WIDE_ENOUGH * rung.resolution
        wide &= free | (enough & (lower >= _AWAY_FROM_ZERO * rung.resolution))
        narrow |= ~free & (width < NARROWEST * rung.resolution)
    odd = is_odd(lines.goodness, lines.goodness_sem, rung.spectra.averages[rows])
    return _Found(whole, partly, wide, narrow, odd)


def _nothing(n_sets: int, n_parameters: int) -> Chosen:
    """Rows to be filled in."""
    return Chosen(
        parameters=np.full((n_sets, n_parameters), np.nan),
        variances=np.full((n_sets, n_parameters), np.nan),
        goodness=np.full(n_sets, np.nan),
        goodness_sem=np.full(n_sets, np.nan),
        converged=np.zeros(n_sets, dtype=bool),
        held=np.zeros(n_sets, dtype=bool),
        narrow=np.ones(n_sets, dtype=bool),
        missed=np.zeros(n_sets, dtype=bool),
        averages=np.ones(n_sets),
        rung=np.full(n_sets, -1),
    )


def _put(chosen: Chosen, lines: tuple[Ints, Lines], found: _Found, rung: Rung, k: int) -> None:
    """Fill in the rows of sets that were fitted."""
    rows, fits = lines
    chosen.parameters[rows] = fits.parameters
    chosen.variances[rows] = np.diagonal(fits.covariance, axis1=1, axis2=2)
    chosen.goodness[rows] = fits.goodness
    chosen.goodness_sem[rows] = fits.goodness_sem
    chosen.converged[rows] = fits.converged
    chosen.held[rows] = found.partly
    chosen.narrow[rows] = found.narrow
    chosen.missed[rows] = ~found.partly
    chosen.averages[rows] = rung.spectra.averages[rows]
    chosen.rung[rows] = k
