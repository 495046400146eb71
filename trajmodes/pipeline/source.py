"""What is projected: motion with velocities, as they are in a run or by differences."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config import Job
from trajmodes.data import MotionBlock, Supercell
from trajmodes.errors import DataError
from trajmodes.project import require_correctable
from trajmodes.readers import DifferencedMotion, Trajectory
from trajmodes.streaming import cut_blocks

__all__ = ["Runs", "Source", "difference_note", "interval_of", "source_of", "timestep_fs"]


class Runs(Protocol):
    """A run of a crystal or of a molecule, as far as projecting it needs to know."""

    @property
    def job(self) -> Job:
        """What it was asked for."""
        ...

    @property
    def trajectory(self) -> Trajectory:
        """Its frames."""
        ...

    @property
    def supercell(self) -> Supercell:
        """The simulated crystal, or the molecule."""
        ...

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        ...

    def motion(self, start: int, stop: int) -> MotionBlock:
        """Frames [start, stop) as displacements."""
        ...


class Source(NamedTuple):
    """Motion with velocities, as it is in the run or by differences."""

    read: Callable[[int, int], MotionBlock]
    stretches: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges."""
    n_frames: int
    interval_ps: float
    times_ps: Floats
    """(t,) time of each frame."""
    differenced: bool

    def blocks(self, run: Runs) -> list[tuple[int, int]]:
        """Frame ranges that the motion is streamed in."""
        return cut_blocks(self.stretches, run.trajectory.n_atoms)


def source_of(run: Runs, highest: float) -> Source:
    """Motion to project, with velocities from positions where the run has none.

    Parameters
    ----------
    run
        The run.
    highest
        Highest frequency of its motion in rad/ps: it decides whether differences can be
        corrected.

    Raises
    ------
    DataError
        If the time between frames is not known, or frames are too far apart.
    """
    interval_ps, segments = interval_of(run), run.trajectory.segments
    known = run.trajectory.times_ps
    times_ps = interval_ps * np.arange(float(run.n_frames)) if known is None else known
    if run.trajectory.has_velocities:
        return Source(
            run.motion, segments, run.n_frames, interval_ps, times_ps, differenced=False
        )
    require_correctable(highest, interval_ps)
    motion = DifferencedMotion(run.motion, segments, interval_ps)
    return Source(
        motion,
        motion.segments,
        motion.n_frames,
        interval_ps,
        times_ps[motion.frames],
        differenced=True,
    )


def interval_of(run: Runs) -> float:
    """Time between frames in ps.

    Raises
    ------
    DataError
        If it is not known.
    """
    interval_ps = run.trajectory.interval_ps
    if interval_ps is None:
        raise DataError(
            "the time between frames is not known, and spectra need it",
            fix="give --timestep-fs, the time step of the simulation",
        )
    return interval_ps


def timestep_fs(run: Runs) -> float | None:
    """Time step of the simulation in fs, where steps are numbered and the job tells it.

    Parameters
    ----------
    run
        The run.
    """
    steps, segments = run.trajectory.steps, run.trajectory.segments
    numbered = any(
        stop - start > 1 and steps[start + 1] - steps[start] > 1 for start, stop in segments
    )
    return run.job.timestep_fs if numbered else None


def difference_note(source: Source) -> str | None:
    """Tell that velocities are differences; None if they are not.

    Parameters
    ----------
    source
        The motion that is projected.
    """
    if not source.differenced:
        return None
    return (
        "the run has no velocities: they are differences of positions, corrected for the "
        "attenuation of each mode; dump vx vy vz for exact ones"
    )
