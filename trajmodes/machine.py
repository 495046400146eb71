"""What differs between operating systems: processors, memory, positions in files, signals."""

import ctypes
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, current_thread, main_thread
from types import FrameType

_POSITION = Lock()
"""Lock held while a file is read at a position on a system without `os.preadv`."""


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    # Python 3.13 has `process_cpu_count`; macOS and Windows have no `sched_getaffinity`.
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
"""Control groups of the process, and the folder of their limits, on Linux."""


def memory_bytes() -> int:
    """Memory in bytes that this process may use: the least of all limits known.

    They are the memory of the computer, the limits that a batch system or a container sets for
    the control group, and the limit that ``ulimit -v`` sets in the shell.
    """
    return min([_physical_bytes(), *_group_limits(), *_shell_limits()])


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("physical", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 6),
    )


def _physical_bytes() -> int:
    if sys.platform == "win32":
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.physical)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _shell_limits() -> Iterator[int]:
    try:
        import resource  # noqa: PLC0415 - Windows has no such module
    except ImportError:
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        yield limit


def _group_limits() -> Iterator[int]:
    """Limits of the control groups of the process, and of those that contain them."""
    groups, root = _GROUPS
    lines = groups.read_text().splitlines() if groups.is_file() else []
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        own = root / kinds / path.lstrip("/")
        name = "memory.limit_in_bytes" if kinds else "memory.max"
        for folder in (own, *own.parents):
            # A container does not show the groups outside; "max" is no limit.
            with suppress(OSError, ValueError):
                yield int((folder / name).read_text())


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt` in the C library of GNU."""
_REUSED_BYTES = 1 << 25
"""Largest array whose memory is used again; the upper limit of glibc's own adjustment."""


def reuse_freed_memory() -> None:
    """Let the C library keep freed memory instead of returning it to the system at once.

    A process that requests every array from the system spends a third of its time on that. Only
    Linux has this setting.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _REUSED_BYTES)
        mallopt(_TRIM_THRESHOLD, 2 * _REUSED_BYTES)


def read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
    """Read a file from an offset into a buffer; return the number of bytes, 0 at its end.

    Threads may share the descriptor. Its position is undefined afterwards.
    """
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], offset)
    with _POSITION:
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def print_any_text() -> None:
    """Let the standard output replace characters that its encoding lacks by ``?``.

    On Windows the encoding of files and pipes has no Greek letters.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        """Number of the signal."""


_STOPPING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
"""Names of the signals that ask a process to end; no system has all of them."""


def _stopping_signals() -> list[int]:
    """List the signals that ask for the end and are not ignored; ``nohup`` ignores SIGHUP."""
    if current_thread() is not main_thread():
        # Only the main thread receives signals.
        return []
    known = (getattr(signal, name) for name in _STOPPING if hasattr(signal, name))
    return [one for one in known if signal.getsignal(one) not in (signal.SIG_IGN, None)]


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` when a signal asks the process to end, so that files are cleaned up."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _stopping_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def called_by_signals(actions: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """Call a function at each of the named signals that the system has."""

    def call(number: int, _frame: FrameType | None) -> None:
        actions[signal.Signals(number).name]()

    # Only the main thread receives signals.
    is_main = current_thread() is main_thread()
    numbers = [getattr(signal, name) for name in actions if is_main and hasattr(signal, name)]
    before = {number: signal.signal(number, call) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay signals that ask the process to end until the block has ended."""
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in _stopping_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in received[:1]:
            signal.raise_signal(number)
