"""The atomic layers of a slab: density of states of each, and surface waves.

The layers are planes of atoms, counted from the lower surface. The weight of a wave in some
layers is Σ |e|² over their sites. A mode is a surface mode if more than half of its weight is
in the outer layers. These are an eighth of all layers on each side, and at least one. A surface
wave whose wavelength exceeds the thickness of the slab extends from one surface to the other,
and cannot be distinguished from a bulk wave.
"""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.bands import BandPath, Bands
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.lattice import layer_of
from trajmodes.data.thermo import PhononDensity, Slab
from trajmodes.phonons.dynamical_matrix import dynamical_matrices, lattice_sum
from trajmodes.phonons.modes import branch_starts, signed_root
from trajmodes.phonons.qpoints import band_path

_APART = 0.3
"""Distance in Å along the normal of sites in different layers."""
_FEWEST = 4
"""With fewer layers there is no inside."""
_OUTER = 8


def slab_of(constants: ForceConstants, density: PhononDensity, spacing: float) -> Slab | None:
    """Analyse a slab along the band path in its plane; None for other crystals and thin layers.

    Neighbouring points of the path are at most ``spacing`` in 1/Å apart, 2π included.
    """
    planes = _planes(constants.crystal)
    if planes is None:
        return None
    layers, heights = planes
    n_layers = len(heights)
    outer = max(1, n_layers // _OUTER)
    of_site = density.sites.sum(axis=1)
    by_layer = np.zeros((n_layers, len(density.omega)))
    np.add.at(by_layer, layers, of_site)
    square = np.copysign(density.omega**2, density.omega)
    mean = signed_root((by_layer @ square) / by_layer.sum(axis=1))
    sides = np.stack([layers < outer, layers >= n_layers - outer]).astype(float)
    path = band_path(constants.crystal, spacing)
    bands, weight = _surface_bands(constants, path, sides)
    return Slab(layers, heights, by_layer, mean, outer, bands, weight)


def _planes(crystal: Crystal) -> tuple[Ints, Floats] | None:
    """Layer of each site (s,), and the heights of the layers (l,) above the lowest in Å."""
    layer = layer_of(crystal.cell, crystal.sites)
    if layer is None or layer.gaps > 1:
        return None
    along = crystal.sites[:, layer.axis]
    # From the upper end of the empty space: no layer is cut by the boundary of the cell.
    height = (along - layer.copies(along) - layer.start) * layer.period
    order = np.argsort(height)
    labels = np.empty(len(height), dtype=np.int64)
    labels[order] = np.cumsum(np.diff(height[order], prepend=height[order[0]]) > _APART)
    n_layers = int(labels.max()) + 1
    if n_layers < _FEWEST:
        return None
    means = np.bincount(labels, height) / np.bincount(labels)
    return labels, means - means[0]


def _surface_bands(
    constants: ForceConstants, path: BandPath, sides: Floats
) -> tuple[Bands, Floats]:
    """Bands along a path, and the weight of each mode on the sides (2, s) of the slab."""
    total = lattice_sum(constants)
    n_q, n_modes = len(path.qpoints), 3 * constants.crystal.n_sites
    omega, weight = np.empty((n_q, n_modes)), np.empty((n_q, n_modes, 2))
    directions = path.directions()
    for q in range(n_q):
        here = slice(q, q + 1)
        matrix = dynamical_matrices(total, path.qpoints[here], directions[here])[0]
        square, vectors = np.linalg.eigh(matrix)
        omega[q] = signed_root(square)
        part_sm = (np.abs(vectors) ** 2).reshape(-1, 3, n_modes).sum(axis=1)
        # Modes of a degenerate set are any combination of each other: each has their mean.
        sets = np.cumsum(branch_starts(total, square[None])[0]) - 1
        share = np.zeros((sets[-1] + 1, 2))
        np.add.at(share, sets, part_sm.T @ sides.T)
        weight[q] = (share / np.bincount(sets)[:, None])[sets]
    return Bands(path, omega, None), weight
