"""q points of an integral over the zone whose summand varies as 1/q² near Γ.

Near Γ the heat flow C v⊗v τ varies as 1/q², so the error of a sum over a mesh falls only as its
spacing h. For the three acoustic branches the cube of edge 3h about Γ (in the axes of the mesh)
is therefore sampled with spacing h/3, except for its innermost cube of edge h. The integral of
g(direction)/q² over a cube is proportional to its edge, so that over the innermost cube is half
of that over the shell around it. Several levels of this kind, each with a third of the spacing,
sample the cube of edge h in the same way.

In a layer the sum of 1/q² over the plane grows with the logarithm of the number of mesh points,
as κ of an infinite layer does in this approximation. No finer points are added, so that κ is
that of waves up to the period of the mesh.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.lattice import layer_of
from trajmodes.phonons.qpoints import mesh
from trajmodes.symmetry.stars import star_labels


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


def zone_of(crystal: Crystal, divisions: tuple[int, int, int], levels: int = 1) -> Zone:
    """Irreducible points of a mesh, finer around Γ for the three acoustic branches.

    ``divisions`` are numbers of points along each reciprocal lattice vector; a `UsageError` is
    raised if one is not positive. ``levels`` is the number of shells with finer points, the
    innermost of which stands for the cube inside it too.
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
    near = np.array(list(product((-1, 0, 1), repeat=3))) / divisions
    # The cube may lack the symmetry of the crystal, so it can contain only a part of a star.
    place = star_labels(crystal, np.concatenate([qpoints, near]))[len(qpoints) :]
    np.subtract.at(weights[:, :3], place, 1.0 / n_points)
    shell = np.array([n for n in product(range(-4, 5), repeat=3) if max(map(abs, n)) > 1])
    head, count = np.unique(
        star_labels(crystal, shell / (3.0 * np.array(divisions))), return_counts=True
    )
    points, parts = [qpoints], [weights]
    for level in range(1, levels + 1):
        inner = np.zeros((len(head), n_modes))
        inner[:, :3] = count[:, None] / (27.0**level * n_points)
        points.append(shell[head] / (3.0**level * np.array(divisions)))
        parts.append(1.5 * inner if level == levels else inner)
    return Zone(np.concatenate(points), np.concatenate(parts), spacing)
