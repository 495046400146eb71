"""The shapes that a line may have, as functions of one list of parameters.

    S = e^a · [ M(ω₀, γ, lean) + β + e^ρ M(ω₂, γ₂) ]

M is the damped oscillator of area 1 seen through the window (`oscillator`), with Fano's
interference (`fano`) where that is asked for. Parameters stand in this order:

    ln area a, ω₀, ln γ  |  lean  |  β, a constant baseline  |  ρ, ω₂, ln γ₂ of a second line
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.fano import expected_fano
from trajmodes.project.oscillator import expected_power

__all__ = [
    "AREA",
    "GAMMA",
    "OMEGA",
    "LineShape",
    "Observed",
    "Places",
    "extended",
    "model_of",
    "places",
]

AREA, OMEGA, GAMMA = 0, 1, 2
"""Where every shape has ln area, ω₀ and ln γ."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """What is fitted to the spectrum of each set of modes."""

    kind: Literal["oscillator", "fano", "two"] = "oscillator"
    """One damped oscillator, one with Fano's interference, or the sum of two oscillators."""
    baseline: bool = False
    """Whether a constant may lie below the line."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Spectra around each line, on consecutive bins padded to one length."""

    bins: Ints
    """(g, w) frequency bins."""
    inside: Bools
    """(g, w) which of them count."""
    power: Floats
    """(g, w) averaged one-sided periodogram; 0 where it does not count."""
    averages: Floats
    """(g,) number of independent periodograms in the mean."""
    segment_frames: int
    """Frames in a segment."""
    interval_ps: float
    """Time between frames."""

    def at(self, rows: Ints) -> "Observed":
        """Take some of the lines."""
        parts = (self.bins[rows], self.inside[rows], self.power[rows], self.averages[rows])
        return Observed(*parts, self.segment_frames, self.interval_ps)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parameters of a shape stand; None for those it does not have."""

    lean: int | None
    baseline: int | None
    ratio: int | None
    """First of the three of the second line."""
    count: int

    @property
    def lines(self) -> tuple[int, ...]:
        """First parameter of each of the lines."""
        return (0,) if self.ratio is None else (0, self.ratio)


def places(shape: LineShape) -> Places:
    """Find the place of each parameter."""
    count = 3
    lean = baseline = ratio = None
    if shape.kind == "fano":
        lean, count = count, count + 1
    if shape.baseline:
        baseline, count = count, count + 1
    if shape.kind == "two":
        ratio, count = count, count + 3
    return Places(lean, baseline, ratio, count)


def extended(theta: Floats, shape: LineShape) -> Floats:
    """Parameters (g, n) of the shape that is the same curve as a simpler one (g, n').

    What is new is zero: no interference, no baseline. A second line is not made up here.
    """
    wanted = places(shape).count
    longer = np.zeros((len(theta), wanted))
    longer[:, :3] = theta[:, :3]
    if shape.baseline and theta.shape[1] > 3:
        longer[:, places(shape).baseline] = theta[:, 3]
    return longer


def model_of(shape: LineShape) -> Callable[[Observed, Floats], tuple[Floats, Floats]]:
    """Build the function from parameters (g, n) to S (g, w) and its derivatives (g, n, w).

    All is told for a = 0: the area multiplies everything.
    """
    where = places(shape)

    def model(observed: Observed, theta: Floats) -> tuple[Floats, Floats]:
        grid = (observed.bins, observed.segment_frames, observed.interval_ps)
        omega, gamma = theta[:, OMEGA], np.exp(theta[:, GAMMA])
        slopes = np.zeros((len(theta), where.count, observed.bins.shape[1]))
        if where.lean is None:
            power, slopes[:, 1:3] = expected_power(omega, gamma, *grid)
        else:
            lean = theta[:, where.lean]
            power, slopes[:, 1:4] = expected_fano((omega, gamma, lean), *grid)
        if where.baseline is not None:
            power += theta[:, where.baseline, None]
            slopes[:, where.baseline] = 1.0
        if where.ratio is not None:
            second = slice(where.ratio + 1, where.ratio + 3)
            ratio = np.exp(theta[:, where.ratio])[:, None]
            weaker, by_weaker = expected_power(
                theta[:, second.start], np.exp(theta[:, second.start + 1]), *grid
            )
            power += ratio * weaker
            slopes[:, where.ratio] = ratio * weaker
            slopes[:, second] = ratio[:, None] * by_weaker
        slopes[:, AREA] = power
        return power, slopes

    return model
