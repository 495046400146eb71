"""`trajmodes quasiharmonic` with cells of several a and c, from files to results."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import trajmodes as tm
from trajmodes.cli.program import main
from trajmodes.data.crystal import Crystal
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.symmetry.translations import build_supercell
from trajmodes.thermo.quasiharmonic.properties import quasiharmonic
from trajmodes.thermo.quasiharmonic.volume_functions import State
from trajmodes.units import DALTON, GIGAPASCAL

A, C = 3.2, 5.1
GAMMA = np.array([3.0, 0.9])
STIFFNESS = np.array([[150.0, 42.0], [42.0, 70.0]])
PLACES = [(i, j) for i in (-0.01, 0.003, 0.016) for j in (-0.014, 0.004, 0.022)]
WORDS = ("--temperatures", "0:600:200", "--mesh", "3", "--pressure", "0,0.5")


@pytest.fixture(scope="module")
def cells(tmp_path_factory, springs):
    """Force constants of a hexagonal close-packed crystal at nine cells, and their files."""
    folder = tmp_path_factory.mktemp("cells")
    rng, found, paths = np.random.default_rng(5), [], []
    flat = np.array([[1.0, 0.0, 0.0], [-0.5, np.sqrt(0.75), 0.0], [0.0, 0.0, 1.0]])
    sites = np.array([[1 / 3, 2 / 3, 0.25], [2 / 3, 1 / 3, 0.75]])
    masses = np.full(2, 47.867 * DALTON)
    first = Crystal(flat * np.array([A, A, C])[:, None], sites, ("Ti", "Ti"), masses)
    one = springs(first, 3.6)
    for k, x in enumerate(np.array(PLACES)):
        crystal = replace(first, cell=flat * lengths_at(x)[:, None])
        values = one.values * np.exp(-2.0 * GAMMA @ x)
        moved = 1.0 + 1e-3 * rng.standard_normal(6)
        plain = replace(
            one,
            crystal=crystal,
            values=values,
            replicates=values * moved[:, None, None, None],
            temperature=300.0,
        )
        found.append(plain)
        paths.append(folder / f"cell{k}.h5")
        write_hdf5(plain, build_supercell(crystal, 3 * np.eye(3, dtype=int)), paths[-1])
    return found, paths


def lengths_at(x) -> np.ndarray:
    return np.array([A, A, C]) * np.exp([x[0], x[0], x[1]])


def energies() -> np.ndarray:
    x = np.array(PLACES)
    return 0.25 * np.einsum("vi,ij,vj->v", x, STIFFNESS, x) - 3.5


@pytest.fixture(scope="module")
def written(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("axes")
    (folder / "e.txt").write_text("\n".join(f"{one:.9f}, 1e-5" for one in energies()))
    words = ["quasiharmonic", *map(str, cells[1]), "--energies", str(folder / "e.txt")]
    result = CliRunner().invoke(main, [*words, *WORDS, "-o", str(folder / "out")])
    assert result.exit_code == 0, result.output
    return folder / "out", result.stdout


def test_the_command_writes_a_and_c_as_the_library_computes_them(cells, written):
    folder, text = written
    states = [
        State(one, 2.0 * round(energy, 9), 2e-5)
        for one, energy in zip(cells[0], energies(), strict=True)
    ]
    kelvin = [0.0, 200.0, 400.0, 600.0]
    wanted = quasiharmonic(states, (3, 3, 3), kelvin, [0.0, 0.5 * GIGAPASCAL])
    dataset = tm.load(folder).to_dataset()
    for name, values in (
        ("qha_volume", wanted.equilibrium.volume),
        ("qha_length", wanted.lengths),
        ("qha_length_sem", wanted.lengths_sem),
        ("qha_ratio", wanted.axes.ratio),
        ("qha_ratio_sem", wanted.axes_sem.ratio),
        ("qha_expansion_a", wanted.axes.expansion_a),
        ("qha_expansion_c_sem", wanted.axes_sem.expansion_c),
        ("qha_run_length", wanted.run_lengths),
    ):
        np.testing.assert_allclose(dataset[name], values, rtol=1e-9, err_msg=name)
    np.testing.assert_allclose(dataset["qha_run_length"][0], lengths_at(PLACES[0]))
    assert "9 cells with a from" in text
    assert "both are free" in " ".join(text.split())
    assert "α_c" in text
    assert "quadratic in ln a and ln c" in " ".join(text.split())
    assert "not relaxed" not in text


def test_tables_and_figures_hold_a_and_c(written):
    folder, _ = written
    dataset = tm.load(folder).to_dataset()
    table = pd.read_csv(folder / "tables" / "quasiharmonic.csv", comment="#")
    np.testing.assert_allclose(table["qha_ratio"], dataset["qha_ratio"].values.ravel())
    np.testing.assert_allclose(
        table["qha_expansion_c_sem"], dataset["qha_expansion_c_sem"].values.ravel()
    )
    by_cell = pd.read_csv(folder / "tables" / "free_energies.csv", comment="#")
    assert len(by_cell) == 4 * len(PLACES)
    assert len(by_cell[["qha_run_length_a", "qha_run_length_c"]].drop_duplicates()) == 9
    for name in ("axes", "quasiharmonic", "gruneisen"):
        assert (folder / "figures" / f"{name}.png").stat().st_size > 10_000
    assert "c/a" in str(tm.load(folder))


def test_mode_gruneisen_parameters_are_those_at_constant_ratio(written):
    """ω varies as exp(−γ·x), and a uniform strain has x = (1, 1) ln V/3."""
    dataset = tm.load(written[0]).to_dataset()
    found, sem = (dataset[f"band_gruneisen{end}"].values for end in ("", "_sem"))
    known = np.isfinite(found)
    assert known.any()
    np.testing.assert_allclose(found[known], GAMMA.sum() / 3.0, atol=0.02)
    assert (sem[known] > 0.0).all()
