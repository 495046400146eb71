"""The results folder: one writer at a time, no half-written results, no file of anyone else.

What trajmodes wrote to a folder is what the hidden list ``.trajmodes.files`` in it names: these
files give way to the next results, and no others do.
"""

import errno
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from trajmodes.errors import LockedError, UsageError
from trajmodes.report.atomic import storage_error, sync

__all__ = ["ResultsFolder", "Writer", "open_folder", "require_replaceable", "write_files"]

_LOCK = ".trajmodes.lock"
_STAGING = ".trajmodes.staging"
_UNFINISHED = ".trajmodes.files.new"
_CONTENTS = ".trajmodes.files"


class Writer(NamedTuple):
    """One file of a results folder."""

    text: str
    """What the file is, in one line."""
    write: Callable[[Path], object]
    """Writes it to the given path."""


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """A folder that no other process writes results to while it is open."""

    path: Path


def require_replaceable(
    directory: str | Path, names: Iterable[str], inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse a folder in which results would replace what they must not.

    Parameters
    ----------
    directory
        The folder, whether it is there or not.
    names
        Names within the folder that may be written.
    inputs
        Files and folders that the results are made from.

    Raises
    ------
    UsageError
        If a file is in the way that trajmodes did not write, or an input is one of the files
        that it wrote to this very folder, or the folder itself.
    StorageError
        If the folder may not be looked into.
    """
    home = Path(directory).resolve()
    own = _own_names(home)
    written = {home / name for name in own}
    for given in inputs:
        place = Path(given).resolve()
        if own and (place in written or place == home):
            raise UsageError(
                f"the results would replace what they are made from: {given}",
                where=str(directory),
                why="a results folder holds the files of one command: the next one to write "
                "there replaces all of them",
                fix="name another folder with -o (--output)",
            )
    _require_own(home, names, own)


def _require_own(root: Path, names: Iterable[str], own: Iterable[str]) -> None:
    """Raise a `UsageError` if a file is in the way that is not on the list of own ones."""
    try:
        foreign = [name for name in sorted(set(names) - set(own)) if (root / name).is_file()]
    except OSError as error:
        raise storage_error(root, error) from error
    if foreign:
        told = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise UsageError(
            f"{told} would be replaced, but trajmodes did not write it there",
            where=str(root),
            why=f"only what is on the list of the folder's results, {_CONTENTS}, gives way",
            fix=f"name another folder with -o (--output), or move {foreign[0]} away",
        )


def _own_names(root: Path) -> list[str]:
    """Names of the files that trajmodes wrote to a folder; empty if there is no list."""
    try:
        told = json.loads((root / _CONTENTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return list(map(str, told)) if isinstance(told, list) else []


@contextmanager
def open_folder(directory: str | Path) -> Iterator[ResultsFolder]:
    """Make a folder if need be, and keep other processes from writing to it.

    The system frees the lock when its holder ends, however that happens.

    Parameters
    ----------
    directory
        The folder.

    Raises
    ------
    LockedError
        If another process, here or on another host, has the folder open.
    StorageError
        If the folder cannot be made or written to.
    """
    root = Path(directory)
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = _lock(root / _LOCK)
    except OSError as error:
        raise storage_error(root, error) from error
    try:
        yield ResultsFolder(root)
    finally:
        # Remove the file before the lock goes: a waiting process then sees that it is gone.
        with suppress(OSError):
            (root / _LOCK).unlink()
        os.close(handle)
        if is_new:
            # Nothing was written: leave no empty folder behind.
            with suppress(OSError):
                root.rmdir()


def _lock(path: Path) -> int:
    """Handle of the locked file, which names its holder."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if _claim(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _claim(handle: int, path: Path) -> bool:
    """Lock and sign an open file; False if it was removed before it could be locked."""
    exclusive = _flock(handle)
    if not _still_there(handle, path):
        return False
    holder = _holder(handle)
    if exclusive is False or _lives(holder, locks_work=exclusive is True):
        raise _locked(path, holder)
    _sign(handle)
    return True


def _flock(handle: int) -> bool | None:
    """Whether the lock is ours; None where the file system has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK):
            return None
        raise
    return True


def _still_there(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder(handle: int) -> dict[str, str]:
    """Host, pid and time that the lock file names; empty if none or not legible."""
    try:
        told = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in told.items()} if isinstance(told, dict) else {}


def _lives(holder: dict[str, str], *, locks_work: bool) -> bool:
    """Whether the process that a free lock file names may still be at work."""
    if not holder:
        return False
    if holder.get("host") != socket.gethostname():
        # Locks of some network file systems hold on one host only.
        return True
    if locks_work:
        return False
    try:
        os.kill(int(holder.get("pid", "")), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _locked(path: Path, holder: dict[str, str]) -> LockedError:
    who = (
        f"host {holder.get('host', '?')}, process {holder.get('pid', '?')}, "
        f"since {holder.get('time', '?')}"
        if holder
        else "a process that did not tell its name"
    )
    return LockedError(
        "another process writes to this results folder",
        where=str(path.parent),
        why=f"it is held by {who}",
        fix=f"wait for it, name another folder, or remove {path} if that process is gone",
    )


def _sign(handle: int) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(holder).encode(), 0)


def write_files(folder: ResultsFolder, writers: Mapping[str, Writer]) -> dict[str, str]:
    """Write files beside their places first, and move them there once all are whole.

    Files that an earlier run wrote and this one does not are removed: results do not mix.

    Parameters
    ----------
    folder
        The open folder.
    writers
        Name within the folder, such as ``figures/bands.png`` → how to write it.

    Returns
    -------
    Name → what the file is.

    Raises
    ------
    UsageError
        If a name leads out of the folder, or a file that is not ours is in the way.
    StorageError
        If the system refuses to write; earlier results are then intact.
    """
    targets = {name: _inside(folder.path, name) for name in writers}
    staging = folder.path / _STAGING
    current = folder.path
    earlier = _own_names(folder.path)
    _require_own(folder.path, writers, earlier)
    try:
        # What is there was left behind by a process that was killed: the lock is ours.
        shutil.rmtree(staging, ignore_errors=True)
        for current in targets.values():
            _check_way(current)
        for name, writer in writers.items():
            current = targets[name]
            partial = staging / name
            partial.parent.mkdir(parents=True, exist_ok=True)
            writer.write(partial)
            sync(partial)
        current = folder.path / _CONTENTS
        # Named before they are there: what is written is never taken for someone else's.
        _list(current, [*writers, *earlier])
        for name, target in targets.items():
            current = target
            target.parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(target)
        current = folder.path / _CONTENTS
        for name in set(earlier) - set(writers):
            _inside(folder.path, name).unlink(missing_ok=True)
        _list(current, list(writers))
    except OSError as error:
        raise storage_error(current, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return {name: writer.text for name, writer in writers.items()}


def _list(contents: Path, names: list[str]) -> None:
    """Write the list whole or not at all: without one, all files would be someone else's."""
    partial = contents.with_name(_UNFINISHED)
    partial.write_text(json.dumps(names), encoding="utf-8")
    partial.replace(contents)


def _check_way(target: Path) -> None:
    """Find what would stop a move to the target, before anything is written."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not next(parent for parent in target.parents if parent.exists()).is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _inside(root: Path, name: str) -> Path:
    """Place of a file, which must lie in the folder whatever links lead there."""
    home = root.resolve()
    target = (home / name).resolve()
    reserved = {_LOCK, _STAGING, _CONTENTS, _UNFINISHED}
    if target == home or not target.is_relative_to(home) or Path(name).parts[0] in reserved:
        raise UsageError(
            f"the output name {name!r} leads out of the results folder",
            where=str(root),
            fix="use plain names, without .. or links that lead elsewhere",
        )
    return root / name
