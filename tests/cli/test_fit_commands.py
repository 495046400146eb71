"""The commands fit, scan and export."""

import lzma
from pathlib import Path

import ase.io
import numpy as np
import phonopy
import pytest
import xarray as xr
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.errors import UsageError
from trajmodes.formats.registry import read_force_constants

DATA = Path(__file__).parents[2] / "examples" / "data"
DUMP, CELL = DATA / "silicon.lammpstrj.xz", DATA / "silicon.POSCAR"
CUTOFFS = ["--cutoff2", "5.0", "--cutoff3", "3.9"]
FRAMES = 800
"""Frames of the bundled run that the tests use."""


def call(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def fit(*words: object):
    result = call("fit", *words, "--cell", CELL, *CUTOFFS, "-v")
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def texts():
    """Text of each frame of the bundled run."""
    _, *frames = lzma.decompress(DUMP.read_bytes()).decode().split("ITEM: TIME\n")
    return ["ITEM: TIME\n" + frame for frame in frames[:FRAMES]]


def write_dump(path: Path, frames: list[str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(["ITEM: UNITS\nmetal\n", *frames]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def dump(texts, tmp_path_factory):
    return write_dump(tmp_path_factory.mktemp("whole") / "si.lammpstrj", texts)


@pytest.fixture(scope="module")
def fitted(dump, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "fit"
    return folder, fit(dump, "-o", folder)


def assert_same(one: Path, other: Path) -> None:
    first, second = (
        read_force_constants(folder / "force_constants.h5") for folder in (one, other)
    )
    for mine, theirs in (
        (first.values, second.values),
        (first.triplets.values, second.triplets.values),
    ):
        assert np.abs(mine - theirs).max() < 1e-10 * np.abs(mine).max()


def test_fit_writes_force_constants_equations_and_results(fitted):
    folder, result = fitted
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {
        "results.nc",
        "normal_equations.nc",
        "force_constants.h5",
        "run.toml",
        "fit.png",
    } <= names
    dataset = xr.load_dataset(folder / "results.nc")
    np.testing.assert_array_equal(dataset["order"], [2, 3])
    assert dataset["order_r_squared"].values[1] > dataset["order_r_squared"].values[0] > 0.9
    assert "sequential" in result.stdout
    assert call("show", folder / "results.nc").exit_code == 0


def test_runs_in_two_folders_are_pooled(fitted, texts, tmp_path):
    half = FRAMES // 2
    parts = {"a": texts[:half], "b": texts[half:]}
    files = [write_dump(tmp_path / a / "si.lammpstrj", part) for a, part in parts.items()]
    fit(*files, "-o", tmp_path / "pooled")
    assert_same(fitted[0], tmp_path / "pooled")
    equations = xr.load_dataset(tmp_path / "pooled" / "normal_equations.nc")
    assert equations.sizes["run"] == 2


@pytest.mark.slow
def test_later_frames_are_appended_to_saved_equations(fitted, dump, tmp_path):
    half = FRAMES // 2
    fit(dump, "--frames", f":{half}", "-o", tmp_path / "first")
    equations = tmp_path / "first" / "normal_equations.nc"
    fit(dump, "--frames", f"{half}:", "--append", equations, "-o", tmp_path / "both")
    assert_same(fitted[0], tmp_path / "both")


def test_shorter_cutoffs_of_saved_equations_equal_a_new_fit(fitted, dump, texts, tmp_path):
    rest = write_dump(tmp_path / "later" / "si.lammpstrj", texts[-FRAMES // 4 :])
    settings = {"cell": CELL, "cutoff": 4.0, "cutoff3": 2.5}
    first = tm.fit_runs(dump, output=tmp_path / "first", frames=(0, 600), cell=CELL)
    assert first.triplets is None
    equations = fitted[0] / "normal_equations.nc"
    with pytest.raises(UsageError, match=r"orders \[2, 3\] cannot be fitted"):
        tm.fit_runs(rest, append=tmp_path / "first" / "normal_equations.nc", **settings)
    shorter = tm.fit_runs(rest, append=equations, **settings)
    assert (shorter.cutoff, shorter.triplets.cutoff) == (4.0, 2.5)
    with pytest.raises(UsageError, match="is longer than that of the normal equations"):
        tm.fit_runs(rest, append=equations, cell=CELL, cutoff=5.2)


def test_appending_refuses_repeated_frames_and_other_crystals(fitted, dump, tmp_path):
    equations = fitted[0] / "normal_equations.nc"
    result = call("fit", dump, "--append", equations, "-o", tmp_path / "twice")
    assert f"{FRAMES} frames are given twice" in result.output
    copper = [DATA / "copper.lammpstrj.xz", "--units", "metal", "--timestep-fs", "2"]
    result = call("fit", *copper, "--append", equations, "-o", tmp_path / "other")
    assert "does not match the crystal of the earlier fit, Si2" in result.output
    assert "without --append" in result.output


def test_atoms_in_memory_give_what_the_file_gives(fitted, dump):
    images = ase.io.read(dump, ":", format="lammps-dump-text")
    for image in images:
        image.symbols[:] = "Si"
    found = tm.fit_runs(images, cell=CELL, cutoff=5.0, cutoff3=3.9)
    truth = read_force_constants(fitted[0] / "force_constants.h5")
    assert np.abs(found.values - truth.values).max() < 1e-6
    scale = np.abs(truth.triplets.values).max()
    assert np.abs(found.triplets.values - truth.triplets.values).max() < 1e-6 * scale


def test_the_joint_fit_differs_and_reports_the_distance(fitted, dump, tmp_path):
    result = fit(dump, "--scheme", "joint", "-o", tmp_path / "joint")
    assert "joint" in result.stdout
    sequential, joint = (
        xr.load_dataset(folder / "results.nc") for folder in (fitted[0], tmp_path / "joint")
    )
    apart = np.linalg.norm(
        joint["force_constants"].values - sequential["force_constants"].values
    )
    reported = float(sequential["order_scheme_distance"][0])
    assert apart / np.linalg.norm(sequential["force_constants"]) == pytest.approx(reported)


def test_scan_reads_no_trajectory(fitted, tmp_path):
    result = call("scan", fitted[0], "-o", tmp_path / "scan")
    assert result.exit_code == 0, result.output
    assert "Born–Huang" in result.stdout
    assert {"scan.csv", "scan.png"} <= {path.name for path in (tmp_path / "scan").iterdir()}


def test_export_is_loaded_by_phonopy(fitted, tmp_path):
    folder, _ = fitted
    result = call("export", folder, "--to", "phonopy", "--to", "tdep", "-o", tmp_path)
    assert result.exit_code == 0, result.output
    phonon = phonopy.load(tmp_path / "phonopy" / "phonopy_params.yaml", log_level=0)
    dataset = xr.load_dataset(folder / "results.nc")
    for q, freq_thz in zip(dataset["q"].values, dataset["mode_freq_thz"].values, strict=True):
        # The shell on the edge of the supercell is not among the pairs.
        np.testing.assert_allclose(phonon.run_qpoints([q]).frequencies[0], freq_thz, atol=2e-5)
    assert (tmp_path / "tdep" / "outfile.forceconstant_thirdorder").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cutoff4", "3.0"], "none of the third"),
        (["--cutoff2", "7.0"], "largest admissible cutoff is 5.4"),
        (["--cutoff3", "4 Si-O:3"], "the crystal has no O"),
        (["--cutoff3", "wide"], "is not a cutoff"),
        (["--append", "nowhere.nc"], "No such file or directory"),
    ],
)
def test_impossible_options_are_refused(dump, tmp_path, words, message):
    result = call("fit", dump, "--cell", CELL, *words, "-o", tmp_path / "fit")
    assert result.exit_code != 0
    assert message in result.output
    assert not (tmp_path / "fit").exists()


def test_missing_inputs_are_named(tmp_path):
    for command in (["scan", tmp_path], ["export", tmp_path, "--to", "phonopy"]):
        result = call(*command)
        assert result.exit_code != 0
        assert "trajmodes fit" in result.output
