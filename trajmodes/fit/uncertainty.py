"""Error bars of fitted parameters from contiguous blocks of time.

The jackknife (Quenouille 1956, Tukey 1958) leaves out one block at a time, which needs only
differences of sums: x_(−b) from G − G_b and h − h_b. The sandwich estimator (Huber 1967) is its
first order: with M the block lower triangle of G by stages, adding block b changes x by
M⁻¹(h_b − M_b x). Frames are correlated, so the blocks must be longer than the correlation time:
neighbouring blocks are merged as long as the error grows (Flyvbjerg and Petersen, J. Chem.
Phys. 91, 461 (1989)). Products of displacements and forces decorrelate mostly within a period
and completely within a lifetime, so the first plateau may be a false one (silicon at 300 K:
2.4, 2.4, 2.6, 2.8, 3.1, 3.6 frames per independent one): all block lengths are tried.

Blocks of time do not show what varies more slowly than the run lasts. The frequency of a mode
follows the energies of the modes that it couples to, which vary over their lifetimes. Members
of a set of symmetry-equivalent modes couple to different modes, whose energies are independent.
Over a run they have different frequencies, however slow the variation is. With g the residual
force of a member and Q its amplitude, y = −⟨gQ*⟩ is proportional to the change of its ω². The
variance of the members' y over the whole run, relative to the one expected from blocks of time,
is the factor by which the variance of a frequency exceeds that of the blocks. It is averaged
over sets of about the same frequency. What all members have in common is not seen so; the
variance of their mean, relative to that of independent members, shows it in blocks of time.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data.force_constants import ErrorMethod, FitErrors
from trajmodes.data.modes import Modes
from trajmodes.fit.harmonic import ForceCovariances
from trajmodes.fit.model import Model, ReducedEquations
from trajmodes.fit.solve import Solver, estimate, solve_positive

FEWEST_BLOCKS = 8
"""Fewest blocks for an error bar: the spread of fewer is too uncertain."""

_PARTS = 16
"""Most growing parts of the run that are fitted."""

_FEWEST_MEMBERS = 8
"""Degrees of freedom of the scatter of all members that a comparison needs."""

_SIMILAR = 0.04
"""Width, over the highest frequency, of the Gaussian average over sets of similar frequency."""

_OF_ALL_SETS = 20.0
"""Degrees of freedom with which the mean over all sets enters this average."""

_MATRIX_BYTES = 1 << 28
"""Most memory for the dynamical matrices of all parameters."""


def fit_errors(
    equations: ReducedEquations,
    parameters: Floats,
    left_out: Floats | None,
    *,
    solver: Solver = solve_positive,
    method: ErrorMethod = "jackknife",
) -> FitErrors | None:
    """Estimate the error of a solution (n,) from its blocks, merged as long as the error grows.

    It is None if there are too few blocks, or if the parameters are undetermined without one of
    them. The solutions without each block are `left_out_solutions`. The sandwich estimator
    assumes least squares.
    """
    levels: list[FitErrors] = []
    merged = equations
    while merged.n_blocks >= FEWEST_BLOCKS:
        if method == "sandwich":
            found: Floats | None = _first_order(merged, parameters)
        else:
            found = left_out_solutions(merged, solver) if levels else left_out
        if found is None:
            break
        inefficiency = _inefficiency(merged, parameters, found)
        length = float(merged.frames.mean())
        levels.append(FitErrors(found, length, inefficiency, levelled=True, method=method))
        merged = equations.merged(2 ** len(levels))
        if merged.n_blocks == levels[-1].n_blocks:
            break
    return longest_needed(levels, len(parameters)) if levels else None


def growing_fits(
    equations: ReducedEquations, solver: Solver = solve_positive
) -> tuple[Ints, Floats]:
    """(c,) frames and (c, z) parameters of growing parts of a run, 16 at most.

    Parts that do not determine the parameters are left out.
    """
    equations = equations.merged(-(-equations.n_blocks // _PARTS))
    gram = np.zeros(equations.gram.shape[1:])
    moment = np.cumsum(equations.moment, axis=0)
    found = np.full_like(moment, np.nan)
    for b in range(equations.n_blocks):
        gram += equations.gram[b]
        with suppress(np.linalg.LinAlgError):
            found[b] = estimate(equations, gram, moment[b], solver)
    parameters = found @ equations.model.null_space.T
    determined = np.isfinite(parameters).all(axis=1)
    return np.cumsum(equations.frames)[determined], parameters[determined]


def predicted_squares(equations: ReducedEquations, left_out: Floats) -> Floats:
    """(b, s) squared residuals in eV²/Å² of each block after each stage, fitted to all others.

    Cross-validation, from the (b, n) solutions without each block.
    """
    stage = equations.model.stage
    n_stages = int(stage.max(initial=-1)) + 1
    squares = np.empty((equations.n_blocks, n_stages))
    for b, found in enumerate(left_out):
        for k in range(n_stages):
            x = np.where(stage <= k, found, 0.0)
            change = x @ equations.gram[b] @ x - 2.0 * equations.moment[b] @ x
            squares[b, k] = equations.square[b] + change
    return squares


def left_out_solutions(
    equations: ReducedEquations, solver: Solver = solve_positive
) -> Floats | None:
    """(b, n) solutions without each block in turn.

    None if there is only one block, or if the parameters are undetermined without one of them.
    """
    if equations.n_blocks < 2:
        return None
    total, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    found = np.empty_like(equations.moment)
    for b in range(equations.n_blocks):
        gram, rest = total - equations.gram[b], moment - equations.moment[b]
        try:
            found[b] = estimate(equations, gram, rest, solver)
        except np.linalg.LinAlgError:
            return None
    return found


def _first_order(equations: ReducedEquations, parameters: Floats) -> Floats:
    """(b, n) solutions without each block to first order, scaled like jackknife replicates."""
    stage = equations.model.stage
    lower = np.where(stage[:, None] >= stage, equations.gram.sum(axis=0), 0.0)
    scores = np.array(
        [
            moment - np.where(stage[:, None] >= stage, gram, 0.0) @ parameters
            for gram, moment in zip(equations.gram, equations.moment, strict=True)
        ]
    )
    moved = np.linalg.solve(lower, scores.T).T
    n_blocks = equations.n_blocks
    return parameters - n_blocks / (n_blocks - 1) * moved


def _inefficiency(equations: ReducedEquations, parameters: Floats, found: Floats) -> float:
    """Mean variance of the parameters, relative to that of independent frames."""
    gram, moment = equations.gram.sum(axis=0), equations.moment.sum(axis=0)
    spread = found - found.mean(axis=0)
    ratio = 0.0
    for own in equations.model.stages:
        # the residual after this stage is its noise
        x = np.where(equations.model.stage <= equations.model.stage[own[0]], parameters, 0.0)
        residual = float(equations.square.sum() - 2.0 * moment @ x + x @ gram @ x)
        noise = residual / (equations.n_components - np.count_nonzero(x))
        # tr(G V) is n times the noise variance of a force component if all are independent
        part = gram[np.ix_(own, own)]
        variance = np.einsum("bn,nm,bm->", spread[:, own], part, spread[:, own])
        ratio += float(variance / noise) if noise > 0.0 else np.nan
    n_blocks = len(found)
    return ratio * (n_blocks - 1) / n_blocks / max(len(parameters), 1)


def longest_needed(levels: list[FitErrors], rank: int) -> FitErrors:
    """Choose the block length with the largest error, if the error grows significantly.

    The relative variance of either estimate is 2/(n(B − 1)); the longer blocks are merged from
    the shorter ones, so the variance of the difference is the difference of the variances.
    """
    finest, largest = levels[0], max(levels, key=lambda level: level.inefficiency)
    freedom = 1.0 / (largest.n_blocks - 1) - 1.0 / (finest.n_blocks - 1)
    scatter = float(np.sqrt(2.0 / rank * freedom))
    grown = largest.inefficiency > finest.inefficiency * (1.0 + scatter)
    best = largest if grown else finest
    # Not levelled: the error grew up to the longest blocks, or no blocks could be merged.
    return replace(best, levelled=best is not levels[-1])


class MemberScatter(NamedTuple):
    """Scatter of the members of sets of modes, compared with blocks of time."""

    growth: Floats
    """(q, m) variance of each frequency over that from blocks of time, at least 1."""
    coherence: float
    """Variance of the mean over the members of a set, relative to that of independent members,
    in the longest blocks of time: the mean over all sets."""


def member_scatter(
    covariances: Sequence[ForceCovariances], modes: Modes, block_frames: float
) -> MemberScatter | None:
    """Compare symmetry-equivalent modes over whole runs with blocks of about `block_frames`.

    None if there are too few equivalent q points or too few blocks.

    Parameters
    ----------
    covariances
        Those of each run.
    modes
        Modes of the fit at the q points of the covariances.
    """
    frames_b = np.concatenate([one.frames for one in covariances])
    run_b = np.repeat(np.arange(len(covariances)), [one.n_blocks for one in covariances])
    y_bqm = np.concatenate([_mode_scores(one, modes) for one in covariances])
    together = max(1, round(block_frames / frames_b.mean()))
    short = _merging(run_b, together)
    longest = _merging(run_b, max(together, len(run_b) // FEWEST_BLOCKS))
    if len(longest) < FEWEST_BLOCKS // 2:
        return None
    omega, freedom, growth, coherence = [], [], [], []
    for label in range(modes.n_sets):
        own_qm = modes.sets == label
        at = np.flatnonzero(own_qm.any(axis=1))
        if len(at) < 2:
            continue
        y_bk = (y_bqm[:, at] * own_qm[at]).sum(axis=2)
        in_blocks, _ = _variances(y_bk, frames_b, short)
        apart, common = _variances(y_bk, frames_b, longest)
        if not min(in_blocks, apart) > 0.0:
            continue
        omega.append(modes.omega[own_qm].mean())
        freedom.append(len(at) - 1)
        growth.append((y_bk.sum(axis=0) / frames_b.sum()).var(ddof=1) / in_blocks)
        coherence.append((common / in_blocks, apart / in_blocks))
    if sum(freedom) < _FEWEST_MEMBERS:
        return None
    mean = float(np.average(growth, weights=freedom))
    distance_qmg = (modes.omega[:, :, None] - omega) / (_SIMILAR * modes.omega.max())
    weight_qmg = np.exp(-0.5 * distance_qmg**2) * freedom
    total_qm = weight_qmg.sum(axis=2) + _OF_ALL_SETS
    near_qm = (weight_qmg @ growth + _OF_ALL_SETS * mean) / total_qm
    shared, independent = np.array(freedom) @ coherence
    return MemberScatter(np.maximum(near_qm, 1.0), float(shared / independent))


def widened(
    errors: FitErrors, model: Model, modes: Modes, scatter: MemberScatter
) -> FitErrors | None:
    """Widen replicates so that the variance of each frequency grows as the scatter says.

    A deviation of the force constants is a deviation δD(q) of the dynamical matrices. Its
    elements between modes are multiplied by the roots of the growth of either mode's standard
    error, and the result is expressed in the second-order parameters by least squares. None if
    the parameters do not separate by order, or are too many.
    """
    own = np.flatnonzero(model.order == 2)
    n_bytes = 16 * len(own) * modes.omega.size * modes.omega.shape[1]
    if (model.order == 0).any() or n_bytes > _MATRIX_BYTES:
        return None
    matrices_nqmk = _matrices_between_modes(model, own, modes)
    # Relative deviations count; soft modes no more than those at a tenth of the range.
    omega_qm = np.maximum(np.abs(modes.omega), 0.1 * modes.omega.max())
    matrices_nqmk *= np.sqrt(modes.weights)[:, None, None]
    matrices_nqmk /= omega_qm[:, :, None] * omega_qm[:, None]
    root_qm = scatter.growth**0.25
    plain = matrices_nqmk.reshape(len(own), -1)
    scaled = (matrices_nqmk * root_qm[:, :, None] * root_qm[:, None]).reshape(plain.shape)
    change = np.linalg.solve((plain @ plain.conj().T).real, (plain.conj() @ scaled.T).real)
    mean = errors.parameters.mean(axis=0)
    deviation = errors.parameters - mean
    deviation[:, own] = deviation[:, own] @ change.T
    return replace(errors, parameters=mean + deviation, coherence=scatter.coherence)


def _mode_scores(covariances: ForceCovariances, modes: Modes) -> Floats:
    """(b, q, m) −Σ_t g Q* of each mode, g the force that the fit leaves."""
    root = np.sqrt(np.repeat(modes.crystal.masses, 3))
    vectors_qmk = modes.vectors.reshape(*modes.omega.shape, -1)
    right_qkm = (vectors_qmk * root).swapaxes(1, 2)

    def projected(left_qmk: Complexes, matrix_bqkl: Complexes) -> Floats:
        image_bqkm = matrix_bqkl @ right_qkm
        found: Floats = np.einsum("qmk,bqkm->bqm", left_qmk.conj(), image_bqkm).real
        return found

    force_bqm = projected(vectors_qmk / root, covariances.force)
    square_bqm = projected(vectors_qmk * root, covariances.displacement)
    return -force_bqm - modes.omega * np.abs(modes.omega) * square_bqm


def _merging(run_b: Ints, together: int) -> Ints:
    """First of every `together` consecutive blocks of a run."""
    place = np.arange(len(run_b)) - np.searchsorted(run_b, run_b)
    return np.flatnonzero(place % together == 0)


def _variances(y_bk: Floats, frames_b: Ints, cuts: Ints) -> tuple[float, float]:
    """Variance of the mean of the run from blocks: members about their mean, and their mean.

    The second is multiplied by the number of members: the two are equal if these are
    independent.
    """
    mean_ck = np.add.reduceat(y_bk, cuts) / np.add.reduceat(frames_b, cuts)[:, None]
    common_c = mean_ck.mean(axis=1)
    n_members = mean_ck.shape[1]
    apart = (mean_ck - common_c[:, None]).var(axis=0, ddof=1).sum() / (n_members - 1)
    common = common_c.var(ddof=1) * n_members
    return float(apart) / len(cuts), float(common) / len(cuts)


def _matrices_between_modes(model: Model, own: Ints, modes: Modes) -> Complexes:
    """(n, q, m, m') dynamical matrix of each second-order parameter between the modes."""
    basis, crystal = model.expansion.bases[1], modes.crystal
    first, second = basis.orbits.sites.T
    away = basis.orbits.lattice[:, 1] + crystal.sites[second] - crystal.sites[first]
    root = np.sqrt(crystal.masses)
    phase_qp = np.exp(2j * np.pi * modes.qpoints @ away.T) / (root[first] * root[second])
    n_q, n_modes = modes.omega.shape
    pair, k, element = np.nonzero(basis.tensors)
    row = 3 * first[pair] + element // 3
    column = 3 * second[pair] + element % 3
    place = (basis.columns[pair, k] * n_modes + row) * n_modes + column
    shape = (basis.n_parameters * n_modes**2, len(first))
    add_up = csr_array((basis.tensors[pair, k, element], (place, pair)), shape=shape)
    free = model.null_space[model.expansion.columns(2)][:, own]
    matrix_zklq = (add_up @ phase_qp.T).reshape(basis.n_parameters, -1)
    matrix_nqkl = np.moveaxis((free.T @ matrix_zklq).reshape(-1, n_modes, n_modes, n_q), 3, 1)
    vectors_qmk = modes.vectors.reshape(n_q, n_modes, n_modes)
    found: Complexes = vectors_qmk.conj() @ matrix_nqkl @ vectors_qmk.swapaxes(1, 2)
    return found
