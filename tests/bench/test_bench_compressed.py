"""Compressed text to arrays, beside the programs that only decompress it, in one run.

``TRAJMODES_BENCH_DUMP`` may name a larger dump with the ten columns id type xu … fz (units
metal); else one of some 50 MB is made. Times are those of warm files: all processes have two
cores, and `pigz` and `zstd` use one of them to decompress. On a machine with other work two
threads get less than two cores: twice the ratio of processor times is what two idle cores allow
at most.
"""

import os
import resource
import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from program_files.compressions import zstd
from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.text import kept
from trajmodes.readers.text.source import open_source

pytestmark = pytest.mark.bench

N_ATOMS, N_FRAMES, BLOCK, PIECE, FRAME = 512, 1000, 100, 1 << 22, 1 << 23
COLUMNS = "id type xu yu zu vx vy vz fx fy fz"
OPTIONS = ReadOptions(units="metal", timestep_fs=1.0)
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
PEERS = {"gz": ["pigz", "-dc"], "zst": ["zstd", "-dc"], "frames.zst": ["zstd", "-dc"]}


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    given = os.environ.get("TRAJMODES_BENCH_DUMP")
    if given:
        return Path(given)
    path = tmp_path_factory.mktemp("bench") / "run.lammpstrj"
    random = np.random.default_rng(1)
    row = "%d 1" + " %.8g" * 9 + "\n"
    with path.open("w") as file:
        for t in range(N_FRAMES):
            values = random.normal(size=(N_ATOMS, 9)) * [[2, 2, 2, 4, 4, 4, 1, 1, 1]]
            numbers = np.column_stack([np.arange(1, N_ATOMS + 1), values]).ravel()
            file.write(f"ITEM: TIMESTEP\n{5 * t}\nITEM: NUMBER OF ATOMS\n{N_ATOMS}\n")
            file.write("ITEM: BOX BOUNDS pp pp pp\n" + "0.0 21.724\n" * 3)
            file.write(f"ITEM: ATOMS {COLUMNS}\n" + row * N_ATOMS % tuple(numbers.tolist()))
    return path


def packed(dump, name, folder):
    """Compress a dump as its program does by default, or in frames as pzstd does."""
    if shutil.which(PEERS[name][0]) is None:
        pytest.skip(f"{PEERS[name][0]} is not installed")
    path = folder / f"{dump.name}.{name}"
    with dump.open("rb") as source, path.open("wb") as file:
        if name == "frames.zst":
            while text := source.read(FRAME):
                file.write(zstd.compress(text))
        else:
            subprocess.run([PEERS[name][0], "-c"], stdin=source, stdout=file, check=True)
    return path


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor_seconds():
    """Processor time of this process, and of the processes that it ran."""
    own, others = (resource.getrusage(who) for who in WHO)
    return np.array([one.ru_utime + one.ru_stime for one in (own, others)])


def arrays(path):
    """Read all frames with two threads, opening the file anew."""
    kept.forget_all()
    run = open_trajectory(path, OPTIONS)
    starts = range(0, run.n_frames, BLOCK)
    with ThreadPoolExecutor(2) as pool:
        for block in pool.map(lambda t: run.read(t, min(t + BLOCK, run.n_frames)), starts):
            assert block.positions.shape[1:] == (run.n_atoms, 3)


def text_alone(path):
    """Read all text with two threads, each into one buffer, as frames are read."""
    kept.forget_all()
    source, own = open_source(path), threading.local()

    def piece(at):
        text = vars(own).setdefault("buffer", np.empty(PIECE, dtype=np.uint8))
        text = text[: min(PIECE, source.size - at)]
        with source.reading() as opened:
            source.fill(opened, text, at)
        return len(text)

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(piece, range(0, source.size, PIECE))) == source.size


@pytest.mark.parametrize("name", PEERS)
def test_reading_beside_the_program_that_decompresses(dump, name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = packed(dump, name, tmp_path)
    arrays(dump)
    first = seconds(lambda: arrays(path))
    rounds, busy = [], []
    for _ in range(3):
        before = processor_seconds()
        with Path(os.devnull).open("wb") as nothing:
            peer = seconds(
                lambda to=nothing: subprocess.run([*PEERS[name], path], stdout=to, check=True)
            )
        text = seconds(lambda: text_alone(path))
        between = processor_seconds()
        rounds.append((peer, text, seconds(lambda: arrays(path))))
        busy.append(((between - before)[1], (processor_seconds() - between)[0]))
    peer, text, both = map(min, zip(*rounds, strict=True))
    its, ours = map(min, zip(*busy, strict=True))
    size = 1e-6 * dump.stat().st_size
    print(  # noqa: T201 - a bench prints
        f"\n{name}: {PEERS[name][0]} {size / peer:.0f} MB/s of text; ours: text alone "
        f"{size / text:.0f} MB/s, ratio {peer / text:.2f}; arrays {size / both:.0f} MB/s, "
        f"ratio {peer / both:.2f}, on two idle cores at most {2.0 * its / ours:.2f}; arrays at "
        f"first contact {peer / first:.2f}"
    )
    if name == "gz":
        assert 2.0 * its / ours > 1.5
