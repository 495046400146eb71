"""results.nc: NetCDF-4 with checksums, written whole or not at all."""

from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore

from trajmodes.data import Results
from trajmodes.errors import DataError
from trajmodes.report.atomic import atomic_file
from trajmodes.report.dataset import to_dataset
from trajmodes.report.layout import FORMAT, FORMAT_VERSION
from trajmodes.report.timeless import without_times

__all__ = ["encode", "read_results", "write_netcdf"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

_DAMAGE = (OSError, RuntimeError, ValueError, AttributeError, LookupError, MemoryError)
"""What the NetCDF library raises where bytes of a file are not as they were written."""


def write_netcdf(results: Results | xr.Dataset, path: str | Path) -> Path:
    """Write results to one NetCDF-4 file, compressed and with checksums.

    Parameters
    ----------
    results
        What a run gave, or its Dataset.
    path
        The file. One that is there already is replaced in one step, once the new one is whole.

    Returns
    -------
    The path.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    target = Path(path)
    dataset = to_dataset(results) if isinstance(results, Results) else results
    with atomic_file(target) as partial:
        encode(dataset, partial)
    return target


def encode(dataset: xr.Dataset, path: Path) -> None:
    """Write a Dataset as NetCDF-4 with zlib and fletcher32.

    Parameters
    ----------
    dataset
        Results.
    path
        The file.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    # Filters are for arrays of numbers: scalars and texts of any length cannot have them.
    filters: dict[str, Any] = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True}
        for name, variable in dataset.variables.items()
        if variable.ndim and variable.dtype.kind in "bif"
    }
    # By way of memory: of a disk that refuses, HDF5 says no more than "HDF error".
    image = netCDF4.Dataset("results.nc", "w", format="NETCDF4", memory=1 << 20)
    store = NetCDF4DataStore(image)  # type: ignore[no-untyped-call]  # xarray left it so
    dataset.dump_to_store(store, encoding=filters)
    path.write_bytes(without_times(bytes(image.close())))


def read_results(path: str | Path) -> xr.Dataset:
    """Read results.nc into memory.

    Parameters
    ----------
    path
        A file that `write_netcdf` wrote.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program or of another version.
    """
    source = Path(path)
    if source.is_dir():
        source = source / "results.nc"
    try:
        with source.open("rb") as stream:
            head = stream.read(len(_HDF5_MAGIC))
    except OSError as error:
        raise DataError(
            "the results cannot be read", where=str(source), why=error.strerror or str(error)
        ) from error
    if not head or not _HDF5_MAGIC.startswith(head):
        raise DataError(
            "this is not a NetCDF-4 file",
            where=str(source),
            why="the file is empty" if not head else f"it begins with {head!r}",
            fix="give the results.nc that `trajmodes run` wrote",
        )
    try:
        dataset = xr.load_dataset(source, engine="netcdf4")
    except _DAMAGE as error:
        raise DataError(
            "the results are damaged",
            where=str(source),
            why=f"the file was cut off or changed after it was written ({error})",
            fix="copy it again, or repeat the run",
        ) from error
    _check_format(dataset, source)
    return dataset


def _check_format(dataset: xr.Dataset, source: Path) -> None:
    if dataset.attrs.get("format") != FORMAT:
        raise DataError(
            "this NetCDF file does not hold trajmodes results",
            where=str(source),
            why=f"its attribute 'format' is {dataset.attrs.get('format')!r}, not {FORMAT!r}",
            fix="give the results.nc that `trajmodes run` wrote",
        )
    version = dataset.attrs.get("format_version")
    if isinstance(version, int | np.integer) and version == FORMAT_VERSION:
        return
    older = isinstance(version, int | np.integer) and 1 <= version < FORMAT_VERSION
    raise DataError(
        f"the results have format version {version}, known is {FORMAT_VERSION}",
        where=str(source),
        why="an older trajmodes wrote the file, and its variables meant other things"
        if older
        else "a newer trajmodes wrote the file",
        fix="repeat the run, or read the file with xarray" if older else "update trajmodes",
    )
