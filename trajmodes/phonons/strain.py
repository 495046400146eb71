"""Response of force constants and frequencies to homogeneous strain, from the third order.

A displacement gradient η moves the atom at r by ηr. Each sublattice s moves in addition by the
internal strain X_s:η, so that no force acts on a site. To first order the second-order force
constants become Φ2 + Φ3·u (Born and Huang, Dynamical Theory of Crystal Lattices, §11 and §23):

∂Φ_ij^{αβ}/∂η^{γδ} = Σ_k Φ_ijk^{αβλ} (δ_λγ r_k^δ + X_{s(k)}^{λγδ}),
X_s^{λγδ} = −Σ_{s'μ} (K⁻¹)_{ss'}^{λμ} Σ_k Φ_{s'k}^{μγ} r_k^δ,    K_{ss'} = Σ_R Φ_{ss'}(R).

K⁻¹ is the inverse in the space of site displacements without a uniform shift. By the sum rule
of Φ3 the result depends neither on that shift nor on the origin of r_k. If images in a
supercell share the force constants of triplets, the sum rule holds only after the sum over the
images of j. The origin is therefore the middle of the pair (i, j), which treats both alike.

At fixed reduced q the phases of the atoms do not change under strain. ∂D/∂ε is therefore the
lattice sum of ∂Φ2/∂ε, and ∂ω²/∂ε = Re e†(∂D/∂ε)e, with the mean over degenerate branches (the
trace). Strain is symmetric, with six components in the order xx, yy, zz, yz, xz, xy.

A replicate of the force constants changes D by δ, and with it the eigenvectors. This adds
Σ_m' 2 Re(P_mm' δ_m'm)/(ω_m² − ω_m'²) to ∂ω²/∂ε, summed over the modes m' of other sets, with
P = e†(∂D/∂ε)e. The sum diverges where two branches approach each other, although the mixing of
two vectors is bounded. The gap is therefore replaced by sqrt((ω_m² − ω_m'²)² + 4|δ|²), which is
exact for two levels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.coulomb.long_waves import LongWaveDipoles, long_wave_dipoles
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    dynamical_matrices,
    exchange_error,
    lattice_sum,
    lattice_sums,
)
from trajmodes.phonons.modes import expectation, set_means, set_starts

# Stiffness of an internal displacement, relative to the largest, below which it is zero.
_SOFT = 1e-9
# Sum of Φ3 over the third member, relative to the largest Φ3, that is accepted as rounding.
_SUM_RULE = 1e-6
COMPONENTS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_PLACES = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class TripletSum:
    """Sum over the third member of triplets (c); the result has pairs (p)."""

    crystal: Crystal
    first: Ints
    """(p,) site in the home cell."""
    second: Ints
    """(p,) site of the neighbour."""
    lattice: Ints
    """(p, 3) lattice vector of the neighbour's cell."""
    twin: Ints
    """(p,) index of the pair with its members exchanged."""
    weights: csr_array
    """(p · (3 + s), c). Row (p, δ) holds r_k^δ of the triplets of pair p, in Å; row (p, 3 + s)
    holds 1 for those whose third member is on site s."""

    def derivative(self, values: Floats, internal: Floats | None) -> Floats:
        """∂Φ2/∂η (p, 3, 3, 3, 3) in eV/Å² of the pairs; it is zero for all other pairs.

        The axes are (pair, α, β, γ, δ), with α and β the directions of the first and second
        site and η^{γδ} the displacement gradient. The part antisymmetric in γδ is a rotation of
        the crystal. The sum over all pairs is zero, and over the neighbours of each site too
        unless images share the force constants.

        ``values`` are (c, 3, 3, 3) in eV/Å³; the internal strain (s, 3, 3, 3) in Å is None for
        clamped ions. A `DataError` is raised if the order of the members of a pair matters.
        """
        s = self.crystal.n_sites
        sums = self.weights @ values.reshape(len(values), 27)
        sums_prabl = sums.reshape(len(self.first), 3 + s, 3, 3, 3)
        # Zero by the sum rule, unless images share the force constants.
        uniform = sums_prabl[:, 3:].sum(axis=1)
        self._require_sum_rule(uniform, values)
        middle = 0.5 * self._bonds()
        clamped = sums_prabl[:, :3].transpose(0, 2, 3, 4, 1)
        clamped = clamped - uniform[..., None] * middle[:, None, None, None, :]
        if internal is None:
            return self._symmetric(clamped)
        # (pair, site, α, β, λ) (site, λ, γ, δ)
        relaxation = np.tensordot(sums_prabl[:, 3:], internal, axes=((1, 4), (0, 1)))
        return self._symmetric(clamped + relaxation)

    def _bonds(self) -> Floats:
        """(p, 3) vectors from the first to the second member in Å."""
        sites = self.crystal.sites
        bonds: Floats = (self.lattice + sites[self.second] - sites[self.first]) @ (
            self.crystal.cell
        )
        return bonds

    def _require_sum_rule(self, uniform: Floats, values: Floats) -> None:
        """Refuse Φ3 whose sum over the third member and the images of the second is not 0."""
        s = self.crystal.n_sites
        sums = np.zeros((s, s, *uniform.shape[1:]))
        np.add.at(sums, (self.first, self.second), uniform)
        largest = float(np.abs(values).max(initial=0.0))
        if np.abs(sums).max(initial=0.0) > _SUM_RULE * largest:
            raise _not_symmetric(np.abs(sums).max() / largest)

    def _symmetric(self, values: Floats) -> Floats:
        """Average over the order of the members."""
        exchanged = values[self.twin].swapaxes(1, 2)
        if error := exchange_error(values, exchanged, "third"):
            raise _not_symmetric(error)
        return 0.5 * (values + exchanged)


