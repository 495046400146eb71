"""Identity of an opened file, and whether it has changed."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trajmodes.errors import DataError, UsageError, system_errors
from trajmodes.readers.text.remote import RemotePath, named_path, remote_object


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identity of a file when it was opened."""

    path: Path
    """Absolute path."""
    size: int
    """Bytes."""
    modified_ns: int
    """Time of the last modification in ns."""
    changed_ns: int
    """Time of the last change of content, name or permissions in ns; that of creation on
    Windows.
    """
    inode: int
    ends: bytes
    """Digest of the first and the last bytes; empty if a program that appends changes them."""
    mark: str = ""
    """What changes with the content of an object that a URL names; empty for files."""


_ENDS = 4096
_COUNTS = 64
"""First bytes, which count the frames of some formats (NetCDF) and change when it grows."""
_REWRITTEN = (".traj",)
"""Suffixes of files whose first bytes are written again when they grow."""


def stamp_file(path: str | os.PathLike[str]) -> FileStamp:
    """Stamp of a file.

    Raises
    ------
    UsageError
        If there is no such file, or it is a folder, a pipe or not readable.
    DataError
        If it is empty, or a server does not answer.
    """
    file = named_path(path).absolute()
    if isinstance(file, RemotePath):
        found = remote_object(file)
        _require_content(file, found.size)
        return FileStamp(file, found.size, 0, 0, 0, b"", found.mark)
    with system_errors(file):
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise UsageError(f"{file} is {kind}, not a trajectory file")
        rewritten = file.suffix.lower() in _REWRITTEN
        ends = b"" if rewritten else _digest_of_ends(file, status.st_size)
    _require_content(file, status.st_size)
    return FileStamp(
        *(file, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino), ends
    )


def _require_content(path: Path, size: int) -> None:
    if size == 0:
        raise DataError(
            f"{path} is empty",
            why="the simulation has not written its first frame yet, or the disk was full",
        )


def _digest_of_ends(path: Path, size: int) -> bytes:
    """Digest of the ends of the first ``size`` bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for start, stop in ((_COUNTS, _ENDS), (max(_COUNTS, size - _ENDS), size)):
            file.seek(start)
            digest.update(file.read(max(0, min(stop, size) - start)))
    return digest.digest()


@contextmanager
def unchanged(stamps: Iterable[FileStamp]) -> Iterator[None]:
    """Compare files with their stamps before and after they are read, objects only after.

    Raises
    ------
    DataError
        If a file has changed. This replaces any error raised within the context, which it then
        explains.
    """
    for stamp in stamps:
        if not stamp.mark:
            check_unchanged(stamp)
    try:
        yield
    finally:
        for stamp in stamps:
            check_unchanged(stamp)


def check_unchanged(stamp: FileStamp) -> None:
    """Raise DataError if a file has another size, time or inode than before, or is gone.

    A simulation may append to a file: it is then longer, with the same ends of its earlier
    part.
    """
    if isinstance(stamp.path, RemotePath):
        found = remote_object(stamp.path)
        _require_same(stamp, is_same=(found.size, found.mark) == (stamp.size, stamp.mark))
        return
    same = False
    with system_errors(stamp.path), suppress(FileNotFoundError, NotADirectoryError):
        status = stamp.path.stat()
        if status.st_ino == stamp.inode and status.st_size > stamp.size:
            same = not stamp.ends or _digest_of_ends(stamp.path, stamp.size) == stamp.ends
        else:
            now = (status.st_size, status.st_mtime_ns, status.st_ino)
            same = now == (stamp.size, stamp.modified_ns, stamp.inode)
    _require_same(stamp, is_same=same)


def _require_same(stamp: FileStamp, *, is_same: bool) -> None:
    if not is_same:
        raise DataError(
            f"{stamp.path} has changed since it was opened",
            why="it was replaced, shortened or written again",
            fix="repeat the command",
        )
