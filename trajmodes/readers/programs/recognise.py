"""Choose the module that reads a file, by its name and its first bytes."""

from collections.abc import Callable
from pathlib import Path

from trajmodes.config.groups import ReadOptions
from trajmodes.readers.programs.castep import open_castep
from trajmodes.readers.programs.espresso import open_cp
from trajmodes.readers.programs.vaspout import DYNAMICS, open_vaspout
from trajmodes.readers.programs.vasprun import open_vasprun
from trajmodes.readers.programs.xdatcar import open_xdatcar
from trajmodes.readers.stores.h5md import open_h5md
from trajmodes.readers.stores.hdf5 import is_hdf5, sound
from trajmodes.readers.stores.zarr import is_zarr, open_zarr
from trajmodes.readers.text.source import read_head
from trajmodes.readers.trajectory import ForeignFile

Opener = Callable[[Path, ReadOptions], ForeignFile]

_BY_CONTENT: tuple[tuple[bytes, Opener], ...] = (
    (b"\nDirect configuration=", open_xdatcar),
    (b"<modeling>", open_vasprun),
    (b"BEGIN header", open_castep),
)
_BY_SUFFIX: dict[str, Opener] = {".pos": open_cp, ".vel": open_cp}
_HEAD = 1 << 16


def opener_of(path: Path) -> Opener | None:
    """Find the function that opens a file, compressed or not; None if there is none.

    Raises
    ------
    DataError
        If the library fails on an HDF5 file.
    """
    if is_zarr(path):
        return open_zarr
    if is_hdf5(path):
        with sound(path) as file:
            return open_vaspout if DYNAMICS in file else open_h5md
    head = read_head(path, _HEAD)
    named = _BY_SUFFIX.get(path.suffix)
    return named or next((opener for mark, opener in _BY_CONTENT if mark in head), None)
