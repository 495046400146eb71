"""Force constants from the motion of a run, in two ways.

**From quasi-particle frequencies** ω̃ (renormalised dispersion). At the q points of the
supercell D(q) = Σ_m ω̃²_m e_m e_m†, with ω̃ in place of the harmonic frequencies (normal-mode
decomposition: T. Sun, D.-B. Zhang, R. M. Wentzcovitch, Phys. Rev. B 89, 094109 (2014);
A. Carreras, A. Togo, I. Tanaka, Comput. Phys. Commun. 221, 221 (2017)). In real space these are
force constants whose bands interpolate every ω̃.

The errors of the frequencies are assumed independent from set to set. Replicate b shifts ω̃² of
set g by h_bg σ_g/√(B − 1), where h has columns of ±1 of zero sum. The jackknife variance
(B − 1)/B Σ_b (g_b − ḡ)² is then σ_g² for one set, and Σ_g (∂/∂ω̃²_g)² σ_g² for any linear
function, since the columns are orthogonal. If memory allows fewer columns than sets, some are
only nearly orthogonal. The errors at the q points of the supercell remain exact, since they
depend on one set only.

**From displacement covariances** (Green's function). In a classical harmonic crystal ⟨w w†⟩ =
k_BT D(q)⁻¹ for the mass-weighted amplitudes w at q, hence D(q) = k_BT ⟨w w†⟩⁻¹ (C. Campañá, M.
H. Müser, Phys. Rev. B 74, 075420 (2006); L. T. Kong, Comput. Phys. Commun. 182, 2201 (2011)).
No forces are needed. All branches of a q are treated together, so that the polarisation vectors
are obtained as well. In an anharmonic crystal D is the harmonic model with the covariances of
the run.

In a run not much longer than the lifetimes the energy of each mode is far from k_BT, and time
blocks do not reveal this. If velocities are available, their covariances V = ⟨ẇ ẇ†⟩ replace
k_BT: D = G² with G ⟨w w†⟩ G = V, the geometric mean of V and ⟨w w†⟩⁻¹. For uncorrelated modes
this is ⟨|Q̇|²⟩/⟨|Q|²⟩ of each mode, which does not depend on its energy; with V = k_BT it is the
formula above. With velocity Verlet and the time step Δt the eigenvalues of G are too low by
ω (ωΔt)²/8; `with_frequencies` converts them.

The covariances are first averaged over the space group. The inverse of a mean over n
independent samples of p components is too large by n/(n − p) (the mean of an inverse Wishart
matrix). Frames are not independent, so that n is not known. The jackknife over time blocks
removes the bias to first order in 1/n: D = B D̂ − (B − 1) mean_b D̂_(b), with D̂_(b) from all
blocks but one. The same D̂_(b) are the replicates that give error bars. Without velocities
these are reliable only if a block is longer than the lifetimes; `with_slow_energies` widens
them by the errors that `trajmodes.project.energies.displaced` finds for modes that keep their
energy.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import scipy.linalg

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.errors import DataError
from trajmodes.phonons.modes import modes_at
from trajmodes.symmetry.stars import set_mean, set_omega
from trajmodes.symmetry.supercell_matrices import pair_list, star_mean
from trajmodes.units import BOLTZMANN

# Largest memory of the replicates, unless the least number of them needs more.
_BYTES = 32 * 2**20
_FEWEST, _MOST = 32, 1024
_FEWEST_BLOCKS = 4
# Smallest eigenvalue of a matrix of correlation coefficients. Below it, a combination of modes
# has not been sampled.
_SINGULAR = 1e-8


def quasi_particle_constants(
    modes: Modes,
    supercell: Supercell,
    omega: Floats,
    omega_sem: Floats | None = None,
    temperature: float | None = None,
) -> tuple[ForceConstants, Bools]:
    """Force constants from the frequencies of sets of modes, in a run at ``temperature`` in K.

    Parameters
    ----------
    modes
        Modes at the q points of `half_space` of the supercell.
    omega
        (g,) frequency ω̃ of each set in rad/ps, negative if imaginary. Sets with nan keep the
        frequency and error of the modes.
    omega_sem
        (g,) standard errors in rad/ps. If they are None, or nan for a set that has a frequency,
        the force constants have no error bars.

    Returns
    -------
    constants
        All pairs of the supercell; replicates if all frequencies have errors.
    measured
        (g,) sets whose frequency was given.

    Raises
    ------
    DataError
        If the modes are not at the q points of the supercell, or the number of frequencies is
        not that of sets.
    """
    pairs = pair_list(supercell)
    check_commensurate(modes, pairs.space.qpoints)
    if omega.shape != (modes.n_sets,):
        raise DataError(
            f"{modes.n_sets} sets of modes need {modes.n_sets} frequencies, got an array of "
            f"shape {omega.shape}"
        )
    square, sem = _squares(modes, omega, omega_sem)
    values = pairs.values(_matrices(modes, square))
    replicates = None
    if sem is not None:
        bound = max(_FEWEST, min(_MOST, _BYTES // values.nbytes))
        signs = _replicate_signs(modes.n_sets, bound)
        steps = signs * (sem / np.sqrt(len(signs) - 1))
        replicates = np.empty((len(signs), *values.shape))
        for b, step in enumerate(steps):
            replicates[b] = pairs.values(_matrices(modes, square + step))
    return pairs.constants(values, replicates, temperature), np.isfinite(omega)


def check_commensurate(modes: Modes, qpoints: Floats) -> None:
    """Raise a `DataError` if modes are not at the q points of the supercell in their order."""
    if not modes.are_at(qpoints):
        raise DataError(
            "the modes are not at the q points of the supercell",
            fix="make them with modes_at(constants, *commensurate(supercell))",
        )


def _squares(
    modes: Modes, omega: Floats, omega_sem: Floats | None
) -> tuple[Floats, Floats | None]:
    """Signed ω̃² of each set and its standard error, in (rad/ps)²."""
    kept = ~np.isfinite(omega)
    harmonic, harmonic_sem = signed_squares(modes.omega, modes.omega_sem)
    square, sem = signed_squares(omega, omega_sem)
    square = np.where(kept, set_mean(harmonic, modes), square)
    if sem is None or (harmonic_sem is None and kept.any()):
        return square, None
    if harmonic_sem is not None:
        sem = np.where(kept, set_mean(harmonic_sem, modes), sem)
    return square, sem if np.isfinite(sem).all() else None


def _matrices(modes: Modes, square_g: Floats) -> Complexes:
    """D = Σ_m ω² e e† (q, 3s, 3s), without the acoustic modes at Γ."""
    return _spectral_sum(modes, np.where(modes.sets >= 0, square_g[modes.sets], 0.0))


def _spectral_sum(modes: Modes, square_qm: Floats) -> Complexes:
    """D = Σ_m ω² e e† (q, 3s, 3s) of ω² (q, m)."""
    e_qmk = modes.vectors.reshape(*modes.sets.shape, -1)
    return (e_qmk * square_qm[:, :, None]).swapaxes(1, 2) @ e_qmk.conj()


def _replicate_signs(n_sets: int, most: int) -> Floats:
    """Columns (b, g) of ±1 of zero sum; orthogonal if there are fewer sets than ``most``."""
    n_replicates = 2
    while n_replicates <= n_sets and 2 * n_replicates <= most:
        n_replicates *= 2
    columns: Floats = scipy.linalg.hadamard(n_replicates, dtype=float)[:, 1:]
    tables = [columns]
    # Columns of different tables are correlated by about 1/√B. The seed is fixed.
    random = np.random.default_rng(0)
    while len(tables) * (n_replicates - 1) < n_sets:
        tables.append(random.permutation(columns, axis=0))
    return np.concatenate(tables, axis=1)[:, :n_sets]


def green_function_constants(
    modes: Modes,
    supercell: Supercell,
    covariance: Complexes,
    frames: Ints,
    temperature: float,
    kinetic: Complexes | None = None,
) -> ForceConstants:
    """Force constants, with replicates, from covariances of mode coordinates.

    Parameters
    ----------
    modes
        Modes at the q points of `half_space` of the supercell. They serve as a basis; their
        frequencies are not used.
    covariance
        (b, q, m, m') ⟨Q Q†⟩ in eV ps² of each time block.
    frames
        (b,) number of frames in each block.
    temperature
        Temperature of the run in K, preferably the measured one.
    kinetic
        (b, q, m, m') ⟨Q̇ Q̇†⟩ in eV of each time block; k_BT of all modes by default.

    Raises
    ------
    DataError
        If the modes are not at the q points of the supercell, there are fewer than four blocks,
        or there are too few independent frames to invert the covariances.
    """
    pairs = pair_list(supercell)
    check_commensurate(modes, pairs.space.qpoints)
    if len(frames) < _FEWEST_BLOCKS:
        raise DataError(
            f"{len(frames)} blocks of time are too few for an error bar; at least "
            f"{_FEWEST_BLOCKS} are needed",
            fix="use more frames",
        )
    e_qmk = modes.vectors.reshape(*modes.sets.shape, -1)

    def sums(parts_bqmn: Complexes) -> Complexes:
        # w = Σ_m Q_m e_m, in Cartesian components
        cartesian = e_qmk.swapaxes(1, 2) @ (parts_bqmn @ e_qmk.conj())
        even = e_qmk.conj() @ star_mean(pairs.space, cartesian) @ e_qmk.swapaxes(1, 2)
        return even * frames[:, None, None, None]

    def values(covariance_qmn: Complexes, kinetic_qmn: Complexes) -> Floats:
        root_qmn = _root_of_matrix(covariance_qmn, kinetic_qmn, modes.sets >= 0)
        return pairs.values(e_qmk.swapaxes(1, 2) @ (root_qmn @ root_qmn) @ e_qmk.conj())

    if kinetic is None:
        thermal = BOLTZMANN * temperature * np.eye(modes.omega.shape[1], dtype=complex)
        kinetic = np.broadcast_to(thermal, covariance.shape)
    n_blocks, n_frames = len(frames), int(frames.sum())
    position, velocity = sums(covariance), sums(kinetic)
    all_position, all_velocity = position.sum(axis=0), velocity.sum(axis=0)
    plain = values(all_position / n_frames, all_velocity / n_frames)
    replicates = np.empty((n_blocks, *plain.shape))
    for b, left in enumerate(n_frames - frames):
        replicates[b] = values(
            (all_position - position[b]) / left, (all_velocity - velocity[b]) / left
        )
    unbiased = n_blocks * plain - (n_blocks - 1) * replicates.mean(axis=0)
    return pairs.constants(unbiased, replicates, temperature)


def with_frequencies(
    constants: ForceConstants, supercell: Supercell, frequency: Callable[[Floats], Floats]
) -> ForceConstants:
    """Convert the frequencies of all waves of a supercell, those of replicates too.

    `frequency` converts positive frequencies in rad/ps; imaginary ones are kept.
    """
    pairs = pair_list(supercell)

    def values(plain: Floats) -> Floats:
        bare = replace(constants, values=plain, replicates=None)
        modes = modes_at(bare, pairs.space.qpoints, pairs.space.weights)
        own = np.where(modes.oscillating, frequency(np.abs(modes.omega)), modes.omega)
        squares = np.where(modes.sets >= 0, own * np.abs(own), 0.0)
        return pairs.values(_spectral_sum(modes, squares))

    replicates = constants.replicates
    if replicates is not None:
        replicates = np.array([values(one) for one in replicates])
    return replace(constants, values=values(constants.values), replicates=replicates)


def with_slow_energies(
    constants: ForceConstants, modes: Modes, supercell: Supercell, omega_sem: Floats
) -> ForceConstants:
    """Widen the error bars of `green_function_constants` where lifetimes exceed its blocks.

    Replicates are added that shift ω² of one set of modes each, independently of the others, so
    that the frequencies at the q points of the supercell have the larger of the two errors.

    Parameters
    ----------
    constants
        Force constants with replicates from blocks of time.
    modes
        Their modes at the q points of `half_space`.
    omega_sem
        (g,) standard error of each frequency in rad/ps with slow energies; nan if unknown.
    """
    pairs = pair_list(supercell)
    check_commensurate(modes, pairs.space.qpoints)
    blocks, sems = constants.replicates, modes.omega_sem
    assert blocks is not None
    assert sems is not None
    missing = np.fmax(np.nan_to_num(omega_sem) ** 2 - set_mean(sems, modes) ** 2, 0.0)
    square_sem = 2.0 * np.abs(set_omega(modes)) * np.sqrt(missing)
    bound = max(_FEWEST, min(_MOST, _BYTES // constants.values.nbytes))
    signs = _replicate_signs(modes.n_sets, bound)
    shifts = [
        pairs.values(_matrices(modes, row * square_sem)) / np.sqrt(len(signs) - 1)
        for row in signs
    ]
    # The jackknife variance (B − 1)/B Σ δ² of all is the sum of those of the parts.
    parts = (blocks - blocks.mean(axis=0), np.array(shifts))
    whole = sum(map(len, parts))
    scaled = [part * np.sqrt((1.0 - 1.0 / len(part)) / (1.0 - 1.0 / whole)) for part in parts]
    return replace(constants, replicates=constants.values + np.concatenate(scaled))


def _root_of_matrix(
    covariance_qmn: Complexes, kinetic_qmn: Complexes, moving_qm: Bools
) -> Complexes:
    """G (q, m, m') in rad/ps with G ⟨QQ†⟩ G = ⟨Q̇Q̇†⟩; zero for the acoustic modes at Γ."""
    one = np.eye(moving_qm.shape[1])
    both = moving_qm[:, :, None] & moving_qm[:, None, :]
    c_qmn, v_qmn = (np.where(both, part, one) for part in (covariance_qmn, kinetic_qmn))
    _check_sampled(c_qmn)
    # With ⟨QQ†⟩ = L L†: G = L⁻† (L† V L)^½ L⁻¹
    lower = np.linalg.cholesky(c_qmn)
    upper = lower.conj().swapaxes(1, 2)
    square_qk, vectors = np.linalg.eigh(upper @ v_qmn @ lower)
    root_qk = np.sqrt(np.maximum(square_qk, 0.0))
    solved = np.linalg.solve(upper, vectors)
    g_qmn = (solved * root_qk[:, None, :]) @ solved.conj().swapaxes(1, 2)
    return np.where(both, g_qmn, 0.0)


def _check_sampled(covariance_qmn: Complexes) -> None:
    """Raise a `DataError` if some combination of modes has not been sampled."""
    size_qm = np.sqrt(np.maximum(np.einsum("qmm->qm", covariance_qmn).real, 0.0))
    scale_qmn = size_qm[:, :, None] * size_qm[:, None, :]
    sampled = bool((size_qm > 0.0).all())
    if sampled:
        lowest = np.linalg.eigvalsh(covariance_qmn / scale_qmn)[:, 0]
        sampled = bool((lowest > _SINGULAR).all())
    if not sampled:
        raise DataError(
            "the displacement covariances cannot be inverted",
            why="there are fewer independent frames than branches, or atoms do not move",
            fix="run longer",
        )
