"""The program: whole commands, exit codes, messages."""

import io
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from numba import njit
from rich.console import Console

from trajmodes.api.runs import open_run
from trajmodes.cli.demo import demo_job
from trajmodes.cli.program import main
from trajmodes.cli.terminal import compilation_announced, progress_bars
from trajmodes.pipeline.job_folder import Log
from trajmodes.results.folder import open_folder

DATA = Path(__file__).parents[2] / "examples" / "data"
COPPER = ["--cell", str(DATA / "copper.POSCAR"), "--units", "metal", "--timestep-fs", "2"]


def call(*words: str):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "out"
    result = call("demo", "--output", folder)
    assert result.exit_code == 0, result.output
    return folder, result


def test_demo_prints_what_it_does_and_where_to_look(demo):
    folder, result = demo
    assert "trajmodes run" in result.stdout
    assert f"{folder}/figures" in result.stdout
    assert result.stderr == ""  # no progress bar where nobody watches


@pytest.mark.parametrize(("given", "kept"), [("", "OFF"), ("ON", "ON")])
def test_spglib_prints_no_warnings_unless_asked(monkeypatch, given, kept):
    """Without a cell file it would warn of each tolerance that finds no primitive cell."""
    monkeypatch.setenv("SPGLIB_WARNING", given)
    if not given:
        monkeypatch.delenv("SPGLIB_WARNING")
    call("show", "nowhere")
    assert os.environ["SPGLIB_WARNING"] == kept


def test_demo_writes_the_results_folder(demo):
    folder, _ = demo
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    wanted = "results.nc FORCE_CONSTANTS phonopy_params.yaml run.toml run.log modes.csv"
    assert set(wanted.split()) <= names
    pictures = {path.stem for path in folder.rglob("*.png")}
    assert {"bands", "spectra", "lifetimes", "energies", "fit", "vdos"} <= pictures


def test_zirconium_is_stable_at_1400_kelvin_and_shares_its_energy(demo):
    dataset = xr.load_dataset(demo[0] / "results.nc")
    # At 0 K the lowest mode at N is at 2.5i THz (finite differences of the potential).
    at_n = (np.abs(np.abs(dataset.q) - [0.0, 0.0, 0.5]).sum("reciprocal") < 1e-9).values
    lowest = dataset.mode_freq_thz.values[at_n].min()
    assert 0.5 < lowest < 1.2
    assert dataset.mode_freq_thz.min() > -1e-6
    assert float(dataset.temperature) == pytest.approx(1400.0, abs=15.0)
    sigmas = (dataset.mode_temperature - dataset.temperature) / dataset.mode_temperature_sem
    chi_square, n_sets = float((sigmas**2).sum()), dataset.sizes["set"]
    assert abs(chi_square - n_sets) < 4.0 * (2.0 * n_sets) ** 0.5
    assert dataset.resolved.mean() > 0.8


def test_phonopy_loads_the_results_and_gives_the_same_frequencies(demo):
    phonopy = pytest.importorskip("phonopy")
    dataset = xr.load_dataset(demo[0] / "results.nc")
    loaded = phonopy.load(demo[0] / "phonopy_params.yaml", log_level=0)
    loaded.run_qpoints(dataset.q.values)
    theirs = loaded.qpoints.frequencies
    # phonopy's constants are older: 1.2e-7 of relative difference.
    np.testing.assert_allclose(theirs[1:], dataset.mode_freq_thz.values[1:], rtol=1e-6)


@pytest.mark.slow
def test_the_job_written_down_gives_the_same_results(demo, tmp_path):
    folder, _ = demo
    again = call("run", folder / "run.toml", "--output", tmp_path / "again")
    assert again.exit_code == 0, again.output
    paths = (folder / "results.nc", tmp_path / "again" / "results.nc")
    first, second = (xr.load_dataset(path).drop_attrs() for path in paths)
    xr.testing.assert_identical(first, second)


def test_the_readme_shows_what_the_demo_prints(demo):
    """Words and their order: the last digits of numbers depend on the machine."""
    _, result = demo
    readme = (DATA.parents[1] / "README.md").read_text(encoding="utf-8")
    shown = readme.split("```text\n")[1].split("```")[0]
    printed = result.stdout.split("\n\n")
    first = next(k for k, part in enumerate(printed) if part.startswith("Zr at"))
    found = " ".join(printed[first : first + 2]).split("Results")[0]
    wanted = shown.split("Results")[0]

    def words(text):
        return [one for one in text.split() if not any(c.isdigit() or c == "…" for c in one)]

    # At 100 columns a text may be cut later than at 80.
    assert len(words(wanted)) > 50
    assert [one for one in words(wanted) if one not in words(found)] == []


