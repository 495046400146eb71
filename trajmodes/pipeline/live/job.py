"""The command `trajmodes live`: results of a simulation while it runs."""

import os
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from trajmodes.config.job import Job
from trajmodes.config.live import LiveOptions
from trajmodes.errors import DataError, TrajmodesError, TrajmodesWarning, UsageError
from trajmodes.pipeline.job_folder import StartBar, Written, no_bars
from trajmodes.pipeline.live.conditions import errors_text, most_of, reached
from trajmodes.pipeline.live.recorder import Recorder
from trajmodes.pipeline.project_job import project_job
from trajmodes.pipeline.run import run_job
from trajmodes.readers.imd.client import Client, address_of
from trajmodes.readers.imd.protocol import Packet
from trajmodes.results.folder import open_folder

RECORDING = "stream.imd"
"""Name of the recording in the folder of the results."""
_SHARE = 0.1
"""Largest part of the time that is spent on analyses."""
_LOOK_S = 0.2
"""Time between two looks at what was received."""
_MINUTE_S = 60.0
_PACKETS = {"detach": Packet.DISCONNECT, "kill": Packet.KILL}


class Watched(NamedTuple):
    """Results of a simulation that was watched, and its end."""

    written: Written
    n_frames: int
    ending: str
    """Why no more frames were received."""


def live_job(
    job: Job,
    options: LiveOptions,
    *,
    command: str,
    bars: StartBar = no_bars,
    say: Callable[[str], None] = lambda _text: None,
) -> Watched:
    """Record the frames of a running simulation, and renew the results of all frames so far.

    The results are those of `run`, or of `project` if force constants are given, on the
    recording.

    Parameters
    ----------
    job
        Its trajectory is the address of the simulation.
    say
        Is called with a line about each analysis.

    Raises
    ------
    UsageError
        If no simulation answers, or the recording exists.
    DataError
        If what is received is not the frames of one simulation, or they cannot be analysed.
    """
    if len(job.trajectory) != 1:
        raise UsageError("one simulation is watched at a time", fix="give one address")
    address = address_of(job.trajectory[0])
    path = Path(options.record or Path(job.folder) / RECORDING)
    with open_folder(job.folder):
        client = Client(address, wait_s=options.wait)
        recorder = Recorder(client, path, most=most_of(options.until, "frames"))
    analyses = _Analyses(_job_of_recording(job, path), options, command, bars, say)
    recorder.start()
    ending = ""
    try:
        ending = analyses.watch(recorder)
    except KeyboardInterrupt as error:
        error.add_note(f"the {recorder.n_frames} frames received are in {path}")
        raise
    except TrajmodesError as error:
        raise _with_recording(error, recorder) from error
    finally:
        recorder.stop(_PACKETS[options.then] if ending else Packet.DISCONNECT)
    if recorder.error is not None:
        raise _with_recording(recorder.error, recorder)
    try:
        written = analyses.renew(recorder.n_frames)
    except TrajmodesError as error:
        raise _with_recording(error, recorder) from error
    return Watched(written, recorder.n_frames, ending or recorder.ending)


def _job_of_recording(job: Job, path: Path) -> Job:
    """Make the same job of the recorded frames, without checkpoints."""
    of_file = replace(job, trajectory=(os.fspath(path),))
    return of_file.with_options(checkpoint_every="never")


def _with_recording(error: TrajmodesError, recorder: Recorder) -> TrajmodesError:
    """Copy of an error that names the recording, which other commands read."""
    frames = f"the {recorder.n_frames} frames received are in {recorder.path}"
    fixes = "; ".join(filter(None, [error.fix, frames]))
    return type(error)(error.what, where=error.where, why=error.why, fix=fixes)


class _Analyses:
    """The analyses of a recording that grows."""

    def __init__(
        self,
        job: Job,
        options: LiveOptions,
        command: str,
        bars: StartBar,
        say: Callable[[str], None],
    ) -> None:
        self._job, self._options, self._command = job, options, command
        self._bars, self._say = bars, say
        self._written: Written | None = None
        self._of_frames = self._tried = 0
        """Number of frames of the results, and at the last attempt."""

    def watch(self, recorder: Recorder) -> str:
        """Renew the results until a condition is reached; its text, or empty without one."""
        begin = time.monotonic()
        minutes = most_of(self._options.until, "minutes")
        due = begin + self._options.renew
        silence = _Silence(self._options.wait)
        while recorder.is_alive():
            recorder.join(_LOOK_S)
            now = time.monotonic()
            if now - begin >= _MINUTE_S * minutes:
                return f"minutes {minutes:g}"
            silence.look(recorder)
            is_due = now >= due or recorder.is_waiting
            if not recorder.is_alive() or not is_due or recorder.n_frames == self._tried:
                continue
            found = self._condition_of(recorder.n_frames)
            if found:
                return found
            due = now + max(self._options.renew, (time.monotonic() - now) / _SHARE)
        return ""

    def _condition_of(self, n_frames: int) -> str:
        """Renew the results; the text of the condition that they fulfil, or empty."""
        self._tried = n_frames
        try:
            written = self.renew(n_frames)
        except DataError as error:
            # There may be too few frames.
            text = f"the first {n_frames} frames give no results: {error}"
            warnings.warn(text, TrajmodesWarning, stacklevel=2)
            return ""
        self._say(f"{n_frames} frames: {errors_text(written.results)}")
        return reached(self._options.until, written.results)

    def renew(self, n_frames: int) -> Written:
        """Analyse all frames of the recording, unless their number is that of the last time."""
        if self._written is None or n_frames != self._of_frames:
            given = self._job.projection.force_constants is not None
            do_job = project_job if given else run_job
            self._written = do_job(self._job, command=self._command, bars=self._bars)
            self._of_frames = n_frames
        return self._written


class _Silence:
    """Warns of a simulation that is connected and sends nothing."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._n_frames, self._since = 0, time.monotonic()

    def look(self, recorder: Recorder) -> None:
        """Compare the number of frames with that of the last time."""
        now = time.monotonic()
        if recorder.n_frames != self._n_frames or recorder.is_waiting:
            self._n_frames, self._since = recorder.n_frames, now
        elif now - self._since >= self._longest_s:
            text = f"the simulation has sent nothing for {self._longest_s:g} s: still waiting"
            warnings.warn(text, TrajmodesWarning, stacklevel=3)
            self._since = now
