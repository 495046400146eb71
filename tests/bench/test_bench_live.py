"""Frames of a running simulation: received from another process, and their renewed results."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import trajmodes as tm
import trajmodes.streaming.schedule
from simulations.imd import frame, start
from trajmodes.config.job import job_of
from trajmodes.pipeline.job_folder import no_bars
from trajmodes.pipeline.live.growth import Growth
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


DATA = Path(__file__).parents[2] / "examples" / "data"
CELL = str(DATA / "silicon.POSCAR")
SHORT, LONG, NEW = 2_000, 20_000, 100
"""Frames of two runs, and those that are added for each renewal."""


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    """Silicon of the examples, forwards and backwards in time by turns, as it is sent."""
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=CELL).trajectory
    n, block = run.n_frames, run.read(0, run.n_frames)
    forwards = np.stack([block.positions, block.velocities, block.forces], axis=1)
    backwards = forwards[::-1] * np.array([1.0, -1.0, 1.0])[:, None, None]
    both = (forwards, backwards)
    stride, step_ps = run.steps[1] - run.steps[0], run.time.timestep_ps
    return [
        frame(int(t * stride), both[t // n % 2][t % n], block.cells[0], step_ps=step_ps)
        for t in range(LONG + 4 * NEW)
    ]


def cost_of_renewal(sent: list[bytes], n_frames: int, folder: Path) -> float:
    """Least processor time in s of renewals by new frames, while constants are learned."""
    folder.mkdir()
    path, seconds = folder / "stream.imd", []
    options = {"cell": CELL, "cutoff2": 4, "units": "metal", "resolution_thz": 0.25}
    growth = Growth(job_of("run", [str(path)], {**options, "output": str(folder / "a")}))
    for n in (n_frames * 3 // 5, *(n_frames + k * NEW for k in range(5))):
        path.write_bytes(start() + b"".join(sent[:n]))
        begin = time.process_time()
        growth.renewed("live", no_bars)
        seconds.append(time.process_time() - begin)
    return min(seconds[2:])


def test_a_renewal_costs_the_same_after_ten_times_as_many_frames(sent, tmp_path, monkeypatch):
    monkeypatch.setattr(trajmodes.streaming.schedule, "BLOCK_BYTES", 72 * 64 * NEW)
    short, long = (cost_of_renewal(sent, n, tmp_path / str(n)) for n in (SHORT, LONG))
    print(f"\nafter {SHORT} frames {short:.2f} s, after {LONG} frames {long:.2f} s")  # noqa: T201
    assert long < 1.3 * short
