"""The results folder: readers get the complete results of one run, or an error.

The hidden file list ``.trajmodes.files`` names the files that trajmodes wrote to a folder. The
next results replace these files and no others. The list also states whether the results are
complete. New results are first written to a hidden folder. The list is then marked as
incomplete, the files are moved to their places, and the list of the new results is written
last, by one rename. If the process is killed in between, every reader refuses the folder until
the next results replace it.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from trajmodes.errors import DataError, UsageError, system_errors
from trajmodes.machine import uninterrupted
from trajmodes.results.storage import atomic_file, held_lock, holder_file, storage_error, sync

_LOCK = ".trajmodes.lock"
_STAGING = ".trajmodes.staging"
_UNFINISHED = ".trajmodes.files.new"
_CONTENTS = ".trajmodes.files"
CHECKPOINT = ".trajmodes.checkpoint"
"""Folder of the checkpoint of an unfinished job."""
_RESERVED = (_LOCK, holder_file(Path(_LOCK)).name, _STAGING, _UNFINISHED, _CONTENTS, CHECKPOINT)
_HIDDEN = ".trajmodes.*"
"""Pattern of the folders for temporary files of a run."""


class Writer(NamedTuple):
    """One file of a results folder."""

    text: str
    """Description of the file, in one line."""
    write: Callable[[Path], object]
    """Writes it to the given path."""


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """A folder that is locked: no other process writes results to it."""

    path: Path


class _FileList(NamedTuple):
    """The files that trajmodes wrote to a folder."""

    files: tuple[str, ...] = ()
    is_complete: bool = True


def require_replaceable(
    directory: str | os.PathLike[str], names: Iterable[str], inputs: Iterable[str | Path] = ()
) -> None:
    """Check that new results would replace only files of earlier results.

    The folder need not exist. The names are those within the folder that may be written, the
    inputs are the files and folders that the results are made from.

    Raises
    ------
    UsageError
        If a file of one of the names exists that trajmodes did not write, or if an input is the
        folder itself or one of the files that trajmodes wrote to it.
    StorageError
        If the folder cannot be read.
    """
    home = Path(directory).resolve()
    own = _read_file_list(home).files
    written = {home / name for name in own}
    for given in inputs:
        place = Path(given).resolve()
        if own and (place in written or place == home):
            raise UsageError(
                f"the results would replace one of their inputs: {given}",
                where=str(directory),
                why="a results folder holds the files of one command; the next command that "
                "writes there replaces all of them",
                fix="name another folder with -o (--output)",
            )
    _require_own(home, names, own)


@contextmanager
def whole_results(path: str | os.PathLike[str]) -> Iterator[None]:
    """Check that all files read within the ``with`` block belong to one complete run.

    The path is that of the folder or of a file in it. A folder without a file list, such as one
    to which a single file was copied, is not checked.

    Raises
    ------
    DataError
        If the folder holds files of an unfinished run, or a run replaced them in the meantime.
    """
    source = Path(path)
    root = source if source.is_dir() else source.parent
    before = _stamp(root)
    if not _read_file_list(root).is_complete:
        raise DataError(
            "the results in this folder are incomplete",
            where=str(root),
            why="a run was stopped while it replaced the files, or is replacing them now",
            fix="repeat the run",
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
    """Time and inode of the file list: a new list differs in one of them."""
    try:
        found = (root / _CONTENTS).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def _read_file_list(root: Path) -> _FileList:
    """Read the file list of a folder; empty if there is none."""
    path = root / _CONTENTS
    try:
        with system_errors(path):
            text = path.read_text(encoding="utf-8") if path.exists() else "[]"
        content = json.loads(text)
    except ValueError:
        return _FileList(is_complete=False)
    if isinstance(content, list):
        # Earlier versions wrote the names alone.
        return _FileList(tuple(map(str, content)))
    if not isinstance(content, dict) or not isinstance(content.get("files"), list):
        return _FileList(is_complete=False)
    return _FileList(tuple(map(str, content["files"])), content.get("state") == "whole")


def _require_own(root: Path, names: Iterable[str], own: Iterable[str]) -> None:
    """Raise a `UsageError` if one of the names is a file that is not in the list `own`."""
    try:
        foreign = [name for name in sorted(set(names) - set(own)) if (root / name).is_file()]
    except OSError as error:
        raise storage_error(root, error) from error
    if foreign:
        some = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise UsageError(
            f"{some} would be replaced, but trajmodes did not write it there",
            where=str(root),
            why=f"only files listed in {_CONTENTS} of the folder are replaced",
            fix=f"name another folder with -o (--output), or move {foreign[0]} away",
        )


@contextmanager
def open_folder(directory: str | os.PathLike[str]) -> Iterator[ResultsFolder]:
    """Create a folder if needed, and lock it so that no other process writes to it.

    Temporary files of a killed process are removed, but not its checkpoint.

    Raises
    ------
    LockedError
        If another process, here or on another host, has the folder open.
    StorageError
        If the folder cannot be created or written to, or one of the hidden names in it is a
        symbolic link.
    """
    root = Path(directory)
    is_new = not root.exists()
    with ExitStack() as stack:
        try:
            root.mkdir(parents=True, exist_ok=True)
            if is_new:
                # At the end the new folder is removed if nothing was written to it.
                stack.callback(_remove_empty, root)
            _refuse_links(root)
            stack.enter_context(held_lock(root / _LOCK))
            _remove_temporary(root)
        except OSError as error:
            raise storage_error(root, error) from error
        yield ResultsFolder(root)


def _remove_empty(root: Path) -> None:
    with suppress(OSError):
        root.rmdir()


def _refuse_links(root: Path) -> None:
    """Raise a `StorageError` if a hidden name is a link: its target is not ours."""
    for path in (root / name for name in _RESERVED):
        if path.is_symlink():
            raise storage_error(path, OSError(errno.ELOOP, "it is a symbolic link"))


def _remove_temporary(root: Path) -> None:
    """Remove temporary folders of killed processes; the lock excludes running ones."""
    for path in root.glob(_HIDDEN):
        if path.is_dir() and not path.is_symlink() and path.name != CHECKPOINT:
            shutil.rmtree(path, ignore_errors=True)


def write_files(folder: ResultsFolder, writers: Mapping[str, Writer]) -> dict[str, str]:
    """Write all files to a temporary folder, and then move them to their places.

    Files of earlier results that are not written again are removed. Names are those within the
    folder, such as ``figures/bands.png``; the function returns name → description.

    Raises
    ------
    UsageError
        If a name leads out of the folder, or a file of that name exists that trajmodes did not
        write.
    StorageError
        If a file cannot be written. Earlier results are then intact, unless complete files
        cannot be moved to their places: then readers refuse the folder.
    """
    root = folder.path
    earlier = _read_file_list(root).files
    targets = {name: _target(root, name) for name in writers}
    stale = [_target(root, name) for name in earlier if name not in writers]
    _require_own(root, writers, earlier)
    try:
        staging = _write_to_staging(root, targets, writers)
        with uninterrupted():
            _move_to_targets(root, staging, targets, stale, earlier)
    finally:
        shutil.rmtree(root / _STAGING, ignore_errors=True)
    return {name: writer.text for name, writer in writers.items()}


def add_file(folder: ResultsFolder, name: str, write: Callable[[Path], object]) -> None:
    """Write one more file beside complete results; it is removed when they are replaced.

    Raises
    ------
    UsageError
        If a file of that name exists that trajmodes did not write.
    StorageError
        If it cannot be written.
    """
    root = folder.path
    target, listed = _target(root, name), _read_file_list(root)
    _require_own(root, [name], listed.files)
    with atomic_file(target) as partial:
        write(partial)
        # Listed before it appears, so that it is not taken for a foreign file later.
        _write_file_list(root / _CONTENTS, _FileList((*listed.files, name), listed.is_complete))


def _write_to_staging(
    root: Path, targets: Mapping[str, Path], writers: Mapping[str, Writer]
) -> Path:
    """Write all files to a hidden folder."""
    staging = current = root / _STAGING
    try:
        # By mkdir, which follows no link.
        staging.mkdir()
        for current in targets.values():
            _require_movable(current)
        for name, writer in writers.items():
            current = targets[name]
            partial = staging / name
            partial.parent.mkdir(parents=True, exist_ok=True)
            writer.write(partial)
            sync(partial)
    except OSError as error:
        raise storage_error(current, error) from error
    return staging


def _move_to_targets(
    root: Path,
    staging: Path,
    targets: Mapping[str, Path],
    stale: Iterable[Path],
    earlier: Iterable[str],
) -> None:
    """Move complete files to their places; the file list says "incomplete" meanwhile."""
    contents = current = root / _CONTENTS
    changing: dict[str, str] = {}
    try:
        # Listed before they are moved, so that none is taken for a foreign file later.
        _write_file_list(contents, _FileList((*targets, *earlier), is_complete=False))
        changing = {"state": "the results are incomplete: repeat the run"}
        sync(root)
        for name, current in targets.items():
            current.parent.mkdir(parents=True, exist_ok=True)
            (staging / name).replace(current)
        for current in stale:
            current.unlink(missing_ok=True)
        current = contents
        # The final list must not reach the disk before the files do.
        for place in {target.parent for target in targets.values()}:
            sync(place)
        _write_file_list(contents, _FileList(tuple(targets)))
        changing = {"state": "the results are complete, but perhaps not yet on the disk"}
        sync(root)
    except OSError as error:
        raise storage_error(current, error, **changing) from error


def _write_file_list(path: Path, contents: _FileList) -> None:
    """Write the file list in one step."""
    state = "whole" if contents.is_complete else "changing"
    files = list(dict.fromkeys(contents.files))
    partial = path.with_name(_UNFINISHED)
    partial.unlink(missing_ok=True)
    # Mode x creates a new file and follows no link.
    try:
        with partial.open("x", encoding="utf-8") as file:
            json.dump({"state": state, "files": files}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise


def _require_movable(target: Path) -> None:
    """Raise an `OSError` if a file could not be moved to the target."""
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not next(parent for parent in target.parents if parent.exists()).is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


def _target(root: Path, name: str) -> Path:
    """Path of a file, which must lie within the folder after links are resolved."""
    home = root.resolve()
    target = (home / name).resolve()
    if target == home or not target.is_relative_to(home) or Path(name).parts[0] in _RESERVED:
        raise UsageError(
            f"the output name {name!r} leads out of the results folder",
            where=str(root),
            fix="use plain names, without .. or links to other folders",
        )
    return root / name
