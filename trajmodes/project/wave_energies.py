"""Energies of the waves that run and of those that stand.

Where q ≠ −q a complex amplitude is two waves, and each has an energy of its own,

    E± = ½|ωQ ± iQ̇|²,      where q = −q there is one,      E = ½(ω²|Q|² + |Q̇|²).

None of them oscillates at 2ω, as the kinetic energy would, and all are on average k_BT in a
harmonic crystal, with the variance (k_BT)².
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from trajmodes.arrays import Complexes, Floats, Ints
from trajmodes.data import Modes
from trajmodes.errors import DataError
from trajmodes.project.coordinates import Amplitudes

__all__ = ["Waves", "waves"]


@dataclass(frozen=True, slots=True)
class Waves:
    """Series (i) of energies: first one for each mode used (j), then all their other waves."""

    used: Ints
    """(j,) numbers of the modes that belong to a set and have ω² > 0, q before m."""
    second: Ints
    """(j,) number of the series of the other wave; −1 where there is none."""
    omega: Floats
    """(j,), unit: rad/ps."""
    sets: Ints
    """(i,) set of every series."""
    n_sets: int
    """Number of sets, those without a series included."""

    def energies(self, amplitudes: Amplitudes, frames: slice, squares: Floats) -> Floats:
        """Energies of the waves.

        Parameters
        ----------
        amplitudes
            The amplitudes.
        frames
            Which of their frames to take.
        squares
            (2, j), unit: eV; Σ|Q̇|² and Σ ω²|Q|² over these frames are added to it.

        Returns
        -------
        (i, t), unit: eV.

        Raises
        ------
        DataError
            If the run has no velocities.
        """
        if amplitudes.velocity is None:
            raise DataError(
                "energies of modes need velocities, and the trajectory has none",
                why="velocities differenced from positions are attenuated",
                fix="dump vx vy vz",
            )
        n_q, n_m, _ = amplitudes.coordinate.shape
        found = np.empty((len(self.sets), frames.stop - frames.start))
        q_nt, v_nt = (
            field[..., frames].reshape(n_q * n_m, -1)
            for field in (amplitudes.coordinate, amplitudes.velocity)
        )
        _fill_energies(q_nt, v_nt, (self.omega, self.used, self.second), found, squares)
        return found

    def totals(self, squares: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Sum up (g,) over the series of each set: 1, 1 if it stands, |Q̇|², ω²|Q|² and ω."""
        weights = np.where(self.second < 0, 1.0, 2.0)
        sets = self.sets[: len(self.used)]

        def total(values: Floats) -> Floats:
            return np.bincount(sets, weights * values, self.n_sets).astype(float)

        one = np.ones(len(sets))
        stands = (self.second < 0).astype(float)
        kinetic, potential = squares
        return total(one), total(stands), total(kinetic), total(potential), total(self.omega)


def waves(modes: Modes) -> Waves:
    """List the waves of modes.

    Parameters
    ----------
    modes
        Modes with their sets.
    """
    labels, omega = modes.sets.ravel(), modes.omega.ravel()
    used = np.flatnonzero((labels >= 0) & (omega > 0.0))
    twofold = np.repeat(modes.weights, modes.omega.shape[1])[used] == 2
    second = np.where(twofold, len(used) + np.cumsum(twofold) - 1, -1)
    sets = np.concatenate([labels[used], labels[used][twofold]])
    return Waves(used, second, omega[used], sets, modes.n_sets)


# Sums in any order ("reassoc") are what makes the innermost loop one of vectors.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _fill_energies(
    q_mt: Complexes,
    v_mt: Complexes,
    lines: tuple[Floats, Ints, Ints],
    energies: Floats,
    squares: Floats,
) -> None:
    """Energies (i, t) of modes, and Σ|Q̇|² and Σ ω²|Q|² of each.

    Lines are ω, the number of the mode, and the number of the series of its other wave, −1
    where there is none.
    """
    omegas, modes, seconds = lines
    for i in range(len(modes)):
        q_t, v_t, omega, second = q_mt[modes[i]], v_mt[modes[i]], omegas[i], seconds[i]
        kinetic = potential = 0.0
        for t in range(len(q_t)):
            q, v = omega * q_t[t], v_t[t]
            square = q.real * q.real + q.imag * q.imag
            speed = v.real * v.real + v.imag * v.imag
            kinetic += speed
            potential += square
            energies[i, t] = 0.5 * (square + speed)
        squares[0, i] += kinetic
        squares[1, i] += potential
        if second >= 0:
            for t in range(len(q_t)):
                q, v = omega * q_t[t], v_t[t]
                # |ωQ ± iQ̇|² = ω²|Q|² + |Q̇|² ∓ 2ω Im Q*Q̇
                turn = q.real * v.imag - q.imag * v.real
                energies[second, t] = energies[i, t] + turn
                energies[i, t] -= turn
