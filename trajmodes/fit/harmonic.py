"""Second order from covariances, on which alone a harmonic fit depends.

With the lattice transforms u(q) and f(q) of a frame (see `symmetry.translations`) a harmonic
crystal obeys f(q) = −D(q) u(q), D without masses. The squared residual of all frames,

    Σ_t Σ_q |f + D u|² = Σ|f|² + Σ_q tr[D C_uu D†] + 2 Re tr[D† C_fu],

depends on the data only through C_uu(q) = Σ_t u u†, C_fu(q) = Σ_t f u† and Σ|f|². Neither the
symmetry of the crystal nor a cutoff is needed while the trajectory is read.

The normal equations follow for every cutoff. The force on site s of cell l is
−Φ1_s − Σ_p Φ_p (u(s_p, l + R_p) − u(s, l)) over the pairs p that start at s. With
Φ_p = Σ_k z_k E_pk the sums of `normal_equations` are

    G_kk' = Σ_s Σ_{p,p' from s} tr[E_pkᵀ E_p'k' M_p'p],
    h_k   = −Σ_p tr[E_pkᵀ (C_fu(s, s_p, R_p) − C_fu(s, s, 0))],

where C_ab(s, s', R) = Σ_t Σ_l a(s, l) b(s', l + R)ᵀ is the inverse lattice transform of the
covariances and M_pp' the covariance of the relative displacements, four terms of C_uu. The cost
grows with the number of pairs of pairs, not with the number of frames or atoms; of the first
pairs only inequivalent ones are needed, see `symmetry.pairs`.

The dipole–dipole forces −C(q) u(q) of a crystal with charges are subtracted from the forces of
all frames in these sums: f + Cu replaces f, hence C_fu + C C_uu replaces C_fu.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.coulomb.ewald import dipole_matrices, dipole_sum
from trajmodes.data.charges import Charges
from trajmodes.data.motion import MotionBlock
from trajmodes.fit.accumulate import ForceSums, forces_of, site_sums
from trajmodes.fit.expansion import Expansion
from trajmodes.fit.normal_equations import NormalEquationBlocks, SiteBlocks
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.streaming.reduction import BlockReduction, BlockSums
from trajmodes.symmetry.operations import supercell_group
from trajmodes.symmetry.pairs import stars_of_pairs, symmetrised
from trajmodes.symmetry.tensors import SymmetryBasis
from trajmodes.symmetry.translations import HalfSpace, cell_rank, lattice_transform

_BATCH_BYTES = 1 << 19
"""Size of the displacements transformed at once: with their transforms they fit in L2 cache."""


@dataclass(frozen=True, slots=True)
class ForceCovariances(SiteBlocks):
    """Covariances of displacements and forces, in blocks of time."""

    space: HalfSpace
    displacement: Complexes
    """(b, q, 3s, 3s), unit: Å². Σ_t u(q) u(q)†."""
    force: Complexes
    """(b, q, 3s, 3s), unit: eV. Σ_t f(q) u(q)†."""
    force_force: Complexes
    """(b, q, 3s, 3s), unit: eV²/Å². Σ_t f(q) f(q)†. The fit does not need it; it has the
    residual at each q, which shows noise in the forces."""
    charges: Charges | None = None
    """Charges whose dipole–dipole forces were subtracted from the forces."""
    whole_square: Floats | None = None
    """(b,), unit: eV²/Å². Σ_t |f|² of the whole forces; None without charges."""

    def __post_init__(self) -> None:
        n_sites = self.space.supercell.crystal.n_sites
        sizes = {"q": self.space.n_qpoints, "s": n_sites, "x": 3 * n_sites}
        freeze(self, sizes, np.int64, frames="b", components="b")
        names = dict.fromkeys(("displacement", "force", "force_force"), "b q x x")
        freeze(self, sizes, complex, **names)
        freeze(self, sizes, float, square="b", displacement_sum="b s 3", force_sum="b s 3")
        freeze(self, sizes, float, whole_square="b")

    @property
    def force_square(self) -> float:
        """Σ|f|² of all frames in eV²/Å², including the dipole–dipole forces."""
        whole = self.square if self.whole_square is None else self.whole_square
        return float(whole.sum())

    def without_dipoles(self, charges: Charges) -> "ForceCovariances":
        """Subtract the dipole–dipole forces of charges from the forces of every frame."""
        crystal, space = self.space.supercell.crystal, self.space
        total = dipole_sum(crystal, charges)
        c_qkl = dipole_matrices(total, space.qpoints)
        moved = c_qkl @ self.displacement
        across = self.force @ c_qkl.conj().swapaxes(1, 2)
        weighted = space.weights[:, None, None] * c_qkl.conj()
        change = np.einsum("qkl,bqkl->b", weighted, 2.0 * self.force + moved).real
        # Γ is the first q point; there the matrix is real.
        means = self.displacement_sum.reshape(len(self.frames), -1) @ c_qkl[0].real.T
        return replace(
            self,
            force=self.force + moved,
            force_force=self.force_force
            + across
            + across.conj().swapaxes(2, 3)
            + moved @ c_qkl.conj().swapaxes(1, 2),
            square=self.square + change,
            force_sum=self.force_sum + means.reshape(self.force_sum.shape),
            charges=charges,
            whole_square=self.square,
        )


@dataclass(frozen=True, slots=True)
class CovarianceSums(ForceSums):
    """Sums over some frames of one block of time."""

    displacement: Floats
    """(q, 3s·2, 3s·2), unit: Å². Σ_t v vᵀ, v the interleaved real and imaginary parts of u."""
    force: Floats
    """(q, 3s·2, 3s·2), unit: eV. Σ_t g vᵀ, g the same of f(q)."""
    force_force: Floats
    """(q, 3s·2, 3s·2), unit: eV²/Å². Σ_t g gᵀ."""
    square: float


@dataclass(frozen=True, slots=True)
class ForceCovariance(BlockReduction[MotionBlock, CovarianceSums]):
    """A `Reduction` of motion to `ForceCovariances`."""

    space: HalfSpace
    n_frames: int
    n_blocks: int = 32

    def finalize(self, state: BlockSums[CovarianceSums]) -> ForceCovariances:
        """Stack the blocks in order of time."""
        sums, frames = state.in_time_order(), state.stack("frames")
        return ForceCovariances(
            space=self.space,
            frames=frames,
            components=3 * self.space.supercell.n_atoms * frames,
            displacement=np.array([_complex_products(part.displacement) for part in sums]),
            force=np.array([_complex_products(part.force) for part in sums]),
            force_force=np.array([_complex_products(part.force_force) for part in sums]),
            square=state.stack("square"),
            displacement_sum=state.stack("displacement_sum"),
            force_sum=state.stack("force_sum"),
        )

    def sums(self, block: MotionBlock) -> CovarianceSums:
        """Sum over frames of one block of time."""
        displacements, forces = block.displacements_or_raise(), forces_of(block)
        n_frames, n_atoms, _ = displacements.shape
        supercell = self.space.supercell
        width = 6 * supercell.crystal.n_sites
        uu_qxy = np.zeros((self.space.n_qpoints, width, width))
        fu_qxy, ff_qxy = np.zeros_like(uu_qxy), np.zeros_like(uu_qxy)
        size = max(8, _BATCH_BYTES // (24 * n_atoms))
        for start in range(0, n_frames, size):
            u_qtx = self._waves(displacements[start : start + size])
            uu_qxy += u_qtx.swapaxes(1, 2) @ u_qtx
            f_qtx = self._waves(forces[start : start + size])
            fu_qxy += f_qtx.swapaxes(1, 2) @ u_qtx
            ff_qxy += f_qtx.swapaxes(1, 2) @ f_qtx
        return CovarianceSums(
            n_frames,
            site_sums(supercell, displacements),
            site_sums(supercell, forces),
            uu_qxy,
            fu_qxy,
            ff_qxy,
            float(np.vdot(forces, forces)),
        )

    def _waves(self, field: Floats) -> Floats:
        """(q, t, 3s·2) interleaved real and imaginary parts of the transform of a field."""
        view: Floats = lattice_transform(self.space, field).view(np.float64)
        return view


def _complex_products(products: Floats) -> Complexes:
    """Σ a b† from the sums of the products of real and imaginary parts."""
    n_qpoints, width, _ = products.shape
    parts = products.reshape(n_qpoints, width // 2, 2, width // 2, 2)
    real = parts[:, :, 0, :, 0] + parts[:, :, 1, :, 1]
    imaginary = parts[:, :, 1, :, 0] - parts[:, :, 0, :, 1]
    result: Complexes = real + 1j * imaginary
    return result


def harmonic_equations(
    covariances: ForceCovariances, expansion: Expansion
) -> NormalEquationBlocks:
    """Assemble the normal equations of an expansion to second order, block by block."""
    singles, pairs = expansion.bases
    n_blocks, total = covariances.n_blocks, expansion.n_parameters
    gram, moment = np.empty((n_blocks, total, total)), np.empty((n_blocks, total))
    one, two = expansion.columns(1), expansion.columns(2)
    gram[:, one, one], moment[:, one] = _site_sums(covariances, singles)
    gram[:, two, two], moment[:, two] = _pair_sums(covariances, pairs)
    gram[:, one, two] = _mixed_sums(covariances, singles, pairs)
    gram[:, two, one] = gram[:, one, two].swapaxes(1, 2)
    return NormalEquationBlocks(
        supercell=covariances.space.supercell,
        expansion=expansion,
        run=np.zeros(n_blocks, dtype=np.int64),
        frames=covariances.frames,
        components=covariances.components,
        gram=gram,
        moment=moment,
        square=covariances.square,
        displacement_sum=covariances.displacement_sum,
        force_sum=covariances.force_sum,
        charges=covariances.charges,
        whole_square=covariances.whole_square,
    )


def _per_site(singles: SymmetryBasis) -> Floats:
    """(z, s, 3) Φ1 of a unit of each parameter of order 1."""
    n_sites = singles.orbits.group.crystal.n_sites
    units: Floats = np.empty((singles.n_parameters, n_sites, 3))
    units[:, singles.orbits.sites[:, 0]] = singles.expand(np.eye(singles.n_parameters))
    return units


def _site_sums(covariances: ForceCovariances, singles: SymmetryBasis) -> tuple[Floats, Floats]:
    """(b, z, z) normal matrices and (b, z) moments of the parameters of order 1."""
    n_cells = covariances.space.supercell.n_cells
    units_zsx = _per_site(singles)
    overlap = n_cells * np.einsum("zsx,wsx->zw", units_zsx, units_zsx)
    moment = -n_cells * np.einsum("zsx,bsx->bz", units_zsx, covariances.force_sum)
    return covariances.frames[:, None, None] * overlap, moment


def _mixed_sums(
    covariances: ForceCovariances, singles: SymmetryBasis, pairs: SymmetryBasis
) -> Floats:
    """(b, z, z') products of the columns of order 1 with those of order 2."""
    n_cells = covariances.space.supercell.n_cells
    first, second = pairs.orbits.sites.T
    relative_bpx = (
        covariances.displacement_sum[:, second] - covariances.displacement_sum[:, first]
    )
    tensors_pkxy = pairs.tensors.reshape(len(first), -1, 3, 3)
    force_pkbx = np.einsum("pkxy,bpy->pkbx", tensors_pkxy, relative_bpx)
    force_zbsx = np.zeros((pairs.n_parameters + 1, *covariances.displacement_sum.shape))
    np.add.at(force_zbsx.swapaxes(1, 2), (pairs.columns, first[:, None]), force_pkbx)
    mixed: Floats = n_cells * np.einsum("wsx,zbsx->bwz", _per_site(singles), force_zbsx[:-1])
    return mixed


def _pair_sums(covariances: ForceCovariances, basis: SymmetryBasis) -> tuple[Floats, Floats]:
    """(b, z, z) normal matrices and (b, z) moments of the parameters of order 2."""
    supercell = covariances.space.supercell
    # The relative displacement of an atom and itself is zero.
    apart = (basis.orbits.sites[:, 0] != basis.orbits.sites[:, 1]) | (
        basis.orbits.lattice[:, 1] != 0
    ).any(axis=1)
    # Pairs by first site; orbits ascend within each.
    order = np.flatnonzero(apart)[np.argsort(basis.orbits.sites[apart, 0], kind="stable")]
    first, second = basis.orbits.sites[order].T
    lattice = basis.orbits.lattice[order, 1]
    orbit = basis.orbits.orbit[order]
    tensors = basis.tensors[order].reshape(len(order), -1, 3, 3)
    starts, counts = basis.starts[orbit], basis.counts[orbit]
    labels = (lattice @ supercell.transform) % supercell.shape

    gram_zzb = np.zeros((basis.n_parameters, basis.n_parameters, covariances.n_blocks))
    group = supercell_group(basis.orbits.group, supercell)
    members = stars_of_pairs(group, basis.orbits.sites[order], lattice)
    uu_cstxyb = _real_space(covariances, covariances.displacement)
    _add_pairs_of_pairs(
        np.searchsorted(first, np.arange(supercell.crystal.n_sites + 1)),
        np.column_stack([starts, counts, second, labels, members]),
        np.array(supercell.shape),
        tensors,
        symmetrised(group, supercell, uu_cstxyb),
        gram_zzb,
    )
    fu_cstxyb = _real_space(covariances, covariances.force)
    fu_pxyb = fu_cstxyb[cell_rank(supercell, lattice), first, second]
    fu_pxyb = fu_pxyb - fu_cstxyb[0, first, first]
    moment_pkb = -np.einsum("pkxy,pxyb->pkb", tensors, fu_pxyb)
    moment_zb = np.zeros((basis.n_parameters + 1, covariances.n_blocks))
    np.add.at(moment_zb, basis.columns[order], moment_pkb)
    gram = np.empty((covariances.n_blocks, basis.n_parameters, basis.n_parameters))
    for b, target in enumerate(gram):
        upper = np.triu(gram_zzb[:, :, b])
        np.add(upper, np.triu(upper, 1).T, out=target)
    return gram, moment_zb[:-1].T


def _real_space(covariances: ForceCovariances, transforms: Complexes) -> Floats:
    """(c, s, s', 3, 3, b) Σ_t Σ_l a(s, l) b(s', l + R_c)ᵀ from Σ_t a(q) b(q)†."""
    space = covariances.space
    n_blocks = covariances.n_blocks
    n_sites = space.supercell.crystal.n_sites
    shape = space.supercell.shape
    parts_bqsxty = transforms.reshape(n_blocks, -1, n_sites, 3, n_sites, 3)
    # back to the phases of cells: a* b e^{iq·(τ' − τ)}
    phase_qst = space.phases[:, :, None] * space.phases[:, None, :].conj()
    half_qstxyb = np.einsum("bqsxty,qst->qstxyb", parts_bqsxty.conj(), phase_qst)
    labels = np.array(np.unravel_index(space.bins, (*shape[:2], shape[2] // 2 + 1)))
    full = np.empty((*shape, *half_qstxyb.shape[1:]), dtype=complex)
    full[tuple((-labels) % np.array(shape)[:, None])] = half_qstxyb.conj()
    full[tuple(labels)] = half_qstxyb
    real: Floats = scipy.fft.ifftn(full, axes=(0, 1, 2), norm="forward").real
    return np.ascontiguousarray(real.reshape(-1, *half_qstxyb.shape[1:]))


@kernel()
def _add_pairs_of_pairs(
    bounds: Ints,
    pairs: Ints,
    shape: Ints,
    tensors: Floats,
    uu_cstxyb: Floats,
    gram_zzb: Floats,
) -> None:
    """Add all pairs of pairs (p, r) with one first site, r of the same or a later orbit.

    Columns of `pairs`: first parameter, number of parameters, second site, cell label (3),
    number of members of its star, which is the weight of a pair p.
    """
    n_blocks = gram_zzb.shape[2]
    half_kxyb = np.empty((tensors.shape[1], 3, 3, n_blocks))
    uu_xyb = np.empty((3, 3, n_blocks))
    for s in range(len(bounds) - 1):
        for p in range(bounds[s], bounds[s + 1]):
            if pairs[p, 6] == 0:
                continue
            for r in range(bounds[s], bounds[s + 1]):
                if pairs[r, 0] < pairs[p, 0]:
                    continue
                k, m = pairs[p, 1], pairs[r, 1]
                _relative(uu_cstxyb, shape, s, pairs[p, 2:], pairs[r, 2:], uu_xyb)
                _multiply(pairs[p, 6] * tensors[p, :k], uu_xyb, half_kxyb)
                target_kmb = gram_zzb[pairs[p, 0] :, pairs[r, 0] :]
                _contract(half_kxyb[:k], tensors[r, :m], target_kmb)


@inner_kernel(inline="always")
def _relative(
    uu_cstxyb: Floats, shape: Ints, s: int, one: Ints, two: Ints, uu_xyb: Floats
) -> None:
    """Compute the covariance of two neighbours' displacements relative to the first site.

    A neighbour is given by its site and its cell label (3).
    """
    both = first = second = 0
    for i in range(3):
        both = both * shape[i] + (two[1 + i] - one[1 + i]) % shape[i]
        first = first * shape[i] + (-one[1 + i]) % shape[i]
        second = second * shape[i] + two[1 + i]
    for x in range(3):
        for y in range(3):
            for b in range(uu_xyb.shape[2]):
                uu_xyb[x, y, b] = (
                    uu_cstxyb[both, one[0], two[0], x, y, b]
                    - uu_cstxyb[first, one[0], s, x, y, b]
                    - uu_cstxyb[second, s, two[0], x, y, b]
                    + uu_cstxyb[0, s, s, x, y, b]
                )


@kernel(inline="always")
def _multiply(tensor_kxy: Floats, uu_xyb: Floats, half_kxyb: Floats) -> None:
    """Multiply each tensor of a pair by the covariance of each block."""
    for k in range(len(tensor_kxy)):
        for x in range(3):
            for y in range(3):
                for b in range(uu_xyb.shape[2]):
                    half_kxyb[k, x, y, b] = 0.0
            for z in range(3):
                factor = tensor_kxy[k, x, z]
                if factor != 0.0:
                    for y in range(3):
                        for b in range(uu_xyb.shape[2]):
                            half_kxyb[k, x, y, b] += factor * uu_xyb[z, y, b]


@inner_kernel(inline="always")
def _contract(half_kxyb: Floats, tensor_mxy: Floats, target_kmb: Floats) -> None:
    """Add the product with each tensor of the other pair to the matrix of each block."""
    for k in range(len(half_kxyb)):
        for m in range(len(tensor_mxy)):
            for x in range(3):
                for y in range(3):
                    factor = tensor_mxy[m, x, y]
                    if factor != 0.0:
                        for b in range(half_kxyb.shape[3]):
                            target_kmb[k, m, b] += factor * half_kxyb[k, x, y, b]
