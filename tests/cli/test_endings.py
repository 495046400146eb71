"""How a command ends: by a signal, on a full disk, at a limit of file sizes."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trajmodes.cli.terminal import ending
from trajmodes.errors import StorageError
from trajmodes.readers.text.source import open_source
from trajmodes.results.folder import Writer, open_folder, write_files

DEMO = Path(__file__).parents[2] / "trajmodes" / "pipeline" / "demo_run"
EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
FULL = Path("/dev/full")

STOPPED = """
import sys, time
from trajmodes.cli.terminal import ending
from trajmodes.results.folder import Writer, open_folder, write_files

def write(path):
    path.write_text("new")
    print("writing", flush=True)
    time.sleep(60)

with ending(), open_folder(sys.argv[1]) as folder:
    (folder.path / ".trajmodes.amplitudes").mkdir()
    write_files(folder, {"a": Writer("a text", write)})
"""
MOVED = """
import os, signal, sys
from pathlib import Path
from trajmodes.cli.terminal import ending
from trajmodes.results import folder as room

replace = Path.replace
def stopped(self, target):
    os.kill(os.getpid(), signal.SIGTERM)
    return replace(self, target)

def text(path):
    path.write_text("new")

with ending(), room.open_folder(sys.argv[1]) as folder:
    room.sync = lambda path: None
    Path.replace = stopped
    room.write_files(folder, {"a": room.Writer("", text), "b": room.Writer("", text)})
"""


def earlier_results(path):
    with open_folder(path) as folder:
        write_files(folder, {"a": Writer("a text", lambda file: file.write_text("old"))})


NO_SIGNALS = pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals")


@NO_SIGNALS
@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_a_command_and_leaves_the_earlier_results(tmp_path, name):
    number = getattr(signal, name)
    earlier_results(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said == "interrupted: no incomplete results are left\n"
    assert (tmp_path / "a").read_text() == "old"
    left = {path.name for path in tmp_path.iterdir()} - {".trajmodes.amplitudes"}
    assert left == {"a", ".trajmodes.files"}
    earlier_results(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a", ".trajmodes.files"}


@NO_SIGNALS
def test_a_signal_while_files_are_moved_leaves_complete_results(tmp_path):
    earlier_results(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", MOVED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 143
    assert done.stderr == "interrupted: no incomplete results are left\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", ".trajmodes.files"}
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "new"


@pytest.mark.skipif(not FULL.exists(), reason="the system has no full device")
def test_a_full_disk_behind_the_standard_output_is_one_message():
    program = [sys.executable, "-m", "trajmodes", "check", DEMO / "zirconium.lammpstrj.xz"]
    with FULL.open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*map(str, program), "--cell", str(DEMO / "POSCAR")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr.startswith("error: the text of the command could not be printed")
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_an_error_of_the_disk_is_no_bug_wherever_it_occurs(number, capsys):
    with pytest.raises(SystemExit) as caught, ending():
        raise OSError(number, os.strerror(number), "FORCE_CONSTANTS")
    assert caught.value.code == 4
    assert "error: FORCE_CONSTANTS could not be written" in capsys.readouterr().err


def test_a_full_disk_is_not_damage_of_a_compressed_file():
    """A small file is decompressed whole; a large one is read from restart points."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot be decompressed to TMPDIR"):
            open_source(EXAMPLES / "salt.lammpstrj.xz", allow_partial=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
