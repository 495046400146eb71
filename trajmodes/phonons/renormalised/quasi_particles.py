"""Renormalised dispersion: measured frequencies put back on the polarisation vectors.

At the q points of the supercell D(q) = Σ_m ω̃²_m e_m e_m†, with the quasi-particle frequencies
ω̃ in place of those of the constants (the normal-mode decomposition of T. Sun, D.-B. Zhang,
R. M. Wentzcovitch, Phys. Rev. B 89, 094109 (2014); A. Carreras, A. Togo, I. Tanaka, Comput.
Phys. Commun. 221, 221 (2017)). Back in real space these are force constants, whose bands go
through every ω̃ and are interpolated between.

Errors of the frequencies are taken as independent from set to set. They are handed on as
replicates: replicate b moves ω̃² of set g by h_bg σ_g/√(B − 1), h being columns of ±1 that
add up to zero. (B − 1)/B Σ_b (g_b − ḡ)² of the jackknife is then σ_g² for one set, and
Σ_g (∂/∂ω̃²_g)² σ_g² for anything linear, as the columns are orthogonal. With more sets than
columns in bounded memory some columns are only nearly so; the errors at the q points of the
supercell stay exact, for sums over one set do not see the other ones.
"""

import numpy as np
import scipy.linalg

from trajmodes.arrays import Bools, Complexes, Floats
from trajmodes.data.crystal import Supercell
from trajmodes.data.force_constants import ForceConstants
from trajmodes.data.modes import Modes, signed_squares
from trajmodes.errors import DataError
from trajmodes.phonons.renormalised.supercell_matrices import pair_list
from trajmodes.symmetry.mode_sets import set_mean

# Replicates take at most this much memory, but there are never fewer than the least number.
_BYTES = 128 * 2**20
_FEWEST, _MOST = 32, 1024


def renormalised(
    modes: Modes,
    supercell: Supercell,
    omega: Floats,
    omega_sem: Floats | None = None,
    temperature: float | None = None,
) -> tuple[ForceConstants, Bools]:
    """Force constants from the frequencies of sets of modes.

    Parameters
    ----------
    modes
        Modes at the q points of `half_space` of the supercell.
    supercell
        The supercell of the run.
    omega
        (g,) frequency ω̃ of each set in rad/ps, negative for an imaginary one; nan where it is
        not known: that of the modes is kept.
    omega_sem
        (g,) standard errors in rad/ps; those of kept sets are taken from the modes. None, or
        nan for a set that is not kept, gives constants without error bars.
    temperature
        Temperature of the run in K.

    Returns
    -------
    constants
        Pairs of the whole supercell; replicates where all frequencies have errors.
    own
        (g,) sets whose frequency was given; that of the others was left as it was.

    Raises
    ------
    DataError
        If the modes are not at the q points of the supercell, or there is not one frequency
        for each set.
    """
    pairs = pair_list(supercell)
    check_commensurate(modes, pairs.space.qpoints)
    if omega.shape != (modes.n_sets,):
        raise DataError(
            f"{modes.n_sets} sets of modes need as many frequencies, got shape {omega.shape}"
        )
    square, sem = _squares(modes, omega, omega_sem)
    values = pairs.values(_matrices(modes, square))
    replicates = None
    if sem is not None:
        bound = max(_FEWEST, min(_MOST, _BYTES // values.nbytes))
        codes = _codes(modes.n_sets, bound)
        steps = codes * (sem / np.sqrt(len(codes) - 1))
        replicates = np.empty((len(codes), *values.shape))
        for b, step in enumerate(steps):
            replicates[b] = pairs.values(_matrices(modes, square + step))
    return pairs.constants(values, replicates, temperature), np.isfinite(omega)


def check_commensurate(modes: Modes, qpoints: Floats) -> None:
    """Raise a `DataError` if modes are not at the q points of the supercell, in their order."""
    same = modes.qpoints.shape == qpoints.shape and np.allclose(
        modes.qpoints, qpoints, rtol=0.0, atol=1e-9
    )
    if not same:
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
    """(q, 3s, 3s) D = Σ_m ω² e e†, without the acoustic modes at Γ."""
    square_qm = np.where(modes.sets >= 0, square_g[modes.sets], 0.0)
    e_qmk = modes.vectors.reshape(*modes.sets.shape, -1)
    matrices: Complexes = (e_qmk * square_qm[:, :, None]).swapaxes(1, 2) @ e_qmk.conj()
    return matrices


def _codes(n_sets: int, most: int) -> Floats:
    """(b, g) columns of ±1 that add up to zero; orthogonal if most exceeds the sets."""
    n_codes = 2
    while n_codes <= n_sets and 2 * n_codes <= most:
        n_codes *= 2
    columns: Floats = scipy.linalg.hadamard(n_codes, dtype=float)[:, 1:]
    tables = [columns]
    # Always the same shuffles: columns of different tables are correlated by about 1/√B.
    shuffle = np.random.default_rng(0)
    while len(tables) * (n_codes - 1) < n_sets:
        tables.append(shuffle.permutation(columns, axis=0))
    return np.concatenate(tables, axis=1)[:, :n_sets]
