"""Reading and writing the NetCDF-4 files of trajmodes as xarray Datasets.

The same content gives the same bytes: the files contain no time stamps and no library versions.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore

from trajmodes.results.storage import atomic_file
from trajmodes.results.stored import RESULTS, Kind, readable, require_kind

NORMAL_EQUATIONS = Kind(
    "trajmodes normal equations", 1, "normal equations", "normal_equations.nc", "fit"
)
AMPLITUDES = Kind("trajmodes amplitudes", 1, "mode amplitudes", "amplitudes.nc", "project")
COORDINATES = Kind(
    "trajmodes normal coordinates",
    1,
    "normal coordinates",
    "normal_coordinates.nc",
    "molecule",
)

_FRAME = "frame"
_CHUNK_BYTES = 1 << 18


@contextmanager
def new_file(path: Path, kind: Kind) -> Iterator[netCDF4.Dataset]:
    """Open a new NetCDF-4 file without time stamps; an existing one is overwritten.

    Raises
    ------
    OSError
        If the file cannot be written, with the reason that the system gives.
    """
    path.write_bytes(_empty_hdf5())
    try:
        with netCDF4.Dataset(path, "r+") as file:
            file.setncatts(kind.attributes)
            yield file
    except (OSError, RuntimeError) as error:
        # The library reports no more than "HDF error"; writing bytes gives the system's reason.
        with path.open("ab") as stream:
            stream.write(bytes(1 << 20))
        raise OSError(f"the NetCDF library failed: {error}") from error


def _empty_hdf5() -> bytes:
    """Bytes of an empty HDF5 file whose root group has no time stamps.

    NetCDF-C writes no times for variables, but has no option for the root group of new files.
    """
    order = h5py.h5p.CRT_ORDER_TRACKED | h5py.h5p.CRT_ORDER_INDEXED
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    creation.set_link_creation_order(order)
    creation.set_attr_creation_order(order)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fapl_core(backing_store=False)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)
    file = h5py.h5f.create(b"empty", h5py.h5f.ACC_TRUNC, creation, access)
    h5py.h5f.flush(file)
    return bytes(file.get_file_image())


def encode(dataset: xr.Dataset, path: Path, kind: Kind = RESULTS) -> None:
    """Write a Dataset as NetCDF-4, compressed and with checksums.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    # HDF5 has filters for arrays of numbers only, not for scalars and variable-length texts.
    filters: dict[str, Any] = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
        for name, variable in dataset.variables.items()
        if variable.ndim and variable.dtype.kind in "bif"
    }
    with new_file(path, kind) as file:
        store = NetCDF4DataStore(file)  # type: ignore[no-untyped-call]  # xarray left it so
        dataset.dump_to_store(store, encoding=filters)


def write_series(blocks: Iterable[xr.Dataset], path: Path, kind: Kind) -> None:
    """Write time series block by block; one block of frames is in memory at a time.

    Parameters
    ----------
    blocks
        Consecutive blocks of the variables whose first axis is ``frame``. All other variables
        are taken from the first block. Complex numbers are stored as real and imaginary parts
        along a last axis ``part``.
    path
        The file.
    kind
        The kind of file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    stop = 0
    with new_file(path, kind) as file:
        for block in map(_split_complex, blocks):
            if not file.dimensions:
                _create_variables(file, block)
            start, stop = stop, stop + block.sizes[_FRAME]
            for name, variable in block.variables.items():
                if _FRAME in variable.dims:
                    file[str(name)][start:stop] = variable.values


def _split_complex(block: xr.Dataset) -> xr.Dataset:
    """Replace complex variables by their real and imaginary parts."""
    complex_ones = {
        name: ((*series.dims, "part"), np.stack([series.real, series.imag], -1), series.attrs)
        for name, series in block.data_vars.items()
        if series.dtype.kind == "c"
    }
    if not complex_ones:
        return block
    return block.assign(complex_ones).assign_coords(part=["real", "imaginary"])


def _create_variables(file: netCDF4.Dataset, block: xr.Dataset) -> None:
    """Create all variables, and write those that do not depend on the frame."""
    encoding = {
        str(name): {
            "zlib": True,
            "complevel": 1,
            "fletcher32": True,
            "chunksizes": (
                max(1, _CHUNK_BYTES // max(1, variable[0].nbytes)),
                *variable.shape[1:],
            ),
        }
        for name, variable in block.variables.items()
        if _FRAME in variable.dims
    }
    store = NetCDF4DataStore(file)  # type: ignore[no-untyped-call]  # xarray left it so
    nothing = block.isel({_FRAME: slice(0, 0)})
    nothing.dump_to_store(store, encoding=encoding, unlimited_dims=[_FRAME])


def save_dataset(dataset: xr.Dataset, path: str | Path, kind: Kind = RESULTS) -> Path:
    """Write a Dataset to a file; an existing one is replaced when the new one is complete.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    target = Path(path)
    with atomic_file(target) as partial:
        encode(dataset, partial, kind)
    return target


def read_dataset(path: str | os.PathLike[str], kind: Kind) -> xr.Dataset:
    """Read a file of one kind into memory.

    Parameters
    ----------
    path
        The file, or the results folder that contains it.
    kind
        The kind of file expected.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program or of another version, or the folder
        holds files of an unfinished run.
    """
    with readable(path, kind) as source:
        dataset = xr.load_dataset(source, engine="netcdf4")
    require_kind(dataset.attrs, source, kind)
    return dataset


def open_series(folder: Path, kind: Kind) -> xr.Dataset:
    """Open time series of a results folder, complex again, as arrays that Dask reads.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program or of another version.
    """
    with readable(folder, kind) as source:
        stored = xr.open_dataset(source, engine="netcdf4", chunks={})
    require_kind(stored.attrs, source, kind)
    series = {
        name: (values.isel(part=0) + 1j * values.isel(part=1)).assign_attrs(values.attrs)
        for name, values in stored.drop_vars("part").data_vars.items()
        if "part" in values.dims
    }
    return stored.drop_vars("part").assign(series)


def read_results(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read results.nc, or that of a results folder, into memory.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program or of another version, or the folder
        holds files of an unfinished run.
    """
    return read_dataset(path, RESULTS)
