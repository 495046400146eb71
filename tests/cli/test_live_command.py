"""The command `live` on a simulation that sends the frames of a bundled run."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import trajmodes as tm
from simulations.imd import DISCONNECT, KILL, Simulation, endless, frame, sending
from trajmodes.cli.program import main
from trajmodes.errors import UsageError

DATA = Path(__file__).parents[2] / "examples" / "data"
CELL = str(DATA / "silicon.POSCAR")
OPTIONS = ["--cell", CELL, "--cutoff2", "4", "--units", "metal"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    """Frames of silicon as a simulation sends them, 240 of them."""
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=CELL, frames=(0, 240)).trajectory
    block = run.read(0, 240)
    fields = np.stack([block.positions, block.velocities, block.forces], axis=1)
    steps, time_step = run.steps, run.time.timestep_ps
    return [
        frame(int(step), vectors, cell, step_ps=time_step)
        for step, vectors, cell in zip(steps, fields, block.cells, strict=True)
    ]


def live(address, folder, *more):
    words = ["live", address, *OPTIONS]
    return CliRunner().invoke(main, [*words, "-o", str(folder), "--wait", "0.4", *more])


def numbers(path):
    data = xr.load_dataset(path / "results.nc")
    return data.drop_attrs()


def test_the_results_are_those_of_the_recording(sent, tmp_path):
    simulation = Simulation(sending(*sent[:200]), sending(*sent[205:]))
    done = live(simulation.address, tmp_path / "live")
    assert done.exit_code == 0, done.output
    assert "stopped after 235 frames: the simulation ended" in done.output
    again = tmp_path / "again"
    words = ["run", str(tmp_path / "live" / "stream.imd"), "-o", str(again), *OPTIONS]
    assert CliRunner().invoke(main, words).exit_code == 0
    xr.testing.assert_identical(numbers(tmp_path / "live"), numbers(again))
    for name in ("tables/modes.csv", "tables/spectra.csv", "FORCE_CONSTANTS"):
        assert (tmp_path / "live" / name).read_bytes() == (again / name).read_bytes()


def test_results_are_renewed_in_python(sent, tmp_path):
    left: list[int] = []
    numbered = iter(sent)
    simulation = Simulation(endless(lambda _t: next(numbered, b""), left, pause_s=0.01))
    options = {"cell": CELL, "cutoff2": 4, "units": "metal", "renew": 0.2}
    found = []
    with tm.live(
        simulation.address, output=tmp_path / "a", until="frames 240", **options
    ) as watched:
        for results in watched:
            found.append((watched.n_frames, results))
            watched.pause()
            watched.resume()
    simulation.join(5.0)
    assert left == [DISCONNECT]
    assert watched.ending == "frames 240"
    assert found[-1][0] == 240
    again = tm.run(tmp_path / "a" / "stream.imd", cell=CELL, cutoff2=4, units="metal")
    ours, theirs = (one.to_dataset().drop_attrs() for one in (found[-1][1], again))
    xr.testing.assert_identical(ours, theirs)


def test_the_simulation_is_left_at_the_end_of_the_block(sent, tmp_path):
    left: list[int] = []
    numbered = iter(sent)
    simulation = Simulation(endless(lambda _t: next(numbered, b""), left))
    with tm.live(simulation.address, output=tmp_path / "a", units="metal") as watched:
        pass
    simulation.join(5.0)
    assert (left, watched.ending) == ([DISCONNECT], "stopped")
    with pytest.raises(UsageError, match="no folder for the results is named"):
        tm.live("imd://localhost:1", units="metal")


def test_a_condition_ends_the_simulation(sent, tmp_path):
    left: list[int] = []
    numbered = (frame_of for frame_of in sent)
    simulation = Simulation(endless(lambda _t: next(numbered, b""), left))
    conditions = ["--until", "temperature 500 K, frames 9000", "--then", "kill"]
    done = live(simulation.address, tmp_path / "live", *conditions, "--renew", "0.2")
    assert done.exit_code == 0, done.output
    assert ": temperature 500 K" in done.output
    simulation.join(5.0)
    assert left == [KILL]
