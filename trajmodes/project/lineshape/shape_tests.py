"""Tests of whether a spectrum has the shape of the fitted line.

The relative residual I/S − 1 is averaged over cells of a quarter of the width (of the line plus
the resolution). A reduced χ² of the cells detects structure of any kind. It does not depend on
the length of the segments: long segments spread the same deviation over many noisy bins, and a
χ² of the bins would not show it.

The mean of the residual in four regions (the lower and the upper wing, and the two halves of
the core) detects a deviation to which χ² is insensitive: a whole wing above or below the model.
Such wings occur in crystals. The wings of a damped oscillator fall as ω⁻² because its friction
has no memory; interatomic forces have memory, and their spectra fall faster. If undetected,
they would change the fitted width by a third or more.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import chdtrc

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.project.lineshape.models import GAMMA, OMEGA, LineShape, Observed, places
from trajmodes.project.spectra.segments import bin_spacing, resolution_of

NEIGHBOURS = (1.0, 4.0 / 9.0, 1.0 / 36.0)
"""Correlation of a bin of a Hann-windowed periodogram with itself, its neighbour, and the
next."""
_BY_CHANCE = 1e-3
"""Probability of χ² below which a deviation is not due to chance."""
CHANCE_SIGMAS = 4.0
"""Number of standard deviations above which the deviation of a region is not due to chance."""
_LARGEST_MISFIT = 0.5
"""Deviation above which a spectrum does not have the shape of the model at all."""
_CELL = 0.25
"""Size of a cell, in widths (width of the line plus resolution)."""
_EDGES = (-np.inf, -1.0, 0.0, 1.0, np.inf)
"""Edges of the regions, relative to the centre, in the same unit."""
_FEWEST_BINS = 3
_APART = 2
"""Distance in bins of the second differences."""
_FEWEST_DIFFERENCES = 8


@dataclass(frozen=True, slots=True)
class ShapeTest:
    """Agreement of spectra with the shapes of their models (g,)."""

    reduced_chi2: Floats
    """Reduced χ² of the cells."""
    reduced_chi2_sem: Floats
    """Its standard deviation if the model is correct."""
    misfit: Floats
    """Root-mean-square relative deviation of the cells from the model, without noise."""
    region: Floats
    """Largest mean residual of a region, in standard deviations."""
    scatter: Floats
    """Variance of the residual from bin to bin, in that of independent periodograms; at least
    1."""

    @property
    def significant(self) -> Bools:
        """Whether χ² rejects the shape: it is that large by chance once in a thousand lines."""
        freedom = 2.0 / self.reduced_chi2_sem**2
        significant: Bools = chdtrc(freedom, self.reduced_chi2 * freedom) < _BY_CHANCE
        return significant

    @property
    def deviates(self) -> Bools:
        """Whether the spectrum differs significantly from the model anywhere."""
        deviates: Bools = self.significant | (self.region > CHANCE_SIGMAS)
        return deviates

    @property
    def rejected(self) -> Bools:
        """Whether the spectrum does not have the shape of the model at all."""
        rejected: Bools = self.significant & (self.misfit > _LARGEST_MISFIT)
        return rejected


def shape_test(
    observed: Observed,
    theta: Floats,
    shape: LineShape,
    residual: Floats,
    fitted: tuple[Floats, Floats],
) -> ShapeTest:
    """Compare spectra with the models that were fitted to them.

    Parameters
    ----------
    theta
        (g, n) parameters of the lines.
    residual
        (g, w) I/S − 1, zero for bins outside.
    fitted
        Jacobian ∂ ln S (g, n, w), zero outside, and covariance (g, n, n) of the parameters.
    """
    jacobian_gnw, covariance = fitted
    cell_gw, size = _cells(observed, theta, shape)
    of_cells = _CellSums(cell_gw, observed.inside)
    count = of_cells(np.ones_like(residual))
    used, safe = count > 0.0, np.maximum(count, 1.0)
    mean = of_cells(residual) / safe
    slopes_gnc = np.stack([of_cells(part) / safe for part in jacobian_gnw.swapaxes(0, 1)], 1)
    averages = observed.averages[:, None]
    variance = np.where(used, _summed_variance(safe) / safe**2 / averages, 1.0)
    # The variance by which the fit reduces that of the residuals.
    taken = np.einsum("gnc,gnm,gmc->gc", slopes_gnc, covariance, slopes_gnc)
    n_cells = used.sum(axis=1)
    freedom = np.maximum(n_cells - (taken / variance).sum(axis=1), 1.0)
    # var of z² is 2 and, for a gamma distribution, 6 over the number of averages;
    # neighbours share the squares of their correlations.
    first = np.where(size == 1, NEIGHBOURS[1], 0.5 / _summed_variance(size))
    second = np.where(size == 1, NEIGHBOURS[2], 0.0)
    shared = 1.0 + 2.0 * (first**2 + second**2)
    reduced_chi2 = (mean**2 / variance * used).sum(axis=1) / freedom
    noise = (variance * used).sum(axis=1) / np.maximum(n_cells, 1)
    return ShapeTest(
        reduced_chi2=reduced_chi2,
        reduced_chi2_sem=np.sqrt((2.0 + 6.0 / (observed.averages * size)) * shared / freedom),
        misfit=np.sqrt(np.maximum(reduced_chi2 - 1.0, 0.0) * noise),
        region=largest_deviation(observed, theta, residual),
        scatter=_scatter(observed, residual),
    )


def _scatter(observed: Observed, residual: Floats) -> Floats:
    """Variance (g,) of second differences of the residual (g, w), relative to their theory.

    A deviation of the model is smooth and hardly contributes. Correlated members of a set and
    fluctuating frequencies do.
    """
    middle, inside = residual[:, _APART:-_APART], observed.inside
    both = inside[:, 2 * _APART :] & inside[:, : -2 * _APART] & inside[:, _APART:-_APART]
    bent = middle - 0.5 * (residual[:, 2 * _APART :] + residual[:, : -2 * _APART])
    count = both.sum(axis=1)
    square = np.where(both, bent, 0.0) ** 2
    theory = (1.5 - 2.0 * NEIGHBOURS[_APART]) / observed.averages
    found: Floats = square.sum(axis=1) / np.maximum(count, 1) / theory
    return np.where(count >= _FEWEST_DIFFERENCES, np.fmax(found, 1.0), 1.0)


def _cells(observed: Observed, theta: Floats, shape: LineShape) -> tuple[Ints, Floats]:
    """Cell of each bin (g, w), and the number of bins in a cell (g,)."""
    resolution = resolution_of(observed.segment_frames, observed.interval_ps)
    spacing = bin_spacing(observed.segment_frames, observed.interval_ps)
    first = [theta[:, place + GAMMA] for place in places(shape).lines]
    width = np.exp(np.fmin.reduce(first)) + resolution
    size = np.fmax(np.rint(_CELL * width / spacing), 1.0)
    size = np.minimum(size, observed.bins.shape[1])
    order = np.arange(observed.bins.shape[1])
    cell_gw: Ints = (order / size[:, None]).astype(np.int64)
    return cell_gw, size


@dataclass(frozen=True, slots=True)
class _CellSums:
    """Sums over the bins of cells: (g, w) → (g, c)."""

    cell_gw: Ints
    inside: Bools

    def __call__(self, values_gw: Floats) -> Floats:
        n_sets = len(values_gw)
        n_cells = int(self.cell_gw.max()) + 1
        place = self.cell_gw + n_cells * np.arange(n_sets)[:, None]
        sums = np.zeros(n_sets * n_cells)
        np.add.at(sums, place[self.inside], values_gw[self.inside])
        return sums.reshape(n_sets, n_cells)


def _summed_variance(count: Floats) -> Floats:
    """Variance of the sum of neighbouring bins, in that of one bin."""
    pairs = (np.maximum(count - k, 0.0) * NEIGHBOURS[k] for k in (1, 2))
    summed: Floats = count + 2.0 * sum(pairs)
    return summed


def largest_deviation(observed: Observed, theta: Floats, residual: Floats) -> Floats:
    """Largest absolute mean of the residual in a region (g,), in standard deviations.

    The lines have parameters (g, n), and the residual (g, w) is I/S − 1, zero outside.
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
