"""How ω² of each mode answers to strain, with the same for every replicate of the constants.

At fixed reduced q the atoms' phases do not change, so ∂D/∂ε is the lattice sum of ∂Φ2/∂ε and
∂ω²/∂ε = Re e†(∂D/∂ε)e, with the mean over a degenerate set (its trace) in place of the single
value. Strain is symmetric: six components, in the order xx, yy, zz, yz, xz, xy.

A replicate changes D by δ and thereby the vectors too, which adds
Σ_m' 2 Re(P_mm' δ_m'm)/(ω_m² − ω_m'²) over the modes of other sets, P being e†(∂D/∂ε)e. Where
two branches come near each other that sum would go beyond all bounds while a true pair of
vectors only turns into each other; sqrt((ω_m² − ω_m'²)² + 4|δ|²) in place of the gap is what
two levels do exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats
from trajmodes.data.force_constants import ClusterConstants, ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.phonons.anharmonic.strain import (
    TripletSum,
    internal_strain,
    triplet_sum,
    triplets_of,
)
from trajmodes.phonons.dynamical_matrix import LatticeSum, evaluate, lattice_sum, lattice_sums

_COMPONENTS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_PLACES = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
# Working memory of one chunk of q points; results do not depend on it.
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class StrainResponse:
    """Answers to strain at a chunk of q points; c is the component of strain."""

    square: Floats
    """(q, m) ω² in (rad/ps)², negative for an imaginary mode."""
    slope: Floats
    """(q, m, c) ∂ω²/∂ε in (rad/ps)²."""
    square_replicates: Floats | None
    """(b, q, m) ω² to first order in what each replicate changes; None without replicates."""
    slope_replicates: Floats | None
    """(b, q, m, c) ∂ω²/∂ε likewise."""


def tensor_of(components: Floats) -> Floats:
    """(…, c) components of strain as (…, 3, 3) tensors."""
    tensor: Floats = components[..., _PLACES]
    return tensor


def strain_responses(
    constants: ForceConstants, modes: Modes, *, relaxed: bool
) -> Iterator[tuple[slice, StrainResponse]]:
    """Answers to strain, chunk by chunk of the modes' q points.

    Parameters
    ----------
    constants
        Force constants with triplets.
    modes
        Modes of the same constants.
    relaxed
        Whether the sublattices relax under strain.

    Raises
    ------
    DataError
        If there are no triplets, they lack a symmetry, or their replicates are not of the same
        blocks as those of the pairs.
    """
    triplets = triplets_of(constants)
    replicates = _replicates(constants, triplets)
    change = _StrainChange(constants, triplet_sum(constants.crystal, triplets), relaxed)
    n_modes = modes.omega.shape[1]
    n_values = 6 * n_modes**2 + 4 * n_modes * len(replicates)
    step = max(1, _CHUNK_BYTES // (16 * n_values))
    for start in range(0, max(1, len(modes.qpoints)), step):
        part = slice(start, start + step)
        chunk = _chunk(modes, part)
        _, *mean = change.lattice_sums(constants.values, triplets.values)
        p_cqmn = np.stack([_between(one, chunk) for one in mean])
        slope = _set_means(np.einsum("cqmm->qmc", p_cqmn).real, chunk.starts)
        found = [_replicate(change.lattice_sums(*pair), chunk, p_cqmn) for pair in replicates]
        yield (
            part,
            StrainResponse(
                chunk.square,
                slope,
                np.stack([one[0] for one in found]) if found else None,
                np.stack([one[1] for one in found]) if found else None,
            ),
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The modes at a few q points."""

    qpoints: Floats
    square: Floats
    """(q, m), unit: (rad/ps)²."""
    vectors: Complexes
    """(q, m, 3s), one in each row."""
    starts: Bools
    """(q, m) whether a branch belongs to another set than the one below it."""
    same: Bools
    """(q, m, m) whether two branches belong to one set."""


