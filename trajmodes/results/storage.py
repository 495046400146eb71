"""Atomic files, the lock of a results folder, and errors of the disk.

A file is written under a temporary name and renamed when it is complete. One process at a time
writes to a results folder: it holds a lock that the system releases when the process ends. The
lock file also names its holder, because locks of some network file systems hold on one host
only, and some file systems have none.
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from trajmodes.errors import LockedError, StorageError

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
_INTACT = "earlier results are intact"


def storage_error(path: Path, error: OSError, *, state: str = _INTACT) -> StorageError:
    """Error for a file that could not be written, with the remedy for its `errno`.

    The state is that in which the folder is left.
    """
    unknown = "check that the disk has space and the folder is writable"
    fix = _FIXES.get(error.errno or 0, unknown)
    return StorageError(
        f"{path.name} could not be written",
        where=str(path),
        why=error.strerror or str(error),
        fix=f"{fix}; {state}",
    )


def sync(path: Path) -> None:
    """Wait until a file, or the directory entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; the file is renamed to `path` after the block.

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


def acquire_lock(path: Path) -> int:
    """Lock a file and write the holder's name into it.

    Returns
    -------
    The open file handle. The lock is held until it is closed; remove the file before that.

    Raises
    ------
    LockedError
        If another process, here or on another host, holds the lock.
    OSError
        If the file cannot be opened, or is a symbolic link.
    """
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        handle = os.open(path, flags, 0o644)
        try:
            if _try_lock(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _try_lock(handle: int, path: Path) -> bool:
    """Lock and sign an open file; False if it was removed before it could be locked."""
    exclusive = _flock(handle)
    if not _is_same_file(handle, path):
        return False
    holder = _read_holder(handle)
    if exclusive is False or _may_be_running(holder, locks_work=exclusive is True):
        raise _locked_error(path, holder)
    _write_holder(handle)
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


def _is_same_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _read_holder(handle: int) -> dict[str, str]:
    """Host, process and time written in the lock file; empty if there are none."""
    try:
        content = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


def _may_be_running(holder: dict[str, str], *, locks_work: bool) -> bool:
    """Whether the process named in an unlocked lock file may still be running."""
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


def _locked_error(path: Path, holder: dict[str, str]) -> LockedError:
    who = (
        f"host {holder.get('host', '?')}, process {holder.get('pid', '?')}, "
        f"since {holder.get('time', '?')}"
        if holder
        else "a process that has not written its name yet"
    )
    return LockedError(
        "another process writes to this results folder",
        where=str(path.parent),
        why=f"it is locked by {who}",
        fix=f"wait for it, name another folder, or remove {path} if that process has ended",
    )


def _write_holder(handle: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"host": socket.gethostname(), "pid": os.getpid(), "time": now}
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(holder).encode(), 0)
