"""Everything in one plain HDF5 file, in trajmodes' own units, read back bit by bit.

Groups crystal, pairs, triplets and quartets, and quality where the constants were fitted. Every
dataset says its axes and unit in its attributes; numbers without axes are attributes. What is
unknown is absent.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from trajmodes.data import ClusterConstants, Crystal, ForceConstants, Supercell
from trajmodes.errors import DataError
from trajmodes.export.contract import Export
from trajmodes.export.hdf5_open import looks_like
from trajmodes.export.hdf5_quality import read_quality, write_quality
from trajmodes.symmetry.translations import build_supercell

__all__ = ["claims", "read", "read_supercell", "write"]

_NAME = "trajmodes force constants"
_FILE = "force_constants.h5"
_VERSION = 1
_STRONGEST = 1100
"""Largest factor by which gzip compresses."""
_MASS_UNIT = "eV ps^2/angstrom^2"


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
            write_quality(constants.quality, file.create_group("quality"))
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


def claims(path: Path) -> bool:
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
    """Open a file of a known version; what fails inside is the fault of the file."""
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
        read_quality(file["quality"]) if "quality" in file else None,
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
