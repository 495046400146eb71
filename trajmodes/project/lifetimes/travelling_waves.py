"""Energies of the waves that run and of those that stand.

Where q ≠ −q a complex amplitude is two waves, and each has an energy of its own,

    E± = ½|a±|²,  a± = ωQ ± iQ̇,      where q = −q there is one,      E = ½(ω²|Q|² + |Q̇|²).

None of them oscillates at 2ω, as the kinetic energy would, and all are on average k_BT in a
harmonic crystal, with the variance (k_BT)².

The vectors of a degenerate level of one q are any basis of its space, and energies in another
basis are others. What no unitary mixing U of the level changes is the product of matrices

    M_ij = ½ a_i a_j*,   M → U M U†,      Σ_ij M_ij(0) M_ij*(t) = tr M(0)M(t),

one M for each direction of travel. Beside the energies M_ii it has the coherences √2 Re M_ij
and √2 Im M_ij, i < j, whose mean is zero and whose variance is (k_BT)² too. Where q = −q the
amplitudes of a level are real ones times a matrix U that may be complex: a₊ takes the same U,
a₋ tells the same over again, and M of a₊ alone is taken. Its diagonal is E wherever the vector
is real up to a phase; its trace is ΣE always.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.project.projector import Amplitudes

_ROOT_HALF = np.sqrt(0.5)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums (g,) over the energies of each set, and over its coherences where told."""

    members: Floats
    """1."""
    components: Floats
    """1, coherences included."""
    standing: Floats
    """1 if it stands."""
    kinetic: Floats
    """Unit: eV. |Q̇|²."""
    potential: Floats
    """Unit: eV. ω²|Q|²."""
    omega: Floats
    """Unit: rad/ps."""


