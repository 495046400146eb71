"""The command `trajmodes quasiharmonic`, from force constants at volumes to files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.api.force_constants import ForceConstants
from trajmodes.cli.program import main
from trajmodes.errors import DataError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.report.write import VOLUME_FILES
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State
from trajmodes.units import BOLTZMANN, GIGAPASCAL

SCALES = np.linspace(0.985, 1.025, 5)
WORDS = ("--temperatures", "0:300:150", "--mesh", "4", "--pressure", "0,1")


def done(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def volumes(tmp_path_factory, crystals, springs) -> tuple[list[ForceConstants], list[Path]]:
    """Force constants of rock salt at five volumes, and their files."""
    folder = tmp_path_factory.mktemp("volumes")
    rng, found, paths = np.random.default_rng(3), [], []
    for k, scale in enumerate(SCALES):
        crystal = crystals["rock salt"]
        crystal = replace(crystal, cell=crystal.cell * scale)
        values = springs(crystal, 4.3 * scale).values * scale**-12.0
        moved = 1.0 + 1e-3 * rng.standard_normal(6)
        supercell = build_supercell(crystal, 3 * np.eye(3, dtype=int))
        plain = replace(
            springs(crystal, 4.3 * scale),
            values=values,
            replicates=values * moved[:, None, None, None],
            temperature=300.0,
        )
        found.append(ForceConstants.of(plain, supercell=supercell))
        paths.append(folder / f"v{k}.h5")
        write_hdf5(plain, supercell, paths[-1])
    return found, paths


def energies() -> np.ndarray:
    x = SCALES**-2.0
    return 8.0 * ((x - 1.0) ** 3 * 5.0 + (x - 1.0) ** 2 * (6.0 - 4.0 * x)) - 3.5


@pytest.fixture(scope="module")
def written(volumes, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("quasiharmonic")
    file = folder / "energies.txt"
    lines = (f"{one:.9f}, 1e-5" for one in energies())
    file.write_text("# eV per atom\n" + "\n".join(lines) + "\n")
    text = done("quasiharmonic", *volumes[1], "--energies", file, *WORDS, "-o", folder / "out")
    return folder / "out", text


def test_the_command_writes_what_the_library_computes(volumes, written):
    folder, text = written
    states = [
        State(one, 2.0 * round(energy, 9), 2e-5)
        for one, energy in zip(volumes[0], energies(), strict=True)
    ]
    wanted = quasiharmonic(states, (4, 4, 4), [0.0, 150.0, 300.0], [0.0, GIGAPASCAL])
    dataset = tm.load(folder).to_dataset()
    for name, values in (
        ("qha_volume", wanted.equilibrium.volume),
        ("qha_volume_sem", wanted.sem.volume),
        ("qha_volume_spread", wanted.spread.volume),
        ("qha_length", wanted.lengths),
        ("qha_expansion", wanted.equilibrium.expansion),
        ("qha_modulus_gpa_sem", wanted.sem.bulk_modulus / GIGAPASCAL),
        ("qha_capacity_p_kb", wanted.equilibrium.capacity_p / BOLTZMANN),
        ("qha_gibbs", wanted.equilibrium.gibbs),
        ("qha_run_free_energy", wanted.free_energies),
        ("equation_volume", wanted.comparison.volume),
    ):
        np.testing.assert_allclose(dataset[name], values, rtol=1e-9, err_msg=name)
    assert dataset["qha_volume"].sel(pressure_gpa=1.0).dims == ("qha_temperature",)
    assert "Equilibrium at 1 GPa" in text
    assert "those of runs at 300 K" in text


def test_tables_and_figures_hold_the_results(written):
    folder, _ = written
    files = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    # A rock salt has one lattice parameter.
    assert files == set(VOLUME_FILES) - {"figures/axes.png"}
    dataset = tm.load(folder).to_dataset()
    table = pd.read_csv(folder / "tables" / "quasiharmonic.csv", comment="#")
    warm = table[(table["pressure_gpa"] == 1.0) & (table["qha_temperature"] == 150.0)]
    assert warm["qha_volume"].item() == pytest.approx(float(dataset["qha_volume"][1, 1]))
    assert warm["qha_length_a"].item() == pytest.approx(float(dataset["qha_length"][1, 1, 0]))
    by_volume = pd.read_csv(folder / "tables" / "free_energies.csv", comment="#")
    assert len(by_volume) == 15
    bands = pd.read_csv(folder / "tables" / "bands.csv", comment="#")
    assert bands["band_gruneisen_6"].notna().all()
    for name in ("quasiharmonic", "gruneisen"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000
    assert "Equilibrium at 0 GPa" in str(tm.load(folder))


def test_the_function_gives_the_same_in_memory(volumes, written):
    found = tm.quasiharmonic(
        volumes[0], energies().round(9), 1e-5, temperatures="0:300:150", mesh=4,
        pressures_gpa=[0, 1],
    )  # fmt: skip
    on_disk = tm.load(written[0]).to_dataset()
    for name in ("qha_gibbs", "qha_expansion_sem", "band_gruneisen", "band_gruneisen_sem"):
        np.testing.assert_allclose(found[name], on_disk[name], rtol=1e-9)


@pytest.mark.slow
def test_energies_of_free_energy_are_found_in_the_folders(volumes, written, tmp_path):
    folders = []
    for path, energy in zip(volumes[1], energies(), strict=True):
        folder = tmp_path / path.stem
        folder.mkdir()
        (folder / path.name).write_bytes(path.read_bytes())
        (folder / "free-energy" / "tables").mkdir(parents=True)
        (folder / "free-energy" / "tables" / "free_energy.csv").write_text(
            "# Free energy\nexpansion_order,run_static_energy,run_static_energy_sem\n"
            f"1,{energy:.9f},1e-5\n2,{energy + 0.001:.9f},2e-5\n3,0.1,0.1\n"
        )
        folders.append(folder)
    done("quasiharmonic", *folders, *WORDS, "-o", tmp_path / "out")
    found, other = (tm.load(one).to_dataset() for one in (tmp_path / "out", written[0]))
    np.testing.assert_allclose(found["qha_gibbs"], other["qha_gibbs"], rtol=1e-12)
    np.testing.assert_allclose(found["qha_gibbs_sem"], other["qha_gibbs_sem"], rtol=1e-9)
    done("quasiharmonic", *folders, *WORDS, "--order", 2, "-o", tmp_path / "second")
    second = tm.load(tmp_path / "second").to_dataset()
    np.testing.assert_allclose(second["qha_gibbs"], other["qha_gibbs"] + 0.002, rtol=1e-7)
    assert (second["qha_run_free_energy_sem"] > other["qha_run_free_energy_sem"]).all()


@pytest.mark.parametrize(
    ("words", "lines", "said"),
    [
        ((), None, "the energy at this volume is not known"),
        ((), ["-3.5"] * 4, "4 energies, and 5 force constants"),
        ((), ["-3.5"] * 4 + ["low"], "is not an energy"),
        (("--pressure", "high"), ["-3.5"] * 5, "FIRST:LAST:STEP in GPa"),
        ((), [f"{-0.1 * k}" for k in range(5)], "larger volume"),
    ],
)
def test_wrong_input_is_refused(volumes, tmp_path, words, lines, said):
    given = []
    if lines is not None:
        (tmp_path / "e.txt").write_text("\n".join(lines) + "\n")
        given = ["--energies", str(tmp_path / "e.txt")]
    paths = [str(path) for path in volumes[1]]
    out = str(tmp_path / "out")
    result = CliRunner().invoke(
        main, ["quasiharmonic", *paths, *given, *words, "--mesh", "2", "-o", out]
    )
    assert result.exit_code != 0
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def soft(volumes, tmp_path_factory) -> Path:
    """Results of a softer phase, higher in energy."""
    folder = tmp_path_factory.mktemp("soft") / "out"
    constants = [
        ForceConstants.of(
            replace(one, values=0.6 * one.values, replicates=0.6 * one.replicates)
        )
        for one in volumes[0]
    ]
    tm.quasiharmonic(
        constants, energies() + 0.018, 1e-5, temperatures="0:300:150", mesh=4,
        pressures_gpa=[0, 1], output=folder,
    )  # fmt: skip
    return folder


def test_phases_are_compared_by_their_gibbs_energies(written, soft, tmp_path):
    text = done("phases", written[0], soft, "-o", tmp_path / "phases")
    one, other = (tm.load(folder).to_dataset() for folder in (written[0], soft))
    found = tm.phases(one, other)
    apart = (one["qha_gibbs"] - other["qha_gibbs"]).values / 2.0
    np.testing.assert_allclose(found.difference, apart)
    sem = np.hypot(one["qha_gibbs_sem"], other["qha_gibbs_sem"]) / 2.0
    np.testing.assert_allclose(found.difference_sem, sem)
    crossing = found.crossings[0]
    assert crossing.verdict == "resolved"
    assert 0.0 < crossing.temperature < 300.0
    assert "stable below" in " ".join(text.split())
    table = pd.read_csv(tmp_path / "phases" / "tables" / "crossings.csv", comment="#")
    assert table["crossing_temperature"][0] == pytest.approx(crossing.temperature)
    assert (tmp_path / "phases" / "figures" / "phases.png").stat().st_size > 10_000
    at = pd.read_csv(tmp_path / "phases" / "tables" / "pressures.csv", comment="#")
    pressures = found.transition_pressure / GIGAPASCAL
    np.testing.assert_allclose(at["phase_pressure_gpa"], pressures)
    differences = pd.read_csv(tmp_path / "phases" / "tables" / "differences.csv", comment="#")
    np.testing.assert_allclose(differences["phase_difference"], apart.ravel())
    results = tm.load(tmp_path / "phases").to_dataset()
    np.testing.assert_allclose(results["phase_difference"], apart)
    assert float(results["crossing_temperature"][0]) == pytest.approx(crossing.temperature)
    assert results["phase"].values.tolist() == [
        "/".join(one.parts[-2:]) for one in (written[0], soft)
    ]
    assert "stable below" in " ".join(done("show", tmp_path / "phases").split())
    swapped = tm.phases(soft, written[0]).crossings[0]
    assert swapped.temperature == pytest.approx(crossing.temperature)
    assert swapped.latent_heat == pytest.approx(-crossing.latent_heat)
    assert swapped.slope == pytest.approx(crossing.slope)


@pytest.mark.parametrize(
    "name", ["volume", "expansion", "bulk_modulus", "heat_capacities", "gruneisen_mean"]
)
def test_a_panel_alone_names_the_pressures(written, name):
    axes = getattr(tm.plot, name)(tm.load(written[0]))
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"0 GPa", "1 GPa"} <= set(texts)


def test_phases_without_error_bars_say_so(written, soft, tmp_path):
    one, other = (tm.load(folder).to_dataset() for folder in (written[0], soft))
    bare = tm.phases(one, other.drop_vars("qha_gibbs_sem"), output=tmp_path / "bare")
    assert np.isnan(bare.difference_sem).all()
    assert np.isnan(bare.crossings[0].temperature_sem)
    table = pd.read_csv(tmp_path / "bare" / "tables" / "crossings.csv", comment="#")
    assert table["crossing_temperature_sem"].isna().all()
    assert table["crossing_temperature"].notna().any()


def test_volumes_of_different_temperatures_are_a_warning(volumes):
    """Temperatures of runs that were meant to be equal differ a little."""
    said = []
    for change in (0.0, 2.0, 60.0):
        known = [
            ForceConstants.of(replace(one, temperature=300.0 + change * k, replicates=None))
            for k, one in enumerate(volumes[0])
        ]
        found = tm.quasiharmonic(known, energies(), temperatures="0:300:300", mesh=2)
        said.append(" ".join(found["warnings"].values if "warnings" in found else ()))
    assert not said[0]
    assert not said[1]
    assert "of different temperatures, from 300 to 540 K" in said[2]


def test_phases_that_cannot_be_compared_are_refused(written, volumes):
    classical = tm.quasiharmonic(
        volumes[0], energies(), temperatures="150:300:150", mesh=2, classical=True
    )
    with pytest.raises(DataError, match="one phase has quantum"):
        tm.phases(written[0], classical)
    dataset = tm.load(written[0]).to_dataset()
    with pytest.raises(DataError, match="different compositions"):
        tm.phases(dataset, dataset.assign_coords(species=["Na", "Na"]))
    with pytest.raises(DataError, match="no Gibbs free energy"):
        tm.phases(dataset, dataset.drop_vars("qha_gibbs"))
    with pytest.raises(DataError, match="cannot be read") as missing:
        tm.phases(written[0], "nothere")
    assert "trajmodes quasiharmonic" in missing.value.fix