def test_show_prints_the_main_results(demo):
    result = call("show", demo[0] / "results.nc")
    assert result.exit_code == 0
    assert "R²" in result.stdout
    assert "Equipartition" in result.stdout


def test_check_finds_the_skew_supercell():
    result = call("check", DATA / "copper.lammpstrj.xz", *COPPER)
    assert result.exit_code == 0, result.output
    assert "51" in result.stdout
    assert "Fm-3m" in result.stdout


def test_units_that_are_not_named_are_proved():
    words = [word for word in COPPER if word not in ("--units", "metal")]
    result = call("check", DATA / "copper.lammpstrj.xz", *words, "-v")
    assert result.exit_code == 0, result.output
    assert "does not name its units; they are metal" in " ".join(result.stdout.split())


def test_check_lists_the_commensurate_points():
    result = call(
        "check", DATA / "silicon.lammpstrj.xz", "--cell", DATA / "silicon.POSCAR", "-v"
    )
    assert result.exit_code == 0, result.output
    points = result.stdout.split("q points of the supercell")[1]
    # 2 × 2 × 2 conventional cells of diamond: Γ, X, L, W and points halfway.
    assert "0 0 0 ×1" in points
    assert sum(int(word[1:]) for word in points.split() if word[0] == "×" != word) == 32


def test_a_plain_xyz_file_needs_its_box_and_its_positions_alone_a_temperature(tmp_path):
    run = open_run(DATA / "copper.lammpstrj.xz", cell=DATA / "copper.POSCAR", timestep_fs=2.0)
    path = tmp_path / "run.xyz"
    lines = []
    for position in run.frames(0, 6).positions:
        lines += ["51", "plain", *("Cu " + " ".join(map(str, row)) for row in position)]
    path.write_text("\n".join(lines) + "\n")
    words = [path, "--cell", DATA / "copper.POSCAR", "--timestep-fs", "30"]
    without = call("check", *words)
    assert without.exit_code == 2
    assert "--box" in without.stderr
    box = ",".join(map(str, run.match.box.ravel()))
    result = call("check", *words, "--box", box)
    assert "supercell matrix [[3, -1, 1], [0, 4, -1], [-1, 0, 4]]" in result.stdout
    refused = call("run", *words, "--box", box, "--output", tmp_path / "out")
    assert refused.exit_code == 2
    assert "the run has positions alone" in refused.stderr
    assert "--temperature" in refused.stderr


def test_wrong_units_are_refused_with_the_likely_ones():
    words = [word if word != "metal" else "real" for word in COPPER]
    result = call("check", DATA / "copper.lammpstrj.xz", *words)
    assert result.exit_code == 3
    assert "units metal" in result.stderr


def test_a_wrong_time_step_stops_the_run(tmp_path):
    words = [word if word != "2" else "4" for word in COPPER]
    result = call("run", DATA / "copper.lammpstrj.xz", *words, "--output", tmp_path / "out")
    assert result.exit_code == 3
    assert "check the time step" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("units", [["--units", "metal"], []])
def test_a_wrong_element_stops_the_run(tmp_path, units):
    cell = tmp_path / "POSCAR"
    cell.write_text((DATA / "copper.POSCAR").read_text().replace("Cu", "Pb"))
    words = ["--cell", cell, "--timestep-fs", "2", *units]
    result = call("run", DATA / "copper.lammpstrj.xz", *words, "--output", tmp_path / "out")
    assert result.exit_code in (2, 3)
    assert "elements" in result.stderr


def test_a_wrong_cell_is_not_reported_as_wrong_units(tmp_path):
    cell = tmp_path / "POSCAR"
    cell.write_text((DATA / "copper.POSCAR").read_text().replace("1.8275", "1.99"))
    words = ["--cell", cell, "--timestep-fs", "2"]
    result = call("check", DATA / "copper.lammpstrj.xz", *words)
    assert result.exit_code == 3
    assert "lengths differ" in result.stderr


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--resolution-thz", "100"], "this run does not allow a resolution of"),
        (["--resolution-thz", "1e-4"], "this run does not allow a resolution of"),
    ],
)
def test_a_resolution_that_the_run_does_not_allow_is_refused(tmp_path, more, words):
    output = ["--output", tmp_path / "out"]
    result = call("run", DATA / "copper.lammpstrj.xz", *COPPER, *more, *output)
    assert result.exit_code in (2, 3)
    assert words in result.stderr


