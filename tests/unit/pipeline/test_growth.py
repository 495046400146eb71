"""A recording that grows while force constants are learned from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trajmodes.pipeline.fit
import trajmodes.readers.text.places
import trajmodes.streaming.schedule
from simulations.imd import frame, start
from trajmodes.config.groups import ReadOptions
from trajmodes.config.job import job_of
from trajmodes.errors import DataError
from trajmodes.fit.pair_range import RangeChoice
from trajmodes.formats.open import open_trajectory
from trajmodes.machine import read_at
from trajmodes.notes import Note
from trajmodes.pipeline.job_folder import Log, Written, no_bars
from trajmodes.pipeline.live.growth import Growth
from trajmodes.pipeline.live.reopened import reopened
from trajmodes.pipeline.load import LoadedRun, load
from trajmodes.pipeline.run import run_job
from trajmodes.symmetry.cutoffs import Cutoff
from trajmodes.units import THZ

DATA = Path(__file__).parents[3] / "examples" / "data"
OPTIONS = {"cell": str(DATA / "silicon.POSCAR"), "cutoff2": 4, "resolution_thz": 0.25}
BLOCK = 50
"""Frames that are read at once."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sent() -> list[bytes]:
    """Frames of silicon as a simulation sends them; the connection was lost after 1500."""
    options = {"cell": OPTIONS["cell"], "frames": (0, 2100)}
    run = load(job_of("run", [str(DATA / "silicon.lammpstrj.xz")], options), log=Log())
    block, steps = run.trajectory.read(0, 2100), np.array(run.trajectory.steps)
    steps[1500:] += 3 * (steps[1] - steps[0])
    fields = np.stack([block.positions, block.velocities, block.forces], axis=1)
    step_ps = run.trajectory.time.timestep_ps
    return [
        frame(int(step), vectors, cell, step_ps=step_ps)
        for step, vectors, cell in zip(steps, fields, block.cells, strict=True)
    ]


class Renewals:
    """A recording to which frames are added, its renewed results, and the frames read."""

    def __init__(
        self,
        sent: list[bytes],
        folder: Path,
        patch: pytest.MonkeyPatch,
        first: bytes = start(),
        **more: Any,
    ) -> None:
        self.sent, self.path, self.n_read = sent, folder / "stream.imd", 0
        self.first = first
        options = {**OPTIONS, "units": "metal", "output": str(folder / "a"), **more}
        self.job = job_of("run", [str(self.path)], options)
        self.growth, motion = Growth(self.job), LoadedRun.motion

        def counted(run: LoadedRun, first: int, stop: int) -> Any:
            self.n_read += stop - first
            return motion(run, first, stop)

        patch.setattr(trajmodes.streaming.schedule, "BLOCK_BYTES", 72 * 64 * BLOCK)
        patch.setattr(LoadedRun, "motion", counted)

    def renewed(self, n_frames: int) -> tuple[Written, int]:
        """Results of the first frames, and the frames that were read for them by all passes."""
        self.path.write_bytes(self.first + b"".join(self.sent[:n_frames]))
        self.n_read = 0
        found = self.growth.renewed("live", no_bars)
        assert found is not None
        assert found[1] == n_frames // BLOCK * BLOCK
        return found[0], self.n_read


def test_renewals_read_new_frames_only_until_there_are_twice_as_many(
    sent, tmp_path, monkeypatch
):
    live = Renewals(sent, tmp_path, monkeypatch)
    found = [live.renewed(n) for n in (610, 700, 707, 1251, 1650, 1800)]
    # A fit and a projection; spectra of a run with a gap are begun anew.
    n_read = [2 * 600, 2 * 100, 0, 2 * 1250, 400 + 1650, 2 * 150]
    assert [n for _, n in found] == n_read


@pytest.mark.parametrize("ranges", [(Cutoff(4.0), "supercell"), (None, Cutoff(4.0))])
def test_the_range_is_that_of_the_first_frames_until_there_are_twice_as_many(
    sent, tmp_path, monkeypatch, ranges
):
    left = [RangeChoice(one, Note("note", "chosen")) for one in ranges]
    monkeypatch.setattr(trajmodes.pipeline.fit, "choose_range", lambda *_given: left.pop(0))
    live = Renewals(sent, tmp_path, monkeypatch, cutoff2=None, cutoff3=3.0)
    found = [live.renewed(n) for n in (610, 700, 1251, 1300)]
    # Blocks from which the range is chosen, a fit and a projection.
    assert [n for _, n in found] == [600 + 2 * 600, 2 * 100, 450 + 2 * 1250, 2 * 50]
    sizes = [len(one.results.constants.values) for one, _ in found]
    assert sizes[0] == sizes[1] != sizes[2] == sizes[3]
    assert not left


