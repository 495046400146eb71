"""Kernels read raw addresses, but no byte before a text nor behind its padding.

Buffers are placed against inaccessible pages, once with their first byte and once with their
last, and thousands of damaged texts are read from them in a separate process: an access outside
ends it with a signal.
"""

import ctypes
import mmap
import os
import random
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import TrajmodesError, TrajmodesWarning
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.lammps import index as lammps_index
from trajmodes.readers.text import parse
from trajmodes.readers.text.floats import PADDING
from trajmodes.readers.xyz import index as xyz_index

DATA = Path(__file__).parents[1] / "data"
FILES = {
    "o_custom.lammpstrj": DATA / "lammps" / "o_custom.lammpstrj",
    "o_all.lammpstrj": DATA / "lammps" / "o_all.lammpstrj",
    "t.extxyz": DATA / "t.extxyz",
    "o.xyz": DATA / "o.xyz",
}
TOKENS = [
    b"",
    b"\n",
    b" \n",
    b"\0",
    b"9" * 30,
    b"-",
    b".",
    b"1e",
    b"ITEM:",
    b"ITEM: ATOMS",
    b"32",
]


def fenced(size, *, at_the_end):
    """Bytes between two pages that end the process when they are accessed."""
    page = mmap.PAGESIZE
    inside = -(-size // page) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    protect = ctypes.CDLL(None).mprotect
    for fence in (address, address + page + inside):
        assert protect(ctypes.c_void_p(fence), ctypes.c_size_t(page), 0) == 0
    offset = page + (inside - size if at_the_end else 0)
    return np.frombuffer(memory, np.uint8, size, offset)


def damaged(text, rng):
    """A text with a few bytes changed, removed or inserted, and often truncated."""
    data = bytearray(text)
    for _ in range(rng.choice([1, 1, 2, 5])):
        at = rng.randrange(len(data))
        how = rng.randrange(4)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            del data[at : at + rng.choice([1, 3, 50])]
        elif how == 2:
            data[at:at] = rng.choice(TOKENS)
        else:
            while at > 0 and data[at - 1] > 32:
                at -= 1
            stop = at
            while stop < len(data) and data[stop] > 32:
                stop += 1
            data[at:stop] = rng.choice(TOKENS)
    return bytes(data[: rng.randrange(1, len(data) + 1)] if rng.random() < 0.3 else data)


def read_damaged_texts(name, n_cases):
    """Read texts from fenced buffers; any foreign error, and any warning, ends the process."""
    text, rng, count = FILES[name].read_bytes(), random.Random(name), 0

    def padded(size):
        nonlocal count
        count += 1
        buffer = fenced(size + PADDING, at_the_end=bool(count % 2))
        buffer[size:] = 10
        return buffer

    for module in (parse, lammps_index, xyz_index):
        module.padded = padded
    warnings.simplefilter("ignore", TrajmodesWarning)
    cell = np.diag([20.0, 20.0, 20.0]) if name.endswith(".xyz") else None
    form = "lammps" if name.endswith("trj") else "xyz"
    for case in range(n_cases):
        # Small windows end anywhere in the text, at the inaccessible page behind them.
        lammps_index._CHUNK = xyz_index._CHUNK = rng.choice([600, 1111, 4096, 1 << 16])
        path = Path(tempfile.mkdtemp()) / name
        path.write_bytes(damaged(text, rng) if case else text)
        try:
            run = open_trajectory(path, ReadOptions(units="metal", box=cell), format=form)
            run.read(0, run.n_frames)
        except TrajmodesError:
            assert case, "the sound file was refused"
        finally:
            path.unlink()
            path.parent.rmdir()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect as Linux has it")
@pytest.mark.parametrize("name", FILES)
def test_no_byte_outside_a_text_is_read(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, name, "300"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "c"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


if __name__ == "__main__":
    read_damaged_texts(sys.argv[1], int(sys.argv[2]))


def test_many_small_frames_take_few_bytes_each(tmp_path, monkeypatch):
    """Positions of frames are all that grows with their number: 40 MB for half a million."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    head = "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n1\nITEM: BOX BOUNDS pp pp pp\n"
    frame = head + "0 4\n0 4\n0 4\nITEM: ATOMS id type xu yu zu\n1 1 1.0000001 2 3\n"
    n_frames = 20_000
    path = tmp_path / "many.lammpstrj"
    path.write_text("".join(frame.format(step) for step in range(n_frames)))
    options = ReadOptions(units="metal", timestep_fs=1.0)
    open_trajectory(path, options)
    tracemalloc.start()
    try:
        trajectory = open_trajectory(path, options)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert trajectory.n_frames == n_frames
    assert now < 90 * n_frames
    assert peak < 450 * n_frames
