"""Atomic files, the lock of a results folder, and errors of the disk.

A file is written under a temporary name and renamed when it is complete. One process at a time
writes to a results folder: it holds a lock that the system releases when the process ends. A
second file names the holder of the lock, because locks of some network file systems hold on one
host only, and some file systems have none.
"""

import errno
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from trajmodes.errors import LockedError, StorageError, UsageError

_FIXES = {
    errno.ENOSPC: "free some space, or name a folder on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or name a folder elsewhere",
    errno.EFBIG: "a limit on file sizes is set (ulimit -f): raise it",
    errno.EROFS: "the file system is read-only: name another folder",
    errno.EACCES: "you may not write there: name another folder, or change its permissions",
    errno.EPERM: "you may not write there: name another folder, or change its permissions",
    errno.ENOTDIR: "a part of the path is a file: name another folder",
    errno.EEXIST: "a file of that name exists: name another folder",
    errno.EISDIR: "a folder of that name exists: name another folder",
    errno.ELOOP: "the name is a symbolic link: remove it",
    errno.EIO: "the disk reports an error: look at the system log, name another disk",
}
_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_ANY = (errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE, errno.EMFILE, errno.ENFILE)
"""Errors that a file system may raise when a file is written."""
_INTACT = "earlier results are intact"
_LONGEST_WAIT_S = 0.2
"""A lock whose file another process is removing can be taken after this time."""


def storage_error(
    path: Path, error: OSError, *, state: str = _INTACT, action: str = "written"
) -> StorageError:
    """Error for a file that could not be written, with the remedy for its `errno`.

    `state` describes the state in which the folder is left.
    """
    unknown = "check that the disk has space and the folder is writable"
    fix = _FIXES.get(error.errno or 0, unknown)
    return StorageError(
        f"{path.name} could not be {action}",
        where=str(path),
        why=error.strerror or str(error),
        fix=f"{fix}; {state}",
    )


def system_error(error: OSError) -> StorageError | None:
    """Error for a system call that failed; None if the cause may be an error of the program."""
    if error.errno not in (*_WRITING, *_ANY):
        return None
    path = Path(str(error.filename or "a temporary file"))
    action = "written" if error.errno in _WRITING else "read or written"
    return storage_error(path, error, action=action)


def is_replaced(path: Path, kind: str, is_own: Callable[[Path], bool]) -> bool:
    """Whether a file exists that a new file of the same kind, such as "report", replaces.

    Raises
    ------
    UsageError
        If the file is of another kind.
    """
    if not path.is_file():
        return False
    if not is_own(path):
        raise UsageError(
            f"the {kind} would replace a file that is not a {kind} of trajmodes",
            where=str(path),
            fix="name another file with -o (--output), or move this one away",
        )
    return True


def sync(path: Path) -> None:
    """Wait until a file, or the directory entries of a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        # Windows opens no folders.
        return
    # Windows flushes only what may be written.
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write to; the file is renamed to `path` after the block.

    If the block under ``with`` fails, an existing file stays unchanged, and the unfinished one
    is removed.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        # Absent after success.
        if partial.exists():
            partial.unlink()


@contextmanager
def held_lock(path: Path) -> Iterator[None]:
    """Hold a lock file that names its holder in a second file; remove both at the end.

    Raises
    ------
    LockedError
        If another process, here or on another host, holds the lock.
    OSError
        If the file cannot be opened, or is a symbolic link.
    """
    lock = FileLock(path, timeout=_LONGEST_WAIT_S, thread_local=False)
    named = holder_file(path)
    works = _acquire(lock, named)
    try:
        holder = _read_holder(named)
        if _may_be_running(holder, locks_work=works):
            raise _locked_error(named, holder)
        try:
            _write_holder(named)
            yield
        finally:
            # Removed before the lock is released: a waiting process then notices it.
            for one in (named, path):
                # Windows removes no open file; the release of the lock does.
                with suppress(OSError):
                    one.unlink()
    finally:
        lock.release()


def holder_file(lock: Path) -> Path:
    """Path of the file that names the holder of a lock."""
    return lock.with_suffix(".holder")


def _acquire(lock: BaseFileLock, named: Path) -> bool:
    """Take the lock; return False if the file system has no locks."""
    try:
        lock.acquire()
    except Timeout:
        raise _locked_error(named, _read_holder(named)) from None
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS, errno.ENOLCK):
            return False
        raise
    return True


def _read_holder(named: Path) -> dict[str, str]:
    """Host, process and time of the holder; empty if they are not known."""
    try:
        content = json.loads(named.read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def _may_be_running(holder: dict[str, str], *, locks_work: bool) -> bool:
    """Whether the holder of a lock that could be taken may still be running."""
    if not holder:
        return False
    if holder.get("host") != socket.gethostname():
        # Locks of some network file systems hold on one host only.
        return True
    return not locks_work and _is_alive(holder.get("pid", ""))


def _is_alive(pid: str) -> bool:
    if os.name == "nt":
        # Signal 0 would end the process there; locks work on all file systems of Windows.
        return False
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _locked_error(named: Path, holder: dict[str, str]) -> LockedError:
    who = (
        f"host {holder.get('host', '?')}, process {holder.get('pid', '?')}, "
        f"since {holder.get('time', '?')}"
        if holder
        else "a process that has not written its name yet"
    )
    return LockedError(
        "another process writes to this results folder",
        where=str(named.parent),
        why=f"it is locked by {who}",
        fix=f"wait for it, name another folder, or remove {named} if that process has ended",
    )


def _write_holder(named: Path) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "time": now}
    named.unlink(missing_ok=True)
    # Mode x creates a new file and follows no link.
    with named.open("x", encoding="utf-8") as file:
        json.dump(holder, file)
