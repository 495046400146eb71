"""Density of states by linear tetrahedra, or by Gaussian smearing.

Each cell of the mesh is divided into six tetrahedra along its shortest diagonal. Frequencies
vary linearly within a tetrahedron, so that its contribution to the density at ω and to the
number of states below ω is a polynomial in ω (Lehmann and Taut, Phys. Status Solidi B 54, 469
(1972)). Both are distributed over the vertices so that the integral of a property linear in the
tetrahedron is exact (Blöchl, Jepsen, Andersen, Phys. Rev. B 49, 16223 (1994)). The integral of
the weight of each mode over ω is 1, and that of the density is the number of branches.

A change δω_qm of the frequencies changes the number of states below ω by −Σ W_qm(ω) δω_qm, with
W the weights of the density. Errors of the density itself: `density_errors`.
"""

from itertools import permutations
from math import sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import erf

from trajmodes.arrays import Floats, Ints
from trajmodes.data.force_constants import jackknife_sem
from trajmodes.data.thermo import PhononDensity
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.symmetry.operations import SpaceGroup
from trajmodes.thermo.displacements import PLACES, symmetrised
from trajmodes.thermo.zone_modes import ZonePoints

# Working memory of the weights; results do not depend on it.
_BYTES = 64 * 2**20
_MARGIN = 0.02


class MeshModes(NamedTuple):
    """Modes at the irreducible points (n) of the mesh."""

    omega: Floats
    """(n, m), unit: rad/ps."""
    sites: Floats
    """(n, m, s, 6) parts of the polarisation vectors: Re e_x e_y* of xx, yy, zz, yz, xz, xy."""
    changes: Floats
    """(b, n, m), unit: rad/ps. Changes with each replicate; b = 0 without error bars."""


def frequency_grid(omega: Floats, n_points: int, width: float) -> Floats:
    """Evenly spaced frequencies that cover all modes and the tails of their Gaussians."""
    low, high = min(float(omega.min()), 0.0), float(omega.max())
    margin = max(_MARGIN * (high - low), 5.0 * width)
    start = low - margin if low < 0.0 or width else 0.0
    return np.linspace(start, high + margin, n_points)


