"""Frequencies and polarisation vectors at any q, with their standard errors.

ω² depends on the constants linearly to first order: δ(ω²) = Re e†(δD)e, with the mean over a
degenerate set (its trace) in place of the single value. Each delete-one-block replicate of the
constants so gives g_b = Re e†D_b e, and the jackknife variance of ω² is
(B − 1)/B Σ_b (g_b − ḡ)² (design/fitting: error bars). No replicate is diagonalised.

For ω itself δω = δ(ω²)/(2|ω|), which diverges at ω = 0. Since
|√|x + δ| − √|x|| ≤ √|δ| for any x, the smaller of the two is used.
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

# Neighbouring ω² closer than this, relative to the mean ω² of the stiffest site, are one set:
# far above rounding, far below what two branches differ by anywhere but at a crossing.
_DEGENERATE = 1e-6


def modes_at(
    constants: ForceConstants, qpoints: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Modes:
    """All modes at a list of q points.

    Parameters
    ----------
    constants
        The force constants; error bars come from their replicates.
    qpoints
        (q, 3) reduced coordinates, no 2π.
    weights
        (q,) how many q of the full set each one stands for; 1 where not given.

    Returns
    -------
    Modes in the order of the list. Sets join degenerate branches and the members of a star that
    are in the list; where the constants lack the symmetry of the crystal, only the members that
    have one spectrum.

    Raises
    ------
    DataError
        If the constants are not symmetric under exchange of indices, or a q is not finite.
    """
    q_qx = checked_qpoints(qpoints)
    total = lattice_sum(constants, constants.values)
    square_qm, vectors_qmk = _solve(total, q_qx)
    sets = _sets(total, q_qx, square_qm, vectors_qmk)
    sem = None
    if constants.replicates is not None:
        square_sem = _propagate(constants, q_qx, vectors_qmk, _set_starts(sets))
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
    """Frequencies alone at a list of q points, for bands and densities of states.

    Parameters
    ----------
    constants
        The force constants; error bars come from their replicates.
    qpoints
        (q, 3) reduced coordinates, no 2π.

    Returns
    -------
    omega
        (q, m) in rad/ps, ascending, negative where imaginary.
    omega_sem
        (q, m) standard errors in rad/ps, equal in a degenerate set; None without replicates.

    Raises
    ------
    DataError
        If the constants are not symmetric under exchange of indices, or a q is not finite.
    """
    q_qx = checked_qpoints(qpoints)
    total = lattice_sum(constants, constants.values)
    square_qm, vectors_qmk = _solve(total, q_qx)
    if constants.replicates is None:
        return _signed_root(square_qm), None
    starts = _branch_starts(total, square_qm)
    square_sem = _propagate(constants, q_qx, vectors_qmk, starts)
    return _signed_root(square_qm), _sem_of_root(square_qm, square_sem)


def frequency_change(
    constants: ForceConstants, values: Iterable[Floats], modes: Modes
) -> Floats:
    """Root mean square change of the frequencies for other values of the pair constants.

    Parameters
    ----------
    constants
        The pairs that the values belong to.
    values
        (c, p, 3, 3) other values in eV/Å².
    modes
        Modes that the frequencies are compared with; every q of the full set counts once.

    Returns
    -------
    (c,) in rad/ps.
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


def _propagate(
    constants: ForceConstants, q_qx: Floats, vectors_qmk: Complexes, starts_qm: Bools
) -> Floats:
    """Jackknife standard error of ω² (q, m), its degenerate sets averaged."""
    replicates = constants.replicates
    if replicates is None or len(replicates) < 2:
        raise DataError(
            "an error bar needs at least two delete-one-block replicates",
            fix="fit with more time blocks",
        )

    def squares_of(total: LatticeSum) -> Floats:
        value_qm = np.empty(starts_qm.shape)
        for part in q_chunks(total, len(q_qx)):
            value_qm[part] = _expectation(evaluate(total, q_qx[part]), vectors_qmk[part])
        return _set_means(value_qm, starts_qm)

    return jackknife_sem(squares_of(total) for total in lattice_sums(constants, replicates))


def _expectation(d_qkl: Complexes, vectors_qmk: Complexes) -> Floats:
    """Re e†De of every mode (q, m)."""
    image_qkm = d_qkl @ vectors_qmk.swapaxes(1, 2)
    value: Floats = np.einsum("qmk,qkm->qm", vectors_qmk.conj(), image_qkm).real
    return value


