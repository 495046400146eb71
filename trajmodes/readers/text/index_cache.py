"""A cache of the frame index of a file between runs, and the note on an incomplete last frame.

A frame index is a set of arrays. It is stored in ``trajmodes/index`` of the user's cache folder
(never beside the user's file) under a name made from path and kind, together with the size of
the file, its inode, the times of its last modification and of its last change (which no program
can set), and a hash of its head, its tail and places between. An index that disagrees with the
file in any of these, or cannot be read, is discarded and built again. If the cache cannot be
written, nothing is stored. All indices together take at most a quarter of a GB.
"""

import hashlib
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from trajmodes.errors import DataError, TrajmodesWarning, system_errors
from trajmodes.notes import Note
from trajmodes.readers.text.stamp import FileStamp

if TYPE_CHECKING:
    from trajmodes.readers.text.source import TextSource

Index = dict[str, npt.NDArray[Any]]

_VERSION = 4
_END, _SAMPLE, _N_SAMPLES = 1 << 16, 1 << 12, 64
"""Bytes that are hashed at each end of a file and at each of some places between."""
CACHE_BYTES = 1 << 28
"""Size of all indices together; those not used for the longest time are removed."""
_KEPT = 0.75
"""Part of this that is left when indices are removed, so that this is seldom."""
_SMALLEST = 1 << 16
"""Bytes of text that are read again in less time than an index is stored or found."""
_taken: dict[Path, int] = {}
"""Bytes of the indices in a folder, as far as this process knows."""


def cached_index(
    source: "TextSource", kind: str, build: Callable[[], Index], *, smallest: int = _SMALLEST
) -> Index:
    """Index of a file from the cache; it is built and stored if it is not there.

    Each ``kind`` of content and method has an index of its own: named arrays of numbers or
    fixed-width text. The index of a damaged file is not cached, because its readable part
    depends on options, nor is that of a text with fewer bytes than the ``smallest``.
    """
    if source.damage or source.size < smallest:
        return build()
    identity = _identity(source.stamp, kind)
    place = _cache_place(source.stamp, kind)
    index = _load(place, identity) if place else None
    if index is None:
        index = build()
        if place:
            _store(place, identity, index)
    return index


def _identity(stamp: FileStamp, kind: str) -> str:
    """Text that changes with the file; for an object it is the description by the server."""
    if stamp.mark:
        return f"{_VERSION} {kind} {stamp.size} {stamp.mark}"
    digest = hashlib.sha256()
    with system_errors(stamp.path), stamp.path.open("rb") as file:
        digest.update(file.read(_END))
        for place in range(1, _N_SAMPLES + 1):
            file.seek(stamp.size * place // (_N_SAMPLES + 1))
            digest.update(file.read(_SAMPLE))
        file.seek(max(0, stamp.size - _END))
        digest.update(file.read(_END))
    marks = (stamp.size, stamp.modified_ns, stamp.changed_ns, stamp.inode)
    return f"{_VERSION} {kind} {marks} {digest.hexdigest()}"


def _cache_place(stamp: FileStamp, kind: str) -> Path | None:
    """Path of an index; None without a home folder."""
    folder = user_cache_path("trajmodes", appauthor=False)
    name = hashlib.sha256(f"{kind}\0{stamp.path}".encode()).hexdigest()[:32]
    return folder / "index" / f"{name}.npz" if folder.is_absolute() else None


def _load(place: Path, identity: str) -> Index | None:
    try:
        with np.load(place, allow_pickle=False) as archive:
            if str(archive["identity"]) != identity:
                return None
            index = {name: archive[name] for name in archive.files if name != "identity"}
        with suppress(OSError):
            # The time of its last use decides which index is removed first.
            place.touch()
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
    return index


def _store(place: Path, identity: str, index: Index) -> None:
    """Write to a temporary name first, so that no incomplete file is ever read."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, allow_pickle=False, identity=np.array(identity), **index)
            Path(name).replace(place)
        finally:
            # Absent after success.
            Path(name).unlink(missing_ok=True)
        _make_room(place)


def _make_room(place: Path) -> None:
    """Remove indices if they take too much space with a new one."""
    folder = place.parent
    # A folder with many indices is not listed for each of them.
    taken = _taken.get(folder, CACHE_BYTES) + place.stat().st_size
    _taken[folder] = taken if taken <= CACHE_BYTES else _without_oldest(folder)


def _without_oldest(folder: Path) -> int:
    """Remove the least recently used indices; return the bytes of the rest."""
    found = sorted((_used(path), path) for path in folder.iterdir())
    total = sum(size for (_, size), _ in found)
    most = CACHE_BYTES if total <= CACHE_BYTES else int(_KEPT * CACHE_BYTES)
    for (_, size), path in found:
        if total <= most:
            break
        path.unlink(missing_ok=True)
        total -= size
    return total


def _used(path: Path) -> tuple[int, int]:
    """Time of the last use in ns, and size in bytes; zero if another process removed it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


def incomplete_end(
    source: "TextSource", byte: int, name: str, n_frames: int, *, strict: bool
) -> tuple[Note, ...]:
    """Note, and warn, that a file ends within its last frame; empty if it does not.

    The incomplete frame begins at ``byte``, which is negative if there is none, and ``name``
    describes it. ``n_frames`` is the number of complete frames.

    Raises
    ------
    DataError
        If there is an incomplete frame and ``strict`` is set, or if there is no complete frame.
    """
    path = source.stamp.path
    what = f"the last frame ({name}, from byte {byte}) is not complete" if byte >= 0 else ""
    what = "; ".join(filter(None, [source.damage, what]))
    if not what and n_frames:
        return ()
    if not what:
        raise DataError(f"{path} contains no frame")
    if strict or not n_frames:
        raise DataError(
            what if n_frames else f"{what}, and there is no other frame",
            where=str(path),
            why="the run was stopped while it was writing, or is still running",
            fix="leave out --strict to use the other frames" if n_frames else "",
        )
    message = f"{what} and is not used ({path})"
    warnings.warn(message, TrajmodesWarning, stacklevel=5)
    return (Note("warning", message),)
