"""`trajmodes live` that a signal ends while it learns force constants or renews its results."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import trajmodes as tm
from simulations.imd import DISCONNECT, Simulation, endless, frame, sending, start
from trajmodes.cli.program import main
from trajmodes.errors import DataError

DATA = Path(__file__).parents[2] / "examples" / "data"
CELL = str(DATA / "silicon.POSCAR")
OPTIONS = ["--cell", CELL, "--cutoff2", "4", "--units", "metal"]

ENDED = """
import os, shutil, sys
from pathlib import Path
import trajmodes.pipeline.live.watch as watch
import trajmodes.results.folder as room
import trajmodes.streaming.schedule as schedule
from trajmodes.cli.program import main
from trajmodes.pipeline.load import LoadedRun

moment, number, first, *words = sys.argv[1:]
watch._SHARE = 10.0
schedule.BLOCK_BYTES = 72 * 64 * 20
motion, move, replace = LoadedRun.motion, room._move_to_targets, Path.replace
calls = {"motion": 0, "move": 0, "replace": 0}

def is_call(name, n):
    calls[name] += 1
    return calls[name] == n

def end():
    os.kill(os.getpid(), int(number))

def read(self, start, stop):
    if moment == "constants are learned" and is_call("motion", 2):
        end()
    return motion(self, start, stop)

def moved(root, *more):
    if is_call("move", 2):
        shutil.copytree(root, first, ignore=shutil.ignore_patterns(".*", "*.imd"))
        if moment == "files are written":
            end()
        if moment == "files are moved":
            Path.replace = replaced
    return move(root, *more)

def replaced(self, target):
    if is_call("replace", 6):
        end()
    return replace(self, target)

LoadedRun.motion, room._move_to_targets = read, moved
main(words)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.faults,
    pytest.mark.skipif(os.name == "nt", reason="Windows sends no signals"),
]


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    """Frames of silicon as a simulation sends them."""
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=CELL).trajectory
    block = run.read(0, run.n_frames)
    fields = np.stack([block.positions, block.velocities, block.forces], axis=1)
    steps, step_ps = run.steps.tolist(), run.time.timestep_ps
    rows = zip(steps, fields, block.cells, strict=True)
    return [frame(step, vectors, cell, step_ps=step_ps) for step, vectors, cell in rows]


def ended(moment: str, name: str, simulation: Simulation, folder: Path):
    """End `live` by a signal at a moment of its first or second renewal of the results."""
    number = getattr(signal, name)
    words = ["live", simulation.address, *OPTIONS, "--renew", "2", "-o", str(folder)]
    first = folder.with_name("first")
    program = [sys.executable, "-c", ENDED, moment, str(int(number)), str(first), *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    expected = -number if name == "SIGKILL" else 128 + number
    assert done.returncode == expected, done.stderr
    return done.stderr


def files(folder: Path) -> dict[str, bytes]:
    """Files of the results, without the recording and hidden files."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {
        name: path.read_bytes()
        for name, path in found.items()
        if path.is_file() and path.suffix != ".imd" and not name.startswith(".")
    }


def invoked(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(map(str, words)))
    return done.exit_code, done.output


def test_killed_while_constants_are_learned_it_leaves_a_recording(sent, tmp_path):
    folder = tmp_path / "live"
    ended("constants are learned", "SIGKILL", Simulation(sending(*sent, pause_s=0.01)), folder)
    recorded = (folder / "stream.imd").read_bytes()
    assert recorded == (start() + b"".join(sent))[: len(recorded)]
    assert not files(folder)
    code, said = invoked("resume", folder)
    assert code == 2
    assert "there is no checkpoint" in said
    code, said = invoked("run", folder / "stream.imd", *OPTIONS, "-o", folder)
    assert code == 0, said
    assert "stream.imd" in str(tm.load(folder))


def test_killed_before_new_files_are_moved_it_leaves_the_earlier_results(sent, tmp_path):
    folder = tmp_path / "live"
    ended("files are written", "SIGKILL", Simulation(sending(*sent, pause_s=0.01)), folder)
    assert "results.nc" in files(folder)
    assert files(folder) == files(tmp_path / "first")
    tm.load(folder)


def test_killed_among_old_and_new_files_it_leaves_a_folder_that_is_refused(sent, tmp_path):
    folder = tmp_path / "live"
    ended("files are moved", "SIGKILL", Simulation(sending(*sent, pause_s=0.01)), folder)
    found, first = files(folder), files(tmp_path / "first")
    assert {found[name] == content for name, content in first.items()} == {True, False}
    with pytest.raises(DataError, match="the results in this folder are incomplete"):
        tm.load(folder)
    left: list[int] = []
    rest = iter(sent)
    words = ["live", Simulation(endless(lambda _t: next(rest), left)).address, *OPTIONS]
    code, said = invoked(*words, "-o", folder)
    assert (code, left) == (2, [DISCONNECT])
    assert "the recording exists already" in said
    more = ["--record", folder / "second.imd", "--wait", "0.4", "-o", folder]
    words[1] = Simulation(sending(*sent[:240])).address
    code, said = invoked(*words, *more)
    assert code == 0, said
    assert "second.imd" in str(tm.load(folder))


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("moment", ["constants are learned", "files are moved"])
def test_a_signal_leaves_the_simulation_and_whole_results(sent, tmp_path, moment, name):
    folder, left, numbered = tmp_path / "live", [], iter(sent)
    simulation = Simulation(endless(lambda _t: next(numbered, b""), left, pause_s=0.01))
    said = ended(moment, name, simulation, folder)
    simulation.join(5.0)
    recorded = (folder / "stream.imd").read_bytes()
    n_frames = (len(recorded) - len(start())) // len(sent[0])
    assert left == [DISCONNECT]
    assert recorded == start() + b"".join(sent[:n_frames])
    assert "interrupted: no incomplete results are left" in said
    assert f"the {n_frames} frames received are in {folder / 'stream.imd'}" in said
    if moment == "files are moved":
        tm.load(folder)
        assert files(folder).keys() == files(tmp_path / "first").keys()
        assert files(folder) != files(tmp_path / "first")
    else:
        assert not files(folder)
