"""Frequencies and polarisation vectors at any q, with their standard errors.

To first order ω² is linear in the force constants: δ(ω²) = Re e†(δD)e. Degenerate branches take
the mean over their set (the trace). Each delete-one-block replicate of the force constants
gives g_b = Re e†D_b e, and the jackknife variance of ω² is (B − 1)/B Σ_b (g_b − ḡ)². No
replicate is diagonalised.

The error of ω is δω = δ(ω²)/(2|ω|), which diverges at ω = 0. Since |√|x + δ| − √|x|| ≤ √|δ|
for any x, the smaller of δ(ω²)/(2|ω|) and √δ(ω²) is used.

A set joins symmetry-equivalent modes: the degenerate branches of one q, and those of all q of
its star. The acoustic modes at Γ belong to no set and have the label −1.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    checked_qpoints,
    evaluate,
    lattice_sum,
    lattice_sums,
    q_chunks,
)
from trajmodes.symmetry.stars import star_labels

# Neighbouring ω² that differ by less than this, relative to the mean ω² of the stiffest site,
# are degenerate. It is far above rounding, and far below the distance of two branches that do
# not cross.
_DEGENERATE = 1e-6


def modes_at(
    constants: ForceConstants, qpoints: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Modes:
    """Diagonalise the dynamical matrix at a list of q points.

    The order of the list is kept. A set joins degenerate branches, and the members of a star
    that are in the list. Where the force constants lack the symmetry of the crystal, it joins
    only those members that have the same spectrum.

    Parameters
    ----------
    constants
        The force constants; error bars come from their replicates.
    qpoints
        (q, 3) reduced coordinates, no 2π.
    weights
        (q,) number of q points that each one represents; 1 by default.

    Raises
    ------
    DataError
        If the force constants are not symmetric under exchange of indices, or a q is not
        finite.
    """
    q_qx = checked_qpoints(qpoints)
    total = lattice_sum(constants, constants.values)
    square_qm, vectors_qmk = _solve(total, q_qx)
    sets = _sets(total, q_qx, square_qm, vectors_qmk)
    sem = None
    if constants.replicates is not None:
        square_sem = _square_sem(constants, q_qx, vectors_qmk, set_starts(sets))
        sem = _sem_of_root(square_qm, square_sem)
    n_sites = constants.crystal.n_sites
    return Modes(
        crystal=constants.crystal,
        qpoints=q_qx,
        weights=np.ones(len(q_qx)) if weights is None else np.asarray(weights, dtype=float),
        omega=_signed_root(square_qm),
        vectors=vectors_qmk.reshape(*sets.shape, n_sites, 3),
        omega_sem=sem,
        sets=sets,
    )


def frequencies_at(
    constants: ForceConstants, qpoints: npt.ArrayLike
) -> tuple[Floats, Floats | None]:
    """Frequencies and their standard errors at q points (q, 3) in reduced coordinates.

    Returns
    -------
    omega
        (q, m) in rad/ps, ascending, negative where imaginary.
    omega_sem
        (q, m) in rad/ps, equal for degenerate branches; None without replicates.

    Raises
    ------
    DataError
        If the force constants are not symmetric under exchange of indices, or a q is not
        finite.
    """
    q_qx = checked_qpoints(qpoints)
    total = lattice_sum(constants, constants.values)
    square_qm, vectors_qmk = _solve(total, q_qx)
    if constants.replicates is None:
        return _signed_root(square_qm), None
    starts = branch_starts(total, square_qm)
    square_sem = _square_sem(constants, q_qx, vectors_qmk, starts)
    return _signed_root(square_qm), _sem_of_root(square_qm, square_sem)


def frequency_change(
    constants: ForceConstants, values: Iterable[Floats], modes: Modes
) -> Floats:
    """Root mean square change (c,) in rad/ps of the frequencies of modes for other values.

    ``values`` are (c, p, 3, 3) second-order force constants in eV/Å² of the pairs of
    ``constants``. Every q of the full set counts once.
    """
    weights_qm = np.broadcast_to(modes.weights[:, None], modes.omega.shape)
    bare = replace(constants, replicates=None)
    omegas = (frequencies_at(replace(bare, values=one), modes.qpoints)[0] for one in values)
    squares = [np.average((omega - modes.omega) ** 2, weights=weights_qm) for omega in omegas]
    change: Floats = np.sqrt(np.array(squares))
    return change


def _solve(total: LatticeSum, q_qx: Floats) -> tuple[Floats, Complexes]:
    """ω² (q, m) ascending and unit eigenvectors (q, m, 3s) in rows."""
    n = 3 * total.crystal.n_sites
    square_qm = np.empty((len(q_qx), n))
    vectors_qmk = np.empty((len(q_qx), n, n), dtype=complex)
    for part in q_chunks(total, len(q_qx)):
        square_qm[part], columns_qkm = np.linalg.eigh(evaluate(total, q_qx[part]))
        vectors_qmk[part] = columns_qkm.swapaxes(1, 2)
    return square_qm, vectors_qmk


def _square_sem(
    constants: ForceConstants, q_qx: Floats, vectors_qmk: Complexes, starts_qm: Bools
) -> Floats:
    """Jackknife standard error (q, m) of ω², of the mean over degenerate branches."""
    replicates = constants.replicates
    if replicates is None or len(replicates) < 2:
        raise DataError(
            "an error bar needs at least two delete-one-block replicates",
            fix="fit with more time blocks",
        )

    def squares_of(total: LatticeSum) -> Floats:
        value_qm = np.empty(starts_qm.shape)
        for part in q_chunks(total, len(q_qx)):
            value_qm[part] = expectation(evaluate(total, q_qx[part]), vectors_qmk[part])
        return set_means(value_qm, starts_qm)

    return jackknife_sem(squares_of(total) for total in lattice_sums(constants, replicates))


def expectation(d_qkl: Complexes, vectors_qmk: Complexes) -> Floats:
    """Re e†De (q, m) of every mode."""
    image_qkm = d_qkl @ vectors_qmk.swapaxes(1, 2)
    value: Floats = np.einsum("qmk,qkm->qm", vectors_qmk.conj(), image_qkm).real
    return value


def set_means(values: Floats, starts_qm: Bools) -> Floats:
    """Replace the values (q, m, …) of degenerate branches by their mean."""
    first = np.flatnonzero(starts_qm)
    if len(first) == 0:
        return values
    sizes = np.diff(first, append=starts_qm.size)
    flat = values.reshape(starts_qm.size, *values.shape[2:])
    sums = np.add.reduceat(flat, first, axis=0)
    means = sums / sizes.reshape(-1, *[1] * (flat.ndim - 1))
    return np.repeat(means, sizes, axis=0).reshape(values.shape)


def _signed_root(square: Floats) -> Floats:
    root: Floats = np.copysign(np.sqrt(np.abs(square)), square)
    return root


def _sem_of_root(square: Floats, square_sem: Floats) -> Floats:
    root = np.sqrt(np.abs(square))
    bound = np.sqrt(square_sem)
    # Where 2|ω| is less than the bound, √δ is the smaller error.
    sem: Floats = square_sem / np.maximum(2.0 * root, np.where(bound > 0.0, bound, 1.0))
    return sem


def branch_starts(total: LatticeSum, square_qm: Floats) -> Bools:
    """Whether each branch (q, m) is not degenerate with the one below it."""
    gaps = np.diff(square_qm, axis=1, prepend=-np.inf)
    starts: Bools = gaps > _DEGENERATE * total.scale
    return starts


def set_starts(sets: Ints) -> Bools:
    """Whether each branch (q, m) belongs to another set than the one below it."""
    starts: Bools = np.diff(sets, axis=1, prepend=-2) != 0
    return starts


def _sets(total: LatticeSum, q_qx: Floats, square_qm: Floats, vectors_qmk: Complexes) -> Ints:
    """Set (q, m) of each mode; −1 for the acoustic modes at Γ."""
    n_modes = square_qm.shape[1]
    acoustic_qm = _acoustic(total.crystal, q_qx, vectors_qmk)
    starts_qm = branch_starts(total, square_qm)
    starts_qm |= np.diff(acoustic_qm, axis=1, prepend=False)
    starts_qm[:, :1] = True
    heads = _star_heads(total, q_qx, square_qm)
    # A set is named by its lowest branch at the first q of its star. These names ascend in the
    # order of first appearance.
    lowest_qm = np.maximum.accumulate(np.where(starts_qm, np.arange(n_modes), 0), axis=1)
    names_qm = heads[:, None] * n_modes + lowest_qm[heads]
    labels = np.full(square_qm.shape, -1, dtype=np.int64)
    _, labels[~acoustic_qm] = np.unique(names_qm[~acoustic_qm], return_inverse=True)
    return labels


def _star_heads(total: LatticeSum, q_qx: Floats, square_qm: Floats) -> Ints:
    """First q (q,) of the same star that has the same spectrum.

    Force constants of a supercell that breaks the point group have fewer symmetries than the
    crystal. The q points that differ from the first of their star are then grouped anew.
    """
    heads = star_labels(total.crystal, q_qx)
    while True:
        difference_q = np.abs(square_qm - square_qm[heads]).max(axis=1, initial=0.0)
        differing = np.flatnonzero(difference_q > _DEGENERATE * total.scale)
        if len(differing) == 0:
            return heads
        _, first, star = np.unique(heads[differing], return_index=True, return_inverse=True)
        heads[differing] = differing[first[star]]


def _acoustic(crystal: Crystal, q_qx: Floats, vectors_qmk: Complexes) -> Bools:
    """Whether each mode (q, m) moves the crystal as a whole: three modes at q ≡ Γ."""
    acoustic = np.zeros(vectors_qmk.shape[:2], dtype=bool)
    at_zero = np.flatnonzero(equal_modulo_lattice(q_qx, 0.0, 1e-9))
    root = np.sqrt(crystal.masses / crystal.masses.sum())
    # At a reciprocal lattice vector the phase of a uniform shift differs from site to site.
    shift_qs = np.exp(-2j * np.pi * (q_qx[at_zero] @ crystal.sites.T)) * root
    parts = vectors_qmk[at_zero].reshape(*acoustic[at_zero].shape, crystal.n_sites, 3)
    overlap_qmx = np.einsum("qs,qmsx->qmx", shift_qs.conj(), parts)
    drift_qm = (np.abs(overlap_qmx) ** 2).sum(axis=2)
    largest = np.argsort(drift_qm, axis=1)[:, -3:]
    acoustic[at_zero[:, None], largest] = True
    return acoustic
