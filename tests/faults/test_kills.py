"""A command that is killed at random moments ends with the bytes of an undisturbed one."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "examples" / "data"
KILLS = int(os.environ.get("TRAJMODES_KILLS", "30"))
"""More of them: ``TRAJMODES_KILLS=200 pytest -m slow tests/faults/test_kills.py``."""


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "run.log"
    }


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals")
def test_a_run_killed_at_random_moments_gives_the_same_bytes(tmp_path):
    folder = tmp_path / "out"
    program = [sys.executable, "-m", "trajmodes"]
    options = ["--cutoff2", "4", "--checkpoint-every", "0.001", "-o", str(folder)]
    files_of_run = [DATA / "silicon.lammpstrj.xz", "--cell", DATA / "silicon.POSCAR"]
    command = [*program, "run", *map(str, files_of_run), *options]
    begin = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    took_s = time.monotonic() - begin
    whole = files(folder)
    chance = random.Random(1)
    kills = continued = 0
    while kills < KILLS:
        shutil.rmtree(folder)
        # Killed up to three times, then left to its end; by turns by both commands.
        for number in range(4):
            checkpoint = folder / ".trajmodes.checkpoint" / "about.json"
            again = number % 2 and checkpoint.exists()
            process = subprocess.Popen(
                [*program, "resume", str(folder)] if again else command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            try:
                process.communicate(timeout=chance.uniform(0, took_s) if number < 3 else None)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            else:
                assert process.returncode == 0
                break
        assert files(folder) == whole
        continued += "continued after" in (folder / "run.log").read_text()
    assert continued >= KILLS / 30
