"""Runs that are larger than memory: ``pytest -m soak``.

A binary dump of ``TRAJMODES_SOAK_GB`` (100) is a sparse file: its bytes are made where the
reader asks for them, from a few frames that repeat with increasing steps. All else is what
reads a real file. Every command runs in a process of its own, whose memory is measured.
"""

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from program_files.lammps_dumps import COLUMNS, binary_frame

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(
    not STATUS.exists(), reason="the peak of a process is read from /proc"
)
GB = float(os.environ.get("TRAJMODES_SOAK_GB", "100"))
N_FRAMES = int(os.environ.get("TRAJMODES_SOAK_FRAMES", "100000"))
STEP_AT = 26
"""Byte of the step in a frame of a binary dump."""
POSCAR = "Ar\n5.4\n1 0 0\n0 1 0\n0 0 1\nAr\n4\ndirect\n0 0 0\n0 .5 .5\n.5 0 .5\n.5 .5 0\n"

# `ru_maxrss` of a child begins at the peak of the process that started it; VmHWM does not.
TAKEN = """
import sys

def taken():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
"""
PROGRAM = """
from trajmodes.cli.program import main
try:
    main(sys.argv[1:])
finally:
    print("memory", taken())
"""
READING = """
from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory

open_trajectory(sys.argv[1], ReadOptions()).read(0, 1)  # loads libraries and kernels
before = taken()
run = open_trajectory(sys.argv[2], ReadOptions())
print(taken() - before)
for stop in range(1, 4):
    found = run.read(0, stop)
    print(taken() - before)
    del found
"""
REPEATED = """
import os, sys
from pathlib import Path
import numpy as np
import trajmodes.readers.text.places as places

path, length, step_at = sys.argv.pop(1), int(sys.argv.pop(1)), int(sys.argv.pop(1))
frames = np.fromfile(path + ".frames", dtype=np.uint8).reshape(-1, length)
read_at = places.read_at

def repeated(descriptor, buffer, offset):
    if os.readlink(f"/proc/self/fd/{descriptor}") != path:
        return read_at(descriptor, buffer, offset)
    size = min(len(buffer), os.fstat(descriptor).st_size - offset)
    view, done = np.frombuffer(buffer, dtype=np.uint8), 0
    while done < size:
        t, first = divmod(offset + done, length)
        count = min(length - first, size - done)
        view[done : done + count] = frames[t % len(frames), first : first + count]
        low, high = max(step_at, first), min(step_at + 8, first + count)
        if low < high:
            step = np.frombuffer(np.int64(10 * t).tobytes(), dtype=np.uint8)
            at = done - first
            view[at + low : at + high] = step[low - step_at : high - step_at]
        done += count
    return size

places.read_at = repeated
"""


def frame(sites, box, step, rng):
    """Bytes of a frame of argon that oscillates about its sites."""
    u_ax, v_ax = rng.normal(size=(2, *sites.shape)) * [[[0.1]], [[1.1]]]
    f_ax = -0.3 * (u_ax - 0.1 * np.roll(u_ax, 1, axis=0))
    labels = np.column_stack([np.arange(1, len(sites) + 1), np.ones(len(sites))])
    rows = np.column_stack([labels, sites + u_ax, v_ax, f_ax])
    return binary_frame(step, rows, columns=COLUMNS, box=(0.0, box) * 3)


def argon(n_cells):
    """Sites (a, 3) of argon on fcc, and the edge of their box."""
    base = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cells = np.stack(np.meshgrid(*3 * [range(n_cells)], indexing="ij"), -1).reshape(-1, 3)
    return ((cells[:, None] + base) * 5.4).reshape(-1, 3), 5.4 * n_cells


def measured(tmp_path, trajectory, *, command="run", before=(), patch=""):
    """Largest memory in bytes that a command takes, and what it prints."""
    (tmp_path / "POSCAR").write_text(POSCAR)
    words = [command, trajectory, "--cell", tmp_path / "POSCAR", "--timestep-fs", "1"]
    words += ["--cutoff", "3.9", "-o", tmp_path / "out"]
    done = subprocess.run(
        [sys.executable, "-c", patch + TAKEN + PROGRAM, *map(str, (*before, *words))],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text, _, memory = done.stdout.rpartition("memory ")
    return float(memory), text


@pytest.mark.parametrize(
    "gigabytes",
    [pytest.param(0.2, marks=pytest.mark.slow), pytest.param(GB, marks=pytest.mark.soak)],
)
def test_a_run_larger_than_memory_takes_little_memory(tmp_path, gigabytes):
    sites, box = argon(6)
    rng = np.random.default_rng(0)
    frames = [frame(sites, box, 0, rng) for _ in range(16)]
    length, path = len(frames[0]), tmp_path / "run.bin"
    path.with_name("run.bin.frames").write_bytes(b"".join(frames))
    path.write_bytes(frames[0])
    n_frames = int(gigabytes * 1e9) // length
    os.truncate(path, n_frames * length)
    before = path.resolve(), length, STEP_AT
    memory, text = measured(tmp_path, path, before=before, patch=REPEATED)
    assert f"{n_frames} frames" in text
    assert memory < 1.5e9


@pytest.mark.parametrize(("n_cells", "n_frames"), [(30, 20), (63, 6)])
@pytest.mark.soak
def test_large_frames_are_in_memory_once(tmp_path, n_cells, n_frames):
    """Frames of 108000 and 1000188 atoms: their arrays, and the bytes of one more frame."""
    sites, box = argon(n_cells)
    rng, path, small = np.random.default_rng(0), tmp_path / "large.bin", tmp_path / "small.bin"
    small.write_bytes(b"".join(frame(*argon(2), 10 * t, rng) for t in range(2)))
    with path.open("wb") as file:
        for t in range(n_frames):
            file.write(frame(sites, box, 10 * t, rng))
    done = subprocess.run(
        [sys.executable, "-c", TAKEN + READING, str(small), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    opened, *read = map(float, done.stdout.split())
    of_frame = 72.0 * len(sites)
    assert opened < 3.0 * of_frame
    for k, taken in enumerate(read, start=1):
        assert taken < opened + (k + 1.5) * of_frame


@pytest.mark.soak
def test_a_fit_of_a_hundred_thousand_atoms_takes_little_memory(tmp_path):
    """What grows as the square of the number of q points is left out of the error bars."""
    sites, box = argon(30)
    rng, path = np.random.default_rng(0), tmp_path / "large.bin"
    path.write_bytes(b"".join(frame(sites, box, 10 * t, rng) for t in range(20)))
    memory, text = measured(tmp_path, path, command="fit")
    assert "20 frames" in text
    assert memory < 2.5e9


@pytest.mark.soak
def test_a_hundred_thousand_short_frames_and_files(tmp_path):
    """They are read in one file and in as many files, in little memory."""
    sites, box = argon(2)
    rng, folder = np.random.default_rng(0), tmp_path / "files"
    folder.mkdir()
    frames = [frame(sites, box, 0, rng) for _ in range(16)]
    with (tmp_path / "one.bin").open("wb") as one:
        for t in range(N_FRAMES):
            text = bytearray(frames[t % 16])
            text[STEP_AT : STEP_AT + 8] = struct.pack("<q", 10 * t)
            one.write(text)
            (folder / f"{t}.bin").write_bytes(text)
    in_one, text = measured(tmp_path, tmp_path / "one.bin")
    assert f"{N_FRAMES} frames" in text
    in_many, again = measured(tmp_path, f"{folder}/*.bin")
    assert f"{N_FRAMES} frames" in again
    assert in_one < 1.0e9
    assert in_many < 1.2e9
