"""HDF5 files with the arrays of a run: H5MD, and files with arrays named after quantities."""

from functools import partial
from pathlib import Path
from typing import Any

from trajmodes.config.groups import ReadOptions
from trajmodes.readers.stores.array_store import located_in, open_store
from trajmodes.readers.stores.hdf5 import dataset, opened, sound
from trajmodes.readers.trajectory import ForeignFile


def open_h5md(path: Path, options: ReadOptions) -> ForeignFile:
    """Open an HDF5 file; errors are those of `open_store`."""
    with sound(path) as file, located_in(path):
        return open_store(partial(opened, path), partial(dataset, file), _groups(file), options)


def _groups(file: Any) -> list[str]:
    """Names of the groups of particles of H5MD."""
    found = file.get("particles")
    return [f"particles/{name}" for name in found] if hasattr(found, "keys") else []
