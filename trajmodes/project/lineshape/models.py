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
from trajmodes.project.lineshape.oscillator import Grid, Room, line_spectra, part_of

AREA, OMEGA, GAMMA = 0, 1, 2
"""Where every shape has ln area, ω₀ and ln γ."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """What is fitted to the spectrum of each set of modes."""

    kind: Literal["oscillator", "fano", "two-oscillators"] = "oscillator"
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
    def axes(self) -> tuple[Ints, Ints, Grid]:
        """First bin (g,) and number of bins (g,) of each spectrum, and all bins."""
        first, last = int(self.bins.min()), int(self.bins.max())
        grid = Grid.of(first, last, self.segment_frames, self.interval_ps)
        return np.ascontiguousarray(self.bins[:, 0]), self.sizes, grid


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
    if shape.kind == "two-oscillators":
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
        n_bins = observed.bins.shape[1]
        power = np.zeros(observed.bins.shape)
        slopes = np.zeros((len(theta), where.count, n_bins))
        room = Room.of(n_bins)
        _line_models(theta, where.codes, (*observed.axes, room), power, slopes)
        return power, slopes

    return model


@njit(nogil=True, cache=True, error_model="numpy")
def _line_models(
    theta_gn: Floats,
    codes: tuple[int, int, int],
    axes: tuple[Ints, Ints, Grid, Room],
    power_gw: Floats,
    slopes_gnw: Floats,
) -> None:
    """Put in S and its derivatives, up to the last bin that counts."""
    first, sizes, grid, room = axes
    for g in range(len(theta_gn)):
        axis = part_of(grid, first[g], sizes[g])
        line_model(theta_gn[g], codes, (axis, room), power_gw[g], slopes_gnw[g])


@njit(nogil=True, cache=True, error_model="numpy")
def line_model(
    theta: Floats,
    codes: tuple[int, int, int],
    axis: tuple[Grid, Room],
    power: Floats,
    slopes_nw: Floats,
) -> None:
    """Put in S (w,) and its derivatives (n, w) for parameters (n,): see `model_of`."""
    lean, baseline, ratio = codes
    grid, room = axis
    asymmetry = 0.0 if lean < 0 else theta[lean]
    line = (theta[OMEGA], np.exp(theta[GAMMA]), asymmetry)
    line_spectra(line, grid, room, slopes_nw[: 3 if lean < 0 else 4])
    n_bins = len(grid.turns) - 2
    # The spectrum is its own derivative by ln a.
    for w in range(n_bins):
        power[w] = slopes_nw[AREA, w]
        if baseline >= 0:
            power[w] += theta[baseline]
            slopes_nw[baseline, w] = 1.0
    if ratio >= 0:
        line = (theta[ratio + OMEGA], np.exp(theta[ratio + GAMMA]), 0.0)
        line_spectra(line, grid, room, slopes_nw[ratio : ratio + 3])
        height = np.exp(theta[ratio])
        for w in range(n_bins):
            for k in range(ratio, ratio + 3):
                slopes_nw[k, w] *= height
            power[w] += slopes_nw[ratio, w]
    for w in range(n_bins):
        slopes_nw[AREA, w] = power[w]
