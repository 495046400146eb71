"""Whether a spectrum has the shape of the line that was fitted to it, here and there.

Two tests. Pearson's χ² of all bins finds structure of any kind. The mean of I/S − 1 in each of
four regions, the wings below and above and the two halves of the core, finds what χ² is slow
to see: a whole wing that lies below or above the model. Wings do so in truth: a damped
oscillator's fall as ω⁻², for its friction has no memory; forces have one, and spectra end
faster. Such wings pull the width of a fitted line down by a third and more, unnoticed.
"""

from itertools import pairwise

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.project.lineshape.models import GAMMA, OMEGA, Observed
from trajmodes.project.spectra.segments import resolution_thz
from trajmodes.units import THZ

NEIGHBOURS = (1.0, 4.0 / 9.0, 1.0 / 36.0)
"""Correlation of a bin of the periodogram with itself, the next, and the one after."""
CHANCE_SIGMAS = 4.0
"""From here on a misfit is not by chance."""
_LARGEST_MISFIT = 0.75
"""Root mean square and relative: what strays further is not of the model's shape."""

_EDGES = (-np.inf, -1.0, 0.0, 1.0, np.inf)
"""Of the regions, from the center in widths (its own plus the resolution)."""
_FEWEST_BINS = 3


def largest_stray(observed: Observed, theta: Floats, misfit: Floats) -> Floats:
    """Find the region that strays most from the model.

    Parameters
    ----------
    observed
        The spectra.
    theta
        (g, n) parameters of the lines.
    misfit
        (g, w) I/S − 1, zero where bins do not count.

    Returns
    -------
    (g,) largest mean misfit of a region, in standard deviations.
    """
    df = 1.0 / (observed.segment_frames * observed.interval_ps)
    resolution = resolution_thz(observed.segment_frames, observed.interval_ps)
    width = np.exp(theta[:, GAMMA]) / THZ + resolution
    place = (observed.bins * df - theta[:, OMEGA, None] / THZ) / width[:, None]
    # Neighbours that go together make means more uncertain.
    together = 1.0 + 2.0 * sum(NEIGHBOURS[1:])
    largest = np.zeros(len(theta))
    for low, high in pairwise(_EDGES):
        region = observed.inside & (place >= low) & (place < high)
        count = region.sum(axis=1)
        total = np.abs((misfit * region).sum(axis=1))
        sigma = np.sqrt(np.maximum(count, 1) * together / observed.averages)
        largest = np.where(count >= _FEWEST_BINS, np.maximum(largest, total / sigma), largest)
    return largest


def is_odd(goodness: Floats, goodness_sem: Floats, averages: Floats) -> Bools:
    """Tell whether a spectrum strays from its model grossly, and not by chance (g,).

    Parameters
    ----------
    goodness
        (g,) reduced Pearson χ².
    goodness_sem
        (g,) its standard deviation if the model is true.
    averages
        (g,) periodograms in the mean.
    """
    excess = np.maximum(goodness - 1.0, 0.0)
    surely = excess > CHANCE_SIGMAS * goodness_sem
    odd: Bools = surely & (np.sqrt(excess / averages) > _LARGEST_MISFIT)
    return odd
