"""Every so many-th frame of a run: as many as its fastest motion asks for.

Runs are often written far more densely than their modes move. Frames in between are read, for
text has no other way, but neither projected nor kept. The frames that remain are counted anew:
what comes out is a run of its own, whose segments follow each other without holes.

What the time step of a simulation, and the time between its frames, do to frequencies.

Velocity Verlet with step h moves a harmonic mode of frequency ω exactly, but at another one:

    sin(ω_md h/2) = ωh/2,     ω_md ≈ ω(1 + ω²h²/24)

15 THz at 2 fs come out 0.15 % higher. The velocities of velocity Verlet are central differences
over the step, v = A sin(ω_md h)/h, and so

    ⟨|Q̇|²⟩ = ω²⟨|Q|²⟩(1 − ω²h²/4)

for the harmonic ω of the constants: in an exactly harmonic run K falls short of U by 0.9 % at
15 THz and 2 fs, and the ω that is free of T by half of that. (Follows from the recursion
x_{n+1} + x_{n−1} = (2 − ω²h²) x_n, which x_n = A cos(ω_md n h) solves.)
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
class ThinnedMotion:
    """Callable that reads every stride-th frame, counted from the start of each stretch.

    Picklable and thread-safe as far as `read` is.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges [start, stop) of the run, in time order."""
    stride: int

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the frames that are left, counted anew."""
        sizes = (-((start - stop) // self.stride) for start, stop in self.source_segments)
        return tuple(pairwise(accumulate(sizes, initial=0)))

    @property
    def n_frames(self) -> int:
        """Number of frames that are left."""
        return self.segments[-1][1]

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each frame that is left."""
        return np.concatenate([np.arange(*ends, self.stride) for ends in self.source_segments])

    def blocks(self, cuts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ranges of the frames that are left, for blocks of the run.

        Parameters
        ----------
        cuts
            Frame ranges [start, stop) of the run, none across the end of a stretch.
        """
        frames = self.frames
        ends = [np.searchsorted(frames, cut).tolist() for cut in cuts]
        return [(first, last) for first, last in ends if first < last]

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the frames [start, stop), counted as `segments` are.

        Raises
        ------
        DataError
            If the range lies outside or crosses the end of a stretch, or a frame holds what it
            must not hold.
        """
        for (first, last), (begin, _) in zip(self.segments, self.source_segments, strict=True):
            if first <= start < stop <= last:
                low = begin + (start - first) * self.stride
                whole = self.read(low, begin + (stop - 1 - first) * self.stride + 1)
                return MotionBlock(
                    start,
                    whole.displacements[:: self.stride],
                    self._used(whole.velocities),
                    self._used(whole.forces),
                )
        raise DataError(f"frames {start} to {stop} do not lie within one of {self.segments}")

    def _used(self, field: Floats | None) -> Floats | None:
        return None if field is None else field[:: self.stride]


_WORTH_TELLING = 5e-4
"""Relative shift of the highest frequency that is told."""
_HEADROOM = 1.1
"""Frequencies in the run, in harmonic ones: what anharmonicity may add."""


def verlet_frequency(omega: Floats, timestep_ps: float) -> Floats:
    """Frequency that a harmonic mode has in a run by velocity Verlet, (2/h) asin(ωh/2).

    Parameters
    ----------
    omega
        (…) harmonic frequencies in rad/ps; negative ones stand for imaginary modes, and for
        these the sine is the hyperbolic one.
    timestep_ps
        Time step h.

    Returns
    -------
    (…) frequencies in rad/ps; nan for ωh > 2, where the integration is unstable.
    """
    half = 0.5 * timestep_ps * omega
    stable = np.where(half <= 1.0, half, np.nan)
    angle = np.where(half < 0.0, np.arcsinh(half), np.arcsin(np.maximum(stable, 0.0)))
    shifted: Floats = 2.0 / timestep_ps * angle
    return shifted


def verlet_kinetic_share(omega: Floats, timestep_ps: float) -> Floats:
    """Return K/U = 1 − ω²h²/4 of an exactly harmonic mode in a run by velocity Verlet.

    Parameters
    ----------
    omega
        (…) harmonic frequencies in rad/ps.
    timestep_ps
        Time step h.
    """
    share: Floats = 1.0 - 0.25 * (timestep_ps * omega) ** 2
    return share


def verlet_note(highest_omega: float, timestep_fs: float | None) -> Note | None:
    """Tell what the time step does to the fastest mode, where it is worth it.

    Parameters
    ----------
    highest_omega
        Highest harmonic frequency in rad/ps.
    timestep_fs
        Time step of the simulation, not the time between frames; None where it is not known.

    Returns
    -------
    The note; None if the shift is below 0.05 %, or the time step is not known.
    """
    if timestep_fs is None or highest_omega <= 0.0:
        return None
    timestep_ps = timestep_fs * FEMTOSECOND
    highest = np.array(highest_omega)
    shift = float(verlet_frequency(highest, timestep_ps)) / highest_omega - 1.0
    told = f"a time step of {timestep_fs:g} fs, modes up to {highest_omega / THZ:.4g} THz"
    if not np.isfinite(shift):
        text = f"{told}: no simulation is stable with that, so it is not the time step"
        return Note("note", text)
    if shift < _WORTH_TELLING:
        return None
    short = 1.0 - float(verlet_kinetic_share(highest, timestep_ps))
    text = (
        f"{told}: velocity Verlet raises the highest frequency by {shift:.2%}, lower ones by "
        f"less as ω², and its kinetic energy falls short of the potential one by {short:.2%}; "
        f"compare frequencies of the run with those of the constants only to that"
    )
    return Note("note", text)


def require_sampled(highest_omega: float, interval_ps: float) -> Note | None:
    """Refuse a run whose frames are too far apart for its fastest modes.

    A line above the Nyquist frequency 1/2Δ would be folded back to where it does not belong.

    Parameters
    ----------
    highest_omega
        Highest harmonic frequency in rad/ps.
    interval_ps
        Time Δ between frames.

    Returns
    -------
    A warning where less than a tenth is left for what anharmonicity adds; else None.

    Raises
    ------
    DataError
        If the highest frequency is not below the Nyquist frequency.
    """
    highest_thz, nyquist_thz = highest_omega / THZ, 0.5 / interval_ps
    if _HEADROOM * highest_thz < nyquist_thz:
        return None
    told = (
        f"frames {1e3 * interval_ps:.3g} fs apart resolve {nyquist_thz:.4g} THz, and the "
        f"crystal has modes up to {highest_thz:.4g} THz"
    )
    # Rounded down, so that what is advised will do.
    densest_fs = np.floor(1e4 * 0.5 / (_HEADROOM * highest_thz)) / 10.0
    if highest_thz < nyquist_thz:
        return Note("note", f"{told}: little is left for lines that are broad or shifted")
    raise DataError(
        "the frames are too far apart for spectra",
        where=told,
        why="lines above the Nyquist frequency are folded back to where they do not belong",
        fix=f"dump at most {densest_fs:.1f} fs apart",
    )
