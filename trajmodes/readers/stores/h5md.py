"""HDF5 files with the arrays of a run: H5MD, and files with arrays named after quantities."""

from functools import partial
from pathlib import Path
from typing import Any

from trajmodes.config.groups import ReadOptions
from trajmodes.errors import TrajmodesError, UnitsError, with_location
from trajmodes.readers.stores.array_store import open_store
from trajmodes.readers.stores.hdf5 import dataset, opened, sound
from trajmodes.readers.trajectory import ForeignFile


def open_h5md(path: Path, options: ReadOptions) -> ForeignFile:
    """Open an HDF5 file; errors are those of `open_store`."""
    with sound(path) as file:
        try:
            return open_store(
                partial(opened, path), partial(dataset, file), _groups(file), options
            )
        except UnitsError as error:
            where = f"{path}, {error.where}"
            raise UnitsError(error.what, where=where, why=error.why, fix=error.fix) from None
        except TrajmodesError as error:
            raise with_location(error, str(path)) from None


def _groups(file: Any) -> list[str]:
    """Names of the groups of particles of H5MD."""
    found = file.get("particles")
    return [f"particles/{name}" for name in found] if hasattr(found, "keys") else []
