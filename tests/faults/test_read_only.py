"""Folders that cannot be written: what reads works; what writes says so, and leaves nothing.

The system administrator may write everywhere: the folder is then mounted for reading only, or
the test is skipped.
"""

import gzip
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager

import matplotlib.font_manager  # noqa: F401 - makes its list of fonts before caches are moved
import pytest
from click.testing import CliRunner

from program_files.argon import argon
from trajmodes.cli.program import main

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have other permissions"),
]


@contextmanager
def read_only(folder):
    """Let nobody write into a folder."""
    if os.geteuid():
        folders = [folder, *(one for one in folder.rglob("*") if one.is_dir())]
        for one in folders:
            one.chmod(0o555)
        try:
            yield
        finally:
            for one in folders:
                one.chmod(0o755)
        return
    place = str(folder)
    if (
        shutil.which("mount") is None
        or subprocess.run(
            ["mount", "--bind", place, place], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("folders cannot be mounted here, and the administrator writes everywhere")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """``run(command, …)`` on argon in a folder of its own; results go to others."""
    for name in ("input", "cache", "tmp", "out"):
        (tmp_path / name).mkdir()
    argon(tmp_path / "input")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    path, cell = tmp_path / "input/argon.lammpstrj", tmp_path / "input/POSCAR"
    more = {
        "check": ["--cell", cell, "--timestep-fs", 2],
        "fit": ["--cell", cell, "--timestep-fs", 2, "--cutoff", 3.9],
        "convert": [],
    }

    def made(command, *words, path=path):
        given = [command, path, *words, *more[command]]
        return CliRunner().invoke(main, [str(word) for word in given])

    return made


def files(folder):
    return {
        str(one.relative_to(folder)): one.read_bytes()
        for one in sorted(folder.rglob("*"))
        if one.is_file()
    }


def assert_refused(result, folder):
    assert result.exit_code in {2, 4}, result.output
    assert "Traceback" not in result.output
    assert "error: " in result.output
    assert "fix: " in result.output
    assert str(folder) in result.output


def test_input_and_cache_are_only_read(tmp_path, run):
    before = files(tmp_path / "input")
    with read_only(tmp_path / "input"), read_only(tmp_path / "cache"):
        assert run("check").exit_code == 0
        found = run("fit", "-o", tmp_path / "out/fit")
        assert found.exit_code == 0, found.output
        assert run("convert", tmp_path / "out/a.nc").exit_code == 0
    assert files(tmp_path / "input") == before
    assert files(tmp_path / "cache") == {}


def test_a_results_folder_that_cannot_be_written_is_named(tmp_path, run):
    out = tmp_path / "out"
    assert run("fit", "-o", out / "earlier").exit_code == 0
    assert run("convert", out / "earlier.nc").exit_code == 0
    before = files(out)
    with read_only(out):
        assert_refused(run("fit", "-o", out / "new"), out)
        assert_refused(run("fit", "-o", out / "earlier"), out)
        assert_refused(run("convert", out / "new.nc"), out)
        assert_refused(run("convert", out / "earlier.nc", "--force"), out)
        export = ["export", out / "earlier", "--to", "phonopy", "-o", out / "phonopy"]
        assert_refused(CliRunner().invoke(main, [str(word) for word in export]), out)
        assert CliRunner().invoke(main, ["show", str(out / "earlier")]).exit_code == 0
    assert files(out) == before
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_temporary_folder_that_cannot_be_written_is_named(tmp_path, run):
    path = tmp_path / "input/argon.lammpstrj"
    packed = path.with_name("argon.lammpstrj.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert run("check", path=packed).exit_code == 0
    with read_only(tmp_path / "tmp"):
        assert_refused(run("check", path=packed), "TMPDIR")
