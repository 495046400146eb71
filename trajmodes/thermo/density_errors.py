"""Standard errors of the density of states: total, of sites and of species.

The contribution of a site to the density is the diagonal block of a function of D, Σ_m g(ω −
ω_m) e_m e_m†, and a replicate changes it by Σ_mm' g[ω_m, ω_m'] δ_mm' e_m e_m'†, with the
divided difference of g in ω² (see `zone_modes`): frequencies move, and polarisation vectors
turn. g is a Gaussian at least as wide as 1 % of the range of frequencies. Without smearing, the
errors are those of a density smeared by this width, because to first order the errors of the
density from tetrahedra are infinite at van Hove singularities.
"""

from math import pi, sqrt

import numpy as np
from scipy.interpolate import make_interp_spline

from trajmodes.arrays import Floats
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.thermo.displacements import PLACES, changed_blocks, symmetrised
from trajmodes.thermo.zone_modes import ModeChunk

_POINTS = 151
_LEAST_WIDTH = 1.5
"""Of the Gaussian, in steps of the grid of `_POINTS` frequencies."""
_EQUAL = 1e-5
"""Relative difference of two ω² below which the divided difference is the derivative."""
_BYTES = 48 * 2**20


class DensityErrors:
    """Sums over the modes, chunk by chunk.

    ``grid`` (w,) are the frequencies of the density in rad/ps, ``width`` is the standard
    deviation of its Gaussians, and ``share`` (n,) the fraction of the zone of each mesh point.
    """

    def __init__(self, grid: Floats, width: float, share: Floats) -> None:
        self.grid, self.share = grid, share
        self.coarse = np.linspace(grid[0], grid[-1], _POINTS)
        self.width = max(width, _LEAST_WIDTH * float(self.coarse[1] - self.coarse[0]))
        self.changes: Floats | float = 0.0
        """(b, w, s, 6), unit: ps/rad, on the coarse grid."""

    def add(self, chunk: ModeChunk) -> None:
        """Add the changes by the modes of a chunk that are on the mesh."""
        start = chunk.part.start
        inside = min(len(self.share) - start, len(chunk.omega))
        n_modes = chunk.omega.shape[1]
        step = max(1, _BYTES // (8 * _POINTS * n_modes * (n_modes + 1)))
        for first in range(0, inside, step):
            part = slice(first, min(first + step, inside))
            self._add(chunk, part, self.share[start + first : start + part.stop])

    def _add(self, chunk: ModeChunk, part: slice, share: Floats) -> None:
        omega, counted = chunk.omega[part], chunk.counted[part]
        n_q, n_modes = omega.shape
        one, other = pairs = np.triu_indices(n_modes)
        apart = (self.coarse[:, None, None] - omega) / self.width
        g = np.exp(-0.5 * apart**2) / (sqrt(2.0 * pi) * self.width)
        slope = g * apart / (2.0 * self.width * np.where(counted, np.abs(omega), 1.0))
        square = omega * np.abs(omega)
        gap = square[:, one] - square[:, other]
        size = np.abs(square)
        equal = np.abs(gap) <= _EQUAL * (size[:, one] + size[:, other])
        divided = g[..., one] - g[..., other]
        divided /= np.where(gap == 0.0, 1.0, gap)
        q, p = np.nonzero(equal)
        divided[:, q, p] = 0.5 * (slope[:, q, one[p]] + slope[:, q, other[p]])
        divided *= (counted[:, one] & counted[:, other]) * share[:, None]
        vectors = chunk.vectors[part].reshape(n_q, n_modes, -1, 3)
        flat = divided.reshape(_POINTS, -1)
        self.changes = self.changes + changed_blocks(
            vectors, chunk.changes[:, part], flat, pairs
        )

    def errors(self, group: SpaceGroup, crystal: Crystal) -> tuple[Floats, Floats, Floats]:
        """Return standard errors: total (w,), sites (s, 3, w) and species (k, w), in ps/rad."""
        smooth = make_interp_spline(self.coarse, np.asarray(self.changes), axis=1)
        tensors = symmetrised(smooth(self.grid)[..., PLACES], group)
        # (b, s, 3, w)
        by_site = np.moveaxis(np.diagonal(tensors, axis1=3, axis2=4), 1, 3)
        names = np.array(crystal.species)
        by_species = [
            by_site[:, names == name].sum(axis=(1, 2)) for name in dict.fromkeys(names.tolist())
        ]
        total = by_site.sum(axis=(1, 2))
        parts = (total, by_site, np.stack(by_species, axis=1))
        of_total, of_sites, of_species = map(jackknife_sem, parts)
        return of_total, of_sites, of_species
