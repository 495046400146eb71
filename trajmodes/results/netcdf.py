"""The NetCDF-4 files of trajmodes: kinds, versions and checks, reading and writing.

The same content gives the same bytes: the files contain no time stamps and no library versions.
Results can be read as plain arrays without xarray, because the import of xarray takes longer
than printing results; functions that need xarray import it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import netCDF4
import numpy as np

from trajmodes.data.named_arrays import PlainArray, PlainArrays
from trajmodes.errors import DataError, instead_of_path
from trajmodes.results.folder import whole_results

if TYPE_CHECKING:
    import xarray as xr
    from xarray.backends import NetCDF4DataStore


class Kind(NamedTuple):
    """A kind of file."""

    format: str
    """The attribute ``format`` of the file."""
    version: int
    """Increased when a variable is removed or changes its meaning, not when one is added."""
    content: str
    """Its content in words, as a plural, for messages."""
    file: str
    """Name of the file in a results folder."""
    command: str
    """The command that writes it."""

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes of the file that state its kind."""
        return {"format": self.format, "format_version": self.version}


RESULTS = Kind("trajmodes results", 2, "results", "results.nc", "run")
NORMAL_EQUATIONS = Kind(
    "trajmodes normal equations", 2, "normal equations", "normal_equations.nc", "fit"
)
AMPLITUDES = Kind("trajmodes amplitudes", 1, "mode amplitudes", "amplitudes.nc", "project")
COORDINATES = Kind(
    "trajmodes normal coordinates", 1, "normal coordinates", "normal_coordinates.nc", "molecule"
)

_FRAME = "frame"
_CHUNK_BYTES = 1 << 18
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_DAMAGE = (OSError, RuntimeError, ValueError, AttributeError, LookupError, MemoryError)
"""Exceptions that the NetCDF library raises when it reads a damaged file."""


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


def encode(dataset: "xr.Dataset", path: Path, kind: Kind = RESULTS) -> None:
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
        dataset.dump_to_store(_store(file), encoding=filters)


def _store(file: netCDF4.Dataset) -> "NetCDF4DataStore":
    from xarray.backends import NetCDF4DataStore  # noqa: PLC0415 - xarray loads slowly

    return NetCDF4DataStore(file)  # type: ignore[no-untyped-call]  # xarray left it so


