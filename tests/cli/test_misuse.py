"""Mistakes of a user are refused before the run, and no file of the user is lost."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from trajmodes.cli.program import main
from trajmodes.report.write import MAP_FILES
from trajmodes.results.outputs import TABLES

DATA = Path(__file__).parents[2] / "examples" / "data"
RUN, CELL = DATA / "silicon.lammpstrj.xz", DATA / "silicon.POSCAR"
COPPER = ["--cell", DATA / "copper.POSCAR", "--units", "metal", "--timestep-fs", 2]
SHORT = ["--frames", "0:400"]


def call(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def done(*words: object) -> str:
    result = call(*words)
    assert result.exit_code == 0, result.output
    return one_line(result.stdout)


def refused(*words: object, code: int = 2) -> str:
    result = call(*words)
    assert result.exit_code == code, result.output
    return one_line(result.stderr)


def one_line(text: str) -> str:
    """Text without its line breaks."""
    return " ".join(text.split())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


@pytest.fixture(scope="module", autouse=True)
def _few_figures():
    """Draw no figures: they have their own tests, and take the longest time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trajmodes.report.write.OUTPUTS", TABLES)
        yield


@pytest.fixture(scope="module")
def fitted(tmp_path_factory) -> Path:
    """Pair constants of silicon at 1140 K."""
    folder = tmp_path_factory.mktemp("misuse") / "fit"
    done("fit", RUN, "--cell", CELL, "--cutoff", 4, *SHORT, "-o", folder)
    return folder


# --- folder of a killed run


