"""Tests of whether a spectrum has the shape of the fitted line.

There are two tests. Pearson's χ² over all bins finds structure of any kind. The mean of the
relative residual I/S − 1 in four regions (the lower and the upper wing, and the two halves of
the core) finds what χ² is slow to detect: a whole wing above or below the model. Real wings do
this. The wings of a damped oscillator fall as ω⁻² because its friction has no memory;
interatomic forces have memory, and their spectra fall faster. Such wings would reduce the
fitted width by a third or more without notice.
"""

from itertools import pairwise

import numpy as np

from trajmodes.arrays import Bools, Floats
from trajmodes.project.lineshape.models import GAMMA, OMEGA, Observed
from trajmodes.project.spectra.segments import bin_spacing, resolution_of

NEIGHBOURS = (1.0, 4.0 / 9.0, 1.0 / 36.0)
"""Correlation of a bin of a Hann-windowed periodogram with itself, its neighbour, and the
next."""
CHANCE_SIGMAS = 4.0
"""A deviation of more standard deviations than this is not due to chance."""
_LARGEST_RESIDUAL = 0.75
"""Root-mean-square relative residual above which a spectrum does not have the model's shape."""

_EDGES = (-np.inf, -1.0, 0.0, 1.0, np.inf)
"""Edges of the regions, relative to the centre, in widths (width of the line plus
resolution)."""
_FEWEST_BINS = 3


def largest_deviation(observed: Observed, theta: Floats, residual: Floats) -> Floats:
    """Find the region where the mean relative residual deviates most from zero.

    Parameters
    ----------
    theta
        (g, n) parameters of the lines.
    residual
        (g, w) I/S − 1, zero for bins outside.

    Returns
    -------
    (g,) largest absolute mean of a region, in standard deviations.
    """
    spacing = bin_spacing(observed.segment_frames, observed.interval_ps)
    resolution = resolution_of(observed.segment_frames, observed.interval_ps)
    width = np.exp(theta[:, GAMMA]) + resolution
    place = (observed.bins * spacing - theta[:, OMEGA, None]) / width[:, None]
    # Correlated neighbours increase the variance of means.
    correlated = 1.0 + 2.0 * sum(NEIGHBOURS[1:])
    largest = np.zeros(len(theta))
    for low, high in pairwise(_EDGES):
        region = observed.inside & (place >= low) & (place < high)
        count = region.sum(axis=1)
        total = np.abs((residual * region).sum(axis=1))
        sigma = np.sqrt(np.maximum(count, 1) * correlated / observed.averages)
        largest = np.where(count >= _FEWEST_BINS, np.maximum(largest, total / sigma), largest)
    return largest


def shape_rejected(reduced_chi2: Floats, reduced_chi2_sem: Floats, averages: Floats) -> Bools:
    """Whether a spectrum differs grossly and significantly from its model (g,).

    Parameters
    ----------
    reduced_chi2
        (g,) reduced Pearson χ².
    reduced_chi2_sem
        (g,) its standard deviation if the model is correct.
    averages
        (g,) number of independent periodograms in the mean.
    """
    excess = np.maximum(reduced_chi2 - 1.0, 0.0)
    significant = excess > CHANCE_SIGMAS * reduced_chi2_sem
    rejected: Bools = significant & (np.sqrt(excess / averages) > _LARGEST_RESIDUAL)
    return rejected
