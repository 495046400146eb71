"""NetCDF-4 files of trajmodes: kinds, versions and checks, and reading as plain arrays.

This module does not import xarray, which takes longer than printing the content of a file.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import netCDF4
import numpy as np
import numpy.typing as npt

from trajmodes.errors import DataError
from trajmodes.results.folder import whole_results


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

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"

_DAMAGE = (OSError, RuntimeError, ValueError, AttributeError, LookupError, MemoryError)
"""Exceptions that the NetCDF library raises when it reads a damaged file."""


@contextmanager
def readable(path: str | os.PathLike[str], kind: Kind) -> Iterator[Path]:
    """Yield the file; an exception of the NetCDF library in the block means damage."""
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


class NamedArrays(Protocol):
    """Common interface of an xarray Dataset and `StoredArrays`."""

    @property
    def attrs(self) -> Mapping[Any, Any]:
        """Attributes of the file."""

    @property
    def dims(self) -> Any:
        """Names of the axes."""

    @property
    def sizes(self) -> Mapping[Any, int]:
        """Axis → its length."""

    @property
    def variables(self) -> Mapping[Any, Any]:
        """Name → array."""

    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> Any: ...

    def get(self, name: str, /) -> Any:
        """Return an array, or None if there is none of the name."""

    def isel(self, **places: Any) -> Self:
        """Pick one element along each of the named axes."""


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array of a file, with the names of its axes."""

    dims: tuple[str, ...]
    values: npt.NDArray[Any]

    def item(self) -> Any:
        """Return the only element."""
        return self.values.item()

    def __float__(self) -> float:
        return float(self.values)

    def __int__(self) -> int:
        return int(self.values)

    def __bool__(self) -> bool:
        return bool(self.values)


@dataclass(frozen=True, slots=True)
class StoredArrays:
    """The arrays of a file, for printing without xarray, whose import takes half a second."""

    variables: Mapping[str, StoredArray]
    attrs: Mapping[str, Any]

    @property
    def sizes(self) -> Mapping[str, int]:
        """Axis → its length."""
        return {
            axis: size
            for one in self.variables.values()
            for axis, size in zip(one.dims, one.values.shape, strict=True)
        }

    @property
    def dims(self) -> frozenset[str]:
        """Names of the axes."""
        return frozenset(self.sizes)

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def __getitem__(self, name: str) -> StoredArray:
        return self.variables[name]

    def get(self, name: str) -> StoredArray | None:
        """Return an array, or None if there is none of the name."""
        return self.variables.get(name)

    def isel(self, **places: int) -> "StoredArrays":
        """Pick one element along each of the named axes."""
        picked = {}
        for name, one in self.variables.items():
            index = tuple(places.get(axis, slice(None)) for axis in one.dims)
            left = tuple(axis for axis in one.dims if axis not in places)
            picked[name] = StoredArray(left, np.asarray(one.values[index]))
        return StoredArrays(picked, self.attrs)


def read_arrays(path: str | os.PathLike[str]) -> StoredArrays:
    """Read results.nc, or that of a results folder, as plain arrays.

    Raises
    ------
    DataError
        If the file is missing, damaged, of another program or of another version, or the folder
        holds files of an unfinished run.
    """
    with readable(path, RESULTS) as source, netCDF4.Dataset(source) as file:
        file.set_auto_maskandscale(False)
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
        arrays = {name: _stored(variable) for name, variable in file.variables.items()}
    require_kind(attributes, source, RESULTS)
    return StoredArrays(arrays, attributes)


def _stored(variable: "netCDF4.Variable[Any]") -> StoredArray:
    values = np.asarray(variable[...])
    # NetCDF has no Boolean type: xarray stores bytes and an attribute.
    is_bool = "dtype" in variable.ncattrs() and variable.getncattr("dtype") == "bool"
    return StoredArray(variable.dimensions, values.astype(bool) if is_bool else values)


def _require_hdf5(source: Path, kind: Kind) -> None:
    try:
        with source.open("rb") as stream:
            head = stream.read(len(_HDF5_MAGIC))
    except OSError as error:
        raise DataError(
            f"the {kind.content} cannot be read",
            where=str(source),
            why=error.strerror or str(error),
            fix=_expected_file(kind),
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
    return f"give the {kind.file} that `trajmodes {kind.command}` wrote"