def write_series(blocks: "Iterable[xr.Dataset]", path: Path, kind: Kind) -> None:
    """Write time series block by block; one block of frames is in memory at a time.

    Variables whose first axis is not ``frame`` are taken from the first block. Complex numbers
    are stored as real and imaginary parts along a last axis ``part``.

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


def _split_complex(block: "xr.Dataset") -> "xr.Dataset":
    """Replace complex variables by their real and imaginary parts."""
    complex_ones = {
        name: ((*series.dims, "part"), np.stack([series.real, series.imag], -1), series.attrs)
        for name, series in block.data_vars.items()
        if series.dtype.kind == "c"
    }
    if not complex_ones:
        return block
    return block.assign(complex_ones).assign_coords(part=["real", "imaginary"])


def _create_variables(file: netCDF4.Dataset, block: "xr.Dataset") -> None:
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
    nothing = block.isel({_FRAME: slice(0, 0)})
    nothing.dump_to_store(_store(file), encoding=encoding, unlimited_dims=[_FRAME])


@contextmanager
def readable(path: str | os.PathLike[str], kind: Kind) -> Iterator[Path]:
    """Yield the file; turn exceptions of the NetCDF library in the block into a `DataError`."""
    source = Path(path)
    with whole_results(source):
        if source.is_dir():
            source = source / kind.file
        _require_hdf5(source, kind)
        try:
            yield source
        except _DAMAGE as error:
            raise DataError(
                f"the {kind.content} are damaged",
                where=str(source),
                why=f"the file was cut off or changed after it was written ({error})",
                fix="copy it again, or repeat the run",
            ) from error


def read_arrays(path: str | os.PathLike[str]) -> PlainArrays:
    """Read results.nc, or that of a results folder, as plain arrays; see `read_dataset`."""
    with readable(path, RESULTS) as source, netCDF4.Dataset(source) as file:
        file.set_auto_maskandscale(False)
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
        arrays = {name: _stored(variable) for name, variable in file.variables.items()}
    require_kind(attributes, source, RESULTS)
    return PlainArrays(arrays, attributes)


def _stored(variable: "netCDF4.Variable[Any]") -> PlainArray:
    values = np.asarray(variable[...])
    # NetCDF has no Boolean type: xarray stores bytes and an attribute.
    is_bool = "dtype" in variable.ncattrs() and variable.getncattr("dtype") == "bool"
    return PlainArray(variable.dimensions, values.astype(bool) if is_bool else values)


def _require_hdf5(source: Path, kind: Kind) -> None:
    try:
        with source.open("rb") as stream:
            head = stream.read(len(_HDF5_MAGIC))
    except OSError as error:
        advice = "" if source.exists() else f"; {instead_of_path(source)}"
        raise DataError(
            f"the {kind.content} cannot be read",
            where=str(source),
            why=error.strerror or str(error),
            fix=f"{_expected_file(kind)}{advice}",
        ) from error
    if not head or not _HDF5_MAGIC.startswith(head):
        raise DataError(
            "this is not a NetCDF-4 file",
            where=str(source),
            why="the file is empty" if not head else f"it begins with {head!r}",
            fix=_expected_file(kind),
        )


def require_kind(attributes: Mapping[str, Any], source: Path, kind: Kind) -> None:
    """Raise a `DataError` if a file is of another kind or version."""
    if attributes.get("format") != kind.format:
        raise DataError(
            f"this NetCDF file does not hold {kind.format}",
            where=str(source),
            why=f"its attribute 'format' is {attributes.get('format')!r}, not {kind.format!r}",
            fix=_expected_file(kind),
        )
    version = attributes.get("format_version")
    number = version if isinstance(version, int | np.integer) else 0
    if number == kind.version:
        return
    is_older = 1 <= number < kind.version
    raise DataError(
        f"the {kind.content} have format version {version}; this trajmodes reads version "
        f"{kind.version}",
        where=str(source),
        why="an older trajmodes wrote the file, and some variables had another meaning"
        if is_older
        else "a newer trajmodes wrote the file",
        fix="repeat the run, or read the file with xarray" if is_older else "update trajmodes",
    )


def _expected_file(kind: Kind) -> str:
    return f"give the folder that `trajmodes {kind.command}` wrote, or its {kind.file}"


def read_dataset(path: str | os.PathLike[str], kind: Kind) -> "xr.Dataset":
    """Read a file of one kind, or that of a results folder, into memory.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program or of another version, or the folder
        holds files of an unfinished run.
    """
    import xarray as xr  # noqa: PLC0415 - loads slowly

    with readable(path, kind) as source:
        dataset = xr.load_dataset(source, engine="netcdf4")
    require_kind(dataset.attrs, source, kind)
    return dataset


def open_series(folder: Path, kind: Kind) -> "xr.Dataset":
    """Open time series of a results folder, complex again, as arrays that Dask reads.

    Errors are those of `read_dataset`.
    """
    import xarray as xr  # noqa: PLC0415 - loads slowly

    with readable(folder, kind) as source:
        stored = xr.open_dataset(source, engine="netcdf4", chunks={})
    require_kind(stored.attrs, source, kind)
    series = {
        name: (values.isel(part=0) + 1j * values.isel(part=1)).assign_attrs(values.attrs)
        for name, values in stored.drop_vars("part").data_vars.items()
        if "part" in values.dims
    }
    return stored.drop_vars("part").assign(series)


def read_results(path: str | os.PathLike[str]) -> "xr.Dataset":
    """Read results.nc, or that of a results folder, into memory; see `read_dataset`."""
    return read_dataset(path, RESULTS)
