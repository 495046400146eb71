"""Damaged binary files end in one error, though the libraries that read them crash or loop."""

import random
import sys
import time
from pathlib import Path

import h5py
import MDAnalysis
import numpy as np
import pytest

from trajmodes.errors import DataError, TrajmodesError
from trajmodes.formats.open import open_trajectory
from trajmodes.formats.registry import read_force_constants
from trajmodes.readers import soundness
from trajmodes.readers.soundness import require_survivable

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.hdf5"
    with h5py.File(path, "w") as made:
        made["numbers"] = np.arange(10)
        made["text"] = "abc"
        made.attrs["unit"] = "eV"
        made.create_dataset("absent", (10**9, 10**3), "f8", chunks=(1, 1000))
    return path


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Replace the program that reads the file by some lines of Python."""

    def replace(text):
        path = tmp_path / "program.py"
        path.write_text(text)
        monkeypatch.setattr(soundness, "_TRIAL", path)

    return replace


@pytest.mark.parametrize(
    "text",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import time; time.sleep(60)",
    ],
)
def test_a_crash_or_a_loop_is_an_error(file, program, monkeypatch, text):
    monkeypatch.setattr(soundness, "_PATIENCE", 1.0)
    program(text)
    with pytest.raises(DataError, match=r"crashes the library .*data\.hdf5"):
        require_survivable(file, "hdf5")
    with pytest.raises(DataError, match=r"crashes the library .*data\.hdf5"):
        read_force_constants(file)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
@pytest.mark.parametrize(
    ("text", "message"),
    [("while True: pass", "keeps it busy"), ("bytes(1 << 40)", "cannot be read: MemoryError")],
)
def test_time_and_memory_are_limited(file, program, text, message):
    """By the process itself: the limit of waiting is a minute."""
    folder = str(Path(soundness.__file__).parent)
    program(
        f"import sys; sys.path.append({folder!r}); import trial\n"
        f"def read(path):\n    {text}\n"
        "trial.KINDS['hdf5'] = lambda: read\n"
        "sys.exit(trial.main(*sys.argv[1:]))\n"
    )
    start = time.monotonic()
    with pytest.raises(DataError, match=message):
        require_survivable(file, "hdf5")
    assert time.monotonic() - start < 30.0


def test_a_healthy_file_is_tried_once(file, program):
    require_survivable(file, "hdf5")
    program("import os; os.abort()")
    require_survivable(file, "hdf5")
    file.touch()
    with pytest.raises(DataError, match="crashes"):
        require_survivable(file, "hdf5")


def test_a_python_without_the_library_or_without_a_program_refuses_nothing(
    file, program, monkeypatch
):
    program("import no_such_library")
    require_survivable(file, "hdf5")
    file.touch()
    monkeypatch.setattr(sys, "executable", "")
    require_survivable(file, "hdf5")


def gromacs_file(path):
    universe = MDAnalysis.Universe.empty(20, trajectory=True, velocities=True)
    rng = np.random.default_rng(0)
    with MDAnalysis.Writer(str(path), 20) as writer:
        for _ in range(4):
            universe.atoms.positions = rng.random((20, 3)) * 9.0
            universe.dimensions = [10, 10, 10, 90, 90, 90]
            writer.write(universe.atoms)
    return path.read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["xtc", "trr", "dcd"])
def test_damaged_binary_trajectories_end_in_errors(tmp_path, in_own_process, suffix):
    """A few of them crash the libraries in the process that reads them.

    Others may damage its memory, so that it is not the process of the other tests.
    """
    path = tmp_path / f"run.{suffix}"
    sound, rng = gromacs_file(path), random.Random(suffix)
    in_own_process(lambda: open_damaged(path, sound, rng))


def open_damaged(path, sound, rng):
    for _ in range(40):
        damaged = bytearray(sound)
        for _ in range(3):
            damaged[rng.randrange(300)] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            run = open_trajectory(path)
        except TrajmodesError:
            continue
        assert run.n_frames <= 4


def test_damaged_numbers_of_gromacs_do_not_crash(tmp_path):
    """The number of atoms, which stands twice in the head of an XTC frame."""
    path = tmp_path / "run.xtc"
    damaged = bytearray(gromacs_file(path))
    assert damaged[4:8] == damaged[52:56] == (20).to_bytes(4, "big")
    for number in (2**31 - 1, 5, 0):
        damaged[4:8] = damaged[52:56] = number.to_bytes(4, "big")
        path.write_bytes(damaged)
        with pytest.raises(TrajmodesError, match=r"run\.xtc"):
            open_trajectory(path)