def _chunk(modes: Modes, part: slice) -> _Chunk:
    omega, sets = modes.omega[part], modes.sets[part]
    starts = np.diff(sets, axis=1, prepend=-2) != 0
    run_qm = starts.cumsum(axis=1)
    return _Chunk(
        qpoints=modes.qpoints[part],
        square=_set_means((omega * np.abs(omega))[..., None], starts)[..., 0],
        vectors=modes.vectors[part].reshape(*omega.shape, omega.shape[1]),
        starts=starts,
        same=run_qm[:, :, None] == run_qm[:, None, :],
    )


@dataclass(frozen=True, slots=True)
class _StrainChange:
    """What the change under strain of any replicate of the constants is made from."""

    constants: ForceConstants
    total: TripletSum
    relaxed: bool

    def lattice_sums(self, pairs: Floats, triplets: Floats) -> list[LatticeSum]:
        """Lattice sums of D and of ∂D/∂ε, component by component."""
        crystal = self.constants.crystal
        internal = internal_strain(self.constants, pairs) if self.relaxed else None
        values = self.total.derivative(triplets, internal)
        listed = ForceConstants(
            crystal, self.total.first, self.total.second, self.total.lattice, values[..., 0, 0]
        )
        parts = [0.5 * (values[..., x, y] + values[..., y, x]) for x, y in _COMPONENTS]
        return [lattice_sum(self.constants, pairs), *lattice_sums(listed, np.array(parts))]


def _replicates(
    constants: ForceConstants, triplets: ClusterConstants
) -> list[tuple[Floats, Floats]]:
    """Pair and triplet values of each replicate; none if either has no error bar."""
    if constants.replicates is None or triplets.replicates is None:
        return []
    counts = len(constants.replicates), len(triplets.replicates)
    if counts[0] != counts[1] or counts[0] < 2:
        raise DataError(
            f"{counts[0]} replicates of the pair constants and {counts[1]} of the cubic ones",
            why="an error bar needs at least two blocks, the same ones for both orders",
            fix="fit both orders to the same time blocks",
        )
    return list(zip(constants.replicates, triplets.replicates, strict=True))


def _between(total: LatticeSum, chunk: _Chunk) -> Complexes:
    """e_m† D e_m' of all pairs of modes, (q, m, m')."""
    image_qkm = evaluate(total, chunk.qpoints) @ chunk.vectors.swapaxes(1, 2)
    return chunk.vectors.conj() @ image_qkm


def _within(total: LatticeSum, chunk: _Chunk) -> Floats:
    """Re e_m† D e_m of every mode, (q, m)."""
    image_qkm = evaluate(total, chunk.qpoints) @ chunk.vectors.swapaxes(1, 2)
    value: Floats = np.einsum("qmk,qkm->qm", chunk.vectors.conj(), image_qkm).real
    return value


def _replicate(
    sums: list[LatticeSum], chunk: _Chunk, p_cqmn: Complexes
) -> tuple[Floats, Floats]:
    """ω² (q, m) and ∂ω²/∂ε (q, m, c) of one replicate."""
    d_qmn = _between(sums[0], chunk)
    square = np.einsum("qmm->qm", d_qmn).real
    slope_qmc = np.stack([_within(one, chunk) for one in sums[1:]], axis=-1)
    gap_qmn = chunk.square[:, :, None] - chunk.square[:, None, :]
    size_qmn = np.sqrt(gap_qmn**2 + 4.0 * np.abs(d_qmn) ** 2)
    size_qmn[chunk.same] = np.inf
    turn_qmn = d_qmn * np.copysign(1.0, gap_qmn) / size_qmn
    # P_mm' δ_m'm is P_mm' times the conjugate of δ_mm'.
    slope_qmc += 2.0 * np.einsum("cqmn,qmn->qmc", p_cqmn, turn_qmn.conj()).real
    return (
        _set_means(square[..., None], chunk.starts)[..., 0],
        _set_means(slope_qmc, chunk.starts),
    )


def _set_means(values_qmc: Floats, starts_qm: Bools) -> Floats:
    """Mean over each run of degenerate branches, in place of its members."""
    first = np.flatnonzero(starts_qm)
    sizes = np.diff(first, append=starts_qm.size)
    flat = values_qmc.reshape(starts_qm.size, values_qmc.shape[2])
    means = np.add.reduceat(flat, first, axis=0) / sizes[:, None]
    return np.repeat(means, sizes, axis=0).reshape(values_qmc.shape)
