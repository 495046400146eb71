"""Runs in objects of xarray, Dask, zarr and MDAnalysis."""

import pickle

import dask.array as da
import MDAnalysis
import numpy as np
import pytest
import xarray as xr
from MDAnalysis.coordinates.memory import MemoryReader

import trajmodes as tm
from program_files.arrays import UNITS, arrays_of
from trajmodes.api.calls import in_memory
from trajmodes.errors import UnitsError, UsageError

FIELDS = ["velocities", "forces"]
CLOSE = {"rtol": 2e-7, "atol": 1e-8}


def opened(data, **options):
    return in_memory(data, options)[0]


def dataset(images):
    axes = ("frame", "atom", "xyz")
    arrays = {
        name: (axes if name != "cells" else ("frame", "vector", "xyz"), array, {"units": unit})
        for name, array in arrays_of(images).items()
        for unit in [UNITS.get(name, "angstrom")]
    }
    species = ("atom", list(images[0].symbols))
    return xr.Dataset(
        arrays | {"species": species},
        coords={"time": ("frame", 2.0 * np.arange(len(images)), {"units": "fs"})},
    )


def test_an_xarray_dataset(run):
    found = opened(dataset(run.images))
    run.compare(found, FIELDS, **CLOSE)
    assert found.interval_ps == pytest.approx(2e-3)
    assert found.paths == ()


def test_dask_arrays_are_read_in_pieces(run):
    """The piece of one frame is computed, not the array."""
    computed = []

    def piece(block, block_info=None):
        computed.append(block_info[None]["chunk-location"][0])
        return block

    arrays = {
        name: da.from_array(one, chunks=(1, -1, -1))
        for name, one in arrays_of(run.images).items()
    }
    arrays["positions"] = arrays["positions"].map_blocks(piece, dtype=float)
    data = arrays | {"species": list(run.images[0].symbols)}
    found = opened(data, units="metal", timestep_fs=1.0)
    run.compare(found, FIELDS, **CLOSE)
    computed.clear()
    found.read(3, 4)
    assert set(computed) == {3}
    with pytest.raises(UnitsError, match="unit of length is not given"):
        opened(data)


@pytest.fixture
def universe(run):
    arrays = arrays_of(run.images)
    kilojoule = 96.48533212331
    made = MDAnalysis.Universe.empty(5, trajectory=True, velocities=True, forces=True)
    made.add_TopologyAttr("elements", list(run.images[0].symbols))
    made.add_TopologyAttr("masses", run.images[0].get_masses())
    cells = [image.cell.cellpar() for image in run.images]
    made.load_new(
        arrays["positions"],
        format=MemoryReader,
        velocities=arrays["velocities"],
        forces=arrays["forces"] * kilojoule,
        dimensions=np.array(cells),
    )
    return made


def test_a_universe_keeps_its_current_frame(run, universe):
    universe.trajectory[2]
    found = opened(universe, timestep_fs=1.0)
    assert universe.trajectory.ts.frame == 2
    block, arrays = found.read(0, 5), arrays_of(run.images)
    for name in ("positions", *FIELDS):
        np.testing.assert_allclose(getattr(block, name), arrays[name], rtol=1e-5, atol=1e-5)
    assert universe.trajectory.ts.frame == 2
    assert found.species == tuple(run.images[0].symbols)
    assert found.interval_ps == pytest.approx(1e-3)
    # The box of MDAnalysis has its own orientation, but its lengths and angles.
    volumes = [image.get_volume() for image in run.images]
    np.testing.assert_allclose(np.linalg.det(block.cells), volumes, rtol=1e-5)


def test_atoms_of_a_universe_are_a_part_of_it(universe):
    """Frames are read by several threads at once."""
    silicon = opened(universe.select_atoms("element Si"), timestep_fs=1.0)
    assert silicon.species == ("Si", "Si")
    whole = opened(universe, timestep_fs=1.0).read(0, 5)
    np.testing.assert_array_equal(silicon.read(0, 5).positions, whole.positions[:, :2])
    again = pickle.loads(pickle.dumps(silicon))
    np.testing.assert_array_equal(again.read(1, 3).forces, whole.forces[1:3, :2])


def test_objects_without_a_box_need_one(run):
    data = dataset(run.images).drop_vars("cells")
    with pytest.raises(UsageError, match="no periodic cell"):
        opened(data)
    assert opened(data, box=(6.0, 7.0, 8.0)).read(0, 1).cells[0, 1, 1] == 7.0


def test_open_takes_a_dataset(silicon_cell, silicon_arrays):
    run = tm.open(silicon_arrays, cell=silicon_cell, units="metal", timestep_fs=25.0)
    assert run.fields == ["positions", "velocities", "forces"]
    assert run.supercell.n_atoms == 64
    assert "velocities" in run.arrays()


@pytest.fixture
def silicon_cell(request):
    return str(request.config.rootpath / "examples/data/silicon.POSCAR")


@pytest.fixture
def silicon_arrays(silicon_cell):
    from ase.io import read  # noqa: PLC0415

    rng, whole = np.random.default_rng(1), read(silicon_cell) * (2, 2, 2)
    size = (40, len(whole), 3)
    moved = 0.05 * rng.normal(size=size)
    return {
        "positions": da.from_array(whole.positions + moved, chunks=(10, -1, -1)),
        "cells": whole.cell.array,
        "species": list(whole.symbols),
        # Both temperatures are 200 K.
        "velocities": 2.45 * rng.normal(size=size),
        "forces": -7.0 * moved,
    }
