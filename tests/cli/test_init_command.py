"""`trajmodes init` writes a job for the other commands; shells read `trajmodes completion`."""

import lzma
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from trajmodes.cli.program import main
from trajmodes.config.job import job_of, options_of
from trajmodes.pipeline.init.job_text import commented_job
from trajmodes.pipeline.init.neighbours import cells_beside, time_steps_beside

DATA = Path(__file__).parents[2] / "examples" / "data"
GIVEN = {"trajectory": ["a.lammpstrj", 'b "c".xyz'], "cell": "POSCAR", "timestep_fs": 2.0}


def call(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def commented(line: str) -> bool:
    """Whether a line is an option that is not set."""
    return re.match(r"# [a-z_0-9]+ = ", line) is not None


@pytest.mark.parametrize("command", ["run", "fit", "molecule"])
def test_a_commented_job_has_every_option_and_sets_those_given(tmp_path, command):
    path = tmp_path / "job.toml"
    given = {k: v for k, v in GIVEN.items() if k in ("trajectory", *options_of(command))}
    text = commented_job(command, given, {"cell": "it fits"}, "A job.\nIts second line.")
    path.write_text(text)
    assert tomllib.loads(text) == given
    found = job_of(command, path, {})
    assert found.trajectory == tuple(str(tmp_path / name) for name in given["trajectory"])
    assert found.reading.timestep_fs == 2.0
    names = {line.split()[1] for line in text.splitlines() if commented(line)}
    assert names | set(given) == {"trajectory", *options_of(command)} - {"verbose"}
    prose = " ".join(text.replace("# ", "").split())
    for name in names:
        assert options_of(command)[name].declared.help[:40] in prose


def test_defaults_in_comments_are_the_defaults(tmp_path):
    text = commented_job("run", GIVEN, {}, "")
    lines = [
        line.removeprefix("# ")
        if commented(line) and "<" not in line and " or " not in line
        else line
        for line in text.splitlines()
    ]
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "b.toml").write_text("\n".join(lines))
    assert lines != text.splitlines()
    assert job_of("run", tmp_path / "a.toml", {}) == job_of("run", tmp_path / "b.toml", {})


@pytest.fixture
def folder(tmp_path):
    for name in ("copper.POSCAR", "silicon.POSCAR", "copper.in"):
        shutil.copy(DATA / name, tmp_path)
    text = lzma.decompress((DATA / "copper.lammpstrj.xz").read_bytes())
    ends = [one.start() for one in re.finditer(b"ITEM: TIMESTEP", text)]
    (tmp_path / "copper.lammpstrj").write_bytes(text[: ends[300]])
    return tmp_path


def test_init_finds_cell_and_time_step_and_its_job_can_be_checked(folder, monkeypatch):
    (folder / "jobs").mkdir()
    monkeypatch.chdir(folder / "jobs")
    monkeypatch.setenv("COLUMNS", "80")
    result = call("init", "../copper.lammpstrj")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert "job.toml is a job of this run" in lines[0]
    assert max(map(len, lines)) <= 80
    settings = tomllib.loads((folder / "jobs" / "job.toml").read_text())
    assert settings == {
        "trajectory": ["../copper.lammpstrj"],
        "cell": "../copper.POSCAR",
        "timestep_fs": pytest.approx(2.0),
        "output": "results",
    }
    monkeypatch.chdir(folder)
    checked = call("check", "jobs/job.toml")
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.startswith("The run is suited for force constants and for spectra")
    again = call("init", "copper.lammpstrj", "-o", "jobs/job.toml")
    assert again.exit_code == 2
    assert "job.toml exists already" in again.stderr


def test_what_init_does_not_find_is_left_open(folder, monkeypatch):
    (folder / "copper.POSCAR").unlink()
    (folder / "log.lammps").write_text("units real\ntimestep 1.5 # copper.lammpstrj\n")
    monkeypatch.chdir(folder)
    result = call("init", "copper.lammpstrj", "--units", "metal", "--species", "Cu")
    assert result.exit_code == 0, result.output
    text = Path("job.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text).keys() == {"trajectory", "units", "species", "output"}
    remarks = " ".join(text.replace("# ", "").split())
    known = "2 fs in copper.in, 1.5 fs in log.lammps"
    assert f"Here: not known (files disagree: {known})" in remarks
    assert "these do not match it: silicon.POSCAR" in remarks


def test_files_beside_a_run_are_those_of_its_name_first(tmp_path):
    for name in ("POSCAR", "au.cif", "data.au", "au_2.vasp", "notes.txt", "au.lammpstrj"):
        (tmp_path / name).write_text("")
    (tmp_path / "in.a").write_text(
        "units metal\ntimestep 0.001\ndump 1 all custom 5 au.lammpstrj id\n"
    )
    (tmp_path / "in.b").write_text("units metal\ntimestep 0.002\ntimestep 0.004\n")
    run = tmp_path / "au.lammpstrj"
    names = [path.name for path in cells_beside(run, [run])]
    assert names == ["au.cif", "au_2.vasp", "POSCAR", "data.au"]
    # Only the input that names the run counts.
    assert [one.file.name for one in time_steps_beside(run)] == ["in.a"]
    assert time_steps_beside(run)[0].femtoseconds == pytest.approx(1.0)
    others = time_steps_beside(tmp_path / "cu.xyz")
    assert [one.femtoseconds for one in others] == pytest.approx([1.0, 4.0])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_is_printed_or_installed(shell, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    printed = call("completion", shell)
    assert printed.exit_code == 0, printed.output
    assert "_TRAJMODES_COMPLETE" in printed.stdout
    installed = call("completion", shell, "--install")
    assert installed.exit_code == 0, installed.output
    path = Path(installed.stdout.split(": ")[0])
    assert path.is_relative_to(tmp_path)
    assert path.read_text(encoding="utf-8") == printed.stdout
    if shell == "bash" and shutil.which("bash"):
        subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("trajmodes mo", {"plain,modes", "plain,movie", "plain,molecule"}),
        ("trajmodes run --cutoff", {"plain,--cutoff2", "plain,--cutoff3", "plain,--cutoff4"}),
        ("trajmodes run dump", {"file,dump"}),
        ("trajmodes run --cell POS", {"file,POS"}),
        ("trajmodes run --line fa", {"plain,fano"}),
    ],
)
def test_words_are_completed(typed, found):
    n_words = len(typed.split()) - 1
    given = {"COMP_WORDS": typed, "COMP_CWORD": str(n_words)}
    runner = CliRunner(env={"_TRAJMODES_COMPLETE": "bash_complete", **given})
    result = runner.invoke(main, [], prog_name="trajmodes")
    assert found <= set(result.output.split())


def test_a_job_file_that_cannot_be_written_is_named(tmp_path):
    missing = tmp_path / "missing" / "job.toml"
    result = call("init", DATA / "copper.lammpstrj.xz", "-o", missing)
    assert result.exit_code == 4
    assert "job.toml could not be written" in result.output
