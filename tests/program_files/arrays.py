"""HDF5 files: vaspout.h5 by py4vasp's schema, H5MD by its specification; plain arrays, zarr."""

import h5py
import numpy as np
import pytest

from program_files.cp2k import velocities_of


def arrays_of(images):
    """Arrays of a run in Å, Å/ps, eV/Å."""
    return {
        "positions": np.array([image.positions for image in images]),
        "velocities": np.array([velocities_of(image) for image in images]),
        "forces": np.array([image.get_forces() for image in images]),
        "cells": np.array([image.cell.array for image in images]),
    }


def vaspout(path, images, **incar):
    """Write as VASP 6.4 with VELOCITY = .TRUE.; ``incar`` are more tags."""
    arrays, names = arrays_of(images), list(dict.fromkeys(images[0].symbols))
    with h5py.File(path, "w") as file:
        place = file.create_group("intermediate/ion_dynamics")
        place["lattice_vectors"] = arrays["cells"]
        inverse = np.linalg.inv(arrays["cells"])
        place["position_ions"] = np.einsum("tai,tij->taj", arrays["positions"], inverse)
        place["forces"] = arrays["forces"]
        place["ion_velocities"] = arrays["velocities"] * 1e-3
        place = file.create_group("results/positions")
        place["ion_types"] = np.array([name.ljust(2).encode() for name in names])
        place["number_ion_types"] = [list(images[0].symbols).count(name) for name in names]
        place["scale"] = 1.0
        for name, value in {"IBRION": 0, "POTIM": 1.5, **incar}.items():
            file[f"input/incar/{name}"] = value
    return path


H5MD_UNITS = {
    "position": ("nm", 0.1),
    "velocity": ("nm ps-1", 0.1),
    "force": ("kJ mol-1 nm-1", 964.8533212331),
    "box/edges": ("nm", 0.1),
}
"""Unit and value of Å, Å/ps, eV/Å in it, as in files of GROMACS."""


def h5md(path, images, *, units=True, every=10):
    """Write an H5MD file of version 1.1 with a box that changes; species are an enumeration."""
    arrays = arrays_of(images)
    names = dict(zip(H5MD_UNITS, ("positions", "velocities", "forces", "cells"), strict=True))
    numbers = {name: k for k, name in enumerate(dict.fromkeys(images[0].symbols))}
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/all")
        group.create_group("box").attrs["dimension"] = 3
        for name, (unit, factor) in H5MD_UNITS.items():
            here = group.create_group(name)
            here["step"] = every * np.arange(len(images))
            here["time"] = 20.0 * np.arange(len(images))
            here["value"] = arrays[names[name]] * (factor if units else 1.0)
            if units:
                here["time"].attrs["unit"] = "fs"
                here["value"].attrs["unit"] = unit
        kind = h5py.enum_dtype(numbers, basetype="i")
        data = np.array([numbers[name] for name in images[0].symbols])
        group.create_dataset("species", data=data, dtype=kind)
    return path


UNITS = {"positions": "angstrom", "velocities": "angstrom/ps", "forces": "eV/angstrom"}


def plain_hdf5(path, images, *, units=True):
    """Write arrays that are named after their quantities."""
    with h5py.File(path, "w") as file:
        for name, array in arrays_of(images).items():
            file[name] = array
            if units:
                file[name].attrs["units"] = UNITS.get(name, "angstrom")
        file["species"] = [name.encode() for name in images[0].symbols]
        file["time"] = 2.0 * np.arange(len(images))
        if units:
            file["time"].attrs["units"] = "fs"
    return path


def zarr_folder(path, images):
    """Write arrays that are named after their quantities, two frames a chunk."""
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w")
    for name, array in arrays_of(images).items():
        chunks = (2, *array.shape[1:])
        made = group.create_array(name, shape=array.shape, chunks=chunks, dtype="f8")
        made[:] = array
        made.attrs["units"] = UNITS.get(name, "angstrom")
    return path
