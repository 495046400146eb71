"""A thread that receives the frames of a simulation, and writes them to a recording."""

import math
import time
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError, TrajmodesError, UsageError
from trajmodes.pipeline.live.writer import Writer
from trajmodes.readers.imd.client import Client, steps_of
from trajmodes.readers.imd.protocol import Layout, Packet, Session
from trajmodes.readers.trajectory import Needs
from trajmodes.results.storage import storage_error

_NO_STEP = -1
"""Before the first frame."""
_LOOK_S = 0.2
"""Time between two looks at a simulation that is held."""


class Recorder(Thread):
    """Receives frames until a number of them, a call of `stop`, or the end of the simulation.

    If the connection is lost, the recorder connects again. The recording has complete frames of
    increasing steps only. If the disk is slower than the simulation, the simulation is paused.
    """

    def __init__(
        self,
        client: Client,
        path: Path,
        *,
        most: float = math.inf,
        then: Packet = Packet.DISCONNECT,
        needs: Needs = "anything",
        needs_box: bool = False,
    ) -> None:
        """Prepare to receive at most a number of frames; raises what `Client.open` raises.

        Parameters
        ----------
        then
            Request after this number of frames: to close the connection, to end the simulation,
            or to pause it until `release`.
        needs
            What its frames must have.
        needs_box
            Whether frames with positions must have the box.

        Raises
        ------
        UsageError
            If the recording exists.
        DataError
            If the frames do not have what is needed.
        """
        super().__init__(name="recorder", daemon=True)
        self._client, self.path, self._most = client, path, most
        self._stopped, self._asked = Event(), Event()
        self._packet = then
        self._layout: Layout | None = None
        self._last_step, self._n_received = _NO_STEP, 0
        self.is_waiting = False
        """Whether the connection was lost, and no other is open yet."""
        self.is_paused = False
        """Whether the simulation was asked to make no steps."""
        self.ending = ""
        """Why no more frames come."""
        self.error: TrajmodesError | None = None
        self._session = client.open()
        try:
            _require(self._session, client, needs, needs_box=needs_box)
            file = _created(path, self._session.start())
        except TrajmodesError:
            client.leave(Packet.DISCONNECT)
            raise
        self._writer = Writer(path, file)

    @property
    def n_frames(self) -> int:
        """Number of frames in the recording."""
        return self._writer.n_frames

    def require_whole_frames(self) -> None:
        """Raise a `DataError` if the simulation ended within a frame, which is left out."""
        if self._client.n_left:
            raise DataError(
                f"the last frame (number {self._n_received}) is not complete: "
                f"{self._client.n_left} bytes of it were received",
                where=str(self._client.address),
                why="the simulation was stopped while it was sending",
                fix="leave out --strict to use the other frames",
            )

    def pause(self) -> None:
        """Pause the simulation until `resume`."""
        self._asked.set()

    def resume(self) -> None:
        """Let the simulation continue after `pause`."""
        self._asked.clear()

    def stop(self, packet: Packet) -> None:
        """End, pause or leave the simulation, and wait until the recording is closed."""
        if self.is_alive():
            self._packet = packet
            self._stopped.set()
            self._client.give_up()
            self.join()

    def hold(self) -> None:
        """Wait with the simulation paused, until `resume` or the end of the simulation."""
        while self.is_paused and self._asked.is_set() and self._client.is_served():
            time.sleep(_LOOK_S)

    def release(self) -> None:
        """Disconnect from a simulation that is paused."""
        if self.is_paused:
            self.is_paused = False
            self._client.leave(Packet.DISCONNECT)

    def run(self) -> None:
        """Receive frames; an error is kept in `error`."""
        self._writer.start()
        try:
            try:
                session: Session | None = self._session
                while session is not None:
                    self._receive(session)
                    session = None if self.ending else self._again()
            finally:
                self._writer.close()
        except TrajmodesError as error:
            self.error = error
            self.is_paused = False
            self._client.leave(Packet.DISCONNECT)

    def _receive(self, session: Session) -> None:
        """Write the frames received by one connection."""
        for found in self._client.frames(session):
            if found is not None:
                self._keep(*found)
            if self._stopped.is_set():
                self.ending = "stopped"
            elif self._n_received >= self._most:
                self.ending = f"frames {self._n_received}"
            if self.ending:
                self._end()
                return
            self._steer(is_paused=self._asked.is_set() or self._writer.is_behind)

    def _end(self) -> None:
        """End, pause or leave the simulation after the last frame, as requested."""
        if self._packet is Packet.PAUSE:
            self.pause()
            self._steer(is_paused=True)
        else:
            self.is_paused = False
            self._client.leave(self._packet)

    def _steer(self, *, is_paused: bool) -> None:
        """Pause or resume the simulation, unless it is in that state already."""
        if is_paused != self.is_paused:
            self._client.send(Packet.PAUSE if is_paused else Packet.RESUME)
            self.is_paused = is_paused

    def _keep(self, kind: Layout, frames: npt.NDArray[Any]) -> None:
        if self._layout is not None and kind.n_atoms != self._layout.n_atoms:
            raise DataError(
                f"the simulation now sends {kind.n_atoms} atoms, not {self._layout.n_atoms}",
                where=f"frame {self._n_received}",
                why="another simulation uses the port",
            )
        self._layout = kind
        frames = frames[: int(min(len(frames), self._most - self._n_received))]
        steps = steps_of(frames, self._last_step)
        back = np.flatnonzero(np.diff(steps) <= 0)
        sound = int(back[0]) if len(back) else len(frames)
        if sound:
            self._writer.put(frames[:sound].tobytes(), kind.size)
        self._n_received += sound
        self._last_step = int(steps[sound])
        if sound < len(frames):
            raise DataError(
                f"after step {self._last_step} the simulation sends step {steps[sound + 1]}",
                where=f"frame {self._n_received}",
                why="it began again, or its steps were reset",
                fix="record each simulation in a file of its own",
            )

    def _again(self) -> Session | None:
        """Connect again after the connection was lost; None if there is no simulation."""
        self._client.close()
        self.is_waiting, self.is_paused = True, False
        try:
            session = self._client.open()
        except (UsageError, DataError):
            # A tunnel to the computer of the simulation answers, and ends the connection.
            self.ending = "the simulation ended"
            return None
        finally:
            self.is_waiting = False
        if session != self._session:
            self._client.leave(Packet.DISCONNECT)
            self.ending = "another simulation answers"
            return None
        if not session.time:
            self._client.leave(Packet.DISCONNECT)
            self.ending = "the connection was lost, and frames without time do not show the gap"
            return None
        return session


def _require(session: Session, client: Client, needs: Needs, *, needs_box: bool) -> None:
    """Raise a `DataError` if frames do not have what is needed."""
    is_enough = needs == "anything" or (needs == "motion" and session.velocities)
    if not session.positions and not is_enough:
        missing = "positions"
        fix = (
            "leave out “coordinates off” in fix imd; velocities are enough with "
            "--force-constants of another run"
        )
    elif needs_box and session.positions and not session.box:
        missing = "box"
        fix = "leave out “box off” in fix imd, or give the box (--box A,B,C)"
    else:
        return
    raise DataError(f"the simulation sends no {missing}", where=str(client.address), fix=fix)


def _created(path: Path, start: bytes) -> IO[bytes]:
    """Create a recording that holds the start of a session; leave none that is incomplete."""
    try:
        file = path.open("xb", buffering=0)
    except FileExistsError:
        raise UsageError(
            "the recording exists already",
            where=str(path),
            fix="name another one with --record, or another folder with -o",
        ) from None
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        file.write(start)
    except OSError as error:
        file.close()
        path.unlink()
        raise storage_error(path, error) from error
    return file
