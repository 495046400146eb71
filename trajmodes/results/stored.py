"""NetCDF-4 files of trajmodes: kinds, versions and checks, and reading as plain arrays.

This module does not import xarray, which takes longer than printing the content of a file.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np

from trajmodes.data.named_arrays import PlainArray, PlainArrays
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


def read_arrays(path: str | os.PathLike[str]) -> PlainArrays:
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
