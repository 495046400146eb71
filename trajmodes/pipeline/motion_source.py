"""The motion that is projected on modes: velocities of the run, or differences of positions."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from trajmodes.arrays import Floats
from trajmodes.config.job import Job
from trajmodes.data.crystal import Supercell
from trajmodes.data.modes import Modes
from trajmodes.data.motion import MotionBlock
from trajmodes.errors import DataError
from trajmodes.notes import Note
from trajmodes.project.checks import nyquist_note, require_correctable, verlet_note
from trajmodes.project.projector import Projector
from trajmodes.project.sampling import DifferencedMotion, StridedMotion
from trajmodes.project.spectra.plan import SpectralPlan, default_stride, plan_spectra
from trajmodes.readers.trajectory import Trajectory
from trajmodes.streaming.schedule import cut_blocks
from trajmodes.units import FEMTOSECOND, THZ


class Runs(Protocol):
    """The interface of a run, of a crystal or of a molecule, for a projection."""

    @property
    def job(self) -> Job:
        """The job."""
        ...

    @property
    def trajectory(self) -> Trajectory:
        """The frames."""
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

    @property
    def scaled_motion(self) -> Callable[[int, int], MotionBlock]:
        """Reads frames [start, stop) scaled for the modes, see `ScaledMotion`."""
        ...

    @property
    def occupied(self) -> Floats | None:
        """(s,) occupied fraction of each site of the primitive cell; None if all are."""
        ...


class Source(NamedTuple):
    """Motion with velocities, at the stride that its highest frequency allows."""

    motion: StridedMotion
    """Reads the frames that are used."""
    blocks: list[tuple[int, int]]
    """Frame ranges of the blocks that are streamed."""
    interval_ps: float
    """Time between the frames that are used; nan if unknown."""
    times_ps: Floats | None
    """(t,) time of each frame; None if unknown."""
    differenced_ps: float | None
    """Time between positions whose differences are the velocities; None: velocities given."""

    def plan(self, job: Job, projector: Projector, highest: float) -> SpectralPlan:
        """Segments of the spectra, see `plan_spectra`; `highest` in rad/ps."""
        if not np.isfinite(self.interval_ps):
            raise _UNKNOWN_TIME
        wanted_thz = job.projection.resolution_thz
        return plan_spectra(
            self.motion,
            self.interval_ps,
            n_series=projector.n_series,
            highest=highest,
            resolution=None if wanted_thz is None else wanted_thz * THZ,
        )


def source_of(
    run: Runs, highest: float, *, every_frame: bool = False, is_timed: bool = True
) -> Source:
    """Motion to project, with velocities from positions if the run has none.

    Parameters
    ----------
    highest
        Highest frequency of the motion in rad/ps, not positive if unknown. It determines the
        stride, and whether velocities from differences can be corrected.
    every_frame
        Whether the stride is one, as it is if amplitudes are saved.
    is_timed
        Whether the time between frames is required; energies from velocities do not need it.

    Raises
    ------
    DataError
        If the time between frames is needed, and is unknown or too large.
    """
    trajectory = run.trajectory
    if trajectory.interval_ps is None and trajectory.has_velocities and not is_timed:
        return _untimed(run)
    interval_ps, segments = interval_of(run), trajectory.segments
    known = run.trajectory.times_ps
    times_ps = interval_ps * np.arange(float(run.n_frames)) if known is None else known
    read = run.scaled_motion
    differenced_ps = None
    if not run.trajectory.has_velocities:
        require_correctable(highest, interval_ps)
        differences = DifferencedMotion(read, segments, interval_ps)
        read, segments = differences, differences.segments
        times_ps = times_ps[differences.frames]
        differenced_ps = interval_ps
    # Amplitudes are saved at every frame.
    every_frame = every_frame or bool(run.job.projection.save_amplitudes)
    stride = 1 if every_frame else default_stride(interval_ps, highest)
    thinned = StridedMotion(read, segments, stride)
    return Source(
        motion=thinned,
        blocks=thinned.blocks(cut_blocks(segments, run.trajectory.n_atoms)),
        interval_ps=stride * interval_ps,
        times_ps=times_ps[thinned.frames],
        differenced_ps=differenced_ps,
    )


def leaves_out_frames(run: Runs) -> bool:
    """Whether the job allows single frames of a run to be left out."""
    options = run.job.matching
    return options.hops != "refuse" or options.outliers != "refuse"


def why_not_projected(run: Runs, modes: Modes) -> Note | None:
    """Note why velocities cannot be computed from positions; None if they can."""
    if run.trajectory.has_velocities:
        return None
    try:
        source_of(run, float(modes.omega.max()))
    except DataError as error:
        return Note("warning", error.what, why=error.why, fix=error.fix, subject="not-done")
    return None


def _untimed(run: Runs) -> Source:
    """Motion at every frame of a run whose time between frames is unknown."""
    segments = run.trajectory.segments
    motion = StridedMotion(run.scaled_motion, segments, 1)
    blocks = motion.blocks(cut_blocks(segments, run.trajectory.n_atoms))
    return Source(motion, blocks, interval_ps=np.nan, times_ps=None, differenced_ps=None)


_UNKNOWN_TIME = DataError(
    "the time between frames is unknown, and spectra need it",
    fix="give --timestep-fs, the time step of the simulation",
)


def interval_of(run: Runs) -> float:
    """Time between frames in ps.

    Raises
    ------
    DataError
        If it is unknown.
    """
    interval_ps = run.trajectory.interval_ps
    if interval_ps is None:
        raise _UNKNOWN_TIME
    return interval_ps


def timestep_fs(run: Runs) -> float | None:
    """Time step of the simulation in fs; None if unknown."""
    timestep_ps = run.trajectory.time.timestep_ps
    return None if timestep_ps is None else timestep_ps / FEMTOSECOND


def sampling_notes(run: Runs, source: Source, omega: Floats) -> list[Note]:
    """Note the effects of time step, intervals, differences and stride on modes.

    `omega` (g,) are the harmonic frequencies in rad/ps.
    """
    interval_ps = run.trajectory.interval_ps
    notes = [
        None if interval_ps is None else nyquist_note(omega, interval_ps),
        verlet_note(float(omega.max()), timestep_fs(run)),
    ]
    notes += differences_notes(source)
    if source.motion.stride > 1:
        text = (
            f"one frame in {source.motion.stride} is projected: at intervals of "
            f"{1e3 * source.interval_ps:.3g} fs the Nyquist frequency is "
            f"{0.5 / source.interval_ps:.3g} THz, at least twice the highest frequency"
        )
        notes.append(Note("note", text))
    return [note for note in notes if note is not None]


def differences_notes(source: Source) -> tuple[Note, ...]:
    """Note that velocities are differences of positions, if they are."""
    if source.differenced_ps is None:
        return ()
    text = (
        "the run has no velocities: differences of positions are used, corrected for the "
        "attenuation of each mode"
    )
    return (Note("note", text, fix="write velocities to have exact ones"),)
