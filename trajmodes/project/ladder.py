"""Which length of segments shows a line best: the choice is made anew for every set.

Long segments resolve narrow lines. Broad ones are better seen in short segments: the wings that
one long Hann window throws away come back with the overlap of many short ones. The lengths are
tried from the shortest on, until the line is four resolutions wide: then the window costs less
than the data it saves. The choice is made by the width that was fitted; fits to short and long
segments of the same run scatter together, so that it leaves no bias in the width (tested).

A length whose band does not hold the line is passed over.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.rungs import Rung, first_look, fit_around
from trajmodes.project.shapes import GAMMA, OMEGA, LineShape, places
from trajmodes.project.whittle import Lines
from trajmodes.units import THZ

__all__ = ["Chosen", "climb"]

_WIDTHS = 4.0
"""A line is fitted within this many widths (its own plus the resolution) on both sides: wings
further out hold little information on it, and structure that is not its own."""
_ROUNDS = 3
"""The first round looks where the power is, the others where the line is."""
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
    averages: Floats
    """(g,) of the spectrum that was fitted."""
    rung: Ints
    """(g,) which length."""

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
    theta = first_look(rungs[0], guess_thz)
    pending = np.ones(len(theta), dtype=bool)
    for k, rung in enumerate(rungs):
        center = theta[:, OMEGA] / THZ
        every = np.arange(len(theta))
        rows = np.flatnonzero(pending & (rung.holds(center, 0.0 * center, every) | (k == 0)))
        if len(rows) == 0:
            continue
        # A line that a coarse look saw as a spike may have some width after all.
        start = theta[rows]
        start[:, GAMMA] = np.maximum(start[:, GAMMA], np.log(0.5 * rung.resolution * THZ))
        lines = _fit(rung, rows, start, shape)
        held, wide = _seen(rung, rows, lines, shape)
        sound = held & lines.converged
        fresh = chosen.rung[rows] < 0
        _put(chosen, rows, lines, sound | fresh, k, rung.spectra.averages[rows], held)
        theta[rows[sound]] = lines.parameters[sound, :3]
        pending[rows[sound & wide]] = False
    return chosen
