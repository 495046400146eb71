"""Force constants in one HDF5 file, in the units of trajmodes, read back exactly.

The groups are crystal, pairs, triplets and quartets (second, third and fourth order), charges
of a polar crystal, whose dipole–dipole part is not in the pairs, and quality if they were
fitted. Every dataset has its axes and unit as attributes; scalars are attributes. Unknown
values are absent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trajmodes.data.charges import Charges
from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import (
    ClusterConstants,
    FitQuality,
    ForceConstants,
    OrderQuality,
)
from trajmodes.errors import DataError
from trajmodes.formats import ConstantsReader, Export, Format
from trajmodes.readers.soundness import require_survivable
from trajmodes.readers.trial import MAX_COMPRESSION
from trajmodes.symmetry.translations import build_supercell

_NAME = "trajmodes force constants"
_FILE = "force_constants.h5"
_VERSION = 1
_CRYSTAL = {
    "cell": ("lattice vector, xyz", "angstrom"),
    "sites": ("site, lattice vector", "1"),
    "masses": ("site", "eV ps^2/angstrom^2"),
}
_PAIRS = {
    "first": ("pair", "site number from 0"),
    "second": ("pair", "site number from 0"),
    "lattice": ("pair, lattice vector", "1"),
    "values": ("pair, xyz, xyz", "eV/angstrom^2"),
    "replicates": ("block, pair, xyz, xyz", "eV/angstrom^2"),
}
_CLUSTERS = {
    "sites": ("cluster, member", "site number from 0"),
    "lattice": ("cluster, member, lattice vector", "1"),
    "values": ("cluster{directions}", "eV/angstrom^{order}"),
    "replicates": ("block, cluster{directions}", "eV/angstrom^{order}"),
}
_CHARGES = {
    "born": ("site, field xyz, displacement xyz", "e"),
    "dielectric": ("xyz, xyz", "1"),
    "quadrupoles": ("site, xyz, xyz, displacement xyz", "e angstrom"),
}
"""Axes and unit of each array; replicates and quadrupoles may be missing."""
_DAMAGE = (OSError, LookupError, TypeError, RuntimeError, ValueError, AttributeError)
"""Exceptions that reading a damaged file raises."""
_NOT_ATTRIBUTES = ("first_order", "orders", "constraints")
"""Parts of the quality that are not attributes of their own."""


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write force_constants.h5, including the matrix of the supercell."""
    path = folder / _FILE
    write_hdf5(constants, supercell, path)
    return Export((path,))


def write_hdf5(constants: ForceConstants, supercell: Supercell, path: Path) -> None:
    """Write a file of any name, the matrix of the supercell included."""
    with new_hdf5(path) as file:
        file.attrs["format"] = _NAME
        file.attrs["version"] = _VERSION
        file.attrs["supercell_matrix"] = supercell.matrix
        crystal = file.create_group("crystal")
        _write_arrays(crystal, constants.crystal, _CRYSTAL)
        species = list(constants.crystal.species)
        crystal.create_dataset("species", data=species, dtype=h5py.string_dtype())
        pairs = file.create_group("pairs")
        _write_arrays(pairs, constants, _PAIRS)
        names = ("temperature", "has_static_part", "cutoff")
        _write_attributes(pairs, **{name: getattr(constants, name) for name in names})
        for name in ("triplets", "quartets"):
            clusters: ClusterConstants | None = getattr(constants, name)
            if clusters is not None:
                group = file.create_group(name)
                _write_arrays(group, clusters, _CLUSTERS, clusters.order)
                _write_attributes(group, cutoff=clusters.cutoff)
        if constants.charges is not None:
            _write_arrays(file.create_group("charges"), constants.charges, _CHARGES)
        if constants.quality is not None:
            _write_quality(constants.quality, file.create_group("quality"))


@contextmanager
def new_hdf5(path: Path) -> Iterator[h5py.File]:
    """Make an HDF5 file in memory, and write it when it is complete.

    The HDF5 library may end the process if it writes to a full disk.
    """
    memory = BytesIO()
    # Metadata of this version of the format carry checksums.
    with h5py.File(memory, "w", libver=("v108", "v108")) as file:
        yield file
    path.write_bytes(memory.getbuffer())


def _write_arrays(
    group: h5py.Group, source: object, arrays: dict[str, tuple[str, str]], order: int = 2
) -> None:
    """Store attributes of an object that are not None, with their axes and unit."""
    for name, (axes, unit) in arrays.items():
        values = getattr(source, name)
        if values is not None:
            dataset = group.create_dataset(
                name, data=values, compression="gzip", shuffle=True, fletcher32=True
            )
            dataset.attrs["axes"] = axes.format(directions=", xyz" * order)
            dataset.attrs["unit"] = unit.format(order=order)


def _write_attributes(group: h5py.Group, **numbers: float | None) -> None:
    """Store numbers as attributes, unless they are None."""
    for name, number in numbers.items():
        if number is not None:
            group.attrs[name] = number


