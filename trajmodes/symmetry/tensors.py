"""Symmetry-adapted tensors: the force constants that symmetry allows on each orbit.

The force constants of the representative of an orbit are a vector of 3ⁿ numbers that its
stabiliser leaves invariant. The mean of the matrices of the stabiliser projects onto the space
of these vectors. The tensors of the other clusters of the orbit follow by the operations and
permutations that map the representative to them. They are orthonormal in Σ_clusters |Φ|² per
primitive cell. Sum rules relate different orbits and are in `constraints`.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.symmetry.clusters import Orbits, permutations_of
from trajmodes.symmetry.images import images_of_clusters

_NULL = 1e-6
"""Remainders below this are zero; in practice 1e-15 or above 0.05."""

_ROUNDING = 1e-14
"""Components of unit tensors below this are set to zero."""


@dataclass(frozen=True, slots=True)
class SymmetryBasis:
    """Linear map from the parameters of the orbits (z) to Φ of all clusters (c)."""

    orbits: Orbits
    tensors: Floats
    """(c, k, 3ⁿ). Φ of each cluster for a unit of each parameter k of its orbit; zero beyond
    the number of parameters of the orbit."""
    starts: Ints
    """(o + 1,) first parameter of each orbit, and their total number."""
    frequency: Floats | None = None
    """(c,) fraction of the atoms on the first site that have the other members of the cluster;
    None where all have, as in a perfect crystal."""

    def __post_init__(self) -> None:
        sizes = {"c": self.orbits.n_clusters, "y": 3**self.orbits.order}
        freeze(self, sizes, float, tensors="c k y", frequency="c")
        freeze(self, {}, np.int64, starts="o")

    @property
    def order(self) -> int:
        """Number of members of a cluster."""
        return self.orbits.order

    @property
    def n_parameters(self) -> int:
        """Number of parameters of all orbits."""
        return int(self.starts[-1])

    @property
    def counts(self) -> Ints:
        """(o,) number of parameters of each orbit."""
        return np.diff(self.starts)

    @property
    def mean_tensors(self) -> Floats:
        """(c, k, 3ⁿ). The tensors, in the mean over all atoms on the first site."""
        if self.frequency is None:
            return self.tensors
        return self.tensors * self.frequency[:, None, None]

    @property
    def columns(self) -> Ints:
        """(c, k) parameter of each tensor; the total number for the zeros beyond those."""
        width = np.arange(self.tensors.shape[1])
        own = self.starts[self.orbits.orbit][:, None] + width
        return np.where(width < self.counts[self.orbits.orbit][:, None], own, self.starts[-1])

    def selected(self, wanted: Bools) -> tuple["SymmetryBasis", Bools]:
        """Select the orbits of a (o,) mask; also return the (z,) mask of parameters."""
        kept = wanted[self.orbits.orbit]
        starts = np.concatenate([[0], np.cumsum(self.counts[wanted])])
        # Orbits are sorted already: the selection keeps the order of the clusters.
        often = None if self.frequency is None else self.frequency[kept]
        basis = SymmetryBasis(self.orbits.selected(wanted), self.tensors[kept], starts, often)
        return basis, np.repeat(wanted, self.counts)

    def expand(self, parameters: Floats) -> Floats:
        """Expand (…, z) parameters into (…, c, 3, …, 3) force constants, both in eV/Åⁿ."""
        wide = np.concatenate([parameters, np.zeros((*parameters.shape[:-1], 1))], axis=-1)
        columns, shape = self.columns, (3,) * self.order
        flat = wide.reshape(-1, wide.shape[-1])
        values = np.empty((len(flat), *self.tensors.shape[::2]))
        for row, target in zip(flat, values, strict=True):
            np.matmul(row[columns][:, None, :], self.tensors, out=target[:, None, :])
        result: Floats = values.reshape(*parameters.shape[:-1], len(columns), *shape)
        return result

    def constants(self, parameters: Floats) -> ForceConstants:
        """Expand (z,) parameters in eV/Å² into second-order `ForceConstants`."""
        crystal: Crystal = self.orbits.group.crystal
        return ForceConstants(
            crystal=crystal,
            first=self.orbits.sites[:, 0],
            second=self.orbits.sites[:, 1],
            lattice=self.orbits.lattice[:, 1],
            values=self.expand(parameters),
        )

    def clusters(
        self, parameters: Floats, replicates: Floats | None = None
    ) -> ClusterConstants:
        """Expand (z,) parameters in eV/Åⁿ into force constants of third or higher order.

        Force constants of atoms of a supercell are shared among nearest images. (b, z)
        replicates of the parameters give error bars.
        """
        sites, lattice, values = self.orbits.sites, self.orbits.lattice, self.expand(parameters)
        again = None if replicates is None else self.expand(replicates)
        if self.orbits.images is not None:
            owner, lattice, share = images_of_clusters(self.orbits.images, sites, lattice)
            sites, share = sites[owner], share.reshape(-1, *[1] * self.order)
            values = values[owner] * share
            again = None if again is None else again[:, owner] * share
        return ClusterConstants(sites, lattice, values, again)


def symmetry_basis(orbits: Orbits) -> SymmetryBasis:
    """Find the symmetry-adapted tensors of orbits of one order."""
    powers = _tensor_powers(orbits)
    rows = _reorderings(orbits.order)
    # Many orbits have the same stabiliser.
    masks, kind = np.unique(orbits.stabilisers, axis=0, return_inverse=True)
    spaces = [_invariant_space(mask, powers, rows) for mask in masks]
    counts = np.array([space.shape[1] for space in spaces], dtype=np.int64)[kind.ravel()]
    starts = np.concatenate([[0], np.cumsum(counts)])
    padded = np.zeros((len(masks), 3**orbits.order, counts.max(initial=0)))
    for target, space in zip(padded, spaces, strict=True):
        target[:, : space.shape[1]] = space
    # (o, y, k) tensors of the representatives, padded with zeros
    wide = padded[kind.ravel()]
    wide /= np.sqrt(np.bincount(orbits.orbit, orbits.share**2))[:, None, None]
    tensors = np.empty((orbits.n_clusters, wide.shape[2], 3**orbits.order))
    image = orbits.operation * len(rows) + orbits.permutation
    for one in np.unique(image):
        clusters = np.flatnonzero(image == one)
        matrix = powers[one // len(rows)][rows[one % len(rows)]]
        tensors[clusters] = (matrix @ wide[orbits.orbit[clusters]]).swapaxes(1, 2)
    tensors *= orbits.share[:, None, None]
    # Sums over clusters skip exact zeros, but not rounding noise.
    tensors[np.abs(tensors) < _ROUNDING] = 0.0
    return SymmetryBasis(orbits, tensors, starts)


def _tensor_powers(orbits: Orbits) -> Floats:
    """(g, 3ⁿ, 3ⁿ) matrix of each operation on tensors of order n."""
    rotations = orbits.group.cartesian
    power = rotations
    for _ in range(orbits.order - 1):
        power = np.einsum("gxy,guv->gxuyv", power, rotations)
        power = power.reshape(len(rotations), power.shape[1] * 3, -1)
    return power


def _reorderings(order: int) -> Ints:
    """(m, 3ⁿ) index of the source of each component under each permutation of the members."""
    places = np.arange(3**order).reshape((3,) * order)
    return np.array([places.transpose(pi).ravel() for pi in permutations_of(order)])


def _invariant_space(stabiliser: Bools, powers: Floats, rows: Ints) -> Floats:
    """(3ⁿ, k) orthonormal tensors that a stabiliser (g, m) leaves invariant.

    They are found by Gram–Schmidt orthogonalisation of the columns of the projector, because a
    choice of eigenvectors in a degenerate space would depend on the linear-algebra library.
    """
    projector = np.zeros(powers.shape[1:])
    for own, row in zip(stabiliser.T, rows, strict=True):
        if own.any():
            projector += powers[own].sum(axis=0)[row]
    projector /= stabiliser.sum()
    rank = round(float(np.trace(projector)))
    basis = np.empty((len(projector), rank))
    found = 0
    for column in projector.T:
        if found == rank:
            break
        known = basis[:, :found]
        rest = column - known @ (known.T @ column)
        rest -= known @ (known.T @ rest)
        length = np.linalg.norm(rest)
        if length > _NULL:
            basis[:, found] = rest / length
            found += 1
    return basis
