"""A simulation that is watched: its frames are recorded, and its results updated."""

import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from trajmodes.config.job import Job
from trajmodes.config.live import LiveOptions
from trajmodes.errors import (
    DataError,
    LockedError,
    TrajmodesError,
    TrajmodesWarning,
    UsageError,
)
from trajmodes.pipeline.job_folder import StartBar, Written, no_bars
from trajmodes.pipeline.live.conditions import most_of, reached
from trajmodes.pipeline.live.growth import Growth
from trajmodes.pipeline.live.recorder import Recorder
from trajmodes.pipeline.project_job import project_job
from trajmodes.pipeline.run import run_job
from trajmodes.readers.imd.client import Client, address_of
from trajmodes.readers.imd.protocol import Packet
from trajmodes.readers.imd.recording import being_written
from trajmodes.readers.trajectory import Needs
from trajmodes.results.folder import open_folder

RECORDING = "stream.imd"
"""Name of the recording in the folder of the results."""
_SHARE = 0.1
"""Largest part of the time that is spent on analyses."""
_LOOK_S = 0.2
"""Time between two looks at what was received."""
_MINUTE_S = 60.0
_PACKETS = {"detach": Packet.DISCONNECT, "kill": Packet.KILL, "pause": Packet.PAUSE}


class Watch:
    """Records the frames of a running simulation, and updates the results of all frames so far.

    The last results are those of `run`, or of `project` if force constants are given, on the
    recording. Earlier results are from the sums of a `Growth`. As a context manager it
    disconnects from the simulation at the end.
    """

    def __init__(
        self, job: Job, options: LiveOptions, *, command: str, bars: StartBar = no_bars
    ) -> None:
        """Connect to the simulation whose address is the trajectory of a job.

        Raises
        ------
        UsageError
            If no simulation answers, or the recording exists.
        DataError
            If the program that answers does not follow the protocol, or sends neither
            positions nor, for given force constants, velocities, or positions without a box.
        """
        if len(job.trajectory) != 1:
            raise UsageError("one simulation is watched at a time", fix="give one address")
        address = address_of(job.trajectory[0])
        path = Path(options.record or Path(job.folder) / RECORDING)
        then = _PACKETS[options.then]
        with open_folder(job.folder):
            client = Client(address, wait_s=options.wait)
            most = most_of(options.until, "frames")
            given = job.projection.force_constants is not None
            needs: Needs = "motion" if given else "positions"
            needs_box = not isinstance(job.reading.box, tuple)
            self._recorder = Recorder(
                client, path, most=most, then=then, needs=needs, needs_box=needs_box
            )
        self._job, self._command, self._bars = _job_of_recording(job, path), command, bars
        self._options, self._then = options, then
        self._growth = Growth(self._job)
        self._ending = ""
        self._is_of_recording = False
        """Whether the last results are those of a job on the recording."""
        self._tried = 0
        """Number of frames at the last attempt to analyse them."""
        self.n_analysed = 0
        """Number of frames of the results; 0 if there are none."""
        self._recorder.start()

    @property
    def n_frames(self) -> int:
        """Number of frames recorded."""
        return self._recorder.n_frames

    @property
    def ending(self) -> str:
        """Why no more frames are received; empty while they are."""
        return self._ending or self._recorder.ending

    @property
    def is_paused(self) -> bool:
        """Whether the simulation was asked to pause."""
        return self._recorder.is_paused

    def pause(self) -> None:
        """Pause the simulation until `resume`."""
        self._recorder.pause()

    def resume(self) -> None:
        """Let the simulation continue after `pause`."""
        self._recorder.resume()

    def hold(self) -> None:
        """Wait while the simulation is paused after the last frame, see `Recorder.hold`."""
        self._recorder.hold()

    def __enter__(self) -> "Watch":
        """Watch the simulation within the block."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Disconnect from the simulation; the recording remains."""
        self._recorder.stop(Packet.DISCONNECT)
        self._recorder.release()
        if isinstance(error, KeyboardInterrupt):
            error.add_note(f"the {self.n_frames} frames received are in {self._recorder.path}")

    def results(self) -> Iterator[Written]:
        """Update the results until a condition is fulfilled, or the simulation ends.

        The last results are always those of all frames.

        Raises
        ------
        DataError
            If what is received is not the frames of one simulation, or all of them cannot be
            analysed.
        """
        with _named(self._recorder):
            yield from self._renewals()
            self._recorder.stop(self._then if self._ending else Packet.DISCONNECT)
            if self._recorder.error is not None:
                raise self._recorder.error
            if self._job.reading.strict:
                self._recorder.require_whole_frames()
            if self.n_frames != self.n_analysed or not self._is_of_recording:
                yield self._renewed(self.n_frames)

    def _renewals(self) -> Iterator[Written]:
        """Update the results until a condition is fulfilled."""
        begin = time.monotonic()
        minutes = most_of(self._options.until, "minutes")
        due, silence = begin + self._options.renew, _Silence(self._options.wait)
        while self._recorder.is_alive() and not self._ending:
            self._recorder.join(_LOOK_S)
            now = time.monotonic()
            if now - begin >= _MINUTE_S * minutes:
                self._ending = f"minutes {minutes:g}"
                return
            silence.look(self._recorder)
            is_due = now >= due or self._recorder.is_waiting
            is_new = self._recorder.is_alive() and self.n_frames != self._tried
            if is_due and is_new and (written := self._of_first(self.n_frames)) is not None:
                self._ending = reached(self._options.until, written.results)
                yield written
            if is_due and is_new:
                due = now + max(self._options.renew, (time.monotonic() - now) / _SHARE)

    def _of_first(self, n_frames: int) -> Written | None:
        """Update the results; None if there are too few frames, or the folder is locked."""
        self._tried = n_frames
        if n_frames <= self._job.reading.frames[0]:
            return None
        try:
            with being_written():
                return self._grown() or self._renewed(n_frames)
        except (DataError, LockedError) as error:
            text = f"the first {n_frames} frames give no results: {error}"
            warnings.warn(text, TrajmodesWarning, stacklevel=2)
            return None

    def _renewed(self, n_frames: int) -> Written:
        """Analyse the recorded frames, whose number is given."""
        given = self._job.projection.force_constants is not None
        do_job = project_job if given else run_job
        written = do_job(self._job, command=self._command, bars=self._bars)
        self.n_analysed, self._is_of_recording = n_frames, True
        return written

    def _grown(self) -> Written | None:
        """Add new frames to the sums of the last results; None where this is not possible."""
        if not self._growth.is_possible:
            return None
        found = self._growth.renewed(self._command, self._bars)
        if found is None:
            return None
        written, self.n_analysed = found
        self._is_of_recording = False
        return written


