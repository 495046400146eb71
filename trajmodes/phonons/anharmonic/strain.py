"""What a homogeneous strain does to the pair constants, from the cubic ones.

A displacement gradient η moves the atom at r by ηr, and each sublattice s besides by X_s:η, the
internal strain, until no site feels a force again. To first order the pair constants then are
Φ2 + Φ3·u (Born and Huang, Dynamical Theory of Crystal Lattices, §11 and §23):

∂Φ_ij^{αβ}/∂η^{γδ} = Σ_k Φ_ijk^{αβλ} (δ_λγ r_k^δ + X_{s(k)}^{λγδ}),
X_s^{λγδ} = −Σ_{s'μ} (K⁻¹)_{ss'}^{λμ} Σ_k Φ_{s'k}^{μγ} r_k^δ,    K_{ss'} = Σ_R Φ_{ss'}(R).

K⁻¹ acts on what is left of the site displacements when a shift of the whole crystal is taken
out. By the sum rule of Φ3 neither that shift nor the origin of r_k matters; the first member of
the cluster is taken.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from trajmodes.arrays import Floats, Ints, freeze
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError

# Largest violation of the exchange symmetry, relative to the largest value, that passes for
# rounding; the same as for pair constants.
_ASYMMETRY = 1e-6
# Stiffness of an internal displacement, relative to the largest, below which it is none.
_SOFT = 1e-9


@dataclass(frozen=True, slots=True)
class StrainDerivative:
    """∂Φ2/∂η of the pairs that have a triplet; the others do not change.

    Both (i, j, R) and (j, i, −R) are listed, and the sum over p for one first site is zero.
    """

    crystal: Crystal
    first: Ints
    """(p,) site in the home cell."""
    second: Ints
    """(p,) site of the neighbour."""
    lattice: Ints
    """(p, 3) lattice vector of the neighbour's cell."""
    values: Floats
    """(p, 3, 3, 3, 3), unit: eV/Å², axes (pair, direction of first, direction of second,
    direction of the displacement, direction it grows along). Antisymmetric combinations of the
    last two turn the crystal."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        freeze(self, sizes, np.int64, first="p", second="p", lattice="p 3")
        freeze(self, sizes, float, values="p 3 3 3 3")


@dataclass(frozen=True, slots=True)
class TripletSum:
    """Where each triplet goes when its third member is summed over: pairs (p), triplets (c)."""

    crystal: Crystal
    first: Ints
    """(p,) site in the home cell."""
    second: Ints
    """(p,) site of the neighbour."""
    lattice: Ints
    """(p, 3) lattice vector of the neighbour's cell."""
    twin: Ints
    """(p,) where the pair stands with its members exchanged."""
    weights: csr_array
    """(p · (3 + s), c). Row (p, δ) holds r_k^δ of the triplets of pair p, in Å; row (p, 3 + s)
    holds 1 for those whose third member is on site s."""

    def derivative(self, values: Floats, internal: Floats | None) -> Floats:
        """∂Φ2/∂η of the pairs.

        Parameters
        ----------
        values
            (c, 3, 3, 3) cubic constants in eV/Å³.
        internal
            (s, 3, 3, 3) internal strain in Å; None for clamped ions.

        Returns
        -------
        (p, 3, 3, 3, 3) in eV/Å²; axes as in `StrainDerivative`.

        Raises
        ------
        DataError
            If exchange of the pair's members makes a difference.
        """
        s = self.crystal.n_sites
        sums = self.weights @ values.reshape(len(values), 27)
        sums_prabl = sums.reshape(len(self.first), 3 + s, 3, 3, 3)
        spread = sums_prabl[:, :3].transpose(0, 2, 3, 4, 1)
        if internal is None:
            return self._symmetric(spread)
        # (pair, site, α, β, λ) (site, λ, γ, δ)
        relaxed = np.tensordot(sums_prabl[:, 3:], internal, axes=((1, 4), (0, 1)))
        return self._symmetric(spread + relaxed)

    def _symmetric(self, values: Floats) -> Floats:
        exchanged = values[self.twin].swapaxes(1, 2)
        worst = float(np.abs(values - exchanged).max(initial=0.0))
        largest = float(np.abs(values).max(initial=0.0))
        if not np.isfinite(largest):
            raise DataError("the cubic constants hold numbers that are not finite")
        if worst > _ASYMMETRY * largest:
            raise DataError(
                "the change of pair constants under strain depends on the order of the pair: "
                f"by {worst / largest:.2g} of the largest",
                why="the cubic constants are not symmetric under exchange of their members, or "
                "their sum over the last member is not zero",
                fix="list every triplet in all orders, and impose the acoustic sum rule",
            )
        return 0.5 * (values + exchanged)


