"""The commands `trajmodes thermo` and `trajmodes elastic`, from force constants to files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ase.io import read
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.api.force_constants import ForceConstants
from trajmodes.cli.program import main
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.pipeline.thermo.properties import CIF_FILE
from trajmodes.report.write import PROPERTY_FILES
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.elasticity import elasticity
from trajmodes.thermo.thermodynamics import thermodynamics
from trajmodes.units import BOLTZMANN, GIGAPASCAL, NEWTON_PER_METRE, THZ

KELVIN = np.array([0.0, 150.0, 300.0])


def done(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def stored(tmp_path_factory, crystals, springs) -> tuple[ForceConstants, Path]:
    """Force constants with replicates, and their file."""
    constants = springs(crystals["rock salt"], 4.5)
    scale = 1.0 + 1e-3 * np.random.default_rng(3).standard_normal(6)
    values = constants.values
    supercell = build_supercell(constants.crystal, 3 * np.eye(3, dtype=int))
    own = ForceConstants.of(constants, supercell=supercell)
    object.__setattr__(own, "replicates", values * scale[:, None, None, None])
    path = tmp_path_factory.mktemp("constants") / "force_constants.h5"
    write_hdf5(own, supercell, path)
    return own, path


@pytest.fixture(scope="module")
def thermo(stored, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("thermo") / "out"
    words = ("--temperatures", "0:300:150", "--mesh", "6", "-o", folder)
    return folder, done("thermo", stored[1], *words)


def test_thermo_writes_what_the_library_computes(stored, thermo):
    folder, text = thermo
    wanted = thermodynamics(stored[0], (6, 6, 6), KELVIN)
    dataset = tm.load(folder).to_dataset()
    np.testing.assert_array_equal(dataset["thermo_temperature"], KELVIN)
    for name, values in (
        ("free_energy", wanted.quantum.free_energy),
        ("free_energy_sem", wanted.quantum.free_energy_sem),
        ("entropy_kb", wanted.quantum.entropy / BOLTZMANN),
        ("capacity_kb_sem", wanted.quantum.heat_capacity_sem / BOLTZMANN),
        ("dos", wanted.density.total * THZ),
        ("u2_classical", wanted.displacements.classical),
        ("debye_of_sound", wanted.debye.elastic),
    ):
        np.testing.assert_allclose(dataset[name], values, rtol=1e-12, err_msg=name)
    area = float(dataset["dos"].integrate("dos_freq_thz"))
    assert area == pytest.approx(6.0, rel=5e-3)
    moments = dataset["frequency_moment"].sel(moment_order=[0, 1, 2]).values
    assert moments[1] ** 2 < moments[2]
    assert moments[0] < np.log(moments[1])
    assert "Zero point" in text
    assert "Debye temperature of the heat capacity" in text


def test_the_folder_is_read_as_results(thermo, tmp_path):
    results = tm.load(thermo[0])
    assert set(results.tables) == {"thermo", "dos", "displacements", "moments"}
    assert results.table("moments")["moment_order"].tolist() == [-2, -1, 0, 1, 2, 4]
    assert "Zero point" in str(results)
    assert "NaCl" in repr(results)
    results.save(tmp_path / "copy")
    assert (tmp_path / "copy" / "tables" / "thermo.csv").is_file()


def test_no_file_is_written_that_was_not_announced(stored, thermo, tmp_path):
    done("elastic", stored[1], "-o", tmp_path / "elastic")
    folders = (thermo[0], tmp_path / "elastic")
    written = {
        str(path.relative_to(folder))
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    others = {
        name
        for name in PROPERTY_FILES
        if Path(name).name.startswith(
            ("spectral_", "free_energy", "layers", "slab", "surface_modes")
        )
    }
    assert written == {*PROPERTY_FILES, CIF_FILE} - others


def test_tables_of_thermo_hold_the_results(thermo):
    folder, _ = thermo
    dataset = xr.open_dataset(folder / "results.nc")
    tables = {
        name: pd.read_csv(folder / "tables" / f"{name}.csv", comment="#")
        for name in ("thermo", "dos", "displacements", "moments")
    }
    np.testing.assert_allclose(tables["thermo"]["free_energy"], dataset["free_energy"])
    dos = tables["dos"]
    np.testing.assert_allclose(dos["dos_Na"] + dos["dos_Cl"], dos["dos"], atol=1e-8)
    np.testing.assert_allclose(
        dos["dos_x"] + dos["dos_y"] + dos["dos_z"], dos["dos"], atol=1e-8
    )
    np.testing.assert_allclose(dos["dos_0_x"], dos["dos_Na"] / 3.0, atol=1e-8)
    moved = tables["displacements"]
    sodium = moved[(moved["species"] == "Na") & (moved["thermo_temperature"] == 300.0)]
    assert sodium["u2_xx"].item() == pytest.approx(float(dataset["u2"][2, 0, 0, 0]))
    assert (folder / "figures" / "thermo.png").stat().st_size > 10_000


def test_the_cif_file_has_the_structure_and_its_displacements(stored, thermo):
    folder, _ = thermo
    atoms = read(folder / "displacements.cif")
    crystal = stored[0].crystal
    assert tuple(atoms.get_chemical_symbols()) == crystal.species
    np.testing.assert_allclose(atoms.cell.lengths(), np.linalg.norm(crystal.cell, axis=1))
    text = (folder / "displacements.cif").read_text()
    (line,) = (one for one in text.splitlines() if one.startswith("Na1 ") and "Uani" not in one)
    assert "_diffrn_ambient_temperature 300" in text
    value, sem = line.split()[1].rstrip(")").split("(")
    found = thermodynamics(stored[0], (6, 6, 6), [300.0]).displacements
    # Rounded to two digits of the error.
    error = float(found.cif_sem[0, 0, 0, 0])
    assert float(value) == pytest.approx(float(found.cif[0, 0, 0, 0]), abs=error)
    digits = len(value.split(".")[1])
    assert int(sem) * 10.0**-digits == pytest.approx(error, rel=0.1)


def test_elastic_writes_what_the_library_computes(stored, tmp_path):
    folder = tmp_path / "elastic"
    text = done("elastic", stored[1], "-o", folder)
    wanted = elasticity(stored[0])
    dataset = tm.load(folder).to_dataset()
    np.testing.assert_allclose(dataset["stiffness_gpa"], wanted.stiffness / GIGAPASCAL)
    np.testing.assert_allclose(dataset["stiffness_gpa_sem"], wanted.stiffness_sem / GIGAPASCAL)
    np.testing.assert_allclose(dataset["sound_km_s"], wanted.velocities / 10.0)
    assert str(dataset["elastic_stability"].item()) == "stable"
    table = pd.read_csv(folder / "tables" / "elastic.csv", comment="#").set_index("quantity")
    assert table["value"]["C11"] == pytest.approx(wanted.stiffness[0, 0] / GIGAPASCAL)
    assert table["value"]["C14"] == 0.0
    assert "initial stress" in text
    assert (folder / "figures" / "sound.png").stat().st_size > 10_000


def test_methods_give_the_same_in_memory(stored, thermo):
    constants, _ = stored
    dataset = constants.thermodynamics(temperatures="0:300:150", mesh=6)
    on_disk = tm.load(thermo[0]).to_dataset()
    np.testing.assert_array_equal(dataset["free_energy"], on_disk["free_energy"])
    elastic = constants.elasticity()
    along = constants.sound_velocities([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    slowest = elastic["sound_km_s"].sel(sound_plane="xy").values[0]
    np.testing.assert_allclose(along.velocity[0] / 10.0, slowest)
    np.testing.assert_allclose(along.velocity[0], along.velocity[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--temperatures", "300:0:10"), "FIRST:LAST:STEP"),
        (("--temperatures", "-5"), "FIRST:LAST:STEP"),
        (("--mesh", "0"), "whole number"),
    ],
)
def test_wrong_options_are_refused(stored, tmp_path, words, said):
    result = CliRunner().invoke(
        main, ["thermo", str(stored[1]), "-o", str(tmp_path / "out"), *words]
    )
    assert result.exit_code != 0
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_results_do_not_replace_other_files(stored, tmp_path):
    (tmp_path / "results.nc").write_text("precious")
    result = CliRunner().invoke(main, ["elastic", str(stored[1]), "-o", str(tmp_path)])
    assert result.exit_code != 0
    assert (tmp_path / "results.nc").read_text() == "precious"


def test_a_layer_has_elastic_constants_per_layer(tmp_path, crystals, springs):
    cell = np.array([[2.46, 0.0, 0.0], [-1.23, 2.46 * 0.75**0.5, 0.0], [0.0, 0.0, 20.0]])
    sites = np.array([[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.5]])
    crystal = replace(crystals["diamond"], cell=cell, sites=sites)
    constants, path = springs(crystal, 3.2), tmp_path / "layer.h5"
    write_hdf5(constants, build_supercell(crystal, np.diag([4, 4, 1])), path)
    text = done("elastic", path, "-o", tmp_path / "elastic")
    dataset = tm.load(tmp_path / "elastic").to_dataset()
    wanted = elasticity(constants).stiffness / NEWTON_PER_METRE
    np.testing.assert_allclose(dataset["layer_stiffness"], wanted)
    assert "stiffness_gpa" not in dataset
    assert "isotropic" in text
    assert "per layer" in text
    moved = done("thermo", path, "--temperatures", "300", "--mesh", "8", "-o", tmp_path / "th")
    assert "8 × 8 × 1 points" in moved
    assert "diverge" in " ".join(moved.split())


def test_results_of_an_older_version_are_an_error_with_a_way_out(stored, tmp_path):
    done("elastic", stored[1], "-o", tmp_path)
    path = tmp_path / "results.nc"
    with xr.load_dataset(path) as found:
        found.rename({"elastic_misfit": "elastic_huang"}).to_netcdf(path)
    result = CliRunner().invoke(main, ["show", str(path)])
    assert result.exit_code == 3, result.output
    assert "the results hold no elastic_misfit" in result.stderr
    assert "older" in result.stderr
    assert "repeat" in result.stderr


@pytest.mark.slow
def test_displacements_of_a_run_are_compared_with_its_force_constants(tmp_path):
    """Measured while the run streams; thermo takes them from the results."""
    data = Path(__file__).parents[2] / "examples" / "data"
    words = ["--cell", data / "silicon.POSCAR", "--frames", "0:400", "--cutoff2", 4]
    text = done("run", data / "silicon.lammpstrj.xz", *words, "-o", tmp_path / "run", "-v")
    assert "⟨u²⟩ of the run" in text
    dataset = tm.load(tmp_path / "run").to_dataset()
    measured, harmonic = dataset["u2_measured"].values, dataset["u2_commensurate"].values
    sem = dataset["u2_measured_sem"].values
    assert (np.einsum("sxx->sx", sem) < 0.2 * np.einsum("sxx->sx", measured)).all()
    assert np.abs(measured - harmonic).max() < 5.0 * sem.max()
    table = pd.read_csv(tmp_path / "run" / "tables" / "run_displacements.csv", comment="#")
    np.testing.assert_allclose(table["u2_measured_xx"], measured[:, 0, 0])
    # Sites of cubic symmetry: B = 8π²⟨u_x²⟩, and so its error.
    for name, values in (("b_iso_measured", measured), ("b_iso_measured_sem", sem)):
        np.testing.assert_allclose(table[name], 8.0 * np.pi**2 * values[:, 0, 0], rtol=1e-6)
    thermo = done("thermo", tmp_path / "run", "--mesh", 6, "-o", tmp_path / "thermo")
    assert "⟨u²⟩ of the run" in thermo
    again = tm.load(tmp_path / "thermo").to_dataset()
    np.testing.assert_array_equal(again["u2_measured"].values, measured)


@pytest.mark.slow
def test_warnings_of_a_run_stand_beside_what_follows_from_it(tmp_path):
    """Nearest neighbours alone do not describe silicon, as the run says."""
    data = Path(__file__).parents[2] / "examples" / "data"
    words = ["--cell", data / "silicon.POSCAR", "--frames", "0:400", "--cutoff2", 2.5]
    done("run", data / "silicon.lammpstrj.xz", *words, "-o", tmp_path / "run")
    found = tm.load(tmp_path / "run").to_dataset()["warnings"].values.tolist()
    assert any("do not describe the motion" in text for text in found)
    for command in ("thermo", "elastic"):
        done(command, tmp_path / "run", "-o", tmp_path / command)
        again = tm.load(tmp_path / command).to_dataset()["warnings"].values.tolist()
        assert {f"of the force constants: {text}" for text in found} <= set(again)
