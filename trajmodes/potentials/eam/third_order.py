"""Third-order force constants of embedded-atom potentials.

With the derivatives g_n of a density ρ_m along the displacements of its members n, and h_nn' of
second order, which vanish except within one bond (+H if both members are m or both the
neighbour, −H if they differ):

    Φ = Σ_m F'''_m g g g + Σ_m F''_m (g h + h g + g h) + ½ Σ_b T_b,

T_b is the third derivative of φ + F'_i f(at i) + F'_j f(at j) with frozen F' along the bond,
with the sign of the second atom minus the first for each member. Clusters extend to twice the
cutoff. All sum rules and exchange symmetries hold by construction.
"""

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants
from trajmodes.errors import DataError
from trajmodes.potentials.eam.densities import Members, clusters_of, members_of, products_of
from trajmodes.potentials.eam.functions import BondFunctions

_MOST_ROWS = 40_000_000


def third_order(crystal: Crystal, found: BondFunctions) -> ClusterConstants:
    """Compute the force constants of third order of functions with three derivatives.

    Raises
    ------
    DataError
        If the cell has so many atoms that the products of derivatives exceed the memory.
    """
    members = members_of(crystal, found)
    n_rows = int((members.counts**3).sum())
    if n_rows > _MOST_ROWS:
        raise DataError(
            f"the third order has {n_rows} products of derivatives, and at most {_MOST_ROWS} "
            "are computed",
            why=f"{crystal.n_sites} sites have {members.counts.mean():.0f} neighbours each",
            fix="take the primitive cell",
        )
    chosen = products_of(members, 3)
    clusters = clusters_of(members, chosen)
    owner = members.owner[chosen[:, 0]]
    is_own = chosen == members.start[owner][:, None]
    slope = members.slope[chosen]
    curvature, third = _of_members(members, found)
    values = np.zeros((len(clusters.sites), 3, 3, 3))
    weight = found.embedding[3][owner]
    _add(values, clusters.of, [weight, slope[:, 0], slope[:, 1], slope[:, 2]], "r,rx,ry,rz")
    for a, b, c in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        same = chosen[:, b] == chosen[:, c]
        rows = np.flatnonzero(same | is_own[:, b] | is_own[:, c])
        neighbour = np.where(is_own[rows, b], chosen[rows, c], chosen[rows, b])
        weight = np.where(same[rows], 1.0, -1.0) * found.embedding[2][owner[rows]]
        letters = "xyz"[a], "xyz"[b] + "xyz"[c]
        parts = [weight, slope[rows, a], curvature[neighbour]]
        _add(values, clusters.of[rows], parts, f"r,r{letters[0]},r{letters[1]}")
    # Members of one bond: the neighbour is the same wherever a member is not the site itself.
    neighbour = chosen.max(axis=1)
    rows = np.flatnonzero((is_own | (chosen == neighbour[:, None])).all(axis=1))
    weight = np.where(is_own[rows].sum(axis=1) % 2, -1.0, 1.0)
    _add(values, clusters.of[rows], [weight, third[neighbour[rows]]], "r,rxyz")
    return ClusterConstants(clusters.sites, clusters.lattice, values, cutoff=2.0 * found.cutoff)


def _of_members(members: Members, found: BondFunctions) -> tuple[Floats, Floats]:
    """Second derivatives (k, 3, 3) of the density, and ½T (k, 3, 3, 3), of each neighbour.

    At a site itself they are the sums over its neighbours.
    """
    i, j = found.bonds.first, found.bonds.second
    r = found.lengths[:, None, None]
    e = found.bonds.vectors / found.lengths[:, None]
    along = e[:, :, None] * e[:, None, :]
    first, second = found.at_first[1:3, :, None, None]
    curvature_bxy = first / r * (np.eye(3) - along) + second * along
    frozen = found.embedding[1]
    u1, u2, u3 = (
        found.pair[1:] + frozen[i] * found.at_first[1:] + frozen[j] * found.at_second[1:]
    )
    mixed = np.einsum("bx,yz->bxyz", e, np.eye(3))
    mixed = mixed + mixed.transpose(0, 2, 1, 3) + mixed.transpose(0, 2, 3, 1)
    cubic = along[..., None] * e[:, None, None, :]
    bent = (u2 / found.lengths - u1 / found.lengths**2)[:, None, None, None]
    third_bxyz = 0.5 * (u3[:, None, None, None] * cubic + bent * (mixed - 3.0 * cubic))
    found_all = []
    for of_bond in (curvature_bxy, third_bxyz):
        of_member = np.zeros((len(members.owner), *of_bond.shape[1:]))
        of_member[members.of_bonds] = of_bond
        np.add.at(of_member, members.start[i], of_bond)
        found_all.append(of_member)
    return found_all[0], found_all[1]


def _add(values: Floats, of: Ints, parts: list[Floats], subscripts: str) -> None:
    """Add products of the parts, one row per cluster in ``of``, to the values."""
    for x, y, z in np.ndindex(3, 3, 3):
        direction = {"x": x, "y": y, "z": z}
        product = np.ones(len(of))
        for part, letters in zip(parts, subscripts.split(","), strict=True):
            product = product * part[(slice(None), *(direction[one] for one in letters[1:]))]
        values[:, x, y, z] += np.bincount(of, product, len(values))
