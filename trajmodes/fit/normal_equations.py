"""Normal equations of a harmonic fit, assembled from covariances and a symmetry basis.

The force on site s of cell l is −Σ_p Φ_p u(s_p, l + R_p) over the pairs p that start at s.
With Φ_p = Σ_k z_k E_pk the squared residual is Σ|f|² − 2 h·z + z·G z with

    G_kk' = Σ_s Σ_{p,p' from s} tr[E_pkᵀ E_p'k' M_p'p],   M_pp' = C_uu(s_p, s_p', R_p' − R_p),
    h_k   = −Σ_p tr[E_pkᵀ C_fu(s, s_p, R_p)],

where C_ab(s, s', R) = Σ_t Σ_l a(s, l) b(s', l + R)ᵀ is the inverse lattice transform of the
covariances. The cost is that of pairs of pairs, and not of frames or of atoms.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numba import njit

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.fit.covariance import ForceCovariances
from trajmodes.symmetry import SymmetryBasis, cell_rank

__all__ = ["NormalEquations", "normal_equations"]


@dataclass(frozen=True, slots=True)
class NormalEquations:
    """Squared residual Σ|f|² − 2 h·x + x·G x for each block of time (b)."""

    basis: SymmetryBasis
    gram: Floats
    """(b, n, n), unit: Å². G."""
    moment: Floats
    """(b, n), unit: eV. h."""
    square: Floats
    """(b,), unit: eV²/Å². Σ|f|²."""
    frames: Ints
    """(b,) number of frames."""
    n_components: int
    """Number of force components in one frame."""

    def __post_init__(self) -> None:
        sizes = {"n": self.basis.n_parameters}
        freeze(self, sizes, float, gram="b n n", moment="b n", square="b")
        freeze(self, sizes, np.int64, frames="b")

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return len(self.frames)

    def merged(self, n_together: int) -> "NormalEquations":
        """Join neighbouring blocks, so many at a time, into longer ones."""
        cuts = np.arange(0, self.n_blocks, n_together)
        return NormalEquations(
            self.basis,
            np.add.reduceat(self.gram, cuts),
            np.add.reduceat(self.moment, cuts),
            np.add.reduceat(self.square, cuts),
            np.add.reduceat(self.frames, cuts),
            self.n_components,
        )


def normal_equations(covariances: ForceCovariances, basis: SymmetryBasis) -> NormalEquations:
    """Assemble the normal equations of pair constants, block by block.

    Parameters
    ----------
    covariances
        Sums over a trajectory.
    basis
        Free parameters of pair constants of the same crystal.
    """
    supercell = covariances.space.supercell
    first = basis.orbits.sites[:, 0]
    # Pairs by first site; orbits ascend within each.
    order = np.argsort(first, kind="stable")
    first, second = basis.orbits.sites[order].T
    lattice = basis.orbits.lattice[order, 1]
    orbit = basis.orbits.orbit[order]
    tensors = basis.tensors[order].reshape(len(order), -1, 3, 3)
    starts, counts = basis.starts[orbit], basis.counts[orbit]
    labels = (lattice @ supercell.transform) % supercell.shape

    gram_zzb = np.zeros((basis.starts[-1], basis.starts[-1], covariances.n_blocks))
    _add_pairs_of_pairs(
        np.searchsorted(first, np.arange(supercell.crystal.n_sites + 1)),
        np.column_stack([starts, counts, second, labels]),
        np.array(supercell.shape),
        tensors,
        _real_space(covariances, covariances.displacement),
        gram_zzb,
    )
    fu_cstxyb = _real_space(covariances, covariances.force)
    fu_pxyb = fu_cstxyb[cell_rank(supercell, lattice), first, second]
    slope_pkb = -np.einsum("pkxy,pxyb->pkb", tensors, fu_pxyb)
    width = tensors.shape[1]
    moment_zb = np.zeros((basis.starts[-1] + width, covariances.n_blocks))
    np.add.at(moment_zb, starts[:, None] + np.arange(width), slope_pkb)
    return NormalEquations(
        basis,
        _reduce(gram_zzb, basis.null_space),
        moment_zb[: basis.starts[-1]].T @ basis.null_space,
        covariances.force_square,
        covariances.frames,
        3 * supercell.n_atoms,
    )


def _reduce(gram_zzb: Floats, null_space: Floats) -> Floats:
    """(b, n, n) full symmetric matrices of the free parameters from upper block triangles."""
    n_free = null_space.shape[1]
    gram = np.empty((gram_zzb.shape[2], n_free, n_free))
    for b, target in enumerate(gram):
        half = np.triu(gram_zzb[:, :, b])
        half[np.diag_indices_from(half)] *= 0.5
        part = null_space.T @ (half @ null_space)
        np.add(part, part.T, out=target)
    return gram


def _real_space(covariances: ForceCovariances, waves: Complexes) -> Floats:
    """(c, s, s', 3, 3, b) Σ_t Σ_l a(s, l) b(s', l + R_c)ᵀ from Σ_t a(q) b(q)†."""
    space = covariances.space
    n_blocks = covariances.n_blocks
    n_sites = space.supercell.crystal.n_sites
    shape = space.supercell.shape
    parts_bqsxty = waves.reshape(n_blocks, -1, n_sites, 3, n_sites, 3)
    # back to cell phases: a* b e^{iq·(τ' − τ)}
    turn_qst = space.phases[:, :, None] * space.phases[:, None, :].conj()
    half_qstxyb = np.einsum("bqsxty,qst->qstxyb", parts_bqsxty.conj(), turn_qst)
    labels = np.array(np.unravel_index(space.bins, (*shape[:2], shape[2] // 2 + 1)))
    full = np.empty((*shape, *half_qstxyb.shape[1:]), dtype=complex)
    full[tuple((-labels) % np.array(shape)[:, None])] = half_qstxyb.conj()
    full[tuple(labels)] = half_qstxyb
    real: Floats = scipy.fft.ifftn(full, axes=(0, 1, 2), norm="forward").real
    return np.ascontiguousarray(real.reshape(-1, *half_qstxyb.shape[1:]))


@njit(nogil=True, cache=True)
def _add_pairs_of_pairs(
    bounds: Ints,
    pairs: Ints,
    shape: Ints,
    tensors: Floats,
    uu_cstxyb: Floats,
    gram_zzb: Floats,
) -> None:
    """Add all pairs (p, r) that share their first site, r of the same or a later orbit.

    Columns of `pairs`: first parameter, number of parameters, second site, cell label (3).
    """
    half_kxyb = np.empty((tensors.shape[1], 3, 3, gram_zzb.shape[2]))
    for s in range(len(bounds) - 1):
        for p in range(bounds[s], bounds[s + 1]):
            for r in range(bounds[s], bounds[s + 1]):
                if pairs[r, 0] < pairs[p, 0]:
                    continue
                c = 0
                for i in range(3):
                    c = c * shape[i] + (pairs[r, 3 + i] - pairs[p, 3 + i]) % shape[i]
                k, m = pairs[p, 1], pairs[r, 1]
                uu_xyb = uu_cstxyb[c, pairs[p, 2], pairs[r, 2]]
                _multiply(tensors[p, :k], uu_xyb, half_kxyb)
                target_kmb = gram_zzb[pairs[p, 0] :, pairs[r, 0] :]
                _contract(half_kxyb[:k], tensors[r, :m], target_kmb)


@njit(nogil=True, cache=True)
def _multiply(tensor_kxy: Floats, uu_xyb: Floats, half_kxyb: Floats) -> None:
    """Multiply each tensor of a pair by the covariance of each block."""
    for k in range(len(tensor_kxy)):
        for x in range(3):
            half_kxyb[k, x] = 0.0
            for z in range(3):
                factor = tensor_kxy[k, x, z]
                if factor != 0.0:
                    for y in range(3):
                        for b in range(uu_xyb.shape[2]):
                            half_kxyb[k, x, y, b] += factor * uu_xyb[z, y, b]


@njit(nogil=True, cache=True)
def _contract(half_kxyb: Floats, tensor_mxy: Floats, target_kmb: Floats) -> None:
    """Add the product with each tensor of the other pair to each block's matrix."""
    for k in range(len(half_kxyb)):
        for m in range(len(tensor_mxy)):
            for x in range(3):
                for y in range(3):
                    factor = tensor_mxy[m, x, y]
                    if factor != 0.0:
                        for b in range(half_kxyb.shape[3]):
                            target_kmb[k, m, b] += factor * half_kxyb[k, x, y, b]
