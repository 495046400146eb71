import time
from itertools import pairwise

import netCDF4
import numpy as np
import pytest
import xarray as xr

from trajmodes.errors import DataError, StorageError
from trajmodes.results.netcdf import (
    AMPLITUDES,
    NORMAL_EQUATIONS,
    RESULTS,
    encode,
    read_dataset,
    read_results,
    write_series,
)
from trajmodes.results.storage import atomic_file


def save_dataset(dataset, path):
    with atomic_file(path) as partial:
        encode(dataset, partial)
    return path


@pytest.fixture
def dataset():
    rng = np.random.default_rng(3)
    return xr.Dataset(
        {
            "power": (("set", "freq_thz"), rng.random((4, 20_000)), {"units": "eV/THz"}),
            "interval_ps": 0.005,
            "resolved": ("set", np.array([True, False, True, True])),
            "species": ("site", np.array(["Si", "Å³"])),
        },
        coords={"set": np.arange(4), "freq_thz": np.linspace(0.0, 20.0, 20_000)},
        attrs={"title": "a run", **RESULTS.attributes},
    )


@pytest.fixture
def path(dataset, tmp_path):
    return save_dataset(dataset, tmp_path / "results.nc")


def test_numbers_are_compressed_with_checksums(path):
    with netCDF4.Dataset(path) as file:
        assert file.data_model == "NETCDF4"
        filters = file["power"].filters()
        assert filters["zlib"]
        assert filters["fletcher32"]
        assert not any(d.isunlimited() for d in file.dimensions.values())


def test_xarray_reads_the_file_directly(path, dataset):
    with xr.open_dataset(path) as opened:
        near = opened["power"].sel(set=3, freq_thz=5.0204, method="nearest")
        assert float(near["freq_thz"]) == pytest.approx(20 * 5020 / 19_999)
        assert opened["interval_ps"].dtype == np.float64
        assert opened["resolved"].dtype == bool
        assert opened.attrs["title"] == dataset.attrs["title"]


def test_a_results_folder_can_be_given_for_its_file(path):
    assert read_results(path.parent).identical(read_results(path))


def test_the_same_content_gives_the_same_bytes(dataset, path, tmp_path):
    time.sleep(1.1)  # time stamps of HDF5 are in seconds
    again = save_dataset(dataset, tmp_path / "again.nc")
    assert again.read_bytes() == path.read_bytes()


def test_results_are_read_back_as_written(dataset, path):
    assert read_results(path).identical(dataset)


def test_files_with_time_stamps_are_read(dataset, tmp_path):
    earlier = tmp_path / "earlier.nc"
    dataset.to_netcdf(earlier, engine="netcdf4")
    assert read_results(earlier).identical(dataset)


def test_a_file_of_another_kind_is_refused(dataset, path, tmp_path):
    with pytest.raises(DataError, match="does not hold trajmodes normal equations") as caught:
        read_dataset(path, NORMAL_EQUATIONS)
    assert "`trajmodes fit` wrote, or its normal_equations.nc" in caught.value.fix
    encode(dataset.drop_attrs(), tmp_path / "normal_equations.nc", NORMAL_EQUATIONS)
    assert read_dataset(tmp_path, NORMAL_EQUATIONS).drop_attrs().identical(dataset.drop_attrs())


def test_series_do_not_depend_on_the_blocks(tmp_path):
    rng = np.random.default_rng(5)
    series_tk = rng.normal(size=(50, 3)) + 1j * rng.normal(size=(50, 3))
    times = xr.Variable("frame", 0.5 * np.arange(50), {"units": "ps"})
    whole = xr.Dataset(
        {
            "Q": (("frame", "mode"), series_tk, {"units": "sqrt(eV) ps"}),
            "weight": ("mode", [1, 2, 3]),
        },
        coords={"time": times},
        attrs={"title": "series"},
    )
    for edges in ([0, 50], [0, 1, 30, 50]):
        blocks = (whole.isel(frame=slice(*pair)) for pair in pairwise(edges))
        write_series(blocks, tmp_path / "series.nc", AMPLITUDES)
        found = xr.load_dataset(tmp_path / "series.nc")
        back = found.Q.sel(part="real") + 1j * found.Q.sel(part="imaginary")
        np.testing.assert_array_equal(back, series_tk)
        np.testing.assert_array_equal(found.weight, [1, 2, 3])
        assert found.time.identical(whole.time)
        assert found.attrs == {"title": "series", **AMPLITUDES.attributes}


@pytest.mark.parametrize("part", [0.0005, 0.3, 0.9])
def test_a_truncated_file_is_refused(path, part):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataError, match=r"the results are damaged \(.*results.nc\)"):
        read_results(path)


def test_a_flipped_bit_in_the_data_is_detected(path):
    whole = bytearray(path.read_bytes())
    # The largest block of compressed numbers lies around the largest run without zeros.
    runs = bytes(whole).split(b"\0\0\0\0")
    longest = max(runs, key=len)
    whole[bytes(whole).index(longest) + len(longest) // 2] ^= 4
    path.write_bytes(whole)
    with pytest.raises(DataError, match="the results are damaged"):
        read_results(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "the file is empty"), (b"CDF\x01abcdefgh", "it begins with b'CDF"), (b"x", "b'x'")],
)
def test_a_file_that_is_not_netcdf4_is_refused(tmp_path, content, why):
    path = tmp_path / "other.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match="this is not a NetCDF-4 file") as caught:
        read_results(path)
    assert why in caught.value.why


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(DataError, match="the results cannot be read") as caught:
        read_results(tmp_path / "no.nc")
    assert caught.value.exit_code == 3
    assert "No such file" in caught.value.why


def test_a_file_of_another_program_is_refused(tmp_path):
    path = tmp_path / "weather.nc"
    xr.Dataset({"rain": ("day", [1.0])}).to_netcdf(path)
    with pytest.raises(DataError, match="does not hold trajmodes results"):
        read_results(path)


@pytest.mark.parametrize(
    ("version", "why"), [(3, "a newer"), (1, "an older"), (0, "a newer"), ("one", "a newer")]
)
def test_an_unknown_version_is_refused(dataset, tmp_path, version, why):
    path = save_dataset(dataset.assign_attrs(format_version=version), tmp_path / "new.nc")
    message = f"format version {version}; this trajmodes reads version 2"
    with pytest.raises(DataError, match=message) as caught:
        read_results(path)
    assert caught.value.why.startswith(f"{why} trajmodes wrote the file")
    assert ("repeat the run" in caught.value.fix) is (why == "an older")


@pytest.mark.parametrize("size", [100, 5_000, 50_000, 500_000])
def test_a_full_disk_leaves_the_earlier_file_intact(dataset, tmp_path, size):
    path = tmp_path / "results.nc"
    path.write_text("earlier")
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"results\.nc could not be written") as caught:
            save_dataset(dataset, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.exit_code == 4
    assert "File too large" in caught.value.why
    assert [item.name for item in tmp_path.iterdir()] == ["results.nc"]
    assert path.read_text() == "earlier"


def test_a_missing_folder_is_reported(dataset, tmp_path):
    with pytest.raises(StorageError, match="could not be written") as caught:
        save_dataset(dataset, tmp_path / "no" / "results.nc")
    assert caught.value.why == "No such file or directory"