def _job_of_recording(job: Job, path: Path) -> Job:
    """Make the same job for the recorded frames, without checkpoints."""
    of_file = replace(job, trajectory=(os.fspath(path),))
    return of_file.with_options(checkpoint_every="never")


@contextmanager
def _named(recorder: Recorder) -> Iterator[None]:
    """Name the recording in errors, so that other commands can be used on it."""
    try:
        yield
    except TrajmodesError as error:
        frames = f"the {recorder.n_frames} frames received are in {recorder.path}"
        fixes = "; ".join(filter(None, [error.fix, frames]))
        raise type(error)(error.what, where=error.where, why=error.why, fix=fixes) from error


class _Silence:
    """Warns of a simulation that is connected but sends nothing."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._n_frames, self._since = 0, time.monotonic()

    def look(self, recorder: Recorder) -> None:
        """Compare the number of frames with that of the last time."""
        now = time.monotonic()
        is_silent = not (recorder.is_waiting or recorder.is_paused)
        if recorder.n_frames != self._n_frames or not is_silent:
            self._n_frames, self._since = recorder.n_frames, now
        elif now - self._since >= self._longest_s:
            text = f"the simulation has sent nothing for {self._longest_s:g} s: still waiting"
            warnings.warn(text, TrajmodesWarning, stacklevel=3)
            self._since = now