def _set_means(value_qm: Floats, starts_qm: Bools) -> Floats:
    """Mean over each run of degenerate branches, in place of its members."""
    first = np.flatnonzero(starts_qm)
    sizes = np.diff(first, append=starts_qm.size)
    sums = np.add.reduceat(value_qm.ravel(), first) if len(first) else np.zeros(0)
    return np.repeat(sums / sizes, sizes).reshape(value_qm.shape)


def _signed_root(square: Floats) -> Floats:
    root: Floats = np.copysign(np.sqrt(np.abs(square)), square)
    return root


def _sem_of_root(square: Floats, square_sem: Floats) -> Floats:
    root = np.sqrt(np.abs(square))
    bound = np.sqrt(square_sem)
    # Where 2|ω| falls below the bound, √δ is the smaller of the two.
    sem: Floats = square_sem / np.maximum(2.0 * root, np.where(bound > 0.0, bound, 1.0))
    return sem


def _branch_starts(total: LatticeSum, square_qm: Floats) -> Bools:
    """(q, m) whether a branch opens a new degenerate set at its q."""
    gaps = np.diff(square_qm, axis=1, prepend=-np.inf)
    starts: Bools = gaps > _DEGENERATE * total.scale
    return starts


def _set_starts(sets: Ints) -> Bools:
    """(q, m) whether a branch belongs to another set than the one below it."""
    starts: Bools = np.diff(sets, axis=1, prepend=-2) != 0
    return starts


def _sets(total: LatticeSum, q_qx: Floats, square_qm: Floats, vectors_qmk: Complexes) -> Ints:
    """Labels of symmetry-equal modes (q, m); −1 for the acoustic modes at Γ."""
    n_modes = square_qm.shape[1]
    acoustic_qm = _acoustic(total.crystal, q_qx, vectors_qmk)
    starts_qm = _branch_starts(total, square_qm)
    starts_qm |= np.diff(acoustic_qm, axis=1, prepend=False)
    starts_qm[:, :1] = True
    stars = _stars(total, q_qx, square_qm)
    # The branch that opens a set, at the first q of its star, names the set: such names grow in
    # order of first appearance.
    opener_qm = np.maximum.accumulate(np.where(starts_qm, np.arange(n_modes), 0), axis=1)
    names_qm = stars[:, None] * n_modes + opener_qm[stars]
    labels = np.full(square_qm.shape, -1, dtype=np.int64)
    _, labels[~acoustic_qm] = np.unique(names_qm[~acoustic_qm], return_inverse=True)
    return labels


def _stars(total: LatticeSum, q_qx: Floats, square_qm: Floats) -> Ints:
    """(q,) the first q with the same spectrum in the same star.

    Constants of a supercell that breaks the point group have fewer symmetries than the crystal.
    What differs from the head of its star is headed by the first that does, and so on.
    """
    heads = star_labels(total.crystal, q_qx)
    while True:
        apart_q = np.abs(square_qm - square_qm[heads]).max(axis=1, initial=0.0)
        odd = np.flatnonzero(apart_q > _DEGENERATE * total.scale)
        if len(odd) == 0:
            return heads
        _, first, star = np.unique(heads[odd], return_index=True, return_inverse=True)
        heads[odd] = odd[first[star]]


def _acoustic(crystal: Crystal, q_qx: Floats, vectors_qmk: Complexes) -> Bools:
    """(q, m) the three modes that move the crystal as a whole, at Γ and its equivalents."""
    acoustic = np.zeros(vectors_qmk.shape[:2], dtype=bool)
    at_zero = np.flatnonzero(equal_modulo_lattice(q_qx, 0.0, 1e-9))
    root = np.sqrt(crystal.masses / crystal.masses.sum())
    # A reciprocal lattice vector turns the phase of a uniform shift from site to site.
    shift_qs = np.exp(-2j * np.pi * (q_qx[at_zero] @ crystal.sites.T)) * root
    parts = vectors_qmk[at_zero].reshape(*acoustic[at_zero].shape, crystal.n_sites, 3)
    overlap_qmx = np.einsum("qs,qmsx->qmx", shift_qs.conj(), parts)
    drift_qm = (np.abs(overlap_qmx) ** 2).sum(axis=2)
    most = np.argsort(drift_qm, axis=1)[:, -3:]
    acoustic[at_zero[:, None], most] = True
    return acoustic
