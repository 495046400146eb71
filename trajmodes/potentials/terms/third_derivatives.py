"""Third derivatives of energies of pairs and triples with respect to their bond vectors.

For an energy Z of the variables y = (r) or (r₁, r₂, c), c = cos θ, and the bond vectors x

    Z_xyz = Z_abc a_x b_y c_z + Z_ab (a_xy b_z + a_xz b_y + a_yz b_x) + Z_a a_xyz.

With the unit vector s and P = 1 − s sᵀ the derivatives of a length r are, in all orders of the
indices,

    s,   P/r,   −(s P + s P + s P)/r²,   [2 (s s P + … six) − (P P + … three)]/r³.

The first is s itself, so that those of c = s₁·s₂ are contractions of those of r₁ and r₂.
"""

from itertools import combinations, product

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.potentials.terms.pairs import PairList
from trajmodes.potentials.terms.particles import Particles
from trajmodes.potentials.terms.triples import TripleList


def third_of_pairs(one: PairList, particles: Particles) -> Floats:
    """(k, 1, 3, 1, 3, 1, 3) third derivatives in eV/Å³ with respect to the bond."""
    apart = particles.apart(one.first, one.second, one.lattice)
    r, *slopes = length_derivatives(apart)
    energies = [one.function(r, n).reshape(-1, *n * (1,)) for n in range(1, 4)]
    found = _by_vectors(energies, [slope[:, None] for slope in slopes[:3]])
    return found[:, None, :, None, :, None]


def third_of_triples(one: TripleList, particles: Particles) -> Floats:
    """(k, 2, 3, 2, 3, 2, 3) third derivatives in eV/Å³ with respect to both bonds.

    Raises
    ------
    DataError
        If three atoms of a harmonic angle are collinear.
    """
    vectors = one.vectors(particles)
    r1, r2 = (length_derivatives(vectors[:, side]) for side in range(2))
    count = len(vectors)
    slopes = []
    for order in range(1, 4):
        of_all = np.zeros((*order * (2,), 3, count, *order * (3,)))
        for sides in product(range(2), repeat=order):
            members = "xyz"[:order]
            first, second = (
                "".join(x for x, side in zip(members, sides, strict=True) if side == s)
                for s in range(2)
            )
            if not second:
                of_all[(*sides, 0)] = r1[order]
            if not first:
                of_all[(*sides, 1)] = r2[order]
            of_all[(*sides, 2)] = np.einsum(
                f"kw{first},kw{second}->k{members}", r1[len(first) + 1], r2[len(second) + 1]
            )
        pairs = [axis for n in range(order) for axis in (n, order + 2 + n)]
        of_all = of_all.transpose(order + 1, order, *pairs)
        slopes.append(of_all.reshape(count, 3, *order * (6,)))
    values = one.values(vectors, 3)
    energies = []
    for order in range(1, 4):
        of_all = np.empty((*order * (3,), count))
        for variables in np.ndindex(*order * (3,)):
            parts = (values[v][variables.count(v)] for v in range(3))
            of_all[variables] = np.prod(list(parts), axis=0)
        energies.append(np.moveaxis(of_all, -1, 0))
    return _by_vectors(energies, slopes).reshape(count, 2, 3, 2, 3, 2, 3)


def length_derivatives(vectors: Floats) -> list[Floats]:
    """Lengths of vectors (k, 3) in Å, and their derivatives of first to fourth order."""
    r = np.linalg.norm(vectors, axis=1)
    s = vectors / r[:, None]
    p = np.eye(3) - s[:, :, None] * s[:, None, :]
    third = sum(np.einsum(f"kx,kyz->k{out}", s, p) for out in ("xyz", "yxz", "yzx"))
    fourth = -sum(np.einsum(f"kxy,kzw->k{out}", p, p) for out in ("xyzw", "xzyw", "xzwy"))
    for one in combinations("xyzw", 2):
        rest = "".join(x for x in "xyzw" if x not in one)
        bent = np.einsum(f"k{one[0]},k{one[1]},k{rest}->kxyzw", s, s, p)
        fourth = fourth + 2.0 * bent
    parts = (s, p, -third, fourth)
    return [r, *(part / r.reshape(-1, *(n + 1) * (1,)) ** n for n, part in enumerate(parts))]


def _by_vectors(energies: list[Floats], slopes: list[Floats]) -> Floats:
    """(k, n, n, n) third derivatives: of Z (k, a, …) by y, and of y (k, a, n, …) by x."""
    one, two, three = slopes
    cubic = np.einsum("kabc,kax,kby,kcz->kxyz", energies[2], one, one, one, optimize=True)
    bent = np.einsum("kab,kaxy,kbz->kxyz", energies[1], two, one, optimize=True)
    bent = bent + bent.transpose(0, 1, 3, 2) + bent.transpose(0, 3, 2, 1)
    found: Floats = cubic + bent + np.einsum("ka,kaxyz->kxyz", energies[0], three)
    return found