def strain_derivative(constants: ForceConstants, *, relaxed: bool = True) -> StrainDerivative:
    """Change of the pair constants with strain, at fixed lattice vectors R and sites.

    Parameters
    ----------
    constants
        The force constants with triplets.
    relaxed
        Whether the sublattices move until no site feels a force; else they only follow the
        strain (clamped ions).

    Raises
    ------
    DataError
        If there are no triplets, they lack the exchange symmetry, or a strain pushes the
        sublattices along a displacement that meets no resistance.
    """
    triplets = triplets_of(constants)
    total = triplet_sum(constants.crystal, triplets)
    internal = internal_strain(constants, constants.values) if relaxed else None
    values = total.derivative(triplets.values, internal)
    return StrainDerivative(constants.crystal, total.first, total.second, total.lattice, values)


def triplets_of(constants: ForceConstants) -> ClusterConstants:
    """Cubic constants, which have to be there."""
    if constants.triplets is None:
        raise DataError(
            "the force constants hold no cubic ones",
            why="how phonons change with strain is a cubic effect",
            fix="fit with a cutoff for triplets, or read a file that holds them",
        )
    return constants.triplets


def triplet_sum(crystal: Crystal, triplets: ClusterConstants) -> TripletSum:
    """Sort the triplets by their first two members.

    Raises
    ------
    DataError
        If a pair is listed in one order only.
    """
    heads = np.column_stack([triplets.sites[:, :2], triplets.lattice[:, 1]])
    pairs, pair_of = np.unique(heads, axis=0, return_inverse=True)
    exchanged = np.column_stack([pairs[:, 1], pairs[:, 0], -pairs[:, 2:]])
    order = np.lexsort(exchanged.T[::-1])
    if not np.array_equal(exchanged[order], pairs):
        raise DataError(
            "a triplet (i, j, k) is listed without (j, i, k)",
            fix="list every triplet in all orders",
        )
    return TripletSum(
        crystal,
        first=pairs[:, 0],
        second=pairs[:, 1],
        lattice=pairs[:, 2:],
        twin=order,
        weights=_weights(crystal, triplets, pair_of.reshape(-1), len(pairs)),
    )


def _weights(
    crystal: Crystal, triplets: ClusterConstants, pair_of: Ints, n_pairs: int
) -> csr_array:
    rows_per_pair = 3 + crystal.n_sites
    third = triplets.sites[:, 2]
    places = crystal.sites[third] + triplets.lattice[:, 2] - crystal.sites[triplets.sites[:, 0]]
    inside = np.column_stack([np.tile(np.arange(3), (len(third), 1)), 3 + third])
    rows = pair_of[:, None] * rows_per_pair + inside
    data = np.column_stack([places @ crystal.cell, np.ones(len(third))])
    columns = np.broadcast_to(np.arange(len(third))[:, None], rows.shape)
    shape = (n_pairs * rows_per_pair, len(third))
    return csr_array((data.ravel(), (rows.ravel(), columns.ravel())), shape=shape)


def internal_strain(constants: ForceConstants, values: Floats) -> Floats:
    """How far each sublattice moves, beyond the strain itself, per displacement gradient.

    Parameters
    ----------
    constants
        Where the pairs are.
    values
        (p, 3, 3) pair constants in eV/Å²: those of ``constants`` or one of their replicates.

    Returns
    -------
    (s, 3, 3, 3) X in Å: site, direction it moves in, displacement gradient γδ. The mean over
    the sites is zero.

    Raises
    ------
    DataError
        If a strain pushes the sublattices along a displacement that meets no resistance.
    """
    crystal = constants.crystal
    s = crystal.n_sites
    stiffness = np.zeros((s, s, 3, 3))
    np.add.at(stiffness, (constants.first, constants.second), values)
    apart = crystal.sites[constants.second] + constants.lattice - crystal.sites[constants.first]
    # (pair, direction of the force, γ, δ)
    pull = values[:, :, :, None] * (apart @ crystal.cell)[:, None, None, :]
    force = np.zeros((s, 3, 3, 3))
    np.subtract.at(force, constants.first, pull)
    matrix = stiffness.swapaxes(1, 2).reshape(3 * s, 3 * s)
    moved = _relax(0.5 * (matrix + matrix.T), force.reshape(3 * s, 9))
    return moved.reshape(s, 3, 3, 3)


def _relax(stiffness: Floats, force: Floats) -> Floats:
    """Displacements (3s, 9) with no mean that balance the forces."""
    shifts = np.tile(np.eye(3), (len(stiffness) // 3, 1))
    basis, _ = np.linalg.qr(shifts, mode="complete")
    inner = basis[:, 3:]
    strengths, modes = np.linalg.eigh(inner.T @ stiffness @ inner)
    pushes = modes.T @ (inner.T @ force)
    # A force that symmetry forbids is left over from sums of numbers this large.
    noise = _SOFT * float(np.abs(force).max(initial=0.0))
    soft = np.abs(strengths) <= _SOFT * np.abs(stiffness).max(initial=0.0)
    if (np.abs(pushes[soft]) > noise).any():
        raise DataError(
            "a strain pushes the sublattices along a displacement that meets no resistance",
            why="an optical mode at Γ has the frequency zero",
            fix="ask for clamped ions, or check the force constants",
        )
    answer = np.where(soft[:, None], 0.0, pushes / np.where(soft, 1.0, strengths)[:, None])
    moved: Floats = inner @ (modes @ answer)
    return moved
