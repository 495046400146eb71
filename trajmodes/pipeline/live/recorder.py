"""A thread that receives the frames of a simulation, and writes them to a recording."""

import math
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.readers.imd.client import Client, steps_of
from trajmodes.readers.imd.protocol import START_SIZE, Layout, Packet, Session
from trajmodes.results.storage import storage_error

_NO_STEP = -1
"""Before the first frame."""


class Recorder(Thread):
    """Receives frames until a number of them, a call of `stop`, or the end of the simulation.

    After the connection is lost the recorder connects again. The recording has whole frames of
    increasing steps only.
    """

    def __init__(self, client: Client, path: Path, *, most: float = math.inf) -> None:
        """Prepare to receive at most a number of frames; raises what `Client.open` raises.

        Raises
        ------
        UsageError
            If the recording exists.
        """
        super().__init__(name="recorder", daemon=True)
        self._client, self.path, self._most = client, path, most
        self._stopped = Event()
        self._packet = Packet.DISCONNECT
        self._layout: Layout | None = None
        self._last_step = _NO_STEP
        self.n_frames = 0
        self.is_waiting = False
        """Whether the connection was lost, and no other is open yet."""
        self.ending = ""
        """Why no more frames come."""
        self.error: TrajmodesError | None = None
        self._session = client.open()
        try:
            self._file: IO[bytes] = path.open("xb", buffering=0)
        except OSError as error:
            client.leave(Packet.DISCONNECT)
            if isinstance(error, FileExistsError):
                raise UsageError(
                    "the recording exists already",
                    where=str(path),
                    fix="name another one with --record, or another folder with -o",
                ) from None
            raise storage_error(path, error) from error
        self._file.write(self._session.start())

    def stop(self, packet: Packet) -> None:
        """End the connection, or the simulation, and wait until the recording is closed."""
        if self.is_alive():
            self._packet = packet
            self._stopped.set()
            self._client.give_up()
            self.join()

    def run(self) -> None:
        """Receive frames; an error is kept in `error`."""
        try:
            with self._file:
                session: Session | None = self._session
                while session is not None:
                    self._receive(session)
                    session = None if self.ending else self._again()
        except TrajmodesError as error:
            self.error = error
            self._client.leave(Packet.DISCONNECT)

    def _receive(self, session: Session) -> None:
        """Write what one connection gives."""
        for found in self._client.frames(session):
            if found is not None:
                self._keep(*found)
            if self._stopped.is_set():
                self.ending = "stopped"
            elif self.n_frames >= self._most:
                self.ending = f"frames {self.n_frames}"
            if self.ending:
                self._client.leave(self._packet)
                return

    def _keep(self, kind: Layout, frames: npt.NDArray[Any]) -> None:
        if self._layout is not None and kind.n_atoms != self._layout.n_atoms:
            raise DataError(
                f"the simulation now sends {kind.n_atoms} atoms, not {self._layout.n_atoms}",
                where=f"frame {self.n_frames}",
                why="another simulation uses the port",
            )
        self._layout = kind
        frames = frames[: int(min(len(frames), self._most - self.n_frames))]
        steps = steps_of(frames, self._last_step)
        back = np.flatnonzero(np.diff(steps) <= 0)
        sound = int(back[0]) if len(back) else len(frames)
        self._write(frames[:sound].view(np.uint8).data, kind)
        self.n_frames += sound
        self._last_step = int(steps[sound])
        if sound < len(frames):
            raise DataError(
                f"after step {self._last_step} the simulation sends step {steps[sound + 1]}",
                where=f"frame {self.n_frames}",
                why="it began again, or its steps were reset",
                fix="record each simulation in a file of its own",
            )

    def _write(self, view: memoryview, kind: Layout) -> None:
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(START_SIZE + self.n_frames * kind.size)
            raise storage_error(self.path, error) from error

    def _again(self) -> Session | None:
        """Connect again after the connection was lost; None if there is no simulation."""
        self._client.close()
        self.is_waiting = True
        try:
            session = self._client.open()
        except UsageError:
            self.ending = "the simulation ended"
            return None
        finally:
            self.is_waiting = False
        if session != self._session:
            self._client.leave(Packet.DISCONNECT)
            self.ending = "another simulation answers"
            return None
        return session
