"""Every call of the system may fail: a clean error, or complete results, and nothing left over.

The call that is made first at each place of the program fails, one after the other, and in
other tests all calls from one on. Results that pass for complete are then complete, earlier
results are intact or are refused, and no temporary file is left, except the one whose removal
failed: the next command removes it.
"""

import errno
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, rmtree

import pytest
from click.testing import CliRunner

from program_files.argon import argon
from program_files.failing_calls import failing, from_call, never, once
from trajmodes.cli.program import main
from trajmodes.errors import DataError, StorageError, UsageError
from trajmodes.results.folder import Writer, open_folder, whole_results, write_files

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc"),
]
ERRORS = [errno.EIO, errno.ENOSPC, errno.EACCES]
REMOVING = ("open", "rmdir", "unlink", "scandir", "listdir")


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.log"
    }


def temporary(*folders):
    """Temporary files and folders, but not what is in these folders."""
    found = (path for folder in folders for path in folder.rglob("*"))
    return sorted(
        str(path)
        for path in found
        if (path.name.startswith(".trajmodes.") and path.name != ".trajmodes.files")
        or path.suffix in (".tmp", ".partial")
    )


def assert_only_removal_failed(left, state):
    """Temporary files are left only where the call failed that removes them."""
    for path in left:
        (failed,) = state.failed
        name, file = failed.split(" ", 1)
        file = Path(state.folder, file)
        assert name in REMOVING, (left, failed)
        assert file.is_relative_to(path) or Path(path).is_relative_to(file), (left, failed)


# --- the results folder, at every call


def text(content):
    return Writer("a text", lambda path: path.write_text(content))


def write(folder, content):
    with open_folder(folder) as opened:
        write_files(opened, {"a": text(content), "new/b": text(content)})


@pytest.fixture
def earlier(tmp_path):
    """A folder of earlier results, of which one file is not replaced but removed."""
    folder = tmp_path / "out"
    with open_folder(folder) as opened:
        write_files(opened, {"a": text("old"), "old/c": text("old")})
    return folder


def outcomes(folder, due, number):
    """Write results while calls fail; return the calls, and the error if there was one."""
    with failing(folder.parent, due, number) as state:
        try:
            write(folder, "new")
        except (StorageError, UsageError) as error:
            return state, error
    return state, None


def is_accepted(folder):
    """Whether readers take the results of a folder for complete."""
    try:
        with whole_results(folder):
            return True
    except DataError:
        return False


def assert_old_or_new_or_refused(folder, error):
    """Results that readers accept are complete; messages say in which state the folder is."""
    if not is_accepted(folder):
        assert "the results are incomplete: repeat the run" in str(error)
        return
    found = {name: text for name, text in files(folder).items() if ".trajmodes" not in name}
    old = {"a": b"old", "old/c": b"old"}
    assert found in (old, {"a": b"new", "new/b": b"new"})
    if error is not None and found != old:
        assert "the results are complete" in str(error)


@pytest.mark.parametrize("number", ERRORS)
def test_results_are_whole_or_refused_wherever_a_call_fails(earlier, tmp_path, number):
    copytree(earlier, tmp_path / "copy")
    calls = outcomes(earlier, never, number)[0].calls
    for n in range(1, len(calls) + 1):
        rmtree(earlier)
        copytree(tmp_path / "copy", earlier)
        state, error = outcomes(earlier, lambda call, _place, n=n: call == n, number)
        assert len(state.failed) == 1
        assert_old_or_new_or_refused(earlier, error)
        assert_only_removal_failed(temporary(earlier), state)
        write(earlier, "next")
        assert temporary(earlier) == []
        assert set(files(earlier)) == {".trajmodes.files", "a", "new/b"}


def test_results_are_whole_or_refused_whenever_a_disk_is_lost(earlier, tmp_path):
    copytree(earlier, tmp_path / "copy")
    calls = outcomes(earlier, never, errno.EIO)[0].calls
    for n in range(1, len(calls) + 1):
        rmtree(earlier)
        copytree(tmp_path / "copy", earlier)
        _, error = outcomes(earlier, from_call(n), errno.EIO)
        assert_old_or_new_or_refused(earlier, error)
        write(earlier, "next")
        assert temporary(earlier) == []


# --- whole commands, at every place that makes a call


