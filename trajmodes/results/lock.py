"""The lock of a results folder: one process at a time writes there.

The system frees the lock when its holder ends, however that happens. The file names its
holder, because locks of some network file systems hold on one host only, and some file systems
have none.
"""

import errno
import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

from trajmodes.errors import LockedError


def acquire_lock(path: Path) -> int:
    """Lock a file and write into it who holds it.

    Returns
    -------
    The open file. The lock is held until it is closed; remove the file before.

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
    """Host, process and time that the lock file names; empty if it names none."""
    try:
        content = json.loads(os.pread(handle, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in content.items()} if isinstance(content, dict) else {}


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
        else "a process that has not written its name yet"
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
