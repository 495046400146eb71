"""Rows of the design matrix: the forces of a unit of each parameter in each frame.

Because of the sum rule, force constants act only on relative displacements d_j = u_j − u_i. The
force on atom i of the parameters z of order n is

    f_i = −1/(n−1)! Σ_clusters(i; j, k, …) Σ_z z E_z d_j d_k …

so that a uniform translation exerts no force, and clusters whose other members include i drop
out: no self term is summed. Clusters that differ only in the order of the other members are
summed once, with their number as a factor. For each site a `ForceMap` lists the neighbours, the
monomials of their displacement components (each a product of two earlier ones) and the
coefficients of the monomials in every column. A kernel evaluates these lists for many frames at
a time.
"""

from dataclasses import dataclass, replace
from math import factorial
from typing import NamedTuple

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.fit.expansion import Expansion
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.symmetry.tensors import SymmetryBasis
from trajmodes.symmetry.translations import atom_at

_TOGETHER = 4
"""Terms that the kernel adds at once; their number is padded to a multiple."""


@dataclass(frozen=True, slots=True)
class ForceMap:
    """The force on one site as a polynomial in relative displacements."""

    site: int
    columns: Ints
    """(z,) parameters of the expansion whose force on this site is not identically zero."""
    neighbours: Ints
    """(c, k) atom of each neighbour k of the site in each cell c of the supercell."""
    products: Ints
    """(o, 2) the two earlier monomials whose product each higher monomial is. Monomial 0 is 1,
    and monomial 1 + 3k + x is component x of the relative displacement of neighbour k."""
    bounds: Ints
    """(3z + 1,) first term of each column and direction; direction fastest."""
    monomials: Ints
    """(t,) monomial of each term."""
    factors: Floats
    """(t,) coefficient of each term."""

    @property
    def n_monomials(self) -> int:
        """Number of monomials."""
        return 1 + 3 * int(self.neighbours.shape[1]) + len(self.products)

    def within(self, occupied: Bools) -> "ForceMap":
        """Leave out the clusters with an empty site; `occupied` is (a,).

        An empty neighbour is replaced by the atom itself, whose relative displacement is zero.
        """
        n_sites = len(occupied) // len(self.neighbours)
        own = self.site + n_sites * np.arange(len(self.neighbours))
        there = np.where(occupied[self.neighbours], self.neighbours, own[:, None])
        return replace(self, neighbours=there)


class _Terms(NamedTuple):
    """Terms of one order on one site, with the neighbours and directions of their factors."""

    column: Ints
    direction: Ints
    members: Ints
    """(t, n − 1) index of each other member in the list of neighbours."""
    axes: Ints
    """(t, n − 1) direction of the displacement of each."""
    factor: Floats


def force_maps(expansion: Expansion, supercell: Supercell) -> tuple[ForceMap, ...]:
    """Construct the map of the force on each site of the crystal."""
    sites = range(supercell.crystal.n_sites)
    return tuple(_force_map(expansion, supercell, site) for site in sites)


def _force_map(expansion: Expansion, supercell: Supercell, site: int) -> ForceMap:
    chosen = [_others(basis, site) for basis in expansion]
    atoms = np.concatenate([members.reshape(-1, 4) for _, members, _ in chosen])
    neighbours = np.unique(atoms, axis=0)
    parts = [
        _terms(basis, start, neighbours, found)
        for basis, start, found in zip(expansion, expansion.starts[:-1], chosen, strict=True)
    ]
    monomial, products = _monomials(parts, len(neighbours))
    column = np.concatenate([part.column for part in parts])
    direction = np.concatenate([part.direction for part in parts])
    factor = np.concatenate([part.factor for part in parts])
    columns, place = np.unique(column, return_inverse=True)
    bounds, monomials, factors = _padded(
        place.reshape(-1) * 3 + direction, monomial, factor, 3 * len(columns)
    )
    cells = supercell.cells[:, None] + neighbours[:, 1:]
    return ForceMap(
        site,
        columns,
        atom_at(supercell, neighbours[:, 0], cells),
        products,
        bounds,
        monomials,
        factors,
    )


def _others(basis: SymmetryBasis, site: int) -> tuple[Ints, Ints, Floats]:
    """Clusters (c,) that start at a site, their other members (c, n − 1, 4) and weights (c,).

    A member is given by its site and its cell. Clusters that contain the first atom twice are
    left out. Of clusters that differ in the order of the members one is kept, and its weight is
    their number over (n − 1)!.
    """
    orbits = basis.orbits
    clusters = np.flatnonzero(orbits.sites[:, 0] == site)
    members = np.concatenate(
        [orbits.sites[clusters, 1:, None], orbits.lattice[clusters, 1:]], axis=2
    )
    home = (members == [site, 0, 0, 0]).all(axis=2).any(axis=1)
    clusters, members = clusters[~home], members[~home]
    if not len(clusters) or basis.order == 1:
        return clusters, members, np.ones(len(clusters))
    _, label = np.unique(members.reshape(-1, 4), axis=0, return_inverse=True)
    ordered = np.sort(label.reshape(len(clusters), -1), axis=1)
    _, first, together = np.unique(ordered, axis=0, return_index=True, return_inverse=True)
    count = np.bincount(together.reshape(-1))
    # Members of the cluster kept ascend, so that equal members are adjacent.
    return clusters[first], members[first], count / factorial(basis.order - 1)


