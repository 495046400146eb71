"""Molecular dynamics of solid argon with the Lennard-Jones potential, at constant energy."""

from typing import NamedTuple

import numba
import numpy as np

from trajmodes.units import BOLTZMANN, DALTON

EPSILON, SIGMA, CUTOFF = 0.01032, 3.405, 7.5
"""eV and Å. The force is shifted to be zero at the cutoff, so that the energy is constant."""
_SIXTH = (SIGMA / CUTOFF) ** 6
_SHIFT = 24.0 * EPSILON * (2.0 * _SIXTH**2 - _SIXTH) / CUTOFF
MASS = 39.948 * DALTON
STEP_PS, EVERY = 0.005, 16
"""Time step, and steps from frame to frame: 0.08 ps, a sixth of the shortest period."""


class Frames(NamedTuple):
    """Frames of a run."""

    positions: np.ndarray
    velocities: np.ndarray
    forces: np.ndarray
    box: np.ndarray

    def part(self, start: int, stop: int) -> "Frames":
        """Consecutive frames."""
        fields = (one[start:stop] for one in self[:3])
        return Frames(*fields, self.box)


@numba.njit
def _forces(x_ax, length, f_ax):
    f_ax[:] = 0.0
    n_atoms = len(x_ax)
    d = np.empty(3)
    for i in range(n_atoms):
        for j in range(i + 1, n_atoms):
            r2 = 0.0
            for k in range(3):
                d[k] = x_ax[i, k] - x_ax[j, k]
                d[k] -= length * np.rint(d[k] / length)
                r2 += d[k] * d[k]
            if r2 < CUTOFF * CUTOFF:
                s6 = (SIGMA * SIGMA / r2) ** 3
                size = 24.0 * EPSILON * (2.0 * s6 * s6 - s6) / r2 - _SHIFT / np.sqrt(r2)
                for k in range(3):
                    f_ax[i, k] += size * d[k]
                    f_ax[j, k] -= size * d[k]


@numba.njit
def _move(x_ax, v_ax, length, n_frames, kept):
    """Velocity Verlet; the frames are put in positions, velocities and forces (t, a, 3)."""
    f_ax = np.zeros_like(x_ax)
    _forces(x_ax, length, f_ax)
    for t in range(n_frames):
        kept[0, t], kept[1, t], kept[2, t] = x_ax, v_ax, f_ax
        for _ in range(EVERY):
            v_ax += 0.5 * STEP_PS / MASS * f_ax
            x_ax += STEP_PS * v_ax
            _forces(x_ax, length, f_ax)
            v_ax += 0.5 * STEP_PS / MASS * f_ax


def argon(temperature: float, n_frames: int, *, cells: int = 3, seed: int = 0) -> Frames:
    """Run of 4 cells³ atoms after equilibration, about 0.08 ps between frames.

    The velocities are drawn anew 20 times, every 2 ps. Then the energy is constant for 20 ps
    before the first frame.
    """
    rng = np.random.default_rng(seed)
    lattice = 5.26 * (1.0 + 3e-4 * temperature)
    basis = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2.0
    corners = np.array(list(np.ndindex(cells, cells, cells)))
    x_ax = lattice * (corners[:, None] + basis).reshape(-1, 3)
    length = cells * lattice

    def move(n: int, v_ax: np.ndarray) -> np.ndarray:
        kept = np.empty((3, n, *x_ax.shape))
        _move(x_ax, v_ax, length, n, kept)
        return kept

    thermal = np.sqrt(BOLTZMANN * temperature / MASS)
    for _ in range(20):
        v_ax = thermal * rng.normal(size=x_ax.shape)
        v_ax -= v_ax.mean(axis=0)
        move(25, v_ax)
    move(250, v_ax)
    return Frames(*move(n_frames, v_ax), length * np.eye(3))
