"""Force constants in one HDF5 file, in the units of trajmodes, read back exactly.

Groups crystal, pairs, triplets and quartets, and quality where the constants were fitted. Every
dataset says its axes and unit in its attributes; numbers without axes are attributes. What is
unknown is absent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from trajmodes.data.crystal import Crystal, Supercell
from trajmodes.data.force_constants import (
    ClusterConstants,
    FitQuality,
    ForceConstants,
    OrderQuality,
)
from trajmodes.errors import DataError
from trajmodes.formats.base import ConstantsReader, Export, Format
from trajmodes.symmetry.translations import build_supercell

_NAME = "trajmodes force constants"
_FILE = "force_constants.h5"
_VERSION = 1
_STRONGEST = 1100
"""Largest factor by which gzip compresses."""
_MASS_UNIT = "eV ps^2/angstrom^2"
_TOGETHER = ("first_order", "orders", "constraints")
"""Parts of the quality that are not attributes of their own."""


def write(constants: ForceConstants, supercell: Supercell, folder: Path) -> Export:
    """Write force_constants.h5, the matrix of the supercell included."""
    path = folder / _FILE
    with h5py.File(path, "w") as file:
        file.attrs["format"] = _NAME
        file.attrs["version"] = _VERSION
        file.attrs["supercell_matrix"] = supercell.matrix
        _write_crystal(constants.crystal, file.create_group("crystal"))
        pairs = file.create_group("pairs")
        _put(pairs, "first", constants.first, "pair", "site number from 0")
        _put(pairs, "second", constants.second, "pair", "site number from 0")
        _put(pairs, "lattice", constants.lattice, "pair, lattice vector", "1")
        _put(pairs, "values", constants.values, "pair, xyz, xyz", "eV/angstrom^2")
        _put(
            pairs, "replicates", constants.replicates, "block, pair, xyz, xyz", "eV/angstrom^2"
        )
        _note(pairs, temperature=constants.temperature, cutoff=constants.cutoff)
        for name, clusters in (
            ("triplets", constants.triplets),
            ("quartets", constants.quartets),
        ):
            if clusters is not None:
                _write_clusters(clusters, file.create_group(name))
        if constants.quality is not None:
            _write_quality(constants.quality, file.create_group("quality"))
    return Export((path,))


def _write_crystal(crystal: Crystal, group: h5py.Group) -> None:
    _put(group, "cell", crystal.cell, "lattice vector, xyz", "angstrom")
    _put(group, "sites", crystal.sites, "site, lattice vector", "1")
    _put(group, "masses", crystal.masses, "site", _MASS_UNIT)
    group.create_dataset("species", data=list(crystal.species), dtype=h5py.string_dtype())


def _write_clusters(clusters: ClusterConstants, group: h5py.Group) -> None:
    directions, unit = ", xyz" * clusters.order, f"eV/angstrom^{clusters.order}"
    _put(group, "sites", clusters.sites, "cluster, member", "site number from 0")
    _put(group, "lattice", clusters.lattice, "cluster, member, lattice vector", "1")
    _put(group, "values", clusters.values, f"cluster{directions}", unit)
    _put(group, "replicates", clusters.replicates, f"block, cluster{directions}", unit)
    _note(group, cutoff=clusters.cutoff)


def _put(group: h5py.Group, name: str, values: Any, axes: str, unit: str) -> None:
    """Store an array with its axes and unit; nothing for None."""
    if values is None:
        return
    dataset = group.create_dataset(name, data=values, compression="gzip", shuffle=True)
    dataset.attrs["axes"] = axes
    dataset.attrs["unit"] = unit


def _note(group: h5py.Group, **numbers: Any) -> None:
    """Store numbers as attributes; nothing for None."""
    for name, number in numbers.items():
        if number is not None:
            group.attrs[name] = number


def _is_ours(path: Path) -> bool:
    """Whether it is a file of this format, however damaged."""
    return looks_like(path, lambda file: file.attrs.get("format") == _NAME, _FILE)


def read(path: Path, supercell: Supercell | None) -> ForceConstants:
    """Read the constants as they were written.

    Parameters
    ----------
    path
        The file.
    supercell
        Not needed: the file holds its crystal.

    Raises
    ------
    DataError
        If the file is damaged or of a later version.
    """
    del supercell
    with _opened(path) as file:
        return _read(file)


def read_supercell(path: Path) -> Supercell:
    """Read the supercell that the constants were fitted on.

    Raises
    ------
    DataError
        If the file is damaged or of a later version.
    """
    with _opened(path) as file:
        return build_supercell(_read_crystal(file), file.attrs["supercell_matrix"])


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a file of a known version; an exception inside means that it is damaged."""
    try:
        with h5py.File(path) as file:
            version = int(file.attrs["version"])
            if version > _VERSION:
                raise DataError(
                    f"the file has version {version}; this trajmodes reads {_VERSION}",
                    where=str(path),
                    fix="update trajmodes",
                )
            yield file
    except (OSError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise DataError(
            f"the constants cannot be read: {error}",
            where=str(path),
            why="the file was cut off or changed",
            fix="export it again",
        ) from error


def _read_crystal(file: h5py.File) -> Crystal:
    group = file["crystal"]
    return Crystal(
        _whole(group["cell"]),
        _whole(group["sites"]),
        tuple(_text(group["species"])),
        _whole(group["masses"]),
    )


def _read(file: h5py.File) -> ForceConstants:
    pairs = file["pairs"]
    return ForceConstants(
        _read_crystal(file),
        _whole(pairs["first"]),
        _whole(pairs["second"]),
        _whole(pairs["lattice"]),
        _whole(pairs["values"]),
        _get(pairs, "replicates"),
        _number(pairs, "temperature"),
        _number(pairs, "cutoff"),
        _read_quality(file["quality"]) if "quality" in file else None,
        _read_clusters(file, "triplets"),
        _read_clusters(file, "quartets"),
    )


def _read_clusters(file: h5py.File, name: str) -> ClusterConstants | None:
    if name not in file:
        return None
    group = file[name]
    return ClusterConstants(
        _whole(group["sites"]),
        _whole(group["lattice"]),
        _whole(group["values"]),
        _get(group, "replicates"),
        _number(group, "cutoff"),
    )


def _get(group: h5py.Group, name: str) -> Any:
    return _whole(group[name]) if name in group else None


def _whole(dataset: h5py.Dataset) -> Any:
    """Read a dataset whose size its bytes in the file can account for."""
    if dataset.nbytes > _STRONGEST * dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} announces {dataset.nbytes} bytes that it lacks")
    return dataset[()]


