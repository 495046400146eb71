"""Text dump to arrays, ours beside the peers, on one file and in one run.

``TRAJMODES_BENCH_DUMP`` may name a larger dump with the ten columns id type xu … fz (units
metal); else one of some 50 MB is made.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory

pytestmark = pytest.mark.bench

N_ATOMS, N_FRAMES = 512, 1000
COLUMNS = "id type xu yu zu vx vy vz fx fy fz"
BLOCK = 100


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    given = os.environ.get("TRAJMODES_BENCH_DUMP")
    if given:
        return Path(given)
    path = tmp_path_factory.mktemp("bench") / "run.lammpstrj"
    random = np.random.default_rng(1)
    ids = np.arange(1, N_ATOMS + 1)
    with path.open("w") as file:
        for t in range(N_FRAMES):
            values = random.normal(size=(N_ATOMS, 9)) * [[2, 2, 2, 4, 4, 4, 1, 1, 1]]
            if t % 100 == 0:
                rows = "".join(
                    f"{k} 1 " + " ".join(f"{x:.8g}" for x in row) + "\n"
                    for k, row in zip(ids, values, strict=True)
                )
            file.write(f"ITEM: TIMESTEP\n{5 * t}\nITEM: NUMBER OF ATOMS\n{N_ATOMS}\n")
            file.write("ITEM: BOX BOUNDS pp pp pp\n" + "0.0 21.724\n" * 3)
            file.write(f"ITEM: ATOMS {COLUMNS}\n{rows}")
    return path


def best_of(runs, work):
    """Shortest time of several runs, in s."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def ours(trajectory, stop, threads):
    starts = range(0, stop, BLOCK)
    with ThreadPoolExecutor(threads) as pool:
        stops = [min(start + BLOCK, stop) for start in starts]
        for block in pool.map(trajectory.read, starts, stops):
            assert block.positions.shape[1:] == (trajectory.n_atoms, 3)


def say(text):
    print(f"\n{text}")  # noqa: T201 - a bench prints


def report(name, speed, peer):
    say(f"{name}: ours {speed:.0f} MB/s, peer {peer:.0f} MB/s, ratio {speed / peer:.1f}")


def our_speed(dump):
    trajectory = open_trajectory(dump, ReadOptions(units="metal", timestep_fs=1.0))
    trajectory.read(0, 1)
    stop = min(trajectory.n_frames, 4 * N_FRAMES)
    megabytes = 1e-6 * trajectory.n_bytes / trajectory.n_frames
    one = best_of(3, lambda: ours(trajectory, stop, 1))
    two = best_of(3, lambda: ours(trajectory, stop, 2))
    total = megabytes * stop
    say(f"ours: {total / one:.0f} MB/s with one thread, {total / two:.0f} MB/s with two")
    return trajectory, megabytes, megabytes * stop / two


def test_faster_than_chemfiles(dump):
    chemfiles = pytest.importorskip("chemfiles")
    trajectory, megabytes, speed = our_speed(dump)
    frames = min(300, trajectory.n_frames)

    def read():
        with chemfiles.Trajectory(str(dump), "r", "LAMMPS") as peer:
            for _ in range(frames):
                np.array(peer.read().positions)

    peer_speed = megabytes * frames / best_of(2, read)
    report("chemfiles", speed, peer_speed)


def test_faster_than_mdanalysis(dump):
    reader = pytest.importorskip("MDAnalysis.coordinates.LAMMPS")
    trajectory, megabytes, speed = our_speed(dump)
    frames = min(100, trajectory.n_frames)

    # Finding the frames is not counted; velocities and forces are asked for, as of ours.
    peer = reader.DumpReader(
        str(dump), n_atoms=trajectory.n_atoms, dt=1.0, additional_columns=COLUMNS.split()[5:]
    )

    def read():
        for t in range(frames):
            np.array(peer[t].positions)

    peer_speed = megabytes * frames / best_of(2, read)
    peer.close()
    report("MDAnalysis", speed, peer_speed)


def test_memory_does_not_grow_with_the_run(dump):
    trajectory = open_trajectory(dump, ReadOptions(units="metal", timestep_fs=1.0))
    process = psutil.Process()
    for start in range(0, 200, BLOCK):
        trajectory.read(start, start + BLOCK)
    before = process.memory_info().rss
    peak = before
    for start in range(0, trajectory.n_frames - BLOCK, BLOCK):
        trajectory.read(start, start + BLOCK)
        peak = max(peak, process.memory_info().rss)
    say(f"memory: {1e-6 * before:.0f} MB after 2 blocks, {1e-6 * peak:.0f} MB at most")
    assert peak < before + 64e6


def test_first_index_and_cached_index(dump, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    start = time.perf_counter()
    size = open_trajectory(dump, ReadOptions(units="metal", timestep_fs=1.0)).n_bytes
    first = time.perf_counter() - start
    again = best_of(
        3, lambda: open_trajectory(dump, ReadOptions(units="metal", timestep_fs=1.0))
    )
    say(f"index: {1e-6 * size / first:.0f} MB/s at first, {1e3 * again:.1f} ms when cached")
