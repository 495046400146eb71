"""Arrays of HDF5 read by offset: the numbers are those of the library, in every layout."""

import zlib

import h5py
import netCDF4
import numpy as np
import pytest

from program_files.netcdf import METAL, amber
from trajmodes.errors import DataError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.netcdf.chunks import Wanted, _stored, read_arrays, stored_array
from trajmodes.readers.netcdf.numbers import checksum
from trajmodes.readers.text.source import open_source

LAYOUTS = {
    "contiguous": {"contiguous": True},
    "one frame": {},
    "three frames": {"chunksizes": (3, 5)},
    "deflate": {"zlib": True, "shuffle": False, "chunksizes": (3, 5)},
    "shuffle": {"zlib": True, "complevel": 1, "chunksizes": (3, 5)},
    "checksum": {"fletcher32": True, "chunksizes": (2, 5)},
    "all": {"zlib": True, "fletcher32": True, "chunksizes": (2, 5)},
}
NAMES = ("coordinates", "velocities", "forces", "cell_lengths")


def read(path, start, stop):
    """Frames of all arrays, 0.3 times the numbers in the file."""
    with h5py.File(path) as file:
        arrays = [stored_array(file[name]) for name in NAMES]
    found = [np.empty((stop - start, array.width)) for array in arrays]
    source = open_source(path)
    with source.reading() as descriptor:
        wanted = [Wanted(array, 0.3, out) for array, out in zip(arrays, found, strict=True)]
        read_arrays(source, descriptor, wanted, start, stop)
    return dict(zip(NAMES, found, strict=True))


@pytest.mark.parametrize("real", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_numbers_of_the_library(tmp_path, name, real):
    path, endian = tmp_path / "a.nc", "little" if real[0] == "<" else "big"
    amber(path, kind="NETCDF4", real=real, storage={**LAYOUTS[name], "endian": endian})
    with h5py.File(path) as file:
        wanted = {name: 0.3 * file[name][:].astype(float).reshape(4, -1) for name in NAMES}
    for start, stop in ((0, 4), (1, 4), (2, 3)):
        for array, found in read(path, start, stop).items():
            np.testing.assert_array_equal(found, wanted[array][start:stop])


def test_pieces_that_lie_near_or_far_are_those_of_the_file(tmp_path):
    """In any order, one over the other, with gaps that are read as well or left out."""
    rng = np.random.default_rng(0)
    content = rng.integers(0, 256, 400_000).astype(np.uint8)
    path = tmp_path / "a"
    path.write_bytes(content.tobytes())
    source = open_source(path)
    for n, largest in ((1, 9), (40, 3000), (300, 20), (20, 40_000)):
        sizes = rng.integers(1, largest, n)
        offsets = rng.integers(0, len(content) - sizes)
        with source.reading() as opened:
            data, begins = _stored(source, opened, offsets, sizes)
        for offset, size, begin in zip(offsets, sizes, begins, strict=True):
            found, wanted = data[begin : begin + size], content[offset : offset + size]
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "storage",
    [{"chunksizes": (2, 2)}, {"compression": "bzip2", "chunksizes": (2, 5)}],
    ids=["parts of frames", "bzip2"],
)
def test_other_layouts_are_left_to_the_library(tmp_path, monkeypatch, storage):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if "compression" in storage and not netCDF4.__has_bzip2_support__:
        pytest.skip("the library has no bzip2")
    path = tmp_path / "a.nc"
    x, *_ = amber(path, kind="NETCDF4", units=METAL, storage=storage)
    with h5py.File(path) as file:
        assert stored_array(file["coordinates"]) is None
    np.testing.assert_array_equal(open_trajectory(path).read(1, 4).positions, x[1:])


@pytest.mark.parametrize("name", ["checksum", "all", "deflate"])
def test_a_changed_byte_of_a_checked_chunk_is_noticed(tmp_path, name):
    path = tmp_path / "a.nc"
    amber(path, kind="NETCDF4", storage=LAYOUTS[name])
    with h5py.File(path) as file:
        chunk = file["velocities"].id.get_chunk_info(1)
    data = bytearray(path.read_bytes())
    for at in range(chunk.byte_offset, chunk.byte_offset + chunk.size, 13):
        data[at] ^= 0x10
        path.write_bytes(data)
        with pytest.raises(DataError, match="chunk"):
            read(path, 0, 4)
        data[at] ^= 0x10


@pytest.mark.parametrize("size", [1, 2, 127, 721, 46080, 46208, 100_001])
def test_the_checksum_is_that_of_hdf5(tmp_path, size):
    """Of bytes as they are, and of those whose sums are multiples of 65535."""
    for bytes_ in (np.random.default_rng(0).integers(0, 256, size), np.full(size, 255)):
        array = bytes_.astype(np.uint8)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            one = file.create_dataset("x", data=array, chunks=(size,), fletcher32=True)
            raw = one.id.read_direct_chunk((0,))[1]
        assert checksum(array) == int.from_bytes(raw[-4:], "little")


def test_a_chunk_that_expands_without_end_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    amber(path, kind="NETCDF4", storage=LAYOUTS["deflate"])
    with h5py.File(path, "a") as file:
        file["velocities"].id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(10**7)))
    with pytest.raises(DataError, match="longer or shorter"):
        read(path, 0, 4)
