"""The command `trajmodes spectral-function`, from force constants and a run to files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import trajmodes as tm
from program_files.columns import check_figures_in_a_column
from silicon.crystal import CRYSTAL, TEMPERATURE, born_constants
from silicon.results import make_results
from trajmodes.api.force_constants import ForceConstants
from trajmodes.cli.program import main
from trajmodes.errors import DataError
from trajmodes.formats.hdf5 import write_hdf5
from trajmodes.phonons.anharmonic.self_energy import self_energies
from trajmodes.phonons.anharmonic.spectral_function import spectral_functions
from trajmodes.report.figures.spectral_function import (
    draw_function_map,
    draw_lines,
    draw_widths,
)
from trajmodes.report.write import PROPERTY_FILES
from trajmodes.results.dataset import to_dataset
from trajmodes.results.netcdf import encode
from trajmodes.symmetry.clusters import cluster_orbits
from trajmodes.symmetry.constraints import Constraints, constraint_rows, null_space
from trajmodes.symmetry.operations import space_group
from trajmodes.symmetry.tensors import symmetry_basis
from trajmodes.symmetry.translations import build_supercell
from trajmodes.units import BOLTZMANN, MEV, THZ

pytest.importorskip("phono3py")

MESH, N_FREQ = 4, 120
SPECTRAL = {name for name in PROPERTY_FILES if "spectral_" in name}


def done(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def failed(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code != 0
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def silicon() -> ForceConstants:
    """The Born model of silicon with random cubic force constants of its symmetry."""
    rng = np.random.default_rng(5)
    pairs = born_constants(rng, n_blocks=3)
    # the mean over the rotations: the replicates of that model have noise without symmetry
    basis = symmetry_basis(cluster_orbits(space_group(CRYSTAL), 3, 2.5))
    free = null_space(constraint_rows(basis, Constraints()))
    triplets = basis.clusters(free @ rng.normal(scale=8.0, size=free.shape[1]))
    scale = 1.0 + 0.02 * rng.standard_normal((3, 1, 1, 1, 1))
    triplets = replace(triplets, replicates=triplets.values * scale)
    known = replace(
        pairs, replicates=np.repeat(pairs.values[None], 3, axis=0), triplets=triplets
    )
    supercell = build_supercell(CRYSTAL, 2 * np.eye(3, dtype=int))
    return ForceConstants.of(known, supercell=supercell, origin="silicon")


@pytest.fixture(scope="module")
def file(silicon, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("constants") / "force_constants.h5"
    write_hdf5(silicon, silicon.supercell, path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Results of a projected run of this crystal."""
    folder = tmp_path_factory.mktemp("run")
    encode(to_dataset(make_results()), folder / "results.nc")
    return folder


