"""Runs in HDF5 and zarr: vaspout.h5, H5MD, and arrays named after quantities."""

import h5py
import numpy as np
import pytest

from program_files.arrays import arrays_of, h5md, plain_hdf5, vaspout, zarr_folder
from trajmodes.config.groups import ReadOptions
from trajmodes.errors import DataError, UnitsError
from trajmodes.formats.open import open_trajectory
from trajmodes.pipeline.job_folder import input_files
from trajmodes.readers.stores.unit_names import unit_value

FIELDS = ["velocities", "forces"]
CLOSE = {"rtol": 2e-7, "atol": 1e-8}
"""The extended XYZ file has eight decimals."""


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_vaspout_agrees_with_the_extended_xyz_of_the_run(run, here):
    found = open_trajectory(vaspout(here / "vaspout.h5", run.images))
    run.compare(found, FIELDS, **CLOSE)
    assert found.interval_ps == pytest.approx(1.5e-3)
    assert found.notes == ()


def test_zeros_of_vasp_are_no_forces(run, here):
    """In a machine-learned run VASP writes zeros between the steps of ML_OUTBLOCK."""
    path = vaspout(here / "vaspout.h5", run.images, NBLOCK=2)
    with h5py.File(path, "a") as file:
        file["intermediate/ion_dynamics/forces"][1::2] = 0.0
    found = open_trajectory(path)
    run.compare(found, FIELDS[:1], **CLOSE)
    said = " ".join(map(str, found.notes))
    assert "wrote zeros" in said
    assert "does not show the time between its steps" in said
    assert found.interval_ps is None


def test_vaspout_of_a_run_that_was_stopped(run, here):
    """Arrays of different lengths are used up to the last step that all have."""
    path = vaspout(here / "vaspout.h5", run.images)
    with h5py.File(path, "a") as file:
        place = file["intermediate/ion_dynamics"]
        forces = place["forces"][:3]
        del place["forces"]
        place["forces"] = forces
    found = open_trajectory(path)
    assert found.n_frames == 3
    assert "only the 3 steps" in str(found.notes)


def test_h5md_agrees_with_the_extended_xyz_of_the_run(run, here):
    found = open_trajectory(h5md(here / "a.h5md", run.images))
    run.compare(found, FIELDS, **CLOSE)
    assert found.steps.tolist() == [0, 10, 20, 30, 40]
    assert found.interval_ps == pytest.approx(0.02)


def test_units_of_h5md_are_asked_for(run, here):
    path = h5md(here / "a.h5md", run.images, units=False)
    with pytest.raises(
        UnitsError, match=r"unit of length is not given .*particles/all/position"
    ):
        open_trajectory(path)
    found = open_trajectory(path, ReadOptions(units="metal"))
    run.compare(found, FIELDS, **CLOSE)
    assert found.interval_ps == pytest.approx(20.0)


def test_quantities_of_h5md_are_joined_by_their_steps(run, here):
    path = h5md(here / "a.h5md", run.images)
    with h5py.File(path, "a") as file:
        here_ = file["particles/all/force"]
        value, unit = here_["value"][()], here_["value"].attrs["unit"]
        del here_["value"], here_["step"]
        here_["value"] = np.repeat(value, 2, axis=0)
        here_["value"].attrs["unit"] = unit
        here_["step"] = 5 * np.arange(10)
    run.compare(open_trajectory(path), FIELDS, **CLOSE)
    with h5py.File(path, "a") as file:
        file["particles/all/force/step"][4] = 999
    with pytest.raises(DataError, match="step 20 is in the positions, not in forces"):
        open_trajectory(path)


