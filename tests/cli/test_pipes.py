"""Commands that read a run from a pipe, beside the same run in a file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from click.testing import CliRunner

from trajmodes.cli.program import main

DATA = Path(__file__).parents[2] / "examples" / "data"
RUN, CELL = DATA / "silicon.lammpstrj.xz", DATA / "silicon.POSCAR"
SHORT = ["--cell", str(CELL), "--frames", ":300"]


def piped(data: bytes, *words, folder: Path):
    command = [sys.executable, "-m", "trajmodes", *map(str, words)]
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(
        command, input=data, capture_output=True, check=False, env=environment
    )
    assert list(temporary.iterdir()) == []
    return done


def test_check_reads_a_pipe(tmp_path):
    done = piped(RUN.read_bytes(), "check", "-", *SHORT, "-v", folder=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert "MB from standard input were kept in TMPDIR" in done.stdout.decode()


def test_nothing_is_an_error(tmp_path):
    done = piped(b"", "check", "-", folder=tmp_path)
    assert (done.returncode, b"nothing came through standard input" in done.stderr) == (2, True)


def test_a_time_limit_needs_a_file(tmp_path):
    words = ["run", "-", "--max-hours", "1", "-o", str(tmp_path / "a")]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "--max-hours ends a job" in done.output) == (2, True)


@pytest.mark.slow
def test_the_results_are_those_of_the_file(tmp_path):
    options = [*SHORT, "--cutoff2", "4", "-o"]
    done = piped(RUN.read_bytes(), "run", "-", *options, tmp_path / "pipe", folder=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    piped(b"", "run", RUN, *options, tmp_path / "file", folder=tmp_path)
    one, other = (xr.load_dataset(tmp_path / name / "results.nc") for name in ("pipe", "file"))
    names = {"input_name", "input_files", "notes", "command", "run_file"}
    kept = [name for name in one if name not in names and one[name].dtype.kind in "fiuc"]
    assert len(kept) > 100
    xr.testing.assert_allclose(one[kept].drop_attrs(), other[kept].drop_attrs(), rtol=1e-12)
    assert 'trajectory = ["-"]' in (tmp_path / "pipe" / "run.toml").read_text()
