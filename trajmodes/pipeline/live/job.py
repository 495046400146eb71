"""The command `trajmodes live`: results of a simulation while it runs."""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from trajmodes.config.job import Job
from trajmodes.config.live import LiveOptions
from trajmodes.machine import called_by_signals
from trajmodes.pipeline.job_folder import StartBar, Written, no_bars
from trajmodes.pipeline.live.conditions import errors_text
from trajmodes.pipeline.live.watch import Watch


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
    """Watch a simulation to its end, or until a condition is reached.

    The signals USR1 and USR2 pause it and let it continue.

    Parameters
    ----------
    job
        Its trajectory is the address of the simulation.
    say
        Called with a line about each analysis, and when the simulation is paused at the end.

    Raises
    ------
    UsageError
        If no simulation answers, or the recording exists.
    DataError
        If what is received is not the frames of one simulation, or they cannot be analysed.
    """
    with Watch(job, options, command=command, bars=bars) as watch:
        written = None
        with called_by_signals({"SIGUSR1": watch.pause, "SIGUSR2": watch.resume}):
            for written in watch.results():
                say(f"{watch.n_analysed} frames: {errors_text(written.results)}")
            if watch.is_paused:
                say("the simulation is held; Control-C or the signal USR2 lets it go")
                # The results are complete.
                with suppress(KeyboardInterrupt):
                    watch.hold()
        if written is None:
            raise AssertionError("the last results are those of all frames")
        return Watched(written, watch.n_frames, watch.ending)
