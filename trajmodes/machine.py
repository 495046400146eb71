"""What differs between operating systems: processors, files read by position, text, signals."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, current_thread, main_thread
from types import FrameType

_POSITION = Lock()
"""Held while a file is read at a position on a system without `os.preadv`."""


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    # Python 3.13 has `process_cpu_count`; macOS and Windows have no `sched_getaffinity`.
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
    """Print ? for characters that the encoding of the standard output lacks.

    Windows has no Greek letters where the output goes to a file or a pipe.
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
    """List the signals that the process does not ignore, as it does under nohup."""
    if current_thread() is not main_thread():
        # Only the main thread receives signals.
        return []
    known = (getattr(signal, name) for name in _STOPPING if hasattr(signal, name))
    return [one for one in known if signal.getsignal(one) not in (signal.SIG_IGN, None)]


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise `Stopped` where a signal asks the process to end, so that files are cleaned up."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _stopping_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back signals that ask the process to end until the block has ended."""
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