@dataclass(frozen=True, slots=True)
class Waves:
    """Series (i): an energy of each mode used (j), those of other waves, then coherences."""

    used: Ints
    """(j,) numbers of the modes that belong to a set and have ω² > 0, q before m."""
    second: Ints
    """(j,) number of the series of the other wave; −1 where there is none."""
    alone: Bools
    """(j,) whether no other mode of this q is in its set."""
    pairs: Ints
    """(p, 3) for every two modes of one level their j, and the first series of their
    coherences: two, or four where there are two waves."""
    omega: Floats
    """(j,), unit: rad/ps."""
    sets: Ints
    """(i,) set of every series."""
    n_energies: int
    """Number of series that are energies."""
    n_sets: int
    """Number of sets, those without a series included."""

    def energies(self, amplitudes: Amplitudes, frames: slice, squares: Floats) -> Floats:
        """Energies of the waves, and the coherences of degenerate ones.

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
        velocity = amplitudes.velocity_or_raise("energies of modes need velocities")
        n_q, n_m, _ = amplitudes.coordinate.shape
        found = np.empty((len(self.sets), frames.stop - frames.start))
        q_nt, v_nt = (
            field[..., frames].reshape(n_q * n_m, -1)
            for field in (amplitudes.coordinate, velocity)
        )
        lines = (self.omega, self.used, self.second, self.alone)
        _fill_energies(q_nt, v_nt, lines, found, squares)
        _fill_coherences(q_nt, v_nt, lines[:3], self.pairs, found)
        return found

    def totals(self, squares: Floats) -> Totals:
        """Sum up over the series of each set."""
        weights = np.where(self.second < 0, 1.0, 2.0)
        sets = self.sets[: len(self.used)]

        def total(values: Floats) -> Floats:
            return np.bincount(sets, weights * values, self.n_sets).astype(float)

        kinetic, potential = squares
        return Totals(
            members=total(np.ones(len(sets))),
            components=np.bincount(self.sets, minlength=self.n_sets).astype(float),
            standing=total((self.second < 0).astype(float)),
            kinetic=total(kinetic),
            potential=total(potential),
            omega=total(self.omega),
        )


def waves(modes: Modes) -> Waves:
    """List the waves of modes.

    Parameters
    ----------
    modes
        Modes with their sets. Those of one q in one set are a degenerate level.
    """
    labels, omega = modes.sets.ravel(), modes.omega.ravel()
    n_m = modes.omega.shape[1]
    used = np.flatnonzero((labels >= 0) & (omega > 0.0))
    twofold = np.repeat(modes.weights, n_m)[used] == 2
    second = np.where(twofold, len(used) + np.cumsum(twofold) - 1, -1)
    n_energies = len(used) + int(twofold.sum())
    # A level is a q and a set.
    _, level, size = np.unique(
        used // n_m * modes.n_sets + labels[used], return_inverse=True, return_counts=True
    )
    one, two = _pairs_within(level, int(size.max(initial=1)))
    n_series = np.where(twofold[one], 4, 2)
    first = n_energies + np.cumsum(n_series) - n_series
    coherent = np.repeat(labels[used][one], n_series)
    return Waves(
        used=used,
        second=second,
        alone=size[level] == 1,
        pairs=np.stack([one, two, first], axis=1),
        omega=omega[used],
        sets=np.concatenate([labels[used], labels[used][twofold], coherent]),
        n_energies=n_energies,
        n_sets=modes.n_sets,
    )


def _pairs_within(level: Ints, largest: int) -> tuple[Ints, Ints]:
    """Every two places of the same level, of which the largest has so many."""
    order = np.argsort(level, kind="stable")
    ones, twos = [order[:0]], [order[:0]]
    for apart in range(1, largest):
        one, two = order[:-apart], order[apart:]
        same = level[one] == level[two]
        ones.append(one[same])
        twos.append(two[same])
    return np.concatenate(ones), np.concatenate(twos)


# Sums in any order ("reassoc") are what makes the innermost loop one of vectors.
@njit(nogil=True, cache=True, fastmath={"reassoc", "contract"})
def _fill_energies(
    q_mt: Complexes,
    v_mt: Complexes,
    lines: tuple[Floats, Ints, Ints, Bools],
    energies: Floats,
    squares: Floats,
) -> None:
    """Energies (i, t) of modes, and Σ|Q̇|² and Σ ω²|Q|² of each.

    Lines are ω, the number of the mode, the number of the series of its other wave, −1 where
    there is none, and whether it is the only one of its level.
    """
    omegas, modes, seconds, alone = lines
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
        if second >= 0 or not alone[i]:
            for t in range(len(q_t)):
                q, v = omega * q_t[t], v_t[t]
                # |ωQ ± iQ̇|² = ω²|Q|² + |Q̇|² ∓ 2ω Im Q*Q̇
                turn = q.real * v.imag - q.imag * v.real
                if second >= 0:
                    energies[second, t] = energies[i, t] + turn
                energies[i, t] -= turn


@njit(nogil=True, cache=True)
def _fill_coherences(
    q_mt: Complexes,
    v_mt: Complexes,
    lines: tuple[Floats, Ints, Ints],
    pairs: Ints,
    series: Floats,
) -> None:
    """√2 Re M_ij and √2 Im M_ij of a₊, then those of a₋, of pairs of modes; see above."""
    omegas, modes, seconds = lines
    for p in range(len(pairs)):
        i, j, first = pairs[p]
        q_i, v_i, q_j, v_j = q_mt[modes[i]], v_mt[modes[i]], q_mt[modes[j]], v_mt[modes[j]]
        for t in range(len(q_i)):
            q, v, r, w = omegas[i] * q_i[t], v_i[t], omegas[j] * q_j[t], v_j[t]
            # (q + iv)(r + iw)* = (qr* + vw*) + i(vr* − qw*)
            even = q * r.conjugate() + v * w.conjugate()
            odd = v * r.conjugate() - q * w.conjugate()
            series[first, t] = _ROOT_HALF * (even.real - odd.imag)
            series[first + 1, t] = _ROOT_HALF * (even.imag + odd.real)
            if seconds[i] >= 0:
                series[first + 2, t] = _ROOT_HALF * (even.real + odd.imag)
                series[first + 3, t] = _ROOT_HALF * (even.imag - odd.real)
