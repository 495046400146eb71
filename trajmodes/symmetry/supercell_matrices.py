"""Force constants and dynamical matrices of a periodic supercell.

Dynamical matrices at all q points of the supercell become force constants by one FFT,

    Φ_{bα,b'β}(R) = (M_b M_b')^{½} N_c⁻¹ Σ_q D_{bα,b'β}(q) e^{−iq·(R + τ_b' − τ_b)},

with R modulo the supercell. Each pair is placed at its nearest image, in equal shares if
several are equally near (Wigner–Seitz sharing), as in fits without a cutoff. The phonons at the
q points of the supercell are then those of the given matrices, and vary smoothly between these
points.

An operation {W|w} maps a wave at q, with amplitudes a_s at the positions of the atoms, to one
at q' = W⁻ᵀq with a'_{p(s)} = C a_s e^{−iq'·w}. This phase is the same for all sites and cancels
in a a†. A shift of q' by a reciprocal lattice vector G gives a factor e^{iG·τ_s} per site, and
the matrix at −q' is the complex conjugate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.fft

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.kernels import inner_kernel, kernel
from trajmodes.symmetry.operations import SpaceGroup, space_group, supercell_group
from trajmodes.symmetry.supercell_clusters import supercell_pair_orbits
from trajmodes.symmetry.translations import HalfSpace, cell_rank, half_space


@dataclass(frozen=True, slots=True)
class PairList:
    """All pairs of a supercell at their nearest images."""

    space: HalfSpace
    first: Ints
    """(p,) site in the home cell."""
    second: Ints
    """(p,) site of the neighbour."""
    lattice: Ints
    """(p, 3) lattice vector of the neighbour's cell."""
    share: Floats
    """(p,) share of the image in the force constant."""

    def values(self, matrices: Complexes) -> Floats:
        """Force constants (p, 3, 3) in eV/Å² from dynamical matrices.

        ``matrices`` are (q, 3s, 3s) in (rad/ps)², at the q points of `half_space`, with the
        phase at the positions of the atoms. The sum over the neighbours of a site is made
        exactly zero; it is zero up to rounding if uniform shifts are null vectors of D(0).
        """
        supercell = self.space.supercell
        folded = _to_cells(self.space, matrices)
        root = np.sqrt(supercell.crystal.masses)
        weight = self.share * root[self.first] * root[self.second]
        place = cell_rank(supercell, self.lattice)
        values = folded[place, self.first, :, self.second] * weight[:, None, None]
        rest = np.zeros((supercell.crystal.n_sites, 3, 3))
        np.add.at(rest, self.first, values)
        own = (self.first == self.second) & (self.lattice == 0).all(axis=1)
        values[own] -= rest[self.first[own]]
        return values

    def constants(
        self, values: Floats, replicates: Floats | None, temperature: float | None
    ) -> ForceConstants:
        """Force constants with given values (p, 3, 3) and replicates (b, p, 3, 3)."""
        return ForceConstants(
            crystal=self.space.supercell.crystal,
            first=self.first,
            second=self.second,
            lattice=self.lattice,
            values=values,
            replicates=replicates,
            temperature=temperature,
        )


def pair_list(supercell: Supercell) -> PairList:
    """List all pairs of a supercell, each at its nearest image or images."""
    orbits = supercell_pair_orbits(space_group(supercell.crystal), supercell)
    first, second = orbits.sites.T
    return PairList(half_space(supercell), first, second, orbits.lattice[:, 1], orbits.share)


def _to_cells(space: HalfSpace, matrices: Complexes) -> Floats:
    """Mass-weighted force constants (c, s, 3, s', 3) of each cell from D at half of the q."""
    shape = space.supercell.shape
    n_sites = space.supercell.crystal.n_sites
    parts = matrices.reshape(-1, n_sites, 3, n_sites, 3)
    # e^{−iq·(τ' − τ)} gives the phase of the cells, which is periodic in q
    phase_qst = space.phases.conj()[:, :, None] * space.phases[:, None, :]
    cells_qsxty = parts * phase_qst[:, :, None, :, None]
    labels = _half_labels(space)
    full = np.empty((*shape, n_sites, 3, n_sites, 3), dtype=complex)
    full[tuple((-labels) % np.array(shape)[:, None])] = cells_qsxty.conj()
    full[tuple(labels)] = cells_qsxty
    real: Floats = scipy.fft.fftn(full, axes=(0, 1, 2), norm="forward").real
    return real.reshape(-1, n_sites, 3, n_sites, 3)


