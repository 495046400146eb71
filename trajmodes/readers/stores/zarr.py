"""Folders ``.zarr`` with the arrays of a run; they are read by the package ``zarr``."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UsageError
from trajmodes.readers.stores.array_store import located_in, open_store
from trajmodes.readers.text.remote import RemotePath, require_objects
from trajmodes.readers.trajectory import ForeignFile


def is_zarr(path: Path) -> bool:
    """Whether a path is a folder of zarr, of format 2 or 3; a URL is judged by its suffix."""
    if isinstance(path, RemotePath):
        return str(path).endswith(".zarr")
    return path.is_dir() and any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


def descriptions(path: Path) -> list[Path]:
    """Files that describe the arrays of a folder; they are written anew with the arrays."""
    names = ("zarr.json", ".zgroup", ".zarray")
    return sorted(file for name in names for file in path.rglob(name) if file.is_file())


def open_zarr(path: Path, options: ReadOptions) -> ForeignFile:
    """Open a folder of zarr; errors are those of `open_store`.

    Raises
    ------
    UsageError
        If the package is not installed, or it is on a web server.
    """
    _require_zarr(path)
    newest = None if isinstance(path, RemotePath) else _newest_change(path)
    group = _group(path, newest)
    with located_in(path):
        return open_store(
            partial(_opened, path, newest), partial(_array, group), _groups(group), options
        )


def _newest_change(path: Path) -> int:
    # As in `_group`.
    from trajmodes.readers.stores.zarr_files import newest_change  # noqa: PLC0415

    return newest_change(path)


def _require_zarr(path: Path) -> None:
    """Raise UsageError if the package or the folder is missing, or on a web server."""
    try:
        import zarr  # noqa: F401, PLC0415 - an optional package
    except ImportError:
        raise UsageError(
            "the package zarr, which reads the folder, is not installed",
            where=str(path),
            fix="pip install zarr, or write the run as an HDF5 file",
        ) from None
    if str(path).startswith("http"):
        raise UsageError(
            "a folder of zarr cannot be read from a web server",
            where=str(path),
            why="web servers do not list the files of a folder, and arrays whose chunks are "
            "missing would be read as zeros",
            fix="copy the folder to this computer, or read it from its store (s3://, gcs://)",
        )
    if isinstance(path, RemotePath):
        require_objects(path)


def _group(path: Path, newest: int | None) -> Any:
    """Open a folder whose files were written until a time in ns; None for objects."""
    import zarr  # noqa: PLC0415 - an optional package

    if newest is None:
        return zarr.open_group(str(path), mode="r")
    # It imports zarr.
    from trajmodes.readers.stores.zarr_files import UnchangedFiles  # noqa: PLC0415

    return zarr.open_group(UnchangedFiles(path, newest), mode="r")


def _opened(path: Path, newest: int | None) -> Any:
    return nullcontext(_group(path, newest))


def _array(group: Any, name: str) -> Any:
    found = group.get(name)
    return require_chunks(found, name) if hasattr(found, "shape") else None


def require_chunks(array: Any, name: str) -> Any:
    """Return an array of zarr; DataError for missing chunks, which would be read as zeros."""
    missing = array.nchunks - array.nchunks_initialized if array.shape else 0
    if missing:
        raise DataError(
            f"{missing} of {array.nchunks} chunks of {name} are missing",
            why="the run was stopped before they were written, or the folder is not complete",
        )
    return array


def _groups(group: Any) -> list[str]:
    found = group.get("particles")
    return [f"particles/{name}" for name in found.group_keys()] if found is not None else []