@pytest.mark.parametrize(("has_times", "step_fs"), [(True, None), (True, 1), (False, 25)])
def test_the_bytes_read_by_a_renewal_are_those_of_its_new_frames(
    sent, tmp_path, monkeypatch, has_times, step_fs
):
    first, frames = (start(), sent) if has_times else without_times(sent)
    live = Renewals(frames, tmp_path, monkeypatch, first, timestep_fs=step_fs)
    counts = []

    def counted(descriptor: int, buffer: memoryview, offset: int) -> int:
        counts.append(read_at(descriptor, buffer, offset))
        return counts[-1]

    monkeypatch.setattr(trajmodes.readers.text.places, "read_at", counted)
    n_bytes = {}
    for n in (600, 700, 1100, 1200):
        counts.clear()
        live.renewed(n)
        n_bytes[n] = sum(counts)
    assert n_bytes[700] == n_bytes[1200]
    # By the fit and the projection, and the headers, times and boxes.
    assert 2.0 < n_bytes[700] / (100 * len(sent[0])) < 2.2


def without_times(sent: list[bytes]) -> tuple[bytes, list[bytes]]:
    """Start of a session whose frames have no packet of time, and its frames."""
    return start(flags=(0, 0, 1, 1, 0, 1, 1)), [one[32:] for one in sent]


UNITS = ReadOptions(units="metal")


@pytest.mark.parametrize("n_added", [0, 1, 40])
@pytest.mark.parametrize("step_fs", [None, 1.0])
def test_a_recording_opened_again_is_that_opened_anew(sent, tmp_path, n_added, step_fs):
    options = replace(UNITS, timestep_fs=step_fs)
    path = tmp_path / "stream.imd"
    path.write_bytes(start() + b"".join(sent[1490:1505]))
    earlier = open_trajectory(path, options)
    with path.open("ab") as file:
        file.write(b"".join(sent[1505 : 1505 + n_added]))
    ours, theirs = reopened(earlier, options), open_trajectory(path, options)
    for name in ("steps", "times_ps"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.segments == theirs.segments == ((0, 10), (10, 15 + n_added))
    assert (ours.interval_ps, ours.notes) == (theirs.interval_ps, theirs.notes)
    assert ours.n_bytes == theirs.n_bytes
    blocks = (one.read(0, 15 + n_added) for one in (ours, theirs))
    np.testing.assert_array_equal(*(one.positions for one in blocks))


@pytest.mark.parametrize("step_fs", [None, 25.0])
def test_frames_without_times_opened_again_are_those_opened_anew(sent, tmp_path, step_fs):
    options = replace(UNITS, timestep_fs=step_fs)
    first, frames = without_times(sent)
    path = tmp_path / "stream.imd"
    path.write_bytes(first + b"".join(frames[:10]))
    earlier = open_trajectory(path, options)
    path.write_bytes(first + b"".join(frames[:15]))
    ours, theirs = reopened(earlier, options), open_trajectory(path, options)
    for one in (ours, theirs):
        assert (one.steps.tolist(), one.segments) == (list(range(15)), ((0, 15),))
        assert one.interval_ps == (None if step_fs is None else pytest.approx(0.025))
        assert not one.time.numbered
    assert ours.notes == theirs.notes
    np.testing.assert_array_equal(ours.read(9, 15).forces, theirs.read(9, 15).forces)
    with path.open("ab") as file:
        file.write(frames[15] + b"\xff" + frames[16][1:])
    with pytest.raises(DataError, match=r"a packet of box has the header .*frame 16"):
        reopened(ours, options)


def test_damage_of_an_added_frame_and_another_recording_are_errors(sent, tmp_path):
    path = tmp_path / "stream.imd"
    path.write_bytes(start() + b"".join(sent[:20]))
    earlier = open_trajectory(path, UNITS)
    damaged = bytearray(sent[25])
    damaged[3] ^= 1
    path.write_bytes(start() + b"".join([*sent[:25], damaged, *sent[26:30]]))
    with pytest.raises(DataError, match=r"a packet of time has the header .*frame 25"):
        reopened(earlier, UNITS)
    path.write_bytes(start() + b"".join(sent[100:130]))
    with pytest.raises(DataError, match="has changed since it was opened"):
        reopened(earlier, UNITS)


def test_results_are_those_of_the_file_on_modes_of_the_first_frames(
    sent, tmp_path, monkeypatch
):
    live = Renewals(sent, tmp_path, monkeypatch)
    first, last = (live.renewed(n)[0].results for n in (600, 1100))
    whole = run_job(live.job.with_options(output=str(tmp_path / "b")), command="run").results
    np.testing.assert_array_equal(last.constants.values, first.constants.values)
    np.testing.assert_array_equal(last.modes.omega, first.modes.omega)
    texts = [note.text for note in last.notes if "of the first" in note.text]
    change = largest_change(whole.modes.omega, last.modes.omega) / THZ
    assert texts == [
        "force constants and modes are those of the first 600 of 1100 frames; a fit to all of "
        f"them changes frequencies by up to {change:.2g} THz"
    ]
    # Sums over the modes of a set of all do not depend on the modes.
    ours, theirs = (one.projection.energies for one in (last, whole))
    assert ours.temperature == pytest.approx(theirs.temperature, 1e-9)
    assert last.run_length.duration == pytest.approx(whole.run_length.duration)
    assert last.run_length.worst == pytest.approx(whole.run_length.worst, 0.3)
    assert last.run_length.worst < first.run_length.worst
    # The frequencies of the motion change by the square of that of the modes.
    motion = largest_change(ours.omega_ratio, theirs.omega_ratio)
    assert 0.0 < motion < 0.1 * np.median(theirs.omega_ratio_sem)


def largest_change(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.nanmax(np.abs(one - other)))
