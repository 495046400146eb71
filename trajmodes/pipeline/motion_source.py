"""What is projected: motion with velocities, as they are in a run or by differences."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.job import Job
from trajmodes.data.crystal import Supercell
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.project.differences import DifferencedMotion, require_correctable
from trajmodes.project.sampling import ThinnedMotion
from trajmodes.project.spectra.welch import default_stride
from trajmodes.readers.trajectory import Trajectory
from trajmodes.streaming.schedule import cut_blocks
from trajmodes.units import THZ


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
    """Motion with velocities, thinned to what its fastest modes ask for."""

    read: Callable[[int, int], MotionBlock]
    stretches: tuple[tuple[int, int], ...]
    """Uninterrupted frame ranges."""
    blocks: list[tuple[int, int]]
    """Frame ranges that the motion is streamed in."""
    n_frames: int
    stride: int
    """Every so many-th frame of the run is used."""
    interval_ps: float
    """Time between the frames that are used."""
    times_ps: Floats
    """(t,) time of each frame."""
    differenced_ps: float | None
    """Time between the frames that velocities are differences of; None for true ones."""


def source_of(run: Runs, highest: float) -> Source:
    """Motion to project, with velocities from positions where the run has none.

    Parameters
    ----------
    run
        The run.
    highest
        Highest frequency of its motion in rad/ps, not positive where unknown: it decides how
        many frames are used, and whether differences can be corrected.

    Raises
    ------
    DataError
        If the time between frames is not known, or frames are too far apart.
    """
    interval_ps, stretches = interval_of(run), run.trajectory.segments
    known = run.trajectory.times_ps
    times_ps = interval_ps * np.arange(float(run.n_frames)) if known is None else known
    read: Callable[[int, int], MotionBlock] = run.motion
    differenced_ps = None
    if not run.trajectory.has_velocities:
        require_correctable(highest, interval_ps)
        differences = DifferencedMotion(run.motion, stretches, interval_ps)
        read, stretches, times_ps = (
            differences,
            differences.segments,
            times_ps[differences.frames],
        )
        differenced_ps = interval_ps
    # Time series are for those who want every frame.
    stride = (
        1 if run.job.projection.save_amplitudes else default_stride(interval_ps, highest / THZ)
    )
    thinned = ThinnedMotion(read, stretches, stride)
    return Source(
        read=thinned,
        stretches=thinned.segments,
        blocks=thinned.blocks(cut_blocks(stretches, run.trajectory.n_atoms)),
        n_frames=thinned.n_frames,
        stride=stride,
        interval_ps=stride * interval_ps,
        times_ps=times_ps[thinned.frames],
        differenced_ps=differenced_ps,
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
    return run.job.reading.timestep_fs if numbered else None


def thinning_note(source: Source) -> Note | None:
    """Tell that not all frames are used; None if they are.

    Parameters
    ----------
    source
        The motion that is projected.
    """
    if source.stride == 1:
        return None
    text = (
        f"one in {source.stride} frames is projected: {1e3 * source.interval_ps:.3g} fs apart "
        f"they resolve {0.5 / source.interval_ps:.3g} THz, twice the highest frequency or more"
    )
    return Note("note", text)


def difference_note(source: Source) -> Note | None:
    """Tell that velocities are differences; None if they are not.

    Parameters
    ----------
    source
        The motion that is projected.
    """
    if source.differenced_ps is None:
        return None
    text = (
        "the run has no velocities: they are differences of positions, corrected for the "
        "attenuation of each mode"
    )
    return Note("note", text, fix="dump vx vy vz for exact ones")
