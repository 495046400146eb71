"""The translation group of a supercell: Fourier transforms over it, and sums over its images.

The cells n ∈ Z³ of a supercell with integer matrix S (rows) are equivalent modulo the rows of
S. With the Smith normal form U S V = diag(d), U and V unimodular, g = n V mod d labels them in
Z_d1 × Z_d2 × Z_d3 and is additive in n: the cells form a product of cyclic groups. The q points
with S q integer are q = V (k/d), and q·n = Σ k_i g_i/d_i modulo 1. The lattice Fourier
transform is therefore a three-dimensional FFT over g for every supercell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from trajmodes.arrays import Complexes, Floats, Ints, freeze
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.errors import DataError
from trajmodes.kernels import kernel


def smith_normal_form(matrix: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Find d and unimodular V of U S V = diag(d), with d_i > 0 and d_1 | d_2 | d_3."""
    given = np.asarray(matrix)
    rows = [[round(float(x)) for x in row] for row in given]
    if given.shape != (3, 3) or not np.array_equal(given, rows):
        raise DataError(f"a supercell matrix is 3 × 3 integers, got {given.tolist()}")
    columns = [[int(i == j) for j in range(3)] for i in range(3)]
    for k in range(3):
        _clear_row_and_column(rows, columns, k)
    diagonal = np.array([rows[k][k] for k in range(3)], dtype=np.int64)
    if not diagonal.all():
        raise DataError(f"the supercell matrix {given.tolist()} is singular")
    return np.abs(diagonal), np.array(columns, dtype=np.int64)


def _clear_row_and_column(rows: list[list[int]], columns: list[list[int]], k: int) -> None:
    """Eliminate row and column k by Euclid's algorithm; rows[k][k] then divides the rest."""
    while _move_smallest_to_corner(rows, columns, k):
        pivot = rows[k][k]
        for i in range(k + 1, 3):
            factor = rows[i][k] // pivot
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
        for j in range(k + 1, 3):
            factor = rows[k][j] // pivot
            for line in (*rows, *columns):
                line[j] -= factor * line[k]
        if any(rows[i][k] or rows[k][i] for i in range(k + 1, 3)):
            continue
        rest = [i for i in range(k + 1, 3) if any(x % pivot for x in rows[i][k + 1 :])]
        if not rest:
            return
        rows[k] = [x + y for x, y in zip(rows[k], rows[rest[0]], strict=True)]


def _move_smallest_to_corner(rows: list[list[int]], columns: list[list[int]], k: int) -> bool:
    """Exchange lines so that rows[k][k] is the smallest entry left; False if all are zero."""
    tail = [(abs(rows[i][j]), i, j) for i in range(k, 3) for j in range(k, 3) if rows[i][j]]
    if not tail:
        return False
    _, i, j = min(tail)
    rows[k], rows[i] = rows[i], rows[k]
    for line in (*rows, *columns):
        line[k], line[j] = line[j], line[k]
    return True


def build_supercell(crystal: Crystal, matrix: npt.ArrayLike) -> Supercell:
    """Construct a supercell of a primitive crystal, with its cells in canonical order.

    Rows of the (3, 3) matrix are the supercell vectors in primitive vectors.

    Raises
    ------
    DataError
        If the matrix is not integer, singular or left-handed.
    """
    diagonal, transform = smith_normal_form(matrix)
    integers = np.asarray(matrix, dtype=np.int64)
    if np.linalg.det(integers) < 0:
        raise DataError(
            f"the supercell matrix {integers.tolist()} has a negative determinant",
            fix="exchange two of its rows",
        )
    labels = np.indices(diagonal.tolist()).reshape(3, -1).T
    inverse = np.rint(np.linalg.inv(transform)).astype(np.int64)
    shape = (int(diagonal[0]), int(diagonal[1]), int(diagonal[2]))
    return Supercell(crystal, integers, shape, transform, labels @ inverse)


def cell_rank(supercell: Supercell, cells: npt.ArrayLike) -> Ints:
    """(…,) canonical index of cells (…, 3), integer lattice vectors of the crystal."""
    labels = (np.asarray(cells, dtype=np.int64) @ supercell.transform) % supercell.shape
    _, d2, d3 = supercell.shape
    rank: Ints = (labels[..., 0] * d2 + labels[..., 1]) * d3 + labels[..., 2]
    return rank


def atom_at(supercell: Supercell, sites: npt.ArrayLike, cells: npt.ArrayLike) -> Ints:
    """(…,) canonical index of the atoms on sites (…,) of cells (…, 3)."""
    rank = cell_rank(supercell, cells)
    atoms: Ints = rank * supercell.crystal.n_sites + np.asarray(sites, dtype=np.int64)
    return atoms


@dataclass(frozen=True, slots=True)
class HalfSpace:
    """The q points commensurate with a supercell, one of each pair ±q, Γ first."""

    supercell: Supercell
    qpoints: Floats
    """(q, 3), reduced coordinates in [−½, ½)."""
    weights: Floats
    """(q,) 2 where −q is another point, 1 where it is the same."""
    bins: Ints
    """(q,) index of each q in the flattened output of a real FFT over the cell group."""
    phases: Complexes
    """(q, s) e^{−iq·τ_s}, which refer the phase to the ideal positions of the atoms."""

    def __post_init__(self) -> None:
        sizes = {"s": self.supercell.crystal.n_sites}
        freeze(self, sizes, float, qpoints="q 3", weights="q")
        freeze(self, sizes, np.int64, bins="q")
        freeze(self, sizes, complex, phases="q s")

    @property
    def n_qpoints(self) -> int:
        """Number of q points."""
        return len(self.weights)