def test_frames_can_be_chosen():
    result = call("check", DATA / "copper.lammpstrj.xz", *COPPER, "--frames", "1000:1200")
    assert result.exit_code == 0, result.output
    assert "200" in result.stdout


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["check", "none.lammpstrj"], 2, "none.lammpstrj"),
        (["check", "none*.lammpstrj"], 2, "no file matches the pattern"),
        (["run", "none.toml"], 2, "cannot read the job file"),
        (["show", "none.nc"], 3, "cannot be read"),
        (["check", __file__, "--frames", "5"], 2, "START:STOP"),
        (["check"], 2, "Missing argument"),
        (["sample", __file__], 2, "Missing option '--temperature'"),
        (
            ["sctdep", __file__, "--lammps", "pair_style sw"],
            2,
            "Missing option '--temperature'",
        ),
        (["export", __file__], 2, "Missing option '--to'"),
        (["run", __file__, "--cutoff", "far"], 2, '"far" is not a cutoff'),
    ],
)
def test_a_wrong_call_gives_one_message_and_an_exit_code(words, code, message):
    result = call(*words)
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_cell_of_another_crystal_is_refused():
    other = ["--cell", str(DATA / "silicon.POSCAR"), "--units", "metal"]
    result = call("check", DATA / "copper.lammpstrj.xz", *other)
    assert result.exit_code in (2, 3)
    assert "fix:" in result.stderr


def test_two_writers_of_one_folder_do_not_mix(tmp_path):
    with open_folder(tmp_path):
        result = call("run", DATA / "copper.lammpstrj.xz", *COPPER, "-o", tmp_path)
    assert result.exit_code == 5
    assert "another process writes" in result.stderr


def test_help_and_import_are_quick():
    for words in (["-m", "trajmodes", "--help"], ["-c", "import trajmodes"]):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
        assert min(times) < 0.5


def test_heavy_libraries_wait_until_they_are_used():
    code = "import trajmodes.cli, sys; print([m for m in sys.modules if '.' not in m])"
    words = [sys.executable, "-c", code]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    heavy = ("numpy", "numba", "dask", "matplotlib", "phonopy")
    assert "'click'" in loaded
    assert [name for name in heavy if f"'{name}'" in loaded] == []


def test_the_module_of_figures_loads_without_matplotlib():
    code = "import trajmodes.plot, trajmodes.report.plot.files, sys; print(*sys.modules)"
    words = [sys.executable, "-c", code]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert "trajmodes.report.plot.files" in loaded
    assert "matplotlib" not in loaded


def test_show_loads_only_what_it_needs(demo):
    folder, _ = demo
    code = (
        "import sys\n"
        "from trajmodes.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print([m for m in sys.modules if '.' not in m])"
    )
    words = [sys.executable, "-c", code, "show", str(folder / "results.nc")]
    shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    heavy = ("matplotlib", "MDAnalysis", "ase", "phonopy", "numba", "distributed")
    assert "Temperature" in shown
    assert "'numpy'" in shown
    assert [name for name in heavy if f"'{name}'" in shown] == []


def test_compilation_is_announced_once_on_a_terminal():
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100)
    with compilation_announced(console):
        for shift in (1, 2):
            assert njit(lambda x, shift=shift: x + shift)(1) == 1 + shift
    assert written.getvalue().count("once per installation") == 1


def test_the_demo_data_are_small():
    run = Path(demo_job("x").trajectory[0])
    assert sum(path.stat().st_size for path in run.parent.iterdir()) <= 6e6


@pytest.mark.parametrize(("quick", "is_shown"), [(0.1, True), (60.0, False)])
def test_a_stage_that_takes_long_is_a_line_while_it_lasts(monkeypatch, quick, is_shown):
    monkeypatch.setattr("trajmodes.cli.terminal._QUICK_S", quick)
    written = io.StringIO()
    monkeypatch.setattr(
        "rich.console.Console",
        partial(Console, file=written, force_terminal=True, width=100),
    )
    with progress_bars() as bars, Log(bars).stage("open and match"):
        time.sleep(0.3)  # rich draws ten times a second
        during = written.getvalue()
    assert ("open and match" in during) is is_shown
    assert ("100%" in written.getvalue()) is is_shown


def test_each_stage_is_a_line_of_a_file_if_everything_is_printed(capsys):
    for verbose in (False, True):
        with progress_bars(verbose=verbose) as bars:
            bars("first pass", 12)(12)
            with Log(bars).stage("solve"):
                pass
    assert capsys.readouterr().err == "first pass\nsolve\n"


@pytest.mark.parametrize("words", [["check"], ["run"], ["fit"], ["run", "--frames", "0:100"]])
def test_what_a_command_prints_fits_on_a_page(monkeypatch, tmp_path, words):
    monkeypatch.setenv("COLUMNS", "80")
    output = [] if words[0] == "check" else ["-o", tmp_path]
    result = call(*words, DATA / "copper.lammpstrj.xz", *COPPER, *output)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert 5 < len(lines) <= 20
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(("The run is suited for", "Cu at"))
