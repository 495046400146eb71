"""Identity of a file, and a cache of its frame index between runs.

A frame index is a set of arrays. It is stored in ``$XDG_CACHE_HOME/trajmodes/index`` (never
beside the user's file) under a name made from path and kind, together with the size of the
file, its modification time and a hash of its head and tail. An index that disagrees with the
file in any of these, or cannot be read, is discarded and built again. If the cache cannot be
written, nothing is stored.
"""

import hashlib
import os
import stat
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError, UsageError

Index = dict[str, npt.NDArray[Any]]

_VERSION = 3
_SAMPLE = 1 << 16


@dataclass(frozen=True, slots=True)
class FileStamp:
    """Identity of a file when it was opened."""

    path: Path
    """Absolute path."""
    size: int
    """Bytes."""
    modified_ns: int
    """Time of the last modification in ns."""
    inode: int


def stamp_file(path: str | os.PathLike[str]) -> FileStamp:
    """Stamp of a file.

    Raises
    ------
    UsageError
        If there is no such file, or it is a folder, a pipe or not readable.
    DataError
        If it is empty.
    """
    file = Path(path).absolute()
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise UsageError(f"{file} is {kind}, not a trajectory file")
        with file.open("rb"):
            pass
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    if status.st_size == 0:
        raise DataError(f"{file} is empty")
    return FileStamp(file, status.st_size, status.st_mtime_ns, status.st_ino)


def check_unchanged(stamp: FileStamp) -> None:
    """Raise DataError if a file has another size, time or inode than before, or is gone."""
    try:
        status = stamp.path.stat()
        now = (status.st_size, status.st_mtime_ns, status.st_ino)
    except OSError:
        now = None
    if now != (stamp.size, stamp.modified_ns, stamp.inode):
        raise DataError(
            f"{stamp.path} has changed since it was opened",
            why="a simulation is still writing to it, or it was replaced",
            fix="wait until the simulation has finished, or work on a copy",
        )


def cached_index(stamp: FileStamp, kind: str, build: Callable[[], Index]) -> Index:
    """Index of a file from the cache; it is built and stored if it is not there.

    Each ``kind`` of content and method has an index of its own: named arrays of numbers or
    fixed-width text.
    """
    identity = _identity(stamp, kind)
    place = _cache_place(stamp, kind)
    index = _load(place, identity) if place else None
    if index is None:
        index = build()
        if place:
            _store(place, identity, index)
    return index


def _identity(stamp: FileStamp, kind: str) -> str:
    digest = hashlib.sha256()
    with stamp.path.open("rb") as file:
        digest.update(file.read(_SAMPLE))
        file.seek(max(0, stamp.size - _SAMPLE))
        digest.update(file.read(_SAMPLE))
    return f"{_VERSION} {kind} {stamp.size} {stamp.modified_ns} {digest.hexdigest()}"


def _cache_place(stamp: FileStamp, kind: str) -> Path | None:
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(root) if Path(root).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    name = hashlib.sha256(f"{kind}\0{stamp.path}".encode()).hexdigest()[:32]
    return base / "trajmodes" / "index" / f"{name}.npz"


def _load(place: Path, identity: str) -> Index | None:
    try:
        with np.load(place, allow_pickle=False) as archive:
            if str(archive["identity"]) != identity:
                return None
            return {name: archive[name] for name in archive.files if name != "identity"}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None


def _store(place: Path, identity: str, index: Index) -> None:
    """Write to a temporary name first, so that no incomplete file is ever read."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, identity=np.array(identity), **index)
            Path(name).replace(place)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
