import resource
import struct
import time

import netCDF4
import numpy as np
import pytest
import xarray as xr

from trajmodes.errors import DataError, StorageError
from trajmodes.report import read_results, write_netcdf
from trajmodes.report.timeless import _lookup3, without_times


@pytest.fixture
def path(results, tmp_path):
    return write_netcdf(results, tmp_path / "results.nc")


def test_numbers_are_compressed_and_checked(path):
    with netCDF4.Dataset(path) as file:
        assert file.data_model == "NETCDF4"
        filters = file["power"].filters()
        assert filters["zlib"]
        assert filters["fletcher32"]
        assert file["mode_vectors"].dimensions[-1] == "reim"
        assert not any(d.isunlimited() for d in file.dimensions.values())


def test_xarray_opens_it_without_help(path, dataset):
    with xr.open_dataset(path) as opened:
        near = opened["power"].sel(set=3, freq_thz=5.02, method="nearest")
        assert float(near["freq_thz"]) == pytest.approx(5.0)
        assert opened["interval_ps"].dtype == np.float64
        assert opened["resolved"].dtype == bool
        assert opened.attrs["run_file"] == dataset.attrs["run_file"]


def test_a_folder_stands_for_the_file_in_it(path):
    assert read_results(path.parent).identical(read_results(path))


def test_the_same_results_give_the_same_bytes(results, path, tmp_path):
    time.sleep(1.1)  # HDF5 counts its times in seconds
    again = write_netcdf(results, tmp_path / "again.nc")
    assert again.read_bytes() == path.read_bytes()


def test_files_laid_out_in_another_way_are_left_alone(path):
    whole = path.read_bytes()
    assert without_times(whole) == whole
    older = whole[:8] + b"\0" + whole[9:]
    assert without_times(older) == older
    (root,) = struct.unpack_from("<Q", whole, 36)
    damaged = whole[: root + 30] + b"?" + whole[root + 31 :]
    assert without_times(damaged) == damaged


def test_checksum_is_that_of_its_author():
    # The value that lookup3.c itself tests for: 17770551 with both seeds 0.
    assert _lookup3(b"Four score and seven years ago")[::-1].hex() == "17770551"


@pytest.mark.parametrize("part", [0.0005, 0.3, 0.9])
def test_a_file_cut_off_is_told(path, part):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataError, match=r"the results are damaged \(.*results.nc\)"):
        read_results(path)


def test_a_flipped_bit_in_the_data_is_found(path):
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
def test_a_file_that_is_no_netcdf4(tmp_path, content, why):
    path = tmp_path / "other.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match="this is not a NetCDF-4 file") as caught:
        read_results(path)
    assert why in caught.value.why


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="the results cannot be read") as caught:
        read_results(tmp_path / "no.nc")
    assert caught.value.exit_code == 3
    assert "No such file" in caught.value.why


def test_a_file_of_another_program(tmp_path):
    path = tmp_path / "weather.nc"
    xr.Dataset({"rain": ("day", [1.0])}).to_netcdf(path)
    with pytest.raises(DataError, match="does not hold trajmodes results"):
        read_results(path)


@pytest.mark.parametrize(
    ("version", "why"), [(3, "a newer"), (1, "an older"), (0, "a newer"), ("one", "a newer")]
)
def test_a_version_not_known(dataset, tmp_path, version, why):
    path = write_netcdf(dataset.assign_attrs(format_version=version), tmp_path / "new.nc")
    with pytest.raises(DataError, match=f"format version {version}, known is 2") as caught:
        read_results(path)
    assert caught.value.why.startswith(f"{why} trajmodes wrote the file")
    assert ("repeat the run" in caught.value.fix) is (why == "an older")


def test_a_full_disk_leaves_the_earlier_file(dataset, tmp_path):
    path = tmp_path / "results.nc"
    path.write_text("earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"results\.nc could not be written") as caught:
            write_netcdf(dataset, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.exit_code == 4
    assert "File too large" in caught.value.why
    assert [item.name for item in tmp_path.iterdir()] == ["results.nc"]
    assert path.read_text() == "earlier"


def test_a_folder_that_is_not_there(dataset, tmp_path):
    with pytest.raises(StorageError, match="could not be written") as caught:
        write_netcdf(dataset, tmp_path / "no" / "results.nc")
    assert caught.value.why == "No such file or directory"
