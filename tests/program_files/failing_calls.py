"""One call of the system on the files below a folder fails, as on a failing or full disk.

Calls are those that Python code makes: open, read, write, fsync, mmap, changes of names and
folders. Libraries in C, such as HDF5, make their own. As with the system, an error of a path
names it, and an error of an open file does not.
"""

import builtins
import errno
import io
import mmap
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_OF_FILES = ("read", "pread", "preadv", "write", "pwrite", "fsync", "sendfile", "ftruncate")
"""Functions of `os` whose first argument is an open file."""
_OF_PATHS = (
    *("open", "mkdir", "rename", "replace", "unlink", "remove", "rmdir", "scandir"),
    *("listdir", "utime", "link", "symlink", "truncate"),
)
"""Functions of `os` whose first argument is a path."""
_DEPTH = 3


@dataclass
class FailingCalls:
    """Counts the calls on files below a folder, and lets one of them fail."""

    folder: str
    due: Callable[[int, str], bool]
    """Whether a call fails, from its number and its place in the program."""
    number: int
    """Number of the error."""
    calls: list[str] = field(default_factory=list)
    """Names of the calls and of their files."""
    places: list[str] = field(default_factory=list)
    """Where the program made each call."""
    failed: list[str] = field(default_factory=list)
    """The calls that failed."""

    def of_path(self, name: str, path: Any, *, is_named: bool = True) -> None:
        """Count a call, and raise the error if it is due."""
        file = os.path.realpath(os.fsdecode(path))
        if not file.startswith(self.folder + os.sep):
            return
        self.calls.append(f"{name} {os.path.relpath(file, self.folder)}")
        self.places.append(f"{name} {_place()}")
        if self.due(len(self.calls), self.places[-1]):
            self.failed.append(self.calls[-1])
            named = (os.fsdecode(path),) if is_named else ()
            raise OSError(self.number, os.strerror(self.number), *named)

    def of_file(self, name: str, descriptor: int) -> None:
        """Count a call on an open file."""
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        self.of_path(name, str(path).removesuffix(" (deleted)"), is_named=False)


def _place() -> str:
    """Lines of the innermost functions of trajmodes that are running."""
    frame, found = sys._getframe(2), []
    while frame is not None and len(found) < _DEPTH:
        if f"{os.sep}trajmodes{os.sep}" in frame.f_code.co_filename:
            found.append(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(found)


def never(_call: int, _place: str) -> bool:
    """No call fails."""
    return False


def once(place: str) -> Callable[[int, str], bool]:
    """Let the first call from a place of the program fail."""
    left = [place]

    def due(_call: int, here: str) -> bool:
        if left != [here]:
            return False
        left.clear()
        return True

    return due


def from_call(number: int) -> Callable[[int, str], bool]:
    """Let a call and all later ones fail, as of a disk that is gone."""
    return lambda call, _place: call >= number


@contextmanager
def failing(
    folder: Path, due: Callable[[int, str], bool], number: int = errno.EIO
) -> Iterator[FailingCalls]:
    """Let the calls fail that are due."""
    state = FailingCalls(os.path.realpath(folder), due, number)
    originals: list[tuple[Any, str, Any]] = []

    def put(place: Any, name: str, new: Any) -> None:
        originals.append((place, name, getattr(place, name)))
        setattr(place, name, new)

    for name in _OF_FILES:
        if hasattr(os, name):
            put(os, name, _counted(state.of_file, name, getattr(os, name)))
    for name in _OF_PATHS:
        put(os, name, _counted(state.of_path, name, getattr(os, name)))
    opened = _opener(state, io.open)
    put(builtins, "open", opened)
    put(io, "open", opened)
    put(mmap, "mmap", _mapped(state))
    try:
        yield state
    finally:
        for place, name, old in reversed(originals):
            setattr(place, name, old)


def _counted(
    count: Callable[[str, Any], None], name: str, call: Callable[..., Any]
) -> Callable[..., Any]:
    def counted(first: Any, *rest: Any, **more: Any) -> Any:
        by_path = not isinstance(first, int)
        if name == "sendfile":
            count(name, rest[0])
        elif by_path == (name in _OF_PATHS) and more.get("dir_fd") is None:
            count(name, first)
        return call(first, *rest, **more)

    return counted


def _mapped(state: FailingCalls) -> type:
    class Mapped(mmap.mmap):
        def __new__(cls, descriptor: int, *rest: Any, **more: Any) -> Any:
            if descriptor >= 0:
                state.of_file("mmap", descriptor)
            return super().__new__(cls, descriptor, *rest, **more)

    return Mapped


def _opener(state: FailingCalls, original: Callable[..., Any]) -> Callable[..., Any]:
    """Make an `open` whose files count their reads and writes."""

    class Raw(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            state.of_file("read", self.fileno())
            return super().readinto(buffer)

        def readall(self) -> Any:
            state.of_file("read", self.fileno())
            return super().readall()

        def read(self, size: int | None = -1) -> Any:
            state.of_file("read", self.fileno())
            return super().read(-1 if size is None else size)

        def write(self, data: Any) -> Any:
            state.of_file("write", self.fileno())
            return super().write(data)

    def opened(file: Any, mode: str = "r", buffering: int = -1, *text: Any, **more: Any) -> Any:
        if more.get("opener") is not None or not more.get("closefd", True):
            return original(file, mode, buffering, *text, **more)
        if not isinstance(file, int):
            state.of_path("open", file)
        raw = Raw(file, mode.replace("b", "").replace("t", ""))
        if buffering == 0:
            return raw
        buffered = _buffered(raw, mode)
        return buffered if "b" in mode else _text(buffered, mode, *text, **more)

    return opened


def _buffered(raw: io.FileIO, mode: str) -> Any:
    if "+" in mode:
        return io.BufferedRandom(raw)
    return io.BufferedReader(raw) if "r" in mode else io.BufferedWriter(raw)


def _text(buffered: Any, mode: str, *text: Any, **more: Any) -> Any:
    wrapped: Any = io.TextIOWrapper(buffered, *text, **more)
    wrapped.mode = mode
    return wrapped