def test_results_of_a_run_that_was_killed_while_writing_are_refused(fitted, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(fitted, folder)
    listed = folder / ".trajmodes.files"
    listed.write_text(listed.read_text().replace('"whole"', '"changing"'))
    (folder / ".trajmodes.rest").mkdir()
    constants = folder / "force_constants.h5"
    for words in (
        ["show", folder],
        ["show", folder / "results.nc"],
        ["modes", folder],
        ["export", folder, "--to", "tdep"],
        ["scan", folder],
        ["movie", constants, "0 0 0:4", "-o", tmp_path / "movie.xyz"],
        ["project", RUN, "--constants", folder, *SHORT, "-o", tmp_path / "out"],
        ["sed", RUN, "--constants", constants, *SHORT, "-o", tmp_path / "out"],
        ["fit", RUN, "--cell", CELL, "--append", folder, "-o", tmp_path / "out"],
    ):
        text = refused(*words, code=3)
        assert "the results in this folder are incomplete" in text
        assert "repeat the run" in text
    done("fit", RUN, "--cell", CELL, "--cutoff", 4, *SHORT, "-o", folder)
    assert not (folder / ".trajmodes.rest").exists()
    done("show", folder)


# --- files that would be overwritten


@pytest.mark.parametrize("command", ["project", "sed"])
@pytest.mark.parametrize("file", ["", "force_constants.h5"])
def test_results_do_not_replace_their_force_constants(fitted, command, file):
    before = contents(fitted)
    output = fitted.parent / "x" / ".." / "fit"
    text = refused(command, RUN, "--force-constants", fitted / file, "-o", output)
    assert "would replace one of their inputs" in text
    assert "name another folder" in text
    assert contents(fitted) == before


def test_a_molecule_does_not_replace_its_hessian(tmp_path):
    run, folder = tmp_path / "run.xyz", tmp_path / "modes"
    folder.mkdir()
    (folder / ".trajmodes.files").write_text('["hessian.npy", "reference.xyz"]')
    (folder / "hessian.npy").write_text("old")
    files = ["--reference", DATA / "x.xyz", "--hessian", folder / "hessian.npy"]
    assert "would replace one of their inputs" in refused("molecule", run, *files, "-o", folder)
    assert (folder / "hessian.npy").read_text() == "old"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        # Reported before the run, which does not exist, is read.
        (["fit", "none.xyz", "--cell", CELL], "normal_equations.nc"),
        (["run", "none.xyz", "--cell", CELL], "FORCE_CONSTANTS"),
        (["run", "none.xyz", "--cell", CELL], "figures/bands.png"),
        (["run", "none.xyz", "--save-amplitudes", "X:4"], "amplitudes.nc"),
        (["sed", "none.xyz", "--cell", CELL], "tables/sed.csv"),
        (["molecule", "none.xyz"], "modes.csv"),
    ],
)
def test_files_of_the_user_are_not_overwritten(tmp_path, words, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    text = refused(*words, "-o", tmp_path)
    assert f"{name} would be replaced, but trajmodes did not write it there" in text
    assert "name another folder" in text
    assert contents(tmp_path) == {name: b"mine"}


def test_files_that_a_command_does_not_write_are_kept(fitted, tmp_path):
    for name in ("normal_equations.nc", "FORCE_CONSTANTS", "notes.txt"):
        (tmp_path / name).write_text("mine")
    words = ["project", RUN, "--force-constants", fitted, *SHORT, "-o", tmp_path]
    done(*words)
    done(*words)
    assert (tmp_path / "normal_equations.nc").read_text() == "mine"
    assert (tmp_path / "FORCE_CONSTANTS").read_text() == "mine"


def test_a_movie_replaces_movies_only(fitted, tmp_path):
    path = tmp_path / "mode.xyz"
    assert "replaced" not in done("movie", fitted, "X:4", "-o", path)
    assert f"{path} (replaced): 40 frames" in done("movie", fitted, "L:4", "-o", path)
    path.write_text(path.read_text().replace("branch", "other"))
    before = path.read_bytes()
    text = refused("movie", fitted, "X:4", "-o", path)
    assert "would replace a file that is not a movie" in text
    assert path.read_bytes() == before


# --- constants and crystals


@pytest.mark.parametrize("command", ["run", "fit"])
def test_a_fit_refuses_given_force_constants(tmp_path, command):
    job = tmp_path / "job.toml"
    job.write_text(f'trajectory = "{RUN}"\nconstants = "fit"\noutput = "out"\n')
    text = refused(command, job)
    assert "force constants are given" in text
    assert "use `trajmodes project JOB.toml`, or leave out force_constants" in text
    assert not (tmp_path / "out").exists()


WURTZITE = """GaN
1.0
3.19 0 0
-1.595 2.762621 0
0 0 5.189
Ga N
2 2
Direct
0.333333 0.666667 0.0
0.666667 0.333333 0.5
0.333333 0.666667 0.376
0.666667 0.333333 0.876
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: WURTZITE, r"the cell file describes Ga2N2"),
        (lambda text: text.replace("Si", "Ge"), r"the cell file describes Ge2"),
        (lambda text: text.replace("5.4", "6.1"), r"the cell file describes Si2"),
    ],
)
def test_a_cell_of_another_crystal_beside_constants_is_refused(fitted, tmp_path, change, words):
    text = CELL.read_text()
    assert change(text) != text
    (tmp_path / "POSCAR").write_text(change(text))
    for command in ("project", "sed"):
        given = ["--force-constants", fitted, "--cell", tmp_path / "POSCAR", *SHORT]
        text = refused(command, RUN, *given, "-o", tmp_path / "out", code=3)
        assert words in text
        assert "the force constants Si2" in text
    assert not (tmp_path / "out").exists()


def test_an_unused_cell_file_is_not_listed_as_input(fitted, tmp_path):
    given = ["--force-constants", fitted, "--cell", CELL, *SHORT, "-o", tmp_path / "out"]
    assert "POSCAR" not in done("project", RUN, *given, "-v")
    shown = done("show", tmp_path / "out" / "results.nc")
    assert RUN.name in shown
    assert "POSCAR" not in shown


# --- modes by name


def test_amplitudes_of_a_special_point_are_saved_by_its_name(fitted, tmp_path):
    words = ["--force-constants", fitted, *SHORT, "-o", tmp_path / "out"]
    saved = [
        "--save-amplitudes",
        "X:4",
        "--save-amplitudes",
        "1/2 0 1/2:4",
        "--save-amplitudes",
        "0 1/2 1/2:4",
    ]
    done("project", RUN, *words, *saved)
    found = xr.load_dataset(tmp_path / "out" / "amplitudes.nc")
    by_name = found.Q.values[:, 0]
    # One of the three arms of X, whichever is named X for this cell.
    others = [found.Q.values[:, k] for k in range(1, found.sizes["mode"])]
    q = np.abs(found.q.values)
    assert sorted(q[0].tolist()) == [0.0, 0.5, 0.5]
    for k, other in enumerate(others, start=1):
        assert np.array_equal(by_name, other) == np.allclose(q[k], q[0])


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("K:4", "not commensurate with the supercell"),
        ("Q:4", '"Q" is not a point of the zone'),
        (
            "X:7",
            "“X:7” names a branch that does not exist fix: branches are numbered from 1 to 6",
        ),
        ("X", "“X” does not name a mode"),
        (":4", "“:4” does not name a mode"),
    ],
)
def test_a_text_that_names_no_mode_is_refused(fitted, tmp_path, mode, words):
    words_given = [
        "--force-constants",
        fitted,
        *SHORT,
        "--save-amplitudes",
        mode,
        "-o",
        tmp_path / "out",
    ]
    assert words in refused("project", RUN, *words_given)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (
            "X:7",
            "“X:7” names a branch that does not exist fix: branches are numbered from 1 to 6",
        ),
        ("0 0 0:1", "branch 1 at q = 0 0 0 is a translation of the whole crystal"),
        ("G:3", "choose an optical branch, here 4 to 6"),
        ("0.123 0 0:1", "no small supercell is commensurate with q = 0.123 0 0 fix: give q as"),
    ],
)
def test_a_movie_of_an_impossible_mode_is_refused(fitted, tmp_path, mode, words):
    text = refused("movie", fitted, mode, "-o", tmp_path / "mode.xyz")
    assert words in text
    assert "supercell matrix" not in text
    assert not (tmp_path / "mode.xyz").exists()


@pytest.mark.parametrize(("size", "is_large"), [(1.1, False), (1.3, True)])
def test_a_movie_with_too_large_displacements_has_a_note(fitted, tmp_path, size, is_large):
    # Neighbours in silicon are 2.35 Å apart.
    text = done("movie", fitted, "X:4", "--amplitude", size, "-o", tmp_path / "mode.xyz")
    assert ("more than half the nearest-neighbour distance" in text) == is_large


# --- export, conductivity, short runs, folders of other commands


def test_second_order_force_constants_are_written_for_phono3py_and_tdep(fitted, tmp_path):
    words = ["--to", "phono3py", "--to", "tdep", "-o", tmp_path / "export"]
    assert "hence no fc3.hdf5" in done("export", fitted, *words)
    names = {p for p in contents(tmp_path / "export") if not Path(p).name.startswith(".")}
    assert {"phono3py/fc2.hdf5", "phono3py/phono3py_params.yaml"} <= names
    assert "tdep/outfile.forceconstant" in names
    assert "phono3py/fc3.hdf5" not in names
    done("export", fitted, *words)


def test_an_export_writes_all_files_or_none(fitted, tmp_path):
    words = ["--to", "tdep", "--to", "shengbte", "-o", tmp_path / "export"]
    assert "no third-order force constants" in refused("export", fitted, *words, code=3)
    assert not (tmp_path / "export").exists()
    mine = tmp_path / "export" / "phonopy" / "FORCE_CONSTANTS"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    words = ["--to", "tdep", "--to", "phonopy", "-o", tmp_path / "export"]
    assert "FORCE_CONSTANTS would be replaced" in refused("export", fitted, *words)
    assert contents(tmp_path / "export") == {"phonopy/FORCE_CONSTANTS": b"mine"}


@pytest.mark.slow
@pytest.mark.parametrize(("points", "is_noted"), [(6, True), (8, False)])
def test_a_mesh_finer_than_asked_for_is_noted(fitted, tmp_path, points, is_noted):
    words = ["--force-constants", fitted, "--conductivity", points, "-o", tmp_path / "out"]
    text = done("project", RUN, *words, "-v")
    assert "mesh 8 × 8 × 8" in text
    assert ("8 × 8 × 8, while 6 × 6 × 6 was asked for" in text) == is_noted


def test_a_short_run_has_energies_and_the_number_of_frames_that_spectra_need(tmp_path):
    words = ["run", DATA / "copper.lammpstrj.xz", *COPPER, "-o", tmp_path / "out"]
    text = done(*words, "--frames", "0:100")
    assert "not done: spectra, linewidths and lifetimes" in text
    assert "100 frames without a gap" in text
    assert "at least 128 are needed" in text
    with xr.open_dataset(tmp_path / "out" / "results.nc") as results:
        assert np.isfinite(results["mode_temperature"]).any()
        assert not {"power", "linewidth_thz", "lifetime_energy_ps"} & set(results)


def test_a_folder_of_sed_is_named_as_such(fitted, tmp_path):
    words = ["--force-constants", fitted, "--path", "G X", *SHORT, "-o", tmp_path / "sed"]
    done("sed", RUN, *words)
    text = refused("modes", tmp_path / "sed", code=3)
    names = {name for name in contents(tmp_path / "sed") if not name.startswith(".")}
    assert names == set(MAP_FILES)
    assert "written by `trajmodes sed`" in text


def test_names_that_are_nearly_right_are_named(fitted):
    near = DATA / "silicon.lammpstrj.x"
    assert f"did you mean {RUN}" in refused("run", near)
    assert f"did you mean {CELL}" in refused("run", RUN, "--cell", DATA / "silicn.POSCAR")
    assert f"did you mean {fitted}?" in refused("show", f"{fitted}t", code=3)
    assert "there is no folder" in refused("check", fitted / "more" / "*.dump")
    assert "did you mean modes" in refused("show", fitted, "mods")
    assert "did you mean bands" in refused("plot", fitted, "bnds")
    assert "belongs to `trajmodes live`, `trajmodes project`" in refused(
        "run", RUN, "--force-constants", fitted
    )
    assert "No such option '--cuttoff2'" in refused("run", RUN, "--cuttoff2", 4)
