"""The client of a simulation that sends its frames by the IMD protocol.

A client that only closes its end of the connection stops LAMMPS with an error, or makes it wait
for packets for ever. `Client.leave` therefore asks for the end, and reads until the simulation
closes its own end.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError, UsageError, with_location
from trajmodes.readers.imd.protocol import (
    START_SIZE,
    Layout,
    Packet,
    Session,
    head_size,
    header,
    layout,
    n_atoms_of,
    session_of,
)

SCHEME = "imd://"
_TICK_S = 0.2
"""Longest time in which nothing is looked at but the connection."""
_ATTEMPT_S, _PAUSE_S = 5.0, 0.5
"""Longest time of an attempt to connect, and the time between two."""
_BUFFER = 1 << 22
"""Bytes that are received before they are handed on, or one frame."""


class Address(NamedTuple):
    """Address at which a simulation waits for a client."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write the address as it is given."""
        return f"{SCHEME}{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """Parse an address such as ``imd://localhost:8888``.

    Raises
    ------
    UsageError
        If it is not of this form.
    """
    parts = urlsplit(text)
    with suppress(ValueError):
        if parts.scheme == "imd" and parts.hostname and parts.port and not parts.path:
            return Address(parts.hostname, parts.port)
    raise UsageError(
        f'"{text}" is not the address of a simulation',
        fix="give host and port of fix imd, such as imd://localhost:8888",
    )


class Client:
    """A connection to a simulation that sends frames."""

    def __init__(self, address: Address, *, wait_s: float) -> None:
        """Prepare a connection; `wait_s` is the time limit for its beginning."""
        self.address, self._wait_s = address, wait_s
        self._given_up = Event()
        self._socket: socket.socket | None = None
        self.n_left = 0
        """Bytes of the incomplete frame at which the simulation closed the connection."""

    def open(self) -> Session:
        """Connect, read the beginning of the session, and ask for frames.

        Raises
        ------
        UsageError
            If no simulation answers in time.
        DataError
            If the program that answers does not follow the protocol.
        """
        end = time.monotonic() + self._wait_s
        self._socket = self._connected(end)
        try:
            session = session_of(self._start(end))
        except DataError as error:
            self.close()
            raise with_location(error, str(self.address)) from None
        # LAMMPS waits for a second, then gives up. If it has ended, no frames come.
        with suppress(OSError):
            self._socket.sendall(header(Packet.GO))
        return session

    def give_up(self) -> None:
        """Let an attempt to connect, in another thread, fail soon."""
        self._given_up.set()

    def _connected(self, end: float) -> socket.socket:
        while True:
            try:
                found = socket.create_connection(self.address, timeout=_ATTEMPT_S)
            except OSError as error:
                over = time.monotonic() + _PAUSE_S >= end or isinstance(error, socket.gaierror)
                if over or self._given_up.wait(_PAUSE_S):
                    raise self._silent(error.strerror or str(error)) from error
            else:
                found.settimeout(_TICK_S)
                return found

    def _start(self, end: float) -> bytes:
        start = b""
        while len(start) < START_SIZE:
            try:
                part = self._open_socket.recv(START_SIZE - len(start))
            except TimeoutError:
                if time.monotonic() >= end or self._given_up.is_set():
                    self.close()
                    raise self._silent("it sends nothing") from None
                continue
            except OSError as error:
                self.close()
                raise self._silent(error.strerror or str(error)) from error
            if not part:
                why = "another client is served, or the simulation ended"
                raise DataError(f"the connection ends after {len(start)} bytes", why=why)
            start += part
        return start

    def _silent(self, why: str) -> UsageError:
        return UsageError(
            f"no simulation answers within {self._wait_s:g} s",
            where=str(self.address),
            why=why,
            fix="start LAMMPS with fix ID all imd PORT version 3, and let it begin its run; or "
            "wait longer: --wait",
        )

    @property
    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise ValueError("the connection is not open")
        return self._socket

    def frames(self, session: Session) -> Iterator[tuple[Layout, npt.NDArray[Any]] | None]:
        """Receive the frames (t,) that have arrived; None if nothing arrived for a moment.

        The array may be empty; it is valid until the next one is requested. The iteration ends
        when the simulation closes the connection; an incomplete frame is left out.

        Raises
        ------
        DataError
            If the bytes are not those of frames.
        """
        buffer = memoryview(bytearray(_BUFFER))
        needed, filled, kind = head_size(session), 0, None
        n_frames = self.n_left = 0
        while True:
            try:
                count = self._open_socket.recv_into(buffer[filled:])
            except TimeoutError:
                yield None
                continue
            except OSError:
                count = 0
            if count == 0:
                self.n_left = filled
                return
            filled += count
            if kind is None and filled >= needed:
                kind = layout(session, n_atoms_of(bytes(buffer[:needed]), session))
                if kind.size > len(buffer):
                    larger = memoryview(bytearray(kind.size))
                    larger[:filled] = buffer[:filled]
                    buffer = larger
            if kind is None:
                continue
            whole = filled // kind.size * kind.size
            frames = kind.view(buffer[:whole])
            sound = kind.n_sound(frames)
            yield kind, frames[:sound]
            n_frames += sound
            if sound < len(frames):
                raise kind.damage(frames[sound], f"frame {n_frames}")
            # Lost bytes show in the next header, before the frame is complete.
            kind.require_sound(buffer[whole:filled], f"frame {n_frames}")
            if whole:
                buffer[: filled - whole] = bytes(buffer[whole:filled])
                filled -= whole

    def send(self, packet: Packet) -> None:
        """Send a packet; a lost connection is noticed when frames are received."""
        with suppress(OSError):
            self._open_socket.sendall(header(packet))

    def is_served(self) -> bool:
        """Whether the simulation still has the connection open; frames may be unread."""
        try:
            return bool(self._open_socket.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return True
        except OSError:
            return False

    def leave(self, packet: Packet) -> None:
        """Ask the simulation to end the connection, or itself, and wait until it does."""
        end = time.monotonic() + self._wait_s
        rest = memoryview(bytearray(_BUFFER))
        with suppress(OSError):
            self._open_socket.sendall(header(packet))
            while time.monotonic() < end:
                with suppress(TimeoutError):
                    if not self._open_socket.recv_into(rest):
                        break
        self.close()

    def close(self) -> None:
        """Close this end of the connection."""
        self._open_socket.close()


def steps_of(frames: npt.NDArray[Any], before: int) -> npt.NDArray[np.int64]:
    """(t + 1,) the step before some frames, and theirs; counted if frames have none."""
    if "time" not in (frames.dtype.names or ()):
        return before + np.arange(len(frames) + 1)
    return np.concatenate([[before], frames["time"]["step"].astype(np.int64)])
