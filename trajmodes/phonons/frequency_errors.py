"""Deviations of ω² for replicates of the force constants, to first order.

Each replicate D_b of the dynamical matrix gives g_b = Re e†D_b e, with the vectors e of the
force constants themselves. The pairs (i, j, R) and (j, i, −R) contribute equally, hence

    g = Re Σ_{i ≤ j} Σ_R u_i† [Φ(i, j, R) + Φ(j, i, −R)ᵀ] u_j e^{iq·R},  u_i = e_i e^{iq·τ_i},

where Φ is divided by the root of both masses, and only one direction of a pair with i = j is
listed. For all modes and replicates of a q this is one real matrix product, with a quarter of
the operations of the products D_b e.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import require_exchange_symmetry

# Size in bytes of one chunk of products u_i* u_j, which stays in the cache of a processor.
# Results do not depend on it beyond rounding.
_CHUNK_BYTES = 2 * 2**20


def require_replicates(replicates: Floats | None) -> Floats:
    """Return delete-one-block replicates; a `DataError` is raised unless there are two."""
    if replicates is None or len(replicates) < 2:
        raise DataError(
            "an error bar needs at least two delete-one-block replicates",
            fix="fit force constants, with several time blocks",
        )
    return replicates


def square_deviations(
    constants: ForceConstants, replicates: Floats, qpoints: Floats, vectors: Complexes
) -> Floats:
    """Deviations (q, m, b) of ω² in (rad/ps)² of each replicate from the mean of all.

    ``replicates`` (b, p, 3, 3) in eV/Å² are values of the pairs of ``constants``, ``vectors``
    are (q, m, 3s).

    Raises
    ------
    DataError
        If the force constants of (i, j, R) and (j, i, −R) are not transposes of each other, or
        are not finite.
    """
    n_q, n_modes = vectors.shape[:2]
    n_replicates = len(replicates)
    phase_qs = np.exp(2j * np.pi * (qpoints @ constants.crystal.sites.T))
    u_qmk = vectors * np.repeat(phase_qs, 3, axis=1)[:, None]
    conjugate_qmk = u_qmk.conj()
    found = np.zeros((n_q, n_modes, n_replicates))
    for blocks in _blocks(constants, replicates, max(1, _CHUNK_BYTES // (144 * n_modes))):
        left, right = blocks.components
        step = max(1, _CHUNK_BYTES // (16 * len(left) * max(n_modes, n_replicates)))
        for part in (slice(start, start + step) for start in range(0, n_q, step)):
            product_qmk = np.take(conjugate_qmk[part], left, axis=2)
            product_qmk *= np.take(u_qmk[part], right, axis=2)
            # Re and Im are neighbours in memory: Re xy = Re x Re y + Im x (−Im y)
            found[part] += product_qmk.view(float) @ blocks.sums(qpoints[part])
    return found


class _Blocks(NamedTuple):
    """Mass-weighted deviations of the force constants between some pairs of sites (i ≤ j)."""

    sites: Ints
    """(n, 2)"""
    lattice: Ints
    """(r, 3)"""
    values: Floats
    """(r, k, b), unit: (rad/ps)². Axis k = (pair of sites, direction of i, direction of j)."""

    @property
    def components(self) -> tuple[Ints, Ints]:
        """Components (k,) of a vector: those of site i, and those of site j."""
        axes, shape = np.arange(3), (len(self.sites), 3, 3)
        left = 3 * self.sites[:, 0, None, None] + axes[:, None]
        right = 3 * self.sites[:, 1, None, None] + axes
        return np.broadcast_to(left, shape).ravel(), np.broadcast_to(right, shape).ravel()

    def sums(self, qpoints: Floats) -> Floats:
        """Sum over R at each q (q, 2k, b); real part and −imaginary part alternate."""
        angle_qr = 2.0 * np.pi * (qpoints @ self.lattice.T)
        n_r, n_k, n_b = self.values.shape
        of_lattice = self.values.reshape(n_r, n_k * n_b)
        sums = np.empty((len(qpoints), n_k, 2, n_b))
        sums[:, :, 0] = (np.cos(angle_qr) @ of_lattice).reshape(-1, n_k, n_b)
        sums[:, :, 1] = (-np.sin(angle_qr) @ of_lattice).reshape(-1, n_k, n_b)
        return sums.reshape(len(qpoints), 2 * n_k, n_b)


def _blocks(constants: ForceConstants, replicates: Floats, longest: int) -> Iterator[_Blocks]:
    """Add up both directions of the pairs, for at most ``longest`` pairs of sites at a time."""
    first, second, lattice = constants.first, constants.second, constants.lattice
    reverse = _is_reverse(constants)
    sites_px = np.stack([first, second], axis=1)
    sites_px[reverse] = sites_px[reverse][:, ::-1]
    lattice_px = np.where(reverse[:, None], -lattice, lattice)
    own = (first == second) & (lattice == 0).all(axis=1)
    root = np.sqrt(constants.crystal.masses)
    # A pair of a site with itself is its own reverse.
    weights = np.where(own, 0.5, 1.0) / (root[first] * root[second])
    sites, place_p = np.unique(sites_px, axis=0, return_inverse=True)
    place_p = place_p.ravel()
    for start in range(0, len(sites), longest):
        some = sites[start : start + longest]
        chosen = np.flatnonzero((place_p >= start) & (place_p < start + len(some)))
        vectors, row = np.unique(lattice_px[chosen], axis=0, return_inverse=True)
        row = row.ravel() * len(some) + place_p[chosen] - start
        shape = (len(vectors) * len(some), len(chosen))
        values_pxyb = np.moveaxis(replicates[:, chosen], 0, -1)
        both = [
            csr_array((weights[chosen] * used, (row, np.arange(len(row)))), shape=shape)
            @ np.reshape(values, (len(row), -1))
            for used, values in (
                ((own | ~reverse)[chosen], values_pxyb),
                ((own | reverse)[chosen], values_pxyb.swapaxes(1, 2)),
            )
        ]
        require_exchange_symmetry(*both)
        values_rkb = (both[0] + both[1]).reshape(len(vectors), 9 * len(some), -1)
        yield _Blocks(some, vectors, values_rkb - values_rkb.mean(axis=2, keepdims=True))


def _is_reverse(constants: ForceConstants) -> Bools:
    """Whether each pair (p,) is the reverse of one with i < j, or with i = j and R > 0."""
    x, y, z = constants.lattice.T
    leading = np.where(x != 0, x, np.where(y != 0, y, z))
    same = constants.first == constants.second
    reverse: Bools = (constants.first > constants.second) | (same & (leading < 0))
    return reverse