def half_space(supercell: Supercell) -> HalfSpace:
    """List the commensurate q points up to their sign."""
    shape = np.array(supercell.shape)
    half = (*supercell.shape[:2], supercell.shape[2] // 2 + 1)
    labels = np.indices(half).reshape(3, -1).T
    opposite = (-labels) % shape
    same = (opposite == labels).all(axis=1)
    # On the planes k3 = 0 and k3 = d3/2 a real FFT contains both signs: keep the first.
    inside = opposite[:, 2] < half[2]
    place = np.ravel_multi_index(tuple(labels.T), half)
    twin = np.where(inside, np.ravel_multi_index(tuple(opposite.T), half, mode="clip"), place)
    bins = np.flatnonzero(place <= twin)
    # Fold by integers (k·V over the common denominator), so that ½ always becomes −½.
    scale = int(shape.prod())
    numerators = (labels[bins] * (scale // shape)) @ supercell.transform.T
    qpoints = ((numerators + scale // 2) % scale - scale // 2) / scale
    phases = np.exp(-2j * np.pi * qpoints @ supercell.crystal.sites.T)
    return HalfSpace(supercell, qpoints, np.where(same[bins], 1.0, 2.0), bins, phases)


def lattice_transform(space: HalfSpace, field: Floats) -> Complexes:
    """(q, t, 3s) N_c^{-½} Σ_l field(l, b) e^{−iq·(R_l + τ_b)} of a field (t, a, 3).

    The Cartesian index is the fastest.
    """
    n_frames, n_parts = len(field), 3 * space.supercell.crystal.n_sites
    grid = field.reshape(n_frames, *space.supercell.shape, n_parts)
    waves = scipy.fft.rfftn(grid, axes=(1, 2, 3), norm="ortho")
    flat = waves.reshape(n_frames, np.prod(waves.shape[1:4]), n_parts)
    chosen = np.empty((space.n_qpoints, n_frames, n_parts), dtype=complex)
    _choose(flat, space.bins, space.phases, chosen)
    return chosen


# One call without the GIL: threads would wait for it between the calls of NumPy.
@kernel()
def _choose(waves: Complexes, bins: Ints, phases: Complexes, chosen: Complexes) -> None:
    """Waves (t, bin, 3s) times phases, at the bins of the q points, as (q, t, 3s)."""
    for q in range(len(bins)):
        for t in range(len(waves)):
            for s in range(phases.shape[1]):
                for x in range(3 * s, 3 * s + 3):
                    chosen[q, t, x] = waves[t, bins[q], x] * phases[q, s]


def lattice_field(space: HalfSpace, waves: Complexes) -> Floats:
    """(t, a, 3) real field whose transform by `lattice_transform` is ``waves`` (q, t, 3s).

    At q = −q the imaginary parts, which a real field does not have, are left out.
    """
    n_frames, n_parts = waves.shape[1:]
    d1, d2, d3 = space.supercell.shape
    half = (d1, d2, d3 // 2 + 1)
    cells_tqx = (waves * np.repeat(space.phases.conj(), 3, axis=1)[:, None]).swapaxes(0, 1)
    grid = np.zeros((n_frames, np.prod(half), n_parts), dtype=complex)
    # On the planes k3 = 0 and k3 = d3/2 both signs of q are stored.
    labels = np.array(np.unravel_index(space.bins, half))
    opposite = (-labels) % np.array(space.supercell.shape)[:, None]
    inside = opposite[2] < half[2]
    twins = np.ravel_multi_index(tuple(opposite[:, inside]), half)
    grid[:, twins] = cells_tqx[:, inside].conj()
    grid[:, space.bins] = cells_tqx
    grid = grid.reshape(n_frames, *half, n_parts)
    field: Floats = scipy.fft.irfftn(grid, s=(d1, d2, d3), axes=(1, 2, 3), norm="ortho")
    return field.reshape(n_frames, space.supercell.n_atoms, 3)


def fold_pairs(constants: ForceConstants, supercell: Supercell) -> Floats:
    """(s, a, 3, 3) Φ2 in eV/Å² between the home cell and all atoms, in canonical order."""
    folded = np.zeros((supercell.crystal.n_sites, supercell.n_atoms, 3, 3))
    others = atom_at(supercell, constants.second, constants.lattice)
    np.add.at(folded, (constants.first, others), constants.values)
    return folded


def fold_triplets(
    triplets: ClusterConstants, supercell: Supercell
) -> Iterator[tuple[int, int, Floats]]:
    """Sum Φ3 over periodic images, one pair of atoms at a time; vanishing pairs are left out.

    Yields
    ------
    Site of the home cell, second atom in canonical order, (a, 3, 3, 3) Φ3 in eV/Å³.
    """
    first, second, third = triplets.sites.T
    one = atom_at(supercell, second, triplets.lattice[:, 1])
    two = atom_at(supercell, third, triplets.lattice[:, 2])
    for site in range(supercell.crystal.n_sites):
        mine = np.flatnonzero(first == site)
        for atom in np.unique(one[mine]):
            chosen = mine[one[mine] == atom]
            phi3_axyz = np.zeros((supercell.n_atoms, 3, 3, 3))
            np.add.at(phi3_axyz, two[chosen], triplets.values[chosen])
            yield site, int(atom), phi3_axyz
