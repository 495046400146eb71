"""Results of a recording that grows, at the cost of its new frames.

Crystal, sites and limits of outliers, modes that are not given, lengths of segments and blocks
of time are those of the first frames. They are determined anew from all frames when the number
of frames has doubled.
"""

from dataclasses import replace

from trajmodes.config.job import Job
from trajmodes.errors import DataError
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.temperatures import PROVABLE_UNITS
from trajmodes.pipeline.job_folder import StartBar, Written
from trajmodes.pipeline.live.growing import GROWTH, Growing
from trajmodes.pipeline.live.modes import FittedModes, GivenModes
from trajmodes.pipeline.live.reopened import reopened
from trajmodes.pipeline.load import LoadedRun
from trajmodes.readers.trajectory import Trajectory, select_frames
from trajmodes.streaming.schedule import block_frames, kept_by

_ALL_FRAMES = (0, None, 1)


class Growth:
    """Analyses a recording repeatedly while it grows."""

    def __init__(self, job: Job) -> None:
        """Prepare the analysis of the recording, which is the trajectory of the job."""
        self._job = job
        self._modes: GivenModes | FittedModes | None = None
        self._recording: Trajectory | None = None
        self._passes = Growing()
        self._n_first = 0

    @property
    def is_possible(self) -> bool:
        """Whether no amplitudes are to be saved."""
        return not self._job.projection.save_amplitudes

    def renewed(self, command: str, bars: StartBar) -> tuple[Written, int] | None:
        """Write the results of all whole blocks of frames; return them and their number.

        None if there is no whole block.

        Raises
        ------
        DataError
            If `run_job` or `project_job` refuses the frames.
        """
        modes = self._modes or self._matched(bars)
        try:
            frames = _in_whole_blocks(self._opened(modes.run))
            if frames is None:
                return None
            if self._modes is not None and frames.n_frames > GROWTH * self._n_first:
                modes = self._matched(bars)
            if modes is not self._modes:
                self._modes, self._n_first, self._passes = modes, frames.n_frames, Growing()
            run = replace(modes.run, trajectory=frames)
            with kept_by(self._passes):
                written = modes.written(run, command, bars)
        except DataError:
            self._modes = self._recording = None
            raise
        return written, frames.n_frames

    def _matched(self, bars: StartBar) -> GivenModes | FittedModes:
        """Match the recording to its crystal."""
        given = self._job.projection.force_constants is not None
        return (GivenModes if given else FittedModes)(self._job, bars)

    def _opened(self, run: LoadedRun) -> Trajectory:
        """Open the recording anew, with the known properties of its atoms.

        It is not hashed for the provenance, because that would read the whole file.
        """
        known = run.trajectory
        proved = (one for one in PROVABLE_UNITS if one == known.unit_style)
        units = self._job.reading.units or next(proved)
        reading = replace(self._job.reading, units=units, frames=_ALL_FRAMES)
        found = None if self._recording is None else reopened(self._recording, reading)
        self._recording = found or open_trajectory(self._job.trajectory, reading)
        chosen = select_frames(self._recording, *self._job.reading.frames)
        return replace(chosen, atoms=known.atoms, paths=())


def _in_whole_blocks(run: Trajectory) -> Trajectory | None:
    """Leave out the frames of the last streamed block if that is incomplete."""
    start, stop = run.segments[-1]
    size = block_frames(run.n_atoms)
    # Differences of positions lack the first and the last frame.
    edge = 0 if run.has_velocities else 2
    end = start + (stop - start - edge) // size * size
    whole = start if end <= start else end + edge
    return select_frames(run, 0, whole) if whole else None
