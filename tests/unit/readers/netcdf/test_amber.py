"""NetCDF by AMBER's convention: formats, units, order of atoms, and files that end early."""

import pickle
import warnings

import netCDF4
import numpy as np
import pytest

from program_files.netcdf import METAL, amber
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, TrajmodesWarning, UnitsError
from trajmodes.formats.open import open_trajectory
from trajmodes.readers.units import unit_factors

KCAL = 4184.0 / 96485.33212331
"""In eV, by Faraday's constant in C/mol."""
KINDS = [
    "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("real", ["f4", "f8"])
@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_written(tmp_path, kind, real):
    path = tmp_path / "a.nc"
    x, v, f, cell = amber(path, kind=kind, real=real, units=METAL, time=0.002)
    run = open_trajectory(path)
    block = run.read(0, 4)
    np.testing.assert_array_equal(block.positions, x)
    np.testing.assert_array_equal(block.velocities, v)
    np.testing.assert_array_equal(block.forces, f)
    np.testing.assert_allclose(block.cells, [cell] * 4, atol=1e-14)
    np.testing.assert_array_equal(run.steps, [0, 10, 20, 30])
    np.testing.assert_allclose(run.times_ps, 0.002 * run.steps)
    np.testing.assert_array_equal(run.ids, 1 + np.arange(5))
    np.testing.assert_array_equal(run.types, 1 + np.arange(5) % 2)
    assert run.unit_style == "metal"
    part = pickle.loads(pickle.dumps(run)).read(1, 3)
    np.testing.assert_array_equal(part.positions, x[1:3])


@pytest.mark.parametrize(
    ("style", "length", "time"),
    [("real", "Angstrom", "femtosecond"), ("electron", "Bohr", "femtosecond"),
     ("si", "meter", "second"), ("nano", "nanometer", "nanosecond")],
)  # fmt: skip
def test_units_of_time_and_length_show_the_style_of_lammps(tmp_path, style, length, time):
    path = tmp_path / "a.nc"
    units = {"time": time, "cell_lengths": length}
    x, v, f, _ = amber(path, units=units)
    run, one = open_trajectory(path), unit_factors(style)
    block = run.read(0, 4)
    np.testing.assert_allclose(block.positions, x * one.length)
    np.testing.assert_allclose(block.velocities, v * one.velocity)
    np.testing.assert_allclose(block.forces, f * one.force)
    np.testing.assert_allclose(run.times_ps, 10 * np.arange(4) * one.time)
    with pytest.raises(UnitsError, match=f"the file is in {style}"):
        open_trajectory(path, ReadOptions(units="metal"))


def test_units_of_each_variable_are_read_with_their_scale(tmp_path):
    """As AMBER writes them: kcal/mol/Å, and its own unit of velocity."""
    path = tmp_path / "a.nc"
    units = {**METAL, "velocities": "angstrom/picosecond"}
    units["forces"] = "kilocalorie/mole/angstrom"
    x, v, f, _ = amber(path, program="cpptraj", units=units, velocities=20.455)
    run = open_trajectory(path)
    block = run.read(0, 4)
    np.testing.assert_array_equal(block.positions, x)
    np.testing.assert_allclose(block.velocities, 20.455 * v)
    np.testing.assert_allclose(block.forces, KCAL * f, rtol=1e-9)
    np.testing.assert_allclose(run.times_ps, 10.0 * np.arange(4))
    amber(path, program="other", units=METAL)
    with pytest.raises(UnitsError, match="unit of velocity is not given"):
        open_trajectory(path)
    amber(path, program="other", units={**units, "forces": "bananas"})
    with pytest.raises(UnitsError, match="bananas"):
        open_trajectory(path)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_file_cut_anywhere_keeps_its_whole_frames(tmp_path, kind):
    path = tmp_path / "a.nc"
    x, *_ = amber(path, kind=kind, units=METAL)
    data = path.read_bytes()
    stride = (3 * 5 * 3 + 1 + 3 + 3) * 8 + 2 * 5 * 4
    first = len(data) - 4 * stride
    for cut in [*range(first + stride, len(data), 211), len(data) - 1]:
        path.write_bytes(data[:cut])
        with pytest.warns(TrajmodesWarning, match="is not complete"):
            run = open_trajectory(path)
        assert run.n_frames == (cut - first) // stride
        np.testing.assert_array_equal(run.read(0, run.n_frames).positions, x[: run.n_frames])
    for cut in (3, 40, first - 1, first + stride - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(DataError):
            open_trajectory(path)


def test_a_changed_header_is_refused_or_changes_nothing_unseen(tmp_path):
    path = tmp_path / "a.nc"
    amber(path, units=METAL)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for at in rng.integers(4, 300, 40):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x81]) + data[at + 1 :])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                run = open_trajectory(path)
            except (DataError, UnitsError):
                continue
        assert run.n_atoms == 5
        assert run.read(0, run.n_frames).positions.shape[1:] == (5, 3)


def test_faults_are_named(tmp_path):
    path = tmp_path / "a.nc"
    for column, value, what in (
        ("id", 2, "appears twice|not those"), ("coordinates", np.nan, "not finite"),
        ("cell_lengths", -1.0, "three lengths"),
    ):  # fmt: skip
        amber(path, units=METAL)
        with netCDF4.Dataset(path, "a") as file:
            file.set_auto_maskandscale(False)
            file[column][2] = value
        with pytest.raises(DataError, match=what):
            open_trajectory(path)
    path.write_bytes(b"1 2 " + bytes(50))
    with pytest.raises(DataError, match="not NetCDF"):
        open_trajectory(path)
