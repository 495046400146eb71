"""Looking into HDF5 files that may be damaged."""

from collections.abc import Callable
from pathlib import Path

import h5py

__all__ = ["is_hdf5", "looks_like"]


def is_hdf5(path: Path) -> bool:
    """Whether the name is that of an HDF5 file."""
    return path.suffix in {".h5", ".hdf5"}


def looks_like(path: Path, test: Callable[[h5py.File], bool], name: str) -> bool:
    """Whether the content of an HDF5 file passes a test; by its name if it cannot be opened.

    Parameters
    ----------
    path
        Any file.
    test
        What to ask of the open file.
    name
        The name that a file of this kind has as a rule.
    """
    if not is_hdf5(path):
        return False
    try:
        with h5py.File(path) as file:
            return bool(test(file))
    except OSError:
        return path.name == name