def test_atoms_of_h5md_are_sorted_by_their_ids(run, here):
    path, rng = h5md(here / "a.h5md", run.images), np.random.default_rng(2)
    orders = np.array([rng.permutation(5) for _ in range(5)])
    with h5py.File(path, "a") as file:
        group = file["particles/all"]
        group["id/value"] = orders + 1
        for name in ("position", "velocity", "force"):
            value = group[name]["value"]
            value[...] = np.take_along_axis(value[()], orders[..., None], axis=1)
    block = open_trajectory(path).read(0, 5)
    np.testing.assert_allclose(block.forces, arrays_of(run.images)["forces"], rtol=1e-9)


def test_a_constant_box_and_one_interval(run, here):
    """H5MD stores one box, and steps as an increment with an offset."""
    path = h5md(here / "a.h5md", run.images)
    with h5py.File(path, "a") as file:
        group = file["particles/all"]
        del group["box/edges"], group["position/step"], group["position/time"]
        group["box/edges"] = np.array([0.6, 0.7, 0.8])
        group["box/edges"].attrs["unit"] = "nm"
        group["position/step"], group["position/time"] = 10, 0.5
        group["position/time"].attrs["unit"] = "ps"
    found = open_trajectory(path)
    np.testing.assert_allclose(found.read(0, 5).cells, [np.diag([6.0, 7.0, 8.0])] * 5)
    assert found.steps.tolist() == [0, 10, 20, 30, 40]
    assert found.interval_ps == pytest.approx(0.5)


def test_arrays_named_after_quantities(run, here):
    found = open_trajectory(plain_hdf5(here / "a.h5", run.images))
    run.compare(found, FIELDS, **CLOSE)
    assert found.interval_ps == pytest.approx(2e-3)


def test_zarr_agrees_with_the_extended_xyz_of_the_run(run, here):
    path = zarr_folder(here / "a.zarr", run.images)
    found = open_trajectory(path, ReadOptions(timestep_fs=1.0))
    block = found.read(0, 5)
    for name, array in arrays_of(run.images).items():
        np.testing.assert_array_equal(getattr(block, name), array)
    (path / "forces/c/1/0/0").unlink()
    with pytest.raises(DataError, match="1 of 3 chunks of forces are missing"):
        open_trajectory(path)


def test_arrays_that_were_not_stored_are_refused(run, here):
    path = plain_hdf5(here / "a.h5", run.images)
    with h5py.File(path, "a") as file:
        del file["forces"]
        file.create_dataset("forces", shape=(5, 5, 3), dtype="f8")
    with pytest.raises(DataError, match=r"forces announces 600 bytes, but 0 are stored"):
        open_trajectory(path)


@pytest.mark.parametrize(
    ("text", "quantity", "value"),
    [
        ("nm ps-1", "velocity", 10.0),
        ("Angstrom * ps^-1", "velocity", 1.0),
        ("A/fs", "velocity", 1e3),
        ("kilocalorie/mole/angstrom", "force", 0.0433641042418),
        ("eV Angstrom**-1", "force", 1.0),
        ("kJ mol-1 nm-1", "force", 1.0 / 964.85332123),
        ("hartree/bohr", "force", 51.4220674763),
    ],
)
def test_units_are_read_as_text(text, quantity, value):
    assert unit_value(text, quantity, "x") == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("text", ["", "furlong", "nm", "ps nm", "nm ps-99999", "nm/ps/ps", "1"])
def test_other_units_are_refused(text):
    with pytest.raises(UnitsError, match="unit of velocity"):
        unit_value(text, "velocity", "x")


def test_the_digest_of_a_folder_shows_a_changed_file(here):
    """Folders of zarr are inputs of results like files."""
    (here / "a.zarr/c").mkdir(parents=True)
    (here / "a.zarr/zarr.json").write_text("{}")
    (here / "a.zarr/c/0").write_bytes(b"1234")
    with input_files([here / "a.zarr"]) as hashes:
        (before,) = hashes.result()
    assert (before.name, before.n_bytes) == ("a.zarr", 6)
    (here / "a.zarr/c/0").write_bytes(b"1235")
    with input_files([here / "a.zarr"]) as hashes:
        assert hashes.result()[0].sha256 != before.sha256
