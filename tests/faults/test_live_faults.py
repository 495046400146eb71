"""Damage in what a simulation sends: frames before it, then a clean end or an error.

Each kind of damage is made a few dozen times here, always the same ones;
``TRAJMODES_FUZZ=100000 pytest tests/faults/test_live_faults.py`` makes as many.
"""

import os
import random
import socket
from threading import Thread

import numpy as np
import pytest

from simulations.imd import frame, start
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.imd.client import Address, Client
from trajmodes.readers.imd.protocol import session_of

pytestmark = pytest.mark.faults

N_FRAMES, N_ATOMS, N_TIMES = 6, 3, int(os.environ.get("TRAJMODES_FUZZ", "60"))
VECTORS = np.random.default_rng(2).normal(size=(N_FRAMES, 3, N_ATOMS, 3))
BOX = np.eye(3) * 7.0
HEADERS = np.cumsum([0, 8 + 24, 8 + 36, 8 + 12 * N_ATOMS, 8 + 12 * N_ATOMS])
"""Where the headers of a frame begin."""


def sent_by(order: str) -> list[bytes]:
    return [frame(t, one, BOX, order) for t, one in enumerate(VECTORS)]


def received(data: bytes, pieces: random.Random, first: bytes) -> tuple[list[bytes], str]:
    """Frames that a client makes of bytes which come in pieces, and the error at their end."""
    simulation, own = socket.socketpair()
    client = Client(Address("localhost", 1), wait_s=1.0)
    own.settimeout(5.0)
    client._socket = own

    def send() -> None:
        at = 0
        with simulation:
            while at < len(data):
                size = pieces.choice((1, 7, 100, 10_000))
                simulation.sendall(data[at : at + size])
                at += size

    sender = Thread(target=send)
    sender.start()
    found, error = [], ""
    try:
        for some in client.frames(session_of(first)):
            assert some is not None, "nothing comes, and the connection is open"
            found += [one.tobytes() for one in some[1]]
    except DataError as raised:
        error = str(raised)
    sender.join()
    client.close()
    return found, error


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["lost", "inserted", "cut", "header"])
def test_frames_before_damage_are_kept_and_none_after_it(kind, order):
    rng, whole = random.Random(f"{kind} {order}"), sent_by(order)
    size, data = len(whole[0]), b"".join(whole)
    for _ in range(N_TIMES):
        at, number = rng.randrange(len(data)), rng.randrange(1, size)
        if kind == "lost":
            wrong = data[:at] + data[at + number :]
        elif kind == "inserted":
            wrong = data[:at] + rng.randbytes(number) + data[at:]
        elif kind == "cut":
            wrong = data[:at]
        else:
            at = size * rng.randrange(N_FRAMES) + int(rng.choice(HEADERS)) + rng.randrange(8)
            wrong = data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :]
        found, error = received(wrong, rng, start(order))
        n = at // size
        assert found[:n] == whole[:n]
        # Damage in the last packet of a frame leaves all its headers right.
        assert len(found) <= n + (kind in {"inserted", "lost"})
        if kind == "header" and n:
            assert "which should be" in error
        if kind == "inserted" and 0 < n < N_FRAMES - 2:
            assert error


def test_any_beginning_is_a_session_or_an_error():
    rng, right = random.Random(5), start()
    for _ in range(20 * N_TIMES):
        wrong = bytearray(right if rng.random() < 0.8 else rng.randbytes(len(right)))
        for _ in range(rng.randrange(1, 4)):
            wrong[rng.randrange(len(wrong))] = rng.choice((0, 1, 3, 255, rng.randrange(256)))
        cut = wrong[: rng.choice((len(wrong), rng.randrange(len(wrong) + 1)))]
        try:
            session = session_of(bytes(cut))
        except (DataError, UsageError):
            continue
        assert session.start() == cut


def test_a_number_of_atoms_that_cannot_be_takes_no_memory():
    data = bytearray(sent_by("<")[0])
    data[HEADERS[2] + 4 : HEADERS[3]] = b"\x7f\xff\xff\xff" + bytes(12 * N_ATOMS)
    found, error = received(bytes(data), random.Random(1), start())
    assert not found
    assert "positions of atoms are expected" in error
