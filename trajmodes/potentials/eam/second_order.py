"""Second-order force constants of embedded-atom potentials, in parts.

With the unit vector e of the bond from atom i to atom j, T = 1 − e eᵀ and L = e eᵀ, the force
constants of the bond and, by the sum rule, the self terms are

- pair: Φ_ij = −[φ'/r T + φ'' L],
- e1 and e2: −[w'/r T] and −[w'' L] with w = F'_i f(at i) + F'_j f(at j),
- e3: Φ_ij = Σ_m F''_m (∂ρ_m/∂u_i)(∂ρ_m/∂u_j)ᵀ over all atoms m, with ∂ρ_m/∂u_n = f' e for the
  neighbours n of m and −Σ f' e for m itself. It extends to twice the cutoff, and its self terms
  are the same sum.

These are the second derivatives of the energy at any positions, as in crystals of any basis,
alloys, surfaces, strained and unrelaxed cells. The gauge A of each site moves w of A into the
pair part; e3 and the total do not depend on it. The normalised gauge A = F' has no e1 and e2
(Johnson, Phys. Rev. B 39, 12554 (1989)).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trajmodes.arrays import Floats, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import UsageError
from trajmodes.potentials.eam.densities import clusters_of, members_of, products_of
from trajmodes.potentials.eam.functions import BondFunctions

Gauge = Floats | Literal["normalised"] | None


@dataclass(frozen=True, slots=True)
class SecondOrder:
    """Parts of the force constants (p, 3, 3) in eV/Å² of the same pairs."""

    total: ForceConstants
    pair: Floats
    e1: Floats
    e2: Floats
    e3: Floats
    gauge: Floats
    """(s,) A in eV per density."""

    def __post_init__(self) -> None:
        sizes = {"p": self.total.n_pairs}
        shape = "p 3 3"
        freeze(self, sizes, float, pair=shape, e1=shape, e2=shape, e3=shape, gauge="s")

    @property
    def bonds(self) -> Floats:
        """(p, 3, 3) pair + e1 + e2: the part of the bonds, which is that of pair forces."""
        found: Floats = self.pair + self.e1 + self.e2
        return found


def second_order(crystal: Crystal, found: BondFunctions, gauge: Gauge = None) -> SecondOrder:
    """Compute the force constants of second order and their parts.

    Parameters
    ----------
    gauge
        A (s,) of each site in eV per density, or ``normalised``. By default A = 0, with the
        unchanged functions of the potential.

    Raises
    ------
    UsageError
        If the gauge has another shape.
    """
    a_s = _gauge(found, gauge)
    members = members_of(crystal, found)
    chosen = products_of(members, 2)
    clusters = clusters_of(members, chosen)
    one, two = chosen.T
    weight = found.embedding[2][members.owner[one]]
    e3 = np.empty((len(clusters.sites), 3, 3))
    for x, y in np.ndindex(3, 3):
        products = weight * members.slope[one, x] * members.slope[two, y]
        e3[:, x, y] = np.bincount(clusters.of, products, len(e3))
    own = members.start[:-1]
    # The pair of a site with itself is the first choice of members of its density.
    of_site = clusters.of[np.searchsorted(one, own)]
    of_bond = clusters.of[(two > one) & np.isin(one, own)]
    slope = found.embedding[1] - a_s
    bonds = found.bonds
    i, j = bonds.first, bonds.second
    pair = found.pair[1:] + a_s[i] * found.at_first[1:] + a_s[j] * found.at_second[1:]
    embedded = slope[i] * found.at_first[1:] + slope[j] * found.at_second[1:]
    along = bonds.vectors / found.lengths[:, None]
    l_bxy = along[:, :, None] * along[:, None, :]
    t_bxy = np.eye(3) - l_bxy
    across = t_bxy / found.lengths[:, None, None]
    parts = []
    for k_bxy in (
        pair[0][:, None, None] * across + pair[1][:, None, None] * l_bxy,
        embedded[0][:, None, None] * across,
        embedded[1][:, None, None] * l_bxy,
    ):
        part = np.zeros_like(e3)
        part[of_bond] = -k_bxy
        np.add.at(part, of_site[i], k_bxy)
        parts.append(part)
    pair_part, e1, e2 = parts
    total = ForceConstants(
        crystal=crystal,
        first=clusters.sites[:, 0],
        second=clusters.sites[:, 1],
        lattice=clusters.lattice[:, 1],
        values=pair_part + e1 + e2 + e3,
        has_static_part=True,
        cutoff=2.0 * found.cutoff,
    )
    return SecondOrder(total, pair_part, e1, e2, e3, a_s)


def _gauge(found: BondFunctions, gauge: Gauge) -> Floats:
    n_sites = found.embedding.shape[1]
    if gauge is None:
        return np.zeros(n_sites)
    if isinstance(gauge, str):
        normalised: Floats = found.embedding[1]
        return normalised
    a_s = np.asarray(gauge, dtype=float)
    if a_s.shape != (n_sites,):
        raise UsageError(
            f"the gauge has shape {a_s.shape}, and the crystal {n_sites} sites",
            fix="give one number for each site",
        )
    return a_s