class Commands:
    """Commands on a run of argon in a folder, with cache and temporary folder in it."""

    def __init__(self, folder):
        self.folder, self.out, self.kept = folder, folder / "out", folder / "kept"
        for name in ("tmp", "cache"):
            (folder / name).mkdir()
        argon(folder)
        run = [folder / "argon.lammpstrj", "--timestep-fs", 2]
        fit = [*run, "--cell", folder / "POSCAR", "-o", self.out]
        old = {name: [name, *fit, "--cutoff", 5] for name in ("fit", "run")}
        self.words = {
            "check": ["check", *run, "--cell", folder / "POSCAR"],
            "fit": ["fit", *fit, "--cutoff", 3.9],
            "run": ["run", *fit, "--cutoff", 3.9],
            "project": [
                "project",
                *run,
                "--force-constants",
                folder / "of_fit",
                "-o",
                self.out,
            ],
            "show": ["show", folder / "of_fit"],
            "export": ["export", folder / "of_fit", "--to", "phono3py", "-o", self.out],
        }
        self.earlier = {**old, "project": [*self.words["project"], "--frames", "0:20"]}

    def call(self, words):
        return CliRunner().invoke(main, [str(word) for word in words])

    def prepare(self, command):
        """Make results that the command uses or replaces; return its files and its calls."""
        if command in ("project", "show", "export") and not (self.folder / "of_fit").exists():
            fit = [
                word if word != self.out else self.folder / "of_fit"
                for word in self.words["fit"]
            ]
            assert self.call(fit).exit_code == 0
        rmtree(self.kept, ignore_errors=True)
        rmtree(self.out, ignore_errors=True)
        self.kept.mkdir()
        if command in self.earlier:
            assert self.call(self.earlier[command]).exit_code == 0
            copytree(self.out, self.kept, dirs_exist_ok=True)
        self.restore()
        with failing(self.folder, never) as state:
            assert self.call(self.words[command]).exit_code == 0
        return self.written(), list(dict.fromkeys(state.places))

    def restore(self):
        """Put the earlier results back, and remove all frame indices."""
        rmtree(self.out, ignore_errors=True)
        if any(self.kept.iterdir()):
            copytree(self.kept, self.out)
        for path in (self.folder / "cache").rglob("*.npz"):
            path.unlink()

    def written(self):
        """Contents of the results folder."""
        return files(self.out) if self.out.exists() else {}

    def disturbed(self, command, due, number):
        """Let calls fail during a command; its end is clean."""
        self.restore()
        with failing(self.folder, due, number) as state:
            result = self.call(self.words[command])
        said, hint = result.output, (state.failed[:1], result.output)
        assert "Traceback" not in said, hint
        if result.exit_code:
            assert result.exit_code in (2, 3, 4), hint
            assert "error: " in said, hint
            assert str(self.folder) in said, hint
            assert "  fix: " in said or "cannot read" in said, hint
        return state, result, hint


@pytest.fixture
def commands(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Commands(tmp_path)


def survives_at_every_place(commands, command, number, every):
    whole, places = commands.prepare(command)
    old = files(commands.kept)
    for place in places[::every]:
        state, result, hint = commands.disturbed(command, once(place), number)
        now = commands.written()
        left = temporary(commands.out, commands.folder / "cache")
        assert_only_removal_failed(left, state)
        assert not any((commands.folder / "tmp").iterdir()), hint
        if left:
            assert result.exit_code == 0, hint
        elif result.exit_code == 0:
            assert now == whole, hint
        elif now not in (old, whole) and "results.nc" in now:
            shown = commands.call(["show", commands.out])
            assert shown.exit_code == 3, hint
            assert "incomplete" in shown.output


def test_a_failing_call_ends_a_command_cleanly(commands):
    for command, every in (("check", 7), ("show", 1), ("export", 11)):
        survives_at_every_place(commands, command, errno.EIO, every)


@pytest.mark.slow
def test_every_failing_call_ends_an_export_cleanly(commands):
    survives_at_every_place(commands, "export", errno.EIO, 1)


@pytest.mark.soak
@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("command", ["check", "export", "fit", "run", "project"])
def test_every_failing_call_ends_a_command_cleanly(commands, command, number):
    """Half an hour and more: a command is repeated for each of some hundred calls."""
    survives_at_every_place(commands, command, number, 1)


# --- a disk that is full, also for libraries in C


@contextmanager
def small_disk(folder, n_bytes):
    """Mount a disk of a size in memory; skip the test where that is not allowed."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={n_bytes}", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, check=False).returncode:
        pytest.skip("disks cannot be mounted here")
    try:
        yield
    finally:
        # Lazily: the NetCDF library leaves a file open that it could not close.
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_byte_ends_a_command_cleanly(commands):
    """Results of an earlier command are intact, and a larger disk takes the new ones."""
    whole, _ = commands.prepare("fit")
    old, needed = files(commands.kept), sum(map(len, files(commands.kept).values()))
    rmtree(commands.out)
    codes = []
    for share in (1.02, 1.1, 1.3, 1.5, 1.7, 1.9, 2.1, 3.0):
        with small_disk(commands.out, int(share * needed) + 200_000):
            copytree(commands.kept, commands.out, dirs_exist_ok=True)
            result = commands.call(commands.words["fit"])
            assert "Traceback" not in result.output
            codes.append(result.exit_code)
            assert commands.written() == (old if result.exit_code else whole), result.output
            assert temporary(commands.out) == []
            if result.exit_code:
                assert "No space left on device" in result.output
                assert "free" in result.output
    assert codes[0] == 4
    assert codes[-1] == 0