def _half_labels(space: HalfSpace) -> Ints:
    """(3, q) labels in the group of q points."""
    d1, d2, d3 = space.supercell.shape
    return np.array(np.unravel_index(space.bins, (d1, d2, d3 // 2 + 1)), dtype=np.int64)


def star_mean(space: HalfSpace, matrices: Complexes) -> Complexes:
    """Average matrices over the space group of the crystal and time reversal.

    Only operations that preserve the masses and the supercell are used. ``matrices`` are
    Hermitian, (…, q, 3s, 3s) in Cartesian components with the phase at the positions of the
    atoms, such as dynamical matrices or covariances of amplitudes. The shape of the result is
    the same.
    """
    crystal = space.supercell.crystal
    group = space_group(crystal)
    same_mass = (crystal.masses[group.permutations] == crystal.masses).all(axis=1)
    group = supercell_group(group.subgroup(same_mass), space.supercell)
    n_sites = crystal.n_sites
    blocks = np.ascontiguousarray(matrices, dtype=complex)
    blocks = blocks.reshape(-1, space.n_qpoints, n_sites, 3, n_sites, 3)
    mean_bqsxty = np.zeros_like(blocks)
    for operation in range(group.n_operations):
        image = _operation_image(space, group, operation)
        _add_image(mean_bqsxty, blocks, image)
    mean = mean_bqsxty.reshape(matrices.shape)
    mean /= group.n_operations
    return mean


class _Image(NamedTuple):
    """Action of a symmetry operation on matrices at all q."""

    sites: Ints
    """(s,) image of each site."""
    turn: Floats
    """(3, 3) Cartesian rotation."""
    place: Ints
    """(q,) index of the image q' of each q, or of −q'."""
    conjugate: Bools
    """(q,) whether it is the index of −q'."""
    phase: Complexes
    """(q, s) e^{iG·τ} of the reciprocal lattice vector between them."""


@kernel(error_model="numpy")
def _add_image(mean: Complexes, matrices: Complexes, image: _Image) -> None:
    """Add T M T† of all (b, q, s, x, t, y) at the image of each q."""
    n_blocks, n_q, n_sites = matrices.shape[:3]
    for b in range(n_blocks):
        for q in range(n_q):
            for s in range(n_sites):
                for t in range(n_sites):
                    _add_block(mean, matrices, image, (b, q, s, t))


@inner_kernel(error_model="numpy", inline="always")
def _add_block(
    mean: Complexes, matrices: Complexes, image: _Image, place: tuple[int, int, int, int]
) -> None:
    """Add e^{iG·(τ_s − τ_t)} R B Rᵀ of one 3 × 3 block, or its conjugate at −q'."""
    b, q, s, t = place
    to_q, to_s, to_t, turn = image.place[q], image.sites[s], image.sites[t], image.turn
    factor = image.phase[q, to_s] * image.phase[q, to_t].conjugate()
    for x in range(3):
        for j in range(3):
            half = 0.0j
            for i in range(3):
                half += turn[x, i] * matrices[b, q, s, i, t, j]
            half *= factor
            if image.conjugate[q]:
                half = half.conjugate()
            for y in range(3):
                mean[b, to_q, to_s, x, to_t, y] += half * turn[y, j]


def _operation_image(space: HalfSpace, group: SpaceGroup, operation: int) -> _Image:
    """Find the action of one operation of the group on all q points."""
    supercell = space.supercell
    shape = supercell.shape
    turned_qx = space.qpoints @ np.linalg.inv(group.rotations[operation])
    steps = turned_qx @ np.linalg.inv(supercell.transform).T * np.array(shape)
    labels = np.rint(steps).astype(np.int64).T
    index_of = np.full(supercell.n_cells, -1, dtype=np.int64)
    index_of[np.ravel_multi_index(tuple(_half_labels(space)), shape)] = np.arange(
        space.n_qpoints
    )
    same = index_of[np.ravel_multi_index(tuple(labels), shape, mode="wrap")]
    opposite = index_of[np.ravel_multi_index(tuple(-labels), shape, mode="wrap")]
    conjugate = same < 0
    place = np.where(conjugate, opposite, same)
    sign = np.where(conjugate, -1.0, 1.0)[:, None]
    g_qx = np.rint(turned_qx - sign * space.qpoints[place])
    phase_qs = np.exp(2j * np.pi * (g_qx @ supercell.crystal.sites.T))
    sites, turn = group.permutations[operation], group.cartesian[operation]
    return _Image(sites, np.ascontiguousarray(turn), place, conjugate, phase_qs)
