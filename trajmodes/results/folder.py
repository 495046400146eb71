"""The results folder: readers see the whole results of one run, or a refusal.

The hidden list ``.trajmodes.files`` names the files that trajmodes wrote to a folder: the next
results replace these files and no others. The list also states whether the results are whole.
New results are written to a hidden folder first. Then the list is replaced by one that says
that the files are being changed, the files are moved to their places, and the list of the new
results is written last, by one rename. A process that is killed in between leaves a folder
that every reader refuses; the next results clear it.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trajmodes.errors import DataError, UsageError
from trajmodes.results.lock import acquire_lock
from trajmodes.results.storage import storage_error, sync

_LOCK = ".trajmodes.lock"
_STAGING = ".trajmodes.staging"
_UNFINISHED = ".trajmodes.files.new"
_CONTENTS = ".trajmodes.files"
_RESERVED = (_LOCK, _STAGING, _UNFINISHED, _CONTENTS)
_HIDDEN = ".trajmodes.*"
"""Folders of this pattern hold what a run needs while it works."""


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


class _Contents(NamedTuple):
    """The list of files of a results folder."""

    files: tuple[str, ...] = ()
    is_whole: bool = True


def require_replaceable(
    directory: str | os.PathLike[str], names: Iterable[str], inputs: Iterable[str | Path] = ()
) -> None:
    """Refuse a folder in which results would replace what they must not.

    Parameters
    ----------
    directory
        The folder, whether it exists or not.
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
    own = _contents(home).files
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


@contextmanager
def whole_results(path: str | os.PathLike[str]) -> Iterator[None]:
    """Read files of a results folder, all of one run.

    Parameters
    ----------
    path
        The folder or a file in it. Elsewhere, such as beside a file that was copied out of its
        folder, nothing is required.

    Raises
    ------
    DataError
        If the folder holds files of an unfinished run, or a run replaced them in the meantime.
    """
    source = Path(path)
    root = source if source.is_dir() else source.parent
    before = _stamp(root)
    if not _contents(root).is_whole:
        raise DataError(
            "the results in this folder are incomplete",
            where=str(root),
            why="a run was stopped while it replaced the files, or is replacing them now",
            fix="run it again",
        )
    try:
        yield
    finally:
        if _stamp(root) != before:
            raise DataError(
                "the results changed while they were read",
                where=str(root),
                why="another process wrote new results to the folder",
                fix="read them again",
            )


def _stamp(root: Path) -> tuple[int, int] | None:
    """Identify the list of files: a new one has another time or another number."""
    try:
        found = (root / _CONTENTS).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _contents(root: Path) -> _Contents:
    """Return the list of files of a folder; empty if there is none."""
    try:
        content = json.loads((root / _CONTENTS).read_text(encoding="utf-8"))
    except OSError:
        return _Contents()
    except ValueError:
        return _Contents(is_whole=False)
    if isinstance(content, list):
        # Earlier versions wrote the names alone.
        return _Contents(tuple(map(str, content)))
    if not isinstance(content, dict) or not isinstance(content.get("files"), list):
        return _Contents(is_whole=False)
    return _Contents(tuple(map(str, content["files"])), content.get("state") == "whole")


def _require_own(root: Path, names: Iterable[str], own: Iterable[str]) -> None:
    """Raise a `UsageError` if a file is in the way that is not on the list of own ones."""
    try:
        foreign = [name for name in sorted(set(names) - set(own)) if (root / name).is_file()]
    except OSError as error:
        raise storage_error(root, error) from error
    if foreign:
        some = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise UsageError(
            f"{some} would be replaced, but trajmodes did not write it there",
            where=str(root),
            why=f"only files on the list of the folder's results, {_CONTENTS}, are replaced",
            fix=f"name another folder with -o (--output), or move {foreign[0]} away",
        )


@contextmanager
def open_folder(directory: str | os.PathLike[str]) -> Iterator[ResultsFolder]:
    """Make a folder if need be, and keep other processes from writing to it.

    What a killed process left behind is removed.

    Raises
    ------
    LockedError
        If another process, here or on another host, has the folder open.
    StorageError
        If the folder cannot be made or written to, or one of the hidden names in it is a
        symbolic link.
    """
    root = Path(directory)
    is_new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        _refuse_links(root)
        handle = acquire_lock(root / _LOCK)
    except OSError as error:
        raise storage_error(root, error) from error
    try:
        _clear(root)
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


def _refuse_links(root: Path) -> None:
    """Raise a `StorageError` if a hidden name is a link: what it points to is not ours."""
    for path in (root / name for name in _RESERVED):
        if path.is_symlink():
            raise storage_error(path, OSError(errno.ELOOP, "it is a symbolic link"))


def _clear(root: Path) -> None:
    """Remove what killed processes left: none is at work, for the lock is ours."""
    for path in root.glob(_HIDDEN):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


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
        If the system refuses to write. Earlier results are then intact, unless it refuses to
        move finished files: then readers refuse the folder.
    """
    root = folder.path
    earlier = _contents(root).files
    targets = {name: _inside(root, name) for name in writers}
    stale = [_inside(root, name) for name in earlier if name not in writers]
    _require_own(root, writers, earlier)
    try:
        staging = _staged(root, targets, writers)
        _replace(root, staging, targets, stale, earlier)
    finally:
        shutil.rmtree(root / _STAGING, ignore_errors=True)
    return {name: writer.text for name, writer in writers.items()}


def _staged(root: Path, targets: Mapping[str, Path], writers: Mapping[str, Writer]) -> Path:
    """Write all files to a hidden folder."""
    staging = current = root / _STAGING
    try:
        # By mkdir, which follows no link.
        staging.mkdir()
        for current in targets.values():
            _check_way(current)
        for name, writer in writers.items():
            current = targets[name]
            partial = staging / name
            partial.parent.mkdir(parents=True, exist_ok=True)
            writer.write(partial)
            sync(partial)
    except OSError as error:
        raise storage_error(current, error) from error
    return staging


def _replace(
    root: Path,
    staging: Path,
    targets: Mapping[str, Path],
    stale: Iterable[Path],
    earlier: Iterable[str],
) -> None:
    """Move finished files to their places, between two lists of files."""
    contents = current = root / _CONTENTS
    changing: dict[str, str] = {}
    try:
        # The files are named before they are there: none is taken for someone else's.
        _list(contents, _Contents((*targets, *earlier), is_whole=False))
        changing = {"state": "the results are incomplete: run again"}
        for name, current in targets.items():
            current.parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(current)
        for current in stale:
            current.unlink(missing_ok=True)
        current = contents
        # A list that says that all is there must not reach the disk before the rest.
        for place in {target.parent for target in targets.values()}:
            sync(place)
        _list(contents, _Contents(tuple(targets)))
    except OSError as error:
        raise storage_error(current, error, **changing) from error


def _list(path: Path, contents: _Contents) -> None:
    """Write the list of files whole or not at all."""
    state = "whole" if contents.is_whole else "changing"
    files = list(dict.fromkeys(contents.files))
    partial = path.with_name(_UNFINISHED)
    partial.unlink(missing_ok=True)
    # Mode x makes a new file: it follows no link.
    with partial.open("x", encoding="utf-8") as file:
        json.dump({"state": state, "files": files}, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync(path.parent)


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
    if target == home or not target.is_relative_to(home) or Path(name).parts[0] in _RESERVED:
        raise UsageError(
            f"the output name {name!r} leads out of the results folder",
            where=str(root),
            fix="use plain names, without .. or links that lead elsewhere",
        )
    return root / name
