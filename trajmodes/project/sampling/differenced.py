"""Velocities of a run that has none, from the displacements of neighbouring frames.

    v_t = (u_{t+1} − u_{t−1})/(2Δ)

The first and the last frame of each uninterrupted stretch have only one neighbour, and so no
velocity. They are left out, and the frames that remain are counted anew: what comes out is a
run of its own, whose segments follow each other without holes.

Such velocities are attenuated: a motion of frequency ω keeps sin(ωΔ)/(ωΔ) of its amplitude.
See `trajmodes.project.sampling.differences` for what is done about that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np

from trajmodes.arrays import Floats, Ints
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError


@dataclass(frozen=True, slots=True)
class DifferencedMotion:
    """Callable that reads motion with central differences for velocities.

    Picklable and thread-safe as far as `read` is.

    Raises
    ------
    DataError
        If the time between frames is not positive, or no stretch has three frames.
    """

    read: Callable[[int, int], MotionBlock]
    """Reads the frames [start, stop) of the run."""
    source_segments: tuple[tuple[int, int], ...]
    """Uninterrupted, evenly spaced frame ranges [start, stop) of the run, in time order."""
    interval_ps: float
    """Time between frames within a stretch."""

    def __post_init__(self) -> None:
        if not self.interval_ps > 0.0:
            raise DataError(
                f"velocities cannot be had from frames {self.interval_ps:g} ps apart",
                fix="give --timestep-fs, the time step of the simulation",
            )
        if not self._inner:
            raise DataError(
                "velocities cannot be had from positions: no three frames follow each other",
                where=f"{len(self.source_segments)} segments with gaps between",
                why="a central difference needs the frames before and after",
                fix="dump vx vy vz, or dump at equal distances in time",
            )

    @property
    def _inner(self) -> list[tuple[int, int]]:
        """Frame ranges of the run that have velocities."""
        shrunk = ((start + 1, stop - 1) for start, stop in self.source_segments)
        return [(start, stop) for start, stop in shrunk if start < stop]

    @property
    def segments(self) -> tuple[tuple[int, int], ...]:
        """Uninterrupted ranges [start, stop) of the frames that are left, counted anew."""
        sizes = (stop - start for start, stop in self._inner)
        return tuple(pairwise(accumulate(sizes, initial=0)))

    @property
    def n_frames(self) -> int:
        """Number of frames that have velocities."""
        return sum(stop - start for start, stop in self._inner)

    @property
    def frames(self) -> Ints:
        """(t,) index within the run of each frame that is left."""
        return np.concatenate([np.arange(start, stop) for start, stop in self._inner])

    def __call__(self, start: int, stop: int) -> MotionBlock:
        """Motion in the frames [start, stop), counted as `segments` are.

        Raises
        ------
        DataError
            If the range lies outside, a frame holds what it must not hold, or frames were left
            out of the run.
        """
        if not 0 <= start < stop <= self.n_frames:
            raise DataError(f"frames {start} to {stop} are asked for, out of {self.n_frames}")
        parts = []
        for (first, last), (begin, end) in zip(self.segments, self._inner, strict=True):
            low, high = max(start, first), min(stop, last)
            if low < high:
                parts.append(self._within(begin + low - first, end - (last - high)))
        return MotionBlock(
            start,
            np.concatenate([part.displacements for part in parts]),
            np.concatenate([part.velocities for part in parts if part.velocities is not None]),
            _joined([part.forces for part in parts]),
        )

    def _within(self, start: int, stop: int) -> MotionBlock:
        """Motion in frames [start, stop) of the run, all inside of one stretch."""
        wider = self.read(start - 1, stop + 1)
        if wider.n_frames != stop - start + 2:
            raise DataError(
                f"{wider.n_frames} of the frames {start - 1} to {stop + 1} were read",
                why="frames in which an atom has left its site were left out, and differences "
                "need frames at equal distances in time",
                fix="choose --frames without hops, or dump vx vy vz",
            )
        u_tax = wider.displacements
        v_tax = (u_tax[2:] - u_tax[:-2]) / (2.0 * self.interval_ps)
        forces = None if wider.forces is None else wider.forces[1:-1]
        return MotionBlock(start, u_tax[1:-1], v_tax, forces)


def _joined(fields: list[Floats | None]) -> Floats | None:
    """Join a field of several ranges, (t, a, 3); None where the run has none."""
    present = [field for field in fields if field is not None]
    return np.concatenate(present) if present else None
