"""q points of an integral over the zone whose integrand is not smooth at Γ.

Near Γ the frequencies of the three acoustic branches are v(direction) q. There the heat flow C
v⊗v τ varies as 1/q², and at low temperature the heat capacity is a function of ħvq/k_BT whose
width may be less than the spacing h of a mesh. A sum over a mesh is then not exact at any order
in h. For these branches the cube of edge 3h about Γ (in the axes of the mesh) is therefore
sampled by points q = r s with s on its surface and 0 < r < 1. In s and r the integrand is
smooth: ∫ f d³q = ∫ dr r² ∫ dA |s·n| f(r s), with the normal n of the surface. Gauss–Legendre
points on each face and in r integrate it, in r on sections, each a third of the one outside it.

The remainder of the zone is a sum over the mesh. At the surface of the cube its error is
(h²/24)∮ ∂f/∂n dA to second order (Euler and Maclaurin), which is added to the weights of the
three points of the mesh outside each cell of the surface.

In a layer the sum of 1/q² over the plane grows with the logarithm of the number of mesh points,
as κ of an infinite layer does in this approximation. No finer points are added, so that κ
includes wavelengths up to the period of the mesh.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import layer_of
from trajmodes.phonons.qpoints import mesh
from trajmodes.symmetry.stars import star_labels

# Gauss–Legendre points and weights in r, on a section of length 2.
_RADIAL = np.polynomial.legendre.leggauss(3)


@dataclass(frozen=True, slots=True)
class Zone:
    """q points of an integral over the zone."""

    qpoints: Floats
    """(q, 3), reduced coordinates."""
    weights: Floats
    """(q, m), part of the zone that each branch represents."""
    spacing: float
    """Mean distance of neighbours in 1/Å, 2π included."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, qpoints="q 3", weights="q m")


def zone_of(crystal: Crystal, divisions: tuple[int, int, int], sections: int = 1) -> Zone:
    """Irreducible points of a mesh, finer around Γ for the three acoustic branches.

    ``divisions`` are numbers of points along each reciprocal lattice vector; a `UsageError` is
    raised if one is not positive. ``sections`` is the number of sections of the distance to Γ.
    """
    qpoints, members = mesh(crystal, divisions)
    n_modes, n_points = 3 * crystal.n_sites, float(np.prod(divisions))
    weights = np.repeat(members[:, None] / n_points, n_modes, axis=1)
    layer = layer_of(crystal.cell, crystal.sites)
    spacing = float(2.0 * np.pi / np.cbrt(crystal.volume * n_points))
    if layer is not None:
        spacing = float(2.0 * np.pi / np.sqrt(crystal.volume / layer.period * n_points))
    if min(divisions) < 3:
        return Zone(qpoints, weights, spacing)
    size = np.array(divisions)
    # The cube may lack the symmetry of the crystal, so it can contain only a part of a star.
    place = star_labels(crystal, np.concatenate([qpoints, _NEAR / size]))[len(qpoints) :]
    outside = _OUTSIDE if min(divisions) >= 6 else -_CUBE
    np.add.at(weights[:, :3], place, outside[:, None] / n_points)
    head, star = np.unique(star_labels(crystal, _SURFACE / size), return_inverse=True)
    radii, lengths = _radii(sections)
    finer = radii[:, None, None] * _SURFACE[head] / size
    share = np.zeros((len(radii), len(head), n_modes))
    share[:, :, :3] = np.outer(lengths, np.bincount(star, _AREA))[:, :, None] / n_points
    return Zone(
        np.concatenate([qpoints, finer.reshape(-1, 3)]),
        np.concatenate([weights, share.reshape(-1, n_modes)]),
        spacing,
    )


def _radii(sections: int) -> tuple[Floats, Floats]:
    """Distances r from Γ to the surface of the cube, at 1, and weights of ∫₀¹ r² dr."""
    edges = np.append(3.0 ** -np.arange(sections), 0.0)
    width = 0.5 * (edges[:-1] - edges[1:])[:, None]
    radii = (edges[1:, None] + width * (1.0 + _RADIAL[0])).ravel()
    return radii, radii**2 * (width * _RADIAL[1]).ravel()


def _surface(n: int) -> tuple[Floats, Floats]:
    """Gauss points (6n², 3) on the cube of edge 3, and |s·n| dA of each."""
    nodes, parts = np.polynomial.legendre.leggauss(n)
    first, second = (1.5 * x.ravel() for x in np.meshgrid(nodes, nodes))
    face = np.column_stack([np.full(n * n, 1.5), first, second])
    turned = [np.roll(face, axis, axis=1) for axis in range(3)]
    points = np.concatenate([*turned, *(-face for face in turned)])
    return points, np.tile(1.5**3 * np.outer(parts, parts).ravel(), 6)


def _beside_cube() -> tuple[Floats, Floats, Floats]:
    """Mesh points (k, 3) about Γ, 1 for those in the cube, and changes of their weights."""
    points = np.array(list(product(np.arange(-4.0, 5.0), repeat=3)))
    _, second, largest = np.sort(np.abs(points), axis=1).T
    cube = np.where(largest <= 1, 1.0, 0.0)
    gained = -cube
    # −∂f/∂n of a parabola through the points at h/2, 3h/2 and 5h/2 from the surface
    for distance, part in ((2, 2.0), (3, -3.0), (4, 1.0)):
        gained[(second <= 1) & (largest == distance)] = part / 24.0
    return points, cube, gained


_SURFACE, _AREA = _surface(6)
_NEAR, _CUBE, _OUTSIDE = _beside_cube()