def _terms(
    basis: SymmetryBasis, start: int, neighbours: Ints, found: tuple[Ints, Ints, Floats]
) -> _Terms:
    clusters, members, weights = found
    order, tensors = basis.order, basis.tensors[clusters]
    cluster, k, component = np.nonzero(tensors)
    digits = np.array(np.unravel_index(component, (3,) * order))
    known = np.concatenate([neighbours, members.reshape(-1, 4)])
    _, first, same = np.unique(known, axis=0, return_index=True, return_inverse=True)
    rows = first[same.reshape(-1)[len(neighbours) :]].reshape(len(clusters), order - 1)
    return _Terms(
        start + basis.columns[clusters[cluster], k],
        digits[0],
        rows[cluster],
        digits[1:].T,
        -weights[cluster] * tensors[cluster, k, component],
    )


def _monomials(parts: list[_Terms], n_neighbours: int) -> tuple[Ints, Ints]:
    """(t,) monomial of every term of all orders, and (o, 2) the table of products."""
    n_known = 1 + 3 * n_neighbours
    table = np.zeros((0, 2), dtype=np.int64)
    found = []
    for part in parts:
        single = np.sort(1 + 3 * part.members + part.axes, axis=1)
        monomial = single[:, 0] if single.shape[1] else np.zeros(len(single), dtype=np.int64)
        for k in range(1, single.shape[1]):
            pairs = np.column_stack([monomial, single[:, k]])
            everything = np.concatenate([table, pairs])
            _, first, same = np.unique(
                everything, axis=0, return_index=True, return_inverse=True
            )
            new = np.sort(first[first >= len(table)])
            number = np.empty(len(everything), dtype=np.int64)
            number[: len(table)] = np.arange(len(table))
            number[new] = len(table) + np.arange(len(new))
            table = np.concatenate([table, everything[new]])
            monomial = n_known + number[first[same.reshape(-1)]][len(everything) - len(pairs) :]
        found.append(monomial)
    return np.concatenate(found), table


def _padded(
    target: Ints, monomial: Ints, factor: Floats, n_targets: int
) -> tuple[Ints, Ints, Floats]:
    """Sort terms by target, add equal ones, and pad with zeros to full steps of the kernel."""
    both, same = np.unique(np.stack([target, monomial]), axis=1, return_inverse=True)
    total = np.bincount(same.reshape(-1), factor)
    target, monomial = both
    counts = np.bincount(target, minlength=n_targets)
    steps = -(-counts // _TOGETHER) * _TOGETHER
    bounds = np.concatenate([[0], np.cumsum(steps)])
    place = bounds[target] + np.arange(len(target)) - np.searchsorted(target, target)
    monomials, factors = np.zeros(bounds[-1], dtype=np.int64), np.zeros(bounds[-1])
    monomials[place], factors[place] = monomial, total
    return bounds, monomials, factors


def fill_rows(
    table: ForceMap, u_axt: Floats, f_axt: Floats, atoms: Ints, cells: Ints, rows: Floats
) -> None:
    """Fill rows (z + 1, c, 3, t) with the force of a unit of each parameter, and the data last.

    Displacements in Å and forces in eV/Å have a contiguous time axis. The (c,) atoms are those
    of the site of the table in the (c,) cells.
    """
    rows[-1] = f_axt[atoms]
    lists = (table.products, table.bounds, table.monomials, table.factors)
    monomials = np.empty((table.n_monomials, rows.shape[3]))
    _fill(u_axt, atoms, table.neighbours[cells], lists, monomials, rows)


@kernel()
def _fill(
    u_axt: Floats,
    atoms: Ints,
    neighbours: Ints,
    lists: tuple[Ints, Ints, Ints, Floats],
    value_ot: Floats,
    rows_zcxt: Floats,
) -> None:
    """Fill all columns but the last; `value_ot` holds the monomials of one cell at a time."""
    products, bounds, monomials, factors = lists
    sum_t = np.empty(value_ot.shape[1])
    value_ot[0] = 1.0
    for c in range(len(atoms)):
        _relative(u_axt, atoms[c], neighbours[c], value_ot)
        _multiply(products, 1 + 3 * neighbours.shape[1], value_ot)
        for z in range(len(rows_zcxt) - 1):
            for x in range(3):
                start, stop = bounds[3 * z + x], bounds[3 * z + x + 1]
                _sum_terms(start, stop, monomials, factors, value_ot, sum_t)
                rows_zcxt[z, c, x] = sum_t


# The inner loops use plain indices: views of rows would cost more than the sums.


@inner_kernel()
def _relative(u_axt: Floats, atom: int, neighbours: Ints, value_ot: Floats) -> None:
    """Compute the monomials of degree 1: relative displacements of the neighbours."""
    for k in range(len(neighbours)):
        other = neighbours[k]
        for x in range(3):
            for t in range(value_ot.shape[1]):
                value_ot[1 + 3 * k + x, t] = u_axt[other, x, t] - u_axt[atom, x, t]


@kernel()
def _multiply(products: Ints, first: int, value_ot: Floats) -> None:
    """Compute the higher monomials as products of earlier ones."""
    for o in range(len(products)):
        one, two = products[o]
        for t in range(value_ot.shape[1]):
            value_ot[first + o, t] = value_ot[one, t] * value_ot[two, t]


@inner_kernel()
def _sum_terms(
    start: int, stop: int, monomials: Ints, factors: Floats, value_ot: Floats, sum_t: Floats
) -> None:
    """Add up the terms of one column and direction, four at a time."""
    for t in range(len(sum_t)):
        sum_t[t] = 0.0
    for e in range(start, stop, 4):
        a, b, c, d = factors[e], factors[e + 1], factors[e + 2], factors[e + 3]
        i, j, k, m = monomials[e], monomials[e + 1], monomials[e + 2], monomials[e + 3]
        for t in range(len(sum_t)):
            two, four = a * value_ot[i, t] + b * value_ot[j, t], c * value_ot[k, t]
            sum_t[t] += two + (four + d * value_ot[m, t])
