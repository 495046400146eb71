"""A simulation that sends frames by the IMD protocol, as LAMMPS does, in a thread.

The bytes are made here by the published layout, independently of the package.
"""

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

DISCONNECT, GO, KILL, PAUSE, RESUME = 0, 3, 5, 7, 11


def start(order: str = "<", version: int = 3, flags: Sequence[int] = (1, 0, 1, 1, 0, 1, 1)):
    """Handshake and description of the session."""
    handshake = struct.pack(">i", 4) + struct.pack(f"{order}i", version)
    return handshake + struct.pack(">ii", 10, 7) + bytes(flags)


def frame(step: int, vectors, box, order: str = "<", step_ps: float = 0.001) -> bytes:
    """Bytes of a frame with time, box, positions, velocities and forces (3, a, 3)."""
    n_atoms = len(vectors[0])
    parts = [
        struct.pack(">ii", 12, 1) + struct.pack(f"{order}ddq", step_ps, step * step_ps, step),
        struct.pack(">ii", 13, 1) + np.asarray(box, f"{order}f4").tobytes(),
    ]
    for kind, field in zip((2, 14, 15), vectors, strict=True):
        parts.append(
            struct.pack(">ii", kind, n_atoms) + np.asarray(field, f"{order}f4").tobytes()
        )
    return b"".join(parts)


def part(whole: bytes, flags: Sequence[int]) -> bytes:
    """Leave the packets out of the bytes of a frame whose flags are not set."""
    kinds = {12: 0, 13: 2, 2: 3, 14: 5, 15: 6}
    kept, at = b"", 0
    while at < len(whole):
        kind, length = struct.unpack_from(">ii", whole, at)
        size = 8 + {12: 24, 13: 36}.get(kind, 12 * length)
        kept += whole[at : at + size] if flags[kinds[kind]] else b""
        at += size
    return kept


class Simulation(threading.Thread):
    """Serves each client what the next of some functions sends, then closes the connection."""

    def __init__(self, *sessions: Callable[[socket.socket], None]) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        # A program of its own takes this long to start on a busy computer.
        self.listener.settimeout(120.0)
        self.sessions = sessions
        self.start()

    @property
    def address(self) -> str:
        return f"imd://127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        with self.listener:
            for session in self.sessions:
                client, _ = self.listener.accept()
                client.settimeout(20.0)
                with client, suppress(OSError):
                    session(client)


def sending(*parts: bytes, first: bytes | None = None, pause_s: float = 0.0):
    """A session that waits for GO, then sends some bytes."""

    def session(client: socket.socket) -> None:
        client.sendall(start() if first is None else first)
        for part in parts if client.recv(8) == struct.pack(">ii", GO, 0) else ():
            client.sendall(part)
            time.sleep(pause_s)

    return session


def obedient(data: Callable[[int], bytes], heard: list[int], pause_s: float = 0.001):
    """A session that sends frames, by number, and obeys all packets, as LAMMPS does."""

    def session(client: socket.socket) -> None:
        sending()(client)
        number, is_paused = 0, False
        while True:
            while select.select([client], [], [], 0.2 if is_paused else 0.0)[0]:
                packet = struct.unpack(">ii", client.recv(8))[0]
                heard.append(packet)
                is_paused = packet == PAUSE
                if packet in (DISCONNECT, KILL):
                    return
            if not is_paused:
                client.sendall(data(number))
                number += 1
                time.sleep(pause_s)

    return session


def endless(
    data: Callable[[int], bytes],
    left: list[int],
    pause_s: float = 0.0,
    first: bytes | None = None,
):
    """A session that sends frames, by number, until the client sends a packet."""

    def session(client: socket.socket) -> None:
        sending(first=first)(client)
        number = 0
        while not select.select([client], [], [], 0.0)[0]:
            client.sendall(data(number))
            number += 1
            time.sleep(pause_s)
        left.append(struct.unpack(">ii", client.recv(8))[0])

    return session