def _text(dataset: h5py.Dataset) -> Any:
    _whole(dataset)
    return dataset.asstr()[()]


def _number(group: h5py.Group, name: str) -> float | None:
    return float(group.attrs[name]) if name in group.attrs else None


def _write_quality(quality: FitQuality, group: h5py.Group) -> None:
    """Store every field under its name.

    Parameters
    ----------
    quality
        What is known of the fit.
    group
        An empty group.
    """
    for field in fields(FitQuality):
        if field.name not in _TOGETHER:
            group.attrs[field.name] = getattr(quality, field.name)
    words = np.array(quality.constraints, dtype=h5py.string_dtype())
    group.attrs.create("constraints", words)
    forces = group.create_dataset("first_order", data=quality.first_order)
    forces.attrs["axes"], forces.attrs["unit"] = "site, xyz", "eV/angstrom"
    for number, order in enumerate(quality.orders):
        part = group.create_group(f"orders/{number}")
        for field in fields(OrderQuality):
            part.attrs[field.name] = getattr(order, field.name)


def _read_quality(group: h5py.Group) -> FitQuality:
    """Read what `_write_quality` stored; fields that the file lacks take their defaults.

    Parameters
    ----------
    group
        The group.
    """
    names = {field.name for field in fields(FitQuality)} - set(_TOGETHER)
    parts = group.get("orders", {})
    return FitQuality(
        **{name: _plain(group.attrs[name]) for name in names if name in group.attrs},
        first_order=_whole(group["first_order"]),
        orders=tuple(
            OrderQuality(**{name: _plain(value) for name, value in parts[key].attrs.items()})
            for key in sorted(parts, key=int)
        ),
        constraints=tuple(str(word) for word in group.attrs["constraints"]),
    )


def _plain(value: Any) -> Any:
    """Turn a number or string of HDF5 into one of Python."""
    return value.item() if isinstance(value, np.generic) else value


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


FORMAT = Format(
    write_constants=write,
    constants=ConstantsReader(_is_ours, read, read_supercell),
)
