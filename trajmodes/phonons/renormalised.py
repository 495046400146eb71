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

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from trajmodes.arrays import Bools, Complexes, Floats, freeze
from trajmodes.data import ForceConstants, Modes, Supercell
from trajmodes.errors import DataError
from trajmodes.phonons.diagonalize import squared_thz
from trajmodes.phonons.supercell_matrices import pair_list
from trajmodes.symmetry.mode_sets import set_mean
from trajmodes.units import THZ

__all__ = ["Renormalised", "check_commensurate", "renormalised"]

# Replicates take at most this much memory, but there are never fewer than the least number.
_BYTES = 128 * 2**20
_FEWEST, _MOST = 32, 1024


@dataclass(frozen=True, slots=True)
class Renormalised:
    """Force constants that give measured frequencies at the q points of a supercell."""

    constants: ForceConstants
    """Pairs of the whole supercell; replicates where all frequencies have errors."""
    kept: Bools
    """(g,) sets whose frequency is not known and was left as it was."""

    def __post_init__(self) -> None:
        freeze(self, {}, bool, kept="g")


def renormalised(
    modes: Modes,
    supercell: Supercell,
    freq_thz: Floats,
    freq_thz_sem: Floats | None = None,
    temperature: float | None = None,
) -> Renormalised:
    """Force constants from the frequencies of sets of modes.

    Parameters
    ----------
    modes
        Modes at the q points of `half_space` of the supercell.
    supercell
        The supercell of the run.
    freq_thz
        (g,) frequency ω̃/2π of each set in THz, negative for an imaginary one; nan where it is
        not known: that of the modes is kept.
    freq_thz_sem
        (g,) standard errors in THz; those of kept sets are taken from the modes. None, or nan
        for a set that is not kept, gives constants without error bars.
    temperature
        Temperature of the run in K.

    Raises
    ------
    DataError
        If the modes are not at the q points of the supercell, or there is not one frequency
        for each set.
    """
    pairs = pair_list(supercell)
    check_commensurate(modes, pairs.space.qpoints)
    if freq_thz.shape != (modes.n_sets,):
        raise DataError(
            f"{modes.n_sets} sets of modes need as many frequencies, got shape {freq_thz.shape}"
        )
    kept = ~np.isfinite(freq_thz)
    square, sem = _squares(modes, freq_thz, freq_thz_sem)
    values = pairs.values(_matrices(modes, square))
    replicates = None
    if sem is not None:
        bound = max(_FEWEST, min(_MOST, _BYTES // values.nbytes))
        codes = _codes(modes.n_sets, bound)
        steps = codes * (sem / np.sqrt(len(codes) - 1))
        replicates = np.empty((len(codes), *values.shape))
        for b, step in enumerate(steps):
            replicates[b] = pairs.values(_matrices(modes, square + step))
    return Renormalised(pairs.constants(values, replicates, temperature), kept)


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
    modes: Modes, freq_thz: Floats, sem_thz: Floats | None
) -> tuple[Floats, Floats | None]:
    """Signed ω̃² of each set and its standard error, in (rad/ps)²."""
    kept = ~np.isfinite(freq_thz)
    harmonic, harmonic_sem = squared_thz(modes)
    omega = freq_thz * THZ
    square = np.where(kept, set_mean(harmonic, modes) * THZ**2, omega * np.abs(omega))
    if sem_thz is None or (harmonic_sem is None and kept.any()):
        return square, None
    # |√|x + δ| − √|x|| ≤ √|δ|: an error s of ω is one of ω² of max(2|ω|s, s²).
    sem = np.maximum(2.0 * np.abs(omega) * sem_thz * THZ, (sem_thz * THZ) ** 2)
    if harmonic_sem is not None:
        sem = np.where(kept, set_mean(harmonic_sem, modes) * THZ**2, sem)
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
