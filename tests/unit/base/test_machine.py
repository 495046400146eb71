"""Other operating systems: calls that they lack are not needed, and signals end a process."""

import ast
import os
import platform
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import trajmodes
from trajmodes import machine
from trajmodes.machine import (
    Stopped,
    available_processors,
    memory_bytes,
    read_at,
    stopped_by_signals,
    uninterrupted,
)
from trajmodes.pipeline.job_folder import scratch_in
from trajmodes.results.folder import open_folder

LINUX_ONLY = {
    "sched_getaffinity", "process_cpu_count", "pread", "preadv", "pwrite", "pwritev", "fchmod",
    "posix_fadvise", "memfd_create",
}  # fmt: skip
NOT_ON_WINDOWS = {
    "fork", "forkpty", "mkfifo", "getuid", "geteuid", "statvfs", "killpg", "setsid", "SIGKILL",
    "SIGALRM", "SIGHUP", "SIGUSR1", "setitimer",
}  # fmt: skip
LINUX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "pty"}


@pytest.fixture
def elsewhere(monkeypatch):
    """A system without the calls that only some systems have."""
    for name in LINUX_ONLY:
        monkeypatch.delattr(os, name, raising=False)


@pytest.mark.usefixtures("elsewhere")
def test_processors_are_counted_everywhere():
    assert available_processors() == os.cpu_count()


@pytest.mark.parametrize(
    ("group", "file"),
    [("0::/batch/job", "batch/memory.max"), ("4:memory:/job", "memory/memory.limit_in_bytes")],
)
def test_memory_is_that_of_the_computer_or_of_the_job(tmp_path, monkeypatch, group, file):
    """Also where the limit is that of a group around that of the process."""
    whole = memory_bytes()
    assert 1 << 28 < whole < 1 << 50
    (tmp_path / "group").write_text(f"9:pids:/\n{group}\n")
    monkeypatch.setattr(machine, "_GROUPS", (tmp_path / "group", tmp_path))
    assert memory_bytes() == whole
    limit = tmp_path / file
    limit.parent.mkdir()
    limit.write_text("max\n")
    assert memory_bytes() == whole
    limit.write_text(f"{whole // 3}\n")
    assert memory_bytes() == whole // 3


@pytest.mark.usefixtures("elsewhere")
def test_threads_read_one_file_by_position_everywhere(tmp_path):
    data = os.urandom(200_000)
    (tmp_path / "data").write_bytes(data)

    def read(offset: int) -> bytes:
        buffer = bytearray(1000)
        count = read_at(file.fileno(), memoryview(buffer), offset)
        return bytes(buffer[:count])

    with (tmp_path / "data").open("rb") as file, ThreadPoolExecutor(8) as pool:
        offsets = [37 * k % 200_000 for k in range(3000)]
        for offset, found in zip(offsets, pool.map(read, offsets), strict=True):
            assert found == data[offset : offset + 1000]
        assert read(200_000) == b""


@pytest.mark.slow
def test_one_module_names_calls_of_some_systems_and_their_modules_may_be_missing():
    named = set()
    for path in Path(trajmodes.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        tried = {id(node) for one in ast.walk(tree) if is_tried(one) for node in one.body}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in LINUX_ONLY:
                named.add(path.name)
            assert not isinstance(node, ast.Attribute) or node.attr not in NOT_ON_WINDOWS, path
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not LINUX_MODULES & set(names) or id(node) in tried, path
    assert named == {"machine.py"}


def is_tried(node: ast.AST) -> bool:
    """Whether a failure to import is caught."""
    return isinstance(node, ast.Try) and any(
        isinstance(one.type, ast.Name) and one.type.id == "ImportError" for one in node.handlers
    )


def test_intermediate_files_in_use_do_not_stop_a_command(tmp_path, monkeypatch):
    """Windows removes no file that is open, such as one in memory; the next command does."""

    def refuse(*_given, **_more):
        raise PermissionError(13, "the file is used by another process")

    with monkeypatch.context() as patch, scratch_in(tmp_path) as scratch:
        (Path(scratch) / "amplitudes").write_bytes(b"1")
        for name in ("unlink", "rmdir", "remove"):
            patch.setattr(os, name, refuse)
    assert (Path(scratch) / "amplitudes").exists()
    with open_folder(tmp_path):
        assert not Path(scratch).exists()


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize(
    "number",
    [getattr(signal, n) for n in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, n)],
)
def test_signals_stop_the_block_and_no_more(number):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as caught, stopped_by_signals():
        signal.raise_signal(number)
    assert caught.value.number == number
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_signals_wait_until_a_block_has_ended():
    done = []

    def block():
        with stopped_by_signals(), uninterrupted():
            signal.raise_signal(signal.SIGTERM)
            done.append("all")

    with pytest.raises(Stopped):
        block()
    assert done == ["all"]


def test_signals_are_left_alone_in_other_threads():
    def block():
        with stopped_by_signals(), uninterrupted():
            return True

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(block).result()


def test_letters_that_the_output_lacks_do_not_stop_a_command():
    """As on Windows, where the help of `trajmodes run` goes to a file."""
    command = [sys.executable, "-m", "trajmodes", "run", "--help"]
    texts = [
        subprocess.run(
            command,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            encoding=encoding,
            check=True,
        ).stdout
        for encoding in ("utf-8", "cp1252")
    ]
    assert "Dielectric tensor ε∞" in texts[0]
    assert "Dielectric tensor ??" in texts[1]
    assert "in Å" in texts[1]


WITHOUT = """
import os, sys
if hasattr(os, "process_cpu_count"):
    os.process_cpu_count = os.cpu_count
for name in {names!r}:
    if hasattr(os, name):
        delattr(os, name)
from trajmodes.cli import main
main()
"""


@pytest.mark.slow
def test_a_command_runs_without_the_calls_of_some_systems(tmp_path):
    copper = Path(__file__).parents[3] / "examples" / "data"
    words = ["fit", copper / "copper.lammpstrj.xz", "--cell", copper / "copper.POSCAR"]
    words += ["--units", "metal", "--timestep-fs", "2", "-o", tmp_path / "out"]
    # From Python 3.13 on every system has `process_cpu_count`, which Dask uses; where there
    # is no `sched_getaffinity`, it is `cpu_count`.
    program = WITHOUT.format(names=LINUX_ONLY - {"process_cpu_count"})
    subprocess.run([sys.executable, "-c", program, *map(str, words)], check=True, timeout=120)
    assert (tmp_path / "out" / "results.nc").exists()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of the GNU library")
def test_freed_memory_is_used_again():
    """Distributed makes the library of its workers return it, here as in them."""
    program = (
        "import resource\n"
        "import numpy as np\n"
        "from trajmodes.machine import reuse_freed_memory\n"
        "def faults():\n"
        "    begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(20): np.ones(1 << 18)\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun\n"
        "before = faults()\n"
        "reuse_freed_memory()\n"
        "faults()\n"
        "print(before, faults())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = map(int, done.stdout.split())
    assert after < before / 10
