"""Force constants from displacement covariances: the estimate by the Green's function.

In a classical harmonic crystal ⟨w w†⟩ = k_BT D(q)⁻¹ for the mass-weighted amplitudes w at q,
so that D(q) = k_BT ⟨w w†⟩⁻¹: C. Campañá, M. H. Müser, Phys. Rev. B 74, 075420 (2006);
L. T. Kong, Comput. Phys. Commun. 182, 2201 (2011). No forces are needed, and every branch of a
q is taken together, so that polarisation vectors are found too. In an anharmonic crystal D is
the quadratic form with the covariances of the run.

A run that is not much longer than the lifetimes leaves each mode with an energy of its own, far
from k_BT, and no block of time shows how far. Where there are velocities their covariances
V = ⟨ẇ ẇ†⟩, with the mean k_BT, take its place, and D = G² with the G that makes
G ⟨w w†⟩ G = V, the geometric mean of V and ⟨w w†⟩⁻¹. For modes that are not correlated this is
⟨|Q̇|²⟩/⟨|Q|²⟩ of each, from which the slow energy drops out; with V = k_BT it is the formula
above. What the velocities of an integrator lack shows: with velocity Verlet ω is too low by
ω (ωΔt)²/8.

Covariances are first averaged over the space group. The inverse of a mean over n independent
samples of p components is too large by n/(n − p) (the mean of an inverse Wishart matrix).
Frames are not independent, and n is not known: the jackknife over time blocks removes the bias
to first order in 1/n, D = B D̂ − (B − 1) mean_b D̂_(b), with D̂_(b) from all blocks but one. The
same D̂_(b) are the replicates that carry the error bars. Without velocities these are honest
only where a block is longer than the lifetimes.
"""

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes
from trajmodes.errors import DataError
from trajmodes.phonons.renormalised.quasi_particles import check_commensurate
from trajmodes.phonons.renormalised.supercell_matrices import pair_list, star_mean
from trajmodes.units import BOLTZMANN

_FEWEST_BLOCKS = 4
# Smallest eigenvalue of a matrix of correlation coefficients; below, a combination of modes has
# not been sampled.
_SINGULAR = 1e-8


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
        Modes at the q points of `half_space` of the supercell: a basis, whatever their
        frequencies.
    supercell
        The supercell of the run.
    covariance
        (b, q, m, m') ⟨Q Q†⟩ in eV ps² of each time block.
    frames
        (b,) number of frames in each block.
    temperature
        Temperature of the run in K, better the measured one.
    kinetic
        (b, q, m, m') ⟨Q̇ Q̇†⟩ in eV of each time block; k_BT of all modes where not given.

    Raises
    ------
    DataError
        If the modes are not at the q points of the supercell, there are fewer than four blocks,
        or so few independent frames that the covariances cannot be inverted.
    """
    pairs = pair_list(supercell)
    check_commensurate(modes, pairs.space.qpoints)
    if len(frames) < _FEWEST_BLOCKS:
        raise DataError(
            f"{len(frames)} blocks of time are too few for an error bar, "
            f"{_FEWEST_BLOCKS} are the least",
            fix="use more frames",
        )
    e_qmk = modes.vectors.reshape(*modes.sets.shape, -1)

    def sums(parts_bqmn: Complexes) -> Complexes:
        # w = Σ_m Q_m e_m, in Cartesian components
        cartesian = e_qmk.swapaxes(1, 2) @ (parts_bqmn @ e_qmk.conj())
        even = e_qmk.conj() @ star_mean(pairs.space, cartesian) @ e_qmk.swapaxes(1, 2)
        return even * frames[:, None, None, None]

    def values(covariance_qmn: Complexes, kinetic_qmn: Complexes) -> Floats:
        root_qmn = _root_of_d(covariance_qmn, kinetic_qmn, modes.sets >= 0)
        return pairs.values(e_qmk.swapaxes(1, 2) @ (root_qmn @ root_qmn) @ e_qmk.conj())

    if kinetic is None:
        thermal = BOLTZMANN * temperature * np.eye(modes.omega.shape[1], dtype=complex)
        kinetic = np.broadcast_to(thermal, covariance.shape)
    n_blocks, n_frames = len(frames), int(frames.sum())
    moved, speed = sums(covariance), sums(kinetic)
    total, total_speed = moved.sum(axis=0), speed.sum(axis=0)
    plain = values(total / n_frames, total_speed / n_frames)
    replicates = np.empty((n_blocks, *plain.shape))
    for b, left in enumerate(n_frames - frames):
        replicates[b] = values((total - moved[b]) / left, (total_speed - speed[b]) / left)
    unbiased = n_blocks * plain - (n_blocks - 1) * replicates.mean(axis=0)
    return pairs.constants(unbiased, replicates, temperature)


def _root_of_d(
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
    turned = np.linalg.solve(upper, vectors)
    g_qmn = (turned * root_qk[:, None, :]) @ turned.conj().swapaxes(1, 2)
    result: Complexes = np.where(both, g_qmn, 0.0)
    return result


def _check_sampled(covariance_qmn: Complexes) -> None:
    """Raise a `DataError` if some combination of modes has hardly moved."""
    size_qm = np.sqrt(np.maximum(np.einsum("qmm->qm", covariance_qmn).real, 0.0))
    scale_qmn = size_qm[:, :, None] * size_qm[:, None, :]
    sampled = bool((size_qm > 0.0).all())
    if sampled:
        lowest = np.linalg.eigvalsh(covariance_qmn / scale_qmn)[:, 0]
        sampled = bool((lowest > _SINGULAR).all())
    if not sampled:
        raise DataError(
            "displacement covariances cannot be inverted",
            why="there are fewer independent frames than branches, or atoms do not move",
            fix="run longer",
        )
