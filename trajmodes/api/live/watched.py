"""Results of a running simulation, in Python."""

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Unpack

from trajmodes.api.calls import call_text, cell_in_file
from trajmodes.api.results import Results, load
from trajmodes.config.job import job_of
from trajmodes.config.keywords import takes
from trajmodes.config.live import LiveOptions
from trajmodes.config.option import options_in
from trajmodes.config.typed_keywords import LiveKeywords
from trajmodes.pipeline.live.watch import Watch


class Live:
    """A simulation that is watched; iteration gives the results each time they are updated.

    Iteration ends with the simulation, or when a condition of `until` is fulfilled; the last
    results are those of all frames. As a context manager it disconnects from the simulation at
    the end of the block.
    """

    def __init__(self, watch: Watch, folder: str) -> None:
        """Use `trajmodes.live` to make one."""
        self._watch, self._folder = watch, folder

    def __repr__(self) -> str:
        """Short text: number of frames, folder, and whether and why it ended."""
        end = self.ending or ("paused" if self._watch.is_paused else "running")
        return f"<Live: {self.n_frames} frames, {end}, results in {self._folder}>"

    @property
    def n_frames(self) -> int:
        """Number of frames recorded so far."""
        return self._watch.n_frames

    @property
    def ending(self) -> str:
        """Why no more frames are received; empty while they are."""
        return self._watch.ending

    def pause(self) -> None:
        """Pause the simulation until `resume`, if its program supports this (LAMMPS does)."""
        self._watch.pause()

    def resume(self) -> None:
        """Let the simulation continue after `pause`."""
        self._watch.resume()

    def __iter__(self) -> Iterator[Results]:
        """Results of all frames so far, every `renew` seconds."""
        return (load(self._folder) for _ in self._watch.results())

    def __enter__(self) -> "Live":
        """Watch the simulation within the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect from the simulation; results and recording remain in the folder."""
        self._watch.__exit__(kind, error, trace)


@takes("live")
def live(address: str, **options: Unpack[LiveKeywords]) -> Live:
    """Watch a running simulation, as `trajmodes live` does.

    Frames are received and recorded from this call on, in a thread. With ``then="pause"`` the
    simulation is paused until the end of the ``with`` block.

    Parameters
    ----------
    address
        Where the simulation waits for a client, such as ``imd://localhost:8888``.
    **options
        Options of `trajmodes live`; `output` has to be given.

    Raises
    ------
    UsageError
        If no simulation answers, or the recording exists.
    DataError
        If the program that answers does not follow the protocol.
    """
    given = cell_in_file(options)
    command = call_text("trajmodes.live", address, **given)
    own = {one.name for one in options_in(LiveOptions)}
    chosen = {name: given.pop(name) for name in own & given.keys()}
    job = job_of("live", [address], given)
    watch = Watch(job, LiveOptions(**chosen), command=command)
    return Live(watch, os.fspath(job.folder))