@pytest.fixture(scope="module")
def written(file, run, tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("spectral") / "out"
    words = ("--mesh", MESH, "--frequencies", N_FREQ, "--measured", run, "-o", folder)
    return folder, done("spectral-function", file, *words)


def test_the_command_writes_what_the_library_computes(silicon, written):
    dataset = tm.load(written[0]).to_dataset()
    kelvin = float(dataset["spectral_temperature"])
    assert kelvin == float(dataset["measured_temperature"])
    wanted = self_energies(
        silicon, silicon.supercell, (MESH,) * 3, kelvin, dataset["spectral_q"].values, N_FREQ
    )
    np.testing.assert_allclose(
        dataset["self_energy_gamma_quantum_thz"], wanted.quantum / THZ, atol=1e-12
    )
    lines = spectral_functions(
        wanted, wanted.classical, wanted.classical_error, remove_static=True
    )
    for name, values in (("peak", lines.peak), ("width", lines.width)):
        np.testing.assert_allclose(dataset[f"spectral_{name}_classical_thz"], values / THZ)
    sem = dataset["spectral_width_classical_thz_sem"].values
    np.testing.assert_allclose(sem, lines.width_sem / THZ)
    # Γ goes with the square of force constants that scatter by 2 %.
    known = np.isfinite(sem)
    values = silicon.triplets.values.ravel()
    scatter = np.std(silicon.triplets.replicates.reshape(3, -1) @ values / (values @ values))
    expected = 2.0 * scatter * np.sqrt(2.0)
    np.testing.assert_allclose(sem[known] / (lines.width / THZ)[known], expected, rtol=0.1)
    assert str(dataset["spectral_static_part"].item()) == "removed"


def test_the_files_are_the_announced_ones_and_are_read_as_results(written):
    folder, text = written
    names = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert names == {"results.nc", *SPECTRAL}
    results = tm.load(folder)
    assert set(results.tables) == {"spectral_modes", "spectral_functions", "spectral_lines"}
    assert "effective ones at 300 K" in " ".join(text.split())
    assert "static part of the self-energy removed" in " ".join(text.split())
    assert "run" in done("show", folder / "results.nc")


def test_tables_hold_the_results(written):
    folder, _ = written
    dataset = tm.load(folder).to_dataset()
    modes = pd.read_csv(folder / "tables" / "spectral_modes.csv", comment="#")
    width = dataset["spectral_width_quantum_thz"].values.ravel()
    np.testing.assert_allclose(modes["spectral_width_quantum_thz"], width, rtol=1e-9)
    assert {"Γ", "X", "L"} <= set(modes["spectral_name"].dropna())
    functions = pd.read_csv(folder / "tables" / "spectral_functions.csv", comment="#")
    one = functions[(functions["point"] == 3) & (functions["branch"] == 2)]
    np.testing.assert_allclose(
        one["spectral_function_classical"], dataset["spectral_function_classical"][3, 1]
    )


def test_the_spectra_of_the_run_are_those_of_the_same_modes(written, run):
    dataset, measured = tm.load(written[0]).to_dataset(), tm.load(run).to_dataset()
    q = dataset["spectral_q"].values
    row = int(np.flatnonzero((dataset["spectral_name"] == "X").values)[0])
    star = np.sort(np.abs(measured["set_q"].values), axis=1)
    points = (np.abs(star - [0.0, 0.5, 0.5]) < 1e-9).all(axis=1)
    for branch in range(6):
        inside = points & (measured["branch_first"].values <= branch + 1)
        inside &= measured["branch_last"].values >= branch + 1
        (g,) = np.flatnonzero(inside)
        np.testing.assert_array_equal(
            dataset["measured_line_power"].values[row, branch], measured["line_power"].values[g]
        )
    # All q of a mesh of four are q points of that run; sums over the branches.
    assert np.isfinite(dataset["measured_power"].values).all()
    assert len(q) == dataset.sizes["spectral_point"]


def test_prediction_and_spectrum_have_the_same_area(written):
    """½k_BT A convolved with the window has the area ½k_BT within its range of frequencies."""
    dataset = tm.load(written[0]).to_dataset()
    freq, line = (
        dataset["measured_line_freq_thz"].values,
        dataset["measured_line_predicted"].values,
    )
    half = 0.5 * BOLTZMANN * float(dataset["measured_temperature"])
    width = dataset["spectral_width_classical_thz"].values
    peak = dataset["spectral_peak_classical_thz"].values
    checked = 0
    for at in np.ndindex(width.shape):
        known = np.isfinite(line[at])
        if not known.any():
            continue
        near, far = freq[at][known].min(), freq[at][known].max()
        if min(peak[at] - near, far - peak[at]) > 30.0 * width[at]:
            area = np.trapezoid(line[at][known], freq[at][known])
            assert area == pytest.approx(half, rel=0.05)
            checked += 1
    assert checked > 3


def test_chosen_points_need_no_path(file, tmp_path):
    words = ("--qpoints", "X", "--qpoints", "1/4 1/4 0", "--mesh", MESH, "--frequencies", 60)
    text = done(
        "spectral-function", file, *words, "--static-part", "keep", "-o", tmp_path / "x"
    )
    dataset = tm.load(tmp_path / "x").to_dataset()
    np.testing.assert_allclose(dataset["spectral_q"][1], [0.25, 0.25, 0.0])
    assert "spectral_distance" not in dataset
    assert "static part of the self-energy is kept" in " ".join(text.split())
    assert float(dataset["spectral_temperature"]) == TEMPERATURE
    assert not (tmp_path / "x" / "figures" / "spectral_map.png").exists()


def test_force_constants_without_a_temperature_keep_their_static_part(silicon):
    still = replace(silicon, temperature=None)
    options = {"qpoints": ["X"], "mesh": 4, "frequencies": 60}
    with pytest.raises(DataError, match="temperature is not known"):
        still.spectral_functions(**options)
    dataset = still.spectral_functions(**options, temperature=300.0)
    assert str(dataset["spectral_static_part"].item()) == "kept"
    own = dataset["self_energy_delta_classical_thz"].values[..., 0]
    np.testing.assert_allclose(own, dataset["static_shift_classical_thz"].values)
    removed = silicon.spectral_functions(**options)
    assert np.abs(removed["self_energy_delta_classical_thz"].values[..., 0]).max() < 1e-12


@pytest.mark.slow
def test_the_origin_of_force_constants_decides_about_the_static_part(silicon, tmp_path):
    """Those of sctdep have a temperature, and no bubble."""
    path = tmp_path / "force_constants.h5"
    words = ("--qpoints", "X", "--mesh", 2, "--frequencies", 60, "-o")
    for known, wanted in ((False, "kept"), (True, "removed"), (None, "removed")):
        one = replace(silicon, has_static_part=known)
        write_hdf5(one, one.supercell, path)
        text = " ".join(done("spectral-function", path, *words, tmp_path / wanted).split())
        dataset = tm.load(tmp_path / wanted).to_dataset()
        assert str(dataset["spectral_static_part"].item()) == wanted
        assert ("origin of these is not known" in text) == (known is None)


def test_effective_force_constants_of_another_temperature_are_a_warning(silicon):
    options = {"qpoints": ["X"], "mesh": 2, "frequencies": 60}
    text = "force constants are effective ones at 300 K"
    for kelvin, warns in ((310.0, False), (600.0, True)):
        dataset = silicon.spectral_functions(**options, temperature=kelvin)
        warnings = dataset["warnings"].values if "warnings" in dataset else []
        assert any(text in one for one in map(str, warnings)) == warns


def test_modes_without_a_stable_response_have_no_line_and_a_warning(silicon):
    options = {"qpoints": ["X"], "mesh": 2, "frequencies": 60}
    weak = silicon.spectral_functions(**options)
    ratios = -weak["spectral_harmonic_thz"] / (2.0 * weak["static_shift_classical_thz"])
    # Δ(0) goes with the square of the third order: some modes become unstable.
    values = np.sqrt(0.5 * (ratios.min() + ratios.max()).item()) * silicon.triplets.values
    strong = replace(silicon, triplets=replace(silicon.triplets, values=values))
    kept = strong.spectral_functions(**options, static_part="keep")
    omega = kept["spectral_harmonic_thz"].values
    unstable = omega + 2.0 * kept["static_shift_classical_thz"].values < 0.0
    assert 0 < unstable.sum() < unstable.size
    np.testing.assert_array_equal(np.isnan(kept["spectral_width_classical_thz"]), unstable)
    text = f"{unstable.sum()} modes have no line"
    assert any(text in one for one in map(str, kept["warnings"].values))
    removed = strong.spectral_functions(**options)
    assert np.isfinite(removed["spectral_width_classical_thz"]).all()


def test_misuse_ends_in_an_error(silicon, file, run, tmp_path):
    mesh = ("--mesh", MESH, "-o", tmp_path / "x")
    assert "is not a point of the mesh" in failed(
        "spectral-function", file, "--qpoints", "1/3 0 0", *mesh
    )
    assert "has no spectra of modes" in failed(
        "spectral-function", file, "--measured", _without_spectra(tmp_path), *mesh
    )
    other = replace(silicon.crystal, species=("Ge", "Ge"))
    strange = replace(silicon, crystal=other)
    with pytest.raises(DataError, match="measured run is of Si2"):
        strange.spectral_functions(measured=str(run), mesh=MESH)


def _without_spectra(folder: Path) -> Path:
    place = folder / "plain"
    place.mkdir()
    encode(to_dataset(replace(make_results(), projection=None)), place / "results.nc")
    return place


def test_figures_draw_the_results(written):
    dataset = tm.load(written[0]).to_dataset()
    lines = draw_lines(dataset)
    assert 6 <= len(lines.axes) <= 12
    drawn = [line.get_ydata() for axes in lines.axes for line in axes.lines]
    known = [one for one in drawn if len(one) == dataset.sizes["measured_line_bin"]]
    power = dataset["measured_line_power"].values / MEV
    rows = power.reshape(-1, power.shape[-1])
    for one in known[::2]:
        assert any(np.array_equal(one, row, equal_nan=True) for row in rows)
    widths = draw_widths(dataset)
    marked = [x for line in widths.axes[0].lines for x in line.get_ydata()]
    own = dataset["spectral_width_classical_thz"].values
    known = own[np.isfinite(own)]
    assert np.isclose(known[:, None], np.asarray(marked), rtol=1e-9).any(axis=1).all()
    panels = draw_function_map(dataset).axes
    assert [axes.get_title() for axes in panels[::2]] == ["third order", "run"]
    drawn = check_figures_in_a_column(dataset)
    assert {"predicted-line", "predicted-map", "predicted-widths", "predicted-shifts"} <= drawn