def _not_symmetric(error: float) -> DataError:
    return DataError(
        "the change of the force constants under strain depends on the order of the "
        f"pair, by {error:.2g} of the largest change",
        why="the force constants of third order are not symmetric under exchange of "
        "their members, or their sum over the last member is not zero",
        fix="list every triplet in all orders of its members, and impose the acoustic sum rule",
    )


def triplets_of(constants: ForceConstants) -> ClusterConstants:
    """Force constants of third order; raise a `DataError` if there are none."""
    if constants.triplets is None:
        raise DataError(
            "there are no force constants of third order",
            why="phonons change with strain, and scatter, by the third order of the energy",
            fix="fit with a cutoff for the third order, or read a file that contains it",
        )
    return constants.triplets


def triplet_sum(crystal: Crystal, triplets: ClusterConstants) -> TripletSum:
    """Sort triplets by their first two members; all must be listed in every order."""
    heads = np.column_stack([triplets.sites[:, :2], triplets.lattice[:, 1]])
    pairs, pair_of = np.unique(heads, axis=0, return_inverse=True)
    exchanged = np.column_stack([pairs[:, 1], pairs[:, 0], -pairs[:, 2:]])
    order = np.lexsort(exchanged.T[::-1])
    if not np.array_equal(exchanged[order], pairs):
        raise DataError(
            "a triplet (i, j, k) is listed without (j, i, k)",
            fix="list every triplet with its members in all orders",
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


def dipoles_of(constants: ForceConstants) -> LongWaveDipoles | None:
    """Dipole–dipole part of long waves, the same for all replicates; None without charges."""
    if constants.charges is None:
        return None
    return long_wave_dipoles(constants.crystal, constants.charges)


def internal_strain(
    constants: ForceConstants, dipoles: LongWaveDipoles | None
) -> tuple[Floats, Floats]:
    """Compute X and the forces on the sites that it balances; ``dipoles``: `dipoles_of`.

    Returns
    -------
    displacement
        X (s, 3, 3, 3) in Å: site, direction λ, gradient γδ; its mean is zero.
    force
        (s, 3, 3, 3) in eV/Å of a displacement gradient, with the same axes.
    """
    crystal = constants.crystal
    s = crystal.n_sites
    stiffness = np.zeros((s, s, 3, 3))
    np.add.at(stiffness, (constants.first, constants.second), constants.values)
    vector = crystal.sites[constants.second] + constants.lattice
    vector = vector - crystal.sites[constants.first]
    # (pair, direction of the force, γ, δ)
    pair_force = constants.values[:, :, :, None] * (vector @ crystal.cell)[:, None, None, :]
    force = np.zeros((s, 3, 3, 3))
    np.subtract.at(force, constants.first, pair_force)
    if dipoles is not None:
        stiffness += dipoles.stiffness
        force += dipoles.force
    matrix = stiffness.swapaxes(1, 2).reshape(3 * s, 3 * s)
    relaxed = _balancing_displacements(0.5 * (matrix + matrix.T), force.reshape(3 * s, 9))
    return relaxed.reshape(s, 3, 3, 3), force


def _balancing_displacements(stiffness: Floats, force: Floats) -> Floats:
    """Displacements (3s, 9) of zero mean that balance the forces."""
    shifts = np.tile(np.eye(3), (len(stiffness) // 3, 1))
    basis, _ = np.linalg.qr(shifts, mode="complete")
    inner = basis[:, 3:]
    eigenvalues, vectors = np.linalg.eigh(inner.T @ stiffness @ inner)
    projected = vectors.T @ (inner.T @ force)
    # Rounding leaves a force of this size where symmetry forbids one.
    noise = _SOFT * float(np.abs(force).max(initial=0.0))
    soft = np.abs(eigenvalues) <= _SOFT * np.abs(stiffness).max(initial=0.0)
    if (np.abs(projected[soft]) > noise).any():
        raise DataError(
            "a strain acts on an internal displacement that has no restoring force",
            why="an optical mode at Γ has zero frequency",
            fix="use clamped ions, or check the force constants",
        )
    amplitude = projected / np.where(soft, 1.0, eigenvalues)[:, None]
    displacements: Floats = inner @ (vectors @ np.where(soft[:, None], 0.0, amplitude))
    return displacements


@dataclass(frozen=True, slots=True)
class StrainResponse:
    """ω² and ∂ω²/∂ε at a chunk of q points; c is the component of strain."""

    square: Floats
    """(q, m) ω² in (rad/ps)², negative for an imaginary mode."""
    slope: Floats
    """(q, m, c) ∂ω²/∂ε in (rad/ps)²."""
    replicates: tuple[Floats, Floats] | None
    """(b, q, m) ω² and (b, q, m, c) ∂ω²/∂ε to first order in the change of D; None without
    replicates."""


def tensor_of(components: Floats) -> Floats:
    """Symmetric tensors (…, 3, 3) of components (…, c)."""
    return components[..., _PLACES]


def strain_responses(
    constants: ForceConstants, modes: Modes, *, relaxed: bool
) -> Iterator[tuple[slice, StrainResponse]]:
    """Response of modes of the same force constants to strain, in chunks of their q points.

    With ``relaxed`` the sublattices relax until no force acts on a site; otherwise they follow
    the homogeneous strain (clamped ions).

    Raises
    ------
    DataError
        If there is no third order, it lacks a symmetry, its replicates are not of the same
        blocks as those of second order, or a strain acts on an internal displacement without
        restoring force.
    """
    triplets = triplets_of(constants)
    replicates = _replicates(constants, triplets)
    total = triplet_sum(constants.crystal, triplets)
    dipoles, whole = dipoles_of(constants), lattice_sum(constants)

    def sums_of(one: ForceConstants) -> list[LatticeSum]:
        internal = internal_strain(one, dipoles)[0] if relaxed else None
        return _lattice_sums(one, total, internal)

    n_modes = modes.omega.shape[1]
    n_values = 6 * n_modes**2 + 4 * n_modes * len(replicates)
    step = max(1, _CHUNK_BYTES // (16 * n_values))
    for start in range(0, max(1, len(modes.qpoints)), step):
        part = slice(start, start + step)
        chunk = _chunk(modes, part)
        rest, *mean = sums_of(constants)
        p_cqmn = np.stack([_matrix_elements(one, chunk) for one in mean])
        slope = set_means(np.einsum("cqmm->qmc", p_cqmn).real, chunk.starts)
        # Replicates have the same dipole–dipole part.
        apart_qmn = _matrix_elements(whole, chunk) - _matrix_elements(rest, chunk)
        found = [_replicate(sums_of(one), chunk, p_cqmn, apart_qmn) for one in replicates]
        squares, slopes = ([one[k] for one in found] for k in (0, 1))
        both = (np.array(squares), np.array(slopes)) if found else None
        yield part, StrainResponse(chunk.square, slope, both)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The modes at a few q points."""

    qpoints: Floats
    square: Floats
    """(q, m), unit: (rad/ps)²."""
    vectors: Complexes
    """(q, m, 3s), one in each row."""
    starts: Bools
    """(q, m), see `set_starts`."""
    same: Bools
    """(q, m, m) whether two branches belong to the same set."""


def _chunk(modes: Modes, part: slice) -> _Chunk:
    omega, sets = modes.omega[part], modes.sets[part]
    starts = set_starts(sets)
    rank_qm = starts.cumsum(axis=1)
    return _Chunk(
        qpoints=modes.qpoints[part],
        square=set_means(omega * np.abs(omega), starts),
        vectors=modes.vectors[part].reshape(*omega.shape, omega.shape[1]),
        starts=starts,
        same=rank_qm[:, :, None] == rank_qm[:, None, :],
    )


def _lattice_sums(
    constants: ForceConstants, total: TripletSum, internal: Floats | None
) -> list[LatticeSum]:
    """Lattice sums of D without dipole–dipole part, and of each component of ∂D/∂ε."""
    values = total.derivative(triplets_of(constants).values, internal)
    listed = ForceConstants(
        constants.crystal, total.first, total.second, total.lattice, values[..., 0, 0]
    )
    parts = [0.5 * (values[..., x, y] + values[..., y, x]) for x, y in COMPONENTS]
    rest = lattice_sums(constants, constants.values[None])
    return [*rest, *lattice_sums(listed, np.array(parts))]


def _replicates(constants: ForceConstants, triplets: ClusterConstants) -> list[ForceConstants]:
    """Replicates of both orders together; empty if either has none."""
    if constants.replicates is None or triplets.replicates is None:
        return []
    counts = len(constants.replicates), len(triplets.replicates)
    if counts[0] != counts[1] or counts[0] < 2:
        raise DataError(
            f"{counts[0]} replicates of the force constants of second order, {counts[1]} of "
            "third order",
            why="an error bar needs at least two blocks, the same ones for both orders",
            fix="fit both orders to the same time blocks",
        )
    return [
        replace(
            constants,
            values=pairs,
            replicates=None,
            triplets=replace(triplets, values=third, replicates=None),
        )
        for pairs, third in zip(constants.replicates, triplets.replicates, strict=True)
    ]


def _matrix_elements(total: LatticeSum, chunk: _Chunk) -> Complexes:
    """e_m† D e_m' (q, m, m') of all pairs of modes."""
    image_qkm = dynamical_matrices(total, chunk.qpoints) @ chunk.vectors.swapaxes(1, 2)
    return chunk.vectors.conj() @ image_qkm


def _replicate(
    sums: list[LatticeSum], chunk: _Chunk, p_cqmn: Complexes, apart_qmn: Complexes
) -> tuple[Floats, Floats]:
    """ω² (q, m) and ∂ω²/∂ε (q, m, c) of one replicate, with the elements of the dipoles."""
    d_qmn = _matrix_elements(sums[0], chunk) + apart_qmn
    square = np.einsum("qmm->qm", d_qmn).real
    changes = (dynamical_matrices(one, chunk.qpoints) for one in sums[1:])
    slope_qmc = np.stack([expectation(one, chunk.vectors) for one in changes], axis=-1)
    gap_qmn = chunk.square[:, :, None] - chunk.square[:, None, :]
    size_qmn = np.sqrt(gap_qmn**2 + 4.0 * np.abs(d_qmn) ** 2)
    size_qmn[chunk.same] = np.inf
    mixing_qmn = d_qmn * np.copysign(1.0, gap_qmn) / size_qmn
    # P_mm' δ_m'm is P_mm' times the conjugate of δ_mm'.
    slope_qmc += 2.0 * np.einsum("cqmn,qmn->qmc", p_cqmn, mixing_qmn.conj()).real
    return set_means(square, chunk.starts), set_means(slope_qmc, chunk.starts)