def phonon_density(
    points: ZonePoints,
    modes: MeshModes,
    group: SpaceGroup,
    grid: Floats,
    width: float = 0.0,
) -> PhononDensity:
    """Density of states on a frequency grid (w,) of even spacing in rad/ps, without its errors.

    Parameters
    ----------
    width
        Standard deviation of a Gaussian in rad/ps; 0 for linear tetrahedra.
    """
    omega, sites, changes = modes
    n_points, n_branches = omega.shape
    share = points.members / points.members.sum()
    total, number = np.zeros(len(grid)), np.zeros(len(grid))
    by_site = np.zeros((len(grid), sites.shape[2] * 6))
    moved = np.zeros((len(changes), len(grid)))
    step = max(1, _BYTES // (16 * len(grid) * n_branches))
    for start in range(0, n_points, step):
        part = slice(start, start + step)
        density, below = _weights(points, omega, grid, width, part)
        density *= share[part, None, None]
        flat = density.reshape(-1, len(grid))
        total += flat.sum(axis=0)
        number += share[part] @ below.sum(axis=1)
        by_site += flat.T @ sites[part].reshape(len(flat), -1)
        moved -= changes[:, part].reshape(len(changes), len(flat)) @ flat
    tensors = by_site.reshape(len(grid), -1, 6)[..., PLACES]
    by_direction = np.diagonal(symmetrised(tensors, group), axis1=2, axis2=3)
    by_direction = np.moveaxis(by_direction, 0, 2)
    names = np.array(points.crystal.species)
    by_species = [
        by_direction[names == name].sum(axis=(0, 1)) for name in dict.fromkeys(names.tolist())
    ]
    return PhononDensity(
        grid,
        total,
        number,
        by_direction,
        np.array(by_species),
        width=width,
        number_sem=jackknife_sem(moved) if len(changes) else None,
    )


def _weights(
    points: ZonePoints, omega: Floats, grid: Floats, width: float, part: slice
) -> tuple[Floats, Floats]:
    """Weights (q, m, w) in the density and in the number of states."""
    if width:
        apart = (grid - omega[part, :, None]) / width
        density = np.exp(-0.5 * apart**2) / (sqrt(2.0 * np.pi) * width)
        return density, 0.5 * (1.0 + erf(apart / sqrt(2.0)))
    divisions = np.array(points.divisions)
    addresses = np.rint(points.qpoints[: points.n_mesh][part] * divisions).astype(np.int64)
    shape = (len(addresses), omega.shape[1], len(grid))
    density, below = np.zeros(shape), np.zeros(shape)
    reciprocal = np.linalg.inv(points.crystal.cell).T / divisions[:, None]
    _tetrahedra(
        omega, points.index, addresses, _surrounding(reciprocal), grid[0],
        grid[1] - grid[0], density, below,
    )  # fmt: skip
    return density, below


def _surrounding(steps: Floats) -> Ints:
    """(24, 4, 3) steps from a mesh point, the first vertex, to those of tetrahedra around it.

    ``steps`` (3, 3) are the Cartesian edges of a cell of the mesh, in rows.
    """
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    lengths = np.linalg.norm((1 - 2 * corners) @ steps, axis=1)
    # The first of diagonals that are equal up to rounding.
    first = corners[int(np.flatnonzero(lengths < lengths.min() * (1.0 + 1e-9))[0])]
    found = []
    for axes in permutations(range(3)):
        vertices = [first]
        for axis in axes:
            step = np.zeros(3, dtype=np.int64)
            step[axis] = 1 - 2 * first[axis]
            vertices.append(vertices[-1] + step)
        for own in range(4):
            others = [vertices[k] for k in range(4) if k != own]
            found.append([vertices[own], *others] - vertices[own])
    return np.array(found, dtype=np.int64)


@kernel()
def _tetrahedra(  # noqa: PLR0913, PLR0917 - arrays of a kernel
    omega: Floats,
    index: Ints,
    addresses: Ints,
    surrounding: Ints,
    start: float,
    step: float,
    density: Floats,
    below: Floats,
) -> None:
    """Add the weights of each mode at some points over the 24 tetrahedra around them."""
    n1, n2, n3 = index.shape
    n_grid = density.shape[2]
    corner = np.empty(4, np.int64)
    e = np.empty(4)
    for q in range(len(addresses)):
        for k in range(24):
            for v in range(4):
                corner[v] = index[
                    (addresses[q, 0] + surrounding[k, v, 0]) % n1,
                    (addresses[q, 1] + surrounding[k, v, 1]) % n2,
                    (addresses[q, 2] + surrounding[k, v, 2]) % n3,
                ]
            for m in range(omega.shape[1]):
                own = omega[corner[0], m]
                _place_ascending(omega, corner, m, e)
                rank = 0
                while e[rank] < own:
                    rank += 1
                first = max(int(np.ceil((e[0] - start) / step)), 0)
                for w in range(first, n_grid):
                    x = start + w * step
                    if x >= e[3]:
                        for full in range(w, n_grid):
                            below[q, m, full] += 1.0 / 24.0
                        break
                    if x > e[0]:
                        delta, theta = _vertex(e, rank, x)
                        density[q, m, w] += delta / 6.0
                        below[q, m, w] += theta / 6.0


@inner_kernel()
def _place_ascending(omega: Floats, corner: Ints, m: int, e: Floats) -> None:
    """Store the values at the corners in ascending order; a sort compiles slowly."""
    for v in range(4):
        value, place = omega[corner[v], m], v
        while place > 0 and e[place - 1] > value:
            e[place] = e[place - 1]
            place -= 1
        e[place] = value


@inner_kernel()
def _vertex(  # noqa: PLR0911 - one for each vertex of three cases
    e: Floats, rank: int, x: float
) -> tuple[float, float]:
    """Weights of one vertex of a tetrahedron of ascending values e: density and number."""
    a, b, c, d = e[0], e[1], e[2], e[3]
    if x < b:
        g = (x - a) ** 2 / ((b - a) * (c - a) * (d - a))
        n = 0.25 * g * (x - a)
        if rank == 0:
            s = 1.0 / (b - a) + 1.0 / (c - a) + 1.0 / (d - a)
            return g * (3.0 - (x - a) * s), n * (4.0 - (x - a) * s)
        y = (x - a) / (e[rank] - a)
        return g * y, n * y
    if x >= c:
        g = (d - x) ** 2 / ((d - a) * (d - b) * (d - c))
        n = 0.25 * g * (d - x)
        if rank == 3:
            s = 1.0 / (d - a) + 1.0 / (d - b) + 1.0 / (d - c)
            return g * (3.0 - (d - x) * s), 0.25 - n * (4.0 - (d - x) * s)
        y = (d - x) / (d - e[rank])
        return g * y, 0.25 - n * y
    # Parts of the cross section and of the volume below, and how each falls to the vertices.
    c1 = 0.25 * (x - a) ** 2 / ((d - a) * (c - a))
    c2 = 0.25 * (x - a) * (x - b) * (c - x) / ((d - a) * (c - b) * (c - a))
    c3 = 0.25 * (x - b) ** 2 * (d - x) / ((d - b) * (c - b) * (d - a))
    g1 = (x - a) * (c - x) / ((c - a) * (c - b) * (d - a))
    g2 = (x - b) * (d - x) / ((d - b) * (c - b) * (d - a))
    if rank == 0:
        ac, ad = (c - x) / (c - a), (d - x) / (d - a)
        return (g1 + g2) * ad + g1 * ac, c1 + (c1 + c2) * ac + (c1 + c2 + c3) * ad
    if rank == 1:
        bc, bd = (c - x) / (c - b), (d - x) / (d - b)
        return (g1 + g2) * bc + g2 * bd, c1 + c2 + c3 + (c2 + c3) * bc + c3 * bd
    if rank == 2:
        ac, bc = (x - a) / (c - a), (x - b) / (c - b)
        return (g1 + g2) * bc + g1 * ac, (c1 + c2) * ac + (c2 + c3) * bc
    ad, bd = (x - a) / (d - a), (x - b) / (d - b)
    return (g1 + g2) * ad + g2 * bd, (c1 + c2 + c3) * ad + c3 * bd
