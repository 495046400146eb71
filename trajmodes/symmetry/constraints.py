"""Free parameters of force constants: what symmetry and the sum rules leave.

The constants of an orbit's representative are a vector of 3ⁿ numbers that its stabiliser
leaves unchanged: the space that the mean of the stabiliser's matrices projects on. The
acoustic sum rule, Σ over the last atom of Φ = 0 for every choice of the others, then ties the
orbits together: linear equations A z = 0 for the parameters z of all orbits, solved by
z = N x with an orthonormal N. Together Φ = E N x; the columns of E are orthonormal in
Σ_clusters |Φ|², so |x|² is the square of all constants per primitive cell.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data import Crystal, ForceConstants
from trajmodes.errors import DataError
from trajmodes.symmetry.clusters import Orbits, permutations_of

__all__ = ["SymmetryBasis", "symmetry_basis"]

_NULL = 1e-6
"""Below this part of its length a vector counts as zero; symmetry leaves 1e-15 or 0.05."""

_ROUNDING = 1e-14
"""Components of unit tensors below this are zero."""


@dataclass(frozen=True, slots=True)
class SymmetryBasis:
    """Linear map from free parameters (n) to the constants of all clusters (c)."""

    orbits: Orbits
    tensors: Floats
    """(c, k, 3ⁿ). Constants of each cluster for each parameter k of its orbit, zero beyond
    the number that its orbit has."""
    starts: Ints
    """(o + 1,) first parameter z of each orbit, and their total number."""
    null_space: Floats
    """(z, n), orthonormal columns. Parameters of the orbits for each free parameter."""

    def __post_init__(self) -> None:
        freeze(self, {}, float, tensors="c k y", null_space="z n")
        freeze(self, {}, np.int64, starts="o")

    @property
    def n_parameters(self) -> int:
        """Number of free parameters."""
        return int(self.null_space.shape[1])

    @property
    def counts(self) -> Ints:
        """(o,) number of parameters that symmetry leaves each orbit, sum rules apart."""
        return np.diff(self.starts)

    def expand(self, parameters: Floats) -> Floats:
        """Constants of all clusters.

        Parameters
        ----------
        parameters
            (…, n) free parameters in eV/Åⁿ.

        Returns
        -------
        (…, c, 3, …, 3) constants in eV/Åⁿ.
        """
        order = self.orbits.order
        z = parameters @ self.null_space.T
        z = np.concatenate([z, np.zeros((*z.shape[:-1], self.tensors.shape[1]))], axis=-1)
        columns = self.starts[self.orbits.orbit][:, None] + np.arange(self.tensors.shape[1])
        # … c k, c k y -> … c y; surplus k meet zero tensors
        values = np.einsum("...ck,cky->...cy", z[..., columns], self.tensors)
        result: Floats = values.reshape(*values.shape[:-1], *(3,) * order)
        return result

    def project(self, values: Floats) -> Floats:
        """Free parameters of the constants nearest to given ones; undoes `expand`.

        Parameters
        ----------
        values
            (c, 3, …, 3) constants in eV/Åⁿ, in the order of the clusters.
        """
        n_wide = self.tensors.shape[1]
        weights = np.einsum(
            "cky,cy->ck", self.tensors, values.reshape(self.orbits.n_clusters, -1)
        )
        z = np.zeros(self.starts[-1] + n_wide)
        columns = self.starts[self.orbits.orbit][:, None] + np.arange(n_wide)
        np.add.at(z, columns, weights)
        result: Floats = z[: self.starts[-1]] @ self.null_space
        return result

    def constants(self, parameters: Floats) -> ForceConstants:
        """Harmonic constants as the noun that other rooms read.

        Parameters
        ----------
        parameters
            (n,) free parameters in eV/Å².
        """
        crystal: Crystal = self.orbits.group.crystal
        return ForceConstants(
            crystal=crystal,
            first=self.orbits.sites[:, 0],
            second=self.orbits.sites[:, 1],
            lattice=self.orbits.lattice[:, 1],
            values=self.expand(parameters),
        )


def symmetry_basis(orbits: Orbits) -> SymmetryBasis:
    """Free parameters of the constants on given orbits.

    Parameters
    ----------
    orbits
        Orbits of clusters of one order.

    Raises
    ------
    DataError
        If symmetry and sum rules leave no free parameter.
    """
    powers = _tensor_powers(orbits)
    spaces = [_invariant_space(orbits, powers, o) for o in range(orbits.n_orbits)]
    starts = np.cumsum([0, *(space.shape[1] for space in spaces)])
    width = max(space.shape[1] for space in spaces)
    # (o, y, k) tensors of the representatives, zero beyond the number of their orbit
    wide = np.array([np.pad(v, ((0, 0), (0, width - v.shape[1]))) for v in spaces])
    size = np.bincount(orbits.orbit, orbits.share**2)
    wide /= np.sqrt(size)[:, None, None]
    turns = powers[orbits.operation, orbits.permutation]
    tensors = orbits.share[:, None, None] * (turns @ wide[orbits.orbit]).swapaxes(1, 2)
    # Exact zeros are skipped in the sums over pairs, rounding noise is not.
    tensors[np.abs(tensors) < _ROUNDING] = 0.0
    null_space = _null_space(_sum_rules(orbits, tensors, starts))
    if not null_space.shape[1]:
        raise DataError(
            "symmetry and the sum rule leave no free parameter",
            where=f"{orbits.n_orbits} orbits up to {orbits.radii[-1]:.4f} Å",
            why="the cutoff takes in no neighbour",
            fix="raise the cutoff",
        )
    return SymmetryBasis(orbits, tensors, starts, null_space)


def _tensor_powers(orbits: Orbits) -> Floats:
    """(g, m, 3ⁿ, 3ⁿ) what each operation and permutation does to the constants."""
    turns = orbits.group.cartesian
    power = turns
    for _ in range(orbits.order - 1):
        power = np.einsum("gxy,guv->gxuyv", power, turns)
        power = power.reshape(len(turns), power.shape[1] * 3, -1)
    places = np.arange(3**orbits.order).reshape((3,) * orbits.order)
    rows = [places.transpose(pi).ravel() for pi in permutations_of(orbits.order)]
    result: Floats = np.stack([power[:, row] for row in rows], axis=1)
    return result


def _invariant_space(orbits: Orbits, powers: Floats, o: int) -> Floats:
    """(3ⁿ, k) orthonormal constants that the stabiliser of orbit o leaves unchanged.

    Gram–Schmidt over the columns of the projector in their order: no eigenvectors, whose
    choice within the space would be the library's and not ours.
    """
    projector = powers[orbits.stabilisers[o]].mean(axis=0)
    basis = np.empty((len(projector), 0))
    for column in projector.T:
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > _NULL:
            basis = np.column_stack([basis, rest / length])
    return basis


def _sum_rules(orbits: Orbits, tensors: Floats, starts: Ints) -> Floats:
    """(r, z) the sum over the last member, for every choice of the others."""
    n_sums = 3**orbits.order
    leading = np.column_stack(
        [orbits.sites[:, :-1], orbits.lattice[:, :-1].reshape(orbits.n_clusters, -1)]
    )
    _, group = np.unique(leading, axis=0, return_inverse=True)
    width = tensors.shape[1]
    rules = np.zeros((int(group.max()) + 1, starts[-1] + width, n_sums))
    columns = starts[orbits.orbit][:, None] + np.arange(width)
    np.add.at(rules, (group[:, None], columns), tensors)
    return rules[:, : starts[-1]].swapaxes(1, 2).reshape(-1, int(starts[-1]))


def _null_space(rules: Floats) -> Floats:
    """(z, n) orthonormal solutions of rules @ z = 0, by rank-revealing QR of the transpose."""
    full, upper, _ = scipy.linalg.qr(rules.T, pivoting=True)
    diagonal = np.abs(np.diag(upper))
    rank = int((diagonal > _NULL * max(1.0, diagonal.max(initial=0.0))).sum())
    result: Floats = np.ascontiguousarray(full[:, rank:])
    return result
