"""The command `trajmodes bvk`: force constants, tables and measured frequencies."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.spacegroup import crystal as with_space_group
from click.testing import CliRunner

import trajmodes as tm
from program_files.columns import check_figures_in_a_column
from trajmodes.cli.program import main
from trajmodes.config.job import values_of
from trajmodes.data.crystal import Crystal
from trajmodes.data.force_constants import ForceConstants
from trajmodes.errors import DataError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.phonons.born_von_karman.projection import force_constants_of, shell_constants
from trajmodes.phonons.born_von_karman.shells import nearest_shells
from trajmodes.phonons.modes import frequencies_at
from trajmodes.pipeline.potentials.born_von_karman import bvk_job
from trajmodes.pipeline.potentials.shell_table import read_shell_table, shell_table
from trajmodes.pipeline.potentials.structures import named_structure
from trajmodes.report.figures.potentials.shells import draw_constants
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import NEWTON_PER_METRE, THZ

COPPER = """\
title = "a model"
structure = "fcc:3.604:Cu"
unit = "N/m"
[[shell]]
bond = [1, 1, 0]
alpha1 = 13.0
alpha3 = -1.4
beta3 = 14.8
[[shell]]
bond = [2, 0, 0]
alpha1 = 0.4
alpha2 = -0.15
"""
DOUBLE = "bond = [1, 1, 0]\nalpha1 = 1\nalpha3 = 1\nbeta3 = 1"
VALUES = np.array([13.0, -1.4, 14.8, 0.4, -0.15])


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["bvk", *map(str, words)])
    return result.exit_code, result.output


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "cu.toml"
    path.write_text(COPPER, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def copper() -> ForceConstants:
    shells = nearest_shells(named_structure("fcc:3.604:Cu"), 2)
    return force_constants_of(shell_constants(shells, VALUES * NEWTON_PER_METRE), shells)


def test_a_table_becomes_force_constants_and_back(table, copper, tmp_path):
    out = tmp_path / "out"
    code, text = run(table, "-o", out)
    assert code == 0
    assert "Cu–Cu (1 1 0)" in text
    made = tm.read_force_constants(out)
    qpoints = np.random.default_rng(1).uniform(-0.5, 0.5, (5, 3))
    np.testing.assert_allclose(
        frequencies_at(made, qpoints)[0], frequencies_at(copper, qpoints)[0], rtol=1e-10
    )
    again = tm.born_von_karman(out / "bvk.toml", out, shells=2)
    np.testing.assert_allclose(again["bvk_value_n_per_m"], np.stack([VALUES] * 2, 1), rtol=1e-8)
    assert sorted(p.name for p in (out / "figures").iterdir()) == ["bands.png", "constants.png"]


def test_shells_of_equal_bonds_differ_in_their_sites(tmp_path, crystals):
    """Na–Na and Cl–Cl of rock salt: sites in a table count from 0."""
    shells = nearest_shells(crystals["rock salt"], 3)
    path = tmp_path / "salt.toml"
    made = shell_constants(shells, np.arange(1.0, 1.0 + len(shells.names)))
    path.write_text(shell_table(made, "salt"), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert [f"sites = [{a}, {b}]" in text for a, b in [(0, 1), (0, 0), (1, 1)]] == [True] * 3
    np.testing.assert_allclose(read_shell_table(path)[0].values, made.values, rtol=1e-9)
    path.write_text(text.replace("sites = [1, 1]\n", ""), encoding="utf-8")
    with pytest.raises(DataError, match=r"several shells(.|\n)*of sites \[1, 1\]"):
        read_shell_table(path)


def test_force_constants_with_errors_stand_beside_a_table(table, copper, tmp_path):
    scale = 1.0 + 1e-2 * np.random.default_rng(2).standard_normal(8)
    replicates = copper.values * scale[:, None, None, None]
    known = replace(copper, replicates=replicates, temperature=300.0)
    path = tmp_path / "force_constants.h5"
    write_hdf5(known, build_supercell(copper.crystal, 4 * np.eye(3, dtype=int)), path)
    code, text = run(path, "--compare", table, "--shells", 3, "-o", tmp_path / "out")
    assert code == 0
    assert "2 shells lie within the reach" in text
    found = tm.load(tmp_path / "out").to_dataset()
    assert found["bvk_model"].values.tolist() == ["force_constants", "cu"]
    np.testing.assert_allclose(found["bvk_value_n_per_m"][:, 0], VALUES, rtol=1e-9)
    spread = np.sqrt(7 / 8 * np.sum((scale - scale.mean()) ** 2))
    np.testing.assert_allclose(
        found["bvk_value_n_per_m_sem"][:, 0], np.abs(VALUES) * spread, rtol=1e-9
    )
    assert np.isnan(found["bvk_value_n_per_m_sem"].values[:, 1]).all()
    np.testing.assert_allclose(
        found["bvk_whole_freq_thz"], found["bvk_band_freq_thz"][:, :, 0], atol=1e-6
    )
    assert found["bvk_temperature"].values[0] == 300.0


def test_fits_at_several_temperatures_are_extrapolated_to_zero(copper, table, tmp_path):
    """Constants at 0 K have the slope 1e-4 per K; the first file is the one at 200 K."""
    paths = []
    shells = nearest_shells(copper.crystal, 2)
    rng = np.random.default_rng(5)
    for kelvin in (200.0, 100.0, 400.0):
        exact = VALUES * (1.0 + 1e-4 * kelvin) * NEWTON_PER_METRE
        samples = exact + 0.1 * rng.normal(size=(20, 5)) * NEWTON_PER_METRE
        means = (samples.sum(axis=0) - samples) / 19.0
        fitted = shell_constants(shells, samples.mean(axis=0), replicates=means)
        known = replace(force_constants_of(fitted, shells), temperature=kelvin)
        paths.append(tmp_path / f"fit{kelvin:.0f}.h5")
        write_hdf5(known, build_supercell(copper.crystal, 4 * np.eye(3, dtype=int)), paths[-1])
    code, text = run(*paths, "--compare", table, "--shells", 2, "-o", tmp_path / "out")
    assert code == 0, text
    assert "linear extrapolation of fits at 100, 200, 400 K" in " ".join(text.split())
    found = tm.load(tmp_path / "out").to_dataset()
    names = ["fit200", "fit100", "fit400", "cu", "T→0"]
    assert found["bvk_model"].values.tolist() == names
    assert found["bvk_temperature"].values[-1] == 0.0
    z = (found["bvk_value_n_per_m"] - VALUES[:, None]) / found["bvk_value_n_per_m_sem"]
    assert 0.3 < np.sqrt(np.mean(z.values[:, -1] ** 2)) < 1.7
    exact = frequencies_at(copper, found["bvk_mode_q"].values)[0] / THZ
    exact = exact[np.arange(len(exact)), found["bvk_mode_branch"].values - 1]
    y = (found["bvk_mode_freq_thz"][:, -1] - exact) / found["bvk_mode_freq_thz_sem"][:, -1]
    assert 0.3 < np.sqrt(np.mean(y.values**2)) < 1.7
    reference = found["bvk_reference_n_per_m"].values
    np.testing.assert_allclose(reference[:, 0], found["bvk_value_n_per_m"].values[:, -1])
    assert np.isnan(reference[:, 3:]).all()
    assert (tmp_path / "out" / "figures" / "differences.png").stat().st_size > 0


def _only(constants: ForceConstants, kept: np.ndarray) -> ForceConstants:
    """Force constants of which only some pairs are listed."""
    arrays = {name: getattr(constants, name)[kept] for name in ("first", "second", "lattice")}
    return replace(constants, values=constants.values[kept], **arrays)


def _found(source, *others, **options):
    values = {**values_of("bvk", options), "compare": others}
    return bvk_job(source, values, command="")[0]


def test_shells_end_before_the_first_that_is_not_whole(copper, table):
    """As of a supercell that cuts through a star: an average with zeros is no constant."""
    ends = copper.lattice @ copper.crystal.cell
    is_second = np.abs(np.linalg.norm(ends, axis=1) - 3.604) < 1e-6
    cut = _only(copper, ~(is_second & (np.abs(ends[:, 2]) > 1.0)))
    found = _found(cut, shells=2)
    np.testing.assert_allclose(found["bvk_value_n_per_m"][:, 0], VALUES[:3], rtol=1e-9)
    assert any("only 67 % of the bonds of shell 2" in text for text in found["warnings"].values)
    beside = _found(str(table), cut, shells=2)
    assert {"shell-constants", "model-bands"} <= check_figures_in_a_column(beside)
    assert np.isnan(beside["bvk_value_n_per_m"].values[3:, 1]).all()
    assert any("67 % of the bonds" in text for text in beside["warnings"].values)
    is_first = np.abs(np.linalg.norm(ends, axis=1) - 3.604 / np.sqrt(2.0)) < 1e-6
    without = _found(_only(copper, ~is_first), shells=2)
    assert any("constants of shell 1 are zero" in text for text in without["notes"].values)
    one = np.flatnonzero(is_first)[0]
    with pytest.raises(DataError, match=r"8\.3 % of the bonds of shell 1"):
        _found(_only(copper, (np.arange(len(ends)) == one) | ~is_first & ~is_second))


def test_some_shells_of_a_crystal_of_low_symmetry_have_bands_and_a_warning(tmp_path):
    atoms = with_space_group(
        ["Te"], [(0.2633, 0, 1 / 3)], spacegroup=152, cellpar=[4.457, 4.457, 5.929, 90, 90, 120]
    )
    shells = nearest_shells(Crystal.from_ase(atoms), 6)
    values = np.random.default_rng(4).normal(size=len(shells.names))
    whole = force_constants_of(shell_constants(shells, values), shells)
    found = _found(whole, shells=2, output=str(tmp_path / "out"))
    (warning,) = found["warnings"].values
    assert "self terms of these 2 shells alone" in warning
    assert np.isfinite(found["bvk_band_freq_thz"]).all()
    made = tm.read_force_constants(tmp_path / "out")
    acoustic = np.sort(np.abs(frequencies_at(made, np.zeros((1, 3)))[0][0]))[:3]
    np.testing.assert_allclose(acoustic, 0.0, atol=1e-5)
    assert "warnings" not in _found(whole, shells=6)


def test_labels_of_many_constants_do_not_cover_each_other():
    shells = nearest_shells(named_structure("wurtzite:3.25,5.2:ZnO"), 10)
    values = np.linspace(1.0, 0.1, len(shells.names))
    found = _found(force_constants_of(shell_constants(shells, values), shells), shells=10)
    figure = draw_constants(found)
    assert len(figure.axes) > 1
    for axes in figure.axes:
        for texts in (axes.get_xticklabels(), axes.texts):
            spans = np.sort([one.get_window_extent().intervalx for one in texts], axis=0)
            assert (spans[1:, 0] > spans[:-1, 1]).all()
    shown = [text.get_text() for axes in figure.axes for text in axes.get_xticklabels()]
    assert shown == list(shells.names)


def test_measured_frequencies_give_the_constants(copper, tmp_path):
    zeta = np.linspace(0.1, 1.0, 8)
    lines = ["h,k,l,branch,frequency_thz,error_thz"]
    for direction in ([1, 0, 0], [1, 1, 0], [0.5, 0.5, 0.5]):
        hkl = zeta[:, None] * np.array(direction)
        omega = frequencies_at(copper, hkl / 3.604 @ copper.crystal.cell.T)[0]
        for q, row in zip(hkl, omega, strict=True):
            for branch in (1, 2, 3):
                value = row[branch - 1] / THZ
                lines.append(f"{q[0]},{q[1]},{q[2]},{branch},{value:.12f},{0.01 * value:.12f}")
    path = tmp_path / "measured.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    words = ("--structure", "fcc:3.604:Cu", "--shells", 2)
    code, text = run(path, *words, "-o", tmp_path / "out")
    assert code == 0
    assert "72 measured" in text
    found = tm.load(tmp_path / "out").to_dataset()
    np.testing.assert_allclose(found["bvk_value_n_per_m"][:, 0], VALUES, rtol=1e-5, atol=1e-5)
    assert (found["bvk_value_n_per_m_sem"] > 0.0).all()
    # The same in meV, with reduced coordinates.
    table = "q1,q2,q3,branch,frequency_mev\n"
    rng = np.random.default_rng(3)
    for q in rng.uniform(-0.5, 0.5, (12, 3)):
        omega = frequencies_at(copper, q[None])[0][0]
        # 1 THz is 4.135667696 meV (h in SI).
        table += f"{q[0]},{q[1]},{q[2]},3,{omega[2] / THZ * 4.135667696:.12f}\n"
    path.write_text(table, encoding="utf-8")
    again = tm.born_von_karman(path, structure="fcc:3.604:Cu", shells=2)
    np.testing.assert_allclose(again["bvk_value_n_per_m"][:, 0], VALUES, rtol=1e-4, atol=1e-4)


def test_errors_of_a_table_remain_if_nearer_shells_are_not_listed(tmp_path):
    path = tmp_path / "far.toml"
    entry = (
        "bond = [2, 0, 0]\nalpha1 = 0.4\nalpha1_error = 0.1\nalpha2 = 0.2\nalpha2_error = 0.05"
    )
    path.write_text(f'structure = "fcc:3.604:Cu"\n[[shell]]\n{entry}\n', encoding="utf-8")
    found = tm.born_von_karman(path)
    np.testing.assert_allclose(found["bvk_value_n_per_m_sem"][:, 0], [0, 0, 0, 0.1, 0.05])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("beta3 = 14.8", "", "beta3 is missing"),
        ("beta3 = 14.8", "beta3 = 14.8\nbeta3_error = 0.1", "alpha1_error is missing"),
        ("bond = [2, 0, 0]\nalpha1 = 0.4\nalpha2 = -0.15", DOUBLE, "is listed twice"),
        ("beta3 = 14.8", "beta2 = 14.8", "no entry beta2"),
        ("bond = [1, 1, 0]", "bond = [0, 1, 1]", "no shell has the bond"),
        ('unit = "N/m"', 'unit = "N/cm"', "no unit N/cm"),
        ("fcc:3.604:Cu", "fcc:Cu", "no structure fcc:Cu"),
        ("alpha1 = 13.0", "alpha1 = nan", "alpha1 is not a number"),
        ("[[shell]]", "[[shells]]", "no entry shells"),
    ],
)
def test_mistakes_in_a_table_are_named(table, old, new, message, tmp_path):
    table.write_text(COPPER.replace(old, new), encoding="utf-8")
    code, text = run(table, "-o", tmp_path / "out")
    assert code in (2, 3)
    assert message in " ".join(text.split())
    assert not (tmp_path / "out").exists()


def test_mistakes_in_the_call_are_named(table, tmp_path):
    csv = tmp_path / "m.csv"
    csv.write_text("h,k,l,branch\n0.1,0,0,L\n", encoding="utf-8")
    iron = tmp_path / "fe.toml"
    iron.write_text(
        'structure = "bcc:2.87:Fe"\n[[shell]]\nbond = [1, 1, 1]\nalpha1 = 1\nbeta1 = 1\n',
        encoding="utf-8",
    )
    for words, message in (
        ((tmp_path / "none",), "there is no"),
        ((csv,), "the crystal is not known"),
        ((csv, "--structure", "fcc:3.6:Cu"), "no column frequency_mev"),
        ((table, "--compare", iron), "fe is of another crystal than cu"),
    ):
        code, text = run(*words, "-o", tmp_path / "out")
        assert code in (2, 3)
        assert message in " ".join(text.split())
