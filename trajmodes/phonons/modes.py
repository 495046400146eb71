"""Frequencies and polarisation vectors at any q, with their standard errors.

To first order ω² is linear in the force constants: δ(ω²) = Re e†(δD)e. Degenerate branches take
the mean over their set (the trace). Each delete-one-block replicate of the force constants
gives g_b = Re e†D_b e, and the jackknife variance of ω² is (B − 1)/B Σ_b (g_b − ḡ)². No
replicate is diagonalised (`trajmodes.phonons.frequency_errors`).

The error of ω is δω = δ(ω²)/(2|ω|), which diverges at ω = 0. Since |√|x + δ| − √|x|| ≤ √|δ|
for any x, the smaller of δ(ω²)/(2|ω|) and √δ(ω²) is used.

A set joins symmetry-equivalent modes: the degenerate branches of one q, and those of all q of
its star. The acoustic modes at Γ belong to no set and have the label −1.

Stability is decided by the sign of ω², in view of its standard error: −0.12 ± 0.20 THz² is
compatible with zero, −0.52 ± 0.03 THz² is not. The errors of ω² fall as 1/√t once the blocks
are independent. The time required for a given error of ω therefore grows as the inverse square
of that error, and as its inverse fourth power for a mode near zero.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.force_constants import ForceConstants, jackknife_sem
from trajmodes.data.lattice import equal_modulo_lattice
from trajmodes.data.modes import DECISIVE, Modes, RunLength, Stability, signed_squares
from trajmodes.errors import DataError, UsageError
from trajmodes.phonons.dynamical_matrix import (
    LatticeSum,
    checked_qpoints,
    dynamical_matrices,
    lattice_sum,
    q_chunks,
)
from trajmodes.phonons.frequency_errors import require_replicates, square_deviations
from trajmodes.symmetry.stars import star_labels
from trajmodes.units import THZ

# Neighbouring ω² that differ by less than this, relative to the mean ω² of the stiffest site,
# are degenerate. It is far above rounding, and far below the distance of two branches that do
# not cross.
_DEGENERATE = 1e-6
FEW_IMAGINARY = 1e-4
"""Part of the modes that may be imaginary without a warning: a few soft ones next to Γ."""
# Error of the frequencies in rad/ps that the run length is computed for.
_WANTED = 0.05 * THZ


def modes_at(
    constants: ForceConstants,
    qpoints: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    directions: npt.ArrayLike | None = None,
) -> Modes:
    """Diagonalise the dynamical matrix at a list of q points.

    The order of the list is kept. A set joins degenerate branches, and the members of a star
    that are in the list. If the force constants lack the symmetry of the crystal, it joins only
    those members that have the same spectrum.

    Parameters
    ----------
    qpoints
        (q, 3) reduced coordinates, no 2π.
    weights
        (q,) number of q points that each one represents; 1 by default.
    directions
        (q, 3) Cartesian directions from which a q ≡ Γ is approached, zero where there is none:
        with charges, longitudinal modes are higher by their macroscopic field.

    Raises
    ------
    DataError
        If the force constants are not symmetric under exchange of indices, or a q is not
        finite.
    """
    solved = _solve(constants, qpoints, directions)
    sets = _sets(solved)
    return Modes(
        crystal=constants.crystal,
        qpoints=solved.qpoints,
        weights=np.ones(len(sets)) if weights is None else np.asarray(weights, dtype=float),
        omega=signed_root(solved.square),
        vectors=solved.vectors.reshape(*sets.shape, constants.crystal.n_sites, 3),
        omega_sem=_sem(constants, solved, set_starts(sets)),
        sets=sets,
    )


def frequencies_at(
    constants: ForceConstants, qpoints: npt.ArrayLike, directions: npt.ArrayLike | None = None
) -> tuple[Floats, Floats | None]:
    """Frequencies (q, m) and their standard errors alone, as in `modes_at`.

    The errors are None without replicates of the force constants.
    """
    solved = _solve(constants, qpoints, directions)
    starts = branch_starts(solved.total, solved.square)
    return signed_root(solved.square), _sem(constants, solved, starts)


def frequency_change(
    constants: ForceConstants, values: Iterable[Floats], modes: Modes
) -> Floats:
    """Rms change (c,) in rad/ps of the frequencies of modes for other force constants.

    ``values`` are (c, p, 3, 3) second-order force constants in eV/Å² of the pairs of
    ``constants``. Every q of the full set counts once.
    """
    weights_qm = np.broadcast_to(modes.weights[:, None], modes.omega.shape)
    others = (replace(constants, values=one, replicates=None) for one in values)
    omegas = (frequencies_at(other, modes.qpoints)[0] for other in others)
    squares = [np.average((omega - modes.omega) ** 2, weights=weights_qm) for omega in omegas]
    return np.sqrt(np.array(squares))


class _Solution(NamedTuple):
    """Eigenvalues and eigenvectors of D at a list of q points."""

    total: LatticeSum
    qpoints: Floats
    square: Floats
    """(q, m), unit: (rad/ps)², ascending."""
    vectors: Complexes
    """(q, m, 3s), each of norm 1."""


def _solve(
    constants: ForceConstants, qpoints: npt.ArrayLike, directions: npt.ArrayLike | None
) -> _Solution:
    q_qx = checked_qpoints(qpoints)
    n_qx = None if directions is None else _checked_directions(directions, q_qx)
    total = lattice_sum(constants)
    n = 3 * constants.crystal.n_sites
    square_qm = np.empty((len(q_qx), n))
    vectors_qmk = np.empty((len(q_qx), n, n), dtype=complex)
    for part in q_chunks(total, len(q_qx)):
        towards = None if n_qx is None else n_qx[part]
        d_qkl = dynamical_matrices(total, q_qx[part], towards)
        square_qm[part], columns_qkm = np.linalg.eigh(d_qkl)
        vectors_qmk[part] = columns_qkm.swapaxes(1, 2)
    return _Solution(total, q_qx, square_qm, vectors_qmk)


def _checked_directions(directions: npt.ArrayLike, q_qx: Floats) -> Floats:
    n_qx = np.asarray(directions, dtype=float)
    if n_qx.shape != q_qx.shape or not np.isfinite(n_qx).all():
        raise DataError(
            f"{len(q_qx)} q points need as many directions (q, 3) of finite numbers, got an "
            f"array of shape {n_qx.shape}"
        )
    return n_qx


def _sem(constants: ForceConstants, solved: _Solution, starts_qm: Bools) -> Floats | None:
    """Jackknife standard error (q, m) of ω, of the mean over degenerate branches."""
    if constants.replicates is None:
        return None
    replicates = require_replicates(constants.replicates)
    deviations_qmb = square_deviations(constants, replicates, solved.qpoints, solved.vectors)
    deviations_qmb = set_means(deviations_qmb, starts_qm)
    square_sem = jackknife_sem(np.moveaxis(deviations_qmb, -1, 0))
    bound = np.sqrt(square_sem)
    # Where 2|ω| is less than the bound, √δ is the smaller error.
    largest = np.maximum(
        2.0 * np.sqrt(np.abs(solved.square)), np.where(bound > 0.0, bound, 1.0)
    )
    return square_sem / largest


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


def signed_root(square: Floats) -> Floats:
    """Root of ω² (…), negative where ω² is negative."""
    return np.copysign(np.sqrt(np.abs(square)), square)


def branch_starts(total: LatticeSum, square_qm: Floats) -> Bools:
    """Whether each branch (q, m) is not degenerate with the one below it."""
    gaps = np.diff(square_qm, axis=1, prepend=-np.inf)
    return gaps > _DEGENERATE * total.scale


def set_starts(sets: Ints) -> Bools:
    """Whether each branch (q, m) belongs to another set than the one below it."""
    starts: Bools = np.diff(sets, axis=1, prepend=-2) != 0
    return starts


def _sets(solved: _Solution) -> Ints:
    """Set (q, m) of each mode; −1 for the acoustic modes at Γ."""
    n_modes = solved.square.shape[1]
    acoustic_qm = _acoustic(solved)
    starts_qm = branch_starts(solved.total, solved.square)
    starts_qm |= np.diff(acoustic_qm, axis=1, prepend=False)
    starts_qm[:, :1] = True
    heads = _star_heads(solved)
    # A set is named by its lowest branch at the first q of its star. These names ascend in the
    # order of first appearance.
    lowest_qm = np.maximum.accumulate(np.where(starts_qm, np.arange(n_modes), 0), axis=1)
    names_qm = heads[:, None] * n_modes + lowest_qm[heads]
    labels = np.full(names_qm.shape, -1, dtype=np.int64)
    _, labels[~acoustic_qm] = np.unique(names_qm[~acoustic_qm], return_inverse=True)
    return labels


def _star_heads(solved: _Solution) -> Ints:
    """First q (q,) of the same star that has the same spectrum.

    Force constants of a supercell that breaks the point group have fewer symmetries than the
    crystal. The q points that differ from the first of their star are then grouped anew.
    """
    heads = star_labels(solved.total.crystal, solved.qpoints)
    while True:
        difference_qm = np.abs(solved.square - solved.square[heads])
        apart = difference_qm.max(axis=1, initial=0.0) > _DEGENERATE * solved.total.scale
        differing = np.flatnonzero(apart)
        if len(differing) == 0:
            return heads
        _, first, star = np.unique(heads[differing], return_index=True, return_inverse=True)
        heads[differing] = differing[first[star]]


def _acoustic(solved: _Solution) -> Bools:
    """Whether each mode (q, m) moves the crystal as a whole: three modes at q ≡ Γ."""
    crystal = solved.total.crystal
    acoustic = np.zeros(solved.square.shape, dtype=bool)
    at_zero = np.flatnonzero(equal_modulo_lattice(solved.qpoints, 0.0, 1e-9))
    root = np.sqrt(crystal.masses / crystal.masses.sum())
    # At a reciprocal lattice vector the phase of a uniform shift differs from site to site.
    shift_qs = np.exp(-2j * np.pi * (solved.qpoints[at_zero] @ crystal.sites.T)) * root
    parts = solved.vectors[at_zero].reshape(*acoustic[at_zero].shape, crystal.n_sites, 3)
    overlap_qmx = np.einsum("qs,qmsx->qmx", shift_qs.conj(), parts)
    drift_qm = (np.abs(overlap_qmx) ** 2).sum(axis=2)
    largest = np.argsort(drift_qm, axis=1)[:, -3:]
    acoustic[at_zero[:, None], largest] = True
    return acoustic


def stability(modes: Modes) -> Stability:
    """Judge the sign of ω² of all modes except the acoustic ones at Γ.

    A mode with ω² three standard errors below zero makes the crystal unstable, and the lowest
    such mode is named. If there is none, but ω² of some mode is less than three standard errors
    above zero, the sign is not decided, and the mode of least significance is named. Otherwise
    the crystal is stable at these q, and the lowest mode is named. Without errors the sign
    alone decides.

    Raises
    ------
    DataError
        If there is no mode to judge.
    """
    square_qm, sem_qm = signed_squares(modes.omega, modes.omega_sem)
    judged = modes.sets >= 0
    if not judged.any():
        raise DataError("there is no mode to judge: the acoustic modes at Γ are always zero")
    sem = 0.0 if sem_qm is None else sem_qm
    with np.errstate(divide="ignore", invalid="ignore"):
        score_qm = np.where(sem > 0.0, square_qm / sem, np.copysign(np.inf, square_qm))
    unstable, undecided = judged & (score_qm <= -DECISIVE), judged & (score_qm < DECISIVE)
    if unstable.any():
        verdict, among, order = "unstable", unstable, square_qm
    elif undecided.any():
        verdict, among, order = "not decided", undecided, score_qm
    else:
        verdict, among, order = "stable", judged, square_qm
    q, m = np.unravel_index(int(np.where(among, order, np.inf).argmin()), order.shape)
    return Stability(
        verdict=verdict,
        squared=float(square_qm[q, m]),
        squared_sem=None if sem_qm is None else float(sem_qm[q, m]),
        qpoint=modes.qpoints[q],
        branch=int(m),
        significance=float(score_qm[q, m]),
    )


def run_length(modes: Modes, duration: float, wanted: float = _WANTED) -> RunLength:
    """Length of run required for an error of the frequencies, without acoustic modes at Γ.

    ``duration`` in ps is the total length of the runs from which the errors were obtained, and
    ``wanted`` is a standard error in rad/ps.

    Raises
    ------
    UsageError
        If the duration or the wanted error is not positive.
    DataError
        If the modes have no errors, or all are acoustic modes at Γ.
    """
    if not (duration > 0.0 and wanted > 0.0):
        raise UsageError(
            "the length of the run and the wanted error must be positive, got "
            f"{duration:g} ps and {wanted / THZ:g} THz"
        )
    square_qm, square_sem = signed_squares(modes.omega, modes.omega_sem)
    counted = modes.sets >= 0
    if square_sem is None or modes.omega_sem is None or not counted.any():
        raise DataError(
            "the modes have no errors, so the length of run cannot be judged",
            why="the force constants have no replicates, or all modes are acoustic ones at Γ",
            fix="fit to at least eight blocks of time",
        )
    linear = (square_sem / (2.0 * wanted)) ** 2
    # The error of ω is the smaller of δ/2|ω| and √δ.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(square_qm != 0.0, linear / np.abs(square_qm), np.inf)
    factors = np.where(counted, np.minimum(ratio, (square_sem / wanted**2) ** 2), -np.inf)
    sem = modes.omega_sem[counted]
    q, m = np.unravel_index(int(factors.argmax()), factors.shape)
    return RunLength(
        wanted=wanted,
        duration=duration,
        worst=float(sem.max()),
        typical=float(np.median(sem)),
        worst_factor=float(factors[q, m]),
        typical_factor=float(np.median(factors[counted])),
        qpoint=modes.qpoints[q],
        branch=int(m),
    )
