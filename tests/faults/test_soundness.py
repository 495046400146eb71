"""Damaged HDF5 files end in one error, though the library that reads them crashes or loops."""

import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from trajmodes.errors import DataError
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
        require_survivable(file)
    with pytest.raises(DataError, match=r"crashes the library .*data\.hdf5"):
        read_force_constants(file)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("while True: pass", "keeps it busy", marks=pytest.mark.slow),
        ("bytes(1 << 40)", "cannot be read: MemoryError"),
    ],
)
def test_time_and_memory_are_limited(file, program, text, message):
    """By the process itself: the limit of waiting is a minute."""
    folder = str(Path(soundness.__file__).parent)
    program(
        f"import sys; sys.path.append({folder!r}); import trial\n"
        f"def read(path):\n    {text}\n"
        "trial.read = read\n"
        "sys.exit(trial.main(*sys.argv[1:]))\n"
    )
    start = time.monotonic()
    with pytest.raises(DataError, match=message):
        require_survivable(file)
    assert time.monotonic() - start < 30.0


def test_a_healthy_file_is_tried_once(file, program):
    require_survivable(file)
    program("import os; os.abort()")
    require_survivable(file)
    file.touch()
    with pytest.raises(DataError, match="crashes"):
        require_survivable(file)


def test_a_python_without_the_library_or_without_a_program_refuses_nothing(
    file, program, monkeypatch
):
    program("import no_such_library")
    require_survivable(file)
    file.touch()
    monkeypatch.setattr(sys, "executable", "")
    require_survivable(file)
