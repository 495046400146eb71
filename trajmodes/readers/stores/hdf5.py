"""Access to HDF5 files, which a separate process tests before they are opened."""

from pathlib import Path
from typing import Any

from trajmodes.errors import DataError
from trajmodes.readers.soundness import require_survivable
from trajmodes.readers.text.remote import require_local
from trajmodes.readers.text.source import first_bytes
from trajmodes.readers.trial import MAX_COMPRESSION

MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file begins like an HDF5 file."""
    return first_bytes(path, len(MAGIC)) == MAGIC


def opened(path: Path) -> Any:
    """Open a file for reading; the context manager yields arrays by their names."""
    import h5py  # noqa: PLC0415 - loads slowly

    return h5py.File(path)


def sound(path: Path) -> Any:
    """Open a file after another process has read it.

    Raises
    ------
    UsageError
        If it is not a file of this computer.
    DataError
        If the library crashes on it.
    """
    require_local(path)
    require_survivable(path)
    return opened(path)


def dataset(file: Any, name: str) -> Any:
    """Array of a file; None if there is none of that name.

    Raises
    ------
    DataError
        If the file announces more data than are stored.
    """
    import h5py  # noqa: PLC0415 - loads slowly

    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        return None
    stored = found.id.get_storage_size()
    if found.shape and found.nbytes > MAX_COMPRESSION * stored:
        raise DataError(
            f"{name} announces {found.nbytes} bytes, but {stored} are stored",
            why="the run was stopped before it wrote them, or the file is damaged",
        )
    return found
