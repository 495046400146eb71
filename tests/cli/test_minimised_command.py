"""The command `trajmodes qha`: the quasiharmonic crystal of a potential."""

import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import trajmodes as tm
from embedded_atom.alloy import tables
from program_files.columns import check_figures_in_a_column
from trajmodes.cli.program import main
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.potentials.eam.functions import Functions
from trajmodes.report.figures.potentials.minimised import draw_minimised
from trajmodes.symmetry.translations import build_supercell

A = 2.62
"""Length in Å of the static crystal, nearly."""


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(map(str, words)))
    return result.exit_code, " ".join(result.output.split())


def morse(r, _n):
    short = np.exp(-2.2 * (np.maximum(r, 1e-3) - 2.6))
    return 0.4 * (short**2 - 2.0 * short)


def nothing(x, _n):
    return np.zeros_like(x)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Morse pairs, whose crystal of closest packing is stable."""
    path = tmp_path_factory.mktemp("potential") / "morse.eam.alloy"
    functions = Functions(
        ("Ni",), {"Ni": nothing}, {("Ni", "Ni"): nothing}, {("Ni", "Ni"): morse}, 4.5
    )
    path.write_text(tables(functions, ["Ni"], by_pairs=False))
    return path


def crystal(length):
    return ("--structure", f"fcc:{length * 2**0.5}:Ni")


@pytest.fixture(scope="module")
def folder(file):
    out = file.parent / "q"
    words = ("--temperatures", "0,150,300", "--pressure", "0,0.2", "--scheme", "full,zsisa")
    code, text = run("qha", file, *crystal(A), "--mesh", 4, *words, "-o", out)
    assert code == 0, text
    assert "all temperatures reached" in text
    return out


def test_the_results_obey_thermodynamics(folder):
    data = tm.load(folder).to_dataset()
    assert data["scheme"].values.tolist() == ["full", "zsisa"]
    volume, gibbs = data["minimum_volume"].values, data["minimum_gibbs"].values
    assert (np.diff(volume, axis=2) > 0.0).all()
    # V = ∂G/∂P by the trapezoidal rule, to the jumps of third derivatives of the table
    by_pressure = np.diff(gibbs, axis=1)[:, 0] / 0.2 * 160.21766
    assert by_pressure == pytest.approx(volume.mean(axis=1), rel=1e-4)
    assert data["minimum_length"].values[..., 0] ** 3 / 4.0 == pytest.approx(volume)
    assert data["minimum_angle_deg"].values == pytest.approx(90.0)
    # One free coordinate: both schemes are the same.
    assert volume[0] == pytest.approx(volume[1], rel=1e-7)


def test_mode_parameters_are_differences_of_frequencies(file, folder):
    data = tm.load(folder).to_dataset()
    length = float(np.linalg.norm(data["cell"].values[0]))
    points = data["zone_point"].values[1:]
    freq = [
        tm.potential(file, structure=crystal(factor * length)[1]).frequencies(points)
        for factor in (0.999, 1.001)
    ]
    wanted = -np.log(np.array(freq[1]) / freq[0]) / (3.0 * np.log(1.001 / 0.999))
    np.testing.assert_allclose(data["zone_gruneisen"].values[0, 1:], wanted, rtol=1e-3)


def test_other_results_are_put_beside(file):
    words = (*crystal(A), "--mesh", 2, "--temperatures", "0,100", "-o", file.parent / "again")
    bare = file.parent / "bare"
    code, text = run("potential", file, *crystal(A), "-o", bare)
    assert code == 0, text
    code, text = run("qha", file, *words, "--compare", bare)
    assert code != 0
    assert "the temperature of the lattice parameters is not known" in text
    known = tm.read_force_constants(bare)
    supercell = build_supercell(known.crystal, 3 * np.eye(3, dtype=int))
    fit = file.parent / "fit.h5"
    write_hdf5(replace(known, temperature=50.0), supercell, fit)
    code, text = run("qha", file, *words, "--compare", fit)
    assert code == 0, text
    assert "volumes of fit.h5 differ" in text
    data = tm.load(file.parent / "again").to_dataset()
    assert data["compared_temperature"].values == [50.0]
    assert data["compared_length"].values[0] == pytest.approx(A * 2**0.5)
    assert data["compared_volume"].values == pytest.approx(A**3 / 2**0.5)


@pytest.mark.slow
def test_a_series_and_other_minima_are_put_beside(file):
    """Of a series all temperatures, of several folders all points, each with its marker."""
    bare = file.parent / "known"
    assert run("potential", file, *crystal(A), "-o", bare)[0] == 0
    known = tm.read_force_constants(bare)
    states = []
    for kelvin, factor in ((50.0, 1.0), (100.0, 1.001), (150.0, 1.003)):
        cell = replace(known.crystal, cell=known.crystal.cell * factor)
        supercell = build_supercell(cell, 3 * np.eye(3, dtype=int))
        states.append(file.parent / f"fit{kelvin:g}.h5")
        write_hdf5(replace(known, crystal=cell, temperature=kelvin), supercell, states[-1])
    code, text = run("series", *states, "-o", file.parent / "series")
    assert code == 0, text
    words = (*crystal(A), "--mesh", 2, "--temperatures", "0,100,200")
    both = ("--compare", file.parent / "series", "--compare", states[1])
    code, text = run("qha", file, *words, *both, "-o", file.parent / "beside")
    assert code == 0, text
    data = tm.load(file.parent / "beside").to_dataset()
    assert data["compared_name"].values.tolist() == ["series"] * 3 + ["fit100.h5"]
    assert data["compared_temperature"].values == pytest.approx([50.0, 100.0, 150.0, 100.0])
    wanted = A * 2**0.5 * np.array([1.0, 1.001, 1.003, 1.001])
    assert data["compared_length"].values[:, 0] == pytest.approx(wanted)
    figure = draw_minimised(data)
    drawn = {line.get_marker(): line.get_xdata() for line in figure.axes[0].lines}
    assert drawn["D"].tolist() == [50.0, 100.0, 150.0]
    assert drawn["v"].tolist() == [100.0]
    panels = check_figures_in_a_column(data)
    assert {f"cell-{x}" for x in ("lengths", "expansion", "modulus", "gruneisen")} <= panels


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--structure", "fcc:3.6:Cu"), "Cu"),
        (("--scheme", "half", *crystal(A)), "full, zsisa, fixed"),
        ((), "the crystal is not known"),
        (("--structure", "bcc:2.9:Ni", "--mesh", 4), "a mode is imaginary"),
        (("--structure", "fcc:12:Ni"), "minimum"),
    ],
)
def test_errors_say_what_is_wrong(file, words, message):
    code, text = run("qha", file, *words, "-o", file.parent / "never")
    assert code != 0
    assert message in text
    assert not (file.parent / "never").exists()


def test_a_ramp_that_ends_says_why(file):
    out = file.parent / "hot"
    words = ("--mesh", 2, "--classical", "--temperatures", "300,9000")
    code, text = run("qha", file, *crystal(A), *words, "-o", out)
    assert code == 0, text
    # The sum of the slopes of E and F has no zero above 3350 K; where the third derivatives
    # of the table jump, the search may lose the minimum earlier.
    ended = re.search(r"ended beyond (\d+) K", text)
    assert ended is not None
    assert 2500 < int(ended[1]) < 3350
    assert np.isnan(tm.load(out).to_dataset()["minimum_volume"].values[0, 0, 1])


def test_several_folders_are_those_of_quasiharmonic(file):
    sources = [file.parent / name for name in ("a", "b")]
    found = [run(command, *sources)[1] for command in ("qha", "quasiharmonic")]
    assert found[0] == found[1]
    assert "error" in found[0]


def test_options_of_potentials_are_refused_for_folders(file):
    sources = [file.parent / name for name in ("a", "b")]
    code, text = run("qha", *sources, "--scheme", "zsisa")
    assert code != 0
    assert "--scheme is an option for a potential" in text
