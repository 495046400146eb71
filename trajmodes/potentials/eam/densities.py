"""Derivatives of the densities of an embedded-atom potential, and clusters of their atoms.

The density ρ_m depends on the positions of its members, which are atom m and its neighbours. A
product of derivatives of ρ_m with respect to n members is a contribution to the force constants
of the cluster of these members.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.potentials.eam.functions import BondFunctions


@dataclass(frozen=True, slots=True)
class Members:
    """Members of the density of each site of the home cell: the site, then its bonds."""

    start: Ints
    """(s + 1,) first member of each site."""
    owner: Ints
    """(k,) site to whose density the member belongs."""
    site: Ints
    """(k,) site of the member."""
    lattice: Ints
    """(k, 3) lattice vector of the member's cell."""
    slope: Floats
    """(k, 3) ∂ρ/∂u of the member, per Å."""

    @property
    def counts(self) -> Ints:
        """(s,) number of members of each density."""
        return np.diff(self.start)

    @property
    def of_bonds(self) -> Ints:
        """(b,) member of each bond, in the density of its first atom."""
        return np.setdiff1d(np.arange(len(self.owner)), self.start[:-1], assume_unique=True)


class Clusters(NamedTuple):
    """Different clusters of members, with the first one moved to the home cell."""

    of: Ints
    """(r,) cluster of each row."""
    sites: Ints
    """(c, n)."""
    lattice: Ints
    """(c, n, 3)."""


def members_of(crystal: Crystal, found: BondFunctions) -> Members:
    """List the members of all densities, with the derivatives of the densities."""
    bonds = found.bonds
    n = crystal.n_sites
    along = bonds.vectors / found.lengths[:, None]
    slope_bx = found.at_first[1][:, None] * along
    own_sx = np.zeros((n, 3))
    np.subtract.at(own_sx, bonds.first, slope_bx)
    own = np.arange(n)
    owner = np.concatenate([own, bonds.first])
    order = np.argsort(owner, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])
    return Members(
        start=start,
        owner=owner[order],
        site=np.concatenate([own, bonds.second])[order],
        lattice=np.concatenate([np.zeros((n, 3), np.int64), bonds.lattice])[order],
        slope=np.concatenate([own_sx, slope_bx])[order],
    )


def products_of(members: Members, order: int) -> Ints:
    """(r, n) all choices of n members of one density, for one site after the other."""
    counts = members.counts**order
    owner = np.repeat(np.arange(len(counts)), counts)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    size = members.counts[owner]
    chosen = np.empty((len(owner), order), dtype=np.int64)
    for n in reversed(range(order)):
        rank, within = np.divmod(rank, size)
        chosen[:, n] = members.start[owner] + within
    return chosen


def clusters_of(members: Members, chosen: Ints) -> Clusters:
    """Find the different clusters among choices (r, n) of members."""
    keys, spans, low = _keys(members, chosen)
    distinct, of = np.unique(keys, return_inverse=True)
    n = chosen.shape[1]
    parts = np.stack(np.unravel_index(distinct, spans), axis=1)
    lattice = np.zeros((len(distinct), n, 3), dtype=np.int64)
    lattice[:, 1:] = parts[:, n:].reshape(-1, n - 1, 3) + low
    return Clusters(of.reshape(-1), parts[:, :n], lattice)


def _keys(members: Members, chosen: Ints) -> tuple[Ints, tuple[int, ...], Ints]:
    """(r,) one integer for each cluster, ranges of its digits, and lowest lattice vector."""
    high = members.lattice.max(axis=0) - members.lattice.min(axis=0)
    span = 2 * high + 1
    n = chosen.shape[1]
    spans = (*n * (len(members.start) - 1,), *(n - 1) * tuple(int(one) for one in span))
    keys = np.zeros(len(chosen), dtype=np.int64)
    for k in range(n):
        keys = keys * spans[0] + members.site[chosen[:, k]]
    home = members.lattice[chosen[:, 0]]
    for k in range(1, n):
        digits = members.lattice[chosen[:, k]] - home + high
        for x in range(3):
            keys = keys * span[x] + digits[:, x]
    return keys, spans, -high
