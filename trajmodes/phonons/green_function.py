"""Force constants from displacement covariances: the estimate by the Green's function.

In a classical harmonic crystal ⟨w w†⟩ = k_BT D(q)⁻¹ for the mass-weighted amplitudes w at q,
so that D(q) = k_BT ⟨w w†⟩⁻¹: C. Campañá, M. H. Müser, Phys. Rev. B 74, 075420 (2006);
L. T. Kong, Comput. Phys. Commun. 182, 2201 (2011). No forces are needed, and every branch of a
q is taken together, so that polarisation vectors are found too. In an anharmonic crystal D is
the quadratic form with the covariances of the run.

Covariances are first averaged over the space group. The inverse of a mean over n independent
samples of p components is too large by n/(n − p) (the mean of an inverse Wishart matrix).
Frames are not independent, and n is not known: the jackknife over time blocks removes the bias
to first order in 1/n, D = B D̂ − (B − 1) mean_b D̂_(b), with D̂_(b) from all blocks but one. The
same D̂_(b) are the replicates that carry the error bars, which are honest where a block is
longer than the lifetimes.
"""

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data import ForceConstants, Modes, Supercell
from trajmodes.errors import DataError
from trajmodes.phonons.renormalised import check_commensurate
from trajmodes.phonons.supercell_matrices import pair_list, star_mean
from trajmodes.units import BOLTZMANN

__all__ = ["green_function_constants"]

_FEWEST_BLOCKS = 4
# Smallest eigenvalue of a covariance matrix relative to the largest, after scaling each by the
# frequencies of the modes; below, a combination of modes has not been sampled.
_SINGULAR = 1e-8


def green_function_constants(
    modes: Modes,
    supercell: Supercell,
    covariance: Complexes,
    frames: Ints,
    temperature: float,
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
    # w = Σ_m Q_m e_m, in Cartesian components
    cartesian = e_qmk.swapaxes(1, 2) @ (covariance @ e_qmk.conj())
    even = e_qmk.conj() @ star_mean(pairs.space, cartesian) @ e_qmk.swapaxes(1, 2)
    sums = even * frames[:, None, None, None]
    total, n_frames, moving = sums.sum(axis=0), int(frames.sum()), modes.sets >= 0

    def values(covariance_qmn: Complexes) -> Floats:
        d_qmn = BOLTZMANN * temperature * _inverse(covariance_qmn, moving)
        return pairs.values(e_qmk.swapaxes(1, 2) @ d_qmn @ e_qmk.conj())

    plain = values(total / n_frames)
    replicates = np.stack(
        [
            values((total - part) / (n_frames - count))
            for part, count in zip(sums, frames, strict=True)
        ]
    )
    n_blocks = len(frames)
    unbiased = n_blocks * plain - (n_blocks - 1) * replicates.mean(axis=0)
    return pairs.constants(unbiased, replicates, temperature)


def _inverse(covariance_qmn: Complexes, moving_qm: Bools) -> Complexes:
    """Inverse within the modes that move; zero for the acoustic ones at Γ."""
    both = moving_qm[:, :, None] & moving_qm[:, None, :]
    n_modes = moving_qm.shape[1]
    square_qm = np.einsum("qmm->qm", covariance_qmn).real
    size_qm = np.sqrt(np.where(moving_qm & (square_qm > 0.0), square_qm, 1.0))
    scaled = np.where(both, covariance_qmn, np.eye(n_modes))
    scaled = scaled / (size_qm[:, :, None] * size_qm[:, None, :])
    lowest = np.linalg.eigvalsh(scaled)[:, 0].min(initial=1.0)
    if not lowest > _SINGULAR:
        raise DataError(
            "displacement covariances cannot be inverted",
            why="there are fewer independent frames than branches, or atoms do not move",
            fix="run longer",
        )
    inverse = np.linalg.inv(scaled) / (size_qm[:, :, None] * size_qm[:, None, :])
    return np.where(both, inverse, 0.0)
