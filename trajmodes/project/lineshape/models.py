"""Line shapes as functions of one list of parameters.

    S = e^a · [ M(ω₀, γ, a_F) + β + e^ρ M(ω₂, γ₂) ]

S and M are densities in ω. M is the damped oscillator of area 1 convolved with the window
(`oscillator`), with Fano interference if requested. The parameters are, in this order,

    ln area a, ω₀, ln γ  |  Fano asymmetry a_F  |  constant baseline β  |  ρ, ω₂, ln γ₂ of a
    second line
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.project.lineshape.oscillator import Grid, Room, line_spectra, part_of

AREA, OMEGA, GAMMA = 0, 1, 2
"""Positions of ln area, ω₀ and ln γ in every shape."""


@dataclass(frozen=True, slots=True)
class LineShape:
    """Line shape fitted to the spectrum of each set of modes."""

    kind: Literal["oscillator", "fano", "two-oscillators"] = "oscillator"
    """One damped oscillator, one with Fano interference, or the sum of two oscillators."""
    baseline: bool = False
    """Whether to fit a constant below the line."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Spectra around each line, on consecutive bins padded to one length."""

    bins: Ints
    """(g, w) frequency bins."""
    inside: Bools
    """(g, w) bins that are fitted."""
    power: Floats
    """(g, w) averaged one-sided periodogram; 0 outside."""
    averages: Floats
    """(g,) number of independent periodograms in the mean."""
    segment_frames: int
    interval_ps: float

    @property
    def sizes(self) -> Ints:
        """Number of bins up to the last fitted one (g,)."""
        sizes: Ints = self.inside.shape[1] - np.argmax(self.inside[:, ::-1], axis=1)
        return sizes

    @property
    def axes(self) -> tuple[Ints, Ints, Grid]:
        """First bin (g,) and number of bins (g,) of each spectrum, and the grid of all bins."""
        first, last = int(self.bins.min()), int(self.bins.max())
        grid = Grid.of(first, last, self.segment_frames, self.interval_ps)
        return np.ascontiguousarray(self.bins[:, 0]), self.sizes, grid


@dataclass(frozen=True, slots=True)
class Places:
    """Positions of the parameters of a shape; None for those it does not have."""

    asymmetry: int | None
    baseline: int | None
    ratio: int | None
    """First of the three parameters of the second line."""
    count: int

    @property
    def codes(self) -> tuple[int, int, int]:
        """Positions of asymmetry, baseline and second line for the kernels; −1 for None."""
        asymmetry, baseline, ratio = (
            -1 if place is None else place
            for place in (self.asymmetry, self.baseline, self.ratio)
        )
        return asymmetry, baseline, ratio

    @property
    def lines(self) -> tuple[int, ...]:
        """First parameter of each line."""
        return (0,) if self.ratio is None else (0, self.ratio)


def places(shape: LineShape) -> Places:
    """Return the position of each parameter."""
    count = 3
    asymmetry = baseline = ratio = None
    if shape.kind == "fano":
        asymmetry, count = count, count + 1
    if shape.baseline:
        baseline, count = count, count + 1
    if shape.kind == "two-oscillators":
        ratio, count = count, count + 3
    return Places(asymmetry, baseline, ratio, count)


def extended(theta: Floats, shape: LineShape) -> Floats:
    """Return the parameters (g, n) that give a simpler shape (g, n') in this shape.

    New parameters are zero: no interference, no baseline. A second line is not added.
    """
    wanted = places(shape).count
    longer = np.zeros((len(theta), wanted))
    longer[:, :3] = theta[:, :3]
    if shape.baseline and theta.shape[1] > 3:
        longer[:, places(shape).baseline] = theta[:, 3]
    return longer


def model_of(shape: LineShape) -> Callable[[Observed, Floats], tuple[Floats, Floats]]:
    """Return the function from parameters (g, n) to S (g, w) and its derivatives (g, n, w).

    S is given for ln area = 0, since the area is a common factor. Values after the last fitted
    bin are zero.
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


@kernel(error_model="numpy")
def _line_models(
    theta_gn: Floats,
    codes: tuple[int, int, int],
    axes: tuple[Ints, Ints, Grid, Room],
    power_gw: Floats,
    slopes_gnw: Floats,
) -> None:
    """Store S and its derivatives, up to the last fitted bin."""
    first, sizes, grid, room = axes
    for g in range(len(theta_gn)):
        axis = part_of(grid, first[g], sizes[g])
        line_model(theta_gn[g], codes, (axis, room), power_gw[g], slopes_gnw[g])


@inner_kernel(error_model="numpy")
def line_model(
    theta: Floats,
    codes: tuple[int, int, int],
    axis: tuple[Grid, Room],
    power: Floats,
    slopes_nw: Floats,
) -> None:
    """Store S (w,) and its derivatives (n, w) for parameters (n,); see `model_of`."""
    asymmetry, baseline, ratio = codes
    grid, room = axis
    a = 0.0 if asymmetry < 0 else theta[asymmetry]
    line = (theta[OMEGA], np.exp(theta[GAMMA]), a)
    line_spectra(line, grid, room, slopes_nw[: 3 if asymmetry < 0 else 4])
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
