"""The command `trajmodes potential`: a folder that other commands read, and fits beside it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import trajmodes as tm
from embedded_atom.alloy import alloy_functions, tables
from trajmodes.cli.program import main
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.phonons.modes import frequencies_at
from trajmodes.potentials.eam.files import read_eam
from trajmodes.potentials.shell_model.files import read_shell_model
from trajmodes.symmetry.clusters import classify
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.tensors import symmetry_basis
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import GIGAPASCAL, THZ


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(map(str, words)))
    return result.exit_code, result.output


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "alloy.eam.fs"
    path.write_text(tables(alloy_functions(), ["Ni", "Al"], by_pairs=True))
    return path


@pytest.fixture
def folder(file, tmp_path):
    code, text = run(
        "potential", file, "--structure", "cesiumchloride:2.75:NiAl", "-o", tmp_path / "out"
    )
    assert code == 0, text
    return tmp_path / "out"


def test_the_folder_has_the_constants_and_serves_other_commands(file, folder, tmp_path):
    found = tm.read_force_constants(folder)
    analytic = read_eam(file).force_constants(found.crystal)
    np.testing.assert_allclose(found.values, analytic.values, atol=1e-9)
    data = tm.load(folder).to_dataset()
    state = read_eam(file).state(found.crystal)
    assert float(data["potential_energy_ev"]) == pytest.approx(state.energy)
    bonds = data["bvk_value_n_per_m"].values[:, 1]
    np.testing.assert_allclose(
        data["bvk_value_n_per_m"].values[:, 0],
        bonds + data["bvk_value_n_per_m"].values[:, 2],
        atol=1e-8,
    )
    for command in (["thermo"], ["elastic"], ["export", "--to", "phonopy"]):
        code, text = run(command[0], folder, *command[1:], "-o", tmp_path / command[0])
        assert code == 0, text
    for name in ("figures/bands.png", "figures/constants.png", "tables/constants.csv"):
        assert (folder / name).stat().st_size > 0


def test_the_report_shows_the_bands_once(folder, tmp_path):
    code, text = run("report", folder, "-o", tmp_path / "report.html")
    assert code == 0, text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert 'data-chart="bands"' in page
    pictures = re.findall(r'<img[^>]*alt="([^"]*)"', page)
    assert pictures
    assert not [one for one in pictures if one.startswith("bands")]


def test_a_fit_is_compared_at_its_own_volume(file, folder, tmp_path):
    """Replicates of a known spread about constants of a known deviation."""
    known = tm.read_force_constants(folder)
    crystal = replace(known.crystal, cell=1.01 * known.crystal.cell)
    exact = read_eam(file).force_constants(crystal)
    rng = np.random.default_rng(1)
    spread = 1.0 + 0.01 * rng.standard_normal(20) / np.sqrt(19)
    fitted = replace(
        exact,
        values=1.05 * exact.values,
        replicates=1.05 * spread[:, None, None, None] * exact.values,
        temperature=300.0,
    )
    path = tmp_path / "fit.h5"
    write_hdf5(fitted, known.supercell, path)
    code, text = run("potential", file, "--compare", path, "-o", tmp_path / "compared")
    assert code == 0, text
    assert "fit minus alloy.eam: " in text
    data = tm.load(tmp_path / "compared").to_dataset()
    np.testing.assert_allclose(data["cell"], crystal.cell)
    values = data["bvk_value_n_per_m"].values
    np.testing.assert_allclose(values[:, 3], 1.05 * values[:, 0], rtol=1e-6, atol=1e-8)


def _write_fits(file, exact, tmp_path, cells, offset=0.0):
    """Constants that grow by 1e-4 per K, with errors of 0.1 %, and an offset.

    Their deviations from the constants of the potential are as large as their errors. Noise of
    each star keeps the symmetry of the crystal.
    """
    rng = np.random.default_rng(2)
    names = []
    for kelvin, scale in cells.items():
        crystal = replace(exact.crystal, cell=scale * exact.crystal.cell)
        static = read_eam(file).force_constants(crystal)
        group = space_group(crystal)
        basis = symmetry_basis(classify(group, *static.members))
        noise = basis.expand(
            rng.standard_normal((21, basis.n_parameters)) * np.abs(static.values).max() * 1e-3
        )
        pairs = basis.orbits
        rows = {
            (*s, *r): k
            for k, (s, r) in enumerate(
                zip(pairs.sites.tolist(), pairs.lattice[:, 1].tolist(), strict=True)
            )
        }
        keys = zip(*static.members[0].T.tolist(), *static.lattice.T.tolist(), strict=True)
        noise = noise[:, [rows[key] for key in keys]]
        # The variance of 20 delete-one means is that of the estimate.
        values = (1.0 + offset + 1e-4 * kelvin) * static.values + noise[0]
        rest = noise[1:] - noise[1:].mean(axis=0)
        fitted = replace(
            static, values=values, replicates=values + rest / np.sqrt(19.0), temperature=kelvin
        )
        path = tmp_path / f"fit{kelvin:.0f}.h5"
        write_hdf5(fitted, build_supercell(crystal, exact.supercell.matrix), path)
        names.append(path)
    return names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("offset", "verdict", "expansion"), [(0.0, "note", 2e-5), (0.02, "warning", 0.0)]
)
def test_fits_at_two_temperatures_are_extrapolated(
    file, folder, tmp_path, offset, verdict, expansion
):
    """At one volume, or each at that of its run: 0.2 % to 0.6 % wider."""
    exact = tm.read_force_constants(folder)
    cells = {kelvin: 1.0 + expansion * kelvin for kelvin in (100.0, 300.0)}
    paths = _write_fits(file, exact, tmp_path, cells, offset)
    words = [word for path in paths for word in ("--compare", path)]
    structure = ("--structure", "cesiumchloride:2.75:NiAl")
    code, text = run("potential", file, *structure, *words, "-o", tmp_path / "both")
    assert code == 0, text
    data = tm.load(tmp_path / "both").to_dataset()
    (found,) = [
        one for one in data[f"{verdict}s"].values.tolist() if "extrapolated to 0 K" in str(one)
    ]
    assert "constants of fits at 100, 300 K" in found
    assert ("each at the lattice parameters of its run" in found) == (expansion > 0.0)
    assert data["bvk_model"].values[-1] == "T→0"
    values, reference = (data[f"bvk_{x}_n_per_m"].values for x in ("value", "reference"))
    np.testing.assert_allclose(reference[:, -1], values[:, 0])
    sem = data["bvk_value_n_per_m_sem"].values[:, -1]
    z = (values[:, -1] - (1.0 + offset) * values[:, 0]) / sem
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.6
    freq, beside = (data[f"bvk_mode_{x}_thz"].values for x in ("freq", "reference"))
    sem = data["bvk_mode_freq_thz_sem"].values[:, -1]
    z = (freq[:, -1] - np.sqrt(1.0 + offset) * freq[:, 0]) / sem
    assert 0.3 < np.sqrt(np.mean(z**2)) < 2.0
    np.testing.assert_allclose(beside[:, -1], freq[:, 0])
    if expansion:
        wider = read_eam(file).force_constants(
            replace(exact.crystal, cell=1.006 * exact.crystal.cell)
        )
        omega = frequencies_at(wider, data["bvk_mode_q"].values)[0] / THZ
        own = omega[np.arange(len(omega)), data["bvk_mode_branch"].values - 1]
        np.testing.assert_allclose(beside[:, -2], own, rtol=1e-9)
    if verdict == "warning":
        assert "N/m" in found
    for name in ("figures/differences.png", "tables/compared_modes.csv"):
        assert (tmp_path / "both" / name).stat().st_size > 0


def test_python_gives_the_same_force_constants(file, folder):
    found = tm.potential(file, structure="cesiumchloride:2.75:NiAl", third_order=True)
    np.testing.assert_allclose(found.values, tm.read_force_constants(folder).values, atol=1e-9)
    assert found.triplets is not None
    assert found.frequencies("M").min() > 0.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the crystal is not known"),
        (["--structure", "fcc:3.5:Cu"], "the crystal contains Cu"),
        (["--structure", "fcc:1.2:Al"], "is needed at"),
    ],
)
def test_what_the_potential_does_not_describe_is_refused(file, tmp_path, words, message):
    code, text = run("potential", file, *words, "-o", tmp_path / "out")
    assert code in (2, 3)
    assert message in text


def test_a_missing_file_is_named(tmp_path):
    code, text = run("potential", tmp_path / "no.eam", "-o", tmp_path / "out")
    assert code == 2
    assert "there is no file" in text


def test_forces_on_the_atoms_are_a_warning(file, tmp_path):
    cell = tmp_path / "POSCAR"
    cell.write_text("bad\n2.9\n1 0 0\n0 1 0\n0 0 1\nNi Al\n1 1\nDirect\n0 0 0\n.5 .5 .45\n")
    code, text = run("potential", file, "--cell", cell, "-o", tmp_path / "out")
    assert code == 0, text
    assert "the atoms are not at equilibrium: the force on Ni of site 0 is" in text
    code, text = run(
        "potential", file, "--cell", cell, "--relax", "positions", "-o", tmp_path / "r"
    )
    assert code == 0, text
    assert "the atoms are not at equilibrium" not in text
    assert "the crystal was relaxed: atoms moved by up to 0.0725 Å" in text


OXIDE = """\
[charges]
Mg = 2.0
O = 0.81
"O shell" = -2.81
[springs]
O = { k = 103.07 }
[[pair]]
between = ["Mg", "O shell"]
form = "buckingham"
A = 1430.0
rho = 0.295
C = 0.0
cutoff = 6.0
"""


@pytest.mark.slow
def test_a_shell_model_serves_other_commands(tmp_path):
    file = tmp_path / "oxide.toml"
    file.write_text(OXIDE, encoding="utf-8")
    words = ["--structure", "rocksalt:4.2:MgO", "--relax", "cell", "--path", "G X"]
    code, text = run("potential", file, *words, "-o", tmp_path / "out")
    assert code == 0, text
    assert "the force constants are obtained from a mesh of" in text
    assert "Elastic constants of the potential in GPa" in text
    data = tm.load(tmp_path / "out").to_dataset()
    found = tm.read_force_constants(tmp_path / "out")
    own = read_shell_model(file)
    np.testing.assert_allclose(
        data["potential_stiffness_gpa"],
        own.response(found.crystal).stiffness / GIGAPASCAL,
        atol=0.01,
    )
    assert np.abs(data["piezoelectric"]).max() < 1e-6
    assert "C11,GPa," in (tmp_path / "out/tables/response.csv").read_text()
    code, text = run("elastic", tmp_path / "out", "-o", tmp_path / "elastic")
    assert code == 0, text
    waves = tm.load(tmp_path / "elastic").to_dataset()["stiffness_gpa"]
    np.testing.assert_allclose(
        waves.values, data["potential_stiffness_gpa"].values, atol=0.02 * float(waves.max())
    )
