"""Sampling of a run in time: stride between frames, Nyquist frequency, and MD time step.

Stride. Runs are often written much more densely than their modes move. `StridedMotion` reads
all frames, but only every n-th one is projected and kept. The remaining frames are renumbered;
they form a run of their own, whose ranges follow each other without gaps.

Time step. Velocity Verlet with step h moves a harmonic mode of frequency ω exactly, but at the
frequency ω_md,

    sin(ω_md h/2) = ωh/2,     ω_md ≈ ω(1 + ω²h²/24).

At 15 THz and 2 fs it is 0.15 % higher. The velocities of velocity Verlet are central
differences over the step, v = A sin(ω_md h)/h, so that

    ⟨|Q̇|²⟩ = ω²⟨|Q|²⟩(1 − ω²h²/4)

for the harmonic ω of the force constants. In an exactly harmonic run at 15 THz and 2 fs, K is
0.9 % below U, and ω from ⟨|Q̇|²⟩/⟨|Q|²⟩ is low by half of that. (This follows from the
recursion x_{n+1} + x_{n−1} = (2 − ω²h²) x_n, whose solution is x_n = A cos(ω_md n h).)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.units import FEMTOSECOND, THZ


@dataclass(frozen=True, slots=True)
class StridedMotion:
    """Callable that reads every n-th frame, counted from the start of each uninterrupted range.

    Picklable and thread-safe if `read` is.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges [start, stop) of the run, in time order."""
    stride: int

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the remaining frames, renumbered."""
        sizes = (-((start - stop) // self.stride) for start, stop in self.source_segments)
        return tuple(pairwise(accumulate(sizes, initial=0)))

    @property
    def n_frames(self) -> int:
        """Number of remaining frames."""
        return self.segments[-1][1]

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each remaining frame."""
        return np.concatenate([np.arange(*ends, self.stride) for ends in self.source_segments])

    def blocks(self, cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ranges of the remaining frames, for blocks of the run.

        `cuts` are frame ranges [start, stop) of the run, none across the end of an
        uninterrupted range.
        """
        frames = self.frames
        ends = [np.searchsorted(frames, cut).tolist() for cut in cuts]
        return [(first, last) for first, last in ends if first < last]

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the renumbered frames [start, stop).

        Raises
        ------
        DataError
            If the range lies outside the run or crosses a gap, or a frame cannot be used.
        """
        for (first, last), (begin, _) in zip(self.segments, self.source_segments, strict=True):
            if first <= start < stop <= last:
                low = begin + (start - first) * self.stride
                whole = self.read(low, begin + (stop - 1 - first) * self.stride + 1)
                used = whole.part(slice(None, None, self.stride))
                return MotionBlock(start, used.displacements, used.velocities, used.forces)
        raise DataError(f"frames {start} to {stop} do not lie within one of {self.segments}")


_REPORTED_SHIFT = 5e-4
"""Relative shift of the highest frequency above which it is reported."""
_HEADROOM = 1.1
"""Highest frequency in the run, relative to the harmonic one, to allow for anharmonicity."""


def verlet_frequency(omega: Floats, timestep_ps: float) -> Floats:
    """Frequency of a harmonic mode in a velocity Verlet run, (2/h) asin(ωh/2).

    `omega` (…) in rad/ps is negative for imaginary modes, for which the sine becomes the
    hyperbolic sine. The result is nan for ωh > 2, where the integration is unstable.
    """
    half = 0.5 * timestep_ps * omega
    stable = np.where(half <= 1.0, half, np.nan)
    angle = np.where(half < 0.0, np.arcsinh(half), np.arcsin(np.maximum(stable, 0.0)))
    shifted: Floats = 2.0 / timestep_ps * angle
    return shifted


def verlet_note(highest_omega: float, timestep_fs: float | None) -> Note | None:
    """Report the effect of the time step on the fastest mode, if it is noticeable.

    Parameters
    ----------
    highest_omega
        Highest harmonic frequency in rad/ps.
    timestep_fs
        Time step of the simulation, not the time between frames; None if unknown.

    Returns
    -------
    The note; None if the shift is below 0.05 % or the time step is unknown.
    """
    if timestep_fs is None or highest_omega <= 0.0:
        return None
    timestep_ps = timestep_fs * FEMTOSECOND
    shift = float(verlet_frequency(np.array(highest_omega), timestep_ps)) / highest_omega - 1.0
    given = f"a time step of {timestep_fs:g} fs, modes up to {highest_omega / THZ:.4g} THz"
    if not np.isfinite(shift):
        text = f"{given}: no simulation is stable with this, so it is not the time step"
        return Note("note", text)
    if shift < _REPORTED_SHIFT:
        return None
    # K/U = 1 − ω²h²/4.
    short = 0.25 * (timestep_ps * highest_omega) ** 2
    text = (
        f"{given}: velocity Verlet raises the highest frequency by {shift:.2%}, lower ones in "
        f"proportion to ω², and reduces its kinetic energy relative to the potential energy by "
        f"{short:.2%}; frequencies of the run and of the force constants agree only within this"
    )
    return Note("note", text)


def require_sampled(highest_omega: float, interval_ps: float) -> Note | None:
    """Refuse a run whose frames are too far apart for its fastest modes.

    A line above the Nyquist frequency 1/2Δ would be aliased.

    Parameters
    ----------
    highest_omega
        Highest harmonic frequency in rad/ps.
    interval_ps
        Time Δ between frames.

    Returns
    -------
    A warning if less than a tenth is left for anharmonic shifts; else None.

    Raises
    ------
    DataError
        If the highest frequency is not below the Nyquist frequency.
    """
    nyquist = np.pi / interval_ps
    if _HEADROOM * highest_omega < nyquist:
        return None
    sampling = (
        f"frames {1e3 * interval_ps:.3g} fs apart resolve {nyquist / THZ:.4g} THz, and the "
        f"crystal has modes up to {highest_omega / THZ:.4g} THz"
    )
    # Rounded down, so that the advised interval suffices.
    densest_fs = np.floor(1e4 * np.pi / (_HEADROOM * highest_omega)) / 10.0
    if highest_omega < nyquist:
        return Note("note", f"{sampling}: little range is left for broad or shifted lines")
    raise DataError(
        "the frames are too far apart for spectra",
        where=sampling,
        why="lines above the Nyquist frequency are aliased to wrong frequencies",
        fix=f"dump at most {densest_fs:.1f} fs apart",
    )
