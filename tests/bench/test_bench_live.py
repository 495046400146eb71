"""Frames of a running simulation to a recording, from another process that only sends."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from trajmodes.pipeline.live.recorder import Recorder
from trajmodes.readers.imd.client import Client, address_of

pytestmark = pytest.mark.bench

N_ATOMS, N_FRAMES = 512, 20_000
SERVER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import numpy as np
from simulations.imd import Simulation, frame, sending
vectors = np.random.default_rng(1).normal(size=(3, {N_ATOMS}, 3))
sent = [frame(t, vectors, np.eye(3)) for t in range({N_FRAMES})]
simulation = Simulation(sending(*sent))
print(simulation.address, flush=True)
simulation.join()
"""


def received(path: Path) -> tuple[float, float]:
    """Frames per second that a recorder receives, and its processor time in s per frame."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True
    ) as server:
        address = address_of(server.stdout.readline().strip())
        recorder = Recorder(Client(address, wait_s=5.0), path, most=N_FRAMES)
        begin, busy = time.perf_counter(), time.process_time()
        recorder.start()
        recorder.join()
        rate = N_FRAMES / (time.perf_counter() - begin)
        cost = (time.process_time() - busy) / N_FRAMES
    assert recorder.n_frames == N_FRAMES
    path.unlink()
    return rate, cost


def test_five_thousand_frames_of_512_atoms_per_second_are_received(tmp_path):
    found = [received(tmp_path / "a") for _ in range(5)]
    rate, cost = max(one for one, _ in found), min(one for _, one in found)
    text = f"{rate:.0f} frames/s, {1e3 * cost:.3f} s of processor time for 1000 frames"
    print(f"\n{text}")  # noqa: T201 - a bench prints
    assert rate > 5000.0
    assert 5000.0 * cost < 0.5, "at this rate it needs more than half a processor"
