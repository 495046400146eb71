"""The command `live` on a simulation that sends the frames of a bundled run."""

import itertools
import lzma
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

import trajmodes as tm
import trajmodes.pipeline.live.watch
import trajmodes.streaming.schedule
from simulations.imd import DISCONNECT, KILL, Simulation, endless, frame, part, sending, start
from trajmodes.cli.program import main
from trajmodes.errors import UsageError
from trajmodes.pipeline.live.growth import Growth

DATA = Path(__file__).parents[2] / "examples" / "data"
CELL = str(DATA / "silicon.POSCAR")
OPTIONS = ["--cell", CELL, "--cutoff2", "4", "--units", "metal"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    return frames_of_silicon(240)


def frames_of_silicon(n_frames: int) -> list[bytes]:
    """Frames of silicon as a simulation sends them."""
    run = tm.open(DATA / "silicon.lammpstrj.xz", cell=CELL, frames=(0, n_frames)).trajectory
    block = run.read(0, n_frames)
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


@pytest.mark.parametrize("fitted", [None, ["--cutoff2", "4"], ["--cutoff3", "3"]])
def test_results_grow_and_the_last_are_those_of_the_recording(tmp_path, monkeypatch, fitted):
    monkeypatch.setattr(trajmodes.streaming.schedule, "BLOCK_BYTES", 72 * 64 * 20)
    counts, renewed = [], Growth.renewed

    def counted(self, *arguments):
        found = renewed(self, *arguments)
        counts.append(0 if found is None else found[1])
        return found

    monkeypatch.setattr(Growth, "renewed", counted)
    monkeypatch.setattr(trajmodes.pipeline.live.watch, "_SHARE", 10.0)
    constants = str(tmp_path / "fc.h5")
    tm.open(DATA / "silicon.lammpstrj.xz", cell=CELL).fit(cutoff2=4.0).save(constants)
    numbered = iter(frames_of_silicon(1000))
    simulation = Simulation(endless(lambda _t: next(numbered, b""), [], pause_s=0.01))
    chosen = ["--force-constants", constants] if fitted is None else ["--cell", CELL, *fitted]
    options = ["--units", "metal", *chosen]
    words = ["live", simulation.address, *options, "--renew", "2", "--wait", "5"]
    done = CliRunner().invoke(
        main, [*words, "--until", "frames 1000", "-o", str(tmp_path / "a")]
    )
    assert done.exit_code == 0, done.output
    simulation.join(5.0)
    assert any(counts)
    assert all(n % 20 == 0 and f"{n} frames: " in done.output for n in counts if n)
    command = "project" if fitted is None else "run"
    words = [command, str(tmp_path / "a" / "stream.imd"), *options]
    assert CliRunner().invoke(main, [*words, "-o", str(tmp_path / "b")]).exit_code == 0
    xr.testing.assert_identical(numbers(tmp_path / "a"), numbers(tmp_path / "b"))


def test_velocities_alone_are_projected_on_sites_of_the_cell(sent, tmp_path):
    constants, sites = str(tmp_path / "fc.h5"), tmp_path / "sites.lammpstrj"
    tm.open(DATA / "silicon.lammpstrj.xz", cell=CELL).fit(cutoff2=4.0).save(constants)
    with lzma.open(DATA / "silicon.lammpstrj.xz", "rt", encoding="utf-8") as run:
        sites.write_text("".join(itertools.islice(run, 13 + 64)), encoding="utf-8")
    flags = (1, 0, 1, 0, 0, 1, 0)
    parts = [part(one, flags) for one in sent]
    simulation = Simulation(sending(*parts, first=start(flags=flags)))
    options = ["--units", "metal", "--force-constants", constants, "--cell", str(sites)]
    words = ["live", simulation.address, *options, "--wait", "0.4"]
    done = CliRunner().invoke(main, [*words, "-o", str(tmp_path / "a")])
    assert done.exit_code == 0, done.output
    simulation.join(5.0)
    words = ["project", str(tmp_path / "a" / "stream.imd"), *options]
    assert CliRunner().invoke(main, [*words, "-o", str(tmp_path / "b")]).exit_code == 0
    xr.testing.assert_identical(numbers(tmp_path / "a"), numbers(tmp_path / "b"))
    (tmp_path / "whole.imd").write_bytes(b"".join([start(), *sent]))
    whole = tm.open(tmp_path / "whole.imd", cell=CELL, units="metal")
    whole = whole.project(constants).to_dataset()
    kinetic = whole.kinetic_mev.to_numpy()
    np.testing.assert_allclose(numbers(tmp_path / "a").kinetic_mev, kinetic, rtol=1e-12)


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
