"""Files that appear whole or not at all, and what to do when the disk refuses."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trajmodes.errors import StorageError

_FIXES = {
    errno.ENOSPC: "free some space, or name a folder on another disk",
    errno.EDQUOT: "your quota is used up: free some space, or name a folder elsewhere",
    errno.EFBIG: "a limit on file sizes is set (ulimit -f): raise it",
    errno.EROFS: "the file system is read-only: name another folder",
    errno.EACCES: "you may not write there: name another folder, or change its permissions",
    errno.EPERM: "you may not write there: name another folder, or change its permissions",
    errno.ENOTDIR: "a part of the path is a file: name another folder",
    errno.EEXIST: "a file of that name is in the way: name another folder",
    errno.EISDIR: "a folder of that name is in the way: name another folder",
    errno.ELOOP: "a symbolic link of that name is in the way: remove it",
    errno.EIO: "the disk reports an error: look at the system log, name another disk",
}
_INTACT = "earlier results are intact"


def storage_error(path: Path, error: OSError, *, state: str = _INTACT) -> StorageError:
    """Return the error for a file that could not be written, with what to do.

    Parameters
    ----------
    path
        What was to be written.
    error
        The error of the system.
    state
        The state in which the folder is left.
    """
    fix = _FIXES.get(error.errno or 0, "see that the disk has space and the folder is writable")
    return StorageError(
        f"{path.name} could not be written",
        where=str(path),
        why=error.strerror or str(error),
        fix=f"{fix}; {state}",
    )


def sync(path: Path) -> None:
    """Wait until a file, or the list of files of a folder, is on the disk.

    Raises
    ------
    OSError
        If the disk refuses.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Name of a file to write to, which then takes the place of another in one step.

    Parameters
    ----------
    path
        The place of the file in the end. If the block under ``with`` fails, what was there
        before stays, and the unfinished file is removed.

    Raises
    ------
    StorageError
        If the system refuses to write.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        # Absent after success. A disk that fails may refuse this too: the first error counts.
        if partial.exists():
            partial.unlink()
