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
from numba import njit

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.fano import fano_line
from trajmodes.project.oscillator import Grid, oscillator_line, part_of

__all__ = [
    "AREA",
    "GAMMA",
    "OMEGA",
    "LineShape",
    "Observed",
    "Places",
    "extended",
    "line_model",
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

    @property
    def sizes(self) -> Ints:
        """How many bins there are up to the last one that counts (g,)."""
        sizes: Ints = self.inside.shape[1] - np.argmax(self.inside[:, ::-1], axis=1)
        return sizes

    @property
    def grid(self) -> Grid:
        """All bins that there are."""
        first, last = int(self.bins.min()), int(self.bins.max())
        return Grid.of(first, last, self.segment_frames, self.interval_ps)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parameters of a shape stand; None for those it does not have."""

    lean: int | None
    baseline: int | None
    ratio: int | None
    """First of the three of the second line."""
    count: int

    @property
    def codes(self) -> tuple[int, int, int]:
        """Lean, baseline, ratio for the kernels; −1 for those that are not there."""
        lean, baseline, ratio = (
            -1 if place is None else place for place in (self.lean, self.baseline, self.ratio)
        )
        return lean, baseline, ratio

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

    All is told for a = 0: the area multiplies everything. After the last bin that counts all
    is zero.
    """
    where = places(shape)

    def model(observed: Observed, theta: Floats) -> tuple[Floats, Floats]:
        power = np.zeros(observed.bins.shape)
        slopes = np.zeros((len(theta), where.count, observed.bins.shape[1]))
        axes = (observed.bins[:, 0], observed.sizes, observed.grid)
        _line_models(theta, where.codes, axes, power, slopes)
        return power, slopes

    return model


@njit(nogil=True, cache=True)
def _line_models(
    theta: Floats,
    codes: tuple[int, int, int],
    axes: tuple[Ints, Ints, Grid],
    power_gw: Floats,
    slopes_gnw: Floats,
) -> None:
    """Put in S and its derivatives, up to the last bin that counts."""
    first, sizes, grid = axes
    for g in range(len(theta)):
        n = sizes[g]
        power, slopes = power_gw[g, :n], slopes_gnw[g, :, :n]
        line_model(theta[g], codes, part_of(grid, first[g], n), power, slopes)


@njit(nogil=True, cache=True)
def line_model(
    theta: Floats,
    codes: tuple[int, int, int],
    grid: Grid,
    power: Floats,
    slopes_nw: Floats,
) -> None:
    """Put in S (w,) and its derivatives (n, w) for parameters (n,): see `model_of`."""
    lean, baseline, ratio = codes
    omega, gamma = theta[OMEGA], np.exp(theta[GAMMA])
    if lean < 0:
        oscillator_line(omega, gamma, grid, slopes_nw[:3])
    else:
        fano_line(omega, gamma, theta[lean], grid, slopes_nw[:4])
    # The spectrum is its own derivative by ln a.
    power[:] = slopes_nw[AREA]
    if baseline >= 0:
        power += theta[baseline]
        slopes_nw[baseline] = 1.0
    if ratio >= 0:
        weaker = slopes_nw[ratio : ratio + 3]
        width = np.exp(theta[ratio + GAMMA])
        oscillator_line(theta[ratio + OMEGA], width, grid, weaker)
        weaker *= np.exp(theta[ratio])
        power += weaker[0]
    slopes_nw[AREA] = power