def _is_ours(path: Path) -> bool:
    """Whether a file is of this format, even if it is damaged."""
    return looks_like(path, lambda file: file.attrs.get("format") == _NAME, _FILE)


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read the force constants as they were written; the supercell is not used."""
    del supercell
    with _opened_own(path) as file:
        return _read(file)


def read_supercell(path: Path) -> Supercell:
    """Read the supercell of the fit."""
    with _opened_own(path) as file:
        return build_supercell(_read_crystal(file), file.attrs["supercell_matrix"])


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open force constants to read; an exception inside means that the file is damaged."""
    require_survivable(path)
    try:
        with h5py.File(path) as file:
            yield file
    except _DAMAGE as error:
        raise DataError(
            f"the force constants cannot be read: {error}",
            where=str(path),
            why="the file was truncated or changed, or is of another kind",
            fix="write it again with the program that made it",
        ) from error


@contextmanager
def _opened_own(path: Path) -> Iterator[h5py.File]:
    """Open a file of a known version."""
    with opened(path) as file:
        version = int(file.attrs["version"])
        if version > _VERSION:
            raise DataError(
                f"the file has version {version}; this trajmodes reads {_VERSION}",
                where=str(path),
                fix="update trajmodes",
            )
        yield file


def _read_crystal(file: h5py.File) -> Crystal:
    group = file["crystal"]
    names = group["species"]
    _read_array(names)
    return Crystal(**_read_arrays(group, _CRYSTAL), species=tuple(names.asstr()[()]))


def _read(file: h5py.File) -> ForceConstants:
    pairs = file["pairs"]
    return ForceConstants(
        _read_crystal(file),
        **_read_arrays(pairs, _PAIRS),
        temperature=_number(pairs, "temperature"),
        has_static_part=_truth(pairs, "has_static_part"),
        cutoff=_number(pairs, "cutoff"),
        quality=_read_quality(file["quality"]) if "quality" in file else None,
        triplets=_read_clusters(file, "triplets"),
        quartets=_read_clusters(file, "quartets"),
        charges=Charges(**_read_arrays(file["charges"], _CHARGES))
        if "charges" in file
        else None,
    )


def _read_clusters(file: h5py.File, name: str) -> ClusterConstants | None:
    if name not in file:
        return None
    group = file[name]
    return ClusterConstants(**_read_arrays(group, _CLUSTERS), cutoff=_number(group, "cutoff"))


def _read_arrays(group: h5py.Group, arrays: dict[str, tuple[str, str]]) -> dict[str, Any]:
    return {
        name: _read_array(group[name])
        for name in arrays
        if name in group or name not in ("replicates", "quadrupoles")
    }


def _read_array(dataset: h5py.Dataset) -> Any:
    """Read a dataset whose size is consistent with its bytes in the file."""
    if dataset.nbytes > MAX_COMPRESSION * dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} announces {dataset.nbytes} bytes that it lacks")
    return dataset[()]


def _number(group: h5py.Group, name: str) -> float | None:
    return float(group.attrs[name]) if name in group.attrs else None


def _truth(group: h5py.Group, name: str) -> bool | None:
    return bool(group.attrs[name]) if name in group.attrs else None


def _write_quality(quality: FitQuality, group: h5py.Group) -> None:
    """Store every field under its name."""
    names = [field.name for field in fields(FitQuality) if field.name not in _NOT_ATTRIBUTES]
    _write_attributes(group, **{name: getattr(quality, name) for name in names})
    words = np.array(quality.constraints, dtype=h5py.string_dtype())
    group.attrs.create("constraints", words)
    forces = group.create_dataset("first_order", data=quality.first_order)
    forces.attrs["axes"], forces.attrs["unit"] = "site, xyz", "eV/angstrom"
    for number, order in enumerate(quality.orders):
        part = group.create_group(f"orders/{number}")
        for field in fields(OrderQuality):
            part.attrs[field.name] = getattr(order, field.name)


def _read_quality(group: h5py.Group) -> FitQuality:
    """Read the output of `_write_quality`; missing fields take their defaults."""
    names = {field.name for field in fields(FitQuality)} - set(_NOT_ATTRIBUTES)
    parts = group.get("orders", {})
    return FitQuality(
        **{name: _python_value(group.attrs[name]) for name in names if name in group.attrs},
        first_order=_read_array(group["first_order"]),
        orders=tuple(
            OrderQuality(
                **{name: _python_value(value) for name, value in parts[key].attrs.items()}
            )
            for key in sorted(parts, key=int)
        ),
        constraints=tuple(str(word) for word in group.attrs["constraints"]),
    )


def _python_value(value: Any) -> Any:
    """Convert a number or string of HDF5 to one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def is_hdf5(path: Path) -> bool:
    """Whether the name is that of an HDF5 file."""
    return path.suffix in {".h5", ".hdf5"}


def looks_like(path: Path, test: Callable[[h5py.File], bool], name: str) -> bool:
    """Whether the content of an HDF5 file passes a test.

    A file that cannot be opened is recognised by the usual ``name`` of its kind.
    """
    if not is_hdf5(path):
        return False
    require_survivable(path)
    try:
        with h5py.File(path) as file:
            return bool(test(file))
    except _DAMAGE:
        return path.name == name


FORMAT = Format(
    write_force_constants=write,
    constants=ConstantsReader(_is_ours, read, read_supercell),
)
