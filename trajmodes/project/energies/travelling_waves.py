"""Energies of travelling and of standing waves.

Where q ≠ −q a complex amplitude consists of two waves, each with its own energy,

    E± = ½|a±|²,  a± = ωQ ± iQ̇,      where q = −q there is one,      E = ½(ω²|Q|² + |Q̇|²).

None of them oscillates at 2ω, unlike the kinetic energy, and in a harmonic crystal all have the
mean k_BT and the variance (k_BT)².

The polarisation vectors of a degenerate level at one q are an arbitrary basis, and the energies
depend on it. The product of matrices

    M_ij = ½ a_i a_j*,   M → U M U†,      Σ_ij M_ij(0) M_ij*(t) = tr M(0)M(t),

one M for each direction of travel, does not change under a unitary mixing U of the level.
Besides the energies M_ii it contains the coherences √2 Re M_ij and √2 Im M_ij, i < j, with zero
mean and also with the variance (k_BT)². Where q = −q the amplitudes of a level are real ones
times a matrix U that may be complex: a₊ is multiplied by the same U, a₋ carries the same
information, and only M of a₊ is used. Its diagonal is E if the vector is real up to a phase;
its trace is always ΣE.
"""

from dataclasses import dataclass

import numpy as np

from trajmodes.arrays import Bools, Complexes, Floats, Ints
from trajmodes.data.modes import Modes
from trajmodes.kernels import kernel, scalar_product
from trajmodes.project.projector import Amplitudes

_ROOT_HALF = np.sqrt(0.5)


@dataclass(frozen=True, slots=True)
class Waves:
    """Series (i): an energy of each mode used (j), those of opposite waves, then coherences."""

    used: Ints
    """(j,) indices of the modes that belong to a set and have ω² > 0, in the order (q, m)."""
    second: Ints
    """(j,) index of the series of the opposite wave; −1 where there is none."""
    alone: Bools
    """(j,) whether the mode is the only one of its level."""
    pairs: Ints
    """(p, 3) for every two modes of one level their j, and the index of the first of their
    coherences: two, or four where there are two waves."""
    omega: Floats
    """(j,), unit: rad/ps."""
    sets: Ints
    """(i,) set of every series."""
    n_energies: int
    """Number of series that are energies."""
    n_sets: int
    """Number of sets, including those without a series."""

    def energies(self, amplitudes: Amplitudes, frames: slice, squares: Floats) -> Floats:
        """Return the energies of waves and the coherences of degenerate modes (i, t) in eV.

        Σ|Q̇|² and Σ ω²|Q|² over these frames are added to `squares` (2, j) in eV.

        Raises
        ------
        DataError
            If the run has no velocities or no positions.
        """
        velocity = amplitudes.velocity_or_raise("energies of modes need velocities")
        coordinate = amplitudes.coordinate_or_raise("energies of modes need positions")
        n_q, n_m, _ = coordinate.shape
        found = np.empty((len(self.sets), frames.stop - frames.start))
        q_nt, v_nt = (
            field[..., frames].reshape(n_q * n_m, -1) for field in (coordinate, velocity)
        )
        lines = (self.omega, self.used, self.second, self.alone)
        _fill_energies(q_nt, v_nt, lines, found, squares)
        _fill_coherences(q_nt, v_nt, lines[:3], self.pairs, found)
        return found

    def total(self, values: Floats | Bools) -> Floats:
        """Sum (g,) over the energies of each set, from values (j,) of the modes."""
        weights = np.where(self.second < 0, 1.0, 2.0)
        sets = self.sets[: len(self.used)]
        return np.bincount(sets, weights * values, self.n_sets).astype(float)


def waves(modes: Modes) -> Waves:
    """List the waves of modes; modes of one q in one set form a degenerate level."""
    labels, omega = modes.sets.ravel(), modes.omega.ravel()
    n_m = modes.omega.shape[1]
    used = np.flatnonzero(modes.oscillating)
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
    """Return all pairs of positions of one level; the largest level has `largest` members."""
    order = np.argsort(level, kind="stable")
    ones, twos = [order[:0]], [order[:0]]
    for apart in range(1, largest):
        one, two = order[:-apart], order[apart:]
        same = level[one] == level[two]
        ones.append(one[same])
        twos.append(two[same])
    return np.concatenate(ones), np.concatenate(twos)


@kernel()
def _fill_energies(
    q_mt: Complexes,
    v_mt: Complexes,
    lines: tuple[Floats, Ints, Ints, Bools],
    energies: Floats,
    squares: Floats,
) -> None:
    """Store the energies (i, t) of modes, and add Σ|Q̇|² and Σ ω²|Q|² of each.

    `lines` holds ω, the index of the mode, the index of the series of the opposite wave (−1
    where there is none), and whether the mode is the only one of its level.
    """
    omegas, modes, seconds, alone = lines
    ones_t, speed_t, square_t = np.ones((3, energies.shape[1]))
    for i in range(len(modes)):
        q_t, v_t, omega, second = q_mt[modes[i]], v_mt[modes[i]], omegas[i], seconds[i]
        # A real factor of a complex number would be multiplied as a complex one.
        for t in range(len(q_t)):
            real, imag, v = omega * q_t[t].real, omega * q_t[t].imag, v_t[t]
            square_t[t] = real * real + imag * imag
            speed_t[t] = v.real * v.real + v.imag * v.imag
            energies[i, t] = 0.5 * (square_t[t] + speed_t[t])
        squares[0, i] += scalar_product(speed_t, ones_t, len(speed_t))
        squares[1, i] += scalar_product(square_t, ones_t, len(square_t))
        if second >= 0 or not alone[i]:
            for t in range(len(q_t)):
                # |ωQ ± iQ̇|² = ω²|Q|² + |Q̇|² ∓ 2ω Im Q*Q̇
                turn = omega * (q_t[t].real * v_t[t].imag - q_t[t].imag * v_t[t].real)
                if second >= 0:
                    energies[second, t] = energies[i, t] + turn
                energies[i, t] -= turn


@kernel()
def _fill_coherences(
    q_mt: Complexes,
    v_mt: Complexes,
    lines: tuple[Floats, Ints, Ints],
    pairs: Ints,
    series: Floats,
) -> None:
    """Store √2 Re M_ij and √2 Im M_ij of a₊, then those of a₋, of pairs of modes."""
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
