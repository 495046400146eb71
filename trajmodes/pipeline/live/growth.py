"""Results of a recording that grows, at the cost of its new frames.

Crystal, sites and limits of outliers, lengths of segments and blocks of time are those of the
first frames. They are determined anew from all frames when the number of frames has doubled.
"""

from dataclasses import replace

from trajmodes.config.job import Job
from trajmodes.errors import TrajmodesError
from trajmodes.formats.open import open_trajectory
from trajmodes.matching.temperatures import PROVABLE_UNITS
from trajmodes.pipeline.job_folder import Log, StartBar, Written
from trajmodes.pipeline.live.growing import GROWTH, Growing
from trajmodes.pipeline.load import LoadedRun
from trajmodes.pipeline.project_job import Given, Matched, project_job, run_on_constants
from trajmodes.readers.trajectory import Trajectory, select_frames
from trajmodes.streaming.schedule import block_frames, kept_by


class Growth:
    """Projects a recording on given modes, repeatedly while it grows."""

    def __init__(self, job: Job) -> None:
        """Prepare the projection of the recording, which is the trajectory of the job."""
        self._job = job
        self._matched: Matched | None = None
        self._passes = Growing()
        self._n_first = 0

    @property
    def is_possible(self) -> bool:
        """Whether modes are given, and no amplitudes are to be saved."""
        options = self._job.projection
        return options.force_constants is not None and not options.save_amplitudes

    def renewed(self, command: str, bars: StartBar) -> tuple[Written, int] | None:
        """Write the results of all whole blocks of frames; return them and their number.

        None if there is no whole block.

        Raises
        ------
        DataError
            If `project_job` refuses the frames.
        """
        try:
            matched = self._so_far(bars)
            if matched is None:
                return None
            given = Given(matched=matched)
            with kept_by(self._passes):
                written = project_job(self._job, command=command, bars=bars, given=given)
        except TrajmodesError:
            self._matched = None
            raise
        return written, matched.run.n_frames

    def _so_far(self, bars: StartBar) -> Matched | None:
        """Frames in whole blocks, matched as the first frames were."""
        matched = self._matched or run_on_constants(self._job, log=Log(bars))
        frames = _in_whole_blocks(self._opened(matched.run))
        if frames is None:
            return None
        if self._matched is not None and frames.n_frames > GROWTH * self._n_first:
            self._matched = None
            return self._so_far(bars)
        if self._matched is None:
            self._matched, self._n_first, self._passes = matched, frames.n_frames, Growing()
        return matched._replace(run=replace(matched.run, trajectory=frames))

    def _opened(self, run: LoadedRun) -> Trajectory:
        """Open the recording anew, with the known properties of its atoms.

        It is not hashed for the provenance, because that would read the whole file.
        """
        known = run.trajectory
        proved = (one for one in PROVABLE_UNITS if one == known.unit_style)
        units = self._job.reading.units or next(proved)
        reading = replace(self._job.reading, units=units)
        found = open_trajectory(self._job.trajectory, reading)
        return replace(found, atoms=known.atoms, paths=())


def _in_whole_blocks(run: Trajectory) -> Trajectory | None:
    """Leave out the frames of the last streamed block if that is incomplete."""
    start, stop = run.segments[-1]
    size = block_frames(run.n_atoms)
    # Differences of positions lack the first and the last frame.
    edge = 0 if run.has_velocities else 2
    end = start + (stop - start - edge) // size * size
    whole = start if end <= start else end + edge
    return select_frames(run, 0, whole) if whole else None
