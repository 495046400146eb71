"""The command `trajmodes convert`: its file, its text, its refusal."""

import shutil

import pytest
from click.testing import CliRunner

from trajmodes.cli import main
from trajmodes.formats.open import open_trajectory


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copy("examples/data/copper.lammpstrj.xz", tmp_path)
    monkeypatch.chdir(tmp_path)
    return lambda text: CliRunner().invoke(main, text.split())


def test_a_run_is_converted_once_unless_forced(call, tmp_path):
    words = "convert copper.lammpstrj.xz copper.nc --units metal --frames :20"
    done = call(words)
    assert done.exit_code == 0, done.output
    assert "copper.nc: 20 frames of" in done.output
    assert "every bit kept" in done.output
    run = open_trajectory(tmp_path / "copper.nc")
    assert run.n_frames == 20
    assert run.unit_style == "metal"
    again = call(words)
    assert again.exit_code == 2
    assert "--force" in again.output
    rounded = call(f"{words} --force --float32")
    assert rounded.exit_code == 0
    assert "single precision" in rounded.output
